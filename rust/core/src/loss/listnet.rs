//! ListNet, top one.

use super::cpu::{Kernel, dispatch};
use super::float::Float;
use super::pairwise_logistic::above_zero;
use super::traits::{Group, GroupLoss, Hessian, Term};
use crate::error::Result;

/// −Σ q log p with p = softmax(s) and q = softmax(y/T). A group of one row is 0 and counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ListNet {
    /// T, above 0: what difference of targets makes one e times as likely to be on top.
    pub temperature: f64,
}

const LANES: usize = 8;

/// e^(v·scale − top) into `out`; returns their sum, formed in double precision in a fixed order.
#[inline(always)]
pub(super) fn exponentials<F: Float>(values: &[F], scale: F, top: F, out: &mut [F]) -> f64 {
    let mut sums = [0.0; LANES];
    let (mut from, mut to) = (values.chunks_exact(LANES), out.chunks_exact_mut(LANES));
    for (from, to) in (&mut from).zip(&mut to) {
        for l in 0..LANES {
            let e = (from[l] * scale - top).exp();
            to[l] = e;
            sums[l] += e.wide();
        }
    }
    for ((&value, to), sum) in from.remainder().iter().zip(to.into_remainder()).zip(&mut sums) {
        *to = (value * scale - top).exp();
        *sum += to.wide();
    }
    sums.iter().fold(0.0, |a, b| a + b)
}

#[inline(always)]
pub(super) fn largest<F: Float>(values: &[F]) -> F {
    let mut tops = [values[0]; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for l in 0..LANES {
            tops[l] = chunk[l].larger(tops[l]);
        }
    }
    tops.iter().chain(rest).fold(values[0], |top, &value| value.larger(top))
}

/// p − q into `out`, and the loss. `E` is what the gradient is written in, times `scale`.
struct TopOne<'a, F> {
    s: &'a [F],
    y: &'a [F],
    over_temperature: F,
    scale: f64,
    p: &'a mut [F],
    q: &'a mut [F],
    out: &'a mut [F],
}

impl<F: Float> Kernel for TopOne<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let Self { s, y, over_temperature, scale, p, q, out } = self;
        let top = largest(s);
        let p_sum = exponentials(s, F::ONE, top, p);
        let q_sum = exponentials(y, over_temperature, largest(y) * over_temperature, q);
        let (over_p, over_q) = (F::of(scale / p_sum), F::of(scale / q_sum));
        let mut sums = [0.0; LANES];
        for i in 0..s.len() / LANES {
            let at = i * LANES..(i + 1) * LANES;
            let (s, p, q, out) = (&s[at.clone()], &p[at.clone()], &q[at.clone()], &mut out[at]);
            for l in 0..LANES {
                sums[l] += (q[l] * (top - s[l])).wide();
                out[l] = p[l] * over_p - q[l] * over_q;
            }
        }
        let rest = s.len() / LANES * LANES;
        for i in rest..s.len() {
            sums[0] += (q[i] * (top - s[i])).wide();
            out[i] = p[i] * over_p - q[i] * over_q;
        }
        p_sum.ln() + sums.iter().fold(0.0, |a, b| a + b) / q_sum
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
    fn run<F: Float>(&self, group: &Group<'_, F>, scale: f64, out: &mut [F], p: &mut Vec<F>, q: &mut Vec<F>) -> Term {
        let m = group.len();
        p.resize(m.max(p.len()), F::ZERO);
        q.resize(m.max(q.len()), F::ZERO);
        let (p, q) = (&mut p[..m], &mut q[..m]);
        let over_temperature = F::of(1.0 / self.temperature);
        Term::once(dispatch(TopOne { s: group.s, y: group.narrow, over_temperature, scale, p, q, out }))
    }
}

impl GroupLoss for ListNet {
    type Scratch<F: Float> = ListScratch<F>;
    const NARROW: bool = true;
    const COUNTS_ALL: bool = true;

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
