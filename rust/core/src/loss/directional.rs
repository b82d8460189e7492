//! Losses of a forecast's direction: right or wrong, by the size of the move.

use super::lane::Lane;
use super::logistic::{Logistic, power};
use super::traits::{Domain, Extras, Hessian, PointLoss, positive};
use crate::error::Result;

/// |R|·log(1 + e^(−k·sign(R)·F)) for the forecast F of the move R: convex, a row weighs what it moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DirectionalLogistic {
    /// k, above 0.
    pub sharpness: f64,
}

impl PointLoss for DirectionalLogistic {
    fn check(&self) -> Result<()> {
        positive("sharpness", self.sharpness)
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
        let k = V::of(self.sharpness);
        let right = Logistic::of(k * V::select(y.less(V::ZERO), -s, s));
        (y.abs() * right.softplus_of_minus(), -(k * y) * right.q)
    }

    #[inline(always)]
    fn grad_hess<V: Lane>(&self, s: V, y: V, _: &Extras<V>, _: Hessian) -> (V, V) {
        let k = V::of(self.sharpness);
        let right = Logistic::of(k * V::select(y.less(V::ZERO), -s, s));
        (-(k * y) * right.q, k * k * y.abs() * (right.p * right.q))
    }
}

/// −(sigmoid(a·R·F) − ½)·|R|ᵇ: the smooth form of the mean absolute directional loss.
///
/// `POWER` is b where it is 1 or 2, else [`ANY`](super::logistic::ANY).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gmadl<const POWER: u8> {
    /// The steepness of the step, above 0.
    pub a: f64,
    /// How much large moves weigh, above 0.
    pub b: f64,
}

/// What all orders of the derivative are made of.
struct Step<V> {
    /// −tanh(a·R·F/2)/2 = ½ − sigmoid(a·R·F), which keeps its digits near 0.
    miss: V,
    /// −a·R.
    scale: V,
    /// |R|ᵇ·sigmoid·(1 − sigmoid).
    slope: V,
    /// |R|ᵇ.
    weight: V,
}

impl<const POWER: u8> Gmadl<POWER> {
    #[inline(always)]
    fn step<V: Lane>(&self, s: V, y: V) -> Step<V> {
        let scale = V::of(-self.a) * y;
        let z = scale * s;
        let (e, less_one) = (-z.abs()).exp_negative();
        let large = (V::ONE + e).reciprocal();
        let miss = (V::of(-0.5) * less_one * large).flip_by_sign(z);
        let weight = power::<POWER, V>(y.abs(), self.b, y.abs().ln());
        Step { miss, scale, slope: (weight * large) * (e * large), weight }
    }
}

impl<const POWER: u8> PointLoss for Gmadl<POWER> {
    fn check(&self) -> Result<()> {
        positive("a", self.a)?;
        positive("b", self.b)
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
        let Step { miss, scale, slope, weight } = self.step(s, y);
        (miss * weight, scale * slope)
    }

    #[inline(always)]
    fn grad_hess<V: Lane>(&self, s: V, y: V, _: &Extras<V>, hessian: Hessian) -> (V, V) {
        let Step { miss, scale, slope, .. } = self.step(s, y);
        let bend = scale * scale * slope;
        // Exactly it is bend·tanh, which is negative on one side of 0.
        (scale * slope, if hessian == Hessian::Exact { -bend * (miss + miss) } else { bend })
    }
}

/// −sign(R·F)·|R|: what a bet of one on the forecast's sign would have lost. A metric: its slope is 0.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Madl;

impl PointLoss for Madl {
    const CHEAP: bool = true;

    #[inline(always)]
    fn targets(&self) -> Domain {
        Domain::Real
    }

    #[inline(always)]
    fn value<V: Lane>(&self, s: V, y: V, _: &Extras<V>) -> V {
        // Without −0, which reads badly where nothing is won or lost.
        V::ZERO - y * s.sign()
    }

    #[inline(always)]
    fn value_grad<V: Lane>(&self, s: V, y: V, x: &Extras<V>) -> (V, V) {
        (self.value(s, y, x), V::ZERO)
    }

    #[inline(always)]
    fn grad_hess<V: Lane>(&self, _: V, _: V, _: &Extras<V>, _: Hessian) -> (V, V) {
        (V::ZERO, V::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::super::logistic::ANY;
    use super::*;

    const NONE: Extras<f64> = [0.0; 4];

    #[test]
    fn logistic_form_weighs_by_the_move_and_knows_its_side() {
        let loss = DirectionalLogistic { sharpness: 2.0 };
        let (value, slope) = loss.value_grad(0.0, -0.5, &NONE);
        assert!((value - 0.5 * std::f64::consts::LN_2).abs() < 1e-15);
        assert_eq!(slope, 0.5);
        assert_eq!(loss.value_grad(1000.0, 0.5, &NONE), (0.0, 0.0));
        assert_eq!(loss.value_grad(-1000.0, 0.5, &NONE), (1000.0, -1.0));
        assert_eq!(loss.value_grad(3.0, 0.0, &NONE).0, 0.0);
    }

    #[test]
    fn gmadl_equals_its_formula_and_keeps_digits_near_zero() {
        for (s, y) in [(0.02f64, 0.01f64), (-0.03, 0.02), (1e-9, -0.5)] {
            let z = 1000.0 * s * y;
            let expected = -(z / 2.0).tanh() / 2.0 * y * y;
            for value in [
                Gmadl::<2> { a: 1000.0, b: 2.0 }.value(s, y, &NONE),
                Gmadl::<ANY> { a: 1000.0, b: 2.0 }.value(s, y, &NONE),
            ] {
                assert!((value / expected - 1.0).abs() < 1e-13, "{value} {expected}");
            }
        }
        let any = Gmadl::<ANY> { a: 1000.0, b: 0.5 };
        assert_eq!(any.value_grad(1.0, 0.0, &NONE), (0.0, 0.0));
        assert!(Gmadl::<1> { a: 1.0, b: 0.0 }.check().is_err());
    }

    #[test]
    fn madl_is_a_bet_on_the_sign() {
        assert_eq!(Madl.value(3.0, -0.5, &NONE), 0.5);
        assert_eq!(Madl.value(-3.0, -0.5, &NONE), -0.5);
        assert_eq!(Madl.value(0.0, -0.5, &NONE), 0.0);
    }
}
