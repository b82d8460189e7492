//! Focal loss: cross-entropy that looks away from rows it already has right.

use super::lane::Lane;
use super::logistic::{Logistic, power};
use super::traits::{Domain, Extras, Hessian, PointLoss, refuse};
use crate::error::Result;

/// −a·qᴳ·log p, with p the probability of the row's own label and q = 1 − p.
///
/// `GAMMA` is the exponent where it is 0, 1 or 2, so that the loop holds neither a power nor a test; else
/// [`ANY`](super::logistic::ANY), and `gamma` says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Focal<const GAMMA: u8> {
    /// G, at least 0.
    pub gamma: f64,
    /// The weights of rows labelled 1 and 0; both 1 where the loss has none.
    pub alpha: (f64, f64),
}

/// What all orders of the derivative are made of.
struct Parts<V> {
    p: V,
    q: V,
    /// −log p.
    surprise: V,
    /// a·qᴳ.
    weight: V,
    /// 1 for label 1, −1 for label 0.
    side: V,
}

impl<const GAMMA: u8> Focal<GAMMA> {
    #[inline(always)]
    fn parts<V: Lane>(&self, s: V, y: V) -> Parts<V> {
        let side = (y + y) - V::ONE;
        let logistic = Logistic::of(side * s);
        let (p, q) = (logistic.p, logistic.q);
        // q comes from its own side of the sigmoid, and its logarithm from the softplus: never from 1 − p.
        let power = power::<GAMMA, V>(q, self.gamma, -logistic.softplus());
        let (one, zero) = self.alpha;
        let alpha = V::of(one - zero).mul_add(y, V::of(zero));
        Parts { p, q, surprise: logistic.softplus_of_minus(), weight: alpha * power, side }
    }
}

impl<const GAMMA: u8> PointLoss for Focal<GAMMA> {
    fn check(&self) -> Result<()> {
        if !(self.gamma >= 0.0 && self.gamma.is_finite()) {
            return refuse("gamma", self.gamma, "pass a finite exponent of at least 0, such as 2");
        }
        for alpha in [self.alpha.0, self.alpha.1] {
            if !(0.0..=1.0).contains(&alpha) {
                return refuse("alpha", alpha, "pass a share from 0 to 1, or None");
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn targets(&self) -> Domain {
        Domain::Binary
    }

    #[inline(always)]
    fn value<V: Lane>(&self, s: V, y: V, _: &Extras<V>) -> V {
        let Parts { surprise, weight, .. } = self.parts(s, y);
        weight * surprise
    }

    #[inline(always)]
    fn value_grad<V: Lane>(&self, s: V, y: V, _: &Extras<V>) -> (V, V) {
        let Parts { p, q, surprise, weight, side } = self.parts(s, y);
        let push = (V::of(self.gamma) * p).mul_add(surprise, q);
        (weight * surprise, -side * (weight * push))
    }

    #[inline(always)]
    fn grad_hess<V: Lane>(&self, s: V, y: V, _: &Extras<V>, hessian: Hessian) -> (V, V) {
        let Parts { p, q, surprise, weight, side } = self.parts(s, y);
        let gamma = V::of(self.gamma);
        let slope = -side * (weight * (gamma * p).mul_add(surprise, q));
        let bracket = q + (gamma + gamma) * q + gamma * (gamma * p - q) * surprise;
        let exact = weight * p * bracket;
        // Rows that are badly wrong bend the other way.
        (slope, if hessian == Hessian::Boosting { exact.abs() } else { exact })
    }
}

#[cfg(test)]
mod tests {
    use super::super::logistic::ANY;
    use super::*;

    const NONE: Extras<f64> = [0.0; 4];

    #[test]
    fn equals_the_textbook_formula() {
        for (s, y) in [(0.3f64, 1.0f64), (-2.0, 1.0), (1.5, 0.0), (-4.0, 1.0)] {
            let p = 1.0 / (1.0 + (-(2.0 * y - 1.0) * s).exp());
            let a = if y == 1.0 { 0.25 } else { 0.75 };
            let fixed = Focal::<2> { gamma: 2.0, alpha: (0.25, 0.75) };
            let any = Focal::<ANY> { gamma: 2.0, alpha: (0.25, 0.75) };
            let expected = -a * (1.0 - p).powi(2) * p.ln();
            let ((v, g), (w, h)) = (fixed.value_grad(s, y, &NONE), any.value_grad(s, y, &NONE));
            assert!((v / expected - 1.0).abs() < 1e-14 && (w / v - 1.0).abs() < 1e-14 && (h / g - 1.0).abs() < 1e-13);
        }
        let off = Focal::<0> { gamma: 0.0, alpha: (1.0, 1.0) };
        assert_eq!(
            off.value_grad(1.3, 0.0, &NONE),
            super::super::BinaryCrossEntropy::<true>.value_grad(1.3, 0.0, &NONE)
        );
    }

    #[test]
    fn finite_where_compositions_fail() {
        let loss = Focal::<ANY> { gamma: 0.5, alpha: (1.0, 1.0) };
        for s in [-1000.0, -60.0, 60.0, 1000.0] {
            for y in [0.0, 1.0] {
                let (value, slope) = loss.value_grad(s, y, &NONE);
                assert!(value.is_finite() && slope.is_finite(), "{s} {y}: {value} {slope}");
                let (value, slope) = loss.value_grad(s as f32, y as f32, &[0.0; 4]);
                assert!(value.is_finite() && slope.is_finite(), "{s} {y}: {value} {slope}");
            }
        }
    }

    #[test]
    fn curvature_is_negative_where_badly_wrong() {
        let loss = Focal::<2> { gamma: 2.0, alpha: (0.25, 0.75) };
        let exact = loss.grad_hess(-4.0, 1.0, &NONE, Hessian::Exact).1;
        assert!(exact < 0.0);
        assert_eq!(loss.grad_hess(-4.0, 1.0, &NONE, Hessian::Boosting).1, -exact);
    }
}
