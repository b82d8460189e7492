//! Duplicate rows, found by hash and verified on values.
//!
//! No row is called a duplicate because hashes agree: each hit is compared cell by cell (see
//! [`super::row_hash`] for what equal means), so the answer is exact whatever the hash does.
//!
//! - [`cross_duplicates`]: which rows of one frame also occur in another. The other frame is streamed; memory is
//!   about 30 bytes a row of the first frame, whatever the number of columns.
//! - [`duplicate_rows`]: rows that occur more than once within one frame, about 25 bytes a row.

use std::sync::atomic::{AtomicU32, Ordering};

use super::cell::Grid;
use super::row_groups::{BATCH, BLOCK, Groups, NONE};
use super::row_hash::{Lane, Mixed, RowHash, hash_rows, lanes, tile_rows, verify};
use crate::columns::Column;
use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks};

/// Rows of one frame that also occur in another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CrossDuplicates {
    /// The rows of the validation frame, ascending.
    pub val_rows: Vec<u32>,
    /// For each of them the first equal row of the train frame.
    pub train_rows: Vec<u32>,
}

/// Rows of one frame that occur more than once in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DuplicateRows {
    /// The rows, ascending, the first occurrences included.
    pub rows: Vec<u32>,
    /// For each of them the first equal row: the name of its group.
    pub first: Vec<u32>,
}

/// What counts as equal. Cells that are not numbers with a fraction on either side are always compared exactly.
#[derive(Debug, Clone, Copy, Default)]
pub enum Likeness<'a> {
    /// Equal numbers, whatever their types.
    #[default]
    Exact,
    /// Numbers that round to the same float32: what a detour through single precision leaves.
    Single,
    /// Numbers that round to the same point of a grid: two that do are no further apart than its step.
    Grid {
        /// A point of the grid, by column.
        centres: &'a [f64],
        /// The distance of its points, by column; above 0.
        steps: &'a [f64],
        /// How far all grids are moved, in steps. Twins that straddle a border of one grid share a cell of another.
        shift: f64,
    },
}

impl Likeness<'_> {
    fn lanes(&self, left: &[Column<'_>], right: &[Column<'_>]) -> Result<Vec<Lane>> {
        let mut lanes = lanes(left, right);
        if let Self::Grid { centres, steps, .. } = self {
            for (name, got) in [("centres", centres.len()), ("steps", steps.len())] {
                if got != lanes.len() {
                    return Err(Error::LengthMismatch { name: name.into(), got, expected: lanes.len() });
                }
            }
        }
        for (j, lane) in lanes.iter_mut().enumerate().filter(|(_, lane)| **lane == Lane::Float) {
            match *self {
                Self::Exact => {}
                Self::Single => *lane = Lane::Single,
                Self::Grid { centres, steps, shift } => {
                    let per_unit = 1.0 / steps[j];
                    if !(per_unit > 0.0 && per_unit.is_finite() && centres[j].is_finite()) {
                        return Err(Error::Parameter {
                            name: format!("grid of column {j}"),
                            value: format!("{} + k·{}", centres[j], steps[j]),
                            hint: "pass a finite centre and a step above 0".into(),
                        });
                    }
                    *lane = Lane::Grid(Grid { centre: centres[j], per_unit, shift });
                }
            }
        }
        Ok(lanes)
    }
}

/// Which rows of `val` are like some row of `train`, and which one first.
///
/// Both frames hold the same columns in the same order; types may differ, values are compared.
pub fn cross_duplicates(
    train: &[Column<'_>],
    val: &[Column<'_>],
    likeness: Likeness<'_>,
    cancel: &Cancel,
) -> Result<CrossDuplicates> {
    cross_with(Mixed, train, val, likeness, cancel)
}

/// As [`cross_duplicates`] with any hash: the answer is the same, only slower with a poor one.
pub fn cross_with<H: RowHash>(
    hash: H,
    train: &[Column<'_>],
    val: &[Column<'_>],
    likeness: Likeness<'_>,
    cancel: &Cancel,
) -> Result<CrossDuplicates> {
    if train.len() != val.len() {
        return Err(Error::ColumnCountMismatch { got: val.len(), expected: train.len() });
    }
    let (n_train, n_val) = (row_count("train", train)?, row_count("val", val)?);
    if n_train == 0 || n_val == 0 {
        return Ok(CrossDuplicates::default());
    }
    let lanes = likeness.lanes(train, val)?;
    let groups = Groups::build(hash, val, &lanes, cancel)?;
    // The first equal train row of each group; a minimum, so that the order in which threads find them is moot.
    let best: Vec<AtomicU32> = (0..n_val).map(|_| AtomicU32::new(NONE)).collect();
    let tile = tile_rows(train);
    map_blocks(n_train, BLOCK, train.len(), cancel, |rows| {
        let (mut hashes, mut known, mut pairs, mut equal) = (vec![0; tile], Vec::new(), Vec::new(), Vec::new());
        let mut settle = |pairs: &mut Vec<(u32, u32)>| {
            verify(train, val, &lanes, pairs, &mut equal);
            for (&(row, group), _) in pairs.iter().zip(&equal).filter(|(_, equal)| **equal) {
                best[group as usize].fetch_min(row, Ordering::Relaxed);
            }
            pairs.clear();
        };
        for start in rows.clone().step_by(tile) {
            let hashes = &mut hashes[..tile.min(rows.end - start)];
            hash_rows(hash, train, &lanes, start, hashes);
            groups.likely(hashes, &mut known);
            for &offset in &known {
                let row = start as u32 + offset;
                for group in groups.with_hash(hashes[offset as usize]) {
                    // A later row can't become the first one: nothing to verify.
                    if row < best[group as usize].load(Ordering::Relaxed) {
                        pairs.push((row, group));
                    }
                }
                if pairs.len() >= BATCH {
                    cancel.check()?;
                    settle(&mut pairs);
                }
            }
            settle(&mut pairs);
        }
        Ok(())
    })?;
    let mut found = CrossDuplicates::default();
    for (row, &group) in groups.first.iter().enumerate() {
        let train_row = best[group as usize].load(Ordering::Relaxed);
        if train_row != NONE {
            found.val_rows.push(row as u32);
            found.train_rows.push(train_row);
        }
    }
    Ok(found)
}

/// Which rows of a frame are like another row of it.
pub fn duplicate_rows(columns: &[Column<'_>], likeness: Likeness<'_>, cancel: &Cancel) -> Result<DuplicateRows> {
    duplicates_with(Mixed, columns, likeness, cancel)
}

/// As [`duplicate_rows`] with any hash.
pub fn duplicates_with<H: RowHash>(
    hash: H,
    columns: &[Column<'_>],
    likeness: Likeness<'_>,
    cancel: &Cancel,
) -> Result<DuplicateRows> {
    if row_count("the frame", columns)? == 0 {
        return Ok(DuplicateRows::default());
    }
    let lanes = likeness.lanes(columns, columns)?;
    let Groups { first, .. } = Groups::build(hash, columns, &lanes, cancel)?;
    let mut repeated = vec![false; first.len()];
    for (row, &group) in first.iter().enumerate() {
        repeated[group as usize] |= group as usize != row;
    }
    let rows = || first.iter().enumerate().filter(|&(_, &group)| repeated[group as usize]);
    Ok(DuplicateRows { rows: rows().map(|(row, _)| row as u32).collect(), first: rows().map(|(_, &f)| f).collect() })
}

/// The number of rows, which must fit in 32 bits and be the same in every column. A frame without columns has none.
fn row_count(name: &str, columns: &[Column<'_>]) -> Result<usize> {
    let Some(first) = columns.first() else { return Ok(0) };
    let rows = first.len();
    if let Some(column) = columns.iter().find(|column| column.len() != rows) {
        return Err(Error::LengthMismatch { name: format!("a column of {name}"), got: column.len(), expected: rows });
    }
    if rows >= NONE as usize {
        return Err(Error::Parameter {
            name: format!("rows of {name}"),
            value: rows.to_string(),
            hint: "duplicates are searched in up to 4,294,967,294 rows at once: pass fewer".into(),
        });
    }
    Ok(rows)
}

#[cfg(test)]
#[path = "duplicates_tests.rs"]
mod tests;
