//! Portfolio returns and their gradient without a buffer per row.
//!
//! What [`Book`](super::book::Book) computes from columns of its own, computed from the caller's, some dates at a time
//! and in the prediction's width: once for the returns, and again for the gradient. It serves books in which no target
//! is missing, a return is a date's, and a position's neighbours lie on the dates next to its own: positions are
//! closed where an asset is absent, or no asset ever is.

use std::ops::Range;

use super::batch::{Batch, gather, load, load_view};
use super::book::{Absent, Trading};
use super::cpu::{dispatch, widest};
use super::driver::NanPolicy;
use super::float::Float;
use super::groups::{GroupIndex, Links, Tasks};
use super::kernels::HESSIAN_FLOOR;
use super::position::Position;
use super::stream_positions::take;
use super::stream_rows::{Back, BackDate, Gross, Net, NetDate, Rows, follow};
use super::uncached::Uncached;
use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks, map_blocks_into, map_parts_into};

/// Rows put back in place at a time.
const SCATTER: usize = 32_768;

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

/// Rows read at a time: the buffers of so many lie in the nearest caches.
const CHUNK: usize = 4_096;
/// Rows handed to a thread at a time.
const TASK: usize = 65_536;
/// Dates of fewer rows than this are not worth a loop of their own.
const LONG: usize = 32;

/// Buffers of one task, and what the last chunk left in them.
struct Buffers<F> {
    s: Vec<F>,
    y: Vec<F>,
    /// Positions and their derivatives from place `base` on.
    held: Vec<F>,
    slope: Vec<F>,
    /// Below 0 where rows before the first were made up.
    base: isize,
    before: Vec<F>,
    after: Vec<F>,
    now: Vec<F>,
    then: Vec<F>,
}

impl<F> Buffers<F> {
    fn new() -> Self {
        let [s, y, held, slope, before, after, now, then] = [const { Vec::new() }; 8];
        Self { s, y, held, slope, base: 0, before, after, now, then }
    }
}

/// The rows of some dates, and what their neighbours are.
#[allow(clippy::struct_field_names)]
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
    /// All positions that are [covered](Stream::cover), from the place `base` on where turnover is linked.
    around: &'s [F],
    base: usize,
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
        Some(Self { trading, batch, index, neighbours, tasks: Tasks::of_work(index.starts(), false, TASK) })
    }

    /// The returns and weights of the dates, or nothing where a target is missing and may be.
    pub(super) fn returns(&self, nan_policy: NanPolicy, cancel: &Cancel) -> Result<Option<(Vec<f64>, Vec<f64>)>> {
        let count = self.tasks.ends.len();
        let parts = map_blocks(count, 1, self.index.len() / count.max(1), cancel, |task| {
            self.task_returns(self.tasks.groups(task.start), nan_policy)
        })?;
        let (mut returns, mut weights) = (Vec::new(), Vec::new());
        for part in parts {
            let Some((r, w)) = part else { return Ok(None) };
            returns.extend(r);
            weights.extend(w);
        }
        Ok(Some((returns, weights)))
    }

    fn task_returns(&self, dates: Range<usize>, nan_policy: NanPolicy) -> Result<Option<(Vec<f64>, Vec<f64>)>> {
        let (mut buffers, mut returns) = (Buffers::new(), Vec::with_capacity(dates.len()));
        for chunk in self.chunks(&dates) {
            let (from, finite) = (returns.len(), self.cover::<false>(&chunk, &mut buffers));
            let net = |dates: Dates<'_, F>, net: &mut [F], _: &mut [F]| self.net(&dates, net, &mut returns);
            self.with_dates::<false, _>(chunk.clone(), &mut buffers, net);
            // No target is lost in a sum unless it is finite.
            let fine = finite && returns[from..].iter().all(|r| r.is_finite());
            if !fine && !self.check(&chunk, nan_policy, &mut buffers)? {
                return Ok(None);
            }
        }
        Ok(Some((returns, self.weights(&dates)?)))
    }

    /// The derivative by each score, in the caller's order, given that by each return. Positions are taken once more:
    /// that costs less than to write them down and read them again.
    pub(super) fn gradient(&self, slope: &[f64], gradient: &mut [F], cancel: &Cancel) -> Result<()> {
        if self.index.is_sorted() {
            return self.gradient_by_place(slope, gradient, cancel);
        }
        let mut places = vec![F::ZERO; gradient.len()];
        self.gradient_by_place(slope, &mut places, cancel)?;
        self.put_back(&places, gradient, cancel)
    }

    /// From places to the caller's rows.
    fn put_back(&self, places: &[F], out: &mut [F], cancel: &Cancel) -> Result<()> {
        map_blocks_into(out, SCATTER, cancel, |rows, out| {
            for (row, slot) in rows.zip(out) {
                *slot = places[self.index.place(row)];
            }
            Ok(())
        })?;
        Ok(())
    }

    fn gradient_by_place(&self, slope: &[f64], places: &mut [F], cancel: &Cancel) -> Result<()> {
        let starts = self.index.starts();
        map_parts_into(places, &self.tasks.ends, self.tasks.work, cancel, |task, out| {
            let (dates, mut buffers) = (self.tasks.groups(task), Buffers::new());
            let (past, mut room) = (Uncached::for_output::<F>(self.index.len()), Vec::new());
            let origin = starts[dates.start];
            for chunk in self.chunks(&dates) {
                let rows = starts[chunk.start] - origin..starts[chunk.end] - origin;
                self.cover::<true>(&chunk, &mut buffers);
                self.with_dates::<true, _>(chunk, &mut buffers, |dates, now, then| {
                    let back = |out: &mut [F]| self.back(&dates, slope, now, then, out);
                    Uncached::fill(past.as_ref(), &mut room, &mut out[rows], back);
                });
            }
            Ok(())
        })?;
        Ok(())
    }

    /// The derivative by the scores of some dates.
    fn back(&self, all: &Dates<'_, F>, slope: &[f64], now: &mut [F], then: &mut [F], out: &mut [F]) {
        let cost = self.trading.cost;
        let shares = |date: usize| {
            let share = |date: usize| slope[date] * self.share(self.index.places(date).len());
            let next = if date + 1 < slope.len() { share(date + 1) * cost } else { 0.0 };
            (F::of(share(date)), F::of(next))
        };
        let &Dates { y, held, before, after, slope, .. } = all;
        let rows = Rows { y, held, before, after, slope, cost: F::of(cost) };
        if out.len() >= LONG * all.dates.len() {
            self.by_date_index(&all.dates, |date, places| {
                let (now, then) = shares(date);
                widest(BackDate { rows: rows.part(places.clone()), now, then, out: &mut out[places] });
            });
        } else {
            self.by_date_index(&all.dates, |date, places| {
                let (first, second) = shares(date);
                now[places.clone()].fill(first);
                then[places].fill(second);
            });
            widest(Back { rows, now, then, out });
        }
        if self.trading.position == Position::Softmax {
            self.by_date(&all.dates, |rows| {
                let (p, out) = (&held[rows.clone()], &mut out[rows]);
                let mean = F::of(p.iter().zip(&*out).map(|(p, g)| (*p * *g).wide()).sum::<f64>());
                out.iter_mut().zip(p).for_each(|(g, p)| *g = *p * (*g - mean));
            });
        }
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
            let (starts, mut buffers) = (self.index.starts(), Buffers::new());
            let origin = starts[dates.start];
            for chunk in self.chunks(&dates) {
                let out = &mut out[starts[chunk.start] - origin..starts[chunk.end] - origin];
                self.cover::<true>(&chunk, &mut buffers);
                self.with_dates::<true, _>(chunk, &mut buffers, |all, _, _| self.bend(&all, curvature, weights, out));
            }
            Ok(())
        })?;
        if sorted { Ok(()) } else { self.put_back(&buffer, hessian, cancel) }
    }

    fn bend(&self, all: &Dates<'_, F>, curvature: &[f64], weights: &[f64], out: &mut [F]) {
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
    }

    /// A task's dates, some at a time.
    fn chunks(&self, dates: &Range<usize>) -> Vec<Range<usize>> {
        let (starts, mut chunks, mut first) = (self.index.starts(), Vec::new(), dates.start);
        for date in dates.clone() {
            if starts[date + 1] - starts[first] >= CHUNK || date + 1 == dates.end {
                chunks.push(first..date + 1);
                first = date + 1;
            }
        }
        chunks
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

    /// Looks row by row whether all targets are there; the first bad row is an error.
    fn check(&self, dates: &Range<usize>, nan_policy: NanPolicy, buffers: &mut Buffers<F>) -> Result<bool> {
        let rows = self.index.starts()[dates.start]..self.index.starts()[dates.end];
        let (s, y) = (self.scores(rows.clone(), &mut buffers.s), self.targets(rows.clone(), &mut buffers.y));
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
        let mut all: Vec<f64> = Vec::new();
        let mut weights = Vec::with_capacity(dates.len());
        for date in dates.clone() {
            let places = self.index.places(date);
            all.clear();
            gather(column, places.clone().map(|place| self.index.row(place)), &mut all);
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
        if self.index.is_sorted() {
            buffer.resize(places.len().max(buffer.len()), F::ZERO);
            return load(&self.batch.target, places, buffer);
        }
        buffer.clear();
        gather(&self.batch.target, places.map(|place| self.index.row(place)), buffer);
        buffer
    }

    /// The targets from a place on, where they can be read as they lie.
    fn targets_in_place(&self, place: usize) -> &[F] {
        let view = F::of_column(&self.batch.target).filter(|_| self.index.is_sorted());
        view.and_then(|view| view.slice(place, view.len()).as_slice()).unwrap_or_default()
    }

    /// Runs `work` on some dates that are [covered](Self::cover), with two buffers of a value per row. `BACK` asks for
    /// derivatives and the positions after.
    fn with_dates<const BACK: bool, T>(
        &self,
        dates: Range<usize>,
        buffers: &mut Buffers<F>,
        work: impl FnOnce(Dates<'_, F>, &mut [F], &mut [F]) -> T,
    ) -> T {
        let rows = self.index.starts()[dates.start]..self.index.starts()[dates.end];
        let Buffers { y, held, slope, base, before, after, now, then, .. } = buffers;
        let y = self.targets(rows.clone(), y);
        let at = (rows.start as isize - *base) as usize;
        let own = at..at + rows.len();
        let (before, after) = match self.neighbours {
            Neighbours::Idle => (&[][..], &[][..]),
            Neighbours::Regular(assets) => {
                let later = if BACK { own.start + assets..own.end + assets } else { 0..0 };
                (&held[own.start - assets..own.end - assets], &held[later])
            }
            Neighbours::Linked(links) => {
                self.neighbours::<BACK>(links, &dates, held, *base as usize, before, after);
                (&before[..], &after[..])
            }
        };
        now.resize(rows.len(), F::ZERO);
        then.resize(rows.len(), F::ZERO);
        let slope = if BACK { &slope[own.clone()] } else { &[][..] };
        let around = (&held[..], (*base).max(0) as usize);
        work(Dates { dates, y, held: &held[own], before, after, slope, around: around.0, base: around.1 }, now, then)
    }

    /// Makes the buffers hold the positions of some dates and of their neighbours. In a regular book the date before
    /// the first holds the initial position, and that behind the last nothing. Dates of a task come in order: what the
    /// last call left is used again. Returns whether the scores that were read are finite.
    fn cover<const BACK: bool>(&self, dates: &Range<usize>, buffers: &mut Buffers<F>) -> bool {
        let starts = self.index.starts();
        let made_up = if let Neighbours::Regular(assets) = self.neighbours { assets as isize } else { 0 };
        let idle = matches!(self.neighbours, Neighbours::Idle);
        let (mut low, mut high) = (starts[dates.start] as isize, starts[dates.end] as isize);
        if !idle {
            low = if dates.start > 0 { starts[dates.start - 1] as isize } else { low - made_up };
        }
        if !idle && BACK {
            high = if dates.end < self.index.groups() { starts[dates.end + 1] as isize } else { high + made_up };
        }
        let Buffers { s, held, slope, base, .. } = buffers;
        let known = *base + held.len() as isize;
        let (from, kept) = if !held.is_empty() && *base <= low && low <= known {
            held.copy_within((low - *base) as usize.., 0);
            if BACK {
                slope.copy_within((low - *base) as usize.., 0);
            }
            (known.max(low), (known - low) as usize)
        } else {
            (low, 0)
        };
        *base = low;
        let len = (high - low) as usize;
        held.resize(len.max(kept), F::ZERO);
        slope.resize(if BACK { len.max(kept) } else { 0 }, F::ZERO);
        let real = (from.max(0) as usize).min(self.index.len())..(high.max(0) as usize).min(self.index.len());
        if low < 0 && kept == 0 {
            held[..(-low) as usize].fill(F::of(self.trading.initial_position));
        }
        if high > self.index.len() as isize {
            held[(self.index.len() as isize - low) as usize..].fill(F::ZERO);
        }
        if real.is_empty() {
            return true;
        }
        let s = self.scores(real.clone(), s);
        let part = (real.start as isize - low) as usize..(real.end as isize - low) as usize;
        let [first, last] = [real.start, real.end].map(|place| starts.partition_point(|&start| start < place));
        let rows = (first..last).map(|date| starts[date] - real.start..starts[date + 1] - real.start);
        let slope = if BACK { &mut slope[part.clone()] } else { &mut [][..] };
        take(self.trading.position, s, rows, self.targets_in_place(starts[dates.start]), &mut held[part], slope)
    }

    /// The positions before and, where `BACK`, after the rows of some dates.
    fn neighbours<const BACK: bool>(
        &self,
        links: &Links,
        dates: &Range<usize>,
        held: &[F],
        base: usize,
        before: &mut Vec<F>,
        after: &mut Vec<F>,
    ) {
        let (starts, initial) = (self.index.starts(), F::of(self.trading.initial_position));
        let origin = starts[dates.start];
        let len = starts[dates.end] - origin;
        before.resize(len, F::ZERO);
        after.resize(if BACK { len } else { 0 }, F::ZERO);
        let on = |date: usize| {
            let places = if date < self.index.groups() { self.index.places(date) } else { 0..0 };
            (places.start, if places.is_empty() { &[] } else { &held[places.start - base..places.end - base] })
        };
        for date in dates.clone() {
            let places = self.index.places(date);
            let rows = places.start - origin..places.end - origin;
            let (earlier, unknown) = if date == 0 { ((0, &[][..]), initial) } else { (on(date - 1), F::ZERO) };
            follow(&links.previous[places.clone()], earlier.0, earlier.1, unknown, &mut before[rows.clone()]);
            if BACK {
                let later = on(date + 1);
                follow(&links.next[places], later.0, later.1, F::ZERO, &mut after[rows]);
            }
        }
    }

    /// Appends the returns of the dates; `net` is a buffer for those of rows.
    fn net(&self, all: &Dates<'_, F>, net: &mut [F], returns: &mut Vec<f64>) {
        let &Dates { y, held, before, .. } = all;
        let rows = Rows { y, held, before, after: &[], slope: &[], cost: F::of(self.trading.cost) };
        let from = returns.len();
        if net.len() >= LONG * all.dates.len() {
            self.by_date(&all.dates, |places| {
                let share = self.share(places.len());
                returns.push(widest(NetDate(rows.part(places))) * share);
            });
        } else {
            widest(Net { rows, net });
            self.by_date(&all.dates, |places| {
                let share = self.share(places.len());
                returns.push(net[places].iter().fold(0.0, |sum, net| sum + net.wide()) * share);
            });
        }
        if let Neighbours::Linked(_) = self.neighbours {
            let origin = self.index.starts()[all.dates.start];
            for (slot, date) in returns[from..].iter_mut().zip(all.dates.clone()).filter(|(_, date)| *date > 0) {
                // What was held and is no more: all that was, but the positions before those of this date's rows.
                let (places, rows) = (self.index.places(date - 1), self.index.places(date));
                let gross = dispatch(Gross(&all.around[places.start - all.base..places.end - all.base]));
                let kept = dispatch(Gross(&before[rows.start - origin..rows.end - origin]));
                *slot -= (gross - kept) * self.trading.cost * self.share(rows.len());
            }
        }
    }
}
