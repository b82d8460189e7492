use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use proptest::prelude::*;

use super::*;
use crate::columns::{Column, Strided};
use crate::loss::book::Absent;
use crate::loss::position::Position;
use crate::parallel::set_num_threads;

const TRADING: Trading = Trading {
    position: Position::Tanh,
    cost: 0.01,
    initial_position: 0.0,
    absent: Absent::Close,
    pooled: false,
    target_volatility: None,
};
const MEAN: Options = Options { reduction: Reduction::Mean, nan_policy: NanPolicy::Omit };

/// −mean r.
#[derive(Clone, Copy)]
struct Profit;

impl SeriesLoss for Profit {
    const ADDITIVE: bool = true;

    fn value_grad(&self, returns: &Returns<'_>, slope: &mut [f64]) -> f64 {
        slope.iter_mut().zip(returns.w).for_each(|(slope, w)| *slope = -w / returns.divisor);
        -returns.r.iter().zip(returns.w).map(|(r, w)| r * w).sum::<f64>() / returns.divisor
    }
}

/// −mean log(1 + r): refuses ruin and has a curvature.
#[derive(Clone, Copy)]
struct LogUtility;

impl SeriesLoss for LogUtility {
    const ADDITIVE: bool = true;

    fn refuses_ruin(&self) -> bool {
        true
    }

    fn value_grad(&self, returns: &Returns<'_>, slope: &mut [f64]) -> f64 {
        let rows = || returns.r.iter().zip(returns.w);
        slope.iter_mut().zip(rows()).for_each(|(slope, (r, w))| *slope = -w / (1.0 + r) / returns.divisor);
        -rows().map(|(r, w)| w * r.ln_1p()).sum::<f64>() / returns.divisor
    }

    fn curvature(&self, returns: &Returns<'_>, curvature: &mut [f64]) -> bool {
        let rows = returns.r.iter().zip(returns.w);
        curvature.iter_mut().zip(rows).for_each(|(h, (r, w))| *h = w / (1.0 + r).powi(2) / returns.divisor);
        true
    }
}

/// −m / (sd + 1e-3), with weights.
#[derive(Clone, Copy)]
struct Sharpe;

impl SeriesLoss for Sharpe {
    fn least(&self) -> usize {
        2
    }

    fn value_grad(&self, returns: &Returns<'_>, slope: &mut [f64]) -> f64 {
        let rows = || returns.r.iter().zip(returns.w);
        let m = rows().map(|(r, w)| r * w).sum::<f64>() / returns.weight;
        let sd = (rows().map(|(r, w)| w * (r - m).powi(2)).sum::<f64>() / returns.weight).sqrt();
        let over = sd + 1e-3;
        for (slope, (r, w)) in slope.iter_mut().zip(rows()) {
            let spread = if sd == 0.0 { 0.0 } else { m * (r - m) / (sd * over * over) };
            *slope = -w / returns.weight * (1.0 / over - spread);
        }
        -m / over
    }
}

#[derive(Debug, Clone)]
struct Panel {
    dates: Vec<i64>,
    assets: Vec<i32>,
    s: Vec<f64>,
    y: Vec<f64>,
    w: Vec<f64>,
    volatility: Vec<f64>,
}

impl Panel {
    fn batch(&self, trading: Trading) -> Batch<'_, f64> {
        let column = |values| Column::F64(Strided::from_slice(values));
        let extras = trading.target_volatility.iter().map(|_| column(&self.volatility)).collect();
        Batch::new(Strided::from_slice(&self.s), column(&self.y), Some(column(&self.w)), extras).unwrap()
    }

    fn index(&self) -> GroupIndex {
        GroupIndex::with_assets(&self.dates, &self.assets).unwrap()
    }

    fn kept(&self) -> Vec<usize> {
        (0..self.s.len()).filter(|&i| !self.y[i].is_nan()).collect()
    }

    fn days(&self) -> BTreeMap<i64, Vec<usize>> {
        let mut days: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        for i in self.kept() {
            days.entry(self.dates[i]).or_default().push(i);
        }
        days
    }

    fn positions(&self, trading: Trading) -> BTreeMap<usize, f64> {
        let mut positions = BTreeMap::new();
        for rows in self.days().values() {
            let total: f64 = rows.iter().map(|&i| self.s[i].exp()).sum();
            for &i in rows {
                let s = self.s[i];
                let position = match trading.position {
                    Position::Identity => s,
                    Position::Tanh => s.tanh(),
                    Position::Clip => s.clamp(-1.0, 1.0),
                    Position::Softmax => s.exp() / total,
                };
                let leverage = trading.target_volatility.map_or(1.0, |target| target / self.volatility[i]);
                positions.insert(i, position * leverage);
            }
        }
        positions
    }

    /// Returns and their weights, by a broker who keeps a table of what is held.
    fn naive(&self, trading: Trading) -> (Vec<f64>, Vec<f64>) {
        let (days, positions) = (self.days(), self.positions(trading));
        let assets: BTreeSet<i32> = self.assets.iter().copied().collect();
        let mut held: BTreeMap<i32, f64> = assets.iter().map(|&asset| (asset, trading.initial_position)).collect();
        let mut last: BTreeMap<i32, usize> = BTreeMap::new();
        let mut by_row: BTreeMap<usize, f64> = BTreeMap::new();
        let (mut returns, mut weights) = (vec![], vec![]);
        for rows in days.values() {
            let mut sum = 0.0;
            for &i in rows {
                let net = positions[&i] * self.y[i] - trading.cost * (positions[&i] - held[&self.assets[i]]).abs();
                sum += net;
                by_row.insert(i, net);
            }
            for &asset in &assets {
                if trading.absent == Absent::Close && !rows.iter().any(|&i| self.assets[i] == asset) {
                    // Before its first date an asset holds nothing that could be closed.
                    if let Some(&row) = last.get(&asset) {
                        let paid = trading.cost * held[&asset].abs();
                        sum -= paid;
                        *by_row.get_mut(&row).unwrap() -= paid;
                    }
                    held.insert(asset, 0.0);
                }
            }
            for &i in rows {
                held.insert(self.assets[i], positions[&i]);
                last.insert(self.assets[i], i);
            }
            let divisor = if trading.position == Position::Softmax { 1.0 } else { rows.len() as f64 };
            returns.push(sum / divisor);
            weights.push(self.w[rows[0]]);
        }
        if trading.pooled {
            let rows = || days.values().flatten();
            return (rows().map(|i| by_row[i]).collect(), rows().map(|&i| self.w[i]).collect());
        }
        (returns, weights)
    }

    fn naive_loss<L: SeriesLoss>(&self, loss: &L, trading: Trading, reduction: Reduction) -> f64 {
        let (r, w) = self.naive(trading);
        let weight: f64 = w.iter().sum();
        let divisor = match reduction {
            Reduction::Mean => weight,
            Reduction::MeanN => r.len() as f64,
            Reduction::Sum => 1.0,
        };
        loss.value_grad(&Returns { r: &r, w: &w, weight, divisor }, &mut vec![0.0; r.len()])
    }
}

fn any_panel() -> impl Strategy<Value = Panel> {
    let row = (-1.5..1.5f64, prop_oneof![6 => -0.1..0.1f64, 1 => Just(f64::NAN)], 0.01..0.05f64);
    let keys = prop::collection::btree_set((0..8i64, 0..5i32), 3..36);
    (keys, any::<bool>())
        .prop_flat_map(move |(keys, sort)| {
            let keys: Vec<_> = keys.into_iter().collect();
            let keys = if sort { Just(keys).boxed() } else { Just(keys).prop_shuffle().boxed() };
            keys.prop_flat_map({
                let row = row.clone();
                move |keys| (prop::collection::vec(row.clone(), keys.len()), Just(keys))
            })
        })
        .prop_map(|(rows, keys)| Panel {
            dates: keys.iter().map(|key| key.0 * key.0 * 10 - 40).collect(),
            assets: keys.iter().map(|key| key.1).collect(),
            s: rows.iter().map(|row| row.0).collect(),
            y: rows.iter().map(|row| row.1).collect(),
            w: keys.iter().map(|key| 0.5 + (key.0 % 3) as f64).collect(),
            volatility: rows.iter().map(|row| row.2).collect(),
        })
}

fn any_trading() -> impl Strategy<Value = Trading> {
    let position =
        prop_oneof![Just(Position::Identity), Just(Position::Tanh), Just(Position::Clip), Just(Position::Softmax)];
    let absent = prop_oneof![Just(Absent::Close), Just(Absent::Carry)];
    let target = prop_oneof![Just(None), Just(Some(0.02))];
    (position, absent, prop_oneof![Just(0.0), Just(0.02)], prop_oneof![Just(0.0), Just(0.3)], any::<bool>(), target)
        .prop_map(|(position, absent, cost, initial_position, pooled, target_volatility)| Trading {
            position,
            cost,
            initial_position,
            absent,
            pooled,
            target_volatility,
        })
}

fn check<L: SeriesLoss>(
    loss: &L,
    panel: &Panel,
    trading: Trading,
    reduction: Reduction,
) -> std::result::Result<(), TestCaseError> {
    let cancel = Cancel::new();
    let (batch, index) = (panel.batch(trading), panel.index());
    let options = Options { reduction, nan_policy: NanPolicy::Omit };
    let mut gradient = vec![f64::NAN; panel.s.len()];
    let got = value_grad(loss, &batch, &index, trading, options, &mut gradient, &cancel).unwrap();
    let expected = panel.naive_loss(loss, trading, reduction);
    prop_assert!((got - expected).abs() < 1e-10 * expected.abs().max(1.0), "{} {}", got, expected);
    prop_assert_eq!(value(loss, &batch, &index, trading, options, &cancel).unwrap().to_bits(), got.to_bits());
    for (i, &analytic) in gradient.iter().enumerate() {
        prop_assert!(!panel.y[i].is_nan() || analytic == 0.0);
        if trading.position == Position::Clip && (panel.s[i].abs() - 1.0).abs() < 1e-4 {
            continue;
        }
        let at = |step: f64| {
            let mut moved = panel.clone();
            moved.s[i] += step;
            moved.naive_loss(loss, trading, reduction)
        };
        let (up, down) = (at(1e-6) - got, got - at(-1e-6));
        // Where two positions are equal the cost has a kink, on which one-sided differences disagree.
        if (up - down).abs() < 1e-9 {
            let slope = (up + down) / 2e-6;
            let tolerance = 1e-6 * slope.abs().max(1.0) + 1e-8 * got.abs().max(1.0);
            prop_assert!((slope - analytic).abs() < tolerance, "row {}: {} {}", i, slope, analytic);
        } else {
            // Without costs it can only be curvature: a ratio over returns that hardly deviate. The slope then lies
            // between the two one-sided ones.
            let (slope, off) = ((up + down) / 2e-6, (up - down).abs() / 1e-6);
            prop_assert!(trading.cost > 0.0 || (slope - analytic).abs() <= off, "row {}: {} {}", i, slope, analytic);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn equals_the_naive_broker(panel in any_panel(), trading in any_trading()) {
        let (expected, _) = panel.naive(trading);
        let got = returns(&panel.batch(trading), &panel.index(), trading, NanPolicy::Omit, &Cancel::new()).unwrap();
        prop_assert_eq!(got.len(), expected.len());
        for (got, expected) in got.iter().zip(&expected) {
            prop_assert!((got - expected).abs() < 1e-14, "{} {}", got, expected);
        }
        if expected.is_empty() {
            return Ok(());
        }
        for reduction in [Reduction::Mean, Reduction::MeanN, Reduction::Sum] {
            check(&Profit, &panel, trading, reduction)?;
        }
        check(&LogUtility, &panel, trading, Reduction::Mean)?;
        if expected.len() > 1 {
            check(&Sharpe, &panel, trading, Reduction::Mean)?;
        }
    }
}

#[test]
fn a_flip_costs_twice_and_a_gap_is_closed_or_carried() {
    // Asset 1 holds 1, is absent on date 2, holds -1 on date 3; asset 0 is always there and never moves after date 1.
    let panel = Panel {
        dates: vec![3, 1, 2, 1, 3],
        assets: vec![1, 1, 0, 0, 0],
        s: vec![-1.0, 1.0, 0.5, 0.5, 0.5],
        y: vec![0.0; 5],
        w: vec![1.0; 5],
        volatility: vec![],
    };
    let run = |absent| {
        let trading = Trading { position: Position::Identity, cost: 0.5, absent, ..TRADING };
        returns(&panel.batch(trading), &panel.index(), trading, NanPolicy::Raise, &Cancel::new()).unwrap()
    };
    assert_eq!(run(Absent::Close), [-0.375, -0.5, -0.25]);
    assert_eq!(run(Absent::Carry), [-0.375, 0.0, -0.5]);
}

#[test]
fn same_bits_at_any_thread_count_and_width() {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let n = 90_000usize;
    let wave = |k: usize| (0..n).map(|i| ((i * k) as f64).sin()).collect::<Vec<_>>();
    let row: Vec<usize> = (0..n).map(|i| (i * 7_919) % n).collect();
    let (dates, assets): (Vec<_>, Vec<_>) = row.iter().map(|i| ((i / 300) as i64, (i % 300) as i32)).unzip();
    let y = wave(11).iter().enumerate().map(|(i, y)| if i % 70 == 0 { f64::NAN } else { y / 50.0 }).collect();
    let panel = Panel { dates, assets, s: wave(37), y, w: vec![2.0; n], volatility: vec![] };
    let (batch, index, cancel) = (panel.batch(TRADING), panel.index(), Cancel::new());
    let mut seen = Vec::new();
    for threads in [1, 2, 3, 7] {
        set_num_threads(threads).unwrap();
        let (mut g, mut h) = (vec![f64::NAN; n], vec![f64::NAN; n]);
        let value = value_grad(&Sharpe, &batch, &index, TRADING, MEAN, &mut g, &cancel).unwrap();
        let mut bits: Vec<u64> = g.iter().map(|g| g.to_bits()).chain([value.to_bits()]).collect();
        grad_hess(&LogUtility, &batch, &index, TRADING, NanPolicy::Omit, Hessian::Boosting, &mut g, &mut h, &cancel)
            .unwrap();
        bits.extend(g.iter().chain(&h).map(|v| v.to_bits()));
        seen.push(bits);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
    let s: Vec<f32> = panel.s.iter().map(|&s| s as f32).collect();
    let narrow = Batch::new(Strided::from_slice(&s), batch.target, batch.weight, vec![]).unwrap();
    let rounded = Panel { s: s.iter().map(|&s| f64::from(s)).collect(), ..panel.clone() };
    let (mut g, mut wide) = (vec![f32::NAN; n], vec![f64::NAN; n]);
    value_grad(&Sharpe, &narrow, &index, TRADING, MEAN, &mut g, &cancel).unwrap();
    value_grad(&Sharpe, &rounded.batch(TRADING), &index, TRADING, MEAN, &mut wide, &cancel).unwrap();
    assert!(g.iter().zip(&wide).all(|(&g, &wide)| g == wide as f32));
}

#[test]
fn boosting_gets_a_curvature_a_floor_and_weights() {
    let panel = Panel {
        dates: vec![2, 1, 1, 2],
        assets: vec![0, 0, 1, 1],
        s: vec![0.3, -0.2, 0.1, 50.0],
        y: vec![0.02, -0.01, f64::NAN, 0.03],
        w: vec![2.0, 3.0, 3.0, 2.0],
        volatility: vec![],
    };
    let trading = Trading { cost: 0.0, ..TRADING };
    let (batch, index) = (panel.batch(trading), panel.index());
    let (mut g, mut h) = ([f64::NAN; 4], [f64::NAN; 4]);
    let omit = NanPolicy::Omit;
    grad_hess(&LogUtility, &batch, &index, trading, omit, Hessian::Boosting, &mut g, &mut h, &Cancel::new()).unwrap();
    let slope = |s: f64| 1.0 - s.tanh().powi(2);
    let r = f64::midpoint(0.3f64.tanh() * 0.02, 0.03);
    let expected = 2.0 / (1.0 + r).powi(2) * (slope(0.3) * 0.01).powi(2);
    assert!((h[0] / expected - 1.0).abs() < 1e-12);
    assert_eq!((g[2], h[2], h[3]), (0.0, 0.0, 2.0 * HESSIAN_FLOOR));
    assert!((g[0] + 2.0 / (1.0 + r) * slope(0.3) * 0.01).abs() < 1e-15);
    grad_hess(&Sharpe, &batch, &index, trading, omit, Hessian::Boosting, &mut g, &mut h, &Cancel::new()).unwrap();
    assert_eq!(h, [2.0, 3.0, 0.0, 2.0]);
}

#[test]
fn what_cannot_be_computed_is_said() {
    let panel = |y: f64| Panel {
        dates: vec![5, 7, 7],
        assets: vec![0, 0, 1],
        s: vec![9.0; 3],
        y: vec![0.01, y, y],
        w: vec![1.0; 3],
        volatility: vec![0.1, 0.0, 0.1],
    };
    let none = Cancel::new();
    let run = |panel: &Panel, trading| value(&LogUtility, &panel.batch(trading), &panel.index(), trading, MEAN, &none);
    let ruin = run(&panel(-1.5), TRADING).unwrap_err();
    assert_eq!(ruin.code(), "loss.ruin");
    assert!(ruin.to_string().starts_with("date 7: "), "{ruin}");
    let pooled = run(&panel(-1.5), Trading { pooled: true, ..TRADING }).unwrap_err();
    assert!(pooled.to_string().starts_with("date 7: "), "{pooled}");
    let volatility = run(&panel(0.0), Trading { target_volatility: Some(0.1), ..TRADING }).unwrap_err();
    assert!(volatility.to_string().starts_with("row 1: "), "{volatility}");
    for trading in [
        Trading { cost: -0.1, ..TRADING },
        Trading { initial_position: f64::NAN, ..TRADING },
        Trading { target_volatility: Some(0.0), ..TRADING },
    ] {
        assert_eq!(run(&panel(0.0), trading).unwrap_err().code(), "parameter.invalid");
    }
    let panel = panel(0.0);
    let batch = panel.batch(TRADING);
    let unknown = GroupIndex::new(&panel.dates).unwrap();
    let error = value(&Profit, &batch, &unknown, TRADING, MEAN, &none).unwrap_err();
    assert_eq!(error, Error::AssetsNeeded { row: 2, date: 7 });
    assert!(value(&Profit, &batch, &unknown, Trading { cost: 0.0, ..TRADING }, MEAN, &none).is_ok());
    let sum = Options { reduction: Reduction::Sum, ..MEAN };
    let ratio = value(&Sharpe, &batch, &panel.index(), TRADING, sum, &none).unwrap_err();
    assert_eq!(ratio.code(), "loss.reduction_undefined");
    let heavy = Panel { w: vec![1.0, 1.0, 2.0], ..panel.clone() };
    let error = value(&Profit, &heavy.batch(TRADING), &heavy.index(), TRADING, MEAN, &none).unwrap_err();
    assert_eq!(error, Error::WeightDiffers { row: 2, group: 7, value: 2.0, expected: 1.0 });
}

#[test]
fn few_dates_and_none() {
    let none = Cancel::new();
    let batch = |s: &'static [f64], y: &'static [f64]| {
        Batch::new(Strided::from_slice(s), Column::F64(Strided::from_slice(y)), None, vec![]).unwrap()
    };
    let one = GroupIndex::one_asset(1).unwrap();
    let error = value(&Sharpe, &batch(&[1.0], &[0.1]), &one, TRADING, MEAN, &none).unwrap_err();
    assert_eq!(error, Error::TooFewDates { got: 1, needed: 2 });
    for (batch, index) in [(batch(&[], &[]), GroupIndex::one_asset(0).unwrap()), (batch(&[1.0], &[f64::NAN]), one)] {
        let mean = value(&Profit, &batch, &index, TRADING, MEAN, &none).unwrap_err();
        assert_eq!(mean.code(), "loss.nothing_to_average");
        let sum = Options { reduction: Reduction::Sum, ..MEAN };
        let mut gradient = vec![f64::NAN; batch.len()];
        assert_eq!(value_grad(&Profit, &batch, &index, TRADING, sum, &mut gradient, &none), Ok(0.0));
        assert!(gradient.iter().all(|&slope| slope == 0.0));
    }
}
