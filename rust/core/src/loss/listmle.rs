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
    /// Of the rows from a place on: the largest score, and Σ e^(s − largest).
    tails: Vec<(f64, f64)>,
}

impl ListMle {
    /// Scores only ever meet as differences from the largest one behind them: exact wherever scores lie.
    fn run<F: Float>(
        group: &Group<'_, F>,
        gradient: &mut [f64],
        mut hessian: Option<&mut [f64]>,
        scratch: &mut OrderScratch,
    ) -> Term {
        let OrderScratch { rows, sorter, tails } = scratch;
        sorter.descending(group.y, rows);
        tails.resize(group.len(), (0.0, 0.0));
        let (mut top, mut sum, mut value) = (f64::NEG_INFINITY, 0.0, 0.0);
        for (place, &row) in rows.iter().enumerate().rev() {
            let s = group.s[row as usize].wide();
            if s > top {
                (top, sum) = (s, sum * (top - s).exp() + 1.0);
            } else {
                sum += (s - top).exp();
            }
            tails[place] = (top, sum);
            value += (top - s) + sum.ln();
        }
        // Σ 1/C_k and Σ 1/C_k² over the places up to a row's, with C_k = sum·e^top, times e^top and its square.
        let (mut last, mut first, mut second) = (tails[0].0, 0.0, 0.0);
        for (&row, &(top, sum)) in rows.iter().zip(&*tails) {
            let (step, own) = ((top - last).exp(), (group.s[row as usize].wide() - top).exp());
            first = first * step + 1.0 / sum;
            let chosen = own * first;
            gradient[row as usize] = chosen - 1.0;
            if let Some(hessian) = &mut hessian {
                second = second * step * step + 1.0 / (sum * sum);
                hessian[row as usize] = (chosen - own * own * second).max(0.0);
            }
            last = top;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Value, gradient and curvature of a group.
    fn run(s: &[f64], y: &[f64]) -> (f64, Vec<f64>, Vec<f64>) {
        let (mut gradient, mut hessian) = (vec![9.0; s.len()], vec![9.0; s.len()]);
        let group = Group { s, y, narrow: &[], w: &[] };
        let term = ListMle::run(&group, &mut gradient, Some(&mut hessian), &mut OrderScratch::default());
        (term.value, gradient, hessian)
    }

    #[test]
    fn keeps_its_digits_far_from_zero() {
        // Sixteenths are exact beside any power of two up to 2⁴⁸.
        let s: Vec<f64> = (0..40).map(|i| f64::from(i * 29 % 67) / 16.0).collect();
        let y: Vec<f64> = (0..40).map(|i| f64::from(i * 17 % 41)).collect();
        let near = run(&s, &y);
        for shift in [2f64.powi(31), -(2f64.powi(44))] {
            let far: Vec<f64> = s.iter().map(|s| s + shift).collect();
            assert_eq!(run(&far, &y), near, "{shift}");
        }
    }

    #[test]
    fn a_tail_far_below_the_top_keeps_its_digits() {
        // The first row is certain to come first; the others are a list of their own.
        let s = [1e12, 0.25, -0.5, 0.0];
        let y = [4.0, 3.0, 2.0, 1.0];
        let (value, gradient, hessian) = run(&s, &y);
        let (alone, slopes, curves) = run(&s[1..], &y[1..]);
        assert!((value - alone).abs() <= 1e-15);
        assert_eq!((gradient[0], hessian[0]), (0.0, 0.0));
        assert_eq!((&gradient[1..], &hessian[1..]), (&slopes[..], &curves[..]));
        // And in the wrong order every place costs the whole distance.
        let (value, gradient, _) = run(&s, &[1.0, 4.0, 3.0, 2.0]);
        assert!((value / 3e12 - 1.0).abs() < 1e-12 && (gradient[0] - 3.0).abs() < 1e-15);
    }
}
