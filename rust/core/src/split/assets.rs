//! Purging within an asset alone: a row is forbidden by the labels of its own asset and by no others.
//!
//! A block then has one hull per asset, from the asset's first time in the block to its latest label end there. An asset
//! without rows in the block has none, and forbids nothing. Counts of an embargo stay distinct timestamps of all data.

use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks};
use crate::rows::{Range, Rows};
use crate::split::purge::{Closed, Embargo, Limit};
use crate::split::timeline::Series;

/// Codes that are allowed however few rows there are: a few rows of a large panel keep the codes they had there.
const ANY_CODES: usize = 1 << 20;

/// Rows looked at by one task.
const TASK: usize = 65_536;

/// The asset of each of the caller's rows, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct Assets<'a> {
    codes: &'a [i32],
    count: usize,
}

impl<'a> Assets<'a> {
    /// Looks at the codes once.
    ///
    /// # Errors
    /// A negative code; one so large that a table of assets would dwarf the rows.
    pub fn read(codes: &'a [i32], cancel: &Cancel) -> Result<Self> {
        let tops = map_blocks(codes.len(), TASK, 1, cancel, |rows| {
            let (low, high) = codes[rows].iter().fold((0, -1), |(low, high), &code| (code.min(low), code.max(high)));
            Ok((low, high))
        })?;
        let high = tops.iter().map(|top| top.1).max().unwrap_or(-1);
        let count = usize::try_from(high).map_or(0, |code| code + 1);
        let most = codes.len().max(ANY_CODES);
        let wrong = |code: i32| usize::try_from(code).map_or(true, |code| code >= most);
        if tops.iter().any(|&(low, _)| low < 0) || count > most {
            let row = codes.iter().position(|&code| wrong(code)).unwrap_or(0);
            return Err(Error::AssetCode { row, asset: codes[row], limit: most });
        }
        Ok(Self { codes, count })
    }

    /// Codes that were looked at before; `count` is what was found then.
    #[must_use]
    pub fn known(codes: &'a [i32], count: usize) -> Self {
        Self { codes, count }
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.codes.len()
    }

    /// One more than the largest code.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The asset of one of the caller's rows.
    #[must_use]
    #[inline]
    pub fn at(&self, row: usize) -> usize {
        self.codes[row] as usize
    }
}

/// The hull of each asset in a block, and the rows they forbid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetHulls {
    /// The rows of the block.
    pub rows: Range,
    /// The first time of each asset in the block; the largest integer for one that is not there.
    pub firsts: Vec<i64>,
    /// The latest label end of each asset in the block; the least integer for one that is not there.
    pub lasts: Vec<i64>,
}

impl AssetHulls {
    /// The hulls of the assets in some rows. O(rows + assets).
    #[must_use]
    pub fn of(series: &Series<'_>, assets: &Assets<'_>, rows: Range) -> Self {
        let (mut firsts, mut lasts) = (vec![i64::MAX; assets.count], vec![i64::MIN; assets.count]);
        for row in rows.start..rows.stop {
            let asset = assets.at(series.caller_row(row));
            firsts[asset] = firsts[asset].min(series.time(row));
            lasts[asset] = lasts[asset].max(series.end(row));
        }
        Self { rows, firsts, lasts }
    }

    /// Whether an asset has a row in the block. Its first time can be the largest integer, its last end then as well.
    fn has(&self, asset: usize) -> bool {
        self.firsts[asset] <= self.lasts[asset]
    }

    /// Rows outside of the block whose label overlaps the hull of their asset.
    #[must_use]
    pub fn overlapping(&self, series: &Series<'_>, assets: &Assets<'_>, closed: Closed) -> Rows {
        let until = self.per_asset(0, |asset| match closed {
            Closed::Both => series.row_after(self.lasts[asset]),
            Closed::Left => series.row_at_or_after(self.lasts[asset]),
        });
        let reach = self.firsts.iter().map(|&first| match closed {
            Closed::Both => first,
            Closed::Left => first.saturating_add(1),
        });
        let mut found = self.before(series, assets, &reach.collect::<Vec<_>>());
        self.after(series, assets, &until, &mut found);
        found
    }

    /// Rows outside of the block that the embargo around the hull of their asset covers.
    #[must_use]
    pub fn embargoed(&self, series: &Series<'_>, assets: &Assets<'_>, embargo: Embargo<'_>) -> Rows {
        let timeline = series.timeline;
        match embargo {
            Embargo::None | Embargo::After(Limit::Timestamps(0)) | Embargo::Before(Limit::Timestamps(0)) => Rows::new(),
            Embargo::After(limit) => {
                let until = self.per_asset(0, |asset| match limit {
                    Limit::Timestamps(count) => {
                        let beyond = timeline.timestamp_of(series.row_after(self.lasts[asset]));
                        timeline.first_row(beyond.saturating_add(count))
                    }
                    Limit::Instant(instant) => series.row_after(instant),
                    Limit::Instants(instants) => series.row_after(instants[asset]),
                });
                let mut found = Rows::new();
                self.after(series, assets, &until, &mut found);
                found
            }
            Embargo::Before(limit) => {
                let reach = self.per_asset(i64::MAX, |asset| match limit {
                    Limit::Timestamps(count) => {
                        let first = timeline.timestamp_of(series.row_at_or_after(self.firsts[asset]));
                        series.time(timeline.first_row(first.saturating_sub(count)))
                    }
                    Limit::Instant(instant) => instant,
                    Limit::Instants(instants) => instants[asset],
                });
                self.before(series, assets, &reach)
            }
        }
    }

    /// A value for each asset of the block; `absent` for the others.
    fn per_asset<T: Clone>(&self, absent: T, value: impl Fn(usize) -> T) -> Vec<T> {
        (0..self.firsts.len()).map(|asset| if self.has(asset) { value(asset) } else { absent.clone() }).collect()
    }

    /// Rows before the block whose label ends at or after the instant of their asset.
    fn before(&self, series: &Series<'_>, assets: &Assets<'_>, reach: &[i64]) -> Rows {
        let present = (0..reach.len()).filter(|&asset| self.has(asset));
        let mut found = Rows::new();
        let Some(least) = present.map(|asset| reach[asset]).min() else { return found };
        for range in series.rows_ending_from(Range::new(0, self.rows.start), least) {
            for row in range.start..range.stop {
                let asset = assets.at(series.caller_row(row));
                if self.has(asset) && series.end(row) >= reach[asset] {
                    found.push(Range::new(row, row + 1));
                }
            }
        }
        found
    }

    /// Rows behind the block that lie before the row of their asset.
    fn after(&self, series: &Series<'_>, assets: &Assets<'_>, until: &[usize], found: &mut Rows) {
        let most = until.iter().copied().max().unwrap_or(0);
        for row in self.rows.stop..most {
            if row < until[assets.at(series.caller_row(row))] {
                found.push(Range::new(row, row + 1));
            }
        }
    }
}
