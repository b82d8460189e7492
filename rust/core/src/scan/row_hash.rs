//! A 64-bit hash per row, over columns of any type, read where they lie.
//!
//! Rows are hashed in tiles. Of contiguous columns several are read side by side: the hashes of a tile fill the
//! first-level cache, and would travel to the second and back with every column. A row-major matrix is read row by row.
//! Either way each cell is read from memory once, in long runs.
//!
//! Equal rows have equal hashes; the reverse is for the caller to verify. What counts as equal is said in
//! [`super::cell`].

// Called once per cell of gigabytes: a call that is not inlined costs more than the work. Measured.
#![allow(clippy::inline_always)]

use std::mem::discriminant;

use super::cell::{Cell, Grid, single_key};
use crate::columns::{Column, Strided};
use crate::loss::cpu::{Kernel, dispatch};
use crate::with_column;

/// Rows of a tile of contiguous columns.
pub(crate) const TILE: usize = 4_096;

/// Contiguous columns that are read side by side.
const SIDE: usize = 8;

/// Bytes of a row-major tile: well within a second-level cache.
const TILE_BYTES: usize = 256 * 1_024;

/// Mixes the cells of a row into 64 bits.
///
/// A trait, so that tests can hand in a hash that collides all the time and prove that verification is not for show.
pub trait RowHash: Copy + Send + Sync {
    /// Mixes one cell into the hash of its row; `salt` differs by column.
    fn absorb(self, hash: u64, cell: u64, salt: u64) -> u64;
    /// Spreads the bits at the end.
    fn finish(self, hash: u64) -> u64;
}

/// The hash in use: a sum over the cells of the product of the two halves of each salted cell.
///
/// A sum, so that the cells of a row can be taken in any order and several at a time; compilers turn it into vector
/// code in either memory order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mixed;

impl RowHash for Mixed {
    #[inline(always)]
    fn absorb(self, hash: u64, cell: u64, salt: u64) -> u64 {
        hash.wrapping_add(mix(cell, salt))
    }

    #[inline(always)]
    fn finish(self, hash: u64) -> u64 {
        scramble(hash)
    }
}

/// The summand of one cell.
#[inline(always)]
pub(crate) fn mix(cell: u64, salt: u64) -> u64 {
    let salted = cell ^ salt;
    let product = (salted & 0xffff_ffff).wrapping_mul(salted >> 32);
    // The cell itself is mixed in too: a product with a zero half forgets the other half.
    product.wrapping_add(cell.rotate_left(32))
}

/// A bijection that spreads each input bit over all output bits (the finaliser of `SplitMix64`).
#[inline(always)]
fn scramble(value: u64) -> u64 {
    let mut z = value;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn salt(column: usize) -> u64 {
    scramble((column as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// How the cells of a column are turned into bits; the same on both sides of a comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Lane {
    /// Both sides are integers or booleans.
    Int,
    /// At least one side is floating: cells are hashed as float64.
    Float,
    /// Floating, and two cells count as equal when they round to one float32.
    Single,
    /// Floating, and two cells count as equal when they round to one point of a grid.
    Grid(Grid),
}

fn is_floating(column: &Column<'_>) -> bool {
    matches!(column, Column::F32(_) | Column::F64(_))
}

/// The lane of each column of a pair of frames.
pub(crate) fn lanes(left: &[Column<'_>], right: &[Column<'_>]) -> Vec<Lane> {
    let floats = |(a, b): (&Column<'_>, &Column<'_>)| is_floating(a) || is_floating(b);
    left.iter().zip(right).map(|pair| if floats(pair) { Lane::Float } else { Lane::Int }).collect()
}

/// How many rows of these columns a tile holds.
pub(crate) fn tile_rows(columns: &[Column<'_>]) -> usize {
    let widest = columns.iter().map(|column| with_column!(column, view => stride_bytes(view))).max().unwrap_or(1);
    if widest <= 8 { TILE } else { (TILE_BYTES / widest).clamp(16, TILE) }
}

fn stride_bytes<T: Copy>(view: &Strided<'_, T>) -> usize {
    view.stride() * size_of::<T>()
}

/// The values of a row-major matrix: its first column, when the others follow it cell by cell.
macro_rules! row_major {
    ($columns:expr, $variant:ident) => {
        match $columns.first() {
            Some(Column::$variant(first)) if first.stride() >= $columns.len() && $columns.len() > 1 => {
                let follows = |(j, column): (usize, &Column<'_>)| match column {
                    Column::$variant(view) => {
                        view.stride() == first.stride()
                            && view.len() == first.len()
                            && view.data().as_ptr() == first.data().as_ptr().wrapping_add(j)
                    }
                    _ => false,
                };
                $columns.iter().enumerate().all(follows).then_some(first)
            }
            _ => None,
        }
    };
}

/// Hashes the rows `start..start + out.len()` into `out`.
pub(crate) fn hash_rows<H: RowHash>(hash: H, columns: &[Column<'_>], lanes: &[Lane], start: usize, out: &mut [u64]) {
    let lanes = &lanes[..columns.len()];
    // The view of the first column ends at its last cell, before the rest of the last row: that row goes the other way.
    let whole = columns.first().map_or(0, |column| column.len().saturating_sub(1)).saturating_sub(start).min(out.len());
    let (inner, last) = out.split_at_mut(whole);
    let hashed = if let Some(first) = row_major!(columns, F64) {
        hash_matrix(hash, first, lanes, start, inner)
    } else if let Some(first) = row_major!(columns, F32) {
        hash_matrix(hash, first, lanes, start, inner)
    } else {
        false
    };
    if hashed {
        hash_tiles(hash, columns, lanes, start + whole, last);
    } else {
        hash_tiles(hash, columns, lanes, start, out);
    }
}

/// The next [`SIDE`] columns of floats, where they are contiguous, of one type and taken alike: their cells in `$rows`.
macro_rules! side_by_side {
    ($columns:expr, $lanes:expr, $variant:ident, $rows:expr) => {{
        let (columns, lanes) = ($columns, $lanes);
        let alike = |lane: &Lane| discriminant(lane) == discriminant(&lanes[0]);
        if columns.len() < SIDE || !lanes[..SIDE].iter().all(alike) {
            None
        } else {
            let mut cells = [&[][..]; SIDE];
            let taken = cells.iter_mut().zip(columns).all(|(cells, column)| match column {
                Column::$variant(view) => view.as_slice().is_some_and(|all| {
                    *cells = &all[$rows];
                    true
                }),
                _ => false,
            });
            taken.then_some(cells)
        }
    }};
}

/// Hashes rows tile by tile, some columns at a time.
fn hash_tiles<H: RowHash>(hash: H, columns: &[Column<'_>], lanes: &[Lane], start: usize, out: &mut [u64]) {
    let tile = tile_rows(columns);
    for (index, hashes) in out.chunks_mut(tile).enumerate() {
        let first = start + index * tile;
        let rows = first..first + hashes.len();
        hashes.fill(0);
        let mut j = 0;
        while j < columns.len() {
            if let Some(cells) = side_by_side!(&columns[j..], &lanes[j..], F64, rows.clone()) {
                absorb_side(hash, cells, &lanes[j..], j, hashes);
                j += SIDE;
            } else if let Some(cells) = side_by_side!(&columns[j..], &lanes[j..], F32, rows.clone()) {
                absorb_side(hash, cells, &lanes[j..], j, hashes);
                j += SIDE;
            } else {
                with_column!(&columns[j], view => absorb_one(hash, &view.slice(rows.start, rows.end), lanes[j], j, hashes));
                j += 1;
            }
        }
        for value in hashes {
            *value = hash.finish(*value);
        }
    }
}

/// Mixes the cells of column `j` into the hashes of their rows.
fn absorb_one<H: RowHash, T: Cell>(hash: H, view: &Strided<'_, T>, lane: Lane, j: usize, hashes: &mut [u64]) {
    let salt = salt(j);
    match lane {
        Lane::Int => absorb_all(view, hashes, |acc, cell| hash.absorb(acc, cell.int_bits(), salt)),
        Lane::Float => absorb_all(view, hashes, |acc, cell| hash.absorb(acc, cell.float_bits(), salt)),
        Lane::Single => absorb_all(view, hashes, |acc, cell| hash.absorb(acc, single_key(cell.float()), salt)),
        Lane::Grid(grid) => absorb_all(view, hashes, |acc, cell| hash.absorb(acc, grid.key(cell.float()), salt)),
    }
}

/// Mixes the cells of the columns from `j` on into the hashes of their rows.
fn absorb_side<H: RowHash, T: Cell>(hash: H, cells: [&[T]; SIDE], lanes: &[Lane], j: usize, hashes: &mut [u64]) {
    let salts = std::array::from_fn(|g| salt(j + g));
    match lanes[0] {
        Lane::Int | Lane::Float => {
            dispatch(AbsorbSide { hash, cells, salts, hashes, key: |_, cell: T| cell.float_bits() });
        }
        Lane::Single => {
            dispatch(AbsorbSide { hash, cells, salts, hashes, key: |_, cell: T| single_key(cell.float()) });
        }
        Lane::Grid(first) => {
            let grids: [Grid; SIDE] =
                std::array::from_fn(|g| if let Lane::Grid(grid) = lanes[g] { grid } else { first });
            dispatch(AbsorbSide { hash, cells, salts, hashes, key: |g: usize, cell: T| grids[g].key(cell.float()) });
        }
    }
}

/// Mixes the cells of several columns into the hashes of their rows: these are read and written once for all of them.
struct AbsorbSide<'a, H, T, F> {
    hash: H,
    cells: [&'a [T]; SIDE],
    salts: [u64; SIDE],
    hashes: &'a mut [u64],
    key: F,
}

impl<H: RowHash, T: Cell, F: Fn(usize, T) -> u64> Kernel for AbsorbSide<'_, H, T, F> {
    type Output = ();

    // Places of three arrays of a fixed length; the loop is unrolled.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn run(self) {
        let cells = self.cells.map(|cells| &cells[..self.hashes.len()]);
        for (i, slot) in self.hashes.iter_mut().enumerate() {
            let mut acc = *slot;
            for g in 0..SIDE {
                acc = self.hash.absorb(acc, (self.key)(g, cells[g][i]), self.salts[g]);
            }
            *slot = acc;
        }
    }
}

/// Mixes the cells of a column into the hashes of their rows; compiled for wide vectors.
struct Absorb<'a, T, F> {
    view: &'a Strided<'a, T>,
    hashes: &'a mut [u64],
    step: F,
}

impl<T: Cell, F: Fn(u64, T) -> u64> Kernel for Absorb<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        if let Some(slice) = self.view.as_slice() {
            for (acc, &cell) in self.hashes.iter_mut().zip(slice) {
                *acc = (self.step)(*acc, cell);
            }
        } else {
            for (acc, cells) in self.hashes.iter_mut().zip(self.view.data().chunks(self.view.stride())) {
                *acc = (self.step)(*acc, cells[0]);
            }
        }
    }
}

fn absorb_all<T: Cell>(view: &Strided<'_, T>, hashes: &mut [u64], absorb: impl Fn(u64, T) -> u64) {
    dispatch(Absorb { view, hashes, step: absorb });
}

/// Hashes rows of a row-major matrix, each from its first cell to its last: memory is read in order.
///
/// Whether it did: it can't where some columns are taken otherwise than the rest.
fn hash_matrix<H: RowHash, T: Cell>(
    hash: H,
    first: &Strided<'_, T>,
    lanes: &[Lane],
    start: usize,
    out: &mut [u64],
) -> bool {
    let salts: Vec<u64> = (0..lanes.len()).map(salt).collect();
    let rows = MatrixRows { hash, data: first.data(), stride: first.stride(), salts: &salts, start, out };
    if lanes.iter().all(|lane| *lane == Lane::Float) {
        dispatch(Plain(rows));
        return true;
    }
    if lanes.iter().all(|lane| *lane == Lane::Single) {
        dispatch(Singles(rows));
        return true;
    }
    let grids: Vec<Grid> =
        lanes.iter().filter_map(|lane| if let Lane::Grid(grid) = lane { Some(*grid) } else { None }).collect();
    let Some(shift) = grids.first().map(|grid| grid.shift) else { return false };
    if grids.len() != lanes.len() || grids.iter().any(|grid| grid.shift.to_bits() != shift.to_bits()) {
        return false;
    }
    let centres: Vec<f64> = grids.iter().map(|grid| grid.centre).collect();
    let per_unit: Vec<f64> = grids.iter().map(|grid| grid.per_unit).collect();
    dispatch(Gridded { rows, centres: &centres, per_unit: &per_unit, shift });
    true
}

/// Rows of a matrix from row `start` on, and where their hashes go.
struct MatrixRows<'a, H, T> {
    hash: H,
    data: &'a [T],
    stride: usize,
    salts: &'a [u64],
    start: usize,
    out: &'a mut [u64],
}

impl<H: RowHash, T: Cell> MatrixRows<'_, H, T> {
    #[inline(always)]
    fn each(self, of_row: impl Fn(H, &[T], &[u64]) -> u64) {
        let width = self.salts.len();
        for (i, slot) in self.out.iter_mut().enumerate() {
            let from = (self.start + i) * self.stride;
            *slot = self.hash.finish(of_row(self.hash, &self.data[from..from + width], self.salts));
        }
    }
}

struct Plain<'a, H, T>(MatrixRows<'a, H, T>);

impl<H: RowHash, T: Cell> Kernel for Plain<'_, H, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.0.each(|hash, row, salts| {
            row.iter().zip(salts).fold(0, |acc, (cell, &salt)| hash.absorb(acc, cell.float_bits(), salt))
        });
    }
}

struct Singles<'a, H, T>(MatrixRows<'a, H, T>);

impl<H: RowHash, T: Cell> Kernel for Singles<'_, H, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.0.each(|hash, row, salts| {
            row.iter().zip(salts).fold(0, |acc, (cell, &salt)| hash.absorb(acc, single_key(cell.float()), salt))
        });
    }
}

struct Gridded<'a, H, T> {
    rows: MatrixRows<'a, H, T>,
    centres: &'a [f64],
    per_unit: &'a [f64],
    shift: f64,
}

impl<H: RowHash, T: Cell> Kernel for Gridded<'_, H, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (centres, per_unit, shift) = (self.centres, self.per_unit, self.shift);
        self.rows.each(|hash, row, salts| {
            let cells = row.iter().zip(salts).zip(centres).zip(per_unit);
            cells.fold(0, |acc, (((cell, &salt), &centre), &per_unit)| {
                hash.absorb(acc, Grid { centre, per_unit, shift }.key(cell.float()), salt)
            })
        });
    }
}

/// Clears the mark of each pair of rows (one of `left`, one of `right`) that differ in some column.
///
/// Column by column over all pairs: a column's cells are near each other, those of a row of a frame are not.
pub(crate) fn verify(
    left: &[Column<'_>],
    right: &[Column<'_>],
    lanes: &[Lane],
    pairs: &[(u32, u32)],
    equal: &mut Vec<bool>,
) {
    equal.clear();
    equal.resize(pairs.len(), true);
    for ((a, b), lane) in left.iter().zip(right).zip(lanes) {
        if !compare(a, b, *lane, pairs, equal) {
            return;
        }
    }
}

/// Clears marks by one column; whether any is left.
fn compare(a: &Column<'_>, b: &Column<'_>, lane: Lane, pairs: &[(u32, u32)], equal: &mut [bool]) -> bool {
    macro_rules! same_type {
        ($($variant:ident),*) => {
            match (a, b) {
                $( (Column::$variant(a), Column::$variant(b)) if matches!(lane, Lane::Int | Lane::Float) => {
                    mark(pairs, equal, |i, j| a.get(i).same(b.get(j)))
                } )*
                _ => mark(pairs, equal, |i, j| cells_equal(lane, a, i, b, j)),
            }
        };
    }
    same_type!(Bool, I8, I16, I32, I64, U8, U16, U32, U64, F32, F64)
}

#[inline(always)]
fn mark(pairs: &[(u32, u32)], equal: &mut [bool], same: impl Fn(usize, usize) -> bool) -> bool {
    let mut any = false;
    for (&(i, j), flag) in pairs.iter().zip(equal) {
        *flag = *flag && same(i as usize, j as usize);
        any |= *flag;
    }
    any
}

fn cells_equal(lane: Lane, a: &Column<'_>, i: usize, b: &Column<'_>, j: usize) -> bool {
    let exact = |column: &Column<'_>, row: usize| with_column!(column, view => view.get(row).scalar());
    let float = |column: &Column<'_>, row: usize| with_column!(column, view => view.get(row).float());
    match lane {
        Lane::Int | Lane::Float => exact(a, i) == exact(b, j),
        Lane::Single => single_key(float(a, i)) == single_key(float(b, j)),
        Lane::Grid(grid) => grid.key(float(a, i)) == grid.key(float(b, j)),
    }
}

/// Whether row `i` of `left` equals row `j` of `right`, as the lanes see it.
pub(crate) fn rows_equal(left: &[Column<'_>], i: usize, right: &[Column<'_>], j: usize, lanes: &[Lane]) -> bool {
    left.iter().zip(right).zip(lanes).all(|((a, b), lane)| cells_equal(*lane, a, i, b, j))
}

#[cfg(test)]
#[path = "row_hash_tests.rs"]
mod tests;
