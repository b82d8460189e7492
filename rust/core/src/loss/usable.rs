//! Whether there is anything among many numbers that no loss takes.

use super::cpu::LaneKernel;
use super::float::Float;
use super::lane::{Lane, Lanes};

/// Whether all numbers are finite.
pub(super) struct Usable<'a, F> {
    pub(super) s: &'a [F],
    pub(super) y: &'a [F],
}

impl<F: Float> Usable<'_, F> {
    #[inline(always)]
    fn look<V: Lane<Scalar = F>>(values: &[F]) -> bool {
        // All bits of v − v: none of them while values are finite.
        let (mut bits, mut lanes) = (V::ZERO, Lanes::<V>::of(values.len()));
        while lanes.next() {
            let v = V::load(&values[lanes.at..]);
            bits = bits.or_bits(v - v);
        }
        !V::any(!bits.equals(V::ZERO))
    }
}

impl<F: Float> LaneKernel<F> for Usable<'_, F> {
    type Output = bool;

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(self) -> bool {
        let mut usable = true;
        for values in [self.s, self.y] {
            usable &= if values.len() < V::LANES { Self::look::<F>(values) } else { Self::look::<V>(values) };
        }
        usable
    }
}
