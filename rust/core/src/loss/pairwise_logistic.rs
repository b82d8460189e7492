//! Pairwise logistic loss, also known as RankNet, and as BPR where targets are 0 and 1.

use super::cpu::widest;
use super::float::Float;
use super::listnet::Exponentials;
use super::pairs::{EvenPairs, Ordered, PairRoom, Pairs, Product, TargetGap, limits, pad};
use super::traits::{Group, GroupLoss, Hessian, Term};
use crate::error::{Error, Result};

/// How the pairs of all groups become one mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Average {
    /// The mean over groups of the mean over their pairs.
    Group,
    /// The mean over all pairs.
    Pairs,
}

/// What a pair weighs besides the weights of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairGap {
    /// 1.
    None,
    /// The absolute difference of its targets.
    Target,
}

/// softplus(−k(s_i − s_j)) of the pairs with y_i > y_j; a pair has weight w_i·w_j.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairwiseLogistic {
    /// k, above 0.
    pub sharpness: f64,
    /// How pairs are averaged.
    pub average: Average,
    /// What a pair weighs.
    pub pair_weight: PairGap,
}

/// Kept from group to group.
#[derive(Default)]
pub struct PairScratch<F> {
    ordered: Ordered,
    z: Vec<F>,
    e: Vec<F>,
    w: Vec<F>,
    y: Vec<F>,
    room: PairRoom<F>,
}

/// Below this mean loss of a pair products of 1 + u lose too much of u.
const LEAST_OF_PRODUCTS: f64 = 1e-3;

/// A parameter that is finite and above 0.
pub(super) fn above_zero(name: &str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::Parameter { name: name.into(), value: value.to_string(), hint: "pass a finite number above 0".into() })
}

/// The unweighted and the weighted number of pairs of a group.
pub(super) fn pair_mass<F>(ordered: &Ordered, group: &Group<'_, F>) -> (f64, f64) {
    let count = ordered.pairs() as f64;
    if group.w.is_empty() {
        return (count, count);
    }
    let (rows, m) = (&ordered.rows, group.len());
    let (mut behind, mut mass) = (vec![0.0; m + 1], 0.0);
    for i in (0..m).rev() {
        let w = group.w[rows[i] as usize];
        mass += w * behind[ordered.below[i]];
        behind[i] = behind[i + 1] + w;
    }
    (count, mass)
}

/// What a group with `sum` over its pairs adds to the loss, and what its derivatives are multiplied by.
pub(super) fn averaged(average: Average, sum: f64, (count, mass): (f64, f64)) -> (Term, f64) {
    match average {
        Average::Pairs => (Term { value: sum, mass, count }, 1.0),
        // All its pairs weigh nothing: the group counts, and for nothing.
        Average::Group if mass == 0.0 => (Term { value: 0.0, mass: 0.0, count: 1.0 }, 0.0),
        Average::Group => (Term::once(sum / mass), 1.0 / mass),
    }
}

impl PairwiseLogistic {
    fn run<F: Float>(
        &self,
        group: &Group<'_, F>,
        gradient: &mut [f64],
        mut hessian: Option<&mut [f64]>,
        scratch: &mut PairScratch<F>,
    ) -> Option<Term> {
        let PairScratch { ordered, z, e, w, y, room } = scratch;
        ordered.fill(group.y);
        let mass = pair_mass(ordered, group);
        if mass.0 == 0.0 {
            return None;
        }
        let (k, rows, below) = (F::of(self.sharpness), &ordered.rows, &ordered.below);
        z.clear();
        z.extend(rows.iter().map(|&row| k * group.s[row as usize]));
        let even = group.w.is_empty() && self.pair_weight == PairGap::None;
        let sum = match even.then(|| spread(z)) {
            Some((top, spread)) if spread <= limits::<F>().0 => {
                let sum = if hessian.is_some() {
                    even_pairs::<_, true>(z, top, e, w, below, room)
                } else {
                    even_pairs::<_, false>(z, top, e, w, below, room)
                };
                (sum >= LEAST_OF_PRODUCTS * mass.0).then_some(sum)
            }
            _ => None,
        };
        let sum = sum.unwrap_or_else(|| {
            let by_place = |values: &dyn Fn(usize) -> f64, to: &mut Vec<F>| {
                to.clear();
                to.extend(rows.iter().map(|&row| F::of(values(row as usize))));
                pad(to, F::ZERO);
            };
            pad(z, F::of(f64::NEG_INFINITY));
            by_place(&|row| group.weight(row), w);
            if self.pair_weight == PairGap::None {
                return widest(Pairs { z, below, weight: Product(w), room }).0;
            }
            // Relative to the largest, so that close targets keep their difference in single precision.
            by_place(&|row| group.y[row] - group.y[rows[0] as usize], y);
            widest(Pairs { z, below, weight: TargetGap { w, y }, room }).0
        });
        let (term, scale) = averaged(self.average, sum, mass);
        for (place, &row) in rows.iter().enumerate() {
            gradient[row as usize] = scale * self.sharpness * room.slope[place];
            if let Some(hessian) = &mut hessian {
                hessian[row as usize] = scale * self.sharpness * self.sharpness * room.curve[place];
            }
        }
        Some(term)
    }
}

/// [`EvenPairs`] of z, whose largest is `top`; two buffers.
fn even_pairs<F: Float, const CURVE: bool>(
    z: &[F],
    top: F,
    e: &mut Vec<F>,
    depth: &mut Vec<F>,
    below: &[usize],
    room: &mut PairRoom<F>,
) -> f64 {
    e.clear();
    e.resize(z.len(), F::ZERO);
    widest(Exponentials { values: z, scale: F::ONE, top, out: e });
    pad(e, F::ZERO);
    depth.clear();
    depth.extend(z.iter().map(|&z| top - z));
    widest(EvenPairs::<_, CURVE> { e, depth, below, room })
}

/// The largest number and its distance from the least.
fn spread<F: Float>(z: &[F]) -> (F, f64) {
    let (top, low) = z.iter().fold((z[0], z[0]), |(top, low), &z| (top.larger(z), low.smaller(z)));
    (top, top.wide() - low.wide())
}

impl GroupLoss for PairwiseLogistic {
    type Scratch<F: Float> = PairScratch<F>;
    const ROW_WEIGHTS: bool = true;
    const PAIRS: bool = true;

    fn check(&self) -> Result<()> {
        above_zero("sharpness", self.sharpness)
    }

    fn value_grad<F: Float>(
        &self,
        group: &Group<'_, F>,
        gradient: &mut [f64],
        scratch: &mut PairScratch<F>,
    ) -> Option<Term> {
        self.run(group, gradient, None, scratch)
    }

    fn grad_hess<F: Float>(
        &self,
        group: &Group<'_, F>,
        _: Hessian,
        gradient: &mut [f64],
        hessian: &mut [f64],
        scratch: &mut PairScratch<F>,
    ) -> Option<Term> {
        self.run(group, gradient, Some(hessian), scratch)
    }
}
