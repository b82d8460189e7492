//! Gains and discounts of NDCG.

use super::traits::Domain;

/// What a target is worth at the top of a ranking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gain {
    /// 2^y − 1, for graded relevances.
    Exp2,
    /// y; where a group has negative targets, y minus the least of them, so that no gain is negative.
    Linear,
}

impl Gain {
    pub(super) fn targets(self) -> Domain {
        match self {
            Self::Exp2 => Domain::Relevance,
            Self::Linear => Domain::Real,
        }
    }

    /// The gains of a group.
    pub(super) fn fill(self, y: &[f64], gains: &mut Vec<f64>) {
        gains.clear();
        match self {
            Self::Exp2 => gains.extend(y.iter().map(|y| y.exp2() - 1.0)),
            Self::Linear => {
                let least = y.iter().fold(0.0f64, |least, &y| least.min(y));
                gains.extend(y.iter().map(|y| y - least));
            }
        }
    }
}

/// The discount 1/log2(1 + rank) of ranks 1, 2, …; 0 behind `truncation`.
pub(super) fn discounts(len: usize, truncation: Option<usize>, discounts: &mut Vec<f64>) {
    let kept = truncation.unwrap_or(len).min(len);
    discounts.clear();
    discounts.extend((0..len).map(|rank| if rank < kept { 1.0 / (rank as f64 + 2.0).log2() } else { 0.0 }));
}
