//! A 64-bit hash per row, over columns of any type, read where they lie.
//!
//! Rows are hashed in tiles: the hashes of a tile sit in the first-level cache while column after column is mixed
//! into them. A contiguous column is then one long read, and a tile of a row-major matrix stays in the cache until
//! its last column is done, so both layouts are read from memory once.
//!
//! Equal rows have equal hashes; the reverse is for the caller to verify. What counts as equal is written down once,
//! in [`Scalar`]: −0.0 equals 0.0, NaN equals NaN, and numbers of different types are equal when their values are,
//! exactly (2⁵³ + 1 equals no float64).

// Called once per cell of gigabytes: a call that is not inlined costs more than the work. Measured.
#![allow(clippy::inline_always)]

use crate::columns::{Column, Strided};
use crate::loss::cpu::{Kernel, dispatch};
use crate::with_column;

/// Rows of a tile of contiguous columns.
pub(crate) const TILE: usize = 4_096;

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

/// The points `centre + (k − shift) / per_unit` for whole k.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Grid {
    pub(crate) centre: f64,
    pub(crate) per_unit: f64,
    pub(crate) shift: f64,
}

impl Grid {
    /// Bits that are equal for cells of one point.
    #[inline(always)]
    fn key(self, cell: f64) -> u64 {
        // Adding 1.5·2⁵² leaves no room for a fraction: the sum is rounded to a whole number, and is its own key.
        const WHOLE: f64 = 6_755_399_441_055_744.0;
        canonical((cell - self.centre) * self.per_unit + self.shift + WHOLE)
    }
}

/// Bits that are equal for equal numbers: no −0.0, and one NaN.
#[inline(always)]
fn canonical(value: f64) -> u64 {
    // Adding 0.0 turns −0.0 into 0.0 and leaves all else.
    let value = value + 0.0;
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}

#[inline(always)]
fn single_key(cell: f64) -> u64 {
    canonical(f64::from(cell as f32))
}

fn is_floating(column: &Column<'_>) -> bool {
    matches!(column, Column::F32(_) | Column::F64(_))
}

/// The lane of each column of a pair of frames.
pub(crate) fn lanes(left: &[Column<'_>], right: &[Column<'_>]) -> Vec<Lane> {
    let floats = |(a, b): (&Column<'_>, &Column<'_>)| is_floating(a) || is_floating(b);
    left.iter().zip(right).map(|pair| if floats(pair) { Lane::Float } else { Lane::Int }).collect()
}

/// A cell as an exact number.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scalar {
    Int(i128),
    Float(f64),
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        match (*self, *other) {
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.same(b),
            // Every integer column holds 64 bits at most, so a float beyond 2⁶⁴ can't match; within, the cast is exact.
            (Self::Int(a), Self::Float(b)) | (Self::Float(b), Self::Int(a)) => {
                b.abs() <= 18_446_744_073_709_551_616.0 && b.trunc() == b && b as i128 == a
            }
        }
    }
}

/// A type a column can be of.
pub(crate) trait Cell: Copy {
    /// Bits that are equal for equal integers.
    fn int_bits(self) -> u64;
    /// Bits that are equal for equal numbers, of whatever type.
    fn float_bits(self) -> u64;
    /// The number, rounded to float64 where it has more than 53 bits.
    fn float(self) -> f64;
    fn scalar(self) -> Scalar;
    /// Whether two cells of one type are equal.
    fn same(self, other: Self) -> bool;
}

macro_rules! integer_cells {
    ($($type:ty),*) => { $( impl Cell for $type {
        #[inline(always)]
        fn int_bits(self) -> u64 { self as u64 }
        #[inline(always)]
        fn float_bits(self) -> u64 { (self as f64).to_bits() }
        #[inline(always)]
        fn float(self) -> f64 { self as f64 }
        #[inline(always)]
        fn scalar(self) -> Scalar { Scalar::Int(i128::from(self)) }
        #[inline(always)]
        fn same(self, other: Self) -> bool { self == other }
    } )* };
}

macro_rules! float_cells {
    ($($type:ty),*) => { $( impl Cell for $type {
        #[inline(always)]
        fn int_bits(self) -> u64 { self.float_bits() }
        #[inline(always)]
        fn float_bits(self) -> u64 {
            canonical(f64::from(self))
        }
        #[inline(always)]
        fn float(self) -> f64 { f64::from(self) }
        #[inline(always)]
        fn scalar(self) -> Scalar { Scalar::Float(f64::from(self)) }
        #[inline(always)]
        #[allow(clippy::float_cmp)]
        fn same(self, other: Self) -> bool { self == other || (self.is_nan() && other.is_nan()) }
    } )* };
}

#[allow(clippy::cast_lossless)]
mod cells {
    use super::{Cell, Scalar, canonical};
    integer_cells!(i8, i16, i32, i64, u8, u16, u32, u64);
    float_cells!(f32, f64);

    impl Cell for bool {
        #[inline(always)]
        fn int_bits(self) -> u64 {
            u64::from(self)
        }
        #[inline(always)]
        fn float_bits(self) -> u64 {
            self.float().to_bits()
        }
        #[inline(always)]
        fn float(self) -> f64 {
            f64::from(u8::from(self))
        }
        #[inline(always)]
        fn scalar(self) -> Scalar {
            Scalar::Int(i128::from(self))
        }
        #[inline(always)]
        fn same(self, other: Self) -> bool {
            self == other
        }
    }
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

/// Hashes rows tile by tile, column after column.
fn hash_tiles<H: RowHash>(hash: H, columns: &[Column<'_>], lanes: &[Lane], start: usize, out: &mut [u64]) {
    let tile = tile_rows(columns);
    for (index, hashes) in out.chunks_mut(tile).enumerate() {
        let first = start + index * tile;
        hashes.fill(0);
        for (j, (column, lane)) in columns.iter().zip(lanes).enumerate() {
            let salt = salt(j);
            with_column!(column, view => {
                let view = view.slice(first, first + hashes.len());
                match *lane {
                    Lane::Int => absorb_all(&view, hashes, |acc, cell| hash.absorb(acc, cell.int_bits(), salt)),
                    Lane::Float => absorb_all(&view, hashes, |acc, cell| hash.absorb(acc, cell.float_bits(), salt)),
                    Lane::Single => {
                        absorb_all(&view, hashes, |acc, cell| hash.absorb(acc, single_key(cell.float()), salt));
                    }
                    Lane::Grid(grid) => {
                        absorb_all(&view, hashes, |acc, cell| hash.absorb(acc, grid.key(cell.float()), salt));
                    }
                }
            });
        }
        for value in hashes {
            *value = hash.finish(*value);
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
mod tests {
    use super::*;

    #[test]
    fn scalars_compare_by_exact_value() {
        let big = (1i128 << 53) + 1;
        assert_ne!(Scalar::Int(big), Scalar::Float(big as f64));
        assert_eq!(Scalar::Int(big - 1), Scalar::Float((big - 1) as f64));
        assert_eq!(Scalar::Int(i128::from(u64::MAX) + 1), Scalar::Float(u64::MAX as f64));
        assert_ne!(Scalar::Int(i128::from(u64::MAX)), Scalar::Float(u64::MAX as f64));
        assert_ne!(Scalar::Int(0), Scalar::Float(f64::NAN));
        assert_ne!(Scalar::Int(1), Scalar::Float(f64::INFINITY));
        assert_eq!(Scalar::Float(-0.0), Scalar::Float(0.0));
        assert_eq!(Scalar::Int(0), Scalar::Float(-0.0));
        assert_eq!(Scalar::Float(f64::NAN), Scalar::Float(-f64::NAN));
    }

    #[test]
    fn layouts_and_offsets_give_the_same_hashes() {
        let (rows, width) = (5_000, 7);
        let matrix: Vec<f64> = (0..rows * width).map(|i| f64::from(i as u32 % 97)).collect();
        let by_row: Vec<Column<'_>> =
            (0..width).map(|j| Column::F64(Strided::new(&matrix[j..], width, rows))).collect();
        let copies: Vec<Vec<f64>> = (0..width).map(|j| matrix[j..].iter().step_by(width).copied().collect()).collect();
        let by_column: Vec<Column<'_>> = copies.iter().map(|copy| Column::F64(Strided::from_slice(copy))).collect();
        let lanes = lanes(&by_row, &by_column);
        let (mut a, mut b, mut part) = (vec![0; rows], vec![0; rows], vec![0; 1_234]);
        hash_rows(Mixed, &by_row, &lanes, 0, &mut a);
        hash_rows(Mixed, &by_column, &lanes, 0, &mut b);
        hash_rows(Mixed, &by_column, &lanes, 777, &mut part);
        assert_eq!(a, b);
        assert_eq!(part, a[777..777 + 1_234]);
        // The end of a matrix, where the view of the first column stops short of the last row.
        let mut end = vec![0; 9];
        hash_rows(Mixed, &by_row, &lanes, rows - 9, &mut end);
        assert_eq!(end, b[rows - 9..]);
        // Some columns of a wider matrix, and columns in another order, which do not follow each other in memory.
        for picked in [vec![2, 3, 4], vec![3, 2], vec![6], vec![0, 2, 4]] {
            let [strided, copied] = [&by_row, &by_column].map(|all| picked.iter().map(|&j| all[j]).collect::<Vec<_>>());
            hash_rows(Mixed, &strided, &lanes, 0, &mut a);
            hash_rows(Mixed, &copied, &lanes, 0, &mut b);
            assert_eq!(a, b, "{picked:?}");
        }
    }

    #[test]
    fn order_of_columns_and_sparse_cells_count() {
        let hash = |cells: &[f64]| {
            let columns: Vec<Column<'_>> =
                cells.iter().map(|cell| Column::F64(Strided::from_slice(std::slice::from_ref(cell)))).collect();
            let mut out = [0];
            hash_rows(Mixed, &columns, &vec![Lane::Float; cells.len()], 0, &mut out);
            out[0]
        };
        assert_ne!(hash(&[1.0, 2.0]), hash(&[2.0, 1.0]));
        assert_ne!(hash(&[0.0, 1.0, 0.0]), hash(&[0.0, 0.0, 1.0]));
        // Ten thousand rows of small whole numbers: the hash must not fold them onto each other.
        let mut seen: Vec<u64> = (0..100u32)
            .flat_map(|a| (0..100u32).map(move |b| (a, b)))
            .map(|(a, b)| hash(&[f64::from(a), f64::from(b), 0.5]))
            .collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 10_000);
    }
}
