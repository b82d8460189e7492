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
        Domain::Relevance => count(values, |v| !Domain::Relevance.contains(v)),
    }
}

/// w·v, and 0 for weight 0 even where v overflowed.
#[inline(always)]
fn weigh<F: Float>(v: F, w: F) -> F {
    if w == F::ZERO { F::ZERO } else { v * w }
}

/// Runs `body` for each row of a block with `i, s, y, x, w` bound to its position, prediction, target, further
/// arguments and weight.
///
/// Unweighted rows without extras, the common case, are a loop of their own that reads two slices only. A macro and
/// not a function over a closure: with three loops the compiler would call the closure instead of inlining it, and a
/// call per row is no vector loop.
macro_rules! for_rows {
    ($block:expr, $L:ident, $F:ident, |$i:ident, $s:ident, $y:ident, $x:ident, $w:ident| $body:block) => {{
        let (block, len) = (&$block, $block.s.len());
        let (ss, ys) = (&block.s[..len], &block.y[..len]);
        if $L::EXTRAS > 0 {
            let xs = &block.x[..len];
            for $i in 0..len {
                let $w = if block.w.is_empty() { $F::ONE } else { block.w[$i] };
                let ($s, $y, $x) = (ss[$i], ys[$i], &xs[$i]);
                $body
            }
        } else if block.w.is_empty() {
            let $x = &[$F::ZERO; MAX_EXTRAS];
            for $i in 0..len {
                let ($s, $y, $w) = (ss[$i], ys[$i], $F::ONE);
                $body
            }
        } else {
            let ($x, ws) = (&[$F::ZERO; MAX_EXTRAS], &block.w[..len]);
            for $i in 0..len {
                let ($s, $y, $w) = (ss[$i], ys[$i], ws[$i]);
                $body
            }
        }
    }};
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
        for_rows!(self.0, L, F, |i, s, y, x, w| {
            values[i] = weigh(loss.value(s, y, x), w);
        });
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
        for_rows!(self.block, L, F, |i, s, y, x, w| {
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
        for_rows!(self.block, L, F, |i, s, y, x, w| {
            values[i] = weigh(loss.value(s, y, x), w);
        });
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
        for_rows!(self.block, L, F, |i, s, y, x, w| {
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
        for_rows!(self.block, L, F, |i, s, y, x, w| {
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
