//! Columns sorted once by block of rows: a state that sets of blocks are compared by.

use numpy::{PyArray2, PyReadonlyArray1};
use pyo3::prelude::*;
use tradewright_core::scan::block_drift;

use crate::arrays::{Columns, slice};
use crate::detach;
use crate::scan_statistics::drift_table;

/// Some rows of each column in ascending order; see `tradewright_core::scan::block_drift`.
#[pyclass(module = "tradewright._core", frozen)]
pub(crate) struct BlockSamples {
    samples: block_drift::BlockSamples,
}

#[pymethods]
impl BlockSamples {
    /// Sorts some rows of each column; `numbers` has the block of each row.
    #[new]
    #[pyo3(signature = (columns, rows, numbers, blocks))]
    fn new(
        py: Python<'_>,
        columns: &Bound<'_, PyAny>,
        rows: Option<PyReadonlyArray1<'_, i64>>,
        numbers: PyReadonlyArray1<'_, u32>,
        blocks: usize,
    ) -> PyResult<Self> {
        let columns = Columns::borrow(columns)?;
        let views = columns.views(py)?;
        let rows = rows.as_ref().map(|rows| slice(py, "rows", rows)).transpose()?;
        let numbers = slice(py, "numbers", &numbers)?;
        let samples = detach::run(py, numbers.len() * views.len(), |cancel| {
            block_drift::BlockSamples::new(&views, rows, numbers, blocks, cancel)
        })?;
        Ok(Self { samples })
    }

    /// How each column differs between two sets of blocks, given by a weight a block; the columns of `drifts`.
    fn drifts<'py>(
        &self,
        py: Python<'py>,
        first: PyReadonlyArray1<'py, f64>,
        second: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let (first, second) = (slice(py, "first", &first)?, slice(py, "second", &second)?);
        let found = detach::run(py, self.samples.cells(), |cancel| self.samples.drifts(first, second, cancel))?;
        drift_table(py, &found)
    }
}
