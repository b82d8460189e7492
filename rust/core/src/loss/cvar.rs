//! Conditional value at risk.

use super::traits::{Returns, SeriesLoss};
use crate::error::{Error, Result};

/// The mean of the worst 1 − α of the losses −r, the one at the border in part; of equal losses the first come first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CVar {
    /// α, from 0 (the mean) to below 1.
    pub alpha: f64,
}

impl SeriesLoss for CVar {
    fn check(&self) -> Result<()> {
        if self.alpha >= 0.0 && self.alpha < 1.0 {
            return Ok(());
        }
        let hint = "pass at least 0 and less than 1, such as 0.95 for the worst 5 %".into();
        Err(Error::Parameter { name: "alpha".into(), value: self.alpha.to_string(), hint })
    }

    fn value_grad(&self, returns: &Returns<'_>, slope: &mut [f64]) -> f64 {
        let (r, w) = (returns.r, returns.w);
        let tail = (1.0 - self.alpha) * returns.weight;
        let mut rows: Vec<u32> = (0..r.len() as u32).collect();
        let worse = |a: &u32, b: &u32| r[*a as usize].total_cmp(&r[*b as usize]).then(a.cmp(b));
        // With equal weights all that matters lies before the border: it is selected, not sorted.
        let border = (tail / w[0]).ceil() as usize;
        if w.iter().all(|&v| v == w[0]) && border < rows.len() {
            rows.select_nth_unstable_by(border, worse);
            rows.truncate(border + 1);
        }
        rows.sort_unstable_by(worse);
        slope.fill(0.0);
        let (mut room, mut sum) = (tail, 0.0);
        for &row in &rows {
            let row = row as usize;
            let taken = w[row].min(room);
            if taken <= 0.0 && room <= 0.0 {
                break;
            }
            sum -= taken * r[row];
            slope[row] = -taken / tail;
            room -= taken;
        }
        sum / tail
    }
}
