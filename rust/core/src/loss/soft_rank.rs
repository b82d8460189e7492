//! Soft ranks: how many rows are ahead of one, each counted by a sigmoid; and the way back.

use super::cpu::Kernel;
use super::float::Float;

const LANES: usize = 8;
/// Rows between moves to double precision.
const TILE: usize = 32;

/// sigmoid(d) and sigmoid(−d).
#[inline(always)]
fn sides<F: Float>(d: F) -> (F, F) {
    let e = (-d.abs()).exp();
    let large = F::ONE / (F::ONE + e);
    let small = e * large;
    let positive = d >= F::ZERO;
    (if positive { large } else { small }, if positive { small } else { large })
}

/// The derivative of sigmoid.
#[inline(always)]
fn slope_at<F: Float>(d: F) -> F {
    let e = (-d.abs()).exp();
    let large = F::ONE / (F::ONE + e);
    e * large * large
}

/// Σ_{j≠i} sigmoid(z_j − z_i) into `ahead`.
pub(super) struct Ahead<'a, F> {
    pub(super) z: &'a [F],
    pub(super) ahead: &'a mut [f64],
    pub(super) spare: &'a mut [F],
}

impl<F: Float> Kernel for Ahead<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { z, ahead, spare } = self;
        let m = z.len();
        ahead.fill(0.0);
        for tile in (0..m).step_by(TILE) {
            spare.fill(F::ZERO);
            for i in tile..(tile + TILE).min(m) {
                let (own, mut sums, mut j) = (z[i], [F::ZERO; LANES], i + 1);
                while j + LANES <= m {
                    let (others, theirs) = (&z[j..j + LANES], &mut spare[j..j + LANES]);
                    for l in 0..LANES {
                        let (p, q) = sides(others[l] - own);
                        sums[l] += p;
                        theirs[l] += q;
                    }
                    j += LANES;
                }
                for j in j..m {
                    let (p, q) = sides(z[j] - own);
                    sums[0] += p;
                    spare[j] += q;
                }
                ahead[i] += sums.iter().fold(0.0, |a, b| a + b.wide());
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

impl<F: Float> Kernel for PullBack<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { z, slope, out, spare } = self;
        let m = z.len();
        out.fill(0.0);
        for tile in (0..m).step_by(TILE) {
            spare.fill(F::ZERO);
            for i in tile..(tile + TILE).min(m) {
                let (own, own_slope, mut sums, mut j) = (z[i], slope[i], [F::ZERO; LANES], i + 1);
                while j + LANES <= m {
                    let (others, slopes, theirs) = (&z[j..j + LANES], &slope[j..j + LANES], &mut spare[j..j + LANES]);
                    for l in 0..LANES {
                        let pull = slope_at(others[l] - own) * (slopes[l] - own_slope);
                        sums[l] += pull;
                        theirs[l] += -pull;
                    }
                    j += LANES;
                }
                for j in j..m {
                    let pull = slope_at(z[j] - own) * (slope[j] - own_slope);
                    sums[0] += pull;
                    spare[j] += -pull;
                }
                out[i] += sums.iter().fold(0.0, |a, b| a + b.wide());
            }
            for (to, from) in out.iter_mut().zip(&*spare) {
                *to += from.wide();
            }
        }
    }
}
