//! Count, range, mean and spread of the cells of a column, in a form that parts can be merged into.

// Inlined into the kernel that is compiled for wide vectors; see `loss::cpu`.
#![allow(clippy::inline_always)]

use super::value::Real;
use crate::loss::cpu::{Kernel, LaneKernel, dispatch_widest, widest};
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

    /// The moments of a few cells.
    ///
    /// Distances are taken from the first finite one. It is one of the numbers, so that at most a factor of their count
    /// is lost to cancellation, which a tile of 512 can afford.
    pub(crate) fn of<R: Real>(cells: &[R]) -> Self {
        let Some(&first) = cells.first() else { return Self::default() };
        let sums = widest(Tile::<R, true> { cells, pivot: first.number() });
        // One cell that is not finite leaves no square that is.
        if sums.squares.is_finite() { Self::from_sums(cells, first.number(), &sums, 0, 0) } else { Self::of_odd(cells) }
    }

    /// The same where some cells may not be finite.
    #[cold]
    #[inline(never)]
    fn of_odd<R: Real>(cells: &[R]) -> Self {
        let nan = cells.iter().map(|cell| u64::from(cell.is_missing())).sum();
        let finite: u64 = cells.iter().map(|cell| u64::from(cell.number().is_finite())).sum();
        let odd = cells.len() as u64 - finite;
        let Some(pivot) = cells.iter().map(|cell| cell.number()).find(|number| number.is_finite()) else {
            return Self { rows: odd, nan, infinite: odd - nan, ..Self::default() };
        };
        Self::from_sums(cells, pivot, &widest(Tile::<R, false> { cells, pivot }), odd, nan)
    }

    fn from_sums<R: Real>(cells: &[R], pivot: f64, sums: &Sums<f64>, odd: u64, nan: u64) -> Self {
        let rows = cells.len() as u64;
        let shift = sums.apart / (rows - odd) as f64;
        let has_zeros = sums.min <= 0.0 && sums.max >= 0.0;
        Self {
            rows,
            nan,
            infinite: odd - nan,
            zeros: if has_zeros { dispatch_widest(Zeros(cells)) } else { 0 },
            min: sums.min,
            max: sums.max,
            mean: pivot + shift,
            squares: (sums.squares - sums.apart * shift).max(0.0),
        }
    }
}

/// Counts zeros of either sign.
struct Zeros<'a, R>(&'a [R]);

impl<R: Real> Kernel for Zeros<'_, R> {
    type Output = u64;

    #[inline(always)]
    fn run(self) -> u64 {
        let mut zeros = R::Count::default();
        for &cell in self.0 {
            zeros += R::Count::from(cell == R::default());
        }
        zeros.into()
    }
}

/// Cells that are added up, as distances from one of them; all of them finite where `CLEAN`.
struct Tile<'a, R, const CLEAN: bool> {
    cells: &'a [R],
    pivot: f64,
}

/// What a lane adds up.
#[derive(Clone, Copy)]
struct Sums<V> {
    apart: V,
    squares: V,
    min: V,
    max: V,
}

/// As many doubles as the widest lane holds.
const MOST_LANES: usize = 8;

impl<R: Real, const CLEAN: bool> LaneKernel<f64> for Tile<'_, R, CLEAN> {
    type Output = Sums<f64>;

    #[inline(always)]
    fn run<V: Lane<Scalar = f64>>(self) -> Sums<f64> {
        let pivot = V::of(self.pivot);
        // Two lanes side by side, so that additions need not wait for each other.
        let mut sums = [Sums::<V>::new(pivot); 2];
        let mut chunks = self.cells.chunks_exact(2 * V::LANES);
        for chunk in &mut chunks {
            let (left, right) = chunk.split_at(V::LANES);
            sums[0].add::<R, CLEAN>(left, pivot);
            sums[1].add::<R, CLEAN>(right, pivot);
        }
        let mut total = sums[0].join(sums[1]).spill();
        for cell in chunks.remainder() {
            let mut one = Sums::<f64>::new(self.pivot);
            one.add::<R, CLEAN>(std::slice::from_ref(cell), self.pivot);
            total = total.join(one);
        }
        total
    }
}

impl<V: Lane<Scalar = f64>> Sums<V> {
    #[inline(always)]
    fn new(pivot: V) -> Self {
        Self { apart: V::ZERO, squares: V::ZERO, min: pivot, max: pivot }
    }

    #[inline(always)]
    fn add<R: Real, const CLEAN: bool>(&mut self, cells: &[R], pivot: V) {
        let mut numbers = [0.0; MOST_LANES];
        for (number, cell) in numbers[..V::LANES].iter_mut().zip(cells) {
            *number = cell.number();
        }
        let mut kept = V::load(&numbers);
        if !CLEAN {
            // Without a branch: what is not finite counts as the pivot, which changes nothing.
            kept = V::select(kept.abs().at_most(V::of(f64::MAX)), kept, pivot);
        }
        let apart = kept - pivot;
        self.apart = self.apart + apart;
        self.squares = apart.mul_add(apart, self.squares);
        self.min = self.min.smaller(kept);
        self.max = self.max.larger(kept);
    }

    #[inline(always)]
    fn join(self, other: Self) -> Self {
        Self {
            apart: self.apart + other.apart,
            squares: self.squares + other.squares,
            min: self.min.smaller(other.min),
            max: self.max.larger(other.max),
        }
    }

    /// The sums of all numbers of a lane.
    #[inline(always)]
    fn spill(self) -> Sums<f64> {
        let mut lanes = [[0.0; MOST_LANES]; 4];
        for (values, value) in lanes.iter_mut().zip([self.apart, self.squares, self.min, self.max]) {
            value.store(&mut values[..V::LANES]);
        }
        let [apart, squares, min, max] = lanes;
        let one = |k: usize| Sums { apart: apart[k], squares: squares[k], min: min[k], max: max[k] };
        (1..V::LANES).fold(one(0), |total, k| total.join(one(k)))
    }
}

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
            assert_near(&Moments::of(&cells), &expected);
            let (left, right) = cells.split_at(cut.min(cells.len()));
            let mut merged = Moments::of(left);
            merged.merge(&Moments::of(right));
            assert_near(&merged, &expected);
        }
    }

    #[test]
    fn a_small_spread_far_from_zero_is_kept() {
        let cells: Vec<f64> = (0..512).map(|i| 1e9 + f64::from(i % 2) * 1e-3).collect();
        let found = Moments::of(&cells);
        assert!((found.squares / 512.0 / 2.5e-7 - 1.0).abs() < 1e-3, "{found:?}");
    }
}
