//! The checked rows of a group, gathered from wherever the caller keeps them.

use super::batch::{Batch, gather};
use super::driver::{NanPolicy, allowed_targets};
use super::float::Float;
use super::groups::GroupIndex;
use super::traits::Domain;
use crate::error::{Error, Result};

/// One group's rows side by side, those without a target removed. Buffers are kept from group to group.
pub(super) struct Gathered<F> {
    pub(super) s: Vec<F>,
    pub(super) y: Vec<f64>,
    /// Targets in the prediction's width, where asked for.
    pub(super) narrow: Vec<F>,
    /// Empty without weights.
    pub(super) w: Vec<f64>,
    /// Which rows of the group these are, counted from its first.
    pub(super) kept: Vec<u32>,
}

impl<F: Float> Gathered<F> {
    pub(super) fn new() -> Self {
        Self { s: vec![], y: vec![], narrow: vec![], w: vec![], kept: vec![] }
    }

    /// Reads and checks a group. Predictions are checked on all rows, targets and weights likewise; the first bad row
    /// in the caller's order is the one that is named.
    pub(super) fn read(
        &mut self,
        batch: &Batch<'_, F>,
        index: &GroupIndex,
        group: usize,
        domain: Domain,
        nan_policy: NanPolicy,
    ) -> Result<()> {
        let places = index.places(group);
        let rows = || places.clone().map(|place| index.row(place));
        let Self { s, y, w, kept, .. } = self;
        s.clear();
        y.clear();
        w.clear();
        kept.clear();
        s.extend(rows().map(|row| batch.prediction.get(row)));
        gather(&batch.target, rows(), y);
        if let Some(weight) = &batch.weight {
            gather(weight, rows(), w);
        }
        for (i, row) in rows().enumerate() {
            if !s[i].is_usable() {
                return Err(Error::PredictionNotFinite { row, value: s[i].wide() });
            }
            if w.get(i).is_some_and(|&w| !(w >= 0.0 && w.is_finite())) {
                return Err(Error::WeightInvalid { row, value: w[i] });
            }
            if !y[i].is_nan() {
                if !domain.contains(y[i]) {
                    let allowed = allowed_targets(domain, y[i]);
                    return Err(Error::TargetOutOfDomain { row, value: y[i], allowed });
                }
                kept.push(i as u32);
            } else if nan_policy == NanPolicy::Raise {
                return Err(Error::TargetMissing { row });
            }
        }
        if kept.len() < s.len() {
            compact(s, kept);
            compact(y, kept);
            if !w.is_empty() {
                compact(w, kept);
            }
        }
        Ok(())
    }

    /// Copies the targets in the prediction's width.
    pub(super) fn narrow(&mut self) {
        self.narrow.clear();
        self.narrow.extend(self.y.iter().map(|&y| F::of(y)));
    }

    /// The one weight of the group; 1 without weights, and for a group without rows.
    pub(super) fn weight(&self, index: &GroupIndex, group: usize) -> Result<f64> {
        let Some(&expected) = self.w.first() else { return Ok(1.0) };
        match self.w.iter().position(|&w| w != expected) {
            None => Ok(expected),
            Some(i) => Err(Error::WeightDiffers {
                row: index.row(index.places(group).start + self.kept[i] as usize),
                group: index.ids()[group],
                value: self.w[i],
                expected,
            }),
        }
    }
}

fn compact<T: Copy>(values: &mut Vec<T>, kept: &[u32]) {
    for (to, &from) in kept.iter().enumerate() {
        values[to] = values[from as usize];
    }
    values.truncate(kept.len());
}
