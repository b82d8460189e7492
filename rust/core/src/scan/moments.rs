//! Count, range, mean and spread of the cells of a column, in a form that parts can be merged into.

// Inlined into the kernel that is compiled for wide vectors; see `loss::cpu`.
#![allow(clippy::inline_always)]

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

    /// The moments of a few numbers, in one pass.
    ///
    /// Distances are taken from the first finite one. It is one of the numbers, so that at most a factor of their count
    /// is lost to cancellation, which a tile of 512 can afford.
    pub(crate) fn of(numbers: &[f64]) -> Self {
        let rows = numbers.len() as u64;
        let nan = || numbers.iter().map(|number| u64::from(number.is_nan())).sum();
        let Some(&pivot) = numbers.iter().find(|number| number.is_finite()) else {
            let nan = nan();
            return Self { rows, nan, infinite: rows - nan, ..Self::default() };
        };
        let sums = widest(Tile { numbers, pivot });
        let odd = sums.odd as u64;
        let nan = if odd == 0 { 0 } else { nan() };
        let shift = sums.apart / (rows - odd) as f64;
        Self {
            rows,
            nan,
            infinite: odd - nan,
            zeros: sums.zeros as u64,
            min: sums.min,
            max: sums.max,
            mean: pivot + shift,
            squares: (sums.squares - sums.apart * shift).max(0.0),
        }
    }
}

/// Numbers that are added up, as distances from one of them.
struct Tile<'a> {
    numbers: &'a [f64],
    pivot: f64,
}

/// What a lane adds up; counts are whole numbers in it.
#[derive(Clone, Copy)]
struct Sums<V> {
    apart: V,
    squares: V,
    min: V,
    max: V,
    zeros: V,
    odd: V,
}

impl LaneKernel<f64> for Tile<'_> {
    type Output = Sums<f64>;

    #[inline(always)]
    fn run<V: Lane<Scalar = f64>>(self) -> Sums<f64> {
        // Two lanes side by side, so that additions need not wait for each other.
        let mut sums = [Sums::<V>::new(self.pivot); 2];
        let mut chunks = self.numbers.chunks_exact(2 * V::LANES);
        for chunk in &mut chunks {
            let (left, right) = chunk.split_at(V::LANES);
            sums[0].add(V::load(left), self.pivot);
            sums[1].add(V::load(right), self.pivot);
        }
        let mut total = Sums::<f64>::new(self.pivot);
        for &number in chunks.remainder() {
            total.add(number, self.pivot);
        }
        for lane in sums {
            lane.spill(&mut total);
        }
        total
    }
}

impl<V: Lane<Scalar = f64>> Sums<V> {
    #[inline(always)]
    fn new(pivot: f64) -> Self {
        let (zero, pivot) = (V::ZERO, V::of(pivot));
        Self { apart: zero, squares: zero, min: pivot, max: pivot, zeros: zero, odd: zero }
    }

    #[inline(always)]
    fn add(&mut self, numbers: V, pivot: f64) {
        let finite = numbers.abs().at_most(V::of(f64::MAX));
        // Without a branch: what is not finite counts as the pivot, which changes nothing.
        let kept = V::select(finite, numbers, V::of(pivot));
        let apart = kept - V::of(pivot);
        self.apart = self.apart + apart;
        self.squares = apart.mul_add(apart, self.squares);
        self.min = self.min.smaller(kept);
        self.max = self.max.larger(kept);
        self.zeros = self.zeros + V::select(numbers.equals(V::ZERO), V::ONE, V::ZERO);
        self.odd = self.odd + V::select(finite, V::ZERO, V::ONE);
    }

    /// Adds the numbers of a lane to a sum.
    #[inline(always)]
    fn spill(self, total: &mut Sums<f64>) {
        let mut lane = [[0.0; MOST_LANES]; 6];
        for (values, value) in lane.iter_mut().zip([self.apart, self.squares, self.min, self.max, self.zeros, self.odd])
        {
            value.store(&mut values[..V::LANES]);
        }
        let [apart, squares, min, max, zeros, odd] = lane.map(|values| values.into_iter().take(V::LANES));
        total.apart += apart.sum::<f64>();
        total.squares += squares.sum::<f64>();
        total.min = min.fold(total.min, f64::min);
        total.max = max.fold(total.max, f64::max);
        total.zeros += zeros.sum::<f64>();
        total.odd += odd.sum::<f64>();
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
