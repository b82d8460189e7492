//! Losses that weigh the four outcomes of a decision by what they cost.

use super::lane::Lane;
use super::logistic::Logistic;
use super::traits::{Domain, Extras, Hessian, PointLoss, refuse};
use super::weighted_bce::{two_sided, two_sided_hess};
use crate::error::Result;

/// What a false positive, a false negative, a true positive and a true negative cost.
pub type Costs = [f64; 4];

/// With `LOG`, `y·c_fn·log(1 + e^−s) + (1 − y)·c_fp·log(1 + e^s)`; else the expected cost
/// `y·(q·c_fn + p·c_tp) + (1 − y)·(p·c_fp + q·c_tn)`, with p = sigmoid(s) and q = 1 − p.
///
/// With `PER_ROW` the costs are the four arguments of a row, in the order of [`Costs`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CostSensitive<const LOG: bool, const PER_ROW: bool> {
    /// Costs of every row, where they are not per row.
    pub costs: Costs,
}

impl<const LOG: bool, const PER_ROW: bool> CostSensitive<LOG, PER_ROW> {
    #[inline(always)]
    fn costs<V: Lane>(&self, x: &Extras<V>) -> [V; 4] {
        let [c_fp, c_fn, c_tp, c_tn] = self.costs;
        if PER_ROW { *x } else { [V::of(c_fp), V::of(c_fn), V::of(c_tp), V::of(c_tn)] }
    }
}

impl<const LOG: bool, const PER_ROW: bool> PointLoss for CostSensitive<LOG, PER_ROW> {
    const EXTRAS: usize = if PER_ROW { 4 } else { 0 };

    fn check(&self) -> Result<()> {
        let names = ["cost_fp", "cost_fn", "cost_tp", "cost_tn"];
        for (k, (name, cost)) in names.into_iter().zip(self.costs).enumerate() {
            if !cost.is_finite() || (LOG && k < 2 && cost < 0.0) {
                return refuse(name, cost, "pass a finite cost; in the log form an error costs at least 0");
            }
        }
        Ok(())
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
    fn value_grad<V: Lane>(&self, s: V, y: V, x: &Extras<V>) -> (V, V) {
        let logistic = Logistic::of(s);
        let [c_fp, c_fn, c_tp, c_tn] = self.costs(x);
        let rest = V::ONE - y;
        if LOG {
            return two_sided(logistic, y * c_fn, rest * c_fp);
        }
        let Logistic { p, q, .. } = logistic;
        let value = y * (q * c_fn + p * c_tp) + rest * (p * c_fp + q * c_tn);
        (value, p * q * (y * (c_tp - c_fn) + rest * (c_fp - c_tn)))
    }

    #[inline(always)]
    fn grad_hess<V: Lane>(&self, s: V, y: V, x: &Extras<V>, hessian: Hessian) -> (V, V) {
        let logistic = Logistic::of(s);
        let [c_fp, c_fn, c_tp, c_tn] = self.costs(x);
        let rest = V::ONE - y;
        if LOG {
            return two_sided_hess(logistic, y * c_fn, rest * c_fp);
        }
        let Logistic { p, q, .. } = logistic;
        let slope = p * q * (y * (c_tp - c_fn) + rest * (c_fp - c_tn));
        // The exact curvature changes its sign at s = 0.
        (slope, if hessian == Hessian::Exact { slope * (q - p) } else { slope.abs() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSTS: Costs = [2.0, 5.0, -1.0, 0.5];
    const NONE: Extras<f64> = [0.0; 4];

    #[test]
    fn expected_cost_of_each_outcome() {
        let loss = CostSensitive::<false, false> { costs: COSTS };
        assert_eq!(loss.value(1000.0, 0.0, &NONE), 2.0, "false positive");
        assert_eq!(loss.value(-1000.0, 1.0, &NONE), 5.0, "false negative");
        assert_eq!(loss.value(1000.0, 1.0, &NONE), -1.0, "true positive");
        assert_eq!(loss.value(-1000.0, 0.0, &NONE), 0.5, "true negative");
        assert_eq!(loss.value_grad(0.0, 1.0, &NONE), (2.0, -1.5));
        let per_row = CostSensitive::<false, true> { costs: [0.0; 4] };
        assert_eq!(per_row.value_grad(0.3, 0.25, &COSTS), loss.value_grad(0.3, 0.25, &NONE));
    }

    #[test]
    fn log_form_is_a_weighted_cross_entropy() {
        let loss = CostSensitive::<true, false> { costs: COSTS };
        let (value, slope) = loss.value_grad(0.0, 1.0, &NONE);
        assert!((value - 5.0 * std::f64::consts::LN_2).abs() < 1e-15);
        assert_eq!(slope, -2.5);
        assert!(CostSensitive::<true, false> { costs: [-1.0, 1.0, 0.0, 0.0] }.check().is_err());
        assert!(CostSensitive::<false, false> { costs: [-1.0, 1.0, 0.0, 0.0] }.check().is_ok());
    }
}
