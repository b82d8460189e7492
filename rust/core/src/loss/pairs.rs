//! The loop over the pairs of a group, O(m²) time and O(m) memory, shared by the pairwise losses.
//!
//! Rows are put in descending order of target, so that the partners of a row are a run behind it. A pair (i, j) with
//! `y_i > y_j` costs softplus(−k(s_i − s_j)); its slope r = sigmoid(−k(s_i − s_j)) pushes i up and j down.

use super::cpu::Kernel;
use super::float::Float;

const LANES: usize = 8;
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

/// What a pair weighs; `gap` is the absolute difference of the scaled scores.
pub(super) trait PairWeight<F: Float>: Copy {
    fn of(self, i: usize, j: usize, gap: F) -> F;
}

/// Every pair weighs 1.
#[derive(Clone, Copy)]
pub(super) struct One;

impl<F: Float> PairWeight<F> for One {
    #[inline(always)]
    fn of(self, _: usize, _: usize, _: F) -> F {
        F::ONE
    }
}

/// w_i·w_j.
#[derive(Clone, Copy)]
pub(super) struct Product<'a, F>(pub(super) &'a [F]);

impl<F: Float> PairWeight<F> for Product<'_, F> {
    #[inline(always)]
    fn of(self, i: usize, j: usize, _: F) -> F {
        self.0[i] * self.0[j]
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
    fn of(self, i: usize, j: usize, _: F) -> F {
        self.w[i] * self.w[j] * (self.y[i] - self.y[j]).abs()
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
fn pair<F: Float>(d: F) -> (F, F, F) {
    let e = (-d.abs()).exp();
    let inverse = F::ONE / (F::ONE + e);
    let r = if d >= F::ZERO { e * inverse } else { inverse };
    ((-d).larger(F::ZERO) + e.log1p_unit(), r, e * inverse * inverse)
}

impl<F: Float, W: PairWeight<F>> Kernel for Pairs<'_, F, W> {
    type Output = (f64, f64);

    #[inline(always)]
    fn run(self) -> (f64, f64) {
        let Self { z, below, weight, slope, curve, spare: [slopes, curves] } = self;
        let (m, mut total, mut total_slope) = (z.len(), 0.0, 0.0);
        slope.fill(0.0);
        curve.fill(0.0);
        for tile in (0..m).step_by(TILE) {
            slopes.fill(F::ZERO);
            curves.fill(F::ZERO);
            for i in tile..(tile + TILE).min(m) {
                let (top, mut sums, mut rs, mut cs) = (z[i], [F::ZERO; LANES], [F::ZERO; LANES], [F::ZERO; LANES]);
                let mut j = below[i];
                while j + LANES <= m {
                    let (low, g, c) = (&z[j..j + LANES], &mut slopes[j..j + LANES], &mut curves[j..j + LANES]);
                    for l in 0..LANES {
                        let d = top - low[l];
                        let (loss, r, curvature) = pair(d);
                        let q = weight.of(i, j + l, d.abs());
                        sums[l] += q * loss;
                        rs[l] += q * r;
                        cs[l] += q * curvature;
                        g[l] += q * r;
                        c[l] += q * curvature;
                    }
                    j += LANES;
                }
                for j in j..m {
                    let d = top - z[j];
                    let (loss, r, curvature) = pair(d);
                    let q = weight.of(i, j, d.abs());
                    sums[0] += q * loss;
                    rs[0] += q * r;
                    cs[0] += q * curvature;
                    slopes[j] += q * r;
                    curves[j] += q * curvature;
                }
                total += sum(sums);
                let r = sum(rs);
                total_slope += r;
                slope[i] -= r;
                if !curve.is_empty() {
                    curve[i] += sum(cs);
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

impl<F: Float, const CURVE: bool> Kernel for EvenPairs<'_, F, CURVE> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let Self { e, spread, below, slope, curve, spare: [slopes, curves] } = self;
        let (m, mut total) = (e.len(), 0.0);
        let factors = ((room::<F>().1 / spread.exp().ln_1p()) as usize).clamp(1, 64);
        slope.fill(0.0);
        curve.fill(0.0);
        for tile in (0..m).step_by(TILE) {
            slopes.fill(F::ZERO);
            curves.fill(F::ZERO);
            for i in tile..(tile + TILE).min(m) {
                let inverse = F::ONE / e[i];
                let (mut logs, mut rs, mut cs) = ([F::ZERO; LANES], [F::ZERO; LANES], [F::ZERO; LANES]);
                let mut j = below[i];
                while j + LANES <= m {
                    let mut product = [F::ONE; LANES];
                    let stop = (j + factors * LANES).min(j + (m - j) / LANES * LANES);
                    while j < stop {
                        let (low, g, c) = (&e[j..j + LANES], &mut slopes[j..j + LANES], &mut curves[j..j + LANES]);
                        for l in 0..LANES {
                            let v = F::ONE + low[l] * inverse;
                            // u/v and r(1 − r) from 1/v alone would cancel where u is small.
                            let r = low[l] * inverse / v;
                            product[l] = product[l] * v;
                            rs[l] += r;
                            g[l] += r;
                            if CURVE {
                                let curvature = r / v;
                                cs[l] += curvature;
                                c[l] += curvature;
                            }
                        }
                        j += LANES;
                    }
                    for l in 0..LANES {
                        logs[l] += product[l].ln();
                    }
                }
                for j in j..m {
                    let u = e[j] * inverse;
                    let r = u / (F::ONE + u);
                    let curvature = r / (F::ONE + u);
                    logs[0] += u.log1p();
                    rs[0] += r;
                    cs[0] += curvature;
                    slopes[j] += r;
                    curves[j] += curvature;
                }
                total += sum(logs);
                slope[i] -= sum(rs);
                if CURVE {
                    curve[i] += sum(cs);
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
pub(super) fn sum<F: Float>(lanes: [F; LANES]) -> f64 {
    lanes.iter().fold(0.0, |sum, lane| sum + lane.wide())
}

#[inline(always)]
fn drain<F: Float>(from: &[F], to: &mut [f64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from.wide();
    }
}
