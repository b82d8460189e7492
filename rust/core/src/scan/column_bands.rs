//! How the cells of a block reach the profile: contiguous columns where they lie, all others brought together.
//!
//! The columns of a row-major matrix lie side by side. A few rows of all of them are copied at a time, so that every
//! line of memory is read whole, one after the other; the copies are scanned while they are near.

use std::ops::Range;

use super::block_rows::{BlockRows, TILE};
use super::column_state::ColumnState;
use super::value::Value;
use crate::columns::{Column, Strided};
use crate::error::Result;
use crate::loss::cpu::fetch_early;
use crate::parallel::Cancel;
use crate::with_column;

/// Bytes of the cells that are brought together at a time: within a second-level cache.
const SCRATCH: usize = 512 * 1_024;

/// Rows that are copied at a time: few enough for their lines of memory to stay in a first-level cache.
const ROWS: usize = 8;

/// Rows between those that are copied and those that are asked for: as long as memory takes to answer.
const AHEAD: usize = 4 * ROWS;

/// Copied columns begin a multiple of so many cells apart: whole lines of memory, whatever the type.
const LINE: usize = 64;

/// Reads the rows of a block in every column.
pub(crate) fn scan_block(
    columns: &[Column<'_>],
    order: Option<&[u32]>,
    rows: &Range<usize>,
    block: &BlockRows,
    parts: usize,
    cancel: &Cancel,
) -> Result<Vec<ColumnState>> {
    let walk = Walk::new(block, order, rows, parts);
    let mut bands: Vec<Box<dyn Read + '_>> = Vec::new();
    let mut rest = columns;
    while let Some(first) = rest.first() {
        bands.push(with_column!(first, view => Box::new(Band::new(view, rest, walk))));
        rest = &rest[bands.last().map_or(1, |band| band.width())..];
    }
    let (direct, mut gathered): (Vec<_>, Vec<_>) = bands.iter_mut().partition(|band| band.lies_in_place());
    for band in direct {
        cancel.check()?;
        band.read(0..block.len);
    }
    // As many side by side as fit, so that a tile of a matrix is still near when the next band reads it.
    while !gathered.is_empty() {
        let mut bytes = 0;
        let fit = gathered.iter().take_while(|band| {
            bytes += band.bytes();
            bytes <= SCRATCH
        });
        let count = fit.count().max(1);
        let mut group: Vec<_> = gathered.drain(..count).collect();
        for start in (0..block.len).step_by(walk.step) {
            cancel.check()?;
            for band in &mut group {
                band.read(start..(start + walk.step).min(block.len));
            }
        }
        for band in group {
            band.release();
        }
    }
    Ok(bands.into_iter().flat_map(Read::close).collect())
}

/// How a block is walked through.
#[derive(Clone, Copy)]
struct Walk<'a> {
    block: &'a BlockRows,
    order: Option<&'a [u32]>,
    /// The place of the block's first row.
    start: usize,
    parts: usize,
    /// Rows that are read at a time where cells are brought together.
    step: usize,
    /// Cells before them: room for those that are looked back to.
    front: usize,
}

impl<'a> Walk<'a> {
    fn new(block: &'a BlockRows, order: Option<&'a [u32]>, rows: &Range<usize>, parts: usize) -> Self {
        let (step, front) = (block.furthest.next_multiple_of(TILE), block.furthest.next_multiple_of(LINE));
        Self { block, order, start: rows.start, parts, step, front }
    }

    /// The row at a place of the block.
    fn row(&self, at: usize) -> usize {
        self.order.map_or(self.start + at, |order| order[self.start + at] as usize)
    }
}

/// The reading of some neighbouring columns in one block.
trait Read {
    /// How many columns there are.
    fn width(&self) -> usize;
    /// Whether the cells need not be brought together.
    fn lies_in_place(&self) -> bool;
    /// What the cells that are brought together take.
    fn bytes(&self) -> usize;
    /// Reads the next rows of the block; they begin at the border of a tile.
    fn read(&mut self, rows: Range<usize>);
    /// Gives back the memory that reading took.
    fn release(&mut self);
    fn close(self: Box<Self>) -> Vec<ColumnState>;
}

/// Columns of one type whose rows lie equally far apart, each row of them within one row of the first.
struct Band<'a, T> {
    views: Vec<Strided<'a, T>>,
    /// How far the cells of each lie behind those of the first.
    offsets: Vec<usize>,
    states: Vec<ColumnState>,
    walk: Walk<'a>,
    /// The cells of each column, [`Band::room`] apart: those that are looked back to, and from `front` on those that
    /// are read next.
    cells: Vec<T>,
}

impl<'a, T: Value> Band<'a, T> {
    /// The longest band that `columns` begin with; `first` is the first of them.
    fn new(first: &Strided<'a, T>, columns: &[Column<'a>], walk: Walk<'a>) -> Self {
        let address = |view: &Strided<'a, T>| view.data().as_ptr() as usize;
        let offset = |column: &Column<'a>| {
            let view =
                T::of_column(column).filter(|view| (view.stride(), view.len()) == (first.stride(), first.len()))?;
            let bytes = address(&view).checked_sub(address(first))?;
            let offset = bytes / size_of::<T>();
            (bytes % size_of::<T>() == 0 && offset < first.stride()).then_some((view, offset))
        };
        let (mut views, mut offsets): (Vec<_>, Vec<_>) = columns.iter().map_while(offset).unzip();
        // Bands of a wide matrix are about equally wide.
        let most = (SCRATCH / (Self::room(&walk) * size_of::<T>())).max(ROWS);
        let width = views.len().div_ceil(views.len().div_ceil(most));
        views.truncate(width);
        offsets.truncate(width);
        let states = vec![ColumnState::new(T::KIND, walk.parts, walk.block.count.len()); width];
        Self { views, offsets, states, walk, cells: Vec::new() }
    }

    /// Cells between the beginnings of two copied columns. One line more than they need, since caches keep few lines
    /// that are a power of two apart.
    fn room(walk: &Walk<'_>) -> usize {
        walk.front + walk.step + LINE
    }

    /// Copies the rows to where they are scanned.
    fn gather(&mut self, rows: Range<usize>) {
        let (room, front, first) = (Self::room(&self.walk), self.walk.front, self.views[0]);
        let (data, stride) = (first.data(), first.stride());
        let extent = self.offsets.iter().max().map_or(0, |offset| offset + 1);
        for start in rows.clone().step_by(ROWS) {
            let at = front + start - rows.start;
            let places: [usize; ROWS] = std::array::from_fn(|k| self.walk.row((start + k).min(rows.end - 1)));
            // Rows lie too far apart for a CPU to guess the next ones: it is told, and need not wait for them.
            for at in (start + AHEAD..start + AHEAD + ROWS).take_while(|&at| at < self.walk.block.len) {
                let begin = self.walk.row(at) * stride;
                (begin..begin + extent).step_by(64 / size_of::<T>()).for_each(|cell| fetch_early(data, cell));
            }
            // The data of the first column ends with its own last cell: there the others are asked for theirs.
            let count = ROWS.min(rows.end - start);
            if count == ROWS && places.iter().all(|&row| row + 1 < first.len()) {
                let begins = places.map(|row| row * stride);
                for (&offset, cells) in self.offsets.iter().zip(self.cells.chunks_exact_mut(room)) {
                    for (cell, &begin) in cells[at..at + ROWS].iter_mut().zip(&begins) {
                        *cell = data[begin + offset];
                    }
                }
            } else {
                for (view, cells) in self.views.iter().zip(self.cells.chunks_exact_mut(room)) {
                    for (cell, &row) in cells[at..at + count].iter_mut().zip(&places) {
                        *cell = view.get(row);
                    }
                }
            }
        }
    }
}

impl<T: Value> Read for Band<'_, T> {
    fn width(&self) -> usize {
        self.views.len()
    }

    fn lies_in_place(&self) -> bool {
        self.walk.order.is_none() && self.views[0].as_slice().is_some()
    }

    fn bytes(&self) -> usize {
        self.views.len() * Self::room(&self.walk) * size_of::<T>()
    }

    fn read(&mut self, rows: Range<usize>) {
        let Walk { block, start, step, front, .. } = self.walk;
        if self.lies_in_place() {
            for (view, state) in self.views.iter().zip(&mut self.states) {
                let cells = view.slice(start, start + block.len);
                state.scan(block, &cells.data()[..block.len], 0, rows.start, rows.end);
            }
            return;
        }
        let (room, kept) = (Self::room(&self.walk), block.furthest.min(rows.start));
        self.cells.resize(self.views.len() * room, T::default());
        for cells in self.cells.chunks_exact_mut(room) {
            // The last rows of those that were read before.
            cells.copy_within(front + step - kept..front + step, front - kept);
        }
        self.gather(rows.clone());
        for (state, cells) in self.states.iter_mut().zip(self.cells.chunks_exact(room)) {
            let cells = &cells[front - kept..front + rows.len()];
            state.scan(block, cells, rows.start - kept, rows.start, rows.end);
        }
    }

    fn release(&mut self) {
        self.cells = Vec::new();
    }

    fn close(mut self: Box<Self>) -> Vec<ColumnState> {
        for (view, state) in self.views.iter().zip(&mut self.states) {
            state.close(self.walk.block, |at| view.get(self.walk.row(at)).key());
        }
        self.states
    }
}
