//! Pairwise hinge loss in O(m log m).

use super::float::Float;
use super::pairs::Ordered;
use super::pairwise_logistic::{Average, PairGap, above_zero, averaged, pair_mass};
use super::sorter::Sorter;
use super::traits::{Group, GroupLoss, Hessian, Term};
use crate::error::Result;

/// max(0, margin − (s_i − s_j)) of the pairs with y_i > y_j; a pair has weight w_i·w_j. Where margin and difference are
/// equal the subgradient is 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairwiseHinge {
    /// How far apart a pair should be; above 0.
    pub margin: f64,
    /// How pairs are averaged.
    pub average: Average,
    /// What a pair weighs.
    pub pair_weight: PairGap,
}

/// Kept from group to group.
#[derive(Default)]
pub struct HingeScratch {
    ordered: Ordered,
    by_score: Vec<u32>,
    sorter: Sorter,
    /// Ascending.
    score: Vec<f64>,
    rank: Vec<u32>,
    tree: Tree,
}

/// Σq, Σq·s, Σq·y and Σq·s·y of rows.
type Moments = [f64; 4];

/// Sums of moments over ranks up to a given one, which only ever grow: a Fenwick tree.
#[derive(Default)]
struct Tree(Vec<Moments>);

impl Tree {
    fn clear(&mut self, len: usize) {
        self.0.clear();
        self.0.resize(len + 1, [0.0; 4]);
    }

    fn add(&mut self, rank: usize, moments: Moments) {
        let mut at = rank + 1;
        while at < self.0.len() {
            for (sum, value) in self.0[at].iter_mut().zip(moments) {
                *sum += value;
            }
            at += at & at.wrapping_neg();
        }
    }

    /// Over the first `ranks` ranks.
    fn sum(&self, ranks: usize) -> Moments {
        let (mut at, mut sum) = (ranks, [0.0; 4]);
        while at > 0 {
            for (sum, value) in sum.iter_mut().zip(self.0[at]) {
                *sum += value;
            }
            at -= at & at.wrapping_neg();
        }
        sum
    }
}

impl PairwiseHinge {
    fn run<F: Float>(
        &self,
        group: &Group<'_, F>,
        gradient: &mut [f64],
        mut hessian: Option<&mut [f64]>,
        scratch: &mut HingeScratch,
    ) -> Option<Term> {
        let HingeScratch { ordered, by_score, sorter, score, rank, tree } = scratch;
        let m = group.len();
        ordered.fill(group.y);
        let mass = pair_mass(ordered, group);
        if mass.0 == 0.0 {
            return None;
        }
        sorter.ascending(group.s, by_score);
        // Scores and targets from the middle of the group: what cancels in the moments stays small.
        let middle = group.s[by_score[m / 2] as usize].wide();
        let centre = group.y[ordered.rows[m / 2] as usize];
        score.clear();
        score.extend(by_score.iter().map(|&row| group.s[row as usize].wide()));
        rank.resize(m, 0);
        for (at, &row) in by_score.iter().enumerate() {
            rank[row as usize] = at as u32;
        }
        let moments = |row: usize| {
            let (q, s, y) = (group.weight(row), group.s[row].wide() - middle, group.y[row] - centre);
            [q, q * s, q * y, q * s * y]
        };
        // From the largest target down: the rows above j that are not a margin better are the first `active` ranks.
        let mut sum = 0.0;
        tree.clear(m);
        let mut open = 0;
        for place in 0..m {
            // Ties enter once all of them have been asked for.
            if ordered.below[open] <= place {
                for &row in &ordered.rows[open..place] {
                    tree.add(rank[row as usize] as usize, moments(row as usize));
                }
                open = place;
            }
            let row = ordered.rows[place] as usize;
            let at = group.s[row].wide();
            let active = score.partition_point(|&s| self.margin - (s - at) > 0.0);
            let [q, qs, qy, qsy] = tree.sum(active);
            let (w, s, y) = (group.weight(row), at - middle, group.y[row] - centre);
            let room = self.margin + s;
            let (pairs, loss) = match self.pair_weight {
                PairGap::None => (q, room * q - qs),
                PairGap::Target => (qy - y * q, room * (qy - y * q) - (qsy - y * qs)),
            };
            sum += w * loss;
            gradient[row] = w * pairs;
        }
        if let Some(hessian) = &mut hessian {
            hessian.copy_from_slice(gradient);
        }
        // From the least target up: the rows below i that are not a margin worse are the ranks from `first` on.
        tree.clear(m);
        let mut open = m;
        for place in (0..m).rev() {
            let below = ordered.below[place];
            if below < open {
                for &row in &ordered.rows[below..open] {
                    // From the other end, so that a sum from a rank on is one over the first ranks.
                    tree.add(m - 1 - rank[row as usize] as usize, moments(row as usize));
                }
                open = below;
            }
            let row = ordered.rows[place] as usize;
            let at = group.s[row].wide();
            let first = score.partition_point(|&s| self.margin - (at - s) <= 0.0);
            let [q, _, qy, _] = tree.sum(m - first);
            let pairs = match self.pair_weight {
                PairGap::None => q,
                PairGap::Target => (group.y[row] - centre) * q - qy,
            };
            gradient[row] -= group.weight(row) * pairs;
            if let Some(hessian) = &mut hessian {
                hessian[row] += group.weight(row) * pairs;
            }
        }
        let (term, scale) = averaged(self.average, sum, mass);
        for slope in gradient {
            *slope *= scale;
        }
        if let Some(hessian) = hessian {
            for h in hessian {
                *h *= scale;
            }
        }
        Some(term)
    }
}

impl GroupLoss for PairwiseHinge {
    type Scratch<F: Float> = HingeScratch;
    const ROW_WEIGHTS: bool = true;

    fn check(&self) -> Result<()> {
        above_zero("margin", self.margin)
    }

    fn value_grad<F: Float>(
        &self,
        group: &Group<'_, F>,
        gradient: &mut [f64],
        scratch: &mut HingeScratch,
    ) -> Option<Term> {
        self.run(group, gradient, None, scratch)
    }

    /// The hessian is the weight of the active pairs of a row.
    fn grad_hess<F: Float>(
        &self,
        group: &Group<'_, F>,
        _: Hessian,
        gradient: &mut [f64],
        hessian: &mut [f64],
        scratch: &mut HingeScratch,
    ) -> Option<Term> {
        self.run(group, gradient, Some(hessian), scratch)
    }
}
