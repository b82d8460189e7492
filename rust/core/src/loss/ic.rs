//! Information coefficient: the correlation of scores and targets on a date.

use super::cpu::{Kernel, dispatch};
use super::float::Float;
use super::traits::{Group, GroupLoss, Hessian, Term};

/// −corr(s, y), weighted by row.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct InformationCoefficient;

/// The correlation of two columns, and what their centred values are.
pub(super) struct Correlation {
    /// −1 to 1.
    pub(super) value: f64,
    /// Σw·sc².
    pub(super) ss: f64,
    /// √(Σw·sc² Σw·yc²).
    pub(super) norm: f64,
    s: Centre,
    y: Centre,
}

/// From a value to its distance from the mean.
#[derive(Clone, Copy)]
struct Centre {
    /// A value of the column: subtracted first, so that a mean far from 0 costs no digits.
    first: f64,
    /// The mean of what is left.
    mean: f64,
}

impl Centre {
    #[inline(always)]
    fn of<F: Float>(self, value: F) -> f64 {
        value.wide() - self.first - self.mean
    }
}

/// Numbers in double precision that are computed side by side; sums over rows are kept in as many lanes and added in
/// order at the end.
#[derive(Clone, Copy)]
struct Eight([f64; LANES]);

const LANES: usize = 8;

/// Element by element, written so that the compiler makes vector instructions of it.
macro_rules! each {
    (|$k:ident| $value:expr) => {{
        let mut out = [0.0; LANES];
        for $k in 0..LANES {
            out[$k] = $value;
        }
        Eight(out)
    }};
}

impl Eight {
    const ZERO: Self = Self([0.0; LANES]);

    /// Values from `at` on from the middle; the middle itself behind their end.
    #[inline(always)]
    fn load<F: Float>(values: &[F], at: usize, centre: Centre) -> Self {
        if let Some(values) = values[at..].first_chunk::<LANES>() {
            return each!(|k| centre.of(values[k]));
        }
        let rest = &values[at..];
        each!(|k| if k < rest.len() { centre.of(rest[k]) } else { 0.0 })
    }

    /// The weights from `at` on, 1 where there are none; 0 behind the last row.
    #[inline(always)]
    fn weights(w: &[f64], at: usize, len: usize) -> Self {
        if at + LANES <= len && w.is_empty() {
            return Self([1.0; LANES]);
        }
        if let Some(w) = w.get(at..).and_then(|w| w.first_chunk::<LANES>()) {
            return Self(*w);
        }
        each!(|k| if at + k < len { w.get(at + k).copied().unwrap_or(1.0) } else { 0.0 })
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        each!(|k| self.0[k] + other.0[k])
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        each!(|k| self.0[k] * other.0[k])
    }

    /// The larger of each and the absolute value of `other` where it weighs anything.
    #[inline(always)]
    fn farther(self, other: Self, w: Self) -> Self {
        let far = each!(|k| if w.0[k] > 0.0 { other.0[k].abs() } else { 0.0 });
        each!(|k| if far.0[k] > self.0[k] { far.0[k] } else { self.0[k] })
    }

    fn sum(self) -> f64 {
        self.0.iter().fold(0.0, |sum, lane| sum + lane)
    }

    fn largest(self) -> f64 {
        self.0.iter().fold(0.0, |top, &lane| if lane > top { lane } else { top })
    }
}

/// Σw, Σw·(s − first), Σw·(y − first), and the largest of either distance where rows weigh anything.
struct Means<'a, A, B> {
    s: &'a [A],
    y: &'a [B],
    /// Empty where every row weighs 1.
    w: &'a [f64],
    centre: [Centre; 2],
}

impl<A: Float, B: Float> Kernel for Means<'_, A, B> {
    type Output = [f64; 5];

    #[inline(always)]
    fn run(self) -> [f64; 5] {
        let Self { s, y, w, centre } = self;
        let [mut weight, mut sum_s, mut sum_y, mut far_s, mut far_y] = [Eight::ZERO; 5];
        for at in (0..s.len()).step_by(LANES) {
            let w = Eight::weights(w, at, s.len());
            let (s, y) = (Eight::load(s, at, centre[0]), Eight::load(y, at, centre[1]));
            weight = weight.add(w);
            sum_s = sum_s.add(w.mul(s));
            sum_y = sum_y.add(w.mul(y));
            far_s = far_s.farther(s, w);
            far_y = far_y.farther(y, w);
        }
        [weight.sum(), sum_s.sum(), sum_y.sum(), far_s.largest(), far_y.largest()]
    }
}

/// Σw·sc, Σw·yc, Σw·sc², Σw·yc², Σw·sc·yc.
struct Products<'a, A, B> {
    s: &'a [A],
    y: &'a [B],
    w: &'a [f64],
    centre: [Centre; 2],
}

impl<A: Float, B: Float> Kernel for Products<'_, A, B> {
    type Output = [f64; 5];

    #[inline(always)]
    fn run(self) -> [f64; 5] {
        let Self { s, y, w, centre } = self;
        let [mut left_s, mut left_y, mut ss, mut yy, mut sy] = [Eight::ZERO; 5];
        for at in (0..s.len()).step_by(LANES) {
            let w = Eight::weights(w, at, s.len());
            let (s, y) = (Eight::load(s, at, centre[0]), Eight::load(y, at, centre[1]));
            let (ws, wy) = (w.mul(s), w.mul(y));
            left_s = left_s.add(ws);
            left_y = left_y.add(wy);
            ss = ss.add(ws.mul(s));
            yy = yy.add(wy.mul(y));
            sy = sy.add(ws.mul(y));
        }
        [left_s.sum(), left_y.sum(), ss.sum(), yy.sum(), sy.sum()]
    }
}

/// −w·(yc/norm − value·sc/ss)·scale, the derivative of −correlation by each s.
struct Slopes<'a, A, B, O> {
    s: &'a [A],
    y: &'a [B],
    w: &'a [f64],
    by: &'a Correlation,
    scale: f64,
    out: &'a mut [O],
}

impl<A: Float, B: Float, O: Float> Kernel for Slopes<'_, A, B, O> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let len = self.out.len();
        let (s, y, out) = (&self.s[..len], &self.y[..len], &mut self.out[..len]);
        let Correlation { value, ss, norm, s: from_s, y: from_y } = *self.by;
        let (by_s, by_y) = (self.scale * (value / ss), -self.scale / norm);
        let slope = |i: usize| by_y * from_y.of(y[i]) + by_s * from_s.of(s[i]);
        if self.w.is_empty() {
            for (i, out) in out.iter_mut().enumerate() {
                *out = O::of(slope(i));
            }
        } else {
            for ((i, out), w) in out.iter_mut().enumerate().zip(&self.w[..len]) {
                *out = O::of(w * slope(i));
            }
        }
    }
}

/// The correlation of `s` and `y`, weighted by `w` (empty for weights of 1); none where one of them does not vary.
pub(super) fn correlation<A: Float, B: Float>(s: &[A], y: &[B], w: &[f64]) -> Option<Correlation> {
    let at = w.iter().position(|&w| w > 0.0).unwrap_or(0);
    let [mut from_s, mut from_y] = [s[at].wide(), y[at].wide()].map(|first| Centre { first, mean: 0.0 });
    let [weight, sum_s, sum_y, far_s, far_y] = dispatch(Means { s, y, w, centre: [from_s, from_y] });
    if far_s == 0.0 || far_y == 0.0 {
        return None;
    }
    (from_s.mean, from_y.mean) = (sum_s / weight, sum_y / weight);
    let [left_s, left_y, ss, yy, sy] = dispatch(Products { s, y, w, centre: [from_s, from_y] });
    // What rounding left of the means.
    from_s.mean += left_s / weight;
    from_y.mean += left_y / weight;
    let (ss, yy, sy) = (ss - left_s * left_s / weight, yy - left_y * left_y / weight, sy - left_s * left_y / weight);
    let norm = ss.sqrt() * yy.sqrt();
    // Values so small that their squares vanish do not vary either.
    (norm > 0.0).then(|| Correlation { value: sy / norm, ss, norm, s: from_s, y: from_y })
}

impl Correlation {
    /// The derivative of −correlation by each s, times `scale`.
    pub(super) fn slopes<A: Float, B: Float, O: Float>(&self, s: &[A], y: &[B], w: &[f64], scale: f64, out: &mut [O]) {
        dispatch(Slopes { s, y, w, by: self, scale, out });
    }
}

/// What a group is whose rows all weigh nothing: it would count, had it any weight.
const WEIGHTLESS: Term = Term { value: 0.0, mass: 0.0, count: 1.0 };

impl GroupLoss for InformationCoefficient {
    type Scratch<F: Float> = ();
    const ROW_WEIGHTS: bool = true;

    fn value_grad<F: Float>(&self, group: &Group<'_, F>, gradient: &mut [f64], (): &mut ()) -> Option<Term> {
        scaled(group, 1.0, gradient)
    }

    fn value_grad_scaled<F: Float>(
        &self,
        group: &Group<'_, F>,
        scale: f64,
        gradient: &mut [F],
        _: &mut [f64],
        (): &mut (),
    ) -> Option<Term> {
        scaled(group, scale, gradient)
    }

    /// w/Σw·sc²: a step along gradient/hessian scales with the scores.
    fn grad_hess<F: Float>(
        &self,
        group: &Group<'_, F>,
        _: Hessian,
        gradient: &mut [f64],
        hessian: &mut [f64],
        (): &mut (),
    ) -> Option<Term> {
        let term = scaled(group, 1.0, gradient)?;
        // A group without weight has a gradient of 0 and a curvature of 0.
        let over = if term.mass == 0.0 { 0.0 } else { 1.0 / correlation(group.s, group.y, group.w)?.ss };
        for (i, h) in hessian.iter_mut().enumerate() {
            *h = over * group.weight(i);
        }
        Some(term)
    }
}

fn scaled<F: Float, O: Float>(group: &Group<'_, F>, scale: f64, gradient: &mut [O]) -> Option<Term> {
    if !group.w.is_empty() && group.w.iter().all(|&w| w == 0.0) {
        correlation(group.s, group.y, &[])?;
        gradient.fill(O::ZERO);
        return Some(WEIGHTLESS);
    }
    let found = correlation(group.s, group.y, group.w)?;
    found.slopes(group.s, group.y, group.w, scale, gradient);
    Some(Term::once(-found.value))
}
