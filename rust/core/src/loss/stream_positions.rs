//! Positions of some dates in the width of their scores, with their derivatives.

use std::ops::Range;

use super::cpu::{LaneKernel, widest};
use super::float::Float;
use super::lane::Lane;
use super::listnet::{exponentials, largest};
use super::position::Position;
use super::stream_rows::whole_and_rest;
use super::tanh::tanh_slope;

/// Positions and, where there is room for them, their derivatives by their own scores; those of softmax are 1 here.
/// `dates` are the rows of each date.
pub(super) fn take<F: Float>(
    position: Position,
    s: &[F],
    dates: impl Iterator<Item = Range<usize>>,
    held: &mut [F],
    slope: &mut [F],
) {
    match position {
        Position::Tanh => widest(Tanh { s, held, slope }),
        Position::Identity => {
            held.copy_from_slice(s);
            slope.fill(F::ONE);
        }
        Position::Clip => {
            for (held, &s) in held.iter_mut().zip(s) {
                *held = s.larger(-F::ONE).smaller(F::ONE);
            }
            for (slope, &s) in slope.iter_mut().zip(s) {
                *slope = if s.abs() <= F::ONE { F::ONE } else { F::ZERO };
            }
        }
        Position::Softmax => {
            slope.fill(F::ONE);
            for rows in dates {
                widest(Softmax { s: &s[rows.clone()], held: &mut held[rows] });
            }
        }
    }
}

/// tanh, and its derivative where there is room for it.
struct Tanh<'a, F> {
    s: &'a [F],
    held: &'a mut [F],
    slope: &'a mut [F],
}

impl<F: Float> Tanh<'_, F> {
    #[inline(always)]
    fn rows<V: Lane<Scalar = F>>(&mut self, from: usize, to: usize) {
        let (s, held) = (&self.s[..to], &mut self.held[..to]);
        let mut at = from;
        if self.slope.is_empty() {
            while at + V::LANES <= to {
                tanh_slope(V::load(&s[at..])).0.store(&mut held[at..]);
                at += V::LANES;
            }
            return;
        }
        let slope = &mut self.slope[..to];
        while at + V::LANES <= to {
            let (value, derivative) = tanh_slope(V::load(&s[at..]));
            value.store(&mut held[at..]);
            derivative.store(&mut slope[at..]);
            at += V::LANES;
        }
    }
}

impl<F: Float> LaneKernel<F> for Tanh<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(mut self) {
        whole_and_rest!(self, rows, self.s.len(), V, F);
    }
}

struct Softmax<'a, F> {
    s: &'a [F],
    held: &'a mut [F],
}

impl<F: Float> LaneKernel<F> for Softmax<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(self) {
        let Self { s, held } = self;
        let top = largest::<F, V>(s);
        let over = F::of(1.0 / exponentials::<F, V>(s, F::ONE, top, held));
        for p in held {
            *p = *p * over;
        }
    }
}
