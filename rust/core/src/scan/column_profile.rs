//! What each column holds, found in one read: missing and odd cells, range and spread, repeats, order, frequent values.
//!
//! Rows are cut into blocks whose borders depend on their number alone. A block is read by one thread, column after
//! column where columns are contiguous; cells that are not (a row-major matrix, another order of rows) are brought
//! together tile by tile, for neighbouring columns at a time, so that memory is read once. A profile is a state that further
//! rows can be added to ([`ColumnProfiler::update`], for record batches) and that the profile of later rows can be
//! joined to ([`ColumnProfiler::merge`]): counts and runs are exact however rows are cut, moments to rounding.

pub use super::block_rows::RowFacts;
use super::block_rows::{BlockRows, TILE};
use super::column_bands::scan_block;
use super::column_state::ColumnState;
pub use super::moments::Moments;
pub use super::top_values::CAPACITY;
pub use super::value::Steps;
use super::value::kind_of;
use crate::columns::Column;
use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks};

/// Into how many blocks rows are cut at most: more than the cores that memory can feed.
const BLOCKS: usize = 16;

/// The least rows of a block.
const LEAST_BLOCK: usize = 8 * TILE;

/// What one column holds.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnProfile {
    /// Over all rows.
    pub total: Moments,
    /// By part of the rows.
    pub parts: Vec<Moments>,
    /// Each row against the one before it.
    pub rows: Steps,
    /// Each row against the same asset's row before it; the same as `rows` where assets are not known.
    pub own: Steps,
    /// How many distinct values there are, NaN aside; None for more than [`CAPACITY`].
    pub distinct: Option<usize>,
    /// Frequent values and their counts, the most frequent first; counts are exact when `distinct` is known, else they
    /// fall short of the truth.
    pub top: Vec<(f64, u64)>,
    /// A hash of the values in order, equal for columns of equal numbers that were read together.
    pub hash: u64,
    /// By asset: the most equal cells in a row.
    pub longest: Vec<u32>,
    /// By asset: how many cells are missing before the first that is not.
    pub lead: Vec<u32>,
}

/// The profile of a frame that is being read.
#[derive(Debug, Clone)]
pub struct ColumnProfiler {
    assets: Option<usize>,
    parts: usize,
    tiles: u64,
    rows: u64,
    asset_rows: Vec<u64>,
    columns: Option<Vec<ColumnState>>,
}

impl ColumnProfiler {
    /// A profile of no rows yet. `assets` says how many assets there are, where they are known; `parts` into how many
    /// parts rows are divided, at least 1.
    #[must_use]
    pub fn new(assets: Option<usize>, parts: usize) -> Self {
        let parts = parts.max(1);
        Self { assets, parts, tiles: 0, rows: 0, asset_rows: vec![0; assets.unwrap_or(1)], columns: None }
    }

    /// How many rows were read.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// By asset, how many rows were read.
    #[must_use]
    pub fn asset_rows(&self) -> &[u64] {
        &self.asset_rows
    }

    /// Adds rows that come behind those read so far. Nothing is added when it fails.
    pub fn update(&mut self, columns: &[Column<'_>], facts: RowFacts<'_>, cancel: &Cancel) -> Result<()> {
        let rows = self.checked_rows(columns, facts)?;
        let block = rows.div_ceil(BLOCKS).max(LEAST_BLOCK).next_multiple_of(TILE);
        let parts = map_blocks(rows, block, columns.len(), cancel, |range| {
            let shared = BlockRows::new(range.clone(), facts, self.asset_rows.len(), self.parts)?;
            let states = scan_block(columns, facts.order, &range, &shared, self.parts, cancel)?;
            Ok((shared, states))
        })?;
        let known = self.columns.take();
        let mut states = known.unwrap_or_else(|| columns.iter().map(|column| self.empty(column)).collect());
        for (shared, found) in parts {
            let theirs: Vec<u64> = shared.count.iter().map(|&count| u64::from(count)).collect();
            self.join(&mut states, &found, &theirs, shared.len as u64, shared.len.div_ceil(TILE) as u64);
        }
        self.columns = Some(states);
        Ok(())
    }

    /// Adds the profile of rows that come behind those of this one.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if (self.assets, self.parts) != (other.assets, other.parts) {
            return Err(mismatch("profile", "another number of assets or parts", "merge profiles of the same frame"));
        }
        let Some(theirs) = &other.columns else { return Ok(()) };
        let Some(mut ours) = self.columns.take() else {
            self.clone_from(other);
            return Ok(());
        };
        let alike = ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| a.kind == b.kind);
        if !alike {
            self.columns = Some(ours);
            return Err(mismatch("profile", "other columns", "merge profiles of the same columns"));
        }
        self.join(&mut ours, theirs, &other.asset_rows, other.rows, other.tiles);
        self.columns = Some(ours);
        Ok(())
    }

    /// What each column holds; empty before the first update.
    #[must_use]
    pub fn finish(&self) -> Vec<ColumnProfile> {
        let columns = self.columns.as_deref().unwrap_or_default();
        columns.iter().map(|column| self.finished(column)).collect()
    }

    fn finished(&self, column: &ColumnState) -> ColumnProfile {
        let mut total = Moments::default();
        column.moments.iter().for_each(|part| total.merge(part));
        let top: Vec<(f64, u64)> =
            column.top.sorted().into_iter().map(|(key, count)| (column.kind.number(key), count)).collect();
        let present = |code: usize| self.asset_rows[code] > 0;
        let by_asset = |of: fn(&super::column_state::AssetTrack) -> u32| {
            column.assets.iter().enumerate().map(|(code, asset)| if present(code) { of(asset) } else { 0 }).collect()
        };
        ColumnProfile {
            total,
            parts: column.moments.clone(),
            rows: column.rows,
            own: column.own,
            distinct: (!column.top.overflowed()).then_some(top.len()),
            top,
            hash: column.hash,
            longest: by_asset(|asset| asset.longest),
            lead: by_asset(|asset| asset.lead),
        }
    }

    fn empty(&self, column: &Column<'_>) -> ColumnState {
        ColumnState::new(kind_of(column), self.parts, self.asset_rows.len())
    }

    fn join(&mut self, ours: &mut [ColumnState], theirs: &[ColumnState], asset_rows: &[u64], rows: u64, tiles: u64) {
        for (a, b) in ours.iter_mut().zip(theirs) {
            a.merge(b, &self.asset_rows, asset_rows, tiles);
        }
        for (a, b) in self.asset_rows.iter_mut().zip(asset_rows) {
            *a += b;
        }
        self.rows += rows;
        self.tiles += tiles;
    }

    /// The number of rows to read, once everything is known to fit together.
    fn checked_rows(&self, columns: &[Column<'_>], facts: RowFacts<'_>) -> Result<usize> {
        let length = columns.first().map_or(0, Column::len);
        for (name, got) in columns
            .iter()
            .map(|column| ("a column", Some(column.len())))
            .chain([("assets", facts.assets.map(<[i32]>::len)), ("parts", facts.parts.map(<[u32]>::len))])
        {
            if let Some(got) = got.filter(|&got| got != length) {
                return Err(Error::LengthMismatch { name: name.into(), got, expected: length });
            }
        }
        if facts.assets.is_some() != self.assets.is_some() {
            let hint = "pass assets with every batch, and their number when the profile is made, or neither";
            return Err(mismatch("assets", if facts.assets.is_some() { "given" } else { "missing" }, hint));
        }
        let rows = facts.order.map_or(length, <[u32]>::len);
        if rows >= u32::MAX as usize {
            let hint = "up to 4,294,967,294 rows are profiled at once: pass fewer, batch by batch";
            return Err(mismatch("rows", &rows.to_string(), hint));
        }
        if let Some(&row) = facts.order.and_then(|order| order.iter().find(|&&row| row as usize >= length)) {
            return Err(mismatch("order", &row.to_string(), &format!("there are {length} rows, counted from 0")));
        }
        let fresh: Vec<ColumnState> = columns.iter().map(|column| self.empty(column)).collect();
        if let Some(known) = &self.columns {
            if known.len() != columns.len() {
                return Err(Error::ColumnCountMismatch { got: columns.len(), expected: known.len() });
            }
            if let Some(j) = known.iter().zip(&fresh).position(|(a, b)| a.kind != b.kind) {
                let hint = "every batch must hold it as floats, as signed or as unsigned integers";
                return Err(mismatch(&format!("kind of column {j}"), &format!("{:?}", fresh[j].kind), hint));
            }
        }
        Ok(rows)
    }
}

fn mismatch(name: &str, value: &str, hint: &str) -> Error {
    Error::Parameter { name: name.into(), value: value.into(), hint: hint.into() }
}

#[cfg(test)]
#[path = "column_profile_tests.rs"]
mod tests;
