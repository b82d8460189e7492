//! The loops over the rows of one block: where the time goes.

use super::cpu::{Kernel, LaneKernel, widest};
use super::float::Float;
use super::lane::Lane;
use super::traits::{Domain, Hessian, MAX_EXTRAS, PointLoss};
use crate::error::Result;

/// The curvature of a row of weight w given to boosting is at least this times w: tree growers stop at 0.
pub const HESSIAN_FLOOR: f64 = 1e-6;

/// A block has a multiple of so many rows, so that every lane width divides it.
pub(super) const PAD: usize = 16;

/// The rows of one block in one width; weights and further arguments are empty where there are none.
#[derive(Clone, Copy)]
pub struct Block<'a, F> {
    pub(super) s: &'a [F],
    pub(super) y: &'a [F],
    pub(super) w: &'a [F],
    pub(super) x: [&'a [F]; MAX_EXTRAS],
}

/// w·v, and 0 for weight 0 even where v overflowed.
#[inline(always)]
fn weigh<V: Lane>(v: V, w: Option<V>) -> V {
    // No combinator: the library's functions are not always inlined, and a call is not compiled for wide lanes.
    match w {
        Some(w) => V::select(w.equals(V::ZERO), V::ZERO, v * w),
        None => v,
    }
}

/// What a loop over a block finds out besides its outputs.
#[derive(Clone, Copy, Default)]
pub struct Outcome {
    /// The sum of the weighted losses in double precision, where it was asked for.
    pub(super) sum: f64,
    /// Whether any value lay outside of what the loss takes.
    pub(super) wrong: bool,
}

/// Takes note of values outside of their domains, at one to three instructions a lane.
struct Watch<V> {
    /// A sum of v·0: NaN once a value is not finite.
    finite: V,
    /// All bits of v·(1 − v): a number from 0 to ¼ each, so that a sign, or a number of 2 or more, tells of others.
    unit: V,
    /// All bits of v·v − v: none of them while values are 0 and 1.
    binary: V,
}

impl<V: Lane> Watch<V> {
    #[inline(always)]
    fn new() -> Self {
        Self { finite: V::ZERO, unit: V::ZERO, binary: V::ZERO }
    }

    #[inline(always)]
    fn look(&mut self, domain: Domain, value: V) {
        match domain {
            // No point loss has relevances.
            Domain::Real | Domain::Relevance => self.finite = value.mul_add(V::ZERO, self.finite),
            Domain::Unit => self.unit = self.unit.or_bits(value * (V::ONE - value)),
            Domain::Binary => self.binary = self.binary.or_bits(value.mul_add(value, -value)),
        }
    }

    /// May also raise a false alarm, for −0 among probabilities.
    #[inline(always)]
    fn wrong(&self) -> bool {
        let fine = self.finite.equals(V::ZERO) & self.unit.less(V::of(2.0)) & self.binary.equals(V::ZERO);
        V::any(!fine) || self.unit.any_sign()
    }
}

/// Runs `body` for each lane of a block with `at, s, y, x, w` bound to its first row, predictions, targets, further
/// arguments and weights; adds up what it returns.
///
/// Unweighted rows are a loop of their own that reads two slices only. A macro and not a function over a closure: the
/// compiler would call a closure with several loops instead of inlining it, and it would then not be compiled for the
/// wide lanes.
macro_rules! for_lanes {
    ($loss:expr, $block:expr, $L:ident, $V:ident, |$at:ident, $s:ident, $y:ident, $x:ident, $w:ident| $body:block) => {{
        let (block, len) = (&$block, $block.s.len());
        let (ss, ys) = (&block.s[..len], &block.y[..len]);
        let (s_domain, y_domain) = ($loss.predictions(), $loss.targets());
        let (mut watch, mut sums) = (Watch::<$V>::new(), $V::no_sum());
        let mut $at = 0;
        if block.w.is_empty() {
            let $w = None;
            while $at + $V::LANES <= len {
                let ($s, $y) = ($V::load(&ss[$at..]), $V::load(&ys[$at..]));
                let $x = load_extras::<$L, $V>(&block.x, $at, &mut watch);
                watch.look(s_domain, $s);
                watch.look(y_domain, $y);
                sums = $V::add_up(sums, $body);
                $at += $V::LANES;
            }
        } else {
            let ws = &block.w[..len];
            while $at + $V::LANES <= len {
                let ($s, $y, $w) = ($V::load(&ss[$at..]), $V::load(&ys[$at..]), Some($V::load(&ws[$at..])));
                let $x = load_extras::<$L, $V>(&block.x, $at, &mut watch);
                watch.look(s_domain, $s);
                watch.look(y_domain, $y);
                sums = $V::add_up(sums, $body);
                $at += $V::LANES;
            }
        }
        Outcome { sum: $V::sum(sums), wrong: watch.wrong() }
    }};
}

/// The further arguments of a lane.
#[inline(always)]
fn load_extras<L: PointLoss, V: Lane>(
    columns: &[&[V::Scalar]; MAX_EXTRAS],
    at: usize,
    watch: &mut Watch<V>,
) -> [V; MAX_EXTRAS] {
    let mut values = [V::ZERO; MAX_EXTRAS];
    for k in 0..L::EXTRAS {
        values[k] = V::load(&columns[k][at..]);
        watch.look(Domain::Real, values[k]);
    }
    values
}

/// The sum of values in double precision, in eight lanes that are added in order.
pub(super) struct SumBlock<'a, F>(pub(super) &'a [F]);

impl<F: Float> Kernel for SumBlock<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let mut lanes = [0.0f64; 8];
        let chunks = self.0.chunks_exact(8);
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
}

/// The weights of the rows that have a target, 0 for the others, into `kept`; with them whether any is no weight.
pub(super) struct WeightBlock<'a, F> {
    /// Empty where every target counts.
    pub(super) y: &'a [F],
    /// Empty where every row weighs 1.
    pub(super) w: &'a [F],
    pub(super) kept: &'a mut [F],
}

impl<F: Float> LaneKernel<F> for WeightBlock<'_, F> {
    type Output = bool;

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(self) -> bool {
        let mut wrong = V::ONE.less(V::ZERO);
        let mut at = 0;
        while at + V::LANES <= self.kept.len() {
            let w = if self.w.is_empty() { V::ONE } else { V::load(&self.w[at..]) };
            wrong = wrong | !(V::ZERO.at_most(w) & w.is_usable());
            let y = if self.y.is_empty() { V::ZERO } else { V::load(&self.y[at..]) };
            V::select(y.equals(y), w, V::ZERO).store(&mut self.kept[at..]);
            at += V::LANES;
        }
        V::any(wrong)
    }
}

/// Targets and weights with those of rows that lack a target made harmless: 0 both, which every domain has.
pub(super) struct FillBlock<'a, F> {
    pub(super) y: &'a [F],
    /// Empty where every row weighs 1.
    pub(super) w: &'a [F],
    pub(super) targets: &'a mut [F],
    pub(super) weights: &'a mut [F],
}

impl<F: Float> LaneKernel<F> for FillBlock<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(self) {
        let mut at = 0;
        while at + V::LANES <= self.y.len() {
            let y = V::load(&self.y[at..]);
            let w = if self.w.is_empty() { V::ONE } else { V::load(&self.w[at..]) };
            let there = y.equals(y);
            V::select(there, y, V::ZERO).store(&mut self.targets[at..]);
            V::select(there, w, V::ZERO).store(&mut self.weights[at..]);
            at += V::LANES;
        }
    }
}

/// The weighted losses: their sum, and row by row into `values` where it is given.
pub(super) struct ValueBlock<'a, L, F> {
    pub(super) loss: &'a L,
    pub(super) block: Block<'a, F>,
    pub(super) values: Option<&'a mut [F]>,
}

impl<L: PointLoss, F: Float> LaneKernel<F> for ValueBlock<'_, L, F> {
    type Output = Outcome;

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(self) -> Outcome {
        let loss = *self.loss;
        let Some(values) = self.values else {
            return for_lanes!(loss, self.block, L, V, |at, s, y, x, w| { weigh(loss.value(s, y, &x), w) });
        };
        let values = &mut values[..self.block.s.len()];
        for_lanes!(loss, self.block, L, V, |at, s, y, x, w| {
            let value = weigh(loss.value(s, y, &x), w);
            value.store(&mut values[at..]);
            V::ZERO
        })
    }
}

/// The weighted losses as in [`ValueBlock`], and the gradient of `scale` times them.
pub(super) struct GradBlock<'a, L, F> {
    pub(super) loss: &'a L,
    pub(super) block: Block<'a, F>,
    pub(super) scale: f64,
    pub(super) values: Option<&'a mut [F]>,
    pub(super) gradient: &'a mut [F],
}

impl<L: PointLoss, F: Float> LaneKernel<F> for GradBlock<'_, L, F> {
    type Output = Outcome;

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(self) -> Outcome {
        let len = self.block.s.len();
        let gradient = &mut self.gradient[..len];
        let (loss, scale) = (*self.loss, V::of(self.scale));
        let Some(values) = self.values else {
            return for_lanes!(loss, self.block, L, V, |at, s, y, x, w| {
                let (value, slope) = loss.value_grad(s, y, &x);
                (weigh(slope, w) * scale).store(&mut gradient[at..]);
                weigh(value, w)
            });
        };
        let values = &mut values[..len];
        for_lanes!(loss, self.block, L, V, |at, s, y, x, w| {
            let (value, slope) = loss.value_grad(s, y, &x);
            (weigh(slope, w) * scale).store(&mut gradient[at..]);
            weigh(value, w).store(&mut values[at..]);
            V::ZERO
        })
    }
}

/// What boosting takes.
pub(super) struct HessBlock<'a, L, F> {
    pub(super) loss: &'a L,
    pub(super) block: Block<'a, F>,
    pub(super) choice: Hessian,
    pub(super) gradient: &'a mut [F],
    pub(super) hessian: &'a mut [F],
}

impl<L: PointLoss, F: Float> LaneKernel<F> for HessBlock<'_, L, F> {
    type Output = Outcome;

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(self) -> Outcome {
        let len = self.block.s.len();
        let (gradient, hessian) = (&mut self.gradient[..len], &mut self.hessian[..len]);
        let (loss, floor, choice) = (*self.loss, V::of(HESSIAN_FLOOR), self.choice);
        let asked = if matches!(choice, Hessian::Abs | Hessian::Constant) { Hessian::Exact } else { choice };
        for_lanes!(loss, self.block, L, V, |at, s, y, x, w| {
            let (slope, curvature) = loss.grad_hess(s, y, &x, asked);
            let curvature = match choice {
                Hessian::Abs => curvature.abs(),
                Hessian::Constant => V::ONE,
                _ => curvature,
            };
            weigh(slope, w).store(&mut gradient[at..]);
            weigh(curvature.larger(floor), w).store(&mut hessian[at..]);
            V::ZERO
        })
    }
}

/// A loss in one width, whatever its type: the driver is compiled once and not for every loss.
pub trait PointKernels<F>: Sync {
    /// [`PointLoss::check`].
    fn check_parameters(&self) -> Result<()>;

    /// [`PointLoss::EXTRAS`].
    fn arguments(&self) -> usize;

    /// [`PointLoss::CHEAP`].
    fn is_cheap(&self) -> bool;

    /// What predictions and targets may be.
    fn domains(&self) -> (Domain, Domain);

    /// [`ValueBlock`].
    fn run_value(&self, block: Block<'_, F>, values: Option<&mut [F]>) -> Outcome;

    /// [`GradBlock`].
    fn run_grad(&self, block: Block<'_, F>, scale: f64, values: Option<&mut [F]>, gradient: &mut [F]) -> Outcome;

    /// [`HessBlock`].
    fn run_hess(&self, block: Block<'_, F>, choice: Hessian, gradient: &mut [F], hessian: &mut [F]) -> Outcome;
}

impl<L: PointLoss, F: Float> PointKernels<F> for L {
    fn check_parameters(&self) -> Result<()> {
        self.check()
    }

    fn arguments(&self) -> usize {
        L::EXTRAS
    }

    fn is_cheap(&self) -> bool {
        L::CHEAP
    }

    fn domains(&self) -> (Domain, Domain) {
        (self.predictions(), self.targets())
    }

    fn run_value(&self, block: Block<'_, F>, values: Option<&mut [F]>) -> Outcome {
        widest(ValueBlock { loss: self, block, values })
    }

    fn run_grad(&self, block: Block<'_, F>, scale: f64, values: Option<&mut [F]>, gradient: &mut [F]) -> Outcome {
        widest(GradBlock { loss: self, block, scale, values, gradient })
    }

    fn run_hess(&self, block: Block<'_, F>, choice: Hessian, gradient: &mut [F], hessian: &mut [F]) -> Outcome {
        widest(HessBlock { loss: self, block, choice, gradient, hessian })
    }
}
