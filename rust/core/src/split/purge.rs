//! Which rows a test or validation block forbids to train on.
//!
//! One rule set for every splitter. A label lives from its row's time to its label end. A block's *hull* reaches from
//! its first time to its latest label end; for a block that is contiguous in time, overlapping the hull is the same as
//! overlapping any of its labels. Rows before a block overlap it when their label reaches the block's first time; rows
//! after it when their time lies within the hull.

use crate::rows::{Range, Rows};
use crate::split::timeline::Series;

/// Whether labels that only touch overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// Labels hold both their ends: touching counts.
    Both,
    /// Labels are half-open: the end does not belong to them. A label of no length is the instant it stands at.
    Left,
}

/// How far an embargo reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// So many distinct timestamps.
    Timestamps(usize),
    /// Up to, or from, this instant: what a duration comes to for this block.
    Instant(i64),
}

/// Rows kept out of training around a test block, beyond what purging takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Embargo {
    /// None.
    None,
    /// Rows that follow the block: with time up to the latest label end of the block and the limit beyond it.
    After(Limit),
    /// Rows that precede the block: whose label end lies within the limit before the block's first time.
    Before(Limit),
}

/// A block of consecutive timestamps that is tested or validated on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Its rows, not empty, whole timestamps.
    pub rows: Range,
    /// Its embargo.
    pub embargo: Embargo,
}

impl Block {
    /// First time and latest label end.
    #[must_use]
    pub fn hull(&self, series: &Series<'_>) -> (i64, i64) {
        (series.times[self.rows.start], series.max_end(self.rows))
    }

    /// Rows outside of the block whose label overlaps its hull.
    #[must_use]
    pub fn overlapping(&self, series: &Series<'_>, closed: Closed) -> Rows {
        let (first, last) = self.hull(series);
        let reach = match closed {
            Closed::Both => first,
            // A label that ends where the block begins does not hold that instant.
            Closed::Left => first.saturating_add(1),
        };
        let mut ranges = series.rows_ending_from(Range::new(0, self.rows.start), reach);
        let until = match closed {
            Closed::Both => series.row_after(last),
            Closed::Left => series.row_at_or_after(last),
        };
        ranges.push(Range::new(self.rows.stop, until));
        Rows::from_ranges(ranges)
    }

    /// Rows outside of the block that its embargo covers; some of them may be purged already.
    #[must_use]
    pub fn embargoed(&self, series: &Series<'_>) -> Rows {
        match self.embargo {
            Embargo::None => Rows::new(),
            Embargo::After(limit) => {
                let beyond = series.row_after(series.max_end(self.rows)).max(self.rows.stop);
                let until = match limit {
                    Limit::Timestamps(count) => {
                        let index = series.index.timestamp_of(beyond).saturating_add(count);
                        series.index.first_row(index)
                    }
                    Limit::Instant(instant) => series.row_after(instant),
                };
                Rows::span(self.rows.stop, until)
            }
            Embargo::Before(limit) => {
                let from = match limit {
                    Limit::Timestamps(0) => return Rows::new(),
                    Limit::Timestamps(count) => {
                        let index = series.index.timestamp_of(self.rows.start).saturating_sub(count);
                        series.times[series.index.first_row(index)]
                    }
                    Limit::Instant(instant) => instant,
                };
                Rows::from_ranges(series.rows_ending_from(Range::new(0, self.rows.start), from))
            }
        }
    }
}
