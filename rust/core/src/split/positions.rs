//! Ranges of time order as positions of the caller's rows.

use crate::error::Result;
use crate::parallel::{Cancel, map_blocks, map_blocks_into, map_parts_into};
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
    write_positions(rows, order, &mut out, cancel)?;
    Ok(out)
}

/// As [`positions`], written over all of `out`, which is as long as there are rows and is not read.
///
/// # Panics
/// When `out` has another length.
pub fn write_positions<P: Position>(
    rows: &Rows,
    order: Option<Places<'_>>,
    out: &mut [P],
    cancel: &Cancel,
) -> Result<()> {
    assert_eq!(out.len(), rows.len(), "a slot per row");
    match order {
        None => write_sorted(rows, out, cancel),
        Some(order) => write_unsorted(rows, order, out, cancel),
    }
}

/// The positions of several sets, one set behind the other, as [`write_positions`] writes each.
///
/// # Panics
/// When `out` has not a slot per row of all sets.
pub fn write_sets<P: Position>(sets: &[Rows], order: Option<Places<'_>>, out: &mut [P], cancel: &Cancel) -> Result<()> {
    let mut rest = out;
    for rows in sets {
        let (here, behind) = rest.split_at_mut(rows.len());
        write_positions(rows, order, here, cancel)?;
        rest = behind;
    }
    assert!(rest.is_empty(), "a slot per row");
    Ok(())
}

fn write_sorted<P: Position>(rows: &Rows, out: &mut [P], cancel: &Cancel) -> Result<()> {
    let firsts: Vec<usize> = rows
        .ranges()
        .iter()
        .scan(0, |before, range| {
            *before += range.len();
            Some(*before - range.len())
        })
        .collect();
    map_blocks_into(out, TASK, cancel, |task, slots| {
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
    Ok(())
}

fn write_unsorted<P: Position>(rows: &Rows, order: Places<'_>, out: &mut [P], cancel: &Cancel) -> Result<()> {
    let chosen = mask(rows, Some(order), order.len());
    let counts =
        map_blocks(chosen.len(), TASK, 1, cancel, |task| Ok(chosen[task].iter().filter(|chosen| **chosen).count()))?;
    let ends: Vec<usize> = counts
        .into_iter()
        .scan(0, |end, count| {
            *end += count;
            Some(*end)
        })
        .collect();
    map_parts_into(out, &ends, chosen.len(), cancel, |task, slots| {
        let first = task * TASK;
        let here = &chosen[first..(first + TASK).min(chosen.len())];
        let found = here.iter().enumerate().filter(|(_, chosen)| **chosen);
        for (slot, (row, _)) in slots.iter_mut().zip(found) {
            *slot = P::from_row(first + row);
        }
        Ok(())
    })?;
    Ok(())
}

/// Whether each of the caller's rows is among the chosen ones. O(rows).
#[must_use]
pub fn mask(rows: &Rows, order: Option<Places<'_>>, total: usize) -> Vec<bool> {
    let mut chosen = vec![false; total];
    mark(rows, order, &mut chosen);
    chosen
}

/// Sets what belongs to the chosen rows, and leaves the rest as it is.
pub fn mark(rows: &Rows, order: Option<Places<'_>>, chosen: &mut [bool]) {
    for &Range { start, stop } in rows.ranges() {
        match order {
            None => chosen[start..stop].fill(true),
            Some(Places::Narrow(order)) => order[start..stop].iter().for_each(|&row| chosen[row as usize] = true),
            Some(Places::Wide(order)) => order[start..stop].iter().for_each(|&row| chosen[row as usize] = true),
        }
    }
}
