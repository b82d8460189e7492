//! One look at the times: are they sorted, where does each timestamp begin, how far do labels reach.
//!
//! The index is small. Where every row has a timestamp of its own nothing is stored per row; label ends are
//! summarised per block of [`BLOCK`] rows, and the exact ends are read from the caller's array where it matters.
//! Rows that do not come sorted are seen through a permutation; the caller's arrays are neither copied nor moved.

use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks};
use crate::rows::Range;
use crate::split::Span;
use crate::split::assets::Assets;
use crate::split::order::Order;

/// Rows summarised by one maximum.
pub const BLOCK: usize = 1_024;

/// Rows looked at by one task: a whole number of blocks.
const TASK: usize = 64 * BLOCK;

/// Where each distinct timestamp begins.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Starts {
    /// Every row has a timestamp of its own.
    EveryRow,
    /// The first row of each timestamp, ascending; up to 2³² rows.
    Narrow(Vec<u32>),
    /// The same for more rows.
    Wide(Vec<u64>),
}

/// What one look at times and label ends leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    rows: usize,
    starts: Starts,
    order: Option<Order>,
    /// Whether label ends never decrease over time order; true without label ends.
    monotone: bool,
    /// The maximum label end of each block; empty when ends are monotone.
    block_max: Vec<i64>,
    /// The maximum label end of each block and all before it; empty when ends are monotone.
    prefix_max: Vec<i64>,
}

/// What one task saw of its rows' times.
struct SeenTimes {
    sorted: bool,
    timestamps: usize,
}

/// Looks at the times of consecutive rows; `before` is that of the row that precedes them.
fn look_at_times(times: &[i64], before: Option<i64>) -> SeenTimes {
    let (mut sorted, mut timestamps) = (true, 1);
    if let Some(before) = before {
        sorted = before <= times[0];
        timestamps = usize::from(before != times[0]);
    }
    for (a, b) in times.iter().zip(&times[1..]) {
        sorted &= a <= b;
        timestamps += usize::from(a != b);
    }
    SeenTimes { sorted, timestamps }
}

/// What one task saw of its rows' label ends.
struct SeenEnds {
    monotone: bool,
    maxima: Vec<i64>,
}

/// Looks at the label ends of consecutive rows, whole blocks of them; `before` is that of the row that precedes them.
fn look_at_ends(ends: &[i64], before: Option<i64>) -> SeenEnds {
    let mut monotone = before.is_none_or(|end| end <= ends[0]);
    let mut maxima = Vec::with_capacity(ends.len().div_ceil(BLOCK));
    for start in (0..ends.len()).step_by(BLOCK) {
        let stop = (start + BLOCK).min(ends.len());
        maxima.push(ends[start..stop].iter().fold(i64::MIN, |top, &end| top.max(end)));
        // The next block's first row belongs to the comparison.
        let window = &ends[start..(stop + 1).min(ends.len())];
        monotone &= window.iter().zip(&window[1..]).fold(true, |so_far, (a, b)| so_far & (a <= b));
    }
    SeenEnds { monotone, maxima }
}

/// The first row whose label ends before its time, looked for block by block.
fn early_end(times: &[i64], ends: &[i64]) -> Option<usize> {
    let early = |(time, end): (&i64, &i64)| end < time;
    let blocks = times.chunks(BLOCK).zip(ends.chunks(BLOCK));
    let bad = |(times, ends): (&[i64], &[i64])| times.iter().zip(ends).fold(false, |any, pair| any | early(pair));
    let block = blocks.clone().position(bad)?;
    let row = BLOCK * block;
    times[row..].iter().zip(&ends[row..]).position(early).map(|place| row + place)
}

impl Timeline {
    /// Looks at times and label ends once; at label ends a second time, through a stable order, when the times are not
    /// sorted.
    ///
    /// # Errors
    /// Empty input, lengths that differ, a label that ends before its row (with the caller's row).
    pub fn build(times: &[i64], ends: Option<&[i64]>, cancel: &Cancel) -> Result<Self> {
        let rows = times.len();
        if rows == 0 {
            return Err(Error::Empty { name: "time".into() });
        }
        if let Some(ends) = ends
            && ends.len() != rows
        {
            return Err(Error::LengthMismatch { name: "label_end".into(), got: ends.len(), expected: rows });
        }
        let seen = map_blocks(rows, TASK, 2, cancel, |task| {
            let before = task.start.checked_sub(1);
            let seen = look_at_times(&times[task.clone()], before.map(|row| times[row]));
            let Some(ends) = ends else { return Ok((seen, None)) };
            let early = early_end(&times[task.clone()], &ends[task.clone()]).map(|row| task.start + row);
            early.map_or(Ok(()), |row| Err(Error::LabelEndBeforeTime { row }))?;
            // Of no use where the times turn out unsorted, but the values are here.
            let ends = seen.sorted.then(|| look_at_ends(&ends[task], before.map(|row| ends[row])));
            Ok((seen, ends))
        })?;
        let sorted = seen.iter().all(|(times, _)| times.sorted);
        let timestamps = seen.iter().map(|(times, _)| times.timestamps).sum();
        if sorted {
            let starts = match timestamps {
                count if count == rows => Starts::EveryRow,
                count if u32::try_from(rows).is_ok() => Starts::Narrow(starts(times, count, cancel, |row| row as u32)?),
                count => Starts::Wide(starts(times, count, cancel, |row| row as u64)?),
            };
            return Ok(Self::assemble(rows, starts, None, seen.into_iter().filter_map(|(_, ends)| ends)));
        }
        let (order, firsts) = Order::with_firsts(times, cancel)?;
        let starts = match firsts.count() {
            count if count == rows => Starts::EveryRow,
            _ if u32::try_from(rows).is_ok() => Starts::Narrow(firsts.places(cancel, |place| place as u32)?),
            _ => Starts::Wide(firsts.places(cancel, |place| place as u64)?),
        };
        let seen = match ends {
            Some(ends) => map_blocks(rows, TASK, 2, cancel, |task| {
                let before = task.start.checked_sub(1).map(|place| ends[order.at(place)]);
                let own: Vec<i64> = task.map(|place| ends[order.at(place)]).collect();
                Ok(look_at_ends(&own, before))
            })?,
            None => Vec::new(),
        };
        Ok(Self::assemble(rows, starts, Some(order), seen.into_iter()))
    }

    fn assemble(rows: usize, starts: Starts, order: Option<Order>, seen: impl Iterator<Item = SeenEnds>) -> Self {
        let seen: Vec<SeenEnds> = seen.collect();
        let monotone = seen.iter().all(|part| part.monotone);
        let block_max: Vec<i64> =
            if monotone { Vec::new() } else { seen.into_iter().flat_map(|part| part.maxima).collect() };
        let prefix_max = block_max
            .iter()
            .scan(i64::MIN, |top, &end| {
                *top = end.max(*top);
                Some(*top)
            })
            .collect();
        Self { rows, starts, order, monotone, block_max, prefix_max }
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The order of the rows by time; none when they come sorted.
    #[must_use]
    pub fn order(&self) -> Option<&Order> {
        self.order.as_ref()
    }

    /// How many distinct timestamps there are.
    #[must_use]
    pub fn timestamps(&self) -> usize {
        match &self.starts {
            Starts::EveryRow => self.rows,
            Starts::Narrow(starts) => starts.len(),
            Starts::Wide(starts) => starts.len(),
        }
    }

    /// The first row of timestamp `index`; the number of rows for an index past the last.
    #[must_use]
    pub fn first_row(&self, index: usize) -> usize {
        match &self.starts {
            Starts::EveryRow => index.min(self.rows),
            Starts::Narrow(starts) => starts.get(index).map_or(self.rows, |&row| row as usize),
            Starts::Wide(starts) => starts.get(index).map_or(self.rows, |&row| row as usize),
        }
    }

    /// The timestamp that `row` has; the number of timestamps for a row past the last.
    #[must_use]
    pub fn timestamp_of(&self, row: usize) -> usize {
        if row >= self.rows {
            return self.timestamps();
        }
        match &self.starts {
            Starts::EveryRow => row,
            Starts::Narrow(starts) => starts.partition_point(|&start| start as usize <= row) - 1,
            Starts::Wide(starts) => starts.partition_point(|&start| start as usize <= row) - 1,
        }
    }

    /// The rows of some consecutive timestamps.
    #[must_use]
    pub fn rows_of(&self, span: &Span) -> Range {
        Range::new(self.first_row(span.start), self.first_row(span.end))
    }

    /// Bytes of memory held, for the tests of the memory promise.
    #[must_use]
    pub fn memory(&self) -> usize {
        let starts = match &self.starts {
            Starts::EveryRow => 0,
            Starts::Narrow(starts) => 4 * starts.capacity(),
            Starts::Wide(starts) => 8 * starts.capacity(),
        };
        starts
            + 8 * (self.block_max.capacity() + self.prefix_max.capacity())
            + self.order.as_ref().map_or(0, Order::memory)
    }
}

/// The first row of each timestamp of sorted times.
fn starts<I: Send>(times: &[i64], count: usize, cancel: &Cancel, number: impl Fn(usize) -> I + Sync) -> Result<Vec<I>> {
    let parts = map_blocks(times.len(), TASK, 1, cancel, |task| {
        let begins = |row: &usize| *row == 0 || times[row - 1] != times[*row];
        Ok(task.filter(begins).map(&number).collect::<Vec<_>>())
    })?;
    let mut all = Vec::with_capacity(count);
    for part in parts {
        all.extend(part);
    }
    Ok(all)
}

/// The caller's arrays, seen in time order.
struct Source<'a> {
    times: &'a [i64],
    ends: Option<&'a [i64]>,
    order: Option<&'a Order>,
}

impl Source<'_> {
    #[inline]
    fn caller_row(&self, row: usize) -> usize {
        self.order.map_or(row, |order| order.at(row))
    }

    #[inline]
    fn time(&self, row: usize) -> i64 {
        self.times[self.caller_row(row)]
    }

    #[inline]
    fn end(&self, row: usize) -> i64 {
        self.ends.unwrap_or(self.times)[self.caller_row(row)]
    }
}

/// The caller's arrays together with their timeline: what a plan is made from. Rows are places of time order.
pub struct Series<'a> {
    source: Source<'a>,
    assets: Option<Assets<'a>>,
    /// What is known about both arrays.
    pub timeline: &'a Timeline,
}

impl<'a> Series<'a> {
    /// The arrays that `timeline` was built from.
    ///
    /// # Errors
    /// Arrays of another length.
    pub fn new(times: &'a [i64], ends: Option<&'a [i64]>, timeline: &'a Timeline) -> Result<Self> {
        for (name, array) in [("time", Some(times)), ("label_end", ends)] {
            let got = array.map_or(timeline.rows, <[i64]>::len);
            if got != timeline.rows {
                return Err(Error::LengthMismatch { name: name.into(), got, expected: timeline.rows });
            }
        }
        let source = Source { times, ends, order: timeline.order.as_ref() };
        Ok(Self { source, assets: None, timeline })
    }

    /// The same rows, each of them purged and embargoed by the rows of its own asset alone.
    ///
    /// # Errors
    /// Codes for another number of rows.
    pub fn within_assets(self, assets: Assets<'a>) -> Result<Self> {
        if assets.rows() != self.timeline.rows {
            let (got, expected) = (assets.rows(), self.timeline.rows);
            return Err(Error::LengthMismatch { name: "asset".into(), got, expected });
        }
        Ok(Self { assets: Some(assets), ..self })
    }

    /// The assets, where rows are purged within them.
    #[must_use]
    pub fn assets(&self) -> Option<&Assets<'a>> {
        self.assets.as_ref()
    }

    /// The caller's row at a place of time order.
    #[must_use]
    #[inline]
    pub fn caller_row(&self, row: usize) -> usize {
        self.source.caller_row(row)
    }

    /// The time of a row.
    #[must_use]
    #[inline]
    pub fn time(&self, row: usize) -> i64 {
        self.source.time(row)
    }

    /// When the label of a row ends; without label ends, its time.
    #[must_use]
    #[inline]
    pub fn end(&self, row: usize) -> i64 {
        self.source.end(row)
    }

    /// The first row at or after an instant.
    #[must_use]
    pub fn row_at_or_after(&self, instant: i64) -> usize {
        first_row_not(Range::new(0, self.timeline.rows), |row| self.time(row) < instant)
    }

    /// The first row after an instant.
    #[must_use]
    pub fn row_after(&self, instant: i64) -> usize {
        first_row_not(Range::new(0, self.timeline.rows), |row| self.time(row) <= instant)
    }

    /// The latest label end of a range of rows that is not empty.
    #[must_use]
    pub fn max_end(&self, rows: Range) -> i64 {
        if self.source.ends.is_none() || self.timeline.monotone {
            return self.end(rows.stop - 1);
        }
        let top = |rows: std::ops::Range<usize>| rows.map(|row| self.end(row)).max().unwrap_or(i64::MIN);
        let (first, last) = (rows.start.div_ceil(BLOCK), rows.stop / BLOCK);
        if first >= last {
            return top(rows.start..rows.stop);
        }
        let whole = self.timeline.block_max[first..last].iter().copied().max().unwrap_or(i64::MIN);
        whole.max(top(rows.start..first * BLOCK)).max(top(last * BLOCK..rows.stop))
    }

    /// The ranges of rows within `rows` whose label ends at or after `instant`.
    ///
    /// O(log n) when ends are monotone; else the clean prefix is found by its maximum and the rest is looked at, block
    /// by block, skipping those that end too early.
    #[must_use]
    pub fn rows_ending_from(&self, rows: Range, instant: i64) -> Vec<Range> {
        if self.source.ends.is_none() || self.timeline.monotone {
            let first = first_row_not(rows, |row| self.end(row) < instant);
            return vec![Range::new(first, rows.stop)];
        }
        let clean = self.timeline.prefix_max.partition_point(|&top| top < instant);
        let mut found = Vec::new();
        for block in clean.max(rows.start / BLOCK)..rows.stop.div_ceil(BLOCK) {
            if self.timeline.block_max[block] < instant {
                continue;
            }
            let seen = rows.start.max(block * BLOCK)..rows.stop.min((block + 1) * BLOCK);
            match (self.source.ends, self.source.order) {
                (Some(ends), None) => late(&mut found, seen.clone(), ends[seen].iter().copied(), instant),
                _ => late(&mut found, seen.clone(), seen.map(|row| self.end(row)), instant),
            }
        }
        found
    }
}

/// Appends the runs of consecutive rows whose label ends at or after `instant`.
fn late(found: &mut Vec<Range>, rows: std::ops::Range<usize>, ends: impl Iterator<Item = i64>, instant: i64) {
    for (row, end) in rows.zip(ends) {
        if end >= instant {
            match found.last_mut() {
                Some(last) if last.stop == row => last.stop = row + 1,
                _ => found.push(Range::new(row, row + 1)),
            }
        }
    }
}

/// The first row of `rows` for which `before` fails, when it holds for a prefix of them.
fn first_row_not(rows: Range, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (rows.start, rows.stop);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}
