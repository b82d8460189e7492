//! One look at some cells and those before them: how they compare, how many are zero, and their range.

// Inlined into the kernels that are compiled for wide vectors; see `loss::cpu`.
#![allow(clippy::inline_always)]

use super::value::{Steps, Value};
use crate::loss::cpu::{LaneKernel, widest};
use crate::loss::float::Float;
use crate::loss::lane::Lane;

/// What one look at some cells finds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) steps: Steps,
    /// Cells that are zero, of either sign.
    pub(crate) zeros: u64,
    /// The range; means nothing where a cell is NaN.
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Look {
    /// A loop over cells that compilers turn into vector code: integers.
    #[inline(always)]
    pub(crate) fn cell_by_cell<T: Value>(seed: T, before: &[T], now: &[T]) -> Self {
        let steps = Steps::between(before, now);
        let (mut zeros, mut min, mut max) = (T::Count::default(), seed, seed);
        for &cell in now {
            zeros += T::Count::from(cell == T::default());
            min = if cell < min { cell } else { min };
            max = if cell > max { cell } else { max };
        }
        Self { steps, zeros: zeros.into(), min: min.number(), max: max.number() }
    }

    /// Lane by lane: floating cells, whose extremes compilers do not trust themselves to find out of order.
    #[inline(always)]
    pub(crate) fn by_lanes<T: Value + Float>(seed: T, before: &[T], now: &[T]) -> Self {
        let seen = widest(Neighbours { seed, before, now });
        let [rises, falls, zeros] = [seen.rises, seen.falls, seen.zeros].map(|count| count.wide() as u64);
        let steps = Steps::counted(before, now, rises, falls);
        Self { steps, zeros, min: seen.min.wide(), max: seen.max.wide() }
    }
}

struct Neighbours<'a, F> {
    seed: F,
    before: &'a [F],
    now: &'a [F],
}

/// What a lane has seen; counts are whole numbers in it.
#[derive(Clone, Copy)]
struct Seen<V> {
    rises: V,
    falls: V,
    zeros: V,
    min: V,
    max: V,
}

impl<F: Float> LaneKernel<F> for Neighbours<'_, F> {
    type Output = Seen<F>;

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(self) -> Seen<F> {
        let (mut before, mut now) = (self.before.chunks_exact(V::LANES), self.now.chunks_exact(V::LANES));
        let mut seen = Seen::<V>::new(V::of(self.seed.wide()));
        for (before, now) in (&mut before).zip(&mut now) {
            seen.add(V::load(before), V::load(now));
        }
        let mut total = seen.spill();
        for (&before, &now) in before.remainder().iter().zip(now.remainder()) {
            total.add(before, now);
        }
        total
    }
}

impl<V: Lane> Seen<V> {
    #[inline(always)]
    fn new(seed: V) -> Self {
        Self { rises: V::ZERO, falls: V::ZERO, zeros: V::ZERO, min: seed, max: seed }
    }

    #[inline(always)]
    fn add(&mut self, before: V, now: V) {
        self.rises = V::select(before.less(now), self.rises + V::ONE, self.rises);
        self.falls = V::select(now.less(before), self.falls + V::ONE, self.falls);
        self.zeros = V::select(now.equals(V::ZERO), self.zeros + V::ONE, self.zeros);
        self.min = self.min.smaller(now);
        self.max = self.max.larger(now);
    }

    /// What all lanes have seen together.
    #[inline(always)]
    fn spill(self) -> Seen<V::Scalar> {
        Seen {
            rises: folded(self.rises, |a, b| a + b),
            falls: folded(self.falls, |a, b| a + b),
            zeros: folded(self.zeros, |a, b| a + b),
            min: folded(self.min, Lane::smaller),
            max: folded(self.max, Lane::larger),
        }
    }
}

/// As many numbers as the widest lane holds.
const MOST_LANES: usize = 16;

/// The numbers of a lane made one: halves are joined until one is left.
#[inline(always)]
pub(crate) fn folded<V: Lane>(lane: V, join: impl Fn(V::Scalar, V::Scalar) -> V::Scalar) -> V::Scalar {
    let mut numbers = [V::Scalar::ZERO; MOST_LANES];
    lane.store(&mut numbers[..V::LANES]);
    let mut half = V::LANES / 2;
    while half > 0 {
        for k in 0..half {
            numbers[k] = join(numbers[k], numbers[k + half]);
        }
        half /= 2;
    }
    numbers[0]
}
