//! LambdaRank: pairs weigh what exchanging them would do to NDCG.

use super::cpu::widest;
use super::float::Float;
use super::gain::{Gain, discounts};
use super::lane::Lane;
use super::pairs::{Ordered, PairRoom, PairWeight, Pairs, all, pad};
use super::pairwise_logistic::above_zero;
use super::sorter::Sorter;
use super::traits::{Domain, Group, GroupLoss, Hessian, Term};
use crate::error::{Error, Result};

/// Σ |ΔNDCG_ij|·softplus(−k(s_i − s_j)) over the pairs with y_i > y_j. ΔNDCG is taken at the current ranking, by score
/// with ties in the caller's order, and held fixed by the derivative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LambdaRank {
    /// k, above 0.
    pub sharpness: f64,
    /// NDCG at this rank; none for all ranks.
    pub truncation: Option<usize>,
    /// From target to gain.
    pub gain: Gain,
    /// Whether a pair is divided by 0.01 + |s_i − s_j| (unless all scores are equal) and the group multiplied by
    /// log2(1 + Λ)/Λ, with Λ the sum of its absolute slopes; both held fixed by the derivative.
    pub normalize: bool,
}

/// Kept from group to group.
#[derive(Default)]
pub struct LambdaScratch<F> {
    ordered: Ordered,
    ranking: Vec<u32>,
    gains: Vec<f64>,
    discounts: Vec<f64>,
    z: Vec<F>,
    gain: Vec<F>,
    discount: Vec<F>,
    /// The discount each row has now.
    current: Vec<f64>,
    sorter: Sorter,
    room: PairRoom<F>,
}

/// |gain_i − gain_j|·|discount_i − discount_j|, gains over the ideal DCG; with `REGULAR` over 0.01 + gap/k.
#[derive(Clone, Copy)]
struct Delta<'a, F, const REGULAR: bool> {
    gain: &'a [F],
    discount: &'a [F],
    over_sharpness: F,
    least: F,
}

impl<F: Float, const REGULAR: bool> PairWeight<F> for Delta<'_, F, REGULAR> {
    #[inline(always)]
    fn of<V: Lane<Scalar = F>>(self, i: usize, j: usize, gap: V) -> V {
        let gain = (all::<V>(self.gain[i]) - V::load(&self.gain[j..])).abs();
        let delta = gain * (all::<V>(self.discount[i]) - V::load(&self.discount[j..])).abs();
        if REGULAR { delta / gap.mul_add(all(self.over_sharpness), all(self.least)) } else { delta }
    }
}

impl LambdaRank {
    fn run<F: Float>(
        &self,
        group: &Group<'_, F>,
        gradient: &mut [f64],
        hessian: Option<&mut [f64]>,
        scratch: &mut LambdaScratch<F>,
    ) -> Option<Term> {
        let LambdaScratch { ordered, ranking, gains, discounts: d, z, gain, discount, current, sorter, room } = scratch;
        let m = group.len();
        ordered.fill(group.y);
        if ordered.pairs() == 0 {
            return None;
        }
        self.gain.fill(group.y, gains);
        discounts(m, self.truncation, d);
        let ideal: f64 = ordered.rows.iter().zip(&*d).map(|(&row, d)| gains[row as usize] * d).sum();
        if ideal <= 0.0 {
            return None;
        }
        let k = F::of(self.sharpness);
        sorter.descending(group.s, ranking);
        current.resize(m, 0.0);
        for (rank, &row) in ranking.iter().enumerate() {
            current[row as usize] = d[rank];
        }
        z.clear();
        gain.clear();
        discount.clear();
        for &row in &ordered.rows {
            let row = row as usize;
            z.push(k * group.s[row]);
            gain.push(F::of(gains[row] / ideal));
            discount.push(F::of(current[row]));
        }
        pad(z, F::of(f64::NEG_INFINITY));
        pad(gain, F::ZERO);
        pad(discount, F::ZERO);
        let regular = self.normalize && group.s.iter().any(|&s| s != group.s[0]);
        let (over_sharpness, least) = (F::of(1.0 / self.sharpness), F::of(0.01));
        let (gain, discount, below) = (&gain[..], &discount[..], &ordered.below[..]);
        let (mut sum, slopes) = if regular {
            let weight = Delta::<F, true> { gain, discount, over_sharpness, least };
            widest(Pairs { z, below, weight, room })
        } else {
            let weight = Delta::<F, false> { gain, discount, over_sharpness, least };
            widest(Pairs { z, below, weight, room })
        };
        let mut scale = self.sharpness;
        if self.normalize {
            // Both slopes of a pair.
            let lambdas = 2.0 * self.sharpness * slopes;
            if lambdas > 0.0 {
                let norm = lambdas.ln_1p() / std::f64::consts::LN_2 / lambdas;
                scale *= norm;
                sum *= norm;
            }
        }
        for (place, &row) in ordered.rows.iter().enumerate() {
            gradient[row as usize] = scale * room.slope[place];
        }
        if let Some(hessian) = hessian {
            for (place, &row) in ordered.rows.iter().enumerate() {
                hessian[row as usize] = scale * self.sharpness * room.curve[place];
            }
        }
        Some(Term::once(sum))
    }
}

impl GroupLoss for LambdaRank {
    type Scratch<F: Float> = LambdaScratch<F>;
    const PAIRS: bool = true;

    fn check(&self) -> Result<()> {
        if self.truncation == Some(0) {
            let hint = "pass at least 1, or None for all ranks".into();
            return Err(Error::Parameter { name: "truncation".into(), value: "0".into(), hint });
        }
        above_zero("sharpness", self.sharpness)
    }

    fn targets(&self) -> Domain {
        self.gain.targets()
    }

    fn value_grad<F: Float>(
        &self,
        group: &Group<'_, F>,
        gradient: &mut [f64],
        scratch: &mut LambdaScratch<F>,
    ) -> Option<Term> {
        self.run(group, gradient, None, scratch)
    }

    fn grad_hess<F: Float>(
        &self,
        group: &Group<'_, F>,
        _: Hessian,
        gradient: &mut [f64],
        hessian: &mut [f64],
        scratch: &mut LambdaScratch<F>,
    ) -> Option<Term> {
        self.run(group, gradient, Some(hessian), scratch)
    }
}
