//! Squared error.

use super::lane::Lane;
use super::traits::{Domain, Extras, Hessian, PointLoss};

/// (s − y)²; its boosting form is half of it, so that gradient and hessian are e and 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SquaredError;

impl PointLoss for SquaredError {
    const CHEAP: bool = true;

    #[inline(always)]
    fn targets(&self) -> Domain {
        Domain::Real
    }

    #[inline(always)]
    fn value<V: Lane>(&self, s: V, y: V, _: &Extras<V>) -> V {
        let e = s - y;
        e * e
    }

    #[inline(always)]
    fn value_grad<V: Lane>(&self, s: V, y: V, _: &Extras<V>) -> (V, V) {
        let e = s - y;
        (e * e, e + e)
    }

    #[inline(always)]
    fn grad_hess<V: Lane>(&self, s: V, y: V, _: &Extras<V>, _: Hessian) -> (V, V) {
        (s - y, V::ONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_is_the_square_and_boosting_takes_half() {
        assert_eq!(SquaredError.value_grad(3.0, 1.0, &[0.0; 4]), (4.0, 4.0));
        assert_eq!(SquaredError.grad_hess(3.0f32, 1.0, &[0.0; 4], Hessian::Boosting), (2.0, 1.0));
    }
}
