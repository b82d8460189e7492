use std::sync::{Mutex, PoisonError};

use proptest::prelude::*;

use super::*;
use crate::columns::{Column, Strided};
use crate::loss::PointLoss;
use crate::loss::{BinaryCrossEntropy, Extras, HESSIAN_FLOOR, Lane, SquaredError};
use crate::parallel::set_num_threads;

const BCE: BinaryCrossEntropy<true> = BinaryCrossEntropy;
const MEAN: Options = Options { reduction: Reduction::Mean, nan_policy: NanPolicy::Raise };
const OMIT: Options = Options { reduction: Reduction::Mean, nan_policy: NanPolicy::Omit };

/// x₀(s − y)² + x₁s: reads per-row arguments, and its curvature may be negative.
#[derive(Clone, Copy)]
struct WithExtras;

impl PointLoss for WithExtras {
    const EXTRAS: usize = 2;

    fn targets(&self) -> Domain {
        Domain::Binary
    }

    fn value<V: Lane>(&self, s: V, y: V, x: &Extras<V>) -> V {
        x[0] * (s - y) * (s - y) + x[1] * s
    }

    fn value_grad<V: Lane>(&self, s: V, y: V, x: &Extras<V>) -> (V, V) {
        (self.value(s, y, x), (x[0] + x[0]) * (s - y) + x[1])
    }

    fn grad_hess<V: Lane>(&self, s: V, y: V, x: &Extras<V>, _: Hessian) -> (V, V) {
        (self.value_grad(s, y, x).1, x[0] + x[0])
    }
}

fn batch<'a>(s: &'a [f64], y: &'a [f64], w: Option<&'a [f64]>) -> Batch<'a, f64> {
    let weight = w.map(|w| Column::F64(Strided::from_slice(w)));
    Batch::new(Strided::from_slice(s), Column::F64(Strided::from_slice(y)), weight, vec![]).unwrap()
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> (&'static str, String) {
    let error = result.unwrap_err();
    (error.code(), error.to_string())
}

/// The loss as a person would write it, one row at a time in one sum.
fn naive(s: &[f64], y: &[f64], w: &[f64]) -> (f64, Vec<f64>) {
    let rows = || s.iter().zip(y).zip(w).filter(|((_, y), _)| !y.is_nan());
    let weight: f64 = rows().map(|(_, w)| w).sum();
    let value: f64 = rows().map(|((s, y), w)| w * (s.max(0.0) - s * y + (-s.abs()).exp().ln_1p())).sum();
    let slope = |((s, y), w): ((&f64, &f64), &f64)| {
        if y.is_nan() { 0.0 } else { w * (1.0 / (1.0 + (-s).exp()) - y) / weight }
    };
    (value / weight, s.iter().zip(y).zip(w).map(slope).collect())
}

fn any_rows() -> impl Strategy<Value = Vec<(f64, f64, f64)>> {
    let y = prop_oneof![4 => Just(0.0), 4 => Just(1.0), 1 => Just(f64::NAN), 2 => 0.0..=1.0f64];
    // Past two blocks, so that block borders are met.
    prop::collection::vec((-40.0..40.0f64, y, prop_oneof![1 => Just(0.0), 4 => 0.01..3.0f64]), 1..2_200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn equals_the_naive_loss(rows in any_rows()) {
        let s: Vec<f64> = rows.iter().map(|row| row.0).collect();
        let y: Vec<f64> = rows.iter().map(|row| row.1).collect();
        let w: Vec<f64> = rows.iter().map(|row| row.2).collect();
        prop_assume!(y.iter().zip(&w).any(|(y, w)| !y.is_nan() && *w > 0.0));
        let (expected, slopes) = naive(&s, &y, &w);
        let batch = batch(&s, &y, Some(&w));
        let mut gradient = vec![f64::NAN; s.len()];
        let value = value_grad(&BCE, &batch, OMIT, &mut gradient, &Cancel::new()).unwrap();
        prop_assert!((value - expected).abs() <= 1e-13 * expected.abs().max(1e-300), "{value} {expected}");
        prop_assert_eq!(value.to_bits(), super::value(&BCE, &batch, OMIT, &Cancel::new()).unwrap().to_bits());
        for (i, (got, want)) in gradient.iter().zip(&slopes).enumerate() {
            prop_assert!((got - want).abs() <= 1e-15, "row {}: {} {}", i, got, want);
            prop_assert!(!y[i].is_nan() || *got == 0.0);
        }
        let (mut values, mut again) = (vec![f64::NAN; s.len()], vec![f64::NAN; s.len()]);
        value_rows(&BCE, &batch, NanPolicy::Omit, &mut values, &Cancel::new()).unwrap();
        let weight: f64 = y.iter().zip(&w).filter(|(y, _)| !y.is_nan()).map(|(_, w)| w).sum();
        prop_assert!((values.iter().sum::<f64>() / weight - expected).abs() <= 1e-13 * expected.abs());
        value_grad_rows(&BCE, &batch, NanPolicy::Omit, &mut again, &mut gradient, &Cancel::new()).unwrap();
        prop_assert_eq!(&values, &again);
        for (got, want) in gradient.iter().zip(&slopes) {
            prop_assert!((got / weight - want).abs() <= 1e-15);
        }
    }
}

#[test]
fn same_bits_at_any_thread_count_and_layout() {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let n = 150_001;
    let s: Vec<f32> = (0..n).map(|i| ((i as f32) * 0.37).sin() * 9.0).collect();
    let y: Vec<i8> = (0..n).map(|i| i8::from(i % 3 == 0)).collect();
    let w: Vec<f64> = (0..2 * n).map(|i| 0.5 + f64::from(i % 7)).collect();
    let batch = Batch::new(
        Strided::from_slice(&s),
        Column::I8(Strided::from_slice(&y)),
        Some(Column::F64(Strided::new(&w, 2, n as usize))),
        vec![],
    )
    .unwrap();
    let mut seen = Vec::new();
    for threads in [1, 2, 3, 7] {
        set_num_threads(threads).unwrap();
        let mut gradient = vec![0.0f32; s.len()];
        let value = value_grad(&BCE, &batch, MEAN, &mut gradient, &Cancel::new()).unwrap();
        seen.push((value.to_bits(), gradient.iter().map(|g| g.to_bits()).collect::<Vec<_>>()));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn bad_values_name_their_row() {
    let n = 3_000;
    let (s, y, w) = (vec![0.25; n], vec![1.0; n], vec![1.0; n]);
    let with = |values: &[f64], value: f64| {
        let mut values = values.to_vec();
        values[2_500] = value;
        values
    };
    let run = |s: &[f64], y: &[f64], w: &[f64], options| value(&BCE, &batch(s, y, Some(w)), options, &Cancel::new());
    for (options, s, y, w, expected) in [
        (OMIT, with(&s, f64::NAN), y.clone(), w.clone(), "loss.prediction_not_finite"),
        (MEAN, with(&s, f64::INFINITY), y.clone(), w.clone(), "loss.prediction_not_finite"),
        (MEAN, s.clone(), with(&y, f64::NAN), w.clone(), "loss.target_missing"),
        (OMIT, s.clone(), with(&y, -1.0), w.clone(), "loss.target_out_of_domain"),
        (OMIT, s.clone(), with(&y, f64::INFINITY), w.clone(), "loss.target_out_of_domain"),
        (MEAN, s.clone(), y.clone(), with(&w, -0.5), "loss.weight_invalid"),
        (MEAN, s.clone(), y.clone(), with(&w, f64::NAN), "loss.weight_invalid"),
    ] {
        let (code, message) = code(run(&s, &y, &w, options));
        assert_eq!(code, expected);
        assert!(message.starts_with("row 2500: "), "{message}");
    }
    let (_, message) = code(run(&s, &with(&y, -1.0), &w, MEAN));
    assert!(message.contains("(y + 1) / 2"), "{message}");
    let probabilities = BinaryCrossEntropy::<false>;
    let outside = code(value(&probabilities, &batch(&with(&s, 1.5), &y, None), MEAN, &Cancel::new()));
    assert_eq!(outside.0, "loss.prediction_out_of_domain");
}

#[test]
fn a_mean_over_nothing_is_an_error_and_a_sum_is_zero() {
    let sum = Options { reduction: Reduction::Sum, nan_policy: NanPolicy::Omit };
    let count = Options { reduction: Reduction::MeanN, ..OMIT };
    let empty = batch(&[], &[], None);
    let masked = batch(&[1.0, 2.0], &[f64::NAN, f64::NAN], None);
    let weightless = batch(&[1.0, 2.0], &[0.0, 1.0], Some(&[0.0, 0.0]));
    for batch in [&empty, &masked, &weightless] {
        assert_eq!(code(value(&SquaredError, batch, OMIT, &Cancel::new())).0, "loss.nothing_to_average");
        assert_eq!(value(&SquaredError, batch, sum, &Cancel::new()), Ok(0.0));
    }
    assert_eq!(code(value(&SquaredError, &empty, count, &Cancel::new())).0, "loss.nothing_to_average");
    assert_eq!(value(&SquaredError, &weightless, count, &Cancel::new()), Ok(0.0));
}

#[test]
fn overflow_in_a_row_that_does_not_count_is_no_matter() {
    let sum = Options { reduction: Reduction::Sum, nan_policy: NanPolicy::Omit };
    let batch = batch(&[1e300, 1e300, 3.0], &[0.0, f64::NAN, 1.0], Some(&[0.0, 1.0, 1.0]));
    assert_eq!(value(&SquaredError, &batch, sum, &Cancel::new()), Ok(4.0));
}

#[test]
fn boosting_gets_weighted_rows_and_a_floor() {
    let batch = batch(&[0.0, 40.0, 40.0, 5.0], &[1.0, 1.0, 1.0, f64::NAN], Some(&[2.0, 3.0, 0.0, 1.0]));
    let (mut g, mut h) = ([f64::NAN; 4], [f64::NAN; 4]);
    grad_hess(&BCE, &batch, NanPolicy::Omit, Hessian::Boosting, &mut g, &mut h, &Cancel::new()).unwrap();
    assert_eq!((g[0], h[0]), (-1.0, 0.5));
    assert_eq!(h[1], 3.0 * HESSIAN_FLOOR);
    assert_eq!((g[2], h[2], g[3], h[3]), (0.0, 0.0, 0.0, 0.0));
    grad_hess(&BCE, &batch, NanPolicy::Omit, Hessian::Constant, &mut g, &mut h, &Cancel::new()).unwrap();
    assert_eq!(h, [2.0, 3.0, 0.0, 0.0]);
}

#[test]
fn further_arguments_reach_their_rows() {
    let n = 2_050;
    let s: Vec<f64> = (0..n).map(f64::from).collect();
    let y = vec![true; s.len()];
    let scale: Vec<i32> = (0..n).map(|i| if i % 2 == 0 { 1 } else { -1 }).collect();
    let tilt: Vec<f64> = (0..n).map(|i| f64::from(i % 5)).collect();
    let extras = vec![Column::I32(Strided::from_slice(&scale)), Column::F64(Strided::from_slice(&tilt))];
    let target = Column::Bool(Strided::from_slice(&y));
    let batch = Batch::new(Strided::from_slice(&s), target, None, extras).unwrap();
    let mut gradient = vec![0.0; s.len()];
    let sum = Options { reduction: Reduction::Sum, nan_policy: NanPolicy::Raise };
    let value = value_grad(&WithExtras, &batch, sum, &mut gradient, &Cancel::new()).unwrap();
    let row = |i: usize| f64::from(scale[i]) * (s[i] - 1.0).powi(2) + tilt[i] * s[i];
    assert_eq!(value, (0..s.len()).map(row).sum::<f64>());
    assert!((0..s.len()).all(|i| gradient[i] == 2.0 * f64::from(scale[i]) * (s[i] - 1.0) + tilt[i]));
    let (mut g, mut h) = (vec![0.0; s.len()], vec![0.0; s.len()]);
    let mut curvature = |choice| {
        grad_hess(&WithExtras, &batch, NanPolicy::Raise, choice, &mut g, &mut h, &Cancel::new()).unwrap();
        (h[0], h[1])
    };
    assert_eq!(curvature(Hessian::Exact), (2.0, HESSIAN_FLOOR));
    assert_eq!(curvature(Hessian::Abs), (2.0, 2.0));
}

#[test]
fn lengths_are_checked() {
    let column = |values| Column::F64(Strided::from_slice(values));
    let error = Batch::new(Strided::from_slice(&[1.0f64]), column(&[1.0, 2.0]), None, vec![]).unwrap_err();
    assert_eq!(error.code(), "data.length_mismatch");
    let batch = batch(&[1.0], &[1.0], None);
    assert!(value_grad(&SquaredError, &batch, MEAN, &mut [0.0; 2], &Cancel::new()).is_err());
    assert!(value(&WithExtras, &batch, MEAN, &Cancel::new()).is_err(), "its arguments are missing");
}

#[test]
fn a_raised_flag_stops_the_work() {
    let cancel = Cancel::new();
    cancel.cancel();
    assert_eq!(value(&SquaredError, &batch(&[1.0], &[1.0], None), MEAN, &cancel), Err(Error::Interrupted {}));
}
