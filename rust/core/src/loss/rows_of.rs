//! The checked rows of a group, wherever the caller keeps them.

use std::ops::Range;

use super::batch::{Batch, gather, load, load_view};
use super::cpu::widest;
use super::driver::{NanPolicy, allowed_targets};
use super::float::Float;
use super::groups::GroupIndex;
use super::traits::Domain;
use super::usable::Usable;
use crate::error::{Error, Result};

/// What a loss wants to know of the rows of a group.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    /// What a target may be.
    pub(super) domain: Domain,
    /// Whether targets are read in the prediction's width.
    pub(super) narrow: bool,
    pub(super) nan_policy: NanPolicy,
}

/// The rows of a group that count: all that have a target.
pub(super) struct Rows<'s, F> {
    pub(super) s: &'s [F],
    /// Empty where `narrow` holds the targets.
    pub(super) y: &'s [f64],
    pub(super) narrow: &'s [F],
    /// Empty without weights.
    pub(super) w: &'s [f64],
    /// Which rows of the group these are, counted from its first; none for all of them.
    pub(super) kept: Option<&'s [u32]>,
}

impl<F> Rows<'_, F> {
    /// The one weight of the group; 1 without weights, and for a group without rows.
    pub(super) fn weight(&self, index: &GroupIndex, group: usize) -> Result<f64> {
        let Some(&expected) = self.w.first() else { return Ok(1.0) };
        match self.w.iter().position(|&w| w != expected) {
            None => Ok(expected),
            Some(i) => Err(Error::WeightDiffers {
                row: index.row(index.places(group).start + self.kept.map_or(i, |kept| kept[i] as usize)),
                group: index.ids()[group],
                value: self.w[i],
                expected,
            }),
        }
    }
}

/// Buffers of a task for what can't be read where it lies.
pub(super) struct Gathered<F> {
    all: Columns<F>,
    kept: Columns<F>,
    rows: Vec<u32>,
}

/// Values of the rows of one group.
#[derive(Default)]
struct Columns<F> {
    s: Vec<F>,
    y: Vec<f64>,
    narrow: Vec<F>,
    w: Vec<f64>,
}

impl<F: Float> Gathered<F> {
    pub(super) fn new() -> Self {
        Self { all: Columns::default(), kept: Columns::default(), rows: vec![] }
    }

    /// Reads and checks a group: values that lie side by side where they are, and in lanes. Predictions are checked on
    /// all rows, targets and weights likewise; the first bad row in the caller's order is the one that is named.
    pub(super) fn read<'s>(
        &'s mut self,
        batch: &Batch<'s, F>,
        index: &GroupIndex,
        group: usize,
        wanted: Wanted,
    ) -> Result<Rows<'s, F>> {
        let Self { all, kept, rows } = self;
        let found = all.load(batch, index, index.places(group), wanted.narrow);
        if wanted.all_good(&found) {
            return Ok(found);
        }
        rows.clear();
        for i in 0..found.s.len() {
            if wanted.counts(&found, i, index.places(group).start + i, index)? {
                rows.push(i as u32);
            }
        }
        Ok(kept.keep(&found, rows))
    }
}

impl<F: Float> Columns<F> {
    fn load<'s>(
        &'s mut self,
        batch: &Batch<'s, F>,
        index: &GroupIndex,
        places: Range<usize>,
        is_narrow: bool,
    ) -> Rows<'s, F> {
        let Self { s, y, narrow, w } = self;
        let weight = batch.weight.as_ref();
        if index.is_sorted() {
            let len = places.len();
            s.resize(len.max(s.len()), F::ZERO);
            y.resize(if is_narrow { 0 } else { len.max(y.len()) }, 0.0);
            narrow.resize(if is_narrow { len.max(narrow.len()) } else { 0 }, F::ZERO);
            w.resize(if weight.is_some() { len.max(w.len()) } else { 0 }, 0.0);
            return Rows {
                s: load_view(&batch.prediction, places.clone(), s),
                y: if is_narrow { &[] } else { load(&batch.target, places.clone(), y) },
                narrow: if is_narrow { load(&batch.target, places.clone(), narrow) } else { &[] },
                w: weight.map_or(&[], |weight| load(weight, places, w)),
                kept: None,
            };
        }
        let rows = || places.clone().map(|place| index.row(place));
        s.clear();
        s.extend(rows().map(|row| batch.prediction.get(row)));
        for column in [&mut *y, &mut *w] {
            column.clear();
        }
        narrow.clear();
        if is_narrow {
            gather(&batch.target, rows(), narrow);
        } else {
            gather(&batch.target, rows(), y);
        }
        if let Some(weight) = weight {
            gather(weight, rows(), w);
        }
        Rows { s, y, narrow, w, kept: None }
    }

    /// The `rows` of those that were found.
    fn keep<'s>(&'s mut self, found: &Rows<'_, F>, rows: &'s [u32]) -> Rows<'s, F> {
        let Self { s, y, narrow, w } = self;
        pick(found.s, rows, s);
        pick(found.y, rows, y);
        pick(found.narrow, rows, narrow);
        pick(found.w, rows, w);
        Rows { s, y, narrow, w, kept: Some(rows) }
    }
}

/// The values at `rows`; none of none.
fn pick<T: Copy>(values: &[T], rows: &[u32], to: &mut Vec<T>) {
    to.clear();
    if !values.is_empty() {
        to.extend(rows.iter().map(|&row| values[row as usize]));
    }
}

impl Wanted {
    /// Whether every row is one that counts; at a few instructions a lane.
    fn all_good<F: Float>(self, rows: &Rows<'_, F>) -> bool {
        let Rows { s, y, narrow, w, .. } = *rows;
        let finite = widest(Usable { s, y: narrow }) && widest(Usable { s: w, y });
        let real = self.domain == Domain::Real;
        finite
            && w.iter().fold(true, |all, &w| all & (w >= 0.0))
            && (real || y.iter().all(|&y| self.domain.contains(y)) && narrow.iter().all(|&y| self.domain.contains(y)))
    }

    /// Whether row i, at a place of the index, counts; an error if it is bad.
    fn counts<F: Float>(self, rows: &Rows<'_, F>, i: usize, place: usize, index: &GroupIndex) -> Result<bool> {
        let row = index.row(place);
        if !rows.s[i].is_usable() {
            return Err(Error::PredictionNotFinite { row, value: rows.s[i].wide() });
        }
        if let Some(&value) = rows.w.get(i).filter(|&&w| !(w >= 0.0 && w.is_finite())) {
            return Err(Error::WeightInvalid { row, value });
        }
        let value = if self.narrow { rows.narrow[i].wide() } else { rows.y[i] };
        if value.is_nan() {
            return if self.nan_policy == NanPolicy::Raise { Err(Error::TargetMissing { row }) } else { Ok(false) };
        }
        if self.domain.contains(value) {
            return Ok(true);
        }
        Err(Error::TargetOutOfDomain { row, value, allowed: allowed_targets(self.domain, value) })
    }
}
