//! Ranking losses against what a textbook writes: every pair on its own, no products, no sums that are shared, all in
//! double precision.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::group_driver::value_grad;
use super::*;
use crate::columns::{Column, Strided};
use crate::parallel::Cancel;

const SUM: Options = Options { reduction: Reduction::Sum, nan_policy: NanPolicy::Raise };

#[derive(Debug, Clone)]
struct Panel {
    groups: Vec<i64>,
    s: Vec<f64>,
    y: Vec<f64>,
    w: Vec<f64>,
}

/// Ragged groups of up to some 60 rows, sorted or not, with ties of targets and scores and weights of 0.
fn panel() -> impl Strategy<Value = Panel> {
    let row = (0..4i64, -4.0..4.0f64, -3..4i32, 0..6u32, any::<bool>());
    (prop::collection::vec(row, 1..150), any::<bool>()).prop_map(|(mut rows, sort)| {
        if sort {
            rows.sort_by_key(|row| row.0);
        }
        let tie = |(s, coarse): (f64, bool)| if coarse { s.round() } else { s };
        Panel {
            groups: rows.iter().map(|row| row.0).collect(),
            s: rows.iter().map(|row| tie((row.1, row.4))).collect(),
            y: rows.iter().map(|row| f64::from(row.2) * 0.1).collect(),
            w: rows.iter().map(|row| f64::from(row.3.saturating_sub(1)) * 0.5).collect(),
        }
    })
}

/// One group's value and gradient; none where it is skipped.
type Found = Option<(f64, Vec<f64>)>;

/// From scores, targets and weights.
type Twin<'a> = &'a dyn Fn(&[f64], &[f64], &[f64]) -> Found;

impl Panel {
    /// The loss and the twin agree on the sum over groups, and so do their gradients.
    fn check<L: GroupLoss>(&self, loss: &L, weighted: bool, twin: Twin<'_>) -> std::result::Result<(), TestCaseError> {
        let column = |values| Column::F64(Strided::from_slice(values));
        let weight = weighted.then(|| column(&self.w));
        let batch = Batch::new(Strided::from_slice(&self.s), column(&self.y), weight, vec![]).unwrap();
        let index = GroupIndex::new(&self.groups).unwrap();
        let mut gradient = vec![9.0; self.s.len()];
        let found = value_grad(loss, &batch, &index, SUM, &mut gradient, &Cancel::new()).unwrap();
        let mut members: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        for (row, &group) in self.groups.iter().enumerate() {
            members.entry(group).or_default().push(row);
        }
        let (mut value, mut skipped, mut expected) = (0.0, 0, vec![0.0; self.s.len()]);
        for rows in members.values() {
            let pick = |values: &[f64]| rows.iter().map(|&row| values[row]).collect::<Vec<_>>();
            let w = if weighted { pick(&self.w) } else { vec![1.0; rows.len()] };
            let Some((own, slopes)) = twin(&pick(&self.s), &pick(&self.y), &w) else {
                skipped += 1;
                continue;
            };
            value += own;
            for (&row, slope) in rows.iter().zip(slopes) {
                expected[row] = slope;
            }
        }
        prop_assert_eq!((found.counted, found.skipped), (members.len() - skipped, skipped));
        prop_assert!((found.value - value).abs() <= 2e-12 * (1.0 + value.abs()), "{} {}", found.value, value);
        for (got, truth) in gradient.iter().zip(&expected) {
            prop_assert!((got - truth).abs() <= 2e-12 * (1.0 + truth.abs()), "{got} {truth}");
        }
        Ok(())
    }
}

/// Σ over pairs with y_i > y_j of w_i·w_j·gap·loss(s_i − s_j), over the weight of the pairs where `mean`.
fn pairs(loss: impl Fn(f64) -> (f64, f64), mean: bool, gap: bool) -> impl Fn(&[f64], &[f64], &[f64]) -> Found {
    move |s, y, w| {
        let (mut value, mut mass, mut count, mut slopes) = (0.0, 0.0, 0, vec![0.0; s.len()]);
        for i in 0..s.len() {
            for j in (0..s.len()).filter(|&j| y[i] > y[j]) {
                let q = w[i] * w[j];
                let (own, slope) = loss(s[i] - s[j]);
                let q_gap = if gap { q * (y[i] - y[j]) } else { q };
                (count, mass, value) = (count + 1, mass + q, value + q_gap * own);
                slopes[i] += q_gap * slope;
                slopes[j] -= q_gap * slope;
            }
        }
        let over = match (mean, mass == 0.0) {
            (false, _) => 1.0,
            (true, true) => 0.0,
            (true, false) => 1.0 / mass,
        };
        let slopes = slopes.iter().map(|slope| slope * over).collect();
        (count > 0).then_some((value * over, slopes))
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softmax(v: &[f64]) -> Vec<f64> {
    let sum: f64 = v.iter().map(|v| v.exp()).sum();
    v.iter().map(|v| v.exp() / sum).collect()
}

/// −correlation of a and y, and its derivative by each a.
fn correlation(a: &[f64], y: &[f64], w: &[f64]) -> Found {
    let counted: Vec<usize> = (0..a.len()).filter(|&i| w[i] > 0.0).collect();
    let varies = |v: &[f64]| counted.iter().any(|&i| v[i] != v[counted[0]]);
    if !varies(a) || !varies(y) {
        return None;
    }
    let total: f64 = w.iter().sum();
    let centre = |v: &[f64]| {
        let mean = v.iter().zip(w).map(|(v, w)| v * w).sum::<f64>() / total;
        v.iter().map(|v| v - mean).collect::<Vec<_>>()
    };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).zip(w).map(|((a, b), w)| a * b * w).sum::<f64>();
    let (a, y) = (centre(a), centre(y));
    let (aa, norm) = (dot(&a, &a), (dot(&a, &a) * dot(&y, &y)).sqrt());
    let value = dot(&a, &y) / norm;
    Some((-value, (0..a.len()).map(|i| -w[i] * (y[i] / norm - value * a[i] / aa)).collect()))
}

/// ½ + Σ_j sigmoid((s_i − s_j)/T).
fn soft_ranks(s: &[f64], t: f64) -> Vec<f64> {
    s.iter().map(|a| 0.5 + s.iter().map(|b| sigmoid((a - b) / t)).sum::<f64>()).collect()
}

/// From derivatives by soft ranks to those by scores.
fn through_ranks(s: &[f64], t: f64, by_rank: &[f64]) -> Vec<f64> {
    let slope = |a: f64, b: f64| sigmoid((a - b) / t) * sigmoid((b - a) / t) / t;
    let one = |i: usize| (0..s.len()).map(|j| slope(s[i], s[j]) * (by_rank[i] - by_rank[j])).sum();
    (0..s.len()).map(one).collect()
}

/// Σ |ΔNDCG|·softplus(−k·d) pair by pair, the way LightGBM's documentation and Burges write it.
fn lambdas(loss: LambdaRank, s: &[f64], y: &[f64]) -> Found {
    let m = s.len();
    let least = y.iter().fold(0.0f64, |least, &y| least.min(y));
    let gains: Vec<f64> = match loss.gain {
        Gain::Linear => y.iter().map(|y| y - least).collect(),
        Gain::Exp2 => y.iter().map(|y| 2f64.powf(*y) - 1.0).collect(),
    };
    let discount =
        |rank: usize| if rank < loss.truncation.unwrap_or(m) { 1.0 / (2.0 + rank as f64).log2() } else { 0.0 };
    let mut best = gains.clone();
    best.sort_by(|a, b| b.total_cmp(a));
    let ideal: f64 = best.iter().enumerate().map(|(rank, gain)| gain * discount(rank)).sum();
    // How many rows come before a row: those that score more, and its equals before it.
    let rank = |i: usize| (0..m).filter(|&j| s[j] > s[i] || (s[j] == s[i] && j < i)).count();
    let (k, level) = (loss.sharpness, s.iter().all(|&v| v == s[0]));
    let (mut count, mut value, mut total, mut slopes) = (0, 0.0, 0.0, vec![0.0; m]);
    for i in 0..m {
        for j in (0..m).filter(|&j| y[i] > y[j]) {
            let (swap, d) = ((gains[i] - gains[j]) * (discount(rank(i)) - discount(rank(j))), s[i] - s[j]);
            let regular = if loss.normalize && !level { 0.01 + d.abs() } else { 1.0 };
            let delta = swap.abs() / ideal / regular;
            let lambda = delta * k * sigmoid(-k * d);
            (count, value, total) = (count + 1, value + delta * (-k * d).exp().ln_1p(), total + 2.0 * lambda);
            slopes[i] -= lambda;
            slopes[j] += lambda;
        }
    }
    let norm = if loss.normalize && total > 0.0 { (1.0 + total).log2() / total } else { 1.0 };
    (count > 0).then(|| (value * norm, slopes.iter().map(|slope| slope * norm).collect()))
}

proptest! {
    #[test]
    fn pairwise_logistic(panel in panel(), weighted: bool, mean: bool, gap: bool, sharpness in 0.2..3.0f64) {
        let loss = PairwiseLogistic {
            sharpness,
            average: if mean { Average::Group } else { Average::Pairs },
            pair_weight: if gap { PairGap::Target } else { PairGap::None },
        };
        let each = |d: f64| ((-sharpness * d).exp().ln_1p(), -sharpness * sigmoid(-sharpness * d));
        panel.check(&loss, weighted, &pairs(each, mean, gap))?;
    }

    #[test]
    fn pairwise_hinge(panel in panel(), weighted: bool, mean: bool, gap: bool, margin in 0.2..3.0f64) {
        let loss = PairwiseHinge {
            margin,
            average: if mean { Average::Group } else { Average::Pairs },
            pair_weight: if gap { PairGap::Target } else { PairGap::None },
        };
        let each = |d: f64| if margin - d > 0.0 { (margin - d, -1.0) } else { (0.0, 0.0) };
        panel.check(&loss, weighted, &pairs(each, mean, gap))?;
    }

    #[test]
    fn lambda_rank(
        panel in panel(), sharpness in 0.2..3.0f64, cut in 0..12usize, exp2: bool, normalize: bool,
        level in prop::bool::weighted(0.1),
    ) {
        let truncation = (cut > 0).then_some(cut);
        let gain = if exp2 { Gain::Exp2 } else { Gain::Linear };
        let loss = LambdaRank { sharpness, truncation, gain, normalize };
        let graded = |y: &f64| if exp2 { (y * 10.0).round() + 3.0 } else { *y };
        let y = panel.y.iter().map(graded).collect();
        let s = panel.s.iter().map(|s| if level { 0.5 } else { *s }).collect();
        Panel { s, y, ..panel }.check(&loss, false, &|s, y, _| lambdas(loss, s, y))?;
    }

    #[test]
    fn list_net(panel in panel(), temperature in 0.05..2.0f64) {
        panel.check(&ListNet { temperature }, false, &|s, y, _| {
            let (p, q) = (softmax(s), softmax(&y.iter().map(|y| y / temperature).collect::<Vec<_>>()));
            let value = p.iter().zip(&q).map(|(p, q)| -q * p.ln()).sum();
            Some((value, p.iter().zip(&q).map(|(p, q)| p - q).collect()))
        })?;
    }

    #[test]
    fn list_mle(panel in panel()) {
        panel.check(&ListMle, false, &|s, y, _| {
            let mut rows: Vec<usize> = (0..s.len()).collect();
            rows.sort_by(|&a, &b| y[b].total_cmp(&y[a]));
            let (mut value, mut slopes) = (0.0, vec![-1.0; s.len()]);
            for place in 0..rows.len() {
                let p = softmax(&rows[place..].iter().map(|&row| s[row]).collect::<Vec<_>>());
                value -= p[0].ln();
                rows[place..].iter().zip(p).for_each(|(&row, p)| slopes[row] += p);
            }
            Some((value, slopes))
        })?;
    }

    #[test]
    fn information_coefficient(panel in panel(), weighted: bool) {
        panel.check(&InformationCoefficient, weighted, &|s, y, w| {
            if w.iter().all(|&w| w == 0.0) {
                correlation(s, y, &vec![1.0; s.len()])?;
                return Some((0.0, vec![0.0; s.len()]));
            }
            correlation(s, y, w)
        })?;
    }

    #[test]
    fn approx_ndcg(panel in panel(), t in 0.2..2.0f64) {
        panel.check(&ApproxNdcg { temperature: t, gain: Gain::Linear }, false, &|s, y, _| {
            if y.iter().all(|&v| v == y[0]) {
                return None;
            }
            let least = y.iter().fold(0.0f64, |least, &y| least.min(y));
            let gains: Vec<f64> = y.iter().map(|y| y - least).collect();
            let mut best = gains.clone();
            best.sort_by(|a, b| b.total_cmp(a));
            let ideal: f64 = best.iter().enumerate().map(|(i, gain)| gain / (i as f64 + 2.0).log2()).sum();
            // From the top, where soft_ranks count from the bottom.
            let ranks: Vec<f64> = soft_ranks(s, t).iter().map(|rank| s.len() as f64 + 1.0 - rank).collect();
            let value = ranks.iter().zip(&gains).map(|(rank, gain)| -gain / (1.0 + rank).log2() / ideal).sum();
            let by_rank = |(rank, gain): (&f64, &f64)| {
                -gain / ideal / ((1.0 + rank).log2().powi(2) * (1.0 + rank) * std::f64::consts::LN_2)
            };
            Some((value, through_ranks(s, t, &ranks.iter().zip(&gains).map(by_rank).collect::<Vec<_>>())))
        })?;
    }

    #[test]
    fn soft_spearman(panel in panel(), t in 0.2..2.0f64) {
        panel.check(&SoftSpearman { temperature: t }, false, &|s, y, _| {
            if s.iter().all(|&v| v == s[0]) {
                return None;
            }
            let below = |y: &[f64], v: f64| y.iter().filter(|&&u| u < v).count() as f64;
            let equal = |y: &[f64], v: f64| y.iter().filter(|&&u| u == v).count() as f64;
            let ranks: Vec<f64> = y.iter().map(|&v| below(y, v) + f64::midpoint(equal(y, v), 1.0)).collect();
            let (value, by_rank) = correlation(&soft_ranks(s, t), &ranks, &vec![1.0; s.len()])?;
            Some((value, through_ranks(s, t, &by_rank)))
        })?;
    }
}
