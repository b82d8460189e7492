//! Information coefficient: the correlation of scores and targets on a date.

use super::cpu::{Kernel, LaneKernel, dispatch, widest};
use super::float::Float;
use super::lane::{Lane, Lanes};
use super::pairs::lanes_sum;
use super::traits::{Group, GroupLoss, Hessian, Term};

/// −corr(s, y), weighted by row.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct InformationCoefficient;

/// The correlation of two columns, and what their centred values are.
pub(super) struct Correlation<'a> {
    /// −1 to 1.
    pub(super) value: f64,
    /// Σw·sc².
    pub(super) ss: f64,
    /// √(Σw·sc² Σw·yc²).
    norm: f64,
    columns: Columns<'a>,
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
    fn of<V: Lane<Scalar = f64>>(self, values: &[f64]) -> V {
        V::load(values) - V::of(self.first) - V::of(self.mean)
    }
}

/// Two columns and the weights of their rows.
#[derive(Clone, Copy)]
struct Columns<'a> {
    s: &'a [f64],
    y: &'a [f64],
    /// Empty where every row weighs 1.
    w: &'a [f64],
    from: [Centre; 2],
}

impl Columns<'_> {
    /// Distances and weights; a row that has been in a lane before weighs nothing.
    #[inline(always)]
    fn load<V: Lane<Scalar = f64>>(&self, lanes: &Lanes<V>) -> (V, V, V) {
        let at = lanes.at;
        let w = if self.w.is_empty() { V::ONE } else { V::load(&self.w[at..]) };
        let w = V::select(lanes.fresh, w, V::ZERO);
        (self.from[0].of(&self.s[at..]), self.from[1].of(&self.y[at..]), w)
    }
}

/// Σw, Σw·s and Σw·y of the distances, and whether s and y differ from 0 anywhere where rows weigh anything.
struct Means<'a>(Columns<'a>);

impl Means<'_> {
    #[inline(always)]
    fn rows<V: Lane<Scalar = f64>>(&self) -> ([f64; 3], [bool; 2]) {
        let (mut sums, mut far, mut lanes) = ([V::ZERO; 3], [V::ZERO; 2], Lanes::<V>::of(self.0.s.len()));
        while lanes.next() {
            let (s, y, w) = self.0.load(&lanes);
            let (ws, wy) = (w * s, w * y);
            sums = [sums[0] + w, sums[1] + ws, sums[2] + wy];
            let counts = V::ZERO.less(w);
            far = [far[0].or_bits(V::select(counts, s, V::ZERO)), far[1].or_bits(V::select(counts, y, V::ZERO))];
        }
        let vary = |far: V| V::any(!far.equals(V::ZERO));
        ([lanes_sum(sums[0]), lanes_sum(sums[1]), lanes_sum(sums[2])], [vary(far[0]), vary(far[1])])
    }
}

impl LaneKernel<f64> for Means<'_> {
    type Output = ([f64; 3], [bool; 2]);

    #[inline(always)]
    fn run<V: Lane<Scalar = f64>>(self) -> Self::Output {
        if self.0.s.len() < V::LANES { self.rows::<f64>() } else { self.rows::<V>() }
    }
}

/// Σw·sc, Σw·yc, Σw·sc², Σw·yc², Σw·sc·yc.
struct Products<'a>(Columns<'a>);

impl Products<'_> {
    #[inline(always)]
    fn rows<V: Lane<Scalar = f64>>(&self) -> [f64; 5] {
        let (mut sums, mut lanes) = ([V::ZERO; 5], Lanes::<V>::of(self.0.s.len()));
        while lanes.next() {
            let (s, y, w) = self.0.load(&lanes);
            let (ws, wy) = (w * s, w * y);
            let squares = [ws.mul_add(s, sums[2]), wy.mul_add(y, sums[3]), ws.mul_add(y, sums[4])];
            sums = [sums[0] + ws, sums[1] + wy, squares[0], squares[1], squares[2]];
        }
        [lanes_sum(sums[0]), lanes_sum(sums[1]), lanes_sum(sums[2]), lanes_sum(sums[3]), lanes_sum(sums[4])]
    }
}

impl LaneKernel<f64> for Products<'_> {
    type Output = [f64; 5];

    #[inline(always)]
    fn run<V: Lane<Scalar = f64>>(self) -> [f64; 5] {
        if self.0.s.len() < V::LANES { self.rows::<f64>() } else { self.rows::<V>() }
    }
}

/// −w·(yc/norm − value·sc/ss)·scale, the derivative of −correlation by each s.
struct Slopes<'a, O> {
    columns: Columns<'a>,
    by_s: f64,
    by_y: f64,
    out: &'a mut [O],
}

impl<O: Float> Kernel for Slopes<'_, O> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { columns: Columns { s, y, w, from: [from_s, from_y] }, by_s, by_y, out } = self;
        let len = out.len();
        let (s, y) = (&s[..len], &y[..len]);
        let slope = |i: usize| by_y * (y[i] - from_y.first - from_y.mean) + by_s * (s[i] - from_s.first - from_s.mean);
        let mut i = 0;
        if w.is_empty() {
            while i < len {
                out[i] = O::of(slope(i));
                i += 1;
            }
        } else {
            let w = &w[..len];
            while i < len {
                out[i] = O::of(w[i] * slope(i));
                i += 1;
            }
        }
    }
}

/// The correlation of `s` and `y`, weighted by `w` (empty for weights of 1); none where one of them does not vary.
pub(super) fn correlation<'a>(s: &'a [f64], y: &'a [f64], w: &'a [f64]) -> Option<Correlation<'a>> {
    let at = w.iter().position(|&w| w > 0.0).unwrap_or(0);
    let from = [s[at], y[at]].map(|first| Centre { first, mean: 0.0 });
    let mut columns = Columns { s, y, w, from };
    let ([weight, sum_s, sum_y], vary) = widest(Means(columns));
    if vary != [true; 2] {
        return None;
    }
    (columns.from[0].mean, columns.from[1].mean) = (sum_s / weight, sum_y / weight);
    let [left_s, left_y, ss, yy, sy] = widest(Products(columns));
    // What rounding left of the means.
    columns.from[0].mean += left_s / weight;
    columns.from[1].mean += left_y / weight;
    let (ss, yy, sy) = (ss - left_s * left_s / weight, yy - left_y * left_y / weight, sy - left_s * left_y / weight);
    let norm = ss.sqrt() * yy.sqrt();
    // Values so small that their squares vanish do not vary either.
    (norm > 0.0).then(|| Correlation { value: sy / norm, ss, norm, columns })
}

impl Correlation<'_> {
    /// The derivative of −correlation by each s, times `scale`.
    pub(super) fn slopes<O: Float>(&self, scale: f64, out: &mut [O]) {
        let (by_s, by_y) = (scale * (self.value / self.ss), -scale / self.norm);
        dispatch(Slopes { columns: self.columns, by_s, by_y, out });
    }
}

/// What a group is whose rows all weigh nothing: it would count, had it any weight.
const WEIGHTLESS: Term = Term { value: 0.0, mass: 0.0, count: 1.0 };

/// Kept from group to group: the scores in double precision.
type Scores = Vec<f64>;

impl GroupLoss for InformationCoefficient {
    type Scratch<F: Float> = Scores;
    const ROW_WEIGHTS: bool = true;

    fn value_grad<F: Float>(&self, group: &Group<'_, F>, gradient: &mut [f64], scores: &mut Scores) -> Option<Term> {
        scaled(group, 1.0, gradient, scores)
    }

    fn value_grad_scaled<F: Float>(
        &self,
        group: &Group<'_, F>,
        scale: f64,
        gradient: &mut [F],
        _: &mut [f64],
        scores: &mut Scores,
    ) -> Option<Term> {
        scaled(group, scale, gradient, scores)
    }

    /// w/Σw·sc²: a step along gradient/hessian scales with the scores.
    fn grad_hess<F: Float>(
        &self,
        group: &Group<'_, F>,
        _: Hessian,
        gradient: &mut [f64],
        hessian: &mut [f64],
        scores: &mut Scores,
    ) -> Option<Term> {
        let term = scaled(group, 1.0, gradient, scores)?;
        // A group without weight has a gradient of 0 and a curvature of 0.
        let over = if term.mass == 0.0 { 0.0 } else { 1.0 / correlation(scores, group.y, group.w)?.ss };
        for (i, h) in hessian.iter_mut().enumerate() {
            *h = over * group.weight(i);
        }
        Some(term)
    }
}

fn scaled<F: Float, O: Float>(
    group: &Group<'_, F>,
    scale: f64,
    gradient: &mut [O],
    scores: &mut Scores,
) -> Option<Term> {
    scores.clear();
    scores.extend(group.s.iter().map(|s| s.wide()));
    if !group.w.is_empty() && group.w.iter().all(|&w| w == 0.0) {
        correlation(scores, group.y, &[])?;
        gradient.fill(O::ZERO);
        return Some(WEIGHTLESS);
    }
    let found = correlation(scores, group.y, group.w)?;
    found.slopes(scale, gradient);
    Some(Term::once(-found.value))
}
