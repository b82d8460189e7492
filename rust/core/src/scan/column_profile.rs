//! What each column holds, found in one read: missing and odd cells, range and spread, repeats, order, frequent values.
//!
//! Rows are cut into blocks whose borders depend on their number alone. A block is read by one thread, column after
//! column where columns are contiguous; cells that are not (a row-major matrix, another order of rows) are brought
//! together tile by tile, for some columns at a time, so that memory is read once. A profile is a state that further
//! rows can be added to ([`ColumnProfiler::update`], for record batches) and that the profile of later rows can be
//! joined to ([`ColumnProfiler::merge`]): counts and runs are exact however rows are cut, moments to rounding.

use std::ops::Range;

pub use super::block_rows::RowFacts;
use super::block_rows::{BlockRows, TILE};
use super::column_state::ColumnState;
pub use super::moments::Moments;
pub use super::top_values::CAPACITY;
pub use super::value::Steps;
use super::value::Value;
use crate::columns::{Column, Strided};
use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks};
use crate::with_column;

/// Into how many blocks rows are cut at most: more than the cores that memory can feed.
const BLOCKS: usize = 16;

/// The least rows of a block.
const LEAST_BLOCK: usize = 8 * TILE;

/// Bytes of the cells that are brought together at a time: well within a second-level cache.
const SCRATCH: usize = 256 * 1_024;

/// What one column holds.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnProfile {
    /// Over all rows.
    pub total: Moments,
    /// By part of the rows.
    pub parts: Vec<Moments>,
    /// Each row against the one before it.
    pub rows: Steps,
    /// Each row against the same asset's row before it; the same as `rows` where assets are not known.
    pub own: Steps,
    /// How many distinct values there are, NaN aside; None for more than [`CAPACITY`].
    pub distinct: Option<usize>,
    /// Frequent values and their counts, the most frequent first; counts are exact when `distinct` is known, else they
    /// fall short of the truth.
    pub top: Vec<(f64, u64)>,
    /// A hash of the values in order, equal for columns of equal numbers that were read together.
    pub hash: u64,
    /// By asset: the most equal cells in a row.
    pub longest: Vec<u32>,
    /// By asset: how many cells are missing before the first that is not.
    pub lead: Vec<u32>,
}

/// The profile of a frame that is being read.
#[derive(Debug, Clone)]
pub struct ColumnProfiler {
    assets: Option<usize>,
    parts: usize,
    tiles: u64,
    rows: u64,
    asset_rows: Vec<u64>,
    columns: Option<Vec<ColumnState>>,
}

impl ColumnProfiler {
    /// A profile of no rows yet. `assets` says how many assets there are, where they are known; `parts` into how many
    /// parts rows are divided, at least 1.
    #[must_use]
    pub fn new(assets: Option<usize>, parts: usize) -> Self {
        let parts = parts.max(1);
        Self { assets, parts, tiles: 0, rows: 0, asset_rows: vec![0; assets.unwrap_or(1)], columns: None }
    }

    /// How many rows were read.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// By asset, how many rows were read.
    #[must_use]
    pub fn asset_rows(&self) -> &[u64] {
        &self.asset_rows
    }

    /// Adds rows that come behind those read so far. Nothing is added when it fails.
    pub fn update(&mut self, columns: &[Column<'_>], facts: RowFacts<'_>, cancel: &Cancel) -> Result<()> {
        let rows = self.checked_rows(columns, facts)?;
        let block = rows.div_ceil(BLOCKS).max(LEAST_BLOCK).next_multiple_of(TILE);
        let parts = map_blocks(rows, block, columns.len(), cancel, |range| {
            let shared = BlockRows::new(range.clone(), facts, self.asset_rows.len(), self.parts)?;
            let states = scan_block(columns, facts.order, &range, &shared, self.parts, cancel)?;
            Ok((shared, states))
        })?;
        let known = self.columns.take();
        let mut states = known.unwrap_or_else(|| columns.iter().map(|column| self.empty(column)).collect());
        for (shared, found) in parts {
            let theirs: Vec<u64> = shared.count.iter().map(|&count| u64::from(count)).collect();
            self.join(&mut states, &found, &theirs, shared.len as u64, shared.len.div_ceil(TILE) as u64);
        }
        self.columns = Some(states);
        Ok(())
    }

    /// Adds the profile of rows that come behind those of this one.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if (self.assets, self.parts) != (other.assets, other.parts) {
            return Err(mismatch("profile", "another number of assets or parts", "merge profiles of the same frame"));
        }
        let Some(theirs) = &other.columns else { return Ok(()) };
        let Some(mut ours) = self.columns.take() else {
            self.clone_from(other);
            return Ok(());
        };
        let alike = ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| a.kind == b.kind);
        if !alike {
            self.columns = Some(ours);
            return Err(mismatch("profile", "other columns", "merge profiles of the same columns"));
        }
        self.join(&mut ours, theirs, &other.asset_rows, other.rows, other.tiles);
        self.columns = Some(ours);
        Ok(())
    }

    /// What each column holds; empty before the first update.
    #[must_use]
    pub fn finish(&self) -> Vec<ColumnProfile> {
        let columns = self.columns.as_deref().unwrap_or_default();
        columns.iter().map(|column| self.finished(column)).collect()
    }

    fn finished(&self, column: &ColumnState) -> ColumnProfile {
        let mut total = Moments::default();
        column.moments.iter().for_each(|part| total.merge(part));
        let top: Vec<(f64, u64)> =
            column.top.sorted().into_iter().map(|(key, count)| (column.kind.number(key), count)).collect();
        let present = |code: usize| self.asset_rows[code] > 0;
        let by_asset = |of: fn(&super::column_state::AssetTrack) -> u32| {
            column.assets.iter().enumerate().map(|(code, asset)| if present(code) { of(asset) } else { 0 }).collect()
        };
        ColumnProfile {
            total,
            parts: column.moments.clone(),
            rows: column.rows,
            own: column.own,
            distinct: (!column.top.overflowed()).then_some(top.len()),
            top,
            hash: column.hash,
            longest: by_asset(|asset| asset.longest),
            lead: by_asset(|asset| asset.lead),
        }
    }

    fn empty(&self, column: &Column<'_>) -> ColumnState {
        with_column!(column, view => state_of(view, self.parts, self.asset_rows.len()))
    }

    fn join(&mut self, ours: &mut [ColumnState], theirs: &[ColumnState], asset_rows: &[u64], rows: u64, tiles: u64) {
        for (a, b) in ours.iter_mut().zip(theirs) {
            a.merge(b, &self.asset_rows, asset_rows, tiles);
        }
        for (a, b) in self.asset_rows.iter_mut().zip(asset_rows) {
            *a += b;
        }
        self.rows += rows;
        self.tiles += tiles;
    }

    /// The number of rows to read, once everything is known to fit together.
    fn checked_rows(&self, columns: &[Column<'_>], facts: RowFacts<'_>) -> Result<usize> {
        let length = columns.first().map_or(0, Column::len);
        for (name, got) in columns
            .iter()
            .map(|column| ("a column", Some(column.len())))
            .chain([("assets", facts.assets.map(<[i32]>::len)), ("parts", facts.parts.map(<[u32]>::len))])
        {
            if let Some(got) = got.filter(|&got| got != length) {
                return Err(Error::LengthMismatch { name: name.into(), got, expected: length });
            }
        }
        if facts.assets.is_some() != self.assets.is_some() {
            let hint = "pass assets with every batch, and their number when the profile is made, or neither";
            return Err(mismatch("assets", if facts.assets.is_some() { "given" } else { "missing" }, hint));
        }
        let rows = facts.order.map_or(length, <[u32]>::len);
        if rows >= u32::MAX as usize {
            let hint = "up to 4,294,967,294 rows are profiled at once: pass fewer, batch by batch";
            return Err(mismatch("rows", &rows.to_string(), hint));
        }
        if let Some(&row) = facts.order.and_then(|order| order.iter().find(|&&row| row as usize >= length)) {
            return Err(mismatch("order", &row.to_string(), &format!("there are {length} rows, counted from 0")));
        }
        let fresh: Vec<ColumnState> = columns.iter().map(|column| self.empty(column)).collect();
        if let Some(known) = &self.columns {
            if known.len() != columns.len() {
                return Err(Error::ColumnCountMismatch { got: columns.len(), expected: known.len() });
            }
            if let Some(j) = known.iter().zip(&fresh).position(|(a, b)| a.kind != b.kind) {
                let hint = "every batch must hold it as floats, as signed or as unsigned integers";
                return Err(mismatch(&format!("kind of column {j}"), &format!("{:?}", fresh[j].kind), hint));
            }
        }
        Ok(rows)
    }
}

fn mismatch(name: &str, value: &str, hint: &str) -> Error {
    Error::Parameter { name: name.into(), value: value.into(), hint: hint.into() }
}

fn state_of<T: Value>(_: &Strided<'_, T>, parts: usize, assets: usize) -> ColumnState {
    ColumnState::new(T::KIND, parts, assets)
}

/// Reads the rows of a block in every column.
fn scan_block(
    columns: &[Column<'_>],
    order: Option<&[u32]>,
    rows: &Range<usize>,
    block: &BlockRows,
    parts: usize,
    cancel: &Cancel,
) -> Result<Vec<ColumnState>> {
    let mut readers: Vec<Box<dyn Read + '_>> = Vec::with_capacity(columns.len());
    for column in columns {
        with_column!(column, view => readers.push(Box::new(Reader::new(*view, order, rows.start, block, parts))));
    }
    // Contiguous columns one by one; the others side by side, so that a tile of a matrix is still near for the next.
    let step = TILE.max(block.furthest.next_multiple_of(TILE));
    let width = (SCRATCH / (8 * (step + block.furthest))).max(8);
    let (direct, mut gathered): (Vec<_>, Vec<_>) = readers.iter_mut().partition(|reader| reader.is_contiguous());
    for reader in direct {
        cancel.check()?;
        reader.read(0..block.len);
    }
    for group in gathered.chunks_mut(width) {
        for start in (0..block.len).step_by(step) {
            cancel.check()?;
            for reader in group.iter_mut() {
                reader.read(start..(start + step).min(block.len));
            }
        }
        for reader in group.iter_mut() {
            reader.release();
        }
    }
    Ok(readers.into_iter().map(Read::close).collect())
}

/// The reading of one column in one block.
trait Read {
    fn is_contiguous(&self) -> bool;
    /// Reads the next rows of the block; they begin at the border of a tile.
    fn read(&mut self, rows: Range<usize>);
    /// Gives back the memory that reading took.
    fn release(&mut self);
    fn close(self: Box<Self>) -> ColumnState;
}

struct Reader<'a, T> {
    view: Strided<'a, T>,
    order: Option<&'a [u32]>,
    /// The place of the block's first row.
    start: usize,
    block: &'a BlockRows,
    /// Cells brought together; the first is row `base` of the block.
    cells: Vec<T>,
    base: usize,
    state: ColumnState,
}

impl<'a, T: Value> Reader<'a, T> {
    fn new(view: Strided<'a, T>, order: Option<&'a [u32]>, start: usize, block: &'a BlockRows, parts: usize) -> Self {
        let state = state_of(&view, parts, block.count.len());
        Self { view, order, start, block, cells: Vec::new(), base: 0, state }
    }

    fn fetch(&mut self, rows: Range<usize>) {
        let places = self.start + rows.start..self.start + rows.end;
        if let Some(order) = self.order {
            self.cells.extend(order[places].iter().map(|&row| self.view.get(row as usize)));
        } else {
            let view = self.view.slice(places.start, places.end);
            self.cells.extend(view.data().chunks(view.stride()).take(view.len()).map(|cells| cells[0]));
        }
    }
}

impl<T: Value> Read for Reader<'_, T> {
    fn is_contiguous(&self) -> bool {
        self.order.is_none() && self.view.as_slice().is_some()
    }

    fn read(&mut self, rows: Range<usize>) {
        if let (None, Some(cells)) = (self.order, self.view.as_slice()) {
            let cells = &cells[self.start..self.start + self.block.len];
            return self.state.scan(self.block, cells, 0, rows.start, rows.end);
        }
        // The rows that predecessors of the next ones may lie in stay.
        let kept = self.block.furthest.min(rows.start);
        let from = rows.start - kept - self.base;
        self.cells.copy_within(from.., 0);
        self.cells.truncate(kept);
        self.base = rows.start - kept;
        self.fetch(rows.clone());
        self.state.scan(self.block, &self.cells, self.base, rows.start, rows.end);
    }

    fn release(&mut self) {
        self.cells = Vec::new();
    }

    fn close(mut self: Box<Self>) -> ColumnState {
        let (view, order, start) = (self.view, self.order, self.start);
        let key = |row: usize| view.get(order.map_or(start + row, |order| order[start + row] as usize)).key();
        let block = self.block;
        self.state.close(block, key);
        self.state
    }
}

#[cfg(test)]
#[path = "column_profile_tests.rs"]
mod tests;
