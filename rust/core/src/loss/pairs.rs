//! The loop over the pairs of a group, O(m²) time and O(m) memory, shared by the pairwise losses.
//!
//! Rows are put in descending order of target, so that the partners of a row are a run behind it. A pair (i, j) with
//! `y_i > y_j` costs softplus(−k(s_i − s_j)); its slope r = sigmoid(−k(s_i − s_j)) pushes i up and j down.

use super::cpu::LaneKernel;
use super::float::Float;
use super::lane::Lane;

/// Rows whose partners' slopes are added up in the width of the predictions before they move to double precision.
const TILE: usize = 32;

/// The rows of a group in descending order of target; ties in the caller's order.
#[derive(Default)]
pub(super) struct Ordered {
    /// The row at each place.
    pub(super) rows: Vec<u32>,
    /// For each place the first one with a smaller target.
    pub(super) below: Vec<usize>,
}

impl Ordered {
    pub(super) fn fill(&mut self, y: &[f64]) {
        descending(y, &mut self.rows);
        let (rows, m) = (&self.rows, y.len());
        self.below.clear();
        self.below.resize(m, m);
        for i in (0..m.saturating_sub(1)).rev() {
            let tie = y[rows[i] as usize] == y[rows[i + 1] as usize];
            self.below[i] = if tie { self.below[i + 1] } else { i + 1 };
        }
    }

    /// How many pairs there are.
    pub(super) fn pairs(&self) -> usize {
        let m = self.rows.len();
        self.below.iter().map(|&below| m - below).sum()
    }
}

/// Rows by value, largest first; ties in the caller's order.
pub(super) fn descending<T: PartialOrd>(values: &[T], rows: &mut Vec<u32>) {
    rows.clear();
    rows.extend(0..values.len() as u32);
    rows.sort_by(|&a, &b| values[b as usize].partial_cmp(&values[a as usize]).expect("no NaN gets here"));
}

/// What the pairs of row i and the rows from j on weigh; `gap` is the absolute difference of the scaled scores.
pub(super) trait PairWeight<F: Float>: Copy {
    fn of<V: Lane<Scalar = F>>(self, i: usize, j: usize, gap: V) -> V;
}

/// A number in all lanes.
#[inline(always)]
pub(super) fn all<V: Lane>(value: V::Scalar) -> V {
    V::of(value.wide())
}

/// Every pair weighs 1.
#[derive(Clone, Copy)]
pub(super) struct One;

impl<F: Float> PairWeight<F> for One {
    #[inline(always)]
    fn of<V: Lane<Scalar = F>>(self, _: usize, _: usize, _: V) -> V {
        V::ONE
    }
}

/// w_i·w_j.
#[derive(Clone, Copy)]
pub(super) struct Product<'a, F>(pub(super) &'a [F]);

impl<F: Float> PairWeight<F> for Product<'_, F> {
    #[inline(always)]
    fn of<V: Lane<Scalar = F>>(self, i: usize, j: usize, _: V) -> V {
        all::<V>(self.0[i]) * V::load(&self.0[j..])
    }
}

/// w_i·w_j·|y_i − y_j|.
#[derive(Clone, Copy)]
pub(super) struct TargetGap<'a, F> {
    pub(super) w: &'a [F],
    pub(super) y: &'a [F],
}

impl<F: Float> PairWeight<F> for TargetGap<'_, F> {
    #[inline(always)]
    fn of<V: Lane<Scalar = F>>(self, i: usize, j: usize, _: V) -> V {
        all::<V>(self.w[i]) * V::load(&self.w[j..]) * (all::<V>(self.y[i]) - V::load(&self.y[j..])).abs()
    }
}

/// What the pairs of a group add up to, before the scale of the scores goes into the slopes: Σq·loss and Σqr; `slope`
/// gets −Σqr of the upper and +Σqr of the lower row, `curve` Σqr(1 − r) of both.
pub(super) struct Pairs<'a, F, W> {
    /// k·s by place.
    pub(super) z: &'a [F],
    pub(super) below: &'a [usize],
    pub(super) weight: W,
    pub(super) slope: &'a mut [f64],
    /// Empty where it is not asked for.
    pub(super) curve: &'a mut [f64],
    /// Two buffers of a group's length.
    pub(super) spare: [&'a mut [F]; 2],
}

/// log(1 + e^−d), its slope sigmoid(−d) and the slope's own derivative.
#[inline(always)]
fn pair<V: Lane>(d: V) -> (V, V, V) {
    let e = (-d.abs()).exp_negative().0;
    let inverse = V::ONE / (V::ONE + e);
    let small = e * inverse;
    ((-d).larger(V::ZERO) + e.log1p_unit(), V::select(V::ZERO.at_most(d), small, inverse), small * inverse)
}

/// What a row's pairs add up to: losses, slopes, curvatures.
type Sums = [f64; 3];

impl<F: Float, W: PairWeight<F>> Pairs<'_, F, W> {
    /// The pairs of row i and as many whole lanes from `j` on as there are; returns where they end.
    #[inline(always)]
    fn row<V: Lane<Scalar = F>>(
        z: &[F],
        weight: W,
        i: usize,
        mut j: usize,
        [slopes, curves]: [&mut [F]; 2],
        total: &mut Sums,
    ) -> usize {
        let (top, mut sums) = (all::<V>(z[i]), [V::ZERO; 3]);
        while j + V::LANES <= z.len() {
            let d = top - V::load(&z[j..]);
            let (loss, r, curvature) = pair(d);
            let q = weight.of::<V>(i, j, d.abs());
            let (r, curvature) = (q * r, q * curvature);
            sums = [q.mul_add(loss, sums[0]), sums[1] + r, sums[2] + curvature];
            (V::load(&slopes[j..]) + r).store(&mut slopes[j..]);
            (V::load(&curves[j..]) + curvature).store(&mut curves[j..]);
            j += V::LANES;
        }
        for (total, sum) in total.iter_mut().zip(sums) {
            *total += lanes_sum(sum);
        }
        j
    }
}

impl<F: Float, W: PairWeight<F>> LaneKernel<F> for Pairs<'_, F, W> {
    type Output = (f64, f64);

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(self) -> (f64, f64) {
        let Self { z, below, weight, slope, curve, spare: [slopes, curves] } = self;
        let (m, mut total, mut total_slope) = (z.len(), 0.0, 0.0);
        slope.fill(0.0);
        curve.fill(0.0);
        for tile in (0..m).step_by(TILE) {
            slopes.fill(F::ZERO);
            curves.fill(F::ZERO);
            for i in tile..(tile + TILE).min(m) {
                let mut sums = [0.0; 3];
                let j = Self::row::<V>(z, weight, i, below[i], [slopes, curves], &mut sums);
                Self::row::<F>(z, weight, i, j, [slopes, curves], &mut sums);
                total += sums[0];
                total_slope += sums[1];
                slope[i] -= sums[1];
                if !curve.is_empty() {
                    curve[i] += sums[2];
                }
            }
            drain(slopes, slope);
            if !curve.is_empty() {
                drain(curves, curve);
            }
        }
        (total, total_slope)
    }
}

/// As [`Pairs`] with weights of 1, without an exponential per pair: with E = e^z, r = u/(1 + u) and the loss is
/// log(1 + u), u = E_j/E_i, of which products are taken before the logarithm.
pub(super) struct EvenPairs<'a, F, const CURVE: bool> {
    /// e^(z − max z) by place, all normal numbers.
    pub(super) e: &'a [F],
    /// max z − min z.
    pub(super) spread: f64,
    pub(super) below: &'a [usize],
    pub(super) slope: &'a mut [f64],
    /// Written where `CURVE`.
    pub(super) curve: &'a mut [f64],
    pub(super) spare: [&'a mut [F]; 2],
}

/// The spread of scaled scores up to which [`EvenPairs`] holds in a width of `F`, and the logarithm of what a product
/// may reach.
pub(super) fn room<F: Float>() -> (f64, f64) {
    if size_of::<F>() == 4 { (80.0, 87.0) } else { (700.0, 708.0) }
}

impl<F: Float, const CURVE: bool> EvenPairs<'_, F, CURVE> {
    /// As [`Pairs::row`]; `factors` lanes are multiplied before a logarithm is taken.
    #[inline(always)]
    fn row<V: Lane<Scalar = F>>(
        e: &[F],
        factors: usize,
        i: usize,
        mut j: usize,
        [slopes, curves]: [&mut [F]; 2],
        total: &mut Sums,
    ) -> usize {
        let (inverse, mut sums) = (V::ONE / all::<V>(e[i]), [V::ZERO; 3]);
        let end = j + (e.len() - j) / V::LANES * V::LANES;
        while j < end {
            let stop = end.min(j + factors * V::LANES);
            let mut product = V::ONE;
            while j < stop {
                let u = V::load(&e[j..]) * inverse;
                let v = V::ONE + u;
                // From 1/v alone, u/v and r(1 − r) would cancel where u is small.
                let r = u / v;
                product = product * v;
                sums[1] = sums[1] + r;
                (V::load(&slopes[j..]) + r).store(&mut slopes[j..]);
                if CURVE {
                    let curvature = r / v;
                    sums[2] = sums[2] + curvature;
                    (V::load(&curves[j..]) + curvature).store(&mut curves[j..]);
                }
                j += V::LANES;
            }
            sums[0] = sums[0] + product.ln();
        }
        for (total, sum) in total.iter_mut().zip(sums) {
            *total += lanes_sum(sum);
        }
        j
    }
}

impl<F: Float, const CURVE: bool> LaneKernel<F> for EvenPairs<'_, F, CURVE> {
    type Output = f64;

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(self) -> f64 {
        let Self { e, spread, below, slope, curve, spare: [slopes, curves] } = self;
        let (m, mut total) = (e.len(), 0.0);
        let factors = ((room::<F>().1 / spread.exp().ln_1p()) as usize).clamp(1, 64);
        slope.fill(0.0);
        curve.fill(0.0);
        for tile in (0..m).step_by(TILE) {
            slopes.fill(F::ZERO);
            curves.fill(F::ZERO);
            for i in tile..(tile + TILE).min(m) {
                let mut sums = [0.0; 3];
                let j = Self::row::<V>(e, factors, i, below[i], [slopes, curves], &mut sums);
                Self::row::<F>(e, factors, i, j, [slopes, curves], &mut sums);
                total += sums[0];
                slope[i] -= sums[1];
                if CURVE {
                    curve[i] += sums[2];
                }
            }
            drain(slopes, slope);
            if CURVE {
                drain(curves, curve);
            }
        }
        total
    }
}

/// The lanes added up in double precision, in order.
#[inline(always)]
pub(super) fn lanes_sum<V: Lane>(lanes: V) -> f64 {
    V::sum(V::add_up(V::no_sum(), lanes))
}

#[inline(always)]
fn drain<F: Float>(from: &[F], to: &mut [f64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from.wide();
    }
}
