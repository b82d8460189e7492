//! Maximum drawdown, and Calmar's ratio of mean return to it.

use super::pairwise_logistic::above_zero;
use super::profit::weighted_sum;
use super::traits::{Returns, SeriesLoss};
use crate::error::Result;

/// max_t 1 − W_t/peak_t, W = ∏(1 + r) or 1 + Σr, peaks from W_0 = 1 on. A date of weight w counts w times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaxDrawdown {
    /// Whether returns are reinvested.
    pub compounding: bool,
}

/// −A·m/(MDD + eps), compounding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calmar {
    /// A.
    pub periods_per_year: f64,
    /// Keeps the ratio finite.
    pub eps: f64,
}

/// The deepest fall: of all equal ones the first, from the first of equal peaks.
#[derive(Clone, Copy)]
struct Fall {
    /// 1 − W/peak.
    depth: f64,
    /// The peak.
    top: f64,
    /// Returns before the peak, that of the peak included.
    from: usize,
    /// Returns up to the trough, its own included.
    to: usize,
}

const NO_FALL: Fall = Fall { depth: 0.0, top: 1.0, from: 0, to: 0 };

/// Wealth relative to its peak, which overflows for no length of series.
fn compounded(returns: &Returns<'_>) -> Fall {
    let (mut worst, mut ratio, mut peak) = (NO_FALL, 1.0, 0);
    for (t, (&r, &w)) in returns.r.iter().zip(returns.w).enumerate() {
        // Weights of 1 are the rule, and exact.
        ratio *= if w == 1.0 { 1.0 + r } else { (w * r.ln_1p()).exp() };
        if ratio > 1.0 {
            (ratio, peak) = (1.0, t + 1);
        }
        if 1.0 - ratio > worst.depth {
            worst = Fall { depth: 1.0 - ratio, top: 1.0, from: peak, to: t + 1 };
        }
    }
    worst
}

fn added(returns: &Returns<'_>) -> Fall {
    let (mut worst, mut wealth, mut top, mut peak) = (NO_FALL, 1.0, 1.0, 0);
    for (t, (r, w)) in returns.r.iter().zip(returns.w).enumerate() {
        wealth += w * r;
        if wealth > top {
            (top, peak) = (wealth, t + 1);
        }
        let depth = 1.0 - wealth / top;
        if depth > worst.depth {
            worst = Fall { depth, top, from: peak, to: t + 1 };
        }
    }
    worst
}

impl SeriesLoss for MaxDrawdown {
    fn refuses_ruin(&self) -> bool {
        self.compounding
    }

    fn value_grad(&self, returns: &Returns<'_>, slope: &mut [f64]) -> f64 {
        slope.fill(0.0);
        let fall = if self.compounding { compounded(returns) } else { added(returns) };
        let rows = slope.iter_mut().zip(returns.r.iter().zip(returns.w)).enumerate().take(fall.to);
        for (t, (slope, (r, w))) in rows {
            *slope = match (self.compounding, t < fall.from) {
                (true, true) => 0.0,
                (true, false) => -(1.0 - fall.depth) * w / (1.0 + r),
                // A higher peak makes the same fall a smaller part of it.
                (false, true) => -fall.depth * w / fall.top,
                (false, false) => -w / fall.top,
            };
        }
        fall.depth
    }
}

impl SeriesLoss for Calmar {
    fn check(&self) -> Result<()> {
        above_zero("periods_per_year", self.periods_per_year)?;
        above_zero("eps", self.eps)
    }

    fn refuses_ruin(&self) -> bool {
        true
    }

    fn value_grad(&self, returns: &Returns<'_>, slope: &mut [f64]) -> f64 {
        let depth = MaxDrawdown { compounding: true }.value_grad(returns, slope);
        let mean = weighted_sum(returns) / returns.weight;
        let (annual, over) = (self.periods_per_year, 1.0 / (depth + self.eps));
        for (slope, w) in slope.iter_mut().zip(returns.w) {
            *slope = -annual * over * (w / returns.weight - mean * over * *slope);
        }
        -annual * mean * over
    }
}
