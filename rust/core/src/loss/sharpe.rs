//! Sharpe and Sortino ratios.

use super::pairwise_logistic::above_zero;
use super::profit::weighted_sum;
use super::traits::{Returns, SeriesLoss};
use crate::error::{Error, Result};

/// −√A·(m − risk free)/(sd + eps), A periods a year. With weights m and sd² are weighted means, sd² times
/// T/(T − ddof), T the returns of positive weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sharpe {
    /// A.
    pub periods_per_year: f64,
    /// Per period.
    pub risk_free: f64,
    /// 0 or 1, as a rule.
    pub ddof: usize,
    /// Keeps the ratio finite.
    pub eps: f64,
}

/// −√A·(m − target)/(dd + eps) with dd = √(mean min(r − target, 0)²).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sortino {
    /// A.
    pub periods_per_year: f64,
    /// Per period.
    pub target: f64,
    /// Keeps the ratio finite.
    pub eps: f64,
}

/// A number that is finite.
pub(super) fn finite(name: &str, value: f64) -> Result<()> {
    if value.is_finite() {
        return Ok(());
    }
    Err(Error::Parameter { name: name.into(), value: value.to_string(), hint: "pass a finite number".into() })
}

/// Mean, standard deviation and T/(T − ddof). A deviation that is rounding alone is 0.
fn moments(returns: &Returns<'_>, ddof: usize) -> (f64, f64, f64) {
    let count = returns.w.iter().filter(|&&w| w > 0.0).count();
    let factor = count as f64 / (count as f64 - ddof as f64);
    let mean = weighted_sum(returns) / returns.weight;
    let rows = || returns.r.iter().zip(returns.w);
    let variance = rows().map(|(r, w)| w * (r - mean) * (r - mean)).sum::<f64>() / returns.weight * factor;
    let largest = rows().filter(|(_, w)| **w > 0.0).fold(0.0f64, |top, (r, _)| top.max(r.abs()));
    let sd = variance.sqrt();
    (mean, if sd <= 1e-14 * largest { 0.0 } else { sd }, factor)
}

impl Sharpe {
    fn over(&self, sd: f64) -> f64 {
        1.0 / (sd + self.eps)
    }
}

impl SeriesLoss for Sharpe {
    fn check(&self) -> Result<()> {
        above_zero("periods_per_year", self.periods_per_year)?;
        finite("risk_free", self.risk_free)?;
        above_zero("eps", self.eps)
    }

    fn least(&self) -> usize {
        2.max(self.ddof + 1)
    }

    fn value_grad(&self, returns: &Returns<'_>, slope: &mut [f64]) -> f64 {
        let (mean, sd, factor) = moments(returns, self.ddof);
        let (root, over, excess) = (self.periods_per_year.sqrt(), self.over(sd), mean - self.risk_free);
        let spread = if sd == 0.0 { 0.0 } else { excess * over * over * factor / sd };
        for (slope, (r, w)) in slope.iter_mut().zip(returns.r.iter().zip(returns.w)) {
            *slope = -root * w / returns.weight * (over - spread * (r - mean));
        }
        -root * excess * over
    }

    /// The part of Gauss and Newton: A/(T·(sd + eps)²).
    fn curvature(&self, returns: &Returns<'_>, curvature: &mut [f64]) -> bool {
        let over = self.over(moments(returns, self.ddof).1);
        for (h, w) in curvature.iter_mut().zip(returns.w) {
            *h = self.periods_per_year * over * over * w / returns.weight;
        }
        true
    }
}

impl SeriesLoss for Sortino {
    fn check(&self) -> Result<()> {
        above_zero("periods_per_year", self.periods_per_year)?;
        finite("target", self.target)?;
        above_zero("eps", self.eps)
    }

    fn value_grad(&self, returns: &Returns<'_>, slope: &mut [f64]) -> f64 {
        let rows = || returns.r.iter().zip(returns.w);
        let short = |r: f64| (r - self.target).min(0.0);
        let square = rows().map(|(&r, w)| w * short(r) * short(r)).sum::<f64>() / returns.weight;
        let (excess, dd) = (weighted_sum(returns) / returns.weight - self.target, square.sqrt());
        let (root, over) = (self.periods_per_year.sqrt(), 1.0 / (dd + self.eps));
        let spread = if dd == 0.0 { 0.0 } else { excess * over * over / dd };
        for (slope, (&r, w)) in slope.iter_mut().zip(rows()) {
            *slope = -root * w / returns.weight * (over - spread * short(r));
        }
        -root * excess * over
    }
}
