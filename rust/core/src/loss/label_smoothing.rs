//! Cross-entropy of labels that are not quite believed.

use super::bce::BinaryCrossEntropy;
use super::lane::Lane;
use super::traits::{Domain, Extras, Hessian, PointLoss, refuse};
use crate::error::Result;

/// Binary cross-entropy at the label y·(1 − epsilon) + epsilon/2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelSmoothing {
    /// The share of the label that is spread over both classes: 0 up to 1, 1 excluded.
    pub epsilon: f64,
}

const BCE: BinaryCrossEntropy<true> = BinaryCrossEntropy;

impl LabelSmoothing {
    #[inline(always)]
    fn smooth<V: Lane>(self, y: V) -> V {
        y * V::of(1.0 - self.epsilon) + V::of(self.epsilon / 2.0)
    }
}

impl PointLoss for LabelSmoothing {
    fn check(&self) -> Result<()> {
        if (0.0..1.0).contains(&self.epsilon) {
            return Ok(());
        }
        refuse("epsilon", self.epsilon, "pass a share of at least 0 and below 1, such as 0.1")
    }

    #[inline(always)]
    fn targets(&self) -> Domain {
        Domain::Unit
    }

    #[inline(always)]
    fn value<V: Lane>(&self, s: V, y: V, x: &Extras<V>) -> V {
        BCE.value(s, self.smooth(y), x)
    }

    #[inline(always)]
    fn value_grad<V: Lane>(&self, s: V, y: V, x: &Extras<V>) -> (V, V) {
        BCE.value_grad(s, self.smooth(y), x)
    }

    #[inline(always)]
    fn grad_hess<V: Lane>(&self, s: V, y: V, x: &Extras<V>, hessian: Hessian) -> (V, V) {
        BCE.grad_hess(s, self.smooth(y), x, hessian)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_move_towards_one_half() {
        let loss = LabelSmoothing { epsilon: 0.5 };
        let x = [0.0; 4];
        assert_eq!(loss.value_grad(0.4, 1.0, &x), BCE.value_grad(0.4, 0.75, &x));
        assert_eq!(loss.value_grad(0.4, 0.0, &x), BCE.value_grad(0.4, 0.25, &x));
        assert!(LabelSmoothing { epsilon: 1.0 }.check().is_err());
    }
}
