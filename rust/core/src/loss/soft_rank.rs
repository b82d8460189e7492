//! Soft ranks: how many rows are ahead of one, each counted by a sigmoid; and the way back.

use super::cpu::LaneKernel;
use super::float::Float;
use super::lane::Lane;
use super::pairs::{all, lanes_sum};

/// Rows between moves to double precision.
const TILE: usize = 32;

/// sigmoid(d) − ½, which keeps its digits where scores lie close together; of −d it is the opposite.
#[inline(always)]
fn lead<V: Lane>(d: V) -> V {
    let (e, less_one) = (-d.abs()).exp_negative();
    (V::of(-0.5) * less_one / (V::ONE + e)).flip_by_sign(d)
}

/// The derivative of sigmoid.
#[inline(always)]
fn slope_at<V: Lane>(d: V) -> V {
    let e = (-d.abs()).exp_negative().0;
    let large = V::ONE / (V::ONE + e);
    e * large * large
}

/// Σ_{j≠i} sigmoid(z_j − z_i) into `ahead`.
#[allow(clippy::struct_field_names)]
pub(super) struct Ahead<'a, F> {
    pub(super) z: &'a [F],
    pub(super) ahead: &'a mut [f64],
    pub(super) spare: &'a mut [F],
}

impl<F: Float> Ahead<'_, F> {
    /// The pairs of row i and whole lanes from `j` on; returns what row i gets, and where they end.
    #[inline(always)]
    fn row<V: Lane<Scalar = F>>(z: &[F], i: usize, mut j: usize, spare: &mut [F]) -> (f64, usize) {
        let (own, mut sums) = (all::<V>(z[i]), V::ZERO);
        while j + V::LANES <= z.len() {
            let ahead = lead(V::load(&z[j..]) - own);
            sums = sums + ahead;
            (V::load(&spare[j..]) - ahead).store(&mut spare[j..]);
            j += V::LANES;
        }
        (lanes_sum(sums), j)
    }
}

impl<F: Float> LaneKernel<F> for Ahead<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(self) {
        let Self { z, ahead, spare } = self;
        // The halves of all the sigmoids; what they are ahead by is added to them.
        ahead.fill(z.len().saturating_sub(1) as f64 / 2.0);
        for tile in (0..z.len()).step_by(TILE) {
            spare.fill(F::ZERO);
            for (i, ahead) in ahead.iter_mut().enumerate().skip(tile).take(TILE) {
                let (wide, j) = Self::row::<V>(z, i, i + 1, spare);
                *ahead += wide + Self::row::<F>(z, i, j, spare).0;
            }
            for (to, from) in ahead.iter_mut().zip(&*spare) {
                *to += from.wide();
            }
        }
    }
}

/// Given the derivative `slope` by each row's Σ_{j≠i} sigmoid(z_j − z_i), that by each z: Σ_j σ'(z_j − z_i)(slope_j −
/// slope_i).
pub(super) struct PullBack<'a, F> {
    pub(super) z: &'a [F],
    pub(super) slope: &'a [F],
    pub(super) out: &'a mut [f64],
    pub(super) spare: &'a mut [F],
}

impl<F: Float> PullBack<'_, F> {
    #[inline(always)]
    fn row<V: Lane<Scalar = F>>(z: &[F], slope: &[F], i: usize, mut j: usize, spare: &mut [F]) -> (f64, usize) {
        let (own, own_slope, mut sums) = (all::<V>(z[i]), all::<V>(slope[i]), V::ZERO);
        while j + V::LANES <= z.len() {
            let pull = slope_at(V::load(&z[j..]) - own) * (V::load(&slope[j..]) - own_slope);
            sums = sums + pull;
            (V::load(&spare[j..]) - pull).store(&mut spare[j..]);
            j += V::LANES;
        }
        (lanes_sum(sums), j)
    }
}

impl<F: Float> LaneKernel<F> for PullBack<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(self) {
        let Self { z, slope, out, spare } = self;
        out.fill(0.0);
        for tile in (0..z.len()).step_by(TILE) {
            spare.fill(F::ZERO);
            for (i, out) in out.iter_mut().enumerate().skip(tile).take(TILE) {
                let (wide, j) = Self::row::<V>(z, slope, i, i + 1, spare);
                *out += wide + Self::row::<F>(z, slope, i, j, spare).0;
            }
            for (to, from) in out.iter_mut().zip(&*spare) {
                *to += from.wide();
            }
        }
    }
}
