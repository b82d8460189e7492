//! Returns and gradients of rows whose positions are known, and where to find the positions of their neighbours.

use std::ops::Range;

use super::cpu::{Kernel, LaneKernel};
use super::float::Float;
use super::lane::{Lane, Lanes};
use super::pairs::all;

/// The columns that returns and gradients are made of; by row; some are empty where they are not asked for.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, F> {
    pub(super) y: &'a [F],
    pub(super) held: &'a [F],
    /// Positions of the same assets on the dates before and after; empty where turnover costs nothing.
    pub(super) before: &'a [F],
    pub(super) after: &'a [F],
    /// The derivatives of the positions by their own scores, where those are all there is.
    pub(super) slope: &'a [F],
    pub(super) cost: F,
}

impl<'a, F: Float> Rows<'a, F> {
    pub(super) fn part(&self, rows: Range<usize>) -> Self {
        let part = |values: &'a [F]| if values.is_empty() { values } else { &values[rows.clone()] };
        let Self { y, held, before, after, slope, cost } = *self;
        Self { y: part(y), held: part(held), before: part(before), after: part(after), slope: part(slope), cost }
    }

    /// pos·y − cost·|pos − before|.
    #[inline(always)]
    fn net<V: Lane<Scalar = F>>(&self, at: usize) -> V {
        let held = V::load(&self.held[at..]);
        let earned = held * V::load(&self.y[at..]);
        if self.before.is_empty() {
            return earned;
        }
        (held - V::load(&self.before[at..])).abs().mul_add(all::<V>(-self.cost), earned)
    }

    /// The derivative by the scores: `now`·(y − cost·sign(pos − before)) + `then`·sign(after − pos), times the slope.
    #[inline(always)]
    fn back<V: Lane<Scalar = F>>(&self, at: usize, now: V, then: V) -> V {
        let (y, slope) = (V::load(&self.y[at..]), V::load(&self.slope[at..]));
        if self.before.is_empty() {
            return now * y * slope;
        }
        let held = V::load(&self.held[at..]);
        let turned = (held - V::load(&self.before[at..])).sign();
        let turns = (V::load(&self.after[at..]) - held).sign();
        turns.mul_add(then, now * turned.mul_add(all::<V>(-self.cost), y)) * slope
    }
}

/// The returns of rows.
#[allow(clippy::struct_field_names)]
pub(super) struct Net<'a, F> {
    pub(super) rows: Rows<'a, F>,
    pub(super) net: &'a mut [F],
}

impl<F: Float> Net<'_, F> {
    #[inline(always)]
    fn rows<V: Lane<Scalar = F>>(&mut self) {
        let mut lanes = Lanes::<V>::of(self.net.len());
        while lanes.next() {
            self.rows.net::<V>(lanes.at).store(&mut self.net[lanes.at..]);
        }
    }
}

impl<F: Float> LaneKernel<F> for Net<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(mut self) {
        if self.net.len() < V::LANES { self.rows::<F>() } else { self.rows::<V>() }
    }
}

/// The sum of the returns of the rows of a date.
pub(super) struct NetDate<'a, F>(pub(super) Rows<'a, F>);

impl<F: Float> NetDate<'_, F> {
    #[inline(always)]
    fn rows<V: Lane<Scalar = F>>(&self) -> f64 {
        let (mut sums, mut lanes) = (V::no_sum(), Lanes::<V>::of(self.0.held.len()));
        while lanes.next() {
            sums = V::add_up(sums, V::select(lanes.fresh, self.0.net::<V>(lanes.at), V::ZERO));
        }
        V::sum(sums)
    }
}

impl<F: Float> LaneKernel<F> for NetDate<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(self) -> f64 {
        if self.0.held.len() < V::LANES { self.rows::<F>() } else { self.rows::<V>() }
    }
}

/// The gradient of rows of many dates.
pub(super) struct Back<'a, F> {
    pub(super) rows: Rows<'a, F>,
    pub(super) now: &'a [F],
    pub(super) then: &'a [F],
    pub(super) out: &'a mut [F],
}

impl<F: Float> Back<'_, F> {
    #[inline(always)]
    fn rows<V: Lane<Scalar = F>>(&mut self) {
        let mut lanes = Lanes::<V>::of(self.out.len());
        while lanes.next() {
            let at = lanes.at;
            let (now, then) = (V::load(&self.now[at..]), V::load(&self.then[at..]));
            self.rows.back::<V>(at, now, then).store(&mut self.out[at..]);
        }
    }
}

impl<F: Float> LaneKernel<F> for Back<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(mut self) {
        if self.out.len() < V::LANES { self.rows::<F>() } else { self.rows::<V>() }
    }
}

/// The gradient of the rows of a date.
pub(super) struct BackDate<'a, F> {
    pub(super) rows: Rows<'a, F>,
    pub(super) now: F,
    pub(super) then: F,
    pub(super) out: &'a mut [F],
}

impl<F: Float> BackDate<'_, F> {
    #[inline(always)]
    fn rows<V: Lane<Scalar = F>>(&mut self) {
        let (now, then) = (all::<V>(self.now), all::<V>(self.then));
        let mut lanes = Lanes::<V>::of(self.out.len());
        while lanes.next() {
            self.rows.back::<V>(lanes.at, now, then).store(&mut self.out[lanes.at..]);
        }
    }
}

impl<F: Float> LaneKernel<F> for BackDate<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(mut self) {
        if self.out.len() < V::LANES { self.rows::<F>() } else { self.rows::<V>() }
    }
}

/// The positions of the same assets on another date: `linked` are places, and the date's begin at `first`. An asset
/// that is not there has the position `unknown`.
pub(super) fn follow<F: Float>(linked: &[u32], first: usize, date: &[F], unknown: F, out: &mut [F]) {
    let (Some(last), first) = (date.len().checked_sub(1), first as u32) else {
        return out.fill(unknown);
    };
    for (slot, &place) in out.iter_mut().zip(linked) {
        // No such place is the largest number, and behind every date; read something anyhow, so as not to branch.
        let at = place.wrapping_sub(first) as usize;
        let held = date[at.min(last)];
        *slot = if at <= last { held } else { unknown };
    }
}

/// Σ|position| in double precision.
pub(super) struct Gross<'a, F>(pub(super) &'a [F]);

impl<F: Float> Kernel for Gross<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        const LANES: usize = 8;
        let (held, whole) = (self.0, self.0.len() / LANES * LANES);
        let mut sums = [0.0; LANES];
        let mut at = 0;
        while at < whole {
            let part = &held[at..at + LANES];
            for k in 0..LANES {
                sums[k] += part[k].wide().abs();
            }
            at += LANES;
        }
        let rest = held[whole..].iter().fold(0.0, |sum, held| sum + held.wide().abs());
        sums.iter().fold(rest, |sum, lane| sum + lane)
    }
}
