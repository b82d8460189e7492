//! Absolute error.

use super::lane::Lane;
use super::traits::{Domain, Extras, Hessian, PointLoss};

/// |s − y|, with gradient 0 at 0; boosting is given a curvature of 1, the true one being 0.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AbsoluteError;

impl PointLoss for AbsoluteError {
    const CHEAP: bool = true;

    #[inline(always)]
    fn targets(&self) -> Domain {
        Domain::Real
    }

    #[inline(always)]
    fn value<V: Lane>(&self, s: V, y: V, _: &Extras<V>) -> V {
        (s - y).abs()
    }

    #[inline(always)]
    fn value_grad<V: Lane>(&self, s: V, y: V, _: &Extras<V>) -> (V, V) {
        let e = s - y;
        (e.abs(), e.sign())
    }

    #[inline(always)]
    fn grad_hess<V: Lane>(&self, s: V, y: V, _: &Extras<V>, hessian: Hessian) -> (V, V) {
        ((s - y).sign(), if hessian == Hessian::Boosting { V::ONE } else { V::ZERO })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradient_is_a_sign_and_none_at_zero() {
        let x = [0.0; 4];
        assert_eq!(AbsoluteError.value_grad(3.0, 1.0, &x), (2.0, 1.0));
        assert_eq!(AbsoluteError.value_grad(1.0, 3.0, &x), (2.0, -1.0));
        assert_eq!(AbsoluteError.value_grad(1.0, 1.0, &x), (0.0, 0.0));
        assert_eq!(AbsoluteError.grad_hess(1.0, 3.0, &x, Hessian::Boosting), (-1.0, 1.0));
    }
}
