//! The rows of one call: views of the caller's columns, and their values block by block in one width.

use std::ops::Range;

use super::float::Float;
use super::traits::MAX_EXTRAS;
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
    /// What belongs to each prediction of a row; empty where there is one.
    pub(super) per_column: Vec<f64>,
}

impl<'a, F: Float> Batch<'a, F> {
    /// Columns of equal length.
    pub fn new(
        prediction: Strided<'a, F>,
        target: Column<'a>,
        weight: Option<Column<'a>>,
        extras: Vec<Column<'a>>,
    ) -> Result<Self> {
        Self::checked(Self { prediction, target, weight, extras, per_column: vec![] })
    }

    /// Rows of several predictions each, row by row, as in a matrix in C order. Each counts as a row with the target
    /// and weight of its own row; the one further argument it has is that of its column.
    pub fn with_columns(
        prediction: Strided<'a, F>,
        target: Column<'a>,
        weight: Option<Column<'a>>,
        per_column: Vec<f64>,
    ) -> Result<Self> {
        Self::checked(Self { prediction, target, weight, extras: vec![], per_column })
    }

    fn checked(batch: Self) -> Result<Self> {
        let (expected, columns) = (batch.prediction.len(), batch.columns());
        if !expected.is_multiple_of(columns) {
            return Err(Error::LengthMismatch {
                name: format!("a matrix of {columns} columns"),
                got: expected,
                expected: expected / columns * columns,
            });
        }
        let named = [("target", Some(&batch.target)), ("sample_weight", batch.weight.as_ref())];
        let lengths = named.into_iter().filter_map(|(name, column)| column.map(|column| (name, column.len())));
        for (name, got) in lengths.chain(batch.extras.iter().map(|column| ("per-row argument", column.len()))) {
            if got != expected / columns {
                return Err(Error::LengthMismatch { name: name.into(), got, expected: expected / columns });
            }
        }
        Ok(batch)
    }

    /// How many predictions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.prediction.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.prediction.is_empty()
    }

    /// How many predictions a row has.
    pub(super) fn columns(&self) -> usize {
        self.per_column.len().max(1)
    }

    /// How many arguments a prediction has besides its target.
    pub(super) fn arguments(&self) -> usize {
        if self.per_column.is_empty() { self.extras.len() } else { 1 }
    }
}

/// Buffers of one task, one block long; used only for columns that are not contiguous values of the width.
pub(super) struct Scratch<F> {
    pub(super) prediction: Vec<F>,
    pub(super) target: Vec<F>,
    pub(super) weight: Vec<F>,
    pub(super) extras: [Vec<F>; MAX_EXTRAS],
    rows: Vec<F>,
}

impl<F: Float> Scratch<F> {
    pub(super) fn new(batch: &Batch<'_, F>) -> Self {
        let block = |used: bool| vec![F::ZERO; if used { BLOCK } else { 0 }];
        Self {
            prediction: block(true),
            target: block(true),
            weight: block(batch.weight.is_some()),
            extras: std::array::from_fn(|k| block(k < batch.arguments())),
            rows: block(batch.columns() > 1),
        }
    }

    /// What a loss is told of the predictions `range`.
    pub(super) fn load<'s>(&'s mut self, batch: &Batch<'s, F>, range: Range<usize>) -> Loaded<'s, F> {
        let Self { prediction, target, weight, extras, rows } = self;
        let columns = batch.columns();
        let [x0, x1, x2, x3] = extras;
        let mut x: [&[F]; MAX_EXTRAS] = [&[]; MAX_EXTRAS];
        for ((k, slot), buffer) in x.iter_mut().enumerate().zip([x0, x1, x2, x3]) {
            if !batch.per_column.is_empty() && k == 0 {
                for (value, i) in buffer.iter_mut().zip(range.clone()) {
                    *value = F::of(batch.per_column[i % columns]);
                }
                *slot = &buffer[..range.len()];
            } else if let Some(column) = batch.extras.get(k) {
                *slot = load(column, range.clone(), buffer);
            }
        }
        Loaded {
            s: load_view(&batch.prediction, range.clone(), prediction),
            y: load_rows(&batch.target, columns, range.clone(), rows, target),
            w: batch.weight.as_ref().map_or(&[], |column| load_rows(column, columns, range, rows, weight)),
            x,
        }
    }
}

impl<F: Float> Scratch<F> {
    /// Weights and, where asked for, targets of the predictions `range`: what decides how much counts.
    pub(super) fn load_counting<'s>(
        &'s mut self,
        batch: &Batch<'s, F>,
        range: Range<usize>,
        targets: bool,
    ) -> Loaded<'s, F> {
        let Self { target, weight, rows, .. } = self;
        let columns = batch.columns();
        let none: &[F] = &[];
        let y = if targets { load_rows(&batch.target, columns, range.clone(), rows, target) } else { none };
        let w = batch.weight.as_ref().map_or(none, |column| load_rows(column, columns, range, rows, weight));
        Loaded { s: none, y, w, x: [none; MAX_EXTRAS] }
    }
}

/// The values of a block, in one width; weights and further arguments are empty where there are none.
#[derive(Clone, Copy)]
pub(super) struct Loaded<'s, F> {
    pub(super) s: &'s [F],
    pub(super) y: &'s [F],
    pub(super) w: &'s [F],
    pub(super) x: [&'s [F]; MAX_EXTRAS],
}

/// The values of a column of rows for the predictions `range`, `columns` of which share a row.
pub(super) fn load_rows<'s, F: Float>(
    column: &Column<'s>,
    columns: usize,
    range: Range<usize>,
    rows: &mut [F],
    buffer: &'s mut [F],
) -> &'s [F] {
    if columns == 1 || range.is_empty() {
        return load(column, range, buffer);
    }
    let first = range.start / columns;
    let values = load(column, first..(range.end - 1) / columns + 1, rows);
    let buffer = &mut buffer[..range.len()];
    for (slot, i) in buffer.iter_mut().zip(range) {
        *slot = values[i / columns - first];
    }
    buffer
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

/// Appends the values at `rows`, in that order.
pub(super) fn gather<F: Float>(column: &Column<'_>, rows: impl Iterator<Item = usize>, out: &mut Vec<F>) {
    with_column!(column, view => out.extend(rows.map(|row| F::of(Wide::wide(view.get(row))))));
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
