//! Duplicate rows, found by hash and verified on values.
//!
//! No row is called a duplicate because hashes agree: each hit is compared cell by cell (see
//! [`super::row_hash`] for what equal means), so the answer is exact whatever the hash does.
//!
//! - [`cross_duplicates`]: which rows of one frame also occur in another. The other frame is streamed; memory is
//!   about 30 bytes a row of the first frame, whatever the number of columns.
//! - [`duplicate_rows`]: rows that occur more than once within one frame, about 25 bytes a row.

use std::sync::atomic::{AtomicU32, Ordering};

use super::row_hash::{Lane, Mixed, RowHash, hash_rows, lanes, rows_equal, tile_rows, verify};
use crate::columns::Column;
use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks, map_blocks_into};

/// Rows of a block: the unit of work of a thread.
const BLOCK: usize = 16_384;

/// Candidates of a batch that is verified column by column.
const BATCH: usize = 4_096;

const NONE: u32 = u32::MAX;

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

/// Which rows of `val` equal some row of `train`, and which one first.
///
/// Both frames hold the same columns in the same order; types may differ, values are compared.
pub fn cross_duplicates(train: &[Column<'_>], val: &[Column<'_>], cancel: &Cancel) -> Result<CrossDuplicates> {
    cross_with(Mixed, train, val, cancel)
}

/// As [`cross_duplicates`] with any hash: the answer is the same, only slower with a poor one.
pub fn cross_with<H: RowHash>(
    hash: H,
    train: &[Column<'_>],
    val: &[Column<'_>],
    cancel: &Cancel,
) -> Result<CrossDuplicates> {
    if train.len() != val.len() {
        return Err(Error::ColumnCountMismatch { got: val.len(), expected: train.len() });
    }
    let (n_train, n_val) = (row_count("train", train)?, row_count("val", val)?);
    if n_train == 0 || n_val == 0 {
        return Ok(CrossDuplicates::default());
    }
    let lanes = lanes(train, val);
    let groups = Groups::build(hash, val, &lanes, cancel)?;
    // The first equal train row of each group; a minimum, so that the order in which threads find them is moot.
    let best: Vec<AtomicU32> = (0..n_val).map(|_| AtomicU32::new(NONE)).collect();
    let tile = tile_rows(train);
    map_blocks(n_train, BLOCK, train.len(), cancel, |rows| {
        let (mut hashes, mut pairs, mut equal) = (vec![0; tile], Vec::new(), Vec::new());
        let mut settle = |pairs: &mut Vec<(u32, u32)>| {
            verify(train, val, pairs, &mut equal);
            for (&(row, group), _) in pairs.iter().zip(&equal).filter(|(_, equal)| **equal) {
                best[group as usize].fetch_min(row, Ordering::Relaxed);
            }
            pairs.clear();
        };
        for start in rows.clone().step_by(tile) {
            let hashes = &mut hashes[..tile.min(rows.end - start)];
            hash_rows(hash, train, &lanes, start, hashes);
            for (offset, &value) in hashes.iter().enumerate() {
                let row = (start + offset) as u32;
                for group in groups.with_hash(value) {
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

/// Which rows of a frame equal another row of it.
pub fn duplicate_rows(columns: &[Column<'_>], cancel: &Cancel) -> Result<DuplicateRows> {
    duplicates_with(Mixed, columns, cancel)
}

/// As [`duplicate_rows`] with any hash.
pub fn duplicates_with<H: RowHash>(hash: H, columns: &[Column<'_>], cancel: &Cancel) -> Result<DuplicateRows> {
    if row_count("the frame", columns)? == 0 {
        return Ok(DuplicateRows::default());
    }
    let Groups { first, .. } = Groups::build(hash, columns, &lanes(columns, columns), cancel)?;
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

/// The rows of a frame, grouped by value: a hash table from row hash to the first row of each group.
struct Groups {
    hashes: Vec<u64>,
    /// The first equal row of each row; of a group's first row, itself.
    first: Vec<u32>,
    /// Open addressing with linear probing over the low bits; at most half full.
    slots: Vec<u32>,
    /// A bit per possible hash prefix: most lookups find nothing, and end here, in the cache.
    seen: Vec<u64>,
}

impl Groups {
    fn build<H: RowHash>(hash: H, columns: &[Column<'_>], lanes: &[Lane], cancel: &Cancel) -> Result<Self> {
        let rows = columns[0].len();
        let mut hashes = vec![0u64; rows];
        map_blocks_into(&mut hashes, BLOCK, cancel, |block, out| {
            hash_rows(hash, columns, lanes, block.start, out);
            Ok(())
        })?;
        let mut groups = Self {
            hashes,
            first: (0..rows as u32).collect(),
            slots: vec![NONE; (rows * 2).next_power_of_two()],
            seen: vec![0; (rows * 8).next_power_of_two().div_ceil(64)],
        };
        let (mut pairs, mut equal) = (Vec::with_capacity(BATCH), Vec::new());
        for row in 0..rows as u32 {
            let known = groups.with_hash(groups.hashes[row as usize]).next();
            match known {
                Some(group) => pairs.push((row, group)),
                None => groups.insert(row),
            }
            if pairs.len() == BATCH {
                cancel.check()?;
                groups.settle(columns, &mut pairs, &mut equal);
            }
        }
        groups.settle(columns, &mut pairs, &mut equal);
        Ok(groups)
    }

    /// Verifies rows that share a hash with a group, in row order; a row that fails joins another group or starts one.
    fn settle(&mut self, columns: &[Column<'_>], pairs: &mut Vec<(u32, u32)>, equal: &mut Vec<bool>) {
        verify(columns, columns, pairs, equal);
        for (&(row, group), &equal) in pairs.iter().zip(equal.iter()) {
            if equal {
                self.first[row as usize] = group;
                continue;
            }
            let same = |&other: &u32| rows_equal(columns, row as usize, columns, other as usize);
            let known = self.with_hash(self.hashes[row as usize]).find(same);
            match known {
                Some(group) => self.first[row as usize] = group,
                None => self.insert(row),
            }
        }
        pairs.clear();
    }

    fn insert(&mut self, row: u32) {
        let hash = self.hashes[row as usize];
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while self.slots[slot] != NONE {
            slot = (slot + 1) & mask;
        }
        self.slots[slot] = row;
        let (word, bit) = self.seen_bit(hash);
        self.seen[word] |= bit;
    }

    /// The bit of a hash; from its high bits, since the low ones choose the slot.
    #[inline]
    fn seen_bit(&self, hash: u64) -> (usize, u64) {
        let high = (hash >> 32) as usize ^ hash as usize;
        ((high >> 6) & (self.seen.len() - 1), 1 << (high & 63))
    }

    /// The first rows of the groups with this hash.
    #[inline]
    fn with_hash(&self, hash: u64) -> impl Iterator<Item = u32> + '_ {
        let (word, bit) = self.seen_bit(hash);
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        let mut open = self.seen[word] & bit != 0;
        std::iter::from_fn(move || {
            while open {
                let row = self.slots[slot];
                slot = (slot + 1) & mask;
                if row == NONE {
                    open = false;
                } else if self.hashes[row as usize] == hash {
                    return Some(row);
                }
            }
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Strided;
    use proptest::prelude::*;

    /// A hash that keeps so few bits that nearly all rows collide.
    #[derive(Clone, Copy)]
    struct Weak(u64);

    impl RowHash for Weak {
        fn absorb(self, hash: u64, cell: u64, salt: u64) -> u64 {
            Mixed.absorb(hash, cell, salt)
        }
        fn finish(self, hash: u64) -> u64 {
            Mixed.finish(hash) & self.0
        }
    }

    /// Owned columns of mixed types with few distinct values, so that duplicates are common.
    #[derive(Debug, Clone)]
    enum Owned {
        F64(Vec<f64>),
        F32(Vec<f32>),
        I64(Vec<i64>),
        U8(Vec<u8>),
        Bool(Vec<bool>),
    }

    impl Owned {
        fn new(kind: usize, codes: &[usize]) -> Self {
            let floats = [0.0, -0.0, 1.0, f64::NAN, -f64::NAN, f64::INFINITY, 0.5];
            match kind {
                0 => Self::F64(codes.iter().map(|&c| floats[c % 7]).collect()),
                1 => Self::F32(codes.iter().map(|&c| floats[c % 7] as f32).collect()),
                2 => Self::I64(codes.iter().map(|&c| c as i64 % 3 - 1).collect()),
                3 => Self::U8(codes.iter().map(|&c| c as u8 % 2).collect()),
                _ => Self::Bool(codes.iter().map(|&c| c % 2 == 0).collect()),
            }
        }

        fn view(&self) -> Column<'_> {
            match self {
                Self::F64(v) => Column::F64(Strided::from_slice(v)),
                Self::F32(v) => Column::F32(Strided::from_slice(v)),
                Self::I64(v) => Column::I64(Strided::from_slice(v)),
                Self::U8(v) => Column::U8(Strided::from_slice(v)),
                Self::Bool(v) => Column::Bool(Strided::from_slice(v)),
            }
        }
    }

    fn frame(kinds: &[usize], codes: &[Vec<usize>]) -> Vec<Owned> {
        kinds
            .iter()
            .enumerate()
            .map(|(j, &kind)| {
                let column: Vec<usize> = codes.iter().map(|row| row[j]).collect();
                Owned::new(kind, &column)
            })
            .collect()
    }

    /// Every pair, cell by cell.
    fn oracle(train: &[Column<'_>], val: &[Column<'_>]) -> CrossDuplicates {
        let rows = |columns: &[Column<'_>]| columns.first().map_or(0, Column::len);
        let mut found = CrossDuplicates::default();
        for v in 0..rows(val) {
            if let Some(t) = (0..rows(train)).find(|&t| rows_equal(train, t, val, v)) {
                found.val_rows.push(v as u32);
                found.train_rows.push(t as u32);
            }
        }
        found
    }

    fn oracle_within(columns: &[Column<'_>]) -> DuplicateRows {
        let rows = columns.first().map_or(0, Column::len);
        let mut found = DuplicateRows::default();
        for i in 0..rows {
            let equal: Vec<usize> = (0..rows).filter(|&j| rows_equal(columns, i, columns, j)).collect();
            if equal.len() > 1 {
                found.rows.push(i as u32);
                found.first.push(equal[0] as u32);
            }
        }
        found
    }

    fn rows_of(width: usize) -> impl Strategy<Value = Vec<Vec<usize>>> {
        prop::collection::vec(prop::collection::vec(0usize..42, width), 0..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn equals_every_pair(
            (left, right, train, val) in (1usize..4).prop_flat_map(|width| {
                let kinds = || prop::collection::vec(0usize..5, width);
                (kinds(), kinds(), rows_of(width), rows_of(width))
            }),
        ) {
            let (train, val) = (frame(&left, &train), frame(&right, &val));
            let train: Vec<Column<'_>> = train.iter().map(Owned::view).collect();
            let val: Vec<Column<'_>> = val.iter().map(Owned::view).collect();
            let (expected, within) = (oracle(&train, &val), oracle_within(&train));
            let cancel = Cancel::new();
            prop_assert_eq!(&cross_duplicates(&train, &val, &cancel).unwrap(), &expected);
            prop_assert_eq!(&duplicate_rows(&train, &cancel).unwrap(), &within);
            // With hashes that collide on purpose the answer is the same: values decide.
            for weak in [Weak(0), Weak(3)] {
                prop_assert_eq!(&cross_with(weak, &train, &val, &cancel).unwrap(), &expected);
                prop_assert_eq!(&duplicates_with(weak, &train, &cancel).unwrap(), &within);
            }
        }
    }

    #[test]
    fn many_blocks_in_both_layouts() {
        let (n, width) = (3 * BLOCK + 17, 3);
        // Row r of train is (r, r², 0.25); val repeats every hundredth row, the rest is shifted off the grid.
        let train: Vec<f64> = (0..n).flat_map(|r| [r as f64, (r * r) as f64, 0.25]).collect();
        let val: Vec<f64> = (0..5_000)
            .flat_map(|r| {
                let shift = if r % 100 == 0 { 0.0 } else { 0.5 };
                [f64::from(r * 7) + shift, f64::from(r * 7 * r * 7), 0.25]
            })
            .collect();
        let columns = |data: &'static [f64], rows: usize| -> Vec<Column<'static>> {
            (0..width).map(|j| Column::F64(Strided::new(&data[j..], width, rows))).collect()
        };
        let (train, val) = (columns(train.leak(), n), columns(val.leak(), 5_000));
        let found = cross_duplicates(&train, &val, &Cancel::new()).unwrap();
        let expected: Vec<u32> = (0..5_000).step_by(100).collect();
        assert_eq!(found.val_rows, expected);
        assert_eq!(found.train_rows, expected.iter().map(|row| row * 7).collect::<Vec<_>>());
        assert_eq!(cross_with(Weak(0xffff), &train, &val, &Cancel::new()).unwrap(), found);
    }

    #[test]
    fn first_train_row_wins_among_many_equal_ones() {
        let train = vec![1.0; 5 * BLOCK];
        let found = cross_duplicates(
            &[Column::F64(Strided::from_slice(&train))],
            &[Column::I64(Strided::from_slice(&[1, 2, 1]))],
            &Cancel::new(),
        )
        .unwrap();
        assert_eq!(found, CrossDuplicates { val_rows: vec![0, 2], train_rows: vec![0, 0] });
    }

    #[test]
    fn frames_that_do_not_match_are_refused() {
        let one = [Column::U8(Strided::from_slice(&[1]))];
        let error = cross_duplicates(&one, &[], &Cancel::new()).unwrap_err();
        assert_eq!(error, Error::ColumnCountMismatch { got: 0, expected: 1 });
        let ragged = [one[0], Column::U8(Strided::from_slice(&[1, 2]))];
        assert_eq!(duplicate_rows(&ragged, &Cancel::new()).unwrap_err().code(), "data.length_mismatch");
        assert_eq!(cross_duplicates(&[], &[], &Cancel::new()).unwrap(), CrossDuplicates::default());
    }

    #[test]
    fn stops_when_asked() {
        let cancel = Cancel::new();
        cancel.cancel();
        let data = vec![0.5; 10];
        let columns = [Column::F64(Strided::from_slice(&data))];
        assert_eq!(cross_duplicates(&columns, &columns, &cancel), Err(Error::Interrupted {}));
    }
}
