//! Differential Sharpe ratio.

use super::sharpe::finite;
use super::traits::{Returns, SeriesLoss};
use crate::error::{Error, Result};

/// −mean D_t, D_t = (B·ΔA − A·ΔB/2)/(B − A²)^1.5 with ΔA = r − A, ΔB = r² − B and A, B the moving averages of r and r²
/// up to the date before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DifferentialSharpe {
    /// The rate of the averages, above 0 and at most 1.
    pub eta: f64,
    /// Whether the gradient also goes through the averages; else they are taken as given, as for online learning.
    pub full_gradient: bool,
    /// A before the first date.
    pub initial_mean: f64,
    /// B before the first date.
    pub initial_square: f64,
}

/// B − A² up to which a term is 0.
const LEAST_VARIANCE: f64 = 1e-12;

/// One term and its derivatives by r, A and B.
#[derive(Clone, Copy, Default)]
struct Step {
    value: f64,
    by_r: f64,
    by_a: f64,
    by_b: f64,
}

impl Step {
    fn new(a: f64, b: f64, r: f64) -> Self {
        let variance = b - a * a;
        if variance <= LEAST_VARIANCE {
            return Self::default();
        }
        let over = variance.powf(-1.5);
        let top = b * (r - a) - 0.5 * a * (r * r - b);
        Self {
            value: top * over,
            by_r: (b - a * r) * over,
            by_a: over * (-0.5 * b - 0.5 * r * r + 3.0 * a * top / variance),
            by_b: over * (r - 0.5 * a - 1.5 * top / variance),
        }
    }
}

impl SeriesLoss for DifferentialSharpe {
    const ADDITIVE: bool = true;

    fn check(&self) -> Result<()> {
        if !(self.eta > 0.0 && self.eta <= 1.0) {
            let hint = "a rate is above 0 and at most 1".into();
            return Err(Error::Parameter { name: "eta".into(), value: self.eta.to_string(), hint });
        }
        finite("initial_mean", self.initial_mean)?;
        finite("initial_square", self.initial_square)
    }

    fn value_grad(&self, returns: &Returns<'_>, slope: &mut [f64]) -> f64 {
        let (mut a, mut b, mut sum) = (self.initial_mean, self.initial_square, 0.0);
        let mut steps = Vec::with_capacity(if self.full_gradient { slope.len() } else { 0 });
        for (slope, (&r, &w)) in slope.iter_mut().zip(returns.r.iter().zip(returns.w)) {
            let step = Step::new(a, b, r);
            sum += w * step.value;
            *slope = -w * step.by_r / returns.divisor;
            if self.full_gradient {
                steps.push((w * step.by_a, w * step.by_b));
            }
            a += self.eta * (r - a);
            b += self.eta * (r * r - b);
        }
        // From the last date back: what all later terms gain from this date's averages.
        let (mut later_a, mut later_b) = (0.0, 0.0);
        for ((slope, &r), (by_a, by_b)) in slope.iter_mut().zip(returns.r).zip(&steps).rev() {
            *slope -= self.eta * (later_a + 2.0 * r * later_b) / returns.divisor;
            later_a = (1.0 - self.eta) * later_a + by_a;
            later_b = (1.0 - self.eta) * later_b + by_b;
        }
        -sum / returns.divisor
    }
}
