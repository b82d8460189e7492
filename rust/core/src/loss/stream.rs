//! Portfolio returns and their gradient without a buffer per row.
//!
//! What [`Book`](super::book::Book) computes from columns of its own, computed from the caller's, some dates at a time
//! and in the prediction's width: once for the returns, and again for the gradient. It serves books in which no target
//! is missing, a return is a date's, and a position's neighbours lie on the dates next to its own: positions are
//! closed where an asset is absent, or no asset ever is.

use std::ops::Range;

use super::batch::{Batch, load, load_view};
use super::book::{Absent, Trading};
use super::cpu::{Kernel, dispatch};
use super::driver::NanPolicy;
use super::float::Float;
use super::groups::{GroupIndex, Links, NONE, Tasks};
use super::kernels::HESSIAN_FLOOR;
use super::position::Position;
use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks, map_blocks_into, map_parts_into};

/// Rows put back in place at a time.
const SCATTER: usize = 32_768;
const LANES: usize = 8;

/// Where the position before and after a row is found.
enum Neighbours<'a> {
    /// Turnover costs nothing.
    Idle,
    /// So many rows earlier and later.
    Regular(usize),
    Linked(&'a Links),
}

/// A book that is read date by date.
pub(super) struct Stream<'a, F> {
    trading: Trading,
    batch: &'a Batch<'a, F>,
    index: &'a GroupIndex,
    neighbours: Neighbours<'a>,
    tasks: Tasks,
}

/// Buffers of one task.
struct Buffers<F> {
    s: Vec<F>,
    y: Vec<F>,
    held: Vec<F>,
    slope: Vec<F>,
    before: Vec<F>,
    after: Vec<F>,
    now: Vec<F>,
    then: Vec<F>,
}

impl<F> Buffers<F> {
    fn new() -> Self {
        let [s, y, held, slope, before, after, now, then] = [const { Vec::new() }; 8];
        Self { s, y, held, slope, before, after, now, then }
    }
}

/// The rows of a task, and what their neighbours are.
struct Dates<'s, F> {
    dates: Range<usize>,
    y: &'s [F],
    /// Positions of the rows, and of the same assets on the dates before and after; the latter two are empty where
    /// turnover costs nothing, and where they were not asked for.
    held: &'s [F],
    before: &'s [F],
    after: &'s [F],
    /// The derivatives of the positions by their own scores, where those are all there is.
    slope: &'s [F],
}

impl<'a, F: Float> Stream<'a, F> {
    /// The book, if it can be read date by date; whether a target is missing shows when the returns are computed.
    pub(super) fn open(trading: Trading, batch: &'a Batch<'a, F>, index: &'a GroupIndex) -> Option<Self> {
        if trading.pooled || trading.target_volatility.is_some() {
            return None;
        }
        let neighbours = match (index.regular(), index.stored_links()) {
            _ if trading.cost == 0.0 => Neighbours::Idle,
            (Some(assets), _) => Neighbours::Regular(assets),
            _ if !index.has_assets() && index.groups() == index.len() => Neighbours::Regular(1),
            (_, Some(links)) if trading.absent == Absent::Close => Neighbours::Linked(links),
            _ => return None,
        };
        Some(Self { trading, batch, index, neighbours, tasks: Tasks::new(index.starts(), false) })
    }

    /// The returns and weights of the dates, or nothing where a target is missing and may be.
    pub(super) fn returns(&self, nan_policy: NanPolicy, cancel: &Cancel) -> Result<Option<(Vec<f64>, Vec<f64>)>> {
        let tasks = self.tasks.ends.len();
        let parts = map_blocks(tasks, 1, self.index.len() / tasks.max(1), cancel, |task| {
            let dates = self.tasks.groups(task.start);
            let mut buffers = Buffers::new();
            if !self.check(&dates, nan_policy, &mut buffers)? {
                return Ok(None);
            }
            let weights = self.weights(&dates)?;
            let returns = self.with_dates::<false, _>(dates, &mut buffers, |dates, net, _| self.net(&dates, net));
            Ok(Some((returns, weights)))
        })?;
        let (mut returns, mut weights) = (Vec::new(), Vec::new());
        for part in parts {
            let Some((r, w)) = part else { return Ok(None) };
            returns.extend(r);
            weights.extend(w);
        }
        Ok(Some((returns, weights)))
    }

    /// The derivative by each score, in the caller's order, given that by each return.
    pub(super) fn gradient(&self, slope: &[f64], gradient: &mut [F], cancel: &Cancel) -> Result<()> {
        if self.index.is_sorted() {
            return self.gradient_by_place(slope, gradient, cancel);
        }
        let mut places = vec![F::ZERO; gradient.len()];
        self.gradient_by_place(slope, &mut places, cancel)?;
        map_blocks_into(gradient, SCATTER, cancel, |rows, out| {
            for (row, slot) in rows.zip(out) {
                *slot = places[self.index.place(row)];
            }
            Ok(())
        })?;
        Ok(())
    }

    fn gradient_by_place(&self, slope: &[f64], places: &mut [F], cancel: &Cancel) -> Result<()> {
        map_parts_into(places, &self.tasks.ends, self.tasks.work, cancel, |task, out| {
            let dates = self.tasks.groups(task);
            self.with_dates::<true, _>(dates, &mut Buffers::new(), |dates, now, then| {
                self.spread(&dates, slope, now, then);
                let cost = F::of(self.trading.cost);
                let Dates { y, held, before, after, slope, .. } = dates;
                dispatch(Back { y, held, before, after, slope, now, then, cost, out });
                if self.trading.position == Position::Softmax {
                    self.by_date(&dates.dates, |rows| {
                        let (p, out) = (&held[rows.clone()], &mut out[rows]);
                        let mean = p.iter().zip(&*out).map(|(p, g)| (*p * *g).wide()).sum::<f64>();
                        let mean = F::of(mean);
                        out.iter_mut().zip(p).for_each(|(g, p)| *g = *p * (*g - mean));
                    });
                }
            });
            Ok(())
        })?;
        Ok(())
    }

    /// The curvature of each return times (d return/d score)², costs left out, or the weight of the date where no
    /// curvature is given; at least the floor.
    pub(super) fn curvature(
        &self,
        curvature: Option<&[f64]>,
        weights: &[f64],
        hessian: &mut [F],
        cancel: &Cancel,
    ) -> Result<()> {
        let mut buffer = vec![F::ZERO; if self.index.is_sorted() { 0 } else { hessian.len() }];
        let sorted = self.index.is_sorted();
        let places = if sorted { &mut *hessian } else { &mut buffer[..] };
        map_parts_into(places, &self.tasks.ends, self.tasks.work, cancel, |task, out| {
            let dates = self.tasks.groups(task);
            let Some(curvature) = curvature else {
                self.by_date_index(&dates, |date, rows| out[rows].fill(F::of(weights[date])));
                return Ok(());
            };
            self.with_dates::<true, _>(dates, &mut Buffers::new(), |all, _, _| {
                self.by_date_index(&all.dates, |date, rows| {
                    let (share, floor) = (self.share(rows.len()), HESSIAN_FLOOR * weights[date]);
                    for i in rows {
                        let own = if self.trading.position == Position::Softmax {
                            all.held[i].wide() * (1.0 - all.held[i].wide())
                        } else {
                            all.slope[i].wide()
                        };
                        let slope = own * all.y[i].wide() * share;
                        out[i] = F::of((curvature[date] * slope * slope).abs().max(floor));
                    }
                });
            });
            Ok(())
        })?;
        if sorted {
            return Ok(());
        }
        map_blocks_into(hessian, SCATTER, cancel, |rows, out| {
            for (row, slot) in rows.zip(out) {
                *slot = buffer[self.index.place(row)];
            }
            Ok(())
        })?;
        Ok(())
    }

    fn share(&self, rows: usize) -> f64 {
        if self.trading.position == Position::Softmax { 1.0 } else { 1.0 / rows as f64 }
    }

    /// Calls `f` with the rows of each date, counted from the first of the task.
    fn by_date(&self, dates: &Range<usize>, mut f: impl FnMut(Range<usize>)) {
        self.by_date_index(dates, |_, rows| f(rows));
    }

    fn by_date_index(&self, dates: &Range<usize>, mut f: impl FnMut(usize, Range<usize>)) {
        let origin = self.index.starts()[dates.start];
        for date in dates.clone() {
            let rows = self.index.places(date);
            f(date, rows.start - origin..rows.end - origin);
        }
    }

    /// Whether all targets are there; the first bad row is an error.
    fn check(&self, dates: &Range<usize>, nan_policy: NanPolicy, buffers: &mut Buffers<F>) -> Result<bool> {
        let starts = self.index.starts();
        let rows = starts[dates.start]..starts[dates.end];
        let s = self.scores(rows.clone(), &mut buffers.s);
        let y = self.targets(rows.clone(), &mut buffers.y);
        if dispatch(Usable { s, y }) {
            return Ok(true);
        }
        let mut missing = false;
        for (i, place) in rows.enumerate() {
            let row = self.index.row(place);
            if !s[i].is_usable() {
                return Err(Error::PredictionNotFinite { row, value: s[i].wide() });
            }
            if y[i].wide().is_nan() {
                if nan_policy == NanPolicy::Raise {
                    return Err(Error::TargetMissing { row });
                }
                missing = true;
            } else if !y[i].is_usable() {
                let allowed = "any finite number".into();
                return Err(Error::TargetOutOfDomain { row, value: y[i].wide(), allowed });
            }
        }
        Ok(!missing)
    }

    /// The weight of each date.
    fn weights(&self, dates: &Range<usize>) -> Result<Vec<f64>> {
        let Some(column) = &self.batch.weight else { return Ok(vec![1.0; dates.len()]) };
        let mut all = Vec::new();
        let mut weights = Vec::with_capacity(dates.len());
        for date in dates.clone() {
            let places = self.index.places(date);
            all.clear();
            super::batch::gather(column, places.clone().map(|place| self.index.row(place)), &mut all);
            let expected = all[0];
            if let Some(i) = all.iter().position(|&w| !(w >= 0.0 && w.is_finite())) {
                return Err(Error::WeightInvalid { row: self.index.row(places.start + i), value: all[i] });
            }
            if let Some(i) = all.iter().position(|&w| w != expected) {
                let (row, group) = (self.index.row(places.start + i), self.index.ids()[date]);
                return Err(Error::WeightDiffers { row, group, value: all[i], expected });
            }
            weights.push(expected);
        }
        Ok(weights)
    }

    fn scores<'s>(&self, places: Range<usize>, buffer: &'s mut Vec<F>) -> &'s [F]
    where
        'a: 's,
    {
        buffer.resize(places.len().max(buffer.len()), F::ZERO);
        if self.index.is_sorted() {
            return load_view(&self.batch.prediction, places, buffer);
        }
        let buffer = &mut buffer[..places.len()];
        for (slot, place) in buffer.iter_mut().zip(places) {
            *slot = self.batch.prediction.get(self.index.row(place));
        }
        buffer
    }

    fn targets<'s>(&self, places: Range<usize>, buffer: &'s mut Vec<F>) -> &'s [F]
    where
        'a: 's,
    {
        buffer.resize(places.len().max(buffer.len()), F::ZERO);
        if self.index.is_sorted() {
            return load(&self.batch.target, places, buffer);
        }
        let buffer = &mut buffer[..places.len()];
        if let Some(view) = F::of_column(&self.batch.target) {
            for (slot, place) in buffer.iter_mut().zip(places) {
                *slot = view.get(self.index.row(place));
            }
            return buffer;
        }
        let mut wide = Vec::with_capacity(buffer.len());
        super::batch::gather(&self.batch.target, places.map(|place| self.index.row(place)), &mut wide);
        for (slot, wide) in buffer.iter_mut().zip(wide) {
            *slot = F::of(wide);
        }
        buffer
    }

    /// Takes the positions of some dates and runs `work` on them, with two buffers of a value per row. `BACK` asks for
    /// derivatives and the positions after.
    fn with_dates<const BACK: bool, T>(
        &self,
        dates: Range<usize>,
        buffers: &mut Buffers<F>,
        work: impl FnOnce(Dates<'_, F>, &mut [F], &mut [F]) -> T,
    ) -> T {
        let starts = self.index.starts();
        let idle = matches!(self.neighbours, Neighbours::Idle);
        let first = if idle { dates.start } else { dates.start.saturating_sub(1) };
        let last = if idle || !BACK { dates.end } else { (dates.end + 1).min(self.index.groups()) };
        let rows = starts[dates.start]..starts[dates.end];
        let all = starts[first]..starts[last];
        let Buffers { s, y, held, slope, before, after, now, then } = buffers;
        let s = self.scores(all.clone(), s);
        let y = self.targets(rows.clone(), y);
        held.resize(all.len(), F::ZERO);
        slope.resize(if BACK { all.len() } else { 0 }, F::ZERO);
        self.take::<BACK>(s, first..last, held, slope);
        let own = rows.start - all.start..rows.end - all.start;
        let initial = F::of(self.trading.initial_position);
        match self.neighbours {
            Neighbours::Idle => (before.clear(), after.clear()),
            Neighbours::Regular(assets) => {
                // On the first date nothing lies before, on the last nothing behind: what is put there is the initial
                // position, and a position that no later date pays for.
                before.clear();
                before.extend(std::iter::repeat_n(initial, if dates.start == 0 { assets.min(rows.len()) } else { 0 }));
                before.extend_from_slice(&held[..rows.len() - before.len()]);
                after.clear();
                if BACK {
                    after.extend_from_slice(&held[(own.start + assets).min(held.len())..]);
                    after.truncate(rows.len());
                    after.resize(rows.len(), F::ZERO);
                }
                ((), ())
            }
            Neighbours::Linked(links) => {
                before.resize(rows.len(), F::ZERO);
                after.resize(if BACK { rows.len() } else { 0 }, F::ZERO);
                for date in dates.clone() {
                    let (places, earlier) = (self.index.places(date), starts[date.saturating_sub(1)]);
                    let later = starts.get(date + 2).copied().unwrap_or(starts[date + 1]);
                    for place in places {
                        let (previous, next) = (links.previous[place], links.next[place]);
                        before[place - rows.start] = if previous == NONE {
                            if date == 0 { initial } else { F::ZERO }
                        } else if previous as usize >= earlier {
                            held[previous as usize - all.start]
                        } else {
                            F::ZERO
                        };
                        if BACK {
                            let there = next != NONE && (next as usize) < later;
                            after[place - rows.start] = if there { held[next as usize - all.start] } else { F::ZERO };
                        }
                    }
                }
                ((), ())
            }
        };
        now.resize(rows.len(), F::ZERO);
        then.resize(rows.len(), F::ZERO);
        let slope = if BACK { &slope[own.clone()] } else { &[][..] };
        let dates = Dates { dates, y, held: &held[own], before, after, slope };
        work(dates, now, then)
    }

    /// Positions and, where `BACK`, their derivatives.
    fn take<const BACK: bool>(&self, s: &[F], dates: Range<usize>, held: &mut [F], slope: &mut [F]) {
        match self.trading.position {
            Position::Tanh => dispatch(Tanh { s, held, slope }),
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
                self.by_date(&dates, |rows| dispatch(Softmax { s: &s[rows.clone()], held: &mut held[rows] }));
            }
        }
    }

    /// The returns of the dates, given a buffer for those of rows.
    fn net(&self, all: &Dates<'_, F>, net: &mut [F]) -> Vec<f64> {
        let cost = F::of(self.trading.cost);
        dispatch(Net { y: all.y, held: all.held, before: all.before, cost, net });
        let mut returns = Vec::with_capacity(all.dates.len());
        self.by_date(&all.dates, |rows| returns.push(dispatch(Sum(&net[rows.clone()])) * self.share(rows.len())));
        if let Neighbours::Linked(links) = self.neighbours {
            for (slot, date) in returns.iter_mut().zip(all.dates.clone()).filter(|(_, date)| *date > 0) {
                *slot -= self.closing(links, date) * self.trading.cost * self.share(self.index.places(date).len());
            }
        }
        returns
    }

    /// Σ|position| of the assets of the date before that are absent on a date.
    fn closing(&self, links: &Links, date: usize) -> f64 {
        let end = self.index.places(date).end;
        let places = self.index.places(date - 1);
        let closes = |place: &usize| links.next[*place] == NONE || links.next[*place] as usize >= end;
        if !places.clone().any(|place| closes(&place)) {
            return 0.0;
        }
        let (mut s, mut held) = (Vec::new(), vec![F::ZERO; places.len()]);
        let s = self.scores(places.clone(), &mut s);
        self.take::<false>(s, date - 1..date, &mut held, &mut []);
        places.clone().filter(closes).map(|place| held[place - places.start].wide().abs()).sum()
    }

    /// The derivative by each row's share of its own return into `now`, and by that of the next date into `then`; 0
    /// where there is no next date.
    fn spread(&self, all: &Dates<'_, F>, slope: &[f64], now: &mut [F], then: &mut [F]) {
        let cost = self.trading.cost;
        self.by_date_index(&all.dates, |date, rows| {
            now[rows.clone()].fill(F::of(slope[date] * self.share(rows.len())));
            let next = slope.get(date + 1).map_or(0.0, |d| d * self.share(self.index.places(date + 1).len()));
            then[rows].fill(F::of(next * cost));
        });
    }
}

/// Whether all numbers are finite.
struct Usable<'a, F> {
    s: &'a [F],
    y: &'a [F],
}

impl<F: Float> Kernel for Usable<'_, F> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let bad = |values: &[F]| values.iter().fold(0u32, |sum, v| sum | u32::from(!v.is_usable()));
        bad(self.s) | bad(self.y) == 0
    }
}

/// tanh, and its derivative where there is room for it.
struct Tanh<'a, F> {
    s: &'a [F],
    held: &'a mut [F],
    slope: &'a mut [F],
}

impl<F: Float> Kernel for Tanh<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { s, held, slope } = self;
        let len = s.len();
        let (s, held) = (&s[..len], &mut held[..len]);
        if slope.is_empty() {
            for i in 0..len {
                held[i] = s[i].tanh_slope().0;
            }
            return;
        }
        let slope = &mut slope[..len];
        for i in 0..len {
            let (value, derivative) = s[i].tanh_slope();
            held[i] = value;
            slope[i] = derivative;
        }
    }
}

struct Softmax<'a, F> {
    s: &'a [F],
    held: &'a mut [F],
}

impl<F: Float> Kernel for Softmax<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { s, held } = self;
        let top = super::listnet::largest(s);
        let sum = super::listnet::exponentials(s, F::ONE, top, held);
        let over = F::of(1.0 / sum);
        held.iter_mut().for_each(|p| *p = *p * over);
    }
}

/// pos·y − cost·|pos − before|.
struct Net<'a, F> {
    y: &'a [F],
    held: &'a [F],
    before: &'a [F],
    cost: F,
    net: &'a mut [F],
}

impl<F: Float> Kernel for Net<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { y, held, before, cost, net } = self;
        let len = net.len();
        let (y, held) = (&y[..len], &held[..len]);
        if before.is_empty() {
            for i in 0..len {
                net[i] = held[i] * y[i];
            }
            return;
        }
        let before = &before[..len];
        for i in 0..len {
            net[i] = held[i] * y[i] - cost * (held[i] - before[i]).abs();
        }
    }
}

/// A sum in double precision, in eight lanes.
struct Sum<'a, F>(&'a [F]);

impl<F: Float> Kernel for Sum<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let mut sums = [0.0; LANES];
        let chunks = self.0.chunks_exact(LANES);
        let rest = chunks.remainder();
        for chunk in chunks {
            for l in 0..LANES {
                sums[l] += chunk[l].wide();
            }
        }
        let sum = sums.iter().fold(0.0, |a, b| a + b);
        rest.iter().fold(sum, |a, b| a + b.wide())
    }
}

/// The derivative by the scores: `now`·(y − cost·sign(pos − before)) + `then`·sign(after − pos), times the slope.
struct Back<'a, F> {
    y: &'a [F],
    held: &'a [F],
    before: &'a [F],
    after: &'a [F],
    slope: &'a [F],
    now: &'a [F],
    then: &'a [F],
    cost: F,
    out: &'a mut [F],
}

#[inline(always)]
fn sign<F: Float>(x: F) -> F {
    let up = if x > F::ZERO { F::ONE } else { F::ZERO };
    let down = if x < F::ZERO { F::ONE } else { F::ZERO };
    up - down
}

impl<F: Float> Kernel for Back<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { y, held, before, after, slope, now, then, cost, out } = self;
        let len = out.len();
        let (y, held, slope, now, then) = (&y[..len], &held[..len], &slope[..len], &now[..len], &then[..len]);
        if before.is_empty() {
            for i in 0..len {
                out[i] = now[i] * y[i] * slope[i];
            }
            return;
        }
        let (before, after) = (&before[..len], &after[..len]);
        for i in 0..len {
            let own = now[i] * (y[i] - cost * sign(held[i] - before[i]));
            out[i] = (own + then[i] * sign(after[i] - held[i])) * slope[i];
        }
    }
}
