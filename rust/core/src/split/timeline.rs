//! One look at the times: are they sorted, where does each timestamp begin, how far do labels reach.
//!
//! The index is small. Where every row has a timestamp of its own nothing is stored per row; label ends are
//! summarised per block of [`BLOCK`] rows, and the exact ends are read from the caller's array where it matters.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::parallel::{Cancel, INLINE_ROWS, map_blocks, pool};
use crate::rows::Range;

/// Rows summarised by one maximum.
pub const BLOCK: usize = 1_024;

/// Rows looked at by one task: a whole number of blocks.
const TASK: usize = 64 * BLOCK;

/// Where each distinct timestamp begins.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Starts {
    /// Every row has a timestamp of its own.
    EveryRow,
    /// The first row of each timestamp, ascending.
    At(Vec<usize>),
}

/// What one look at sorted times and label ends leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    rows: usize,
    starts: Starts,
    /// Whether label ends never decrease; true without label ends.
    monotone: bool,
    /// The maximum label end of each block; empty when ends are monotone.
    block_max: Vec<i64>,
    /// The maximum label end of each block and all before it; empty when ends are monotone.
    prefix_max: Vec<i64>,
}

/// Whether times never decrease. O(n), in parallel.
pub fn is_sorted(times: &[i64], cancel: &Cancel) -> Result<bool> {
    let parts = map_blocks(times.len(), TASK, 1, cancel, |rows| {
        let from = rows.start.saturating_sub(1);
        Ok(times[from..rows.end].is_sorted())
    })?;
    Ok(parts.into_iter().all(|sorted| sorted))
}

/// The stable order of the rows by time. O(n log n), in parallel.
#[must_use]
pub fn time_order(times: &[i64]) -> Vec<i64> {
    let mut order: Vec<i64> = (0..times.len() as i64).collect();
    if times.len() < INLINE_ROWS {
        order.sort_by_key(|&row| times[row as usize]);
    } else {
        pool().install(|| order.par_sort_by_key(|&row| times[row as usize]));
    }
    order
}

/// `values` in the given order. O(n).
#[must_use]
pub fn gather(values: &[i64], order: &[i64]) -> Vec<i64> {
    order.iter().map(|&row| values[row as usize]).collect()
}

/// Refuses a label that ends before its row, naming the first such row of the caller.
pub fn check_label_ends(times: &[i64], ends: &[i64], cancel: &Cancel) -> Result<()> {
    let rows = times.len();
    if ends.len() != rows {
        return Err(Error::LengthMismatch { name: "label_end".into(), got: ends.len(), expected: rows });
    }
    map_blocks(rows, TASK, 2, cancel, |block| {
        let start = block.start;
        match times[block.clone()].iter().zip(&ends[block]).position(|(time, end)| end < time) {
            Some(offset) => Err(Error::LabelEndBeforeTime { row: start + offset }),
            None => Ok(()),
        }
    })
    .map(drop)
}

/// What one task saw of its rows.
struct Seen {
    sorted: bool,
    timestamps: usize,
    early_end: Option<usize>,
    monotone: bool,
    maxima: Vec<i64>,
}

fn look(times: &[i64], ends: Option<&[i64]>, rows: std::ops::Range<usize>) -> Seen {
    let from = rows.start.saturating_sub(1);
    let (mut sorted, mut timestamps) = (true, usize::from(rows.start == 0));
    for pair in times[from..rows.end].windows(2) {
        sorted &= pair[0] <= pair[1];
        timestamps += usize::from(pair[0] != pair[1]);
    }
    let mut seen = Seen { sorted, timestamps, early_end: None, monotone: true, maxima: Vec::new() };
    if let Some(ends) = ends {
        seen.maxima.reserve(rows.len() / BLOCK + 1);
        let mut last = if rows.start == 0 { i64::MIN } else { ends[rows.start - 1] };
        for start in rows.clone().step_by(BLOCK) {
            let stop = (start + BLOCK).min(rows.end);
            let (mut top, mut early, mut monotone) = (i64::MIN, false, true);
            for (&time, &end) in times[start..stop].iter().zip(&ends[start..stop]) {
                early |= end < time;
                monotone &= last <= end;
                last = end;
                top = top.max(end);
            }
            seen.monotone &= monotone;
            seen.maxima.push(top);
            if early && seen.early_end.is_none() {
                seen.early_end = (start..stop).find(|&row| ends[row] < times[row]);
            }
        }
    }
    seen
}

impl Timeline {
    /// Looks at times and label ends once; `None` when the times are not sorted.
    ///
    /// # Errors
    /// Empty input, lengths that differ, a label that ends before its row (with the row).
    pub fn build(times: &[i64], ends: Option<&[i64]>, cancel: &Cancel) -> Result<Option<Self>> {
        let rows = times.len();
        if rows == 0 {
            return Err(Error::Empty { name: "time".into() });
        }
        if let Some(ends) = ends
            && ends.len() != rows
        {
            return Err(Error::LengthMismatch { name: "label_end".into(), got: ends.len(), expected: rows });
        }
        let seen = map_blocks(rows, TASK, 2, cancel, |block| Ok(look(times, ends, block)))?;
        if let Some(row) = seen.iter().find_map(|part| part.early_end) {
            return Err(Error::LabelEndBeforeTime { row });
        }
        if !seen.iter().all(|part| part.sorted) {
            return Ok(None);
        }
        let timestamps = seen.iter().map(|part| part.timestamps).sum();
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
        let starts = if timestamps == rows { Starts::EveryRow } else { Starts::At(starts(times, timestamps, cancel)?) };
        Ok(Some(Self { rows, starts, monotone, block_max, prefix_max }))
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many distinct timestamps there are.
    #[must_use]
    pub fn timestamps(&self) -> usize {
        match &self.starts {
            Starts::EveryRow => self.rows,
            Starts::At(starts) => starts.len(),
        }
    }

    /// The first row of timestamp `index`; the number of rows for the index one past the last.
    #[must_use]
    pub fn first_row(&self, index: usize) -> usize {
        match &self.starts {
            Starts::EveryRow => index.min(self.rows),
            Starts::At(starts) => starts.get(index).copied().unwrap_or(self.rows),
        }
    }

    /// The timestamp that begins at or before `row`; the number of timestamps for the row one past the last.
    #[must_use]
    pub fn timestamp_of(&self, row: usize) -> usize {
        match &self.starts {
            Starts::EveryRow => row.min(self.rows),
            Starts::At(starts) if row < self.rows => starts.partition_point(|&start| start <= row) - 1,
            Starts::At(starts) => starts.len(),
        }
    }

    /// The rows of the timestamps `start..stop`.
    #[must_use]
    pub fn rows_of(&self, start: usize, stop: usize) -> Range {
        Range::new(self.first_row(start), self.first_row(stop))
    }

    /// Bytes of memory held, for the tests of the memory promise.
    #[must_use]
    pub fn memory(&self) -> usize {
        let starts = if let Starts::At(starts) = &self.starts { starts.capacity() } else { 0 };
        8 * (starts + self.block_max.capacity() + self.prefix_max.capacity())
    }
}

fn starts(times: &[i64], count: usize, cancel: &Cancel) -> Result<Vec<usize>> {
    let parts = map_blocks(times.len(), TASK, 1, cancel, |rows| {
        Ok(rows.filter(|&row| row == 0 || times[row] != times[row - 1]).collect::<Vec<_>>())
    })?;
    let mut all = Vec::with_capacity(count);
    parts.into_iter().for_each(|part| all.extend(part));
    Ok(all)
}

/// Sorted times and label ends together with their index: what a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Series<'a> {
    /// Times, ascending.
    pub times: &'a [i64],
    /// Label ends, where there are any; without them a label ends at its time.
    pub ends: Option<&'a [i64]>,
    /// The index of both.
    pub index: &'a Timeline,
}

impl Series<'_> {
    /// The first row at or after an instant.
    #[must_use]
    pub fn row_at_or_after(&self, instant: i64) -> usize {
        self.times.partition_point(|&time| time < instant)
    }

    /// The first row after an instant.
    #[must_use]
    pub fn row_after(&self, instant: i64) -> usize {
        self.times.partition_point(|&time| time <= instant)
    }

    /// The latest label end of a range of rows that is not empty.
    #[must_use]
    pub fn max_end(&self, rows: Range) -> i64 {
        let Some(ends) = self.ends else { return self.times[rows.stop - 1] };
        if self.index.monotone {
            return ends[rows.stop - 1];
        }
        let (first, last) = (rows.start.div_ceil(BLOCK), rows.stop / BLOCK);
        let top = |values: &[i64]| values.iter().copied().max().unwrap_or(i64::MIN);
        if first >= last {
            return top(&ends[rows.start..rows.stop]);
        }
        top(&ends[rows.start..first * BLOCK])
            .max(top(&self.index.block_max[first..last]))
            .max(top(&ends[last * BLOCK..rows.stop]))
    }

    /// The ranges of rows within `rows` whose label ends at or after `instant`.
    ///
    /// O(log n) when ends are monotone; else the clean prefix is found by its maximum and the rest is looked at, block
    /// by block.
    #[must_use]
    pub fn rows_ending_from(&self, rows: Range, instant: i64) -> Vec<Range> {
        let ends = self.ends.unwrap_or(self.times);
        if self.ends.is_none() || self.index.monotone {
            let first = rows.start + ends[rows.start..rows.stop].partition_point(|&end| end < instant);
            return vec![Range::new(first, rows.stop)];
        }
        let clean = self.index.prefix_max.partition_point(|&top| top < instant);
        let mut found: Vec<Range> = Vec::new();
        for block in clean.max(rows.start / BLOCK)..rows.stop.div_ceil(BLOCK) {
            if self.index.block_max[block] < instant {
                continue;
            }
            for row in rows.start.max(block * BLOCK)..rows.stop.min((block + 1) * BLOCK) {
                if ends[row] >= instant {
                    match found.last_mut() {
                        Some(last) if last.stop == row => last.stop = row + 1,
                        _ => found.push(Range::new(row, row + 1)),
                    }
                }
            }
        }
        found
    }
}
