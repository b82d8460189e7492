use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use proptest::prelude::*;

use super::*;
use crate::columns::{Column, Strided};
use crate::loss::Domain;
use crate::parallel::set_num_threads;

const MEAN: Options = Options { reduction: Reduction::Mean, nan_policy: NanPolicy::Omit };
const RAISE: Options = Options { reduction: Reduction::Mean, nan_policy: NanPolicy::Raise };

/// −corr(s, y), weighted by row where `ROWS`, by group else.
#[derive(Clone, Copy)]
struct Correlation<const ROWS: bool>;

impl<const ROWS: bool> GroupLoss for Correlation<ROWS> {
    type Scratch<F: Float> = Vec<f64>;
    const ROW_WEIGHTS: bool = ROWS;

    fn value_grad<F: Float>(&self, group: &Group<'_, F>, gradient: &mut [f64], s: &mut Vec<f64>) -> Option<Term> {
        s.clear();
        s.extend(group.s.iter().map(|s| s.wide()));
        let w: Vec<f64> = (0..group.len()).map(|i| group.weight(i)).collect();
        let total: f64 = w.iter().sum();
        let centred = |v: &[f64]| {
            let mean = v.iter().zip(&w).map(|(v, w)| v * w).sum::<f64>() / total;
            v.iter().map(|v| v - mean).collect::<Vec<_>>()
        };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).zip(&w).map(|((a, b), w)| a * b * w).sum::<f64>();
        let (s, y) = (centred(s), centred(group.y));
        let (ss, yy) = (dot(&s, &s), dot(&y, &y));
        if ss < 1e-20 || yy < 1e-20 {
            return None;
        }
        let norm = (ss * yy).sqrt();
        let ic = dot(&s, &y) / norm;
        for (i, slot) in gradient.iter_mut().enumerate() {
            *slot = -w[i] * (y[i] / norm - ic * s[i] / ss);
        }
        Some(Term::once(-ic))
    }
}

/// Half the squared gap of every pair of rows over the sum of their targets: a mean over pairs, with a curvature.
#[derive(Clone, Copy)]
struct Gaps;

impl GroupLoss for Gaps {
    type Scratch<F: Float> = ();
    const PAIRS: bool = true;

    fn targets(&self) -> Domain {
        Domain::Relevance
    }

    fn value_grad<F: Float>(&self, group: &Group<'_, F>, gradient: &mut [f64], (): &mut ()) -> Option<Term> {
        let pairs = (group.len() * (group.len() - 1) / 2) as f64;
        let mut value = 0.0;
        gradient.fill(0.0);
        for i in 0..group.len() {
            for j in 0..i {
                let gap = group.s[i].wide() - group.s[j].wide();
                value += 0.5 * gap * gap;
                gradient[i] += gap;
                gradient[j] -= gap;
            }
        }
        (pairs > 0.0).then_some(Term { value, mass: pairs, count: pairs })
    }

    fn grad_hess<F: Float>(
        &self,
        group: &Group<'_, F>,
        _: Hessian,
        gradient: &mut [f64],
        hessian: &mut [f64],
        scratch: &mut (),
    ) -> Option<Term> {
        hessian.fill(-(group.len() as f64));
        self.value_grad(group, gradient, scratch)
    }
}

#[derive(Debug, Clone)]
struct Panel {
    groups: Vec<i64>,
    s: Vec<f64>,
    y: Vec<f64>,
    w: Vec<f64>,
}

impl Panel {
    fn batch(&self) -> Batch<'_, f64> {
        let column = |values| Column::F64(Strided::from_slice(values));
        Batch::new(Strided::from_slice(&self.s), column(&self.y), Some(column(&self.w)), vec![]).unwrap()
    }

    fn index(&self) -> GroupIndex {
        GroupIndex::new(&self.groups).unwrap()
    }

    /// Σ weight·(loss of the group), Σ weight, groups counted and skipped, with rows without a target dropped.
    fn naive(&self, rows: bool) -> (f64, f64, usize, usize) {
        let mut members: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        for i in (0..self.s.len()).filter(|&i| !self.y[i].is_nan()) {
            members.entry(self.groups[i]).or_default().push(i);
        }
        let (mut value, mut weight, mut counted, mut skipped) = (0.0, 0.0, 0, 0);
        for m in members.values() {
            let w = |i: usize| if rows { self.w[i] } else { 1.0 };
            let mean = |f: &dyn Fn(usize) -> f64| {
                m.iter().map(|&i| w(i) * f(i)).sum::<f64>() / m.iter().map(|&i| w(i)).sum::<f64>()
            };
            let (ms, my) = (mean(&|i| self.s[i]), mean(&|i| self.y[i]));
            let covariance = mean(&|i| (self.s[i] - ms) * (self.y[i] - my));
            let (vs, vy) = (mean(&|i| (self.s[i] - ms).powi(2)), mean(&|i| (self.y[i] - my).powi(2)));
            if m.len() < 2 || vs < 1e-12 || vy < 1e-12 {
                skipped += 1;
                continue;
            }
            let group = if rows { 1.0 } else { self.w[m[0]] };
            counted += 1;
            weight += group;
            value -= group * covariance / (vs * vy).sqrt();
        }
        (value, weight, counted, skipped)
    }
}

/// Ragged groups in any order with missing targets; weights are the same inside a group unless `rows`.
fn any_panel(rows: bool) -> impl Strategy<Value = Panel> {
    // Quarters: no group is nearly but not quite without variance.
    let number = || (-12..12i32).prop_map(|k| f64::from(k) / 4.0);
    let y = prop_oneof![6 => number(), 1 => Just(f64::NAN)];
    let row = (0..9i64, number(), y, 1..5i32);
    (prop::collection::vec(row, 1..70), any::<bool>()).prop_map(move |(mut data, sort)| {
        if sort {
            data.sort_by_key(|row| row.0);
        }
        let w = |row: &(i64, f64, f64, i32)| if rows { f64::from(row.3) } else { 0.5 + (row.0 % 4) as f64 };
        Panel {
            groups: data.iter().map(|row| row.0 * row.0 * 1_000 - 7).collect(),
            s: data.iter().map(|row| row.1).collect(),
            y: data.iter().map(|row| row.2).collect(),
            w: data.iter().map(w).collect(),
        }
    })
}

fn check<const ROWS: bool>(panel: &Panel) -> std::result::Result<(), TestCaseError> {
    let (sum, weight, counted, skipped) = panel.naive(ROWS);
    let cancel = Cancel::new();
    let (loss, index) = (Correlation::<ROWS>, panel.index());
    let mut gradient = vec![f64::NAN; panel.s.len()];
    let run = |reduction, gradient: &mut [f64]| {
        let options = Options { reduction, nan_policy: NanPolicy::Omit };
        value_grad(&loss, &panel.batch(), &index, options, gradient, &cancel)
    };
    if panel.y.iter().all(|y| y.is_nan()) {
        prop_assert_eq!(run(Reduction::Mean, &mut gradient).unwrap_err().code(), "loss.nothing_to_average");
        return Ok(());
    }
    for (reduction, divisor) in [(Reduction::Sum, 1.0), (Reduction::MeanN, counted as f64), (Reduction::Mean, weight)] {
        let outcome = run(reduction, &mut gradient).unwrap();
        let expected = if counted == 0 { 0.0 } else { sum / divisor };
        prop_assert!((outcome.value - expected).abs() < 1e-12, "{} {}", outcome.value, expected);
        prop_assert_eq!((outcome.counted, outcome.skipped), (counted, skipped));
        let options = Options { reduction, nan_policy: NanPolicy::Omit };
        prop_assert_eq!(value(&loss, &panel.batch(), &index, options, &cancel).unwrap(), outcome);
    }
    for (i, &got) in gradient.iter().enumerate() {
        let at = |step: f64| {
            let mut moved = panel.clone();
            moved.s[i] += step;
            moved.naive(ROWS)
        };
        let (up, down) = (at(1e-5), at(-1e-5));
        // A group without variance has none of its own; a step would give it some.
        if up.2 == counted && down.2 == counted && counted > 0 {
            let slope = (up.0 - down.0) / 2e-5 / weight;
            prop_assert!((slope - got).abs() < 1e-7, "row {}: {} {}", i, slope, got);
        }
        prop_assert!(!panel.y[i].is_nan() || got == 0.0);
    }
    let (mut values, mut rows) = (vec![f64::NAN; index.groups()], vec![f64::NAN; panel.s.len()]);
    value_grad_groups(&loss, &panel.batch(), &index, NanPolicy::Omit, &mut values, &mut rows, &cancel).unwrap();
    prop_assert!((values.iter().sum::<f64>() - sum).abs() < 1e-12);
    prop_assert!(rows.iter().zip(&gradient).all(|(row, mean)| counted == 0 || (row / weight - mean).abs() < 1e-12));
    let mut again = vec![f64::NAN; index.groups()];
    value_groups(&loss, &panel.batch(), &index, NanPolicy::Omit, &mut again, &cancel).unwrap();
    prop_assert_eq!(values, again);
    Ok(())
}

proptest! {
    #[test]
    fn equals_the_naive_loss_with_a_weight_per_group(panel in any_panel(false)) {
        check::<false>(&panel)?;
    }

    #[test]
    fn equals_the_naive_loss_with_a_weight_per_row(panel in any_panel(true)) {
        check::<true>(&panel)?;
    }
}

fn large() -> Panel {
    let n = 90_000;
    let noise = |i: usize, k: usize| ((i * k) as f64).sin();
    let groups: Vec<i64> = (0..n).map(|i| ((i * 7_919) % 613) as i64 - 300).collect();
    let w = groups.iter().map(|group| 0.5 + (group.rem_euclid(5)) as f64).collect();
    let y = (0..n).map(|i| if i % 50 == 0 { f64::NAN } else { (i % 4) as f64 });
    Panel { s: (0..n).map(|i| noise(i, 37)).collect(), y: y.collect(), w, groups }
}

#[test]
fn same_bits_at_any_thread_count() {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let panel = large();
    let (index, cancel) = (panel.index(), Cancel::new());
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let mut seen = Vec::new();
    for threads in [1, 2, 3, 7] {
        set_num_threads(threads).unwrap();
        let (mut g, mut h) = (vec![f64::NAN; panel.s.len()], vec![f64::NAN; panel.s.len()]);
        let ic = value_grad(&Correlation::<false>, &panel.batch(), &index, MEAN, &mut g, &cancel).unwrap();
        let mut all = vec![bits(&g)];
        let gaps = value_grad(&Gaps, &panel.batch(), &index, MEAN, &mut g, &cancel).unwrap();
        all.push(bits(&g));
        grad_hess(&Gaps, &panel.batch(), &index, NanPolicy::Omit, Hessian::Abs, &mut g, &mut h, &cancel).unwrap();
        all.extend([bits(&g), bits(&h), bits(&[ic.value, gaps.value])]);
        seen.push(all);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn narrow_predictions_and_a_mean_over_pairs() {
    let panel = Panel {
        groups: vec![2, 1, 2, 1, 3, 2],
        s: vec![0.0, 1.0, 2.0, 4.0, 9.0, 5.0],
        y: vec![0.0; 6],
        w: vec![3.0, 2.0, 3.0, 2.0, 7.0, 3.0],
    };
    let s: Vec<f32> = panel.s.iter().map(|&s| s as f32).collect();
    let wide = panel.batch();
    let batch = Batch::new(Strided::from_slice(&s), wide.target, wide.weight, vec![]).unwrap();
    let (index, cancel) = (panel.index(), Cancel::new());
    let mut gradient = vec![f32::NAN; 6];
    let outcome = value_grad(&Gaps, &batch, &index, RAISE, &mut gradient, &cancel).unwrap();
    // Group 1: gap 3. Group 2: gaps 2, 3 and 5. Group 3 has one row.
    let (sum, mass) = (2.0 * 4.5 + 3.0 * (2.0 + 4.5 + 12.5), 2.0 + 3.0 * 3.0);
    assert_eq!(outcome, Outcome { value: sum / mass, counted: 2, skipped: 1 });
    let expected = [-21.0, -6.0, -3.0, 6.0, 0.0, 24.0].map(|slope: f64| (slope * (1.0 / mass)) as f32);
    assert_eq!(gradient, expected);
    let (mut g, mut h) = (vec![f32::NAN; 6], vec![f32::NAN; 6]);
    let mut curvature = |choice| {
        grad_hess(&Gaps, &batch, &index, NanPolicy::Raise, choice, &mut g, &mut h, &cancel).unwrap();
        assert_eq!(g, [-21.0, -6.0, -3.0, 6.0, 0.0, 24.0]);
        h.clone()
    };
    assert_eq!(curvature(Hessian::Constant), [3.0, 2.0, 3.0, 2.0, 0.0, 3.0]);
    assert_eq!(curvature(Hessian::Abs), [9.0, 4.0, 9.0, 4.0, 0.0, 9.0]);
    let floor = |w: f64| (w * HESSIAN_FLOOR) as f32;
    assert_eq!(curvature(Hessian::Boosting), [floor(3.0), floor(2.0), floor(3.0), floor(2.0), 0.0, floor(3.0)]);
}

#[test]
fn bad_values_name_their_row() {
    let panel = large();
    let index = panel.index();
    let at = 61_003;
    let run = |change: &dyn Fn(&mut Panel)| {
        let mut panel = panel.clone();
        panel.y.iter_mut().filter(|y| y.is_nan()).for_each(|y| *y = 0.0);
        change(&mut panel);
        let error = value(&Gaps, &panel.batch(), &index, RAISE, &Cancel::new()).unwrap_err();
        assert!(error.to_string().starts_with("row 61003: "), "{error}");
        error.code()
    };
    assert_eq!(run(&|panel| panel.s[at] = f64::NAN), "loss.prediction_not_finite");
    assert_eq!(run(&|panel| panel.y[at] = f64::NAN), "loss.target_missing");
    assert_eq!(run(&|panel| panel.y[at] = 0.5), "loss.target_out_of_domain");
    assert_eq!(run(&|panel| panel.w[at] = -1.0), "loss.weight_invalid");
    assert_eq!(run(&|panel| panel.w[at] = 99.0), "loss.weight_differs");
}

#[test]
fn a_mean_over_nothing_is_an_error_and_over_skipped_groups_zero() {
    let cancel = Cancel::new();
    let panel = |y: f64, w: f64| Panel { groups: vec![1, 1], s: vec![1.0, 2.0], y: vec![y; 2], w: vec![w; 2] };
    let run = |panel: &Panel| value(&Gaps, &panel.batch(), &panel.index(), MEAN, &cancel);
    let empty = Panel { groups: vec![], s: vec![], y: vec![], w: vec![] };
    for panel in [&empty, &panel(f64::NAN, 1.0), &panel(1.0, 0.0)] {
        assert_eq!(run(panel).unwrap_err().code(), "loss.nothing_to_average");
        let sum = Options { reduction: Reduction::Sum, ..MEAN };
        assert_eq!(value(&Gaps, &panel.batch(), &panel.index(), sum, &cancel).unwrap().value, 0.0);
    }
    let flat = panel(1.0, 1.0);
    let mut gradient = [f64::NAN; 2];
    let outcome =
        value_grad(&Correlation::<false>, &flat.batch(), &flat.index(), MEAN, &mut gradient, &cancel).unwrap();
    assert_eq!((outcome, gradient), (Outcome { value: 0.0, counted: 0, skipped: 1 }, [0.0; 2]));
}
