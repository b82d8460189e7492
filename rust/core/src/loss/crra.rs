//! Utility of constant relative risk aversion.

use super::traits::{Returns, SeriesLoss};
use crate::error::{Error, Result};

/// −mean ((1 + r)^(1 − γ) − 1)/(1 − γ), the logarithm at γ = 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crra {
    /// Risk aversion, not negative; 0 is average profit.
    pub gamma: f64,
}

impl SeriesLoss for Crra {
    const ADDITIVE: bool = true;

    fn check(&self) -> Result<()> {
        if self.gamma >= 0.0 && self.gamma.is_finite() {
            return Ok(());
        }
        let hint = "risk aversion is finite and not negative; 1 is log utility".into();
        Err(Error::Parameter { name: "gamma".into(), value: self.gamma.to_string(), hint })
    }

    fn refuses_ruin(&self) -> bool {
        true
    }

    fn value_grad(&self, returns: &Returns<'_>, slope: &mut [f64]) -> f64 {
        let (power, mut sum) = (1.0 - self.gamma, 0.0);
        for (slope, (r, w)) in slope.iter_mut().zip(returns.r.iter().zip(returns.w)) {
            let log = r.ln_1p();
            sum += w * if power == 0.0 { log } else { (power * log).exp_m1() / power };
            *slope = -w * (-self.gamma * log).exp() / returns.divisor;
        }
        -sum / returns.divisor
    }

    fn curvature(&self, returns: &Returns<'_>, curvature: &mut [f64]) -> bool {
        for (h, (r, w)) in curvature.iter_mut().zip(returns.r.iter().zip(returns.w)) {
            *h = w * self.gamma * ((-self.gamma - 1.0) * r.ln_1p()).exp() / returns.divisor;
        }
        true
    }
}
