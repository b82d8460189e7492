//! ListMLE: the likelihood of the order of the targets under Plackett and Luce.

use super::float::Float;
use super::sorter::Sorter;
use super::traits::{Group, GroupLoss, Hessian, Term};

/// Σ_k [logsumexp(s_(k), …, s_(m)) − s_(k)] with rows in descending order of target, ties in the caller's order. A
/// group of one row is 0 and counts.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ListMle;

/// Kept from group to group.
#[derive(Default)]
pub struct OrderScratch {
    rows: Vec<u32>,
    sorter: Sorter,
    /// logsumexp of the rows from a place on.
    tails: Vec<f64>,
}

/// log(e^a + e^b).
fn log_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

impl ListMle {
    fn run<F: Float>(
        group: &Group<'_, F>,
        gradient: &mut [f64],
        mut hessian: Option<&mut [f64]>,
        scratch: &mut OrderScratch,
    ) -> Term {
        let OrderScratch { rows, sorter, tails } = scratch;
        sorter.descending(group.y, rows);
        tails.resize(group.len(), 0.0);
        let (mut tail, mut value) = (f64::NEG_INFINITY, 0.0);
        for (place, &row) in rows.iter().enumerate().rev() {
            let s = group.s[row as usize].wide();
            tail = log_add(tail, s);
            tails[place] = tail;
            value += tail - s;
        }
        // Logarithms of Σ 1/C_k and Σ 1/C_k² over the places up to a row's.
        let (mut first, mut second) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        for (&row, tail) in rows.iter().zip(&*tails) {
            let s = group.s[row as usize].wide();
            first = log_add(first, -tail);
            let chosen = (s + first).exp();
            gradient[row as usize] = chosen - 1.0;
            if let Some(hessian) = &mut hessian {
                second = log_add(second, -2.0 * tail);
                hessian[row as usize] = (chosen - (2.0 * s + second).exp()).max(0.0);
            }
        }
        Term::once(value)
    }
}

impl GroupLoss for ListMle {
    type Scratch<F: Float> = OrderScratch;

    fn value_grad<F: Float>(
        &self,
        group: &Group<'_, F>,
        gradient: &mut [f64],
        scratch: &mut OrderScratch,
    ) -> Option<Term> {
        Some(Self::run(group, gradient, None, scratch))
    }

    /// Σ_k π(1 − π) with π the probability of being chosen at place k.
    fn grad_hess<F: Float>(
        &self,
        group: &Group<'_, F>,
        _: Hessian,
        gradient: &mut [f64],
        hessian: &mut [f64],
        scratch: &mut OrderScratch,
    ) -> Option<Term> {
        Some(Self::run(group, gradient, Some(hessian), scratch))
    }
}
