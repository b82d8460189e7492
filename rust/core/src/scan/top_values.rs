//! The few values that fill a column: all of them where they are few, the frequent ones where they are many.

/// How many values are counted side by side.
pub const CAPACITY: usize = 64;

/// Places of the index, four to a value, so that most look-ups end at the first.
const PLACES: usize = 4 * CAPACITY;
const EMPTY: u8 = u8::MAX;

/// A counter of values (Misra & Gries 1982).
///
/// Up to [`CAPACITY`] distinct values are counted exactly. With more, every count falls short of the truth by the same
/// amount at most, and any value that fills more than 1/64 of what was added is still here: candidates to be counted
/// anew.
#[derive(Debug, Clone)]
pub struct TopValues {
    keys: Vec<u64>,
    counts: Vec<u64>,
    index: [u8; PLACES],
    overflowed: bool,
}

impl Default for TopValues {
    fn default() -> Self {
        Self { keys: Vec::new(), counts: Vec::new(), index: [EMPTY; PLACES], overflowed: false }
    }
}

impl TopValues {
    /// Whether there were more values than are counted side by side.
    #[must_use]
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Values and counts, the most frequent first; ties by the bits of the value.
    #[must_use]
    pub fn sorted(&self) -> Vec<(u64, u64)> {
        let mut pairs: Vec<(u64, u64)> = self.keys.iter().copied().zip(self.counts.iter().copied()).collect();
        pairs.sort_unstable_by_key(|&(key, count)| (std::cmp::Reverse(count), key));
        pairs
    }

    fn place(&self, key: u64) -> usize {
        let mut place = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize % PLACES;
        while self.index[place] != EMPTY && self.keys[self.index[place] as usize] != key {
            place = (place + 1) % PLACES;
        }
        place
    }

    /// Counts a value `count` times; whether it found room.
    fn try_add(&mut self, key: u64, count: u64) -> bool {
        let place = self.place(key);
        if self.index[place] != EMPTY {
            self.counts[self.index[place] as usize] += count;
            return true;
        }
        if self.keys.len() == CAPACITY {
            return false;
        }
        self.index[place] = self.keys.len() as u8;
        self.keys.push(key);
        self.counts.push(count);
        true
    }

    /// Counts a value; once there are too many, at the cost of all others.
    pub fn add(&mut self, key: u64, mut count: u64) {
        while !self.try_add(key, count) {
            self.overflowed = true;
            let least = self.counts.iter().copied().min().unwrap_or(0).min(count);
            self.lower(least);
            count -= least;
            if count == 0 {
                return;
            }
        }
    }

    /// Takes the same off every count and forgets the values that have none left.
    fn lower(&mut self, by: u64) {
        let kept: Vec<(u64, u64)> = self.keys.iter().copied().zip(self.counts.iter().map(|count| count - by)).collect();
        let overflowed = self.overflowed;
        *self = Self { overflowed, ..Self::default() };
        for (key, count) in kept.into_iter().filter(|&(_, count)| count > 0) {
            self.try_add(key, count);
        }
    }

    /// Counts the cells of a tile, `repeats` of which equal the cell before them.
    ///
    /// While the values are few each cell is counted. Once they are many, a tile is looked at only when a quarter of its
    /// cells repeat: a value that fills five eighths of a tile forces that many repeats, so a value that fills nearly
    /// all of a column is seen in nearly all tiles, and a column of ever new values costs nothing.
    pub(crate) fn feed(&mut self, cells: impl Iterator<Item = Option<u64>>, len: usize, repeats: u64) {
        if self.overflowed && repeats * 4 < len as u64 {
            return;
        }
        let many = self.overflowed;
        let mut run: Option<(u64, u64)> = None;
        for key in cells {
            match (&mut run, key) {
                (Some((value, count)), Some(key)) if *value == key => *count += 1,
                (_, key) => {
                    if let Some((value, count)) = run.take() {
                        self.add(value, count);
                        if self.overflowed && !many {
                            return;
                        }
                    }
                    run = key.map(|key| (key, 1));
                }
            }
        }
        if let Some((value, count)) = run {
            self.add(value, count);
        }
    }

    /// Adds the counts of another part.
    pub fn merge(&mut self, other: &Self) {
        self.overflowed |= other.overflowed;
        let mut rest = Vec::new();
        for (&key, &count) in other.keys.iter().zip(&other.counts) {
            if !self.try_add(key, count) {
                rest.push((key, count));
            }
        }
        if rest.is_empty() {
            return;
        }
        self.overflowed = true;
        let mut all = self.sorted();
        all.append(&mut rest);
        all.sort_unstable_by_key(|&(key, count)| (std::cmp::Reverse(count), key));
        let surplus = all[CAPACITY].1;
        *self = Self { overflowed: true, ..Self::default() };
        for (key, count) in all.into_iter().take(CAPACITY).filter(|&(_, count)| count > surplus) {
            self.try_add(key, count - surplus);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn counted(values: &[u64]) -> HashMap<u64, u64> {
        let mut counts = HashMap::new();
        for &value in values {
            *counts.entry(value).or_insert(0) += 1;
        }
        counts
    }

    proptest! {
        #[test]
        fn few_values_are_counted_exactly_however_they_are_cut(
            values in prop::collection::vec(0u64..CAPACITY as u64, 0..500), cut in 0usize..500,
        ) {
            let (left, right) = values.split_at(cut.min(values.len()));
            let mut parts = [TopValues::default(), TopValues::default()];
            for (part, values) in parts.iter_mut().zip([left, right]) {
                part.feed(values.iter().map(|&value| Some(value)), values.len(), 0);
            }
            let [mut all, other] = parts;
            all.merge(&other);
            prop_assert!(!all.overflowed());
            prop_assert_eq!(all.sorted().into_iter().collect::<HashMap<_, _>>(), counted(&values));
        }

        #[test]
        fn a_frequent_value_survives_many_others(seed in any::<u64>(), parts in 1usize..5) {
            let mut all = TopValues::default();
            let (mut state, mut truth) = (seed, 0u64);
            for _ in 0..parts {
                let mut part = TopValues::default();
                for _ in 0..2_000 {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let common = state >> 60 < 2; // one in eight
                    truth += u64::from(common);
                    part.add(if common { 7 } else { state }, 1);
                }
                all.merge(&part);
            }
            prop_assert!(all.overflowed());
            let (key, count) = all.sorted()[0];
            prop_assert_eq!(key, 7);
            prop_assert!(count <= truth);
        }
    }

    #[test]
    fn missing_cells_count_as_no_value() {
        let mut top = TopValues::default();
        top.feed([Some(1), None, Some(1), None].into_iter(), 4, 0);
        assert_eq!(top.sorted(), [(1, 2)]);
    }
}
