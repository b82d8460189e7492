//! Positions of some dates in the width of their scores, with their derivatives.

use std::ops::Range;

use super::cpu::{LaneKernel, fetch, widest};
use super::float::Float;
use super::lane::{Lane, Lanes};
use super::listnet::{exponentials, largest};
use super::position::Position;
use super::tanh::tanh_slope;
use super::usable::Usable;

/// Positions and, where there is room for them, their derivatives by their own scores; those of softmax are 1 here.
/// Returns whether all scores are finite. `dates` are the rows of each date; `next` is what will be read next.
pub(super) fn take<F: Float>(
    position: Position,
    s: &[F],
    dates: impl Iterator<Item = Range<usize>>,
    next: &[F],
    held: &mut [F],
    slope: &mut [F],
) -> bool {
    match position {
        Position::Tanh => return widest(Tanh { s, next, held, slope }),
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
    widest(Usable { s, y: &[] })
}

/// tanh, and its derivative where there is room for it. It takes longer than memory: what is `next` is fetched
/// meanwhile.
struct Tanh<'a, F> {
    s: &'a [F],
    next: &'a [F],
    held: &'a mut [F],
    slope: &'a mut [F],
}

/// How many rows ahead scores are fetched.
const AHEAD: usize = 1_024;

impl<F: Float> Tanh<'_, F> {
    /// Whether all scores are finite.
    #[inline(always)]
    fn rows<V: Lane<Scalar = F>>(&mut self) -> bool {
        let (s, held, slope) = (self.s, &mut *self.held, &mut *self.slope);
        let (mut bits, mut lanes) = (V::ZERO, Lanes::<V>::of(s.len()));
        if slope.is_empty() {
            while lanes.next() {
                let score = V::load(&s[lanes.at..]);
                bits = bits.or_bits(score - score);
                tanh_slope(score).0.store(&mut held[lanes.at..]);
                fetch(s, lanes.at + AHEAD);
                fetch(self.next, lanes.at);
            }
        } else {
            while lanes.next() {
                let score = V::load(&s[lanes.at..]);
                bits = bits.or_bits(score - score);
                let (value, derivative) = tanh_slope(score);
                value.store(&mut held[lanes.at..]);
                derivative.store(&mut slope[lanes.at..]);
                fetch(s, lanes.at + AHEAD);
                fetch(self.next, lanes.at);
            }
        }
        !V::any(!bits.equals(V::ZERO))
    }
}

impl<F: Float> LaneKernel<F> for Tanh<'_, F> {
    type Output = bool;

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(mut self) -> bool {
        if self.s.len() < V::LANES { self.rows::<F>() } else { self.rows::<V>() }
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
