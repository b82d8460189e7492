//! Every point loss on random rows: wide lanes against single ones, values against the textbook, slopes and curvatures
//! against differences, weights, and blocks that no lane width divides.

use proptest::prelude::*;

use super::kernels::{Block, GradBlock, PointKernels};
use super::logistic::ANY;
use super::*;
use crate::columns::{Column, Strided};
use crate::loss::cpu::LaneKernel;
use crate::parallel::Cancel;

const SUM: Options = Options { reduction: Reduction::Sum, nan_policy: NanPolicy::Raise };

/// A score, what a target is made from, a weight, and four further arguments.
type Row = (f64, f64, f64, [f64; 4]);

fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (
        -6.0..6.0f64,
        prop_oneof![Just(0.0), Just(1.0), 0.0..1.0f64],
        prop_oneof![Just(0.0), 0.0..3.0f64],
        prop::array::uniform4(0.1..4.0f64),
    );
    prop::collection::vec(row, 1..70)
}

fn sigmoid(s: f64) -> f64 {
    1.0 / (1.0 + (-s).exp())
}

/// A loss and how a book writes it.
struct Case<L> {
    loss: L,
    textbook: fn(f64, f64, [f64; 4]) -> f64,
    /// How close a score is to where the derivative jumps.
    to_kink: fn(f64, f64) -> f64,
}

/// Rows of a loss, column by column, in its domains.
struct Columns {
    s: Vec<f64>,
    y: Vec<f64>,
    w: Vec<f64>,
    x: Vec<Vec<f64>>,
}

impl Columns {
    fn of<L: PointLoss>(loss: &L, rows: &[Row]) -> Self {
        let score = |s: f64| if loss.predictions() == Domain::Unit { sigmoid(s) } else { s };
        let target = |u: f64| match loss.targets() {
            Domain::Unit => u,
            Domain::Binary => f64::from(u > 0.5),
            _ => 8.0 * u - 4.0,
        };
        Self {
            s: rows.iter().map(|row| score(row.0)).collect(),
            y: rows.iter().map(|row| target(row.1)).collect(),
            w: rows.iter().map(|row| row.2).collect(),
            x: (0..L::EXTRAS).map(|k| rows.iter().map(|row| row.3[k]).collect()).collect(),
        }
    }

    fn batch(&self) -> Batch<'_, f64> {
        let extras = self.x.iter().map(|x| Column::F64(Strided::from_slice(x))).collect();
        let weight = Some(Column::F64(Strided::from_slice(&self.w)));
        Batch::new(Strided::from_slice(&self.s), Column::F64(Strided::from_slice(&self.y)), weight, extras).unwrap()
    }

    fn extras(&self, i: usize) -> [f64; 4] {
        std::array::from_fn(|k| self.x.get(k).map_or(0.0, |x| x[i]))
    }
}

fn near(got: f64, expected: f64, allowed: f64) -> bool {
    (got - expected).abs() <= allowed * (1.0 + expected.abs())
}

/// The values and slopes of rows in lanes of one, and in the widest of this machine.
fn both_widths<L: PointLoss, F: Float>(loss: &L, columns: &Columns) -> [Vec<(f64, f64)>; 2] {
    let len = columns.s.len().next_multiple_of(16);
    let narrowed = |values: &[f64]| {
        let mut values: Vec<F> = values.iter().map(|&value| F::of(value)).collect();
        values.resize(len, F::ZERO);
        values
    };
    let (s, y, w) = (narrowed(&columns.s), narrowed(&columns.y), narrowed(&columns.w));
    let x: Vec<Vec<F>> = columns.x.iter().map(|x| narrowed(x)).collect();
    let x = std::array::from_fn(|k| x.get(k).map_or(&[][..], Vec::as_slice));
    let block = Block { s: &s, y: &y, w: &w, x };
    [true, false].map(|single| {
        let (mut values, mut gradient) = (vec![F::ZERO; len], vec![F::ZERO; len]);
        let outcome = if single {
            GradBlock { loss, block, scale: 1.0, values: Some(&mut values), gradient: &mut gradient }.run::<F>()
        } else {
            loss.run_grad(block, 1.0, Some(&mut values), &mut gradient)
        };
        assert!(!outcome.wrong, "all values lie in their domains");
        values.iter().zip(&gradient).map(|(value, slope)| (value.wide(), slope.wide())).collect()
    })
}

fn check<L: PointLoss>(case: &Case<L>, rows: &[Row]) {
    let loss = &case.loss;
    let columns = Columns::of(loss, rows);
    let (batch, len, cancel) = (columns.batch(), rows.len(), Cancel::new());
    let name = std::any::type_name::<L>();

    let [single, wide] = both_widths::<L, f64>(loss, &columns);
    let [single_narrow, wide_narrow] = both_widths::<L, f32>(loss, &columns);
    for i in 0..len {
        for (a, b, allowed) in [(single[i], wide[i], 1e-13), (single_narrow[i], wide_narrow[i], 2e-5)] {
            assert!(near(b.0, a.0, allowed) && near(b.1, a.1, allowed), "{name}: {a:?} in one lane, {b:?} in many");
        }
    }

    let (mut values, mut slopes) = (vec![0.0; len], vec![0.0; len]);
    let loss: &dyn PointKernels<f64> = loss;
    value_grad_rows(loss, &batch, NanPolicy::Raise, &mut values, &mut slopes, &cancel).unwrap();
    let mut alone = vec![0.0; len];
    value_rows(loss, &batch, NanPolicy::Raise, &mut alone, &cancel).unwrap();
    assert_eq!(values, alone, "{name}: the same bits with and without a gradient");
    let mut gradient = vec![0.0; len];
    let total = value_grad(loss, &batch, SUM, &mut gradient, &cancel).unwrap();
    assert!(near(total, values.iter().sum(), 1e-13));
    assert_eq!(gradient, slopes, "{name}");
    assert_eq!(value(loss, &batch, SUM, &cancel).unwrap(), total, "{name}");

    let h = 1e-5;
    for i in 0..len {
        let (s, y, w, x) = (columns.s[i], columns.y[i], columns.w[i], columns.extras(i));
        let of = |s: f64| (case.textbook)(s, y, x);
        assert!(near(values[i], w * of(s), 1e-12), "{name} at {s}, {y}: {}, not {}", values[i], w * of(s));
        if (case.to_kink)(s, y) > 2.0 * h {
            let slope = (of(s + h) - of(s - h)) / (2.0 * h);
            assert!(near(slopes[i], w * slope, 1e-6), "{name} at {s}, {y}: slope {}, not {}", slopes[i], w * slope);
            let slope_at = |s: f64| case.loss.grad_hess(s, y, &x, Hessian::Exact).0;
            let bend = (slope_at(s + h) - slope_at(s - h)) / (2.0 * h);
            let exact = case.loss.grad_hess(s, y, &x, Hessian::Exact).1;
            assert!(near(exact, bend, 1e-5), "{name} at {s}, {y}: curvature {exact}, not {bend}");
        }
    }
}

fn smooth(_: f64, _: f64) -> f64 {
    f64::INFINITY
}

fn at_target(s: f64, y: f64) -> f64 {
    (s - y).abs()
}

fn cross_entropy(p: f64, y: f64) -> f64 {
    -(if y > 0.0 { y * p.ln() } else { 0.0 }) - (if y < 1.0 { (1.0 - y) * (1.0 - p).ln() } else { 0.0 })
}

/// −a(1 − p)ᴳ log p of the row's own label.
fn focal(s: f64, y: f64, gamma: f64, (one, zero): (f64, f64)) -> f64 {
    let (p, a) = if y == 1.0 { (sigmoid(s), one) } else { (sigmoid(-s), zero) };
    -a * (1.0 - p).powf(gamma) * p.ln()
}

fn expected_cost(s: f64, y: f64, [c_fp, c_fn, c_tp, c_tn]: [f64; 4]) -> f64 {
    let p = sigmoid(s);
    y * ((1.0 - p) * c_fn + p * c_tp) + (1.0 - y) * (p * c_fp + (1.0 - p) * c_tn)
}

fn log_cost(s: f64, y: f64, [c_fp, c_fn, ..]: [f64; 4]) -> f64 {
    -y * c_fn * sigmoid(s).ln() - (1.0 - y) * c_fp * sigmoid(-s).ln()
}

fn pinball(s: f64, y: f64, t: f64) -> f64 {
    if y > s { t * (y - s) } else { (1.0 - t) * (s - y) }
}

fn gmadl(s: f64, y: f64, b: f64) -> f64 {
    -(sigmoid(1.5 * y * s) - 0.5) * y.abs().powf(b)
}

/// One test a loss, so that a failure names it.
macro_rules! losses {
    ($($test:ident: $loss:expr, $textbook:expr, $kink:expr;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(48))]
            $(
                #[test]
                fn $test(rows in any_rows()) {
                    check(&Case { loss: $loss, textbook: $textbook, to_kink: $kink }, &rows);
                }
            )*
        }
    };
}

const COSTS: [f64; 4] = [2.0, 5.0, -0.5, 0.25];

losses! {
    bce: BinaryCrossEntropy::<true>, |s, y, _| cross_entropy(sigmoid(s), y), smooth;
    bce_of_probabilities: BinaryCrossEntropy::<false>, |s, y, _| cross_entropy(s, y),
        |s, _| if (0.05..0.95).contains(&s) { f64::INFINITY } else { 0.0 };
    focal_0: Focal::<0> { gamma: 0.0, alpha: (1.0, 1.0) }, |s, y, _| focal(s, y, 0.0, (1.0, 1.0)), smooth;
    focal_1: Focal::<1> { gamma: 1.0, alpha: (0.25, 0.75) }, |s, y, _| focal(s, y, 1.0, (0.25, 0.75)), smooth;
    focal_2: Focal::<2> { gamma: 2.0, alpha: (0.25, 0.75) }, |s, y, _| focal(s, y, 2.0, (0.25, 0.75)), smooth;
    focal_any: Focal::<ANY> { gamma: 0.7, alpha: (0.6, 0.4) }, |s, y, _| focal(s, y, 0.7, (0.6, 0.4)), smooth;
    label_smoothing: LabelSmoothing { epsilon: 0.1 }, |s, y, _| cross_entropy(sigmoid(s), 0.9 * y + 0.05), smooth;
    weighted_bce: WeightedBce { pos_weight: 3.0 }, |s, y, _| log_cost(s, y, [1.0, 3.0, 0.0, 0.0]), smooth;
    cost_expected: CostSensitive::<false, false> { costs: COSTS }, |s, y, _| expected_cost(s, y, COSTS), smooth;
    cost_expected_per_row: CostSensitive::<false, true> { costs: COSTS }, expected_cost, smooth;
    cost_log: CostSensitive::<true, false> { costs: COSTS }, |s, y, _| log_cost(s, y, COSTS), smooth;
    cost_log_per_row: CostSensitive::<true, true> { costs: COSTS }, log_cost, smooth;
    mae: AbsoluteError, |s, y, _| (s - y).abs(), at_target;
    huber: Huber { delta: 1.5 },
        |s, y, _| if (s - y).abs() <= 1.5 { (s - y).powi(2) / 2.0 } else { 1.5 * ((s - y).abs() - 0.75) },
        |s, y| ((s - y).abs() - 1.5).abs();
    pseudo_huber: PseudoHuber { delta: 1.5 }, |s, y, _| 2.25 * ((1.0 + ((s - y) / 1.5).powi(2)).sqrt() - 1.0), smooth;
    quantile: Quantile { quantile: 0.9 }, |s, y, _| pinball(s, y, 0.9), at_target;
    quantiles: Quantiles, |s, y, x| pinball(s, y, x[0]), at_target;
    directional: DirectionalLogistic { sharpness: 2.0 },
        |s, y, _| y.abs() * (-2.0 * y.signum() * s).exp().ln_1p(),
        smooth;
    gmadl_1: Gmadl::<1> { a: 1.5, b: 1.0 }, |s, y, _| gmadl(s, y, 1.0), smooth;
    gmadl_2: Gmadl::<2> { a: 1.5, b: 2.0 }, |s, y, _| gmadl(s, y, 2.0), smooth;
    gmadl_any: Gmadl::<ANY> { a: 1.5, b: 1.3 }, |s, y, _| gmadl(s, y, 1.3), smooth;
    madl: Madl, |s, y, _| if s == 0.0 { 0.0 } else { -y * s.signum() }, |s, _| s.abs();
}

proptest! {
    /// Its boosting form is half of it, so that its slope there is half the derivative.
    #[test]
    fn mse(rows in any_rows()) {
        let columns = Columns::of(&SquaredError, &rows);
        let mut slopes = vec![0.0; rows.len()];
        value_grad(&SquaredError, &columns.batch(), SUM, &mut slopes, &Cancel::new()).unwrap();
        for i in 0..rows.len() {
            let e = columns.s[i] - columns.y[i];
            prop_assert!(near(slopes[i], 2.0 * e * columns.w[i], 1e-14));
            prop_assert_eq!(SquaredError.grad_hess(columns.s[i], columns.y[i], &[0.0; 4], Hessian::Exact), (e, 1.0));
        }
    }
}
