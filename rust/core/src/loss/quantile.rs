//! Quantile (pinball) loss.

use super::lane::Lane;
use super::traits::{Domain, Extras, Hessian, PointLoss, refuse};
use crate::error::Result;

/// max(t·u, (t − 1)·u) with u = y − s and t the quantile; boosting is given a curvature of 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantile {
    /// Between 0 and 1.
    pub quantile: f64,
}

/// The same with several predictions a row, each with its own quantile: the one argument of a prediction, from
/// [`Batch::with_columns`](super::Batch::with_columns).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Quantiles;

/// At a tie any slope from −t to 1 − t would do; this is `LightGBM`'s.
#[inline(always)]
fn pinball<V: Lane>(s: V, y: V, t: V) -> (V, V) {
    let u = y - s;
    let below = t - V::ONE;
    ((t * u).larger(below * u), V::select(s.less(y), -t, -below))
}

/// Refuses what is no quantile.
pub fn check_quantile(quantile: f64) -> Result<()> {
    if quantile > 0.0 && quantile < 1.0 {
        return Ok(());
    }
    refuse("quantiles", quantile, "a quantile lies between 0 and 1, both excluded, such as 0.9")
}

impl PointLoss for Quantile {
    const CHEAP: bool = true;

    fn check(&self) -> Result<()> {
        check_quantile(self.quantile)
    }

    #[inline(always)]
    fn targets(&self) -> Domain {
        Domain::Real
    }

    #[inline(always)]
    fn value<V: Lane>(&self, s: V, y: V, _: &Extras<V>) -> V {
        pinball(s, y, V::of(self.quantile)).0
    }

    #[inline(always)]
    fn value_grad<V: Lane>(&self, s: V, y: V, _: &Extras<V>) -> (V, V) {
        pinball(s, y, V::of(self.quantile))
    }

    #[inline(always)]
    fn grad_hess<V: Lane>(&self, s: V, y: V, _: &Extras<V>, hessian: Hessian) -> (V, V) {
        (pinball(s, y, V::of(self.quantile)).1, if hessian == Hessian::Boosting { V::ONE } else { V::ZERO })
    }
}

impl PointLoss for Quantiles {
    const CHEAP: bool = true;
    const EXTRAS: usize = 1;

    #[inline(always)]
    fn targets(&self) -> Domain {
        Domain::Real
    }

    #[inline(always)]
    fn value<V: Lane>(&self, s: V, y: V, x: &Extras<V>) -> V {
        pinball(s, y, x[0]).0
    }

    #[inline(always)]
    fn value_grad<V: Lane>(&self, s: V, y: V, x: &Extras<V>) -> (V, V) {
        pinball(s, y, x[0])
    }

    #[inline(always)]
    fn grad_hess<V: Lane>(&self, s: V, y: V, x: &Extras<V>, hessian: Hessian) -> (V, V) {
        (pinball(s, y, x[0]).1, if hessian == Hessian::Boosting { V::ONE } else { V::ZERO })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_weigh_as_the_quantile_says() {
        let loss = Quantile { quantile: 0.75 };
        assert_eq!(loss.value_grad(1.0, 3.0, &[0.0; 4]), (1.5, -0.75));
        assert_eq!(loss.value_grad(3.0, 1.0, &[0.0; 4]), (0.5, 0.25));
        assert_eq!(loss.value_grad(3.0, 3.0, &[0.0; 4]), (0.0, 0.25));
        assert_eq!(loss.value_grad(1.0, 3.0, &[0.0; 4]), Quantiles.value_grad(1.0, 3.0, &[0.75, 0.0, 0.0, 0.0]));
    }

    #[test]
    fn a_quantile_lies_between_its_ends() {
        for bad in [0.0, 1.0, -0.5, f64::NAN] {
            assert!(check_quantile(bad).is_err());
        }
    }
}
