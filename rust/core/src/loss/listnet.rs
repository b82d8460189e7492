//! ListNet, top one.

use super::cpu::{LaneKernel, widest};
use super::float::Float;
use super::lane::{Lane, Lanes};
use super::pairwise_logistic::above_zero;
use super::traits::{Group, GroupLoss, Hessian, Term};
use crate::error::Result;

/// −Σ q log p with p = softmax(s) and q = softmax(y/T). A group of one row is 0 and counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ListNet {
    /// T, above 0: what difference of targets makes one e times as likely to be on top.
    pub temperature: f64,
}

/// e^(v·scale − top), none of them above 1.
#[inline(always)]
fn exponential<V: Lane>(v: V, scale: V, top: V) -> V {
    v.mul_add(scale, -top).smaller(V::ZERO).exp_negative().0
}

/// e^(v·scale − top) of all values into `out`; returns their sum in double precision.
#[inline(always)]
pub(super) fn exponentials<F: Float, V: Lane<Scalar = F>>(values: &[F], scale: F, top: F, out: &mut [F]) -> f64 {
    let out = &mut out[..values.len()];
    if values.len() < V::LANES {
        return exponentials_in_lanes::<F, F>(values, scale, top, out);
    }
    exponentials_in_lanes::<F, V>(values, V::of(scale.wide()), V::of(top.wide()), out)
}

#[inline(always)]
fn exponentials_in_lanes<F: Float, V: Lane<Scalar = F>>(values: &[F], scale: V, top: V, out: &mut [F]) -> f64 {
    let (mut sums, mut lanes) = (V::no_sum(), Lanes::<V>::of(values.len()));
    while lanes.next() {
        let e = exponential(V::load(&values[lanes.at..]), scale, top);
        e.store(&mut out[lanes.at..]);
        sums = V::add_up(sums, V::select(lanes.fresh, e, V::ZERO));
    }
    V::sum(sums)
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
    if values.len() < V::LANES {
        return values.iter().fold(values[0], |top, &value| value.larger(top));
    }
    let (mut tops, mut lanes) = (V::load(values), Lanes::<V>::of(values.len()));
    while lanes.next() {
        tops = V::load(&values[lanes.at..]).larger(tops);
    }
    largest_of(tops)
}

/// The largest number of a lane.
#[inline(always)]
fn largest_of<V: Lane>(lane: V) -> V::Scalar {
    let mut each = [-V::Scalar::ONE / V::Scalar::ZERO; 16];
    lane.store(&mut each);
    let mut half = 8;
    while half > 0 {
        for k in 0..half {
            each[k] = each[k + half].larger(each[k]);
        }
        half /= 2;
    }
    each[0]
}

/// p − q times `scale` into `out`, and the loss. Each loop goes over scores and targets together: two chains of steps
/// that do not wait for each other.
struct TopOne<'a, F> {
    s: &'a [F],
    y: &'a [F],
    over_temperature: F,
    scale: f64,
    p: &'a mut [F],
    q: &'a mut [F],
    out: &'a mut [F],
}

impl<F: Float> TopOne<'_, F> {
    #[inline(always)]
    fn rows<V: Lane<Scalar = F>>(self) -> f64 {
        let len = self.s.len();
        let (s, y, out) = (&self.s[..len], &self.y[..len], &mut self.out[..len]);
        let (p, q) = (&mut self.p[..len], &mut self.q[..len]);
        let all = |value: F| V::of(value.wide());
        let (mut tops, mut lanes) = ((V::load(s), V::load(y)), Lanes::<V>::of(len));
        while lanes.next() {
            tops = (V::load(&s[lanes.at..]).larger(tops.0), V::load(&y[lanes.at..]).larger(tops.1));
        }
        let over_t = all(self.over_temperature);
        let (top, y_top) = (all(largest_of(tops.0)), all(largest_of(tops.1) * self.over_temperature));
        let (mut p_sums, mut q_sums, mut lanes) = (V::no_sum(), V::no_sum(), Lanes::<V>::of(len));
        while lanes.next() {
            let at = lanes.at;
            let e = (exponential(V::load(&s[at..]), V::ONE, top), exponential(V::load(&y[at..]), over_t, y_top));
            e.0.store(&mut p[at..]);
            e.1.store(&mut q[at..]);
            p_sums = V::add_up(p_sums, V::select(lanes.fresh, e.0, V::ZERO));
            q_sums = V::add_up(q_sums, V::select(lanes.fresh, e.1, V::ZERO));
        }
        let (p_sum, q_sum) = (V::sum(p_sums), V::sum(q_sums));
        let (over_p, over_q) = (V::of(self.scale / p_sum), V::of(-self.scale / q_sum));
        let (mut sums, mut lanes) = (V::no_sum(), Lanes::<V>::of(len));
        while lanes.next() {
            let at = lanes.at;
            let (p, q) = (V::load(&p[at..]), V::load(&q[at..]));
            q.mul_add(over_q, p * over_p).store(&mut out[at..]);
            sums = V::add_up(sums, V::select(lanes.fresh, q * (top - V::load(&s[at..])), V::ZERO));
        }
        p_sum.ln() + V::sum(sums) / q_sum
    }
}

impl<F: Float> LaneKernel<F> for TopOne<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(self) -> f64 {
        if self.s.len() < V::LANES { self.rows::<F>() } else { self.rows::<V>() }
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
