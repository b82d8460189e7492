//! Soft Spearman correlation: that of soft ranks and the ranks of the targets.

use super::approx_ndcg::SoftScratch;
use super::float::Float;
use super::ic::correlation;
use super::pairwise_logistic::above_zero;
use super::sorter::Sorter;
use super::traits::{Group, GroupLoss, Term};
use crate::error::Result;

/// −corr(softrank(s), rank(y)) with softrank_i = ½ + Σ_j sigmoid((s_i − s_j)/T), j = i included, and average ranks for
/// equal targets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoftSpearman {
    /// T, above 0; at 0 ranks would be hard.
    pub temperature: f64,
}

/// Ranks from 1 (the least) up; equal values share the mean of theirs.
fn average_ranks(y: &[f64], sorter: &mut Sorter, rows: &mut Vec<u32>, ranks: &mut Vec<f64>) {
    let m = y.len();
    sorter.descending(y, rows);
    ranks.resize(m, 0.0);
    let mut start = 0;
    while start < m {
        let value = y[rows[start] as usize];
        let stop = start + rows[start..].iter().take_while(|&&row| y[row as usize] == value).count();
        for &row in &rows[start..stop] {
            ranks[row as usize] = m as f64 - (start + stop - 1) as f64 / 2.0;
        }
        start = stop;
    }
}

impl SoftSpearman {
    #[allow(clippy::trivially_copy_pass_by_ref)]
    /// The value, with the slopes by Σ_{j≠i} sigmoid((s_j − s_i)/T) left in the scratch.
    fn rank<F: Float>(&self, group: &Group<'_, F>, scratch: &mut SoftScratch<F>) -> Option<Term> {
        let (s, y) = (group.s, group.y);
        if y.iter().all(|&v| v == y[0]) || s.iter().all(|&v| v == s[0]) {
            return None;
        }
        scratch.rank(s, self.temperature);
        average_ranks(y, &mut scratch.sorter, &mut scratch.rows, &mut scratch.gains);
        let SoftScratch { ahead, gains: ranks, slope, .. } = scratch;
        // The soft rank is m − ahead: the correlation has the other sign.
        let found = correlation(ahead, ranks, &[])?;
        slope.resize(s.len(), F::ZERO);
        found.slopes(-1.0, slope);
        Some(Term::once(found.value))
    }
}

impl GroupLoss for SoftSpearman {
    type Scratch<F: Float> = SoftScratch<F>;
    const PAIRS: bool = true;

    fn check(&self) -> Result<()> {
        above_zero("temperature", self.temperature)
    }

    fn value<F: Float>(&self, group: &Group<'_, F>, _: &mut [f64], scratch: &mut SoftScratch<F>) -> Option<Term> {
        self.rank(group, scratch)
    }

    fn value_grad<F: Float>(
        &self,
        group: &Group<'_, F>,
        gradient: &mut [f64],
        scratch: &mut SoftScratch<F>,
    ) -> Option<Term> {
        let term = self.rank(group, scratch)?;
        scratch.pull_back(self.temperature, gradient);
        Some(term)
    }
}
