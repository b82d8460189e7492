//! The loop over the pairs of a group, O(m²) time and O(m) memory, shared by the pairwise losses.
//!
//! Rows are put in descending order of target, so that the partners of a row are a run behind it. A pair (i, j) with
//! `y_i > y_j` costs softplus(−k(s_i − s_j)); its slope r = sigmoid(−k(s_i − s_j)) pushes i up and j down.

use super::cpu::LaneKernel;
use super::float::Float;
use super::lane::Lane;
use super::sorter::Sorter;

/// Rows whose partners' slopes are added up in the width of the predictions before they move to double precision.
const TILE: usize = 32;

/// The rows of a group in descending order of target; ties in the caller's order.
#[derive(Default)]
pub(super) struct Ordered {
    /// The row at each place.
    pub(super) rows: Vec<u32>,
    /// For each place the first one with a smaller target.
    pub(super) below: Vec<usize>,
    sorter: Sorter,
}

impl Ordered {
    pub(super) fn fill(&mut self, y: &[f64]) {
        self.sorter.descending(y, &mut self.rows);
        let (rows, m) = (&self.rows, y.len());
        self.below.clear();
        self.below.resize(m, m);
        let mut lower = f64::NAN;
        for i in (0..m).rev() {
            let own = y[rows[i] as usize];
            if i + 1 < m {
                self.below[i] = if own == lower { self.below[i + 1] } else { i + 1 };
            }
            lower = own;
        }
    }

    /// How many pairs there are.
    pub(super) fn pairs(&self) -> usize {
        let m = self.rows.len();
        self.below.iter().map(|&below| m - below).sum()
    }
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

/// What follows the last row of a column that pairs are read from, so that they can be read in whole lanes.
const PAD: usize = 16;

/// Puts `pad` behind the values, so that any lane which begins at one of them can be read.
pub(super) fn pad<F: Float>(values: &mut Vec<F>, pad: F) {
    values.resize(values.len() + PAD, pad);
}

/// Buffers of the pair loops, kept from group to group.
#[derive(Default)]
pub(super) struct PairRoom<F> {
    /// What the lower rows of a tile's pairs add up to, padded.
    slopes: Vec<F>,
    curves: Vec<F>,
    /// By place.
    pub(super) slope: Vec<f64>,
    pub(super) curve: Vec<f64>,
}

impl<F: Float> PairRoom<F> {
    /// Room for a group of m rows.
    pub(super) fn make(&mut self, m: usize) {
        for buffer in [&mut self.slopes, &mut self.curves] {
            buffer.clear();
            buffer.resize(m + PAD, F::ZERO);
        }
        for sums in [&mut self.slope, &mut self.curve] {
            sums.clear();
            sums.resize(m, 0.0);
        }
    }
}

/// Moves the sums of a tile to double precision.
#[inline(always)]
fn drain<F: Float>(from: &mut [F], to: &mut [f64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from.wide();
        *from = F::ZERO;
    }
}

/// What the pairs of a group add up to, before the scale of the scores goes into the slopes: Σq·loss and Σqr. In the
/// room, `slope` gets −Σqr of the upper and +Σqr of the lower row, `curve` Σqr(1 − r) of both.
pub(super) struct Pairs<'a, F, W> {
    /// k·s by place, [padded](pad) with −∞: a row that every other one beats.
    pub(super) z: &'a [F],
    pub(super) below: &'a [usize],
    /// Its columns are padded with any finite number.
    pub(super) weight: W,
    pub(super) room: &'a mut PairRoom<F>,
}

/// log(1 + e^−d), its slope sigmoid(−d) and the slope's own derivative.
#[inline(always)]
fn pair<V: Lane>(d: V) -> (V, V, V) {
    let e = (-d.abs()).exp_negative().0;
    let inverse = (V::ONE + e).reciprocal();
    let small = e * inverse;
    ((-d).larger(V::ZERO) + e.log1p_unit(), V::select(V::ZERO.at_most(d), small, inverse), small * inverse)
}

impl<F: Float, W: PairWeight<F>> LaneKernel<F> for Pairs<'_, F, W> {
    type Output = (f64, f64);

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(self) -> (f64, f64) {
        let Self { z, below, weight, room } = self;
        let (m, mut total, mut total_slope) = (below.len(), 0.0, 0.0);
        room.make(m);
        let PairRoom { slopes, curves, slope, curve } = room;
        let (slopes, curves) = (&mut slopes[..], &mut curves[..]);
        for tile in (0..m).step_by(TILE) {
            for i in tile..(tile + TILE).min(m) {
                let (top, mut sums) = (all::<V>(z[i]), [V::ZERO; 3]);
                let lanes = below[i]..below[i] + (m - below[i]).div_ceil(V::LANES) * V::LANES;
                let (first, len) = (lanes.start, lanes.len());
                let (z, slopes, curves) = (&z[lanes.clone()], &mut slopes[lanes.clone()], &mut curves[lanes]);
                let mut at = 0;
                while at + V::LANES <= len {
                    let d = top - V::load(&z[at..]);
                    let (loss, r, curvature) = pair(d);
                    let q = weight.of::<V>(i, first + at, d.abs());
                    let (r, curvature) = (q * r, q * curvature);
                    sums = [q.mul_add(loss, sums[0]), sums[1] + r, sums[2] + curvature];
                    (V::load(&slopes[at..]) + r).store(&mut slopes[at..]);
                    (V::load(&curves[at..]) + curvature).store(&mut curves[at..]);
                    at += V::LANES;
                }
                let [loss, r, curvature] = [lanes_sum(sums[0]), lanes_sum(sums[1]), lanes_sum(sums[2])];
                total += loss;
                total_slope += r;
                slope[i] -= r;
                curve[i] += curvature;
            }
            drain(&mut slopes[tile..m], &mut slope[tile..]);
            drain(&mut curves[tile..m], &mut curve[tile..]);
        }
        (total, total_slope)
    }
}

/// As [`Pairs`] with weights of 1, without an exponential per pair: with E = e^z, r = u/(1 + u) and the loss is
/// log(1 + u), u = E_j/E_i, of which products are taken before the logarithm.
pub(super) struct EvenPairs<'a, F, const CURVE: bool> {
    /// e^(z − max z) by place, all normal numbers, [padded](pad) with 0.
    pub(super) e: &'a [F],
    /// max z − z by place.
    pub(super) depth: &'a [F],
    pub(super) below: &'a [usize],
    /// `curve` is left 0 unless `CURVE`.
    pub(super) room: &'a mut PairRoom<F>,
}

/// The spread of scaled scores up to which [`EvenPairs`] holds in a width of `F`, and the logarithm of what a product
/// may reach.
pub(super) fn limits<F: Float>() -> (f64, f64) {
    if size_of::<F>() == 4 { (80.0, 87.0) } else { (700.0, 708.0) }
}

impl<F: Float, const CURVE: bool> LaneKernel<F> for EvenPairs<'_, F, CURVE> {
    type Output = f64;

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(self) -> f64 {
        let Self { e, depth, below, room } = self;
        let (m, most) = (below.len(), limits::<F>().1);
        // The product of all 1 + u so far, the logarithm by which it may still grow, and the logarithms taken.
        let (mut product, mut left, mut logs) = (V::ONE, most, V::no_sum());
        room.make(m);
        let PairRoom { slopes, curves, slope, curve } = room;
        let (slopes, curves) = (&mut slopes[..], &mut curves[..]);
        for tile in (0..m).step_by(TILE) {
            for i in tile..(tile + TILE).min(m) {
                let (inverse, mut sums) = (V::ONE / all::<V>(e[i]), [V::ZERO; 2]);
                // No u is above 1/E_i, and log(1 + u) not above this.
                let growth = depth[i].wide() + std::f64::consts::LN_2;
                let mut j = below[i];
                while j < m {
                    if left < growth {
                        logs = V::add_up(logs, product.ln());
                        (product, left) = (V::ONE, most);
                    }
                    let turns = (m - j).div_ceil(V::LANES).min((left / growth) as usize);
                    left -= turns as f64 * growth;
                    let len = turns * V::LANES;
                    let (e, slopes) = (&e[j..j + len], &mut slopes[j..j + len]);
                    let curves = if CURVE { &mut curves[j..j + len] } else { &mut [][..] };
                    let mut at = 0;
                    while at + V::LANES <= len {
                        let u = V::load(&e[at..]) * inverse;
                        let v = V::ONE + u;
                        // From 1/v alone, u/v and r(1 − r) would cancel where u is small.
                        let over = v.reciprocal();
                        let r = u * over;
                        product = product * v;
                        sums[0] = sums[0] + r;
                        (V::load(&slopes[at..]) + r).store(&mut slopes[at..]);
                        if CURVE {
                            let curvature = r * over;
                            sums[1] = sums[1] + curvature;
                            (V::load(&curves[at..]) + curvature).store(&mut curves[at..]);
                        }
                        at += V::LANES;
                    }
                    j += len;
                }
                slope[i] -= lanes_sum(sums[0]);
                if CURVE {
                    curve[i] += lanes_sum(sums[1]);
                }
            }
            drain(&mut slopes[tile..m], &mut slope[tile..]);
            if CURVE {
                drain(&mut curves[tile..m], &mut curve[tile..]);
            }
        }
        V::sum(V::add_up(logs, product.ln()))
    }
}

/// The lanes added up in double precision, in order.
#[inline(always)]
pub(super) fn lanes_sum<V: Lane>(lanes: V) -> f64 {
    V::sum(V::add_up(V::no_sum(), lanes))
}
