//! Where splitters put their test blocks.

use numpy::{IntoPyArray, PyArray2, PyArrayMethods};
use pyo3::prelude::*;
use tradewright_core::split::walk_forward::{Anchor, Walk};
use tradewright_core::split::{Span, combinatorial, kfold};

use crate::{detach, errors};

pub(crate) type Table<'py> = Bound<'py, PyArray2<i64>>;

/// A row-major table; the number of values is a multiple of `columns`.
pub(crate) fn table_of(py: Python<'_>, values: Vec<i64>, columns: usize) -> PyResult<Table<'_>> {
    let rows = values.len() / columns;
    values.into_pyarray(py).reshape([rows, columns])
}

fn spans_out(py: Python<'_>, blocks: Vec<Span>) -> PyResult<Table<'_>> {
    table_of(py, blocks.into_iter().flat_map(|span| [span.start as i64, span.end as i64]).collect(), 2)
}

/// K test blocks over all timestamps, as `array_split` cuts them (k×2).
#[pyfunction]
pub(crate) fn kfold_blocks(py: Python<'_>, timestamps: usize, folds: usize) -> PyResult<Bound<'_, PyArray2<i64>>> {
    let blocks = kfold::blocks(timestamps, folds).map_err(|error| errors::to_python(py, &error))?;
    spans_out(py, blocks)
}

/// The test blocks of all choices of some groups (k×3: fold, start, stop); adjacent groups are one block.
#[pyfunction]
pub(crate) fn combinatorial_blocks(
    py: Python<'_>,
    timestamps: usize,
    groups: usize,
    test_groups: usize,
) -> PyResult<Bound<'_, PyArray2<i64>>> {
    let blocks = detach::run(py, 0, |_| combinatorial::blocks(timestamps, groups, test_groups))?;
    let row = |(fold, span): (usize, Span)| [fold as i64, span.start as i64, span.end as i64];
    table_of(py, blocks.into_iter().flat_map(row).collect(), 3)
}

/// The split that each path takes each group's test from (paths×groups).
#[pyfunction]
pub(crate) fn combinatorial_paths(
    py: Python<'_>,
    groups: usize,
    test_groups: usize,
) -> PyResult<Bound<'_, PyArray2<i64>>> {
    let paths = detach::run(py, 0, |_| combinatorial::paths(groups, test_groups))?;
    table_of(py, paths.into_iter().map(|split| split as i64).collect(), groups)
}

/// Test blocks that walk forward by counts of timestamps (k×2).
#[pyfunction]
#[pyo3(signature = (timestamps, folds, test, step, lead, anchor_end))]
pub(crate) fn walk_forward_blocks(
    py: Python<'_>,
    timestamps: usize,
    folds: Option<usize>,
    test: usize,
    step: usize,
    lead: usize,
    anchor_end: bool,
) -> PyResult<Bound<'_, PyArray2<i64>>> {
    let anchor = if anchor_end { Anchor::End } else { Anchor::Start };
    let blocks = Walk { folds, test, step, lead, anchor }.blocks(timestamps);
    spans_out(py, blocks.map_err(|error| errors::to_python(py, &error))?)
}
