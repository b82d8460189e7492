//! The rows of a frame, grouped by value.
//!
//! Memory is what a look-up waits for, so each is made in two steps: a small filter, which fits in a cache, turns nearly
//! all rows away that stand in no group, and the lines of the table that the others need are asked for ahead of use.

use super::row_hash::{Lane, RowHash, hash_rows, rows_equal, verify};
use crate::columns::Column;
use crate::error::Result;
use crate::loss::cpu::fetch;
use crate::parallel::{Cancel, map_blocks_into};

/// Rows of a block: the unit of work of a thread.
pub(crate) const BLOCK: usize = 16_384;

/// Candidates of a batch that is verified column by column.
pub(crate) const BATCH: usize = 4_096;

/// No row.
pub(crate) const NONE: u32 = u32::MAX;

/// How many rows ahead the table is asked for: what a row takes, times this, is about what memory takes.
const AHEAD: usize = 16;

/// A hash table from row hash to the first row of each group.
pub(crate) struct Groups {
    hashes: Vec<u64>,
    /// The first equal row of each row; of a group's first row, itself.
    pub(crate) first: Vec<u32>,
    /// Open addressing with linear probing over the low bits; at most half full.
    slots: Vec<u32>,
    /// A Bloom filter: a hash sets three bits of one word.
    filter: Vec<u64>,
}

impl Groups {
    /// Groups the rows of a frame, which has at least one.
    pub(crate) fn build<H: RowHash>(hash: H, columns: &[Column<'_>], lanes: &[Lane], cancel: &Cancel) -> Result<Self> {
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
            // Eight bits a row or more: one unknown hash in thirty passes.
            filter: vec![0; (rows * 8).next_power_of_two().div_ceil(64)],
        };
        let (mut pairs, mut equal) = (Vec::with_capacity(BATCH), Vec::new());
        for row in 0..rows {
            if let Some(&soon) = groups.hashes.get(row + AHEAD) {
                groups.fetch(soon);
            }
            let known = groups.with_hash(groups.hashes[row]).next();
            match known {
                Some(group) => pairs.push((row as u32, group)),
                None => groups.insert(row as u32),
            }
            if pairs.len() == BATCH {
                cancel.check()?;
                groups.settle(columns, lanes, &mut pairs, &mut equal);
            }
        }
        groups.settle(columns, lanes, &mut pairs, &mut equal);
        Ok(groups)
    }

    /// Verifies rows that share a hash with a group, in row order; a row that fails joins another group or starts one.
    fn settle(&mut self, columns: &[Column<'_>], lanes: &[Lane], pairs: &mut Vec<(u32, u32)>, equal: &mut Vec<bool>) {
        verify(columns, columns, lanes, pairs, equal);
        for (&(row, group), &equal) in pairs.iter().zip(equal.iter()) {
            if equal {
                self.first[row as usize] = group;
                continue;
            }
            let same = |&other: &u32| rows_equal(columns, row as usize, columns, other as usize, lanes);
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
        let (word, bits) = self.filter_bits(hash);
        self.filter[word] |= bits;
    }

    /// The word of the filter that knows a hash, from its high bits, and the bits there, from its low ones.
    #[inline]
    fn filter_bits(&self, hash: u64) -> (usize, u64) {
        let bits = 1 << (hash & 63) | 1 << (hash >> 6 & 63) | 1 << (hash >> 12 & 63);
        ((hash >> 34) as usize & (self.filter.len() - 1), bits)
    }

    /// Whether there may be a group with this hash; false is certain.
    #[inline]
    fn may_know(&self, hash: u64) -> bool {
        let (word, bits) = self.filter_bits(hash);
        self.filter[word] & bits == bits
    }

    /// Asks for the memory in which a hash is looked up.
    #[inline]
    fn fetch(&self, hash: u64) {
        fetch(&self.slots, hash as usize & (self.slots.len() - 1));
        fetch(&self.filter, self.filter_bits(hash).0);
    }

    /// The places in `hashes` of those there may be a group with, ascending; the table is asked for what they need.
    pub(crate) fn likely(&self, hashes: &[u64], places: &mut Vec<u32>) {
        places.clear();
        places.resize(hashes.len(), 0);
        let mut found = 0;
        // Without a branch: which hashes pass can't be foretold.
        for (place, &hash) in hashes.iter().enumerate() {
            places[found] = place as u32;
            found += usize::from(self.may_know(hash));
        }
        places.truncate(found);
        for &place in places.iter() {
            fetch(&self.slots, hashes[place as usize] as usize & (self.slots.len() - 1));
        }
    }

    /// The first rows of the groups with this hash.
    #[inline]
    pub(crate) fn with_hash(&self, hash: u64) -> impl Iterator<Item = u32> + '_ {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        let mut open = self.may_know(hash);
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
    use crate::scan::row_hash::Mixed;

    #[test]
    fn the_filter_turns_no_member_away_and_nearly_all_others() {
        let known: Vec<i64> = (0..100_000).collect();
        let columns = [Column::I64(Strided::from_slice(&known))];
        let groups = Groups::build(Mixed, &columns, &[Lane::Int], &Cancel::new()).unwrap();
        let mut places = Vec::new();
        groups.likely(&groups.hashes, &mut places);
        assert!(places.iter().copied().eq(0..100_000));
        assert!(groups.hashes.iter().enumerate().all(|(row, &hash)| groups.with_hash(hash).any(|r| r as usize == row)));

        let others: Vec<i64> = (100_000..200_000).collect();
        let mut hashes = vec![0; others.len()];
        hash_rows(Mixed, &[Column::I64(Strided::from_slice(&others))], &[Lane::Int], 0, &mut hashes);
        groups.likely(&hashes, &mut places);
        assert!(places.len() < 5_000, "{} of 100,000 unknown hashes pass", places.len());
        assert!(places.is_sorted());
        groups.likely(&[], &mut places);
        assert!(places.is_empty());
    }
}
