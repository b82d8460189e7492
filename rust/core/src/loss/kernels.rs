//! The loops over the rows of one block: where the time goes.

use super::batch::BLOCK;
use super::cpu::Kernel;
use super::float::Float;
use super::traits::{Domain, Extras, Hessian, MAX_EXTRAS, PointLoss};

/// The curvature of a row of weight w given to boosting is at least this times w: tree growers stop at 0.
pub const HESSIAN_FLOOR: f64 = 1e-6;

/// The rows of one block in one width, checked; weights and further arguments are empty where there are none.
pub(super) struct Block<'a, L, F> {
    pub(super) loss: &'a L,
    pub(super) s: &'a [F],
    pub(super) y: &'a [F],
    pub(super) w: &'a [F],
    pub(super) x: &'a [Extras<F>],
}

/// How many values satisfy `test`; without branches, so that it vectorises.
#[inline(always)]
pub(super) fn count<F: Float>(values: &[F], test: impl Fn(F) -> bool) -> u32 {
    values.iter().fold(0, |sum, &value| sum + u32::from(test(value)))
}

/// How many predictions and targets of a block are not what the loss takes.
pub(super) struct CheckBlock<'a, F> {
    pub(super) s: &'a [F],
    pub(super) y: &'a [F],
    pub(super) s_domain: Domain,
    pub(super) y_domain: Domain,
}

impl<F: Float> Kernel for CheckBlock<'_, F> {
    type Output = (u32, u32);

    #[inline(always)]
    fn run(self) -> (u32, u32) {
        (outside(self.s, self.s_domain), outside(self.y, self.y_domain))
    }
}

/// How many values lie outside of a domain; the domain is chosen once, not per value.
#[inline(always)]
fn outside<F: Float>(values: &[F], domain: Domain) -> u32 {
    match domain {
        Domain::Real => count(values, |v| !Domain::Real.contains(v)),
        Domain::Unit => count(values, |v| !Domain::Unit.contains(v)),
        Domain::Binary => count(values, |v| !Domain::Binary.contains(v)),
    }
}

/// w·v, and 0 for weight 0 even where v overflowed.
#[inline(always)]
fn weigh<F: Float>(v: F, w: F) -> F {
    if w == F::ZERO { F::ZERO } else { v * w }
}

impl<L: PointLoss, F: Float> Block<'_, L, F> {
    /// Calls `row(i, s, y, x, w)` for each row. Unweighted rows without extras, the common case, are a loop of
    /// their own that reads two slices only.
    #[inline(always)]
    fn each(&self, mut row: impl FnMut(usize, F, F, &Extras<F>, F)) {
        let (s, len) = (self.s, self.s.len());
        let y = &self.y[..len];
        let none = [F::ZERO; MAX_EXTRAS];
        if L::EXTRAS > 0 {
            let x = &self.x[..len];
            for i in 0..len {
                row(i, s[i], y[i], &x[i], if self.w.is_empty() { F::ONE } else { self.w[i] });
            }
        } else if self.w.is_empty() {
            for i in 0..len {
                row(i, s[i], y[i], &none, F::ONE);
            }
        } else {
            let w = &self.w[..len];
            for i in 0..len {
                row(i, s[i], y[i], &none, w[i]);
            }
        }
    }
}

/// The sum of up to a block of values in double precision, in eight lanes that are added in order.
#[inline(always)]
fn sum_lanes<F: Float>(values: &[F]) -> f64 {
    let mut lanes = [0.0f64; 8];
    let chunks = values.chunks_exact(8);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value.wide();
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane += value.wide();
    }
    lanes.iter().fold(0.0, |sum, lane| sum + lane)
}

/// The sum of the weighted losses.
pub(super) struct ValueBlock<'a, L, F>(pub(super) Block<'a, L, F>);

impl<L: PointLoss, F: Float> Kernel for ValueBlock<'_, L, F> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let mut values = [F::ZERO; BLOCK];
        let values = &mut values[..self.0.s.len()];
        let loss = *self.0.loss;
        self.0.each(|i, s, y, x, w| values[i] = weigh(loss.value(s, y, x), w));
        sum_lanes(values)
    }
}

/// The sum of the weighted losses, and the gradient of `scale` times it.
pub(super) struct GradBlock<'a, L, F> {
    pub(super) block: Block<'a, L, F>,
    pub(super) scale: f64,
    pub(super) gradient: &'a mut [F],
}

impl<L: PointLoss, F: Float> Kernel for GradBlock<'_, L, F> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let len = self.block.s.len();
        let mut values = [F::ZERO; BLOCK];
        let (values, gradient) = (&mut values[..len], &mut self.gradient[..len]);
        let (loss, scale) = (*self.block.loss, F::of(self.scale));
        self.block.each(|i, s, y, x, w| {
            let (value, slope) = loss.value_grad(s, y, x);
            values[i] = weigh(value, w);
            gradient[i] = weigh(slope, w) * scale;
        });
        sum_lanes(values)
    }
}

/// The weighted losses, row by row.
pub(super) struct RowsBlock<'a, L, F> {
    pub(super) block: Block<'a, L, F>,
    pub(super) values: &'a mut [F],
}

impl<L: PointLoss, F: Float> Kernel for RowsBlock<'_, L, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let values = &mut self.values[..self.block.s.len()];
        let loss = *self.block.loss;
        self.block.each(|i, s, y, x, w| values[i] = weigh(loss.value(s, y, x), w));
    }
}

/// The weighted losses and their derivatives, row by row.
pub(super) struct RowsGradBlock<'a, L, F> {
    pub(super) block: Block<'a, L, F>,
    pub(super) values: &'a mut [F],
    pub(super) gradient: &'a mut [F],
}

impl<L: PointLoss, F: Float> Kernel for RowsGradBlock<'_, L, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let len = self.block.s.len();
        let (values, gradient) = (&mut self.values[..len], &mut self.gradient[..len]);
        let loss = *self.block.loss;
        self.block.each(|i, s, y, x, w| {
            let (value, slope) = loss.value_grad(s, y, x);
            values[i] = weigh(value, w);
            gradient[i] = weigh(slope, w);
        });
    }
}

/// What boosting takes.
pub(super) struct HessBlock<'a, L, F> {
    pub(super) block: Block<'a, L, F>,
    pub(super) choice: Hessian,
    pub(super) gradient: &'a mut [F],
    pub(super) hessian: &'a mut [F],
}

impl<L: PointLoss, F: Float> Kernel for HessBlock<'_, L, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let len = self.block.s.len();
        let (gradient, hessian) = (&mut self.gradient[..len], &mut self.hessian[..len]);
        let (loss, floor, choice) = (*self.block.loss, F::of(HESSIAN_FLOOR), self.choice);
        let asked = if matches!(choice, Hessian::Abs | Hessian::Constant) { Hessian::Exact } else { choice };
        self.block.each(|i, s, y, x, w| {
            let (slope, curvature) = loss.grad_hess(s, y, x, asked);
            let curvature = match choice {
                Hessian::Abs => curvature.abs(),
                Hessian::Constant => F::ONE,
                _ => curvature,
            };
            gradient[i] = weigh(slope, w);
            hessian[i] = weigh(curvature.larger(floor), w);
        });
    }
}
