//! ListNet, top one.

use super::cpu::{LaneKernel, widest};
use super::float::Float;
use super::lane::Lane;
use super::pairwise_logistic::above_zero;
use super::traits::{Group, GroupLoss, Hessian, Term};
use crate::error::Result;

/// −Σ q log p with p = softmax(s) and q = softmax(y/T). A group of one row is 0 and counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ListNet {
    /// T, above 0: what difference of targets makes one e times as likely to be on top.
    pub temperature: f64,
}

/// e^(v·scale − top), none of them above 1, into `out`; returns their sum in double precision.
#[inline(always)]
pub(super) fn exponentials<F: Float, V: Lane<Scalar = F>>(values: &[F], scale: F, top: F, out: &mut [F]) -> f64 {
    let out = &mut out[..values.len()];
    let whole = values.len() / (2 * V::LANES) * 2 * V::LANES;
    let (wide_scale, wide_top) = (V::of(scale.wide()), V::of(-top.wide()));
    let mut sums = V::no_sum();
    let mut at = 0;
    while at < whole {
        let mut pair = [V::ZERO; 2];
        for (turn, slot) in pair.iter_mut().enumerate() {
            let from = at + turn * V::LANES;
            let e = V::load(&values[from..]).mul_add(wide_scale, wide_top).smaller(V::ZERO).exp_negative().0;
            e.store(&mut out[from..]);
            *slot = e;
        }
        sums = V::add_up(V::add_up(sums, pair[0]), pair[1]);
        at += 2 * V::LANES;
    }
    let mut sum = V::sum(sums);
    for i in whole..values.len() {
        out[i] = (values[i] * scale - top).smaller(F::ZERO).exp_negative().0;
        sum += out[i].wide();
    }
    sum
}

/// [`exponentials`] as work of its own.
pub(super) struct Exponentials<'a, F> {
    pub(super) values: &'a [F],
    pub(super) scale: F,
    pub(super) top: F,
    pub(super) out: &'a mut [F],
}

impl<F: Float> LaneKernel<F> for Exponentials<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(self) -> f64 {
        exponentials::<F, V>(self.values, self.scale, self.top, self.out)
    }
}

/// The largest of the values; there is one.
#[inline(always)]
pub(super) fn largest<F: Float, V: Lane<Scalar = F>>(values: &[F]) -> F {
    let whole = values.len() / V::LANES * V::LANES;
    let mut top = values[0];
    if whole > 0 {
        let mut tops = V::load(values);
        for at in (V::LANES..whole).step_by(V::LANES) {
            tops = V::load(&values[at..]).larger(tops);
        }
        let mut lanes = [values[0]; 16];
        tops.store(&mut lanes);
        top = lanes.iter().fold(top, |top, &lane| lane.larger(top));
    }
    values[whole..].iter().fold(top, |top, &value| value.larger(top))
}

/// p − q times `scale` into `out`, and the loss.
struct TopOne<'a, F> {
    s: &'a [F],
    y: &'a [F],
    over_temperature: F,
    scale: f64,
    p: &'a mut [F],
    q: &'a mut [F],
    out: &'a mut [F],
}

impl<F: Float> LaneKernel<F> for TopOne<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(self) -> f64 {
        let Self { s, y, over_temperature, scale, p, q, out } = self;
        let (len, top) = (s.len(), largest::<F, V>(s));
        let p_sum = exponentials::<F, V>(s, F::ONE, top, p);
        let q_sum = exponentials::<F, V>(y, over_temperature, largest::<F, V>(y) * over_temperature, q);
        let (over_p, over_q) = (F::of(scale / p_sum), F::of(scale / q_sum));
        let (wide_p, wide_q, wide_top) = (V::of(over_p.wide()), V::of(-over_q.wide()), V::of(top.wide()));
        let (p, q, out) = (&p[..len], &q[..len], &mut out[..len]);
        let whole = len / (2 * V::LANES) * 2 * V::LANES;
        let mut sums = V::no_sum();
        let mut at = 0;
        while at < whole {
            let mut pair = [V::ZERO; 2];
            for (turn, slot) in pair.iter_mut().enumerate() {
                let from = at + turn * V::LANES;
                let (p, q) = (V::load(&p[from..]), V::load(&q[from..]));
                *slot = q * (wide_top - V::load(&s[from..]));
                q.mul_add(wide_q, p * wide_p).store(&mut out[from..]);
            }
            sums = V::add_up(V::add_up(sums, pair[0]), pair[1]);
            at += 2 * V::LANES;
        }
        let mut sum = V::sum(sums);
        for i in whole..len {
            sum += (q[i] * (top - s[i])).wide();
            out[i] = p[i] * over_p - q[i] * over_q;
        }
        p_sum.ln() + sum / q_sum
    }
}

/// Kept from group to group.
#[derive(Default)]
pub struct ListScratch<F> {
    p: Vec<F>,
    q: Vec<F>,
    out: Vec<F>,
}

impl ListNet {
    #[allow(clippy::trivially_copy_pass_by_ref)]
    fn run<F: Float>(&self, group: &Group<'_, F>, scale: f64, out: &mut [F], p: &mut Vec<F>, q: &mut Vec<F>) -> Term {
        let m = group.len();
        p.resize(m.max(p.len()), F::ZERO);
        q.resize(m.max(q.len()), F::ZERO);
        let (p, q) = (&mut p[..m], &mut q[..m]);
        let over_temperature = F::of(1.0 / self.temperature);
        Term::once(widest(TopOne { s: group.s, y: group.narrow, over_temperature, scale, p, q, out }))
    }
}

impl GroupLoss for ListNet {
    type Scratch<F: Float> = ListScratch<F>;
    const NARROW: bool = true;

    fn check(&self) -> Result<()> {
        above_zero("temperature", self.temperature)
    }

    fn value_grad<F: Float>(
        &self,
        group: &Group<'_, F>,
        gradient: &mut [f64],
        scratch: &mut ListScratch<F>,
    ) -> Option<Term> {
        let ListScratch { p, q, out } = scratch;
        out.resize(group.len(), F::ZERO);
        let term = self.run(group, 1.0, out, p, q);
        gradient.iter_mut().zip(out).for_each(|(to, from)| *to = from.wide());
        Some(term)
    }

    fn value_grad_scaled<F: Float>(
        &self,
        group: &Group<'_, F>,
        scale: f64,
        gradient: &mut [F],
        _: &mut [f64],
        scratch: &mut ListScratch<F>,
    ) -> Option<Term> {
        Some(self.run(group, scale, gradient, &mut scratch.p, &mut scratch.q))
    }

    /// p(1 − p).
    fn grad_hess<F: Float>(
        &self,
        group: &Group<'_, F>,
        _: Hessian,
        gradient: &mut [f64],
        hessian: &mut [f64],
        scratch: &mut ListScratch<F>,
    ) -> Option<Term> {
        let term = self.value_grad(group, gradient, scratch);
        let p = &scratch.p[..group.len()];
        let sum: f64 = p.iter().map(|p| p.wide()).sum();
        for (i, h) in hessian.iter_mut().enumerate() {
            let p = p[i].wide() / sum;
            *h = p * (1.0 - p);
        }
        term
    }
}
