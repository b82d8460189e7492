//! Portfolio returns and their gradient without a buffer per row.
//!
//! What [`Book`](super::book::Book) computes from columns of its own, computed from the caller's, some dates at a time
//! and in the prediction's width: once for the returns, and again for the gradient. It serves books in which no target
//! is missing, a return is a date's, and a position's neighbours lie on the dates next to its own: positions are
//! closed where an asset is absent, or no asset ever is.

use std::ops::Range;

use super::batch::{Batch, load, load_view};
use super::book::{Absent, Trading};
use super::cpu::{LaneKernel, widest};
use super::driver::NanPolicy;
use super::float::Float;
use super::groups::{GroupIndex, Links, NONE, Tasks};
use super::kernels::HESSIAN_FLOOR;
use super::lane::Lane;
use super::listnet::{exponentials, largest};
use super::pairs::all;
use super::position::Position;
use super::tanh::tanh_slope;
use super::usable::Usable;
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
const CHUNK: usize = 8_192;
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

    /// Whether positions can be left in the buffer of the gradient between the two passes.
    fn leaves_positions(&self) -> bool {
        self.index.is_sorted() && self.trading.position == Position::Tanh
    }

    /// The returns and weights of the dates, or nothing where a target is missing and may be. A buffer of a value per
    /// row, which [`gradient`](Self::gradient) is then handed, saves it from taking the positions again.
    pub(super) fn returns(
        &self,
        nan_policy: NanPolicy,
        spare: Option<&mut [F]>,
        cancel: &Cancel,
    ) -> Result<Option<(Vec<f64>, Vec<f64>)>> {
        let tasks = &self.tasks;
        let one = |task: usize, spare: Option<&mut [F]>| self.task_returns(tasks.groups(task), nan_policy, spare);
        let parts = match spare {
            Some(spare) if self.leaves_positions() => {
                map_parts_into(spare, &tasks.ends, tasks.work, cancel, |task, spare| one(task, Some(spare)))?
            }
            _ => {
                let count = tasks.ends.len();
                map_blocks(count, 1, self.index.len() / count.max(1), cancel, |task| one(task.start, None))?
            }
        };
        let (mut returns, mut weights) = (Vec::new(), Vec::new());
        for part in parts {
            let Some((r, w)) = part else { return Ok(None) };
            returns.extend(r);
            weights.extend(w);
        }
        Ok(Some((returns, weights)))
    }

    fn task_returns(
        &self,
        dates: Range<usize>,
        nan_policy: NanPolicy,
        mut spare: Option<&mut [F]>,
    ) -> Result<Option<(Vec<f64>, Vec<f64>)>> {
        let starts = self.index.starts();
        let (mut buffers, mut returns) = (Buffers::new(), Vec::with_capacity(dates.len()));
        for chunk in self.chunks(&dates) {
            if !self.check(&chunk, nan_policy, &mut buffers)? {
                return Ok(None);
            }
            let rows = starts[chunk.start] - starts[dates.start]..starts[chunk.end] - starts[dates.start];
            self.cover::<false>(&chunk, &mut buffers, None);
            self.with_dates::<false, _>(chunk, &mut buffers, |dates, net, _| {
                if let Some(spare) = &mut spare {
                    spare[rows].copy_from_slice(dates.held);
                }
                self.net(&dates, net, &mut returns);
            });
        }
        Ok(Some((returns, self.weights(&dates)?)))
    }

    /// The derivative by each score, in the caller's order, given that by each return; `gradient` is what
    /// [`returns`](Self::returns) has left.
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
        let starts = self.index.starts();
        map_parts_into(places, &self.tasks.ends, self.tasks.work, cancel, |task, out| {
            let (dates, mut buffers) = (self.tasks.groups(task), Buffers::new());
            let origin = starts[dates.start];
            for chunk in self.chunks(&dates) {
                let rows = starts[chunk.start] - origin..starts[chunk.end] - origin;
                let left = self.leaves_positions().then_some((origin, &*out));
                self.cover::<true>(&chunk, &mut buffers, left);
                self.with_dates::<true, _>(chunk, &mut buffers, |dates, now, then| {
                    self.back(&dates, slope, now, then, &mut out[rows]);
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
                self.cover::<true>(&chunk, &mut buffers, None);
                self.with_dates::<true, _>(chunk, &mut buffers, |all, _, _| self.bend(&all, curvature, weights, out));
            }
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

    /// Whether all targets are there; the first bad row is an error.
    fn check(&self, dates: &Range<usize>, nan_policy: NanPolicy, buffers: &mut Buffers<F>) -> Result<bool> {
        let starts = self.index.starts();
        let rows = starts[dates.start]..starts[dates.end];
        let s = self.scores(rows.clone(), &mut buffers.s);
        let y = self.targets(rows.clone(), &mut buffers.y);
        if widest(Usable { s, y }) {
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
        let mut all: Vec<f64> = Vec::new();
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

    /// Runs `work` on some dates that are [covered](Self::cover), with two buffers of a value per row. `BACK` asks for
    /// derivatives and the positions after.
    fn with_dates<const BACK: bool, T>(
        &self,
        dates: Range<usize>,
        buffers: &mut Buffers<F>,
        work: impl FnOnce(Dates<'_, F>, &mut [F], &mut [F]) -> T,
    ) -> T {
        let starts = self.index.starts();
        let rows = starts[dates.start]..starts[dates.end];
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
                self.follow::<BACK>(links, &dates, held, *base as usize, before, after);
                (&before[..], &after[..])
            }
        };
        now.resize(rows.len(), F::ZERO);
        then.resize(rows.len(), F::ZERO);
        let slope = if BACK { &slope[own.clone()] } else { &[][..] };
        work(Dates { dates, y, held: &held[own], before, after, slope }, now, then)
    }

    /// Makes the buffers hold the positions of some dates and of their neighbours. In a regular book the date before
    /// the first holds the initial position, and that behind the last nothing. Dates of a task come in order: what the
    /// last call left is used again. `left` are positions that are known, from some place on.
    fn cover<const BACK: bool>(&self, dates: &Range<usize>, buffers: &mut Buffers<F>, left: Option<(usize, &[F])>) {
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
        let (origin, left) = left.unwrap_or((real.start, &[]));
        let border = |place: usize| place.clamp(real.start, real.end);
        let (first, last) = (border(origin), border(origin + left.len()));
        for places in [real.start..first, first..last, last..real.end] {
            if places.is_empty() {
                continue;
            }
            let s = self.scores(places.clone(), s);
            let part = (places.start as isize - low) as usize..(places.end as isize - low) as usize;
            let held = &mut held[part.clone()];
            let slope = if BACK { &mut slope[part] } else { &mut [][..] };
            if places == (first..last) && !left.is_empty() {
                held.copy_from_slice(&left[first - origin..last - origin]);
                widest(Slope { s, held, slope });
                continue;
            }
            let dates = [places.start, places.end].map(|place| starts.partition_point(|&start| start < place));
            self.take::<BACK>(s, dates[0]..dates[1], held, slope);
        }
    }

    /// The positions before and, where `BACK`, after the rows of some dates.
    fn follow<const BACK: bool>(
        &self,
        links: &Links,
        dates: &Range<usize>,
        held: &[F],
        base: usize,
        before: &mut Vec<F>,
        after: &mut Vec<F>,
    ) {
        let (starts, initial) = (self.index.starts(), F::of(self.trading.initial_position));
        before.clear();
        after.clear();
        for date in dates.clone() {
            let (places, earlier) = (self.index.places(date), starts[date.saturating_sub(1)]);
            let later = starts.get(date + 2).copied().unwrap_or(starts[date + 1]);
            let unknown = if date == 0 { initial } else { F::ZERO };
            before.extend(links.previous[places.clone()].iter().map(|&previous| {
                if previous == NONE {
                    unknown
                } else if previous as usize >= earlier {
                    held[previous as usize - base]
                } else {
                    F::ZERO
                }
            }));
            if BACK {
                after.extend(links.next[places].iter().map(|&next| {
                    if next != NONE && (next as usize) < later { held[next as usize - base] } else { F::ZERO }
                }));
            }
        }
    }

    /// Positions and, where `BACK`, their derivatives.
    fn take<const BACK: bool>(&self, s: &[F], dates: Range<usize>, held: &mut [F], slope: &mut [F]) {
        match self.trading.position {
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
                self.by_date(&dates, |rows| widest(Softmax { s: &s[rows.clone()], held: &mut held[rows] }));
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
        if let Neighbours::Linked(links) = self.neighbours {
            for (slot, date) in returns[from..].iter_mut().zip(all.dates.clone()).filter(|(_, date)| *date > 0) {
                *slot -= self.closing(links, date) * self.trading.cost * self.share(self.index.places(date).len());
            }
        }
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
}

/// Runs the method of `$self` over whole lanes, and over what is left in single ones.
macro_rules! whole_and_rest {
    ($self:ident, $method:ident, $len:expr, $V:ident, $F:ident) => {{
        let len = $len;
        let whole = len / $V::LANES * $V::LANES;
        $self.$method::<$V>(0, whole);
        $self.$method::<$F>(whole, len);
    }};
}

/// tanh, and its derivative where there is room for it.
struct Tanh<'a, F> {
    s: &'a [F],
    held: &'a mut [F],
    slope: &'a mut [F],
}

impl<F: Float> Tanh<'_, F> {
    /// Two lanes a turn, which share the constants of the formula.
    #[inline(always)]
    fn rows<V: Lane<Scalar = F>>(&mut self, from: usize, to: usize) {
        let Self { s, held, slope } = self;
        let (s, held) = (&s[..to], &mut held[..to]);
        if slope.is_empty() {
            for at in (from..to).step_by(2 * V::LANES) {
                let second = at + V::LANES;
                let (a, b) = (V::load(&s[at..]), V::load(&s[second..]));
                let (a, b) = (tanh_slope(a).0, tanh_slope(b).0);
                a.store(&mut held[at..]);
                b.store(&mut held[second..]);
            }
            return;
        }
        let slope = &mut slope[..to];
        for at in (from..to).step_by(2 * V::LANES) {
            let second = at + V::LANES;
            let (a, b) = (V::load(&s[at..]), V::load(&s[second..]));
            let (a, b) = (tanh_slope(a), tanh_slope(b));
            a.0.store(&mut held[at..]);
            b.0.store(&mut held[second..]);
            a.1.store(&mut slope[at..]);
            b.1.store(&mut slope[second..]);
        }
    }
}

impl<F: Float> LaneKernel<F> for Tanh<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(mut self) {
        let len = self.s.len();
        let (whole, even) = (len / (2 * V::LANES) * 2 * V::LANES, len / 2 * 2);
        self.rows::<V>(0, whole);
        self.rows::<F>(whole, even);
        for at in even..len {
            let (value, derivative) = tanh_slope(self.s[at]);
            self.held[at] = value;
            if let Some(slope) = self.slope.get_mut(at) {
                *slope = derivative;
            }
        }
    }
}

/// The derivatives of tanh where its values are known.
#[allow(clippy::struct_field_names)]
struct Slope<'a, F> {
    s: &'a [F],
    held: &'a [F],
    slope: &'a mut [F],
}

impl<F: Float> Slope<'_, F> {
    /// 1 − tanh² where that keeps its digits, else from the score.
    #[inline(always)]
    fn rows<V: Lane<Scalar = F>>(&mut self, from: usize, to: usize) {
        let Self { s, held, slope } = self;
        let near = V::of(0.96875);
        for at in (from..to).step_by(V::LANES) {
            let held = V::load(&held[at..]);
            let derivative = if V::any(near.less(held.abs())) {
                tanh_slope(V::load(&s[at..])).1
            } else {
                (V::ONE - held) * (V::ONE + held)
            };
            derivative.store(&mut slope[at..]);
        }
    }
}

impl<F: Float> LaneKernel<F> for Slope<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(mut self) {
        whole_and_rest!(self, rows, self.held.len(), V, F);
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

/// The columns that returns and gradients are made of; see [`Dates`].
#[derive(Clone, Copy)]
struct Rows<'a, F> {
    y: &'a [F],
    held: &'a [F],
    before: &'a [F],
    after: &'a [F],
    slope: &'a [F],
    cost: F,
}

impl<'a, F: Float> Rows<'a, F> {
    fn part(&self, rows: Range<usize>) -> Self {
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
struct Net<'a, F> {
    rows: Rows<'a, F>,
    net: &'a mut [F],
}

impl<F: Float> Net<'_, F> {
    #[inline(always)]
    fn rows<V: Lane<Scalar = F>>(&mut self, from: usize, to: usize) {
        for at in (from..to).step_by(V::LANES) {
            self.rows.net::<V>(at).store(&mut self.net[at..]);
        }
    }
}

impl<F: Float> LaneKernel<F> for Net<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(mut self) {
        whole_and_rest!(self, rows, self.net.len(), V, F);
    }
}

/// The sum of the returns of the rows of a date.
struct NetDate<'a, F>(Rows<'a, F>);

impl<F: Float> LaneKernel<F> for NetDate<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(self) -> f64 {
        let (len, mut sums, mut at) = (self.0.held.len(), V::no_sum(), 0);
        while at + 2 * V::LANES <= len {
            sums = V::add_up(V::add_up(sums, self.0.net::<V>(at)), self.0.net::<V>(at + V::LANES));
            at += 2 * V::LANES;
        }
        (at..len).fold(V::sum(sums), |sum, at| sum + self.0.net::<F>(at).wide())
    }
}

/// The gradient of rows of many dates.
struct Back<'a, F> {
    rows: Rows<'a, F>,
    now: &'a [F],
    then: &'a [F],
    out: &'a mut [F],
}

impl<F: Float> Back<'_, F> {
    #[inline(always)]
    fn rows<V: Lane<Scalar = F>>(&mut self, from: usize, to: usize) {
        for at in (from..to).step_by(V::LANES) {
            let (now, then) = (V::load(&self.now[at..]), V::load(&self.then[at..]));
            self.rows.back::<V>(at, now, then).store(&mut self.out[at..]);
        }
    }
}

impl<F: Float> LaneKernel<F> for Back<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(mut self) {
        whole_and_rest!(self, rows, self.out.len(), V, F);
    }
}

/// The gradient of the rows of a date.
struct BackDate<'a, F> {
    rows: Rows<'a, F>,
    now: F,
    then: F,
    out: &'a mut [F],
}

impl<F: Float> BackDate<'_, F> {
    #[inline(always)]
    fn rows<V: Lane<Scalar = F>>(&mut self, from: usize, to: usize) {
        let (now, then) = (all::<V>(self.now), all::<V>(self.then));
        for at in (from..to).step_by(V::LANES) {
            self.rows.back::<V>(at, now, then).store(&mut self.out[at..]);
        }
    }
}

impl<F: Float> LaneKernel<F> for BackDate<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lane<Scalar = F>>(mut self) {
        whole_and_rest!(self, rows, self.out.len(), V, F);
    }
}
