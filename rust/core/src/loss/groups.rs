//! Which rows belong together, and which row held the same asset before.
//!
//! A [`GroupIndex`] is made once and serves any number of calls. *Places* number the rows in the order (group, row):
//! rows of a group lie side by side, in the caller's order, groups ascending by id. Where rows come that way already
//! nothing is stored but where groups begin.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use crate::error::{Error, Result};
use crate::split::Order;

/// No such row.
pub const NONE: u32 = u32::MAX;

/// For each place the place of the same asset on the date before and after it that has this asset, or [`NONE`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Links {
    /// The last place of the same asset on an earlier date.
    pub previous: Vec<u32>,
    /// The first place of the same asset on a later date.
    pub next: Vec<u32>,
}

/// How positions follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Held {
    /// Every date has the same assets in the same order, so many of them: nothing needs to be stored.
    Regular(usize),
    Linked(Links),
}

/// Rows by group, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupIndex {
    rows: usize,
    /// The caller's row at each place, and the place of each row; none where rows come in order.
    order: Option<(Order, Order)>,
    ids: Vec<i64>,
    /// The first place of each group, and the number of rows.
    starts: Vec<usize>,
    held: Option<Held>,
}

impl GroupIndex {
    /// Groups by id, in any order. One pass where rows are sorted by group; else O(n log n) and 8 bytes a row are
    /// kept.
    pub fn new(groups: &[i64]) -> Result<Self> {
        if u32::try_from(groups.len()).is_ok_and(|rows| rows < NONE) {
            let order = (!groups.is_sorted()).then(|| {
                let order = Order::by_time(groups);
                let inverse = inverse(&order, groups.len());
                (order, inverse)
            });
            let (mut ids, mut starts) = (Vec::new(), Vec::new());
            for place in 0..groups.len() {
                let id = groups[order.as_ref().map_or(place, |(order, _)| order.at(place))];
                if ids.last() != Some(&id) {
                    ids.push(id);
                    starts.push(place);
                }
            }
            starts.push(groups.len());
            return Ok(Self { rows: groups.len(), order, ids, starts, held: None });
        }
        let hint = "an index holds fewer than 2^32 - 1 rows".into();
        Err(Error::Parameter { name: "the number of rows".into(), value: groups.len().to_string(), hint })
    }

    /// Groups that are dates, with the asset of each row. An asset has at most one row a date. One more pass; 8 bytes
    /// a row are kept unless every date has the same assets in the same order.
    pub fn with_assets<A: Copy + Into<i64>>(dates: &[i64], assets: &[A]) -> Result<Self> {
        if assets.len() != dates.len() {
            return Err(Error::LengthMismatch { name: "assets".into(), got: assets.len(), expected: dates.len() });
        }
        let mut index = Self::new(dates)?;
        index.held = Some(index.hold(assets)?);
        Ok(index)
    }

    /// One asset, one row a date, rows in time order; dates are numbered from 0.
    pub fn one_asset(rows: usize) -> Result<Self> {
        let dates: Vec<i64> = (0..rows as i64).collect();
        let mut index = Self::new(&dates)?;
        index.held = Some(Held::Regular(1));
        Ok(index)
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// How many groups there are.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.ids.len()
    }

    /// The ids, ascending.
    #[must_use]
    pub fn ids(&self) -> &[i64] {
        &self.ids
    }

    /// The first place of each group, and the number of rows.
    #[must_use]
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// The places of a group.
    #[must_use]
    pub fn places(&self, group: usize) -> Range<usize> {
        self.starts[group]..self.starts[group + 1]
    }

    /// Whether places are the caller's rows.
    #[must_use]
    pub fn is_sorted(&self) -> bool {
        self.order.is_none()
    }

    /// The caller's row at a place.
    #[must_use]
    #[inline]
    pub fn row(&self, place: usize) -> usize {
        self.order.as_ref().map_or(place, |(order, _)| order.at(place))
    }

    /// The place of a row of the caller.
    #[must_use]
    #[inline]
    pub fn place(&self, row: usize) -> usize {
        self.order.as_ref().map_or(row, |(_, inverse)| inverse.at(row))
    }

    /// Whether the rows know their assets.
    #[must_use]
    pub fn has_assets(&self) -> bool {
        self.held.is_some()
    }

    /// How many assets every date has, where all dates have the same ones in the same order.
    #[must_use]
    pub fn regular(&self) -> Option<usize> {
        match self.held {
            Some(Held::Regular(assets)) => Some(assets),
            _ => None,
        }
    }

    /// How positions follow each other; none without assets. Made on the fly where nothing is stored.
    #[must_use]
    pub fn links(&self) -> Option<Cow<'_, Links>> {
        match self.held.as_ref()? {
            Held::Linked(links) => Some(Cow::Borrowed(links)),
            Held::Regular(assets) => {
                let (rows, assets) = (self.rows as u32, *assets as u32);
                let previous = (0..rows).map(|place| place.checked_sub(assets).unwrap_or(NONE)).collect();
                let next = (0..rows).map(|place| if place + assets < rows { place + assets } else { NONE }).collect();
                Some(Cow::Owned(Links { previous, next }))
            }
        }
    }

    /// The stored links; none where nothing is stored.
    pub(super) fn stored_links(&self) -> Option<&Links> {
        match &self.held {
            Some(Held::Linked(links)) => Some(links),
            _ => None,
        }
    }

    /// A number per row that tells assets apart, in the caller's order; none without assets.
    #[must_use]
    pub fn asset_numbers(&self) -> Option<Vec<i64>> {
        let links = self.links()?;
        let (mut assets, mut numbers) = (0, vec![0; self.rows]);
        for place in 0..self.rows {
            let previous = links.previous[place];
            numbers[self.row(place)] = if previous == NONE {
                assets += 1;
                assets - 1
            } else {
                numbers[self.row(previous as usize)]
            };
        }
        Some(numbers)
    }

    fn hold<A: Copy + Into<i64>>(&self, assets: &[A]) -> Result<Held> {
        let per_date = self.starts.get(1).copied().unwrap_or(0);
        let even = self.starts.windows(2).all(|bounds| bounds[1] - bounds[0] == per_date);
        let asset = |place: usize| -> i64 { assets[self.row(place)].into() };
        if even && (per_date..self.rows).all(|place| asset(place) == asset(place - per_date)) {
            let mut first: Vec<i64> = (0..per_date).map(asset).collect();
            first.sort_unstable();
            if first.windows(2).all(|pair| pair[0] < pair[1]) {
                return Ok(Held::Regular(per_date));
            }
        }
        self.link(assets).map(Held::Linked)
    }

    fn link<A: Copy + Into<i64>>(&self, assets: &[A]) -> Result<Links> {
        let mut links = Links { previous: vec![NONE; self.rows], next: vec![NONE; self.rows] };
        let mut last = Last::new(assets);
        for group in 0..self.groups() {
            let places = self.places(group);
            for place in places.clone() {
                let asset = assets[self.row(place)].into();
                let seen = last.replace(asset, place as u32);
                if seen == NONE {
                    continue;
                }
                if seen as usize >= places.start {
                    return Err(Error::AssetTwice { row: self.row(place), date: self.ids[group], asset });
                }
                links.previous[place] = seen;
                links.next[seen as usize] = place as u32;
            }
        }
        Ok(links)
    }
}

fn inverse(order: &Order, rows: usize) -> Order {
    if let Order::Narrow(order) = order {
        let mut inverse = vec![0; rows];
        for (place, &row) in order.iter().enumerate() {
            inverse[row as usize] = place as i32;
        }
        return Order::Narrow(inverse);
    }
    let mut inverse = vec![0; rows];
    for place in 0..rows {
        inverse[order.at(place)] = place as i64;
    }
    Order::Wide(inverse)
}

/// Where each asset was seen last: a table where ids are dense, which they mostly are, else a map.
enum Last {
    Table { low: i64, places: Vec<u32> },
    Map(HashMap<i64, u32>),
}

impl Last {
    fn new<A: Copy + Into<i64>>(assets: &[A]) -> Self {
        let (mut low, mut high) = (i64::MAX, i64::MIN);
        for &asset in assets {
            (low, high) = (low.min(asset.into()), high.max(asset.into()));
        }
        match high.checked_sub(low) {
            Some(span) if (0..assets.len().max(1_024) as i64 * 2).contains(&span) => {
                Self::Table { low, places: vec![NONE; span as usize + 1] }
            }
            _ => Self::Map(HashMap::new()),
        }
    }

    fn replace(&mut self, asset: i64, place: u32) -> u32 {
        match self {
            Self::Table { low, places } => std::mem::replace(&mut places[(asset - *low) as usize], place),
            Self::Map(map) => map.insert(asset, place).unwrap_or(NONE),
        }
    }
}

/// Consecutive groups handed to a thread at a time: borders depend on the groups alone.
#[derive(Debug)]
pub(super) struct Tasks {
    /// The first group of each task, and the number of groups.
    groups: Vec<usize>,
    /// The place at which each task ends.
    pub(super) ends: Vec<usize>,
    /// What all of it costs, in rows of a cheap computation.
    pub(super) work: usize,
}

impl Tasks {
    /// What a task should cost at least: enough that handing it over costs nothing.
    const WORK: usize = 16_384;

    /// Cuts groups that begin at `starts`; with `pairs` the work grows with the square of a group's rows.
    pub(super) fn new(starts: &[usize], pairs: bool) -> Self {
        Self::of_work(starts, pairs, Self::WORK)
    }

    /// As [`new`](Self::new), with tasks that cost at least `least`.
    pub(super) fn of_work(starts: &[usize], pairs: bool, least: usize) -> Self {
        let (mut groups, mut ends, mut work, mut open) = (vec![0], Vec::new(), 0usize, 0usize);
        for (group, bounds) in starts.windows(2).enumerate() {
            let rows = bounds[1] - bounds[0];
            open = open.saturating_add(if pairs { rows.saturating_mul(1 + rows / 16) } else { rows });
            if open >= least || group + 2 == starts.len() {
                groups.push(group + 1);
                ends.push(bounds[1]);
                work = work.saturating_add(open);
                open = 0;
            }
        }
        Self { groups, ends, work }
    }

    /// The groups of a task.
    pub(super) fn groups(&self, task: usize) -> Range<usize> {
        self.groups[task]..self.groups[task + 1]
    }
}

#[cfg(test)]
#[path = "groups_tests.rs"]
mod tests;
