//! ApproxNDCG: NDCG with soft ranks.

use super::cpu::widest;
use super::float::Float;
use super::gain::{Gain, discounts};
use super::pairwise_logistic::above_zero;
use super::soft_rank::{Ahead, PullBack};
use super::sorter::Sorter;
use super::traits::{Domain, Group, GroupLoss, Term};
use crate::error::Result;

/// −Σ gain_i / log2(1 + rank_i) / IDCG with rank_i = 1 + Σ_{j≠i} sigmoid((s_j − s_i)/T).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ApproxNdcg {
    /// T, above 0; at 0 ranks would be hard.
    pub temperature: f64,
    /// From target to gain.
    pub gain: Gain,
}

/// Kept from group to group.
#[derive(Default)]
pub struct SoftScratch<F> {
    pub(super) z: Vec<F>,
    pub(super) slope: Vec<F>,
    pub(super) spare: Vec<F>,
    pub(super) ahead: Vec<f64>,
    pub(super) rows: Vec<u32>,
    pub(super) sorter: Sorter,
    pub(super) gains: Vec<f64>,
    pub(super) discounts: Vec<f64>,
}

impl<F: Float> SoftScratch<F> {
    /// Σ_{j≠i} sigmoid((s_j − s_i)/T) into `ahead`.
    pub(super) fn rank(&mut self, s: &[F], temperature: f64) {
        let over = F::of(1.0 / temperature);
        self.z.clear();
        self.z.extend(s.iter().map(|&s| s * over));
        self.spare.resize(s.len(), F::ZERO);
        self.ahead.resize(s.len(), 0.0);
        widest(Ahead { z: &self.z, ahead: &mut self.ahead, spare: &mut self.spare });
    }

    /// The derivative by the scores from that by `ahead`, which `slope` holds.
    pub(super) fn pull_back(&mut self, temperature: f64, gradient: &mut [f64]) {
        widest(PullBack { z: &self.z, slope: &self.slope, out: gradient, spare: &mut self.spare });
        for slope in gradient {
            *slope /= temperature;
        }
    }
}

impl ApproxNdcg {
    /// The value, with the slopes by the soft ranks left in the scratch.
    fn rank<F: Float>(&self, group: &Group<'_, F>, scratch: &mut SoftScratch<F>) -> Option<Term> {
        let m = group.len();
        if group.y.iter().all(|&y| y == group.y[0]) {
            return None;
        }
        self.gain.fill(group.y, &mut scratch.gains);
        scratch.sorter.descending(group.y, &mut scratch.rows);
        discounts(m, None, &mut scratch.discounts);
        let SoftScratch { rows, gains, discounts, .. } = scratch;
        let ideal: f64 = rows.iter().zip(&*discounts).map(|(&row, d)| gains[row as usize] * d).sum();
        scratch.rank(group.s, self.temperature);
        let mut value = 0.0;
        let SoftScratch { slope, ahead, gains, .. } = scratch;
        slope.clear();
        for (gain, ahead) in gains.iter().zip(&*ahead) {
            let log = (2.0 + ahead).log2();
            let share = gain / ideal;
            value -= share / log;
            slope.push(F::of(share / (log * log * (2.0 + ahead) * std::f64::consts::LN_2)));
        }
        Some(Term::once(value))
    }
}

impl GroupLoss for ApproxNdcg {
    type Scratch<F: Float> = SoftScratch<F>;
    const PAIRS: bool = true;

    fn check(&self) -> Result<()> {
        above_zero("temperature", self.temperature)
    }

    fn targets(&self) -> Domain {
        self.gain.targets()
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
