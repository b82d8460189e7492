//! Whether there is anything among many numbers that no loss takes.

use super::cpu::LaneKernel;
use super::float::Float;
use super::lane::Lane;

/// Whether all numbers are finite.
pub(super) struct Usable<'a, F> {
    pub(super) s: &'a [F],
    pub(super) y: &'a [F],
}

impl<F: Float> Usable<'_, F> {
    /// All bits of v − v from `from` on, in whole lanes; none of them while values are finite.
    #[inline(always)]
    fn look<V: Lane<Scalar = F>>(values: &[F], mut from: usize) -> (bool, usize) {
        let mut bits = V::ZERO;
        while from + V::LANES <= values.len() {
            let v = V::load(&values[from..]);
            bits = bits.or_bits(v - v);
            from += V::LANES;
        }
        (!V::any(!bits.equals(V::ZERO)), from)
    }
}

impl<F: Float> LaneKernel<F> for Usable<'_, F> {
    type Output = bool;

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(self) -> bool {
        let mut usable = true;
        for values in [self.s, self.y] {
            let (whole, from) = Self::look::<V>(values, 0);
            usable &= whole & Self::look::<F>(values, from).0;
        }
        usable
    }
}
