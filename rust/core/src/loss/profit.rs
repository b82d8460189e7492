//! Average profit.

use super::traits::{Returns, SeriesLoss};

/// −mean r.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Profit;

/// Σw·r.
pub(super) fn weighted_sum(returns: &Returns<'_>) -> f64 {
    returns.r.iter().zip(returns.w).map(|(r, w)| w * r).sum()
}

impl SeriesLoss for Profit {
    const ADDITIVE: bool = true;

    fn value_grad(&self, returns: &Returns<'_>, slope: &mut [f64]) -> f64 {
        for (slope, w) in slope.iter_mut().zip(returns.w) {
            *slope = -w / returns.divisor;
        }
        -weighted_sum(returns) / returns.divisor
    }
}
