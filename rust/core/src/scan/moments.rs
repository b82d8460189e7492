//! Count, range, mean and spread of the cells of a column, in a form that parts can be merged into.

// Inlined into the kernel that is compiled for wide vectors; see `loss::cpu`.
#![allow(clippy::inline_always)]

use super::block_rows::TILE;
use super::neighbours::{Look, folded};
use super::value::Value;
use crate::loss::cpu::{LaneKernel, widest};
use crate::loss::lane::Lane;

/// What some cells of a column hold. NaN and infinities are counted, and left out of all else.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// How many cells there are.
    pub rows: u64,
    /// How many of them are NaN.
    pub nan: u64,
    /// How many are infinite.
    pub infinite: u64,
    /// How many are zero, of either sign.
    pub zeros: u64,
    /// The least finite value; +∞ where there is none.
    pub min: f64,
    /// The largest finite value; −∞ where there is none.
    pub max: f64,
    /// The mean of the finite values.
    pub mean: f64,
    /// The sum of their squared distances from the mean.
    pub squares: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Self {
            rows: 0,
            nan: 0,
            infinite: 0,
            zeros: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            mean: 0.0,
            squares: 0.0,
        }
    }
}

impl Moments {
    /// How many cells are finite.
    #[must_use]
    pub fn finite(&self) -> u64 {
        self.rows - self.nan - self.infinite
    }

    /// Adds the cells of another part (Chan, Golub and others 1979): stable, whatever the means are.
    pub fn merge(&mut self, other: &Self) {
        let (ours, theirs) = (self.finite() as f64, other.finite() as f64);
        self.rows += other.rows;
        self.nan += other.nan;
        self.infinite += other.infinite;
        self.zeros += other.zeros;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        if theirs == 0.0 {
            return;
        }
        if ours == 0.0 {
            (self.mean, self.squares) = (other.mean, other.squares);
            return;
        }
        let (apart, both) = (other.mean - self.mean, ours + theirs);
        self.mean += apart * (theirs / both);
        self.squares += other.squares + apart * apart * (ours * theirs / both);
    }

    /// The moments of a few cells, and a hash of them in their order; `look` is what one look at them found.
    ///
    /// Distances are taken from the first finite one. It is one of the numbers, so that at most a factor of their count
    /// is lost to cancellation, which a tile of 512 can afford.
    ///
    /// The hash is one of sums, the last of which gives each place its own weight: equal numbers have equal sums,
    /// whatever type they are held in, and others do but by chance or where they differ by less than rounding.
    pub(crate) fn of<R: Value>(cells: &[R], look: &Look) -> (Self, u64) {
        let Some(&first) = cells.first() else { return (Self::default(), 0) };
        let sums = widest(Tile::<R, true> { cells, pivot: first.number() });
        // One cell that is not finite leaves no square that is.
        if !sums.squares.is_finite() {
            return Self::of_odd(cells, look.zeros);
        }
        let found =
            Self { rows: cells.len() as u64, zeros: look.zeros, min: look.min, max: look.max, ..Self::default() };
        (found.with_sums(first.number(), &sums), sums.digest(first.number(), 0))
    }

    /// The same where some cells may not be finite.
    #[cold]
    #[inline(never)]
    fn of_odd<R: Value>(cells: &[R], zeros: u64) -> (Self, u64) {
        let rows = cells.len() as u64;
        let nan = cells.iter().map(|cell| u64::from(cell.is_missing())).sum();
        let finite: u64 = cells.iter().map(|cell| u64::from(cell.number().is_finite())).sum();
        let counted = Self { rows, nan, infinite: rows - finite - nan, zeros, ..Self::default() };
        let Some(pivot) = cells.iter().map(|cell| cell.number()).find(|number| number.is_finite()) else {
            return (counted, nan);
        };
        let sums = widest(Tile::<R, false> { cells, pivot });
        (Self { min: sums.min, max: sums.max, ..counted }.with_sums(pivot, &sums), sums.digest(pivot, nan))
    }

    fn with_sums(self, pivot: f64, sums: &Sums<f64>) -> Self {
        let shift = sums.apart / self.finite() as f64;
        Self { mean: pivot + shift, squares: (sums.squares - sums.apart * shift).max(0.0), ..self }
    }
}

/// What a cell counts in the hash, by its place: numbers from 1 to 2.
static WEIGHTS: [f64; TILE] = weights();

const fn weights() -> [f64; TILE] {
    let mut weights = [0.0; TILE];
    let mut at = 0;
    let mut state = 0x853c_49e6_748f_ea9b_u64;
    while at < TILE {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        weights[at] = f64::from_bits(1.0f64.to_bits() | (state >> 12));
        at += 1;
    }
    weights
}

/// Cells that are added up, as distances from one of them; all of them finite where `CLEAN`.
struct Tile<'a, R, const CLEAN: bool> {
    cells: &'a [R],
    pivot: f64,
}

/// What a lane adds up. The range and the holes are for cells that may not be finite.
#[derive(Clone, Copy)]
struct Sums<V> {
    apart: V,
    squares: V,
    weighted: V,
    /// The weights of cells that are not finite.
    holes: V,
    min: V,
    max: V,
}

impl<R: Value, const CLEAN: bool> LaneKernel<f64> for Tile<'_, R, CLEAN> {
    type Output = Sums<f64>;

    #[inline(always)]
    fn run<V: Lane<Scalar = f64>>(self) -> Sums<f64> {
        let pivot = V::of(self.pivot);
        // Two lanes side by side, so that additions need not wait for each other.
        let mut sums = [Sums::<V>::new(pivot); 2];
        let (mut chunks, mut weights) = (self.cells.chunks_exact(2 * V::LANES), WEIGHTS.chunks_exact(2 * V::LANES));
        for (chunk, weights) in (&mut chunks).zip(&mut weights) {
            let ((left, right), (weight, other)) = (chunk.split_at(V::LANES), weights.split_at(V::LANES));
            sums[0].add::<R, CLEAN>(left, pivot, V::load(weight));
            sums[1].add::<R, CLEAN>(right, pivot, V::load(other));
        }
        let mut total = sums[0].join(sums[1]).spill();
        for (cell, &weight) in chunks.remainder().iter().zip(weights.next().unwrap_or_default()) {
            total.add::<R, CLEAN>(std::slice::from_ref(cell), self.pivot, weight);
        }
        total
    }
}

impl<V: Lane<Scalar = f64>> Sums<V> {
    #[inline(always)]
    fn new(pivot: V) -> Self {
        Self { apart: V::ZERO, squares: V::ZERO, weighted: V::ZERO, holes: V::ZERO, min: pivot, max: pivot }
    }

    #[inline(always)]
    fn add<R: Value, const CLEAN: bool>(&mut self, cells: &[R], pivot: V, weight: V) {
        let mut numbers = [0.0; MOST_LANES];
        for (number, cell) in numbers[..V::LANES].iter_mut().zip(cells) {
            *number = cell.number();
        }
        let mut kept = V::load(&numbers);
        if !CLEAN {
            // Without a branch: what is not finite counts as the pivot, which changes nothing.
            let finite = kept.abs().at_most(V::of(f64::MAX));
            kept = V::select(finite, kept, pivot);
            self.holes = self.holes + V::select(finite, V::ZERO, weight);
            self.min = self.min.smaller(kept);
            self.max = self.max.larger(kept);
        }
        let apart = kept - pivot;
        self.apart = self.apart + apart;
        self.squares = apart.mul_add(apart, self.squares);
        self.weighted = apart.mul_add(weight, self.weighted);
    }

    #[inline(always)]
    fn join(self, other: Self) -> Self {
        Self {
            apart: self.apart + other.apart,
            squares: self.squares + other.squares,
            weighted: self.weighted + other.weighted,
            holes: self.holes + other.holes,
            min: self.min.smaller(other.min),
            max: self.max.larger(other.max),
        }
    }

    /// The sums of all numbers of a lane.
    #[inline(always)]
    fn spill(self) -> Sums<f64> {
        let sum = |lane: V| folded(lane, |a, b| a + b);
        Sums {
            apart: sum(self.apart),
            squares: sum(self.squares),
            weighted: sum(self.weighted),
            holes: sum(self.holes),
            min: folded(self.min, f64::smaller),
            max: folded(self.max, f64::larger),
        }
    }
}

impl Sums<f64> {
    fn digest(&self, pivot: f64, nan: u64) -> u64 {
        // Adding 0.0 turns −0.0 into 0.0 and leaves all else.
        let sums = [pivot + 0.0, self.apart, self.squares, self.weighted, self.holes].map(f64::to_bits);
        sums.iter().fold(nan, |hash, sum| (hash.rotate_left(29) ^ sum).wrapping_mul(0x94d0_49bb_1331_11eb))
    }
}

/// As many doubles as the widest lane holds.
const MOST_LANES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Two passes, as the definition says.
    fn twin(cells: &[f64]) -> Moments {
        let finite: Vec<f64> = cells.iter().copied().filter(|cell| cell.is_finite()).collect();
        let count = finite.len().max(1) as f64;
        let mean = finite.iter().sum::<f64>() / count;
        Moments {
            rows: cells.len() as u64,
            nan: cells.iter().filter(|cell| cell.is_nan()).count() as u64,
            infinite: cells.iter().filter(|cell| cell.is_infinite()).count() as u64,
            zeros: cells.iter().filter(|&&cell| cell == 0.0).count() as u64,
            min: finite.iter().copied().fold(f64::INFINITY, f64::min),
            max: finite.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            mean,
            squares: finite.iter().map(|cell| (cell - mean) * (cell - mean)).sum(),
        }
    }

    fn of(cells: &[f64]) -> Moments {
        let Some((&first, rest)) = cells.split_first() else { return Moments::default() };
        let mut look = f64::look(first, &cells[..rest.len()], rest);
        look.zeros += u64::from(first == 0.0);
        Moments::of(cells, &look).0
    }

    fn assert_near(found: &Moments, expected: &Moments) {
        let counts = |m: &Moments| (m.rows, m.nan, m.infinite, m.zeros);
        assert_eq!(counts(found), counts(expected));
        assert_eq!((found.min, found.max), (expected.min, expected.max));
        let scale = (expected.squares / expected.finite().max(1) as f64).sqrt();
        let size = expected.mean.abs().max(scale);
        assert!((found.mean - expected.mean).abs() <= 1e-12 * size + 1e-300, "{found:?} {expected:?}");
        assert!((found.squares - expected.squares).abs() <= 1e-9 * expected.squares + 1e-300, "{found:?} {expected:?}");
    }

    fn cells() -> impl Strategy<Value = Vec<f64>> {
        let cell = prop_oneof![
            6 => -1e3..1e3f64,
            1 => prop::sample::select(vec![0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 5e-324, 1e9]),
        ];
        prop::collection::vec(cell, 0..300)
    }

    proptest! {
        #[test]
        fn parts_merge_to_the_whole(cells in cells(), cut in 0usize..300) {
            let expected = twin(&cells);
            assert_near(&of(&cells), &expected);
            let (left, right) = cells.split_at(cut.min(cells.len()));
            let mut merged = of(left);
            merged.merge(&of(right));
            assert_near(&merged, &expected);
        }
    }

    #[test]
    fn a_small_spread_far_from_zero_is_kept() {
        let cells: Vec<f64> = (0..512).map(|i| 1e9 + f64::from(i % 2) * 1e-3).collect();
        let found = of(&cells);
        assert!((found.squares / 512.0 / 2.5e-7 - 1.0).abs() < 1e-3, "{found:?}");
    }
}
