//! Ranges of time order as positions of the caller's rows.

use crate::error::Result;
use crate::parallel::{Cancel, map_blocks_into};
use crate::rows::{Range, Rows};
use crate::split::order::Places;

/// Positions written by one task.
const TASK: usize = 65_536;

/// An integer that can number rows.
pub trait Position: Copy + Default + Send + Sync {
    /// The row as this type; the caller has checked that it fits.
    fn from_row(row: usize) -> Self;

    /// The row it numbers.
    fn row(self) -> usize;
}

impl Position for i64 {
    #[inline]
    fn from_row(row: usize) -> Self {
        row as i64
    }

    #[inline]
    fn row(self) -> usize {
        self as usize
    }
}

impl Position for i32 {
    #[inline]
    fn from_row(row: usize) -> Self {
        row as i32
    }

    #[inline]
    fn row(self) -> usize {
        self as usize
    }
}

/// The ascending positions of some rows among the caller's. O(chosen) for sorted rows, O(rows) otherwise.
pub fn positions<P: Position>(rows: &Rows, order: Option<Places<'_>>, cancel: &Cancel) -> Result<Vec<P>> {
    let mut out = vec![P::default(); rows.len()];
    let Some(order) = order else {
        let firsts: Vec<usize> = rows
            .ranges()
            .iter()
            .scan(0, |before, range| {
                *before += range.len();
                Some(*before - range.len())
            })
            .collect();
        map_blocks_into(&mut out, TASK, cancel, |task, slots| {
            // Task positions lie in one range or a few: walk them instead of looking each up.
            let mut slots = slots;
            let mut at = firsts.partition_point(|&first| first <= task.start) - 1;
            let mut row = rows.ranges()[at].start + task.start - firsts[at];
            while !slots.is_empty() {
                let count = slots.len().min(rows.ranges()[at].stop - row);
                let (here, rest) = slots.split_at_mut(count);
                for (slot, row) in here.iter_mut().zip(row..) {
                    *slot = P::from_row(row);
                }
                slots = rest;
                at += 1;
                row = rows.ranges().get(at).map_or(0, |range| range.start);
            }
            Ok(())
        })?;
        return Ok(out);
    };
    let chosen = mask(rows, Some(order), order.len());
    let mut next = out.iter_mut();
    for (row, _) in chosen.iter().enumerate().filter(|(_, chosen)| **chosen) {
        if let Some(slot) = next.next() {
            *slot = P::from_row(row);
        }
    }
    Ok(out)
}

/// Whether each of the caller's rows is among the chosen ones. O(rows).
#[must_use]
pub fn mask(rows: &Rows, order: Option<Places<'_>>, total: usize) -> Vec<bool> {
    let mut chosen = vec![false; total];
    for &Range { start, stop } in rows.ranges() {
        match order {
            None => chosen[start..stop].fill(true),
            Some(order) => (start..stop).for_each(|place| chosen[order.at(place)] = true),
        }
    }
    chosen
}
