//! Binary cross-entropy.

use super::lane::Lane;
use super::logistic::Logistic;
use super::traits::{Domain, Extras, Hessian, PointLoss};

/// −y log p − (1 − y) log(1 − p), with p = sigmoid(s) for a logit `s`, or p = s for a probability.
///
/// Which of the two is part of the type, so that the loop over the rows holds no test.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BinaryCrossEntropy<const FROM_LOGITS: bool>;

/// The probability form bounds each logarithm here, as torch does: log 0 would be infinite.
const LEAST_LOG: f64 = -100.0;
/// And the denominators of its derivatives here.
const LEAST_VARIANCE: f64 = 1e-12;

#[inline(always)]
fn probability_value<V: Lane>(p: V, y: V) -> V {
    let least = V::of(LEAST_LOG);
    -(y * p.ln().larger(least) + (V::ONE - y) * (-p).log1p().larger(least))
}

#[inline(always)]
fn probability_grad<V: Lane>(p: V, y: V) -> V {
    (p - y) / (p * (V::ONE - p)).larger(V::of(LEAST_VARIANCE))
}

impl<const FROM_LOGITS: bool> PointLoss for BinaryCrossEntropy<FROM_LOGITS> {
    #[inline(always)]
    fn targets(&self) -> Domain {
        Domain::Unit
    }

    #[inline(always)]
    fn predictions(&self) -> Domain {
        if FROM_LOGITS { Domain::Real } else { Domain::Unit }
    }

    #[inline(always)]
    fn value<V: Lane>(&self, s: V, y: V, _: &Extras<V>) -> V {
        if FROM_LOGITS { Logistic::of(s).cross_entropy(y) } else { probability_value(s, y) }
    }

    #[inline(always)]
    fn value_grad<V: Lane>(&self, s: V, y: V, _: &Extras<V>) -> (V, V) {
        if FROM_LOGITS {
            let logistic = Logistic::of(s);
            (logistic.cross_entropy(y), logistic.residual(y))
        } else {
            (probability_value(s, y), probability_grad(s, y))
        }
    }

    #[inline(always)]
    fn grad_hess<V: Lane>(&self, s: V, y: V, _: &Extras<V>, hessian: Hessian) -> (V, V) {
        if FROM_LOGITS {
            let logistic = Logistic::of(s);
            // The logit is the canonical link: exact and Gauss–Newton are the same.
            return (logistic.residual(y), logistic.p * logistic.q);
        }
        let least = V::of(LEAST_VARIANCE);
        let q = V::ONE - s;
        let h = if hessian == Hessian::GaussNewton {
            V::ONE / (s * q).larger(least)
        } else {
            y / (s * s).larger(least) + (V::ONE - y) / (q * q).larger(least)
        };
        (probability_grad(s, y), h)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: BinaryCrossEntropy<true> = BinaryCrossEntropy;
    const NONE: Extras<f64> = [0.0; 4];

    #[test]
    fn finite_far_out_and_exact_there() {
        assert_eq!(LOGITS.value_grad(1000.0, 1.0, &NONE), (0.0, 0.0));
        assert_eq!(LOGITS.value_grad(-1000.0, 1.0, &NONE), (1000.0, -1.0));
        assert_eq!(LOGITS.value_grad(1000.0, 0.0, &NONE), (1000.0, 1.0));
        assert_eq!(LOGITS.value_grad(-1000.0f32, 0.5, &[0.0; 4]), (500.0, -0.5));
    }

    #[test]
    fn gradient_keeps_relative_precision_near_the_label() {
        let (_, g) = LOGITS.value_grad(30.0f32, 1.0, &[0.0; 4]);
        let truth = -(-30.0f64).exp() / (1.0 + (-30.0f64).exp());
        assert!((f64::from(g) / truth - 1.0).abs() < 3e-7, "{g} against {truth}");
    }

    #[test]
    fn probability_form_is_the_same_loss() {
        let loss = BinaryCrossEntropy::<false>;
        for s in [-4.0f64, -0.3, 0.0, 2.5] {
            for y in [0.0, 0.25, 1.0] {
                let p = 1.0 / (1.0 + (-s).exp());
                let (value, grad) = loss.value_grad(p, y, &NONE);
                let (expected, slope) = LOGITS.value_grad(s, y, &NONE);
                assert!((value - expected).abs() < 1e-14);
                assert!((grad * p * (1.0 - p) - slope).abs() < 1e-14, "chain rule");
            }
        }
        assert_eq!(loss.value(0.0, 1.0, &NONE), 100.0);
        assert_eq!(loss.value(0.0, 0.0, &NONE), 0.0);
    }
}
