//! Portfolio returns: what positions earned on each date, after costs, and the way back.
//!
//! `r_t = (1/N_t) Σ_i [pos·y − cost·|pos − previous pos|]`, `N_t` the assets that have a row on date t; softmax
//! positions are added up. In a *pooled* book every row has a return of its own. All is in (date, row) order and double
//! precision; a date is computed by one thread.

use std::borrow::Cow;

use super::groups::{GroupIndex, Links, NONE, Tasks};
use super::position::Position;
use super::rows_of::{Gathered, Wanted};
use super::traits::Domain;
use super::{Batch, Float, NanPolicy};
use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks, map_parts_into};

/// What becomes of the position of an asset that has no row on a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// It is closed, and that date pays for it. An asset that comes back starts from 0.
    Close,
    /// It is kept, earns nothing, and is the previous position when the asset comes back.
    Carry,
}

/// How scores are traded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trading {
    /// From score to position.
    pub position: Position,
    /// The cost of a unit of turnover, per side: from −1 to 1 costs twice this.
    pub cost: f64,
    /// What every asset holds before its first date: with [`Absent::Close`] those of the first date of all, the
    /// others start from 0.
    pub initial_position: f64,
    /// What becomes of an asset without a row.
    pub absent: Absent,
    /// A return per row instead of per date. The cost of closing is then charged to the row that is closed.
    pub pooled: bool,
    /// Positions are multiplied by this over the row's volatility, the one per-row argument.
    pub target_volatility: Option<f64>,
}

impl Trading {
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |name: &str, value: f64, hint: &str| {
            Err(Error::Parameter { name: name.into(), value: value.to_string(), hint: hint.into() })
        };
        if !(self.cost >= 0.0 && self.cost.is_finite()) {
            return refuse("cost", self.cost, "a cost is finite and not negative, such as 0.001 for 10 basis points");
        }
        if !self.initial_position.is_finite() {
            return refuse("initial_position", self.initial_position, "pass a finite position");
        }
        match self.target_volatility {
            Some(target) if !(target > 0.0 && target.is_finite()) => {
                refuse("target_volatility", target, "pass a volatility above 0 per period, such as 0.01")
            }
            _ => Ok(()),
        }
    }

    fn sums(&self) -> bool {
        self.pooled || self.position == Position::Softmax
    }
}

/// The rows that count, by date, with what they hold. A *slot* is the number of such a row.
pub(super) struct Book<'a> {
    trading: Trading,
    /// The first slot of each date that has rows, and the number of slots.
    pub(super) starts: Vec<usize>,
    /// The group of each date.
    dates: Vec<usize>,
    /// The place of each slot.
    pub(super) places: Vec<u32>,
    /// None where turnover costs nothing.
    links: Option<Cow<'a, Links>>,
    score: Vec<f64>,
    target: Vec<f64>,
    /// What a position is multiplied by; empty where by 1.
    leverage: Vec<f64>,
    /// Positions before leverage.
    raw: Vec<f64>,
    held: Vec<f64>,
    /// The weight of each date.
    pub(super) weight: Vec<f64>,
    pub(super) tasks: Tasks,
}

/// The rows of a task.
#[derive(Default)]
struct Part {
    rows: Vec<usize>,
    dates: Vec<usize>,
    places: Vec<u32>,
    score: Vec<f64>,
    target: Vec<f64>,
    leverage: Vec<f64>,
    weight: Vec<f64>,
}

impl<'a> Book<'a> {
    /// Reads and checks all rows and takes the positions.
    pub(super) fn open<F: Float>(
        trading: Trading,
        batch: &Batch<'_, F>,
        index: &'a GroupIndex,
        nan_policy: NanPolicy,
        cancel: &Cancel,
    ) -> Result<Self> {
        let tasks = Tasks::new(index.starts(), false);
        let parts = map_blocks(tasks.ends.len(), 1, index.len() / tasks.ends.len().max(1), cancel, |task| {
            read(&trading, batch, index, tasks.groups(task.start), nan_policy)
        })?;
        let mut all = Part::default();
        for part in parts {
            all.rows.extend(part.rows);
            all.dates.extend(part.dates);
            all.places.extend(part.places);
            all.score.extend(part.score);
            all.target.extend(part.target);
            all.leverage.extend(part.leverage);
            all.weight.extend(part.weight);
        }
        let mut starts = vec![0];
        starts.extend(all.rows.iter().scan(0, |slot, rows| {
            *slot += rows;
            Some(*slot)
        }));
        let mut book = Self {
            tasks: Tasks::new(&starts, false),
            links: if trading.cost > 0.0 { Some(link(index, &all.places)?) } else { None },
            raw: all.score.clone(),
            held: vec![],
            trading,
            starts,
            dates: all.dates,
            places: all.places,
            score: all.score,
            target: all.target,
            leverage: all.leverage,
            weight: all.weight,
        };
        book.take(cancel)?;
        Ok(book)
    }

    fn take(&mut self, cancel: &Cancel) -> Result<()> {
        let (starts, tasks, position) = (&self.starts, &self.tasks, self.trading.position);
        map_parts_into(&mut self.raw, &tasks.ends, tasks.work, cancel, |task, raw| {
            let origin = starts[tasks.groups(task).start];
            for date in tasks.groups(task) {
                position.apply(&mut raw[starts[date] - origin..starts[date + 1] - origin]);
            }
            Ok(())
        })?;
        self.held = self.raw.clone();
        self.held.iter_mut().zip(&self.leverage).for_each(|(held, leverage)| *held *= leverage);
        Ok(())
    }

    /// The group of a return's date.
    pub(super) fn group(&self, at: usize) -> usize {
        let date = if self.trading.pooled { self.starts.partition_point(|&start| start <= at) - 1 } else { at };
        self.dates[date]
    }

    /// The share of a row of `date` in its return, 1/N, and which return that is.
    fn share(&self, date: usize, slot: usize) -> (f64, usize) {
        let rows = (self.starts[date + 1] - self.starts[date]) as f64;
        (if self.trading.sums() { 1.0 } else { 1.0 / rows }, if self.trading.pooled { slot } else { date })
    }

    /// pos − previous pos.
    fn change(&self, links: &Links, date: usize, slot: usize) -> f64 {
        let previous = links.previous[slot];
        let carry = self.trading.absent == Absent::Carry;
        let before = if previous == NONE {
            if carry || date == 0 { self.trading.initial_position } else { 0.0 }
        } else if carry || previous as usize >= self.starts[date - 1] {
            self.held[previous as usize]
        } else {
            0.0
        };
        self.held[slot] - before
    }

    /// Whether the position is closed on the next date, because the asset has no row there.
    fn closes(&self, links: &Links, date: usize, slot: usize) -> bool {
        let last = date + 1 == self.dates.len();
        !last && self.trading.absent == Absent::Close && {
            let next = links.next[slot];
            next == NONE || next as usize >= self.starts[date + 2]
        }
    }

    /// All returns, in time order.
    pub(super) fn returns(&self, cancel: &Cancel) -> Result<Vec<f64>> {
        let cost = self.trading.cost;
        let net = |date: usize, slot: usize| {
            let mut net = self.held[slot] * self.target[slot];
            if let Some(links) = &self.links {
                net -= cost * self.change(links, date, slot).abs();
                if self.trading.pooled && self.closes(links, date, slot) {
                    net -= cost * self.held[slot].abs();
                }
            }
            net
        };
        let of = |date: usize| {
            let mut sum: f64 = (self.starts[date]..self.starts[date + 1]).map(|slot| net(date, slot)).sum();
            if let (Some(links), true) = (&self.links, date > 0) {
                for slot in self.starts[date - 1]..self.starts[date] {
                    if self.closes(links, date - 1, slot) {
                        sum -= cost * self.held[slot].abs();
                    }
                }
            }
            sum * self.share(date, 0).0
        };
        let tasks = &self.tasks;
        let each = self.places.len() / tasks.ends.len().max(1);
        let parts = map_blocks(tasks.ends.len(), 1, each, cancel, |task| {
            let dates = tasks.groups(task.start);
            if self.trading.pooled {
                let rows = |date: usize| (self.starts[date]..self.starts[date + 1]).map(move |slot| (date, slot));
                return Ok(dates.flat_map(rows).map(|(date, slot)| net(date, slot)).collect::<Vec<_>>());
            }
            Ok(dates.map(of).collect())
        })?;
        Ok(parts.concat())
    }

    /// The derivative by each slot's score, given that by each return.
    pub(super) fn gradient(&self, slope: &[f64], cancel: &Cancel) -> Result<Vec<f64>> {
        let cost = self.trading.cost;
        // What a unit more of the change costs: read by the row itself and by the row before it.
        let turnover = match &self.links {
            None => vec![],
            Some(links) => self.by_date(cancel, |date, slot| {
                let (share, at) = self.share(date, slot);
                slope[at] * share * cost * sign(self.change(links, date, slot))
            })?,
        };
        let mut gradient = self.by_date(cancel, |date, slot| {
            let (share, at) = self.share(date, slot);
            let mut by_held = slope[at] * share * self.target[slot];
            if let Some(links) = &self.links {
                by_held -= turnover[slot];
                let next = links.next[slot];
                if self.closes(links, date, slot) {
                    let (share, at) = if self.trading.pooled { (1.0, slot) } else { self.share(date + 1, 0) };
                    by_held -= slope[at] * share * cost * sign(self.held[slot]);
                } else if next != NONE {
                    by_held += turnover[next as usize];
                }
            }
            self.leverage.get(slot).map_or(by_held, |leverage| by_held * leverage)
        })?;
        let tasks = &self.tasks;
        map_parts_into(&mut gradient, &tasks.ends, tasks.work, cancel, |task, out| {
            let origin = self.starts[tasks.groups(task).start];
            for date in tasks.groups(task) {
                let slots = self.starts[date]..self.starts[date + 1];
                let part = &mut out[slots.start - origin..slots.end - origin];
                self.trading.position.pull_back(&self.score[slots.clone()], &self.raw[slots], part);
            }
            Ok(())
        })?;
        Ok(gradient)
    }

    /// The Gauss-Newton diagonal: the curvature of each return times (d return / d score)², costs left out.
    pub(super) fn curvature(&self, curvature: &[f64], cancel: &Cancel) -> Result<Vec<f64>> {
        self.by_date(cancel, |date, slot| {
            let (share, at) = self.share(date, slot);
            let leverage = self.leverage.get(slot).copied().unwrap_or(1.0);
            let slope = self.trading.position.derivative(self.score[slot], self.raw[slot]);
            curvature[at] * (slope * leverage * self.target[slot] * share).powi(2)
        })
    }

    /// The weight of the date of each slot.
    pub(super) fn row_weights(&self) -> Vec<f64> {
        let rows = self.starts.windows(2).map(|bounds| bounds[1] - bounds[0]);
        rows.zip(&self.weight).flat_map(|(rows, &weight)| std::iter::repeat_n(weight, rows)).collect()
    }

    fn by_date(&self, cancel: &Cancel, f: impl Fn(usize, usize) -> f64 + Sync) -> Result<Vec<f64>> {
        let mut out = vec![0.0; self.places.len()];
        let tasks = &self.tasks;
        map_parts_into(&mut out, &tasks.ends, tasks.work, cancel, |task, out| {
            let mut out = out.iter_mut();
            for date in tasks.groups(task) {
                for (slot, value) in (self.starts[date]..self.starts[date + 1]).zip(&mut out) {
                    *value = f(date, slot);
                }
            }
            Ok(())
        })?;
        Ok(out)
    }
}

/// −1, 0 or 1; 0 at 0.
fn sign(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x.signum() }
}

fn read<F: Float>(
    trading: &Trading,
    batch: &Batch<'_, F>,
    index: &GroupIndex,
    groups: std::ops::Range<usize>,
    nan_policy: NanPolicy,
) -> Result<Part> {
    let (mut gathered, mut part) = (Gathered::new(), Part::default());
    let wanted = Wanted { domain: Domain::Real, narrow: false, nan_policy };
    for group in groups {
        let rows = gathered.read(batch, index, group, wanted)?;
        if rows.s.is_empty() {
            continue;
        }
        let first = index.places(group).start;
        part.weight.push(rows.weight(index, group)?);
        part.rows.push(rows.s.len());
        part.dates.push(group);
        part.score.extend(rows.s.iter().map(|s| s.wide()));
        part.target.extend(rows.y);
        let from = part.places.len();
        let first = first as u32;
        match rows.kept {
            None => part.places.extend(first..first + rows.s.len() as u32),
            Some(kept) => part.places.extend(kept.iter().map(|&i| first + i)),
        }
        if let Some(target) = trading.target_volatility {
            let places = &part.places[from..];
            super::batch::gather(&batch.extras[0], places.iter().map(|&p| index.row(p as usize)), &mut part.leverage);
            for (leverage, &place) in part.leverage[from..].iter_mut().zip(places) {
                let volatility = *leverage;
                if !(volatility > 0.0 && volatility.is_finite()) {
                    let row = index.row(place as usize);
                    return Err(Error::VolatilityInvalid { row, value: volatility });
                }
                *leverage = target / volatility;
            }
        }
    }
    Ok(part)
}

/// The links of the index between the places that count, in slots.
fn link<'a>(index: &'a GroupIndex, places: &[u32]) -> Result<Cow<'a, Links>> {
    let Some(links) = index.links() else { return one_asset(index, places).map(Cow::Owned) };
    if places.len() == index.len() {
        return Ok(links);
    }
    // The slot that holds the asset of a place, at that place or before.
    let mut held = vec![NONE; index.len()];
    let mut kept = Links { previous: vec![NONE; places.len()], next: vec![NONE; places.len()] };
    let mut slot = 0;
    for place in 0..index.len() {
        let previous = links.previous[place];
        let before = if previous == NONE { NONE } else { held[previous as usize] };
        held[place] = before;
        if places.get(slot) == Some(&(place as u32)) {
            kept.previous[slot] = before;
            if before != NONE {
                kept.next[before as usize] = slot as u32;
            }
            held[place] = slot as u32;
            slot += 1;
        }
    }
    Ok(Cow::Owned(kept))
}

/// Without assets there is one, with a row a date.
fn one_asset(index: &GroupIndex, places: &[u32]) -> Result<Links> {
    if let Some(group) = index.starts().windows(2).position(|bounds| bounds[1] - bounds[0] > 1) {
        let row = index.row(index.places(group).start + 1);
        return Err(Error::AssetsNeeded { row, date: index.ids()[group] });
    }
    let slots = places.len() as u32;
    Ok(Links {
        previous: (0..slots).map(|slot| slot.checked_sub(1).unwrap_or(NONE)).collect(),
        next: (0..slots).map(|slot| if slot + 1 < slots { slot + 1 } else { NONE }).collect(),
    })
}
