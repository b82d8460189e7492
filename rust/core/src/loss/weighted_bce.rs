//! Cross-entropy in which positives weigh more or less than negatives.

use super::lane::Lane;
use super::logistic::Logistic;
use super::traits::{Domain, Extras, Hessian, PointLoss, positive};
use crate::error::Result;

/// a·y·log(1 + e^−s) + (1 − y)·log(1 + e^s): rows labelled 1 weigh `pos_weight`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeightedBce {
    /// a, above 0.
    pub pos_weight: f64,
}

impl PointLoss for WeightedBce {
    fn check(&self) -> Result<()> {
        positive("pos_weight", self.pos_weight)
    }

    #[inline(always)]
    fn targets(&self) -> Domain {
        Domain::Unit
    }

    #[inline(always)]
    fn value<V: Lane>(&self, s: V, y: V, x: &Extras<V>) -> V {
        self.value_grad(s, y, x).0
    }

    #[inline(always)]
    fn value_grad<V: Lane>(&self, s: V, y: V, _: &Extras<V>) -> (V, V) {
        two_sided(Logistic::of(s), V::of(self.pos_weight) * y, V::ONE - y)
    }

    #[inline(always)]
    fn grad_hess<V: Lane>(&self, s: V, y: V, _: &Extras<V>, _: Hessian) -> (V, V) {
        two_sided_hess(Logistic::of(s), V::of(self.pos_weight) * y, V::ONE - y)
    }
}

/// a·log(1 + e^−s) + b·log(1 + e^s), and its slope.
#[inline(always)]
pub(super) fn two_sided<V: Lane>(logistic: Logistic<V>, a: V, b: V) -> (V, V) {
    (a * logistic.softplus_of_minus() + b * logistic.softplus(), b * logistic.p - a * logistic.q)
}

/// Its slope and curvature.
#[inline(always)]
pub(super) fn two_sided_hess<V: Lane>(logistic: Logistic<V>, a: V, b: V) -> (V, V) {
    (b * logistic.p - a * logistic.q, (a + b) * (logistic.p * logistic.q))
}

#[cfg(test)]
mod tests {
    use super::super::BinaryCrossEntropy;
    use super::*;

    const NONE: Extras<f64> = [0.0; 4];

    #[test]
    fn positives_weigh_more() {
        let loss = WeightedBce { pos_weight: 3.0 };
        let bce = BinaryCrossEntropy::<true>;
        let (value, slope) = bce.value_grad(0.7, 1.0, &NONE);
        let (got, gradient) = loss.value_grad(0.7, 1.0, &NONE);
        assert!((got - 3.0 * value).abs() < 1e-15 && (gradient - 3.0 * slope).abs() < 1e-15);
        let got = loss.value(0.7, 0.0, &NONE);
        assert!((got - bce.value(0.7, 0.0, &NONE)).abs() < 1e-15);
        assert_eq!(loss.value_grad(1000.0, 1.0, &NONE), (0.0, 0.0));
        assert_eq!(loss.value_grad(-1000.0, 1.0, &NONE), (3000.0, -3.0));
        assert!(WeightedBce { pos_weight: -1.0 }.check().is_err());
    }
}
