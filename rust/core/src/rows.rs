//! Sets of rows as sorted, disjoint, half-open ranges.
//!
//! Twenty folds over thirty million rows are gigabytes as index arrays and a few kilobytes as ranges; and a
//! set that is one range is a free view of the caller's data.

/// A half-open range of row positions `start..stop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    /// The first row of the range.
    pub start: usize,
    /// One past the last row of the range.
    pub stop: usize,
}

impl Range {
    /// The range `start..stop`; an inverted one is empty.
    #[must_use]
    pub fn new(start: usize, stop: usize) -> Self {
        Self { start, stop: stop.max(start) }
    }

    /// How many rows the range covers.
    #[must_use]
    pub fn len(self) -> usize {
        self.stop - self.start
    }

    /// Whether the range covers no row.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.start == self.stop
    }
}

/// A set of rows: ranges that are sorted, disjoint, non-empty and never touch, so that equal sets are equal values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Rows {
    ranges: Vec<Range>,
}

impl Rows {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All rows of `start..stop`.
    #[must_use]
    pub fn span(start: usize, stop: usize) -> Self {
        Self::from_ranges([Range::new(start, stop)])
    }

    /// The union of any ranges, in any order, overlapping or not.
    #[must_use]
    pub fn from_ranges(ranges: impl IntoIterator<Item = Range>) -> Self {
        let mut ranges: Vec<Range> = ranges.into_iter().filter(|range| !range.is_empty()).collect();
        if !ranges.is_sorted() {
            ranges.sort_unstable();
        }
        // In place: the later of two that touch goes, the earlier reaches as far as both.
        ranges.dedup_by(|later, range| {
            let touch = later.start <= range.stop;
            if touch {
                range.stop = range.stop.max(later.stop);
            }
            touch
        });
        Self { ranges }
    }

    /// Appends a range that starts at or after the start of the last one, merging where they touch.
    ///
    /// # Panics
    /// When the range starts before the last one: the caller's order is a bug, not data.
    pub fn push(&mut self, range: Range) {
        if range.is_empty() {
            return;
        }
        match self.ranges.last_mut() {
            Some(last) => {
                assert!(range.start >= last.start, "ranges are pushed in ascending order");
                if range.start <= last.stop {
                    last.stop = last.stop.max(range.stop);
                } else {
                    self.ranges.push(range);
                }
            }
            None => self.ranges.push(range),
        }
    }

    /// The ranges, ascending.
    #[must_use]
    pub fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// How many rows the set holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ranges.iter().map(|range| range.len()).sum()
    }

    /// Whether the set holds no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether the set holds `row`. O(log ranges).
    #[must_use]
    pub fn contains(&self, row: usize) -> bool {
        let after = self.ranges.partition_point(|range| range.start <= row);
        after > 0 && row < self.ranges[after - 1].stop
    }

    /// Rows in either set. O(ranges).
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::from_ranges(self.ranges.iter().chain(&other.ranges).copied())
    }

    /// Rows in both sets. O(ranges).
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let (mut i, mut j) = (0, 0);
        let mut out = Self::new();
        while i < self.ranges.len() && j < other.ranges.len() {
            let (a, b) = (self.ranges[i], other.ranges[j]);
            out.push(Range::new(a.start.max(b.start), a.stop.min(b.stop)));
            // The range that ends first cannot meet anything further on.
            if a.stop <= b.stop {
                i += 1;
            } else {
                j += 1;
            }
        }
        out
    }

    /// Rows of this set that are not in the other. O(ranges).
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut out = Self::new();
        let mut j = 0;
        for &range in &self.ranges {
            let mut start = range.start;
            while j < other.ranges.len() && other.ranges[j].stop <= start {
                j += 1;
            }
            let mut k = j;
            while k < other.ranges.len() && other.ranges[k].start < range.stop {
                out.push(Range::new(start, other.ranges[k].start));
                start = start.max(other.ranges[k].stop);
                k += 1;
            }
            out.push(Range::new(start, range.stop));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const LIMIT: usize = 40;

    fn any_rows() -> impl Strategy<Value = Rows> {
        prop::collection::vec((0..LIMIT, 0..LIMIT), 0..8)
            .prop_map(|pairs| Rows::from_ranges(pairs.into_iter().map(|(a, b)| Range::new(a, b))))
    }

    fn set(rows: &Rows) -> BTreeSet<usize> {
        rows.ranges().iter().flat_map(|range| range.start..range.stop).collect()
    }

    fn is_canonical(rows: &Rows) -> bool {
        rows.ranges().iter().all(|range| !range.is_empty())
            && rows.ranges().windows(2).all(|pair| pair[0].stop < pair[1].start)
    }

    proptest! {
        #[test]
        fn algebra_equals_sets(a in any_rows(), b in any_rows(), row in 0..LIMIT) {
            let (sa, sb) = (set(&a), set(&b));
            for (rows, expected) in [
                (a.union(&b), &sa | &sb),
                (a.intersect(&b), &sa & &sb),
                (a.minus(&b), &sa - &sb),
            ] {
                prop_assert!(is_canonical(&rows));
                prop_assert_eq!(rows.len(), expected.len());
                prop_assert_eq!(set(&rows), expected);
            }
            prop_assert_eq!(a.contains(row), sa.contains(&row));
            prop_assert_eq!(a.is_empty(), sa.is_empty());
        }
    }
}
