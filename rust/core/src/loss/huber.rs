//! Huber's loss and its smooth relative: squares near 0, absolute values far out.

use super::lane::Lane;
use super::traits::{Domain, Extras, Hessian, PointLoss, positive};
use crate::error::Result;

/// e²/2 up to |e| = `delta`, delta·(|e| − delta/2) beyond; boosting is given a curvature of 1, as in `LightGBM`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Huber {
    /// Where squares end.
    pub delta: f64,
}

impl PointLoss for Huber {
    const CHEAP: bool = true;

    fn check(&self) -> Result<()> {
        positive("delta", self.delta)
    }

    #[inline(always)]
    fn targets(&self) -> Domain {
        Domain::Real
    }

    #[inline(always)]
    fn value<V: Lane>(&self, s: V, y: V, x: &Extras<V>) -> V {
        self.value_grad(s, y, x).0
    }

    #[inline(always)]
    fn value_grad<V: Lane>(&self, s: V, y: V, _: &Extras<V>) -> (V, V) {
        let (e, delta) = (s - y, V::of(self.delta));
        let cut = e.smaller(delta).larger(-delta);
        // cut·(e − cut/2): e²/2 inside, and beyond it delta·(|e| − delta/2), from one expression.
        (cut * (e - V::of(0.5) * cut), cut)
    }

    #[inline(always)]
    fn grad_hess<V: Lane>(&self, s: V, y: V, _: &Extras<V>, hessian: Hessian) -> (V, V) {
        let (e, delta) = (s - y, V::of(self.delta));
        let inside = V::select(e.abs().at_most(delta), V::ONE, V::ZERO);
        (e.smaller(delta).larger(-delta), if hessian == Hessian::Boosting { V::ONE } else { inside })
    }
}

/// delta²·(r − 1) with r = √(1 + (e/delta)²): twice differentiable everywhere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PseudoHuber {
    /// Where squares turn into absolute values.
    pub delta: f64,
}

/// (e/delta, r), without overflow: from where the square is infinite on, r is |e/delta| to every digit.
#[inline(always)]
fn ratio<V: Lane>(e: V, delta: V) -> (V, V) {
    let u = e / delta;
    let square = u * u;
    (u, V::select(square.is_usable(), (V::ONE + square).sqrt(), u.abs()))
}

impl PointLoss for PseudoHuber {
    fn check(&self) -> Result<()> {
        positive("delta", self.delta)
    }

    #[inline(always)]
    fn targets(&self) -> Domain {
        Domain::Real
    }

    #[inline(always)]
    fn value<V: Lane>(&self, s: V, y: V, x: &Extras<V>) -> V {
        self.value_grad(s, y, x).0
    }

    #[inline(always)]
    fn value_grad<V: Lane>(&self, s: V, y: V, _: &Extras<V>) -> (V, V) {
        let delta = V::of(self.delta);
        let (u, r) = ratio(s - y, delta);
        // r − 1 = u²/(r + 1) cancels nothing near 0.
        (delta * u * (delta * (u / (r + V::ONE))), delta * (u / r))
    }

    #[inline(always)]
    fn grad_hess<V: Lane>(&self, s: V, y: V, _: &Extras<V>, _: Hessian) -> (V, V) {
        let delta = V::of(self.delta);
        let (u, r) = ratio(s - y, delta);
        let inverse = V::ONE / r;
        (delta * (u * inverse), inverse * inverse * inverse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Extras<f64> = [0.0; 4];

    #[test]
    fn squares_near_zero_and_absolute_values_far_out() {
        let loss = Huber { delta: 2.0 };
        assert_eq!(loss.value_grad(1.0, 0.0, &NONE), (0.5, 1.0));
        assert_eq!(loss.value_grad(0.0, 5.0, &NONE), (8.0, -2.0));
        assert_eq!(loss.grad_hess(0.0, 5.0, &NONE, Hessian::Boosting), (-2.0, 1.0));
        assert_eq!(loss.grad_hess(0.0, 5.0, &NONE, Hessian::Exact), (-2.0, 0.0));
    }

    #[test]
    fn smooth_form_is_exact_near_zero_and_finite_far_out() {
        let loss = PseudoHuber { delta: 1.0 };
        assert!((loss.value(1e-9, 0.0, &NONE) / 0.5e-18 - 1.0).abs() < 1e-15);
        assert_eq!(loss.value_grad(3e30f32, 0.0, &[0.0; 4]), (3e30, 1.0));
        let loss = PseudoHuber { delta: 3.0 };
        assert!((loss.value(4.0, 0.0, &NONE) - 6.0).abs() < 1e-14, "r is 5/3");
        assert!((loss.grad_hess(4.0, 0.0, &NONE, Hessian::Exact).1 - 0.216).abs() < 1e-15);
    }

    #[test]
    fn delta_must_be_positive() {
        assert!(Huber { delta: 0.0 }.check().is_err());
        assert!(PseudoHuber { delta: f64::NAN }.check().is_err());
    }
}
