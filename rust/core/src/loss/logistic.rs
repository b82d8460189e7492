//! The sigmoid and what comes with it, from one exponential.

use super::lane::Lane;

/// A logit seen from both sides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Logistic<V> {
    s: V,
    /// sigmoid(−|s|).
    small: V,
    /// sigmoid(s), in full relative precision.
    pub(super) p: V,
    /// sigmoid(−s), likewise: never 1 − p.
    pub(super) q: V,
    /// log(1 + e^−|s|).
    tail: V,
}

impl<V: Lane> Logistic<V> {
    #[inline(always)]
    pub(super) fn of(s: V) -> Self {
        let (e, _) = (-s.abs()).exp_negative();
        let large = (V::ONE + e).reciprocal();
        let small = e * large;
        let (p, q) = (V::select_by_sign(s, small, large), V::select_by_sign(s, large, small));
        Self { s, small, p, q, tail: e.log1p_unit() }
    }

    /// log(1 + e^s) = −log q.
    #[inline(always)]
    pub(super) fn softplus(&self) -> V {
        self.s.larger(V::ZERO) + self.tail
    }

    /// log(1 + e^−s) = −log p.
    #[inline(always)]
    pub(super) fn softplus_of_minus(&self) -> V {
        (-self.s).larger(V::ZERO) + self.tail
    }

    /// log(1 + e^s) − s·y: 0 and not a difference of large numbers at a score far on the right side.
    #[inline(always)]
    pub(super) fn cross_entropy(&self, y: V) -> V {
        (-self.s).mul_add(y, self.s.larger(V::ZERO)) + self.tail
    }

    /// p − y, in a form that keeps its relative precision where p is near a hard label.
    #[inline(always)]
    pub(super) fn residual(&self, y: V) -> V {
        V::select_by_sign(self.s, self.small - y, (V::ONE - y) - self.small)
    }
}

/// |x|ᵇ for a `b` that is known to be 0, 1 or 2 (`POWER`), or any other (`POWER` = [`ANY`]), given log |x|, which is
/// not computed where it is not needed.
#[inline(always)]
pub(super) fn power<const POWER: u8, V: Lane>(x: V, b: f64, log: V) -> V {
    match POWER {
        0 => V::ONE,
        1 => x,
        2 => x * x,
        _ => (V::of(b) * log).exp(),
    }
}

/// An exponent that is only known at run time.
pub const ANY: u8 = u8::MAX;
