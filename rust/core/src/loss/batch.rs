//! The rows of one call: views of the caller's columns, and their values block by block in one width.

use std::ops::Range;

use super::float::Float;
use super::traits::{Extras, MAX_EXTRAS};
use crate::columns::{Column, Strided};
use crate::error::{Error, Result};
use crate::with_column;

/// Rows whose losses are added up by one chain of additions. Part of the promise of equal bits: never change it
/// by machine or load.
pub const BLOCK: usize = 1_024;

/// Predictions with their targets, weights and further per-row arguments.
///
/// Nothing is copied: values of another type or stride are converted a block at a time, in cache.
#[derive(Debug, Clone)]
pub struct Batch<'a, F> {
    pub(super) prediction: Strided<'a, F>,
    pub(super) target: Column<'a>,
    pub(super) weight: Option<Column<'a>>,
    pub(super) extras: Vec<Column<'a>>,
}

impl<'a, F: Float> Batch<'a, F> {
    /// Columns of equal length.
    pub fn new(
        prediction: Strided<'a, F>,
        target: Column<'a>,
        weight: Option<Column<'a>>,
        extras: Vec<Column<'a>>,
    ) -> Result<Self> {
        let expected = prediction.len();
        let named = [("target", Some(&target)), ("sample_weight", weight.as_ref())];
        let columns = named.into_iter().filter_map(|(name, column)| column.map(|column| (name, column.len())));
        for (name, got) in columns.chain(extras.iter().map(|column| ("per-row argument", column.len()))) {
            if got != expected {
                return Err(Error::LengthMismatch { name: name.into(), got, expected });
            }
        }
        Ok(Self { prediction, target, weight, extras })
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.prediction.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.prediction.is_empty()
    }
}

/// Buffers of one task, one block long; used only for columns that are not contiguous values of the width.
pub(super) struct Scratch<F> {
    pub(super) prediction: Vec<F>,
    pub(super) target: Vec<F>,
    pub(super) weight: Vec<F>,
    pub(super) extras: Vec<Extras<F>>,
}

impl<F: Float> Scratch<F> {
    pub(super) fn new(batch: &Batch<'_, F>) -> Self {
        let extras = if batch.extras.is_empty() { 0 } else { BLOCK };
        Self {
            prediction: vec![F::ZERO; BLOCK],
            target: vec![F::ZERO; BLOCK],
            weight: vec![F::ZERO; BLOCK],
            extras: vec![[F::ZERO; MAX_EXTRAS]; extras],
        }
    }
}

/// The values `rows` of a view, in place where they are contiguous.
pub(super) fn load_view<'s, F: Float>(view: &Strided<'s, F>, rows: Range<usize>, buffer: &'s mut [F]) -> &'s [F] {
    let part = view.slice(rows.start, rows.end);
    if let Some(values) = part.as_slice() {
        return values;
    }
    let buffer = &mut buffer[..part.len()];
    for (slot, value) in buffer.iter_mut().zip(part.iter()) {
        *slot = value;
    }
    buffer
}

/// The values `rows` of a column, in place where they are contiguous values of this width.
pub(super) fn load<'s, F: Float>(column: &Column<'s>, rows: Range<usize>, buffer: &'s mut [F]) -> &'s [F] {
    if let Some(view) = F::of_column(column) {
        return load_view(&view, rows, buffer);
    }
    let buffer = &mut buffer[..rows.len()];
    with_column!(column, view => convert(&view.slice(rows.start, rows.end), buffer));
    buffer
}

/// The further per-row arguments of `rows`, row by row.
pub(super) fn load_extras<'s, F: Float>(
    columns: &[Column<'_>],
    rows: Range<usize>,
    buffer: &mut [F],
    extras: &'s mut [Extras<F>],
) -> &'s [Extras<F>] {
    for (k, column) in columns.iter().enumerate() {
        for (slot, &value) in extras.iter_mut().zip(load(column, rows.clone(), buffer)) {
            slot[k] = value;
        }
    }
    if columns.is_empty() { &[] } else { &extras[..rows.len()] }
}

/// Appends the values at `rows`, in that order and in double precision.
pub(super) fn gather(column: &Column<'_>, rows: impl Iterator<Item = usize>, out: &mut Vec<f64>) {
    with_column!(column, view => out.extend(rows.map(|row| Wide::wide(view.get(row)))));
}

fn convert<T: Wide, F: Float>(view: &Strided<'_, T>, out: &mut [F]) {
    if let Some(values) = view.as_slice() {
        for (slot, &value) in out.iter_mut().zip(values) {
            *slot = F::of(value.wide());
        }
    } else {
        for (slot, value) in out.iter_mut().zip(view.iter()) {
            *slot = F::of(value.wide());
        }
    }
}

/// Any number of a column, in double precision.
trait Wide: Copy {
    fn wide(self) -> f64;
}

macro_rules! wide {
    ($($type:ty)*) => { $( impl Wide for $type {
        #[inline(always)]
        #[allow(clippy::cast_lossless)]
        fn wide(self) -> f64 { self as f64 }
    } )* };
}
wide!(i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);

impl Wide for bool {
    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(u8::from(self))
    }
}
