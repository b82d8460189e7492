//! Which rows a test or validation block forbids to train on.
//!
//! One rule set for every splitter. A label lives from its row's time to its label end. A block's *hull* reaches from
//! its first time to its latest label end; for a block that is contiguous in time, overlapping the hull is the same as
//! overlapping any of its labels. Rows before a block overlap it when their label reaches the block's first time; rows
//! after it when their time lies within the hull.

use crate::rows::{Range, Rows};
use crate::split::Span;
use crate::split::timeline::Series;

/// Whether labels that only touch overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// Labels hold both their ends: touching counts.
    Both,
    /// Labels are half-open: the end does not belong to them. A label of no length is the instant it stands at, and
    /// inside of another label it always overlaps.
    Left,
}

/// How far an embargo reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit<'a> {
    /// So many distinct timestamps.
    Timestamps(usize),
    /// Up to, or from, this instant (inclusive): what a duration comes to for this block.
    Instant(i64),
    /// The same for each asset, by its code: where purging is within an asset alone.
    Instants(&'a [i64]),
}

/// Rows kept out of training around a test block, beyond what purging takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Embargo<'a> {
    /// None.
    None,
    /// Rows that follow the block: with time up to the latest label end of the block and the limit beyond it.
    After(Limit<'a>),
    /// Rows that precede the block: whose label end lies within the limit before the block's first time.
    Before(Limit<'a>),
}

/// A block of consecutive timestamps that is tested or validated on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block<'a> {
    /// Its timestamps.
    pub span: Span,
    /// Its embargo.
    pub embargo: Embargo<'a>,
}

/// A block seen in its data: where it lies and how far it reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hull {
    /// The rows of the block, not empty.
    pub rows: Range,
    /// Its first time.
    pub first: i64,
    /// Its latest label end.
    pub last: i64,
}

impl Hull {
    /// The hull of some timestamps; none when they hold no row.
    #[must_use]
    pub fn of(series: &Series<'_>, span: &Span) -> Option<Self> {
        let rows = series.timeline.rows_of(span);
        (!rows.is_empty()).then(|| Self { rows, first: series.time(rows.start), last: series.max_end(rows) })
    }

    /// Rows outside of the block whose label overlaps its hull.
    #[must_use]
    pub fn overlapping(&self, series: &Series<'_>, closed: Closed) -> Rows {
        let (reach, until) = match closed {
            Closed::Both => (self.first, series.row_after(self.last)),
            // A label that ends where the block begins does not hold that instant, nor the hull its own end.
            Closed::Left => (self.first.saturating_add(1), series.row_at_or_after(self.last)),
        };
        let mut ranges = series.rows_ending_from(Range::new(0, self.rows.start), reach);
        ranges.push(Range::new(self.rows.stop, until));
        Rows::from_ranges(ranges)
    }

    /// Rows outside of the block that an embargo covers; some of them may be purged already.
    ///
    /// An embargo of no timestamps covers nothing.
    #[must_use]
    pub fn embargoed(&self, series: &Series<'_>, embargo: Embargo<'_>) -> Rows {
        let timeline = series.timeline;
        match embargo {
            Embargo::None | Embargo::After(Limit::Timestamps(0)) | Embargo::Before(Limit::Timestamps(0)) => Rows::new(),
            Embargo::After(limit) => {
                let until = match limit {
                    Limit::Timestamps(count) => {
                        let beyond = timeline.timestamp_of(series.row_after(self.last));
                        timeline.first_row(beyond.saturating_add(count))
                    }
                    Limit::Instant(instant) => series.row_after(instant),
                    Limit::Instants(instants) => series.row_after(instants.iter().copied().max().unwrap_or(i64::MIN)),
                };
                Rows::span(self.rows.stop, until)
            }
            Embargo::Before(limit) => {
                let from = match limit {
                    Limit::Timestamps(count) => {
                        let index = timeline.timestamp_of(self.rows.start).saturating_sub(count);
                        series.time(timeline.first_row(index))
                    }
                    Limit::Instant(instant) => instant,
                    Limit::Instants(instants) => instants.iter().copied().min().unwrap_or(i64::MAX),
                };
                Rows::from_ranges(series.rows_ending_from(Range::new(0, self.rows.start), from))
            }
        }
    }
}
