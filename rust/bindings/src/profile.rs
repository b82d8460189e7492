//! The column profile: a state that batches of rows are added to.

use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tradewright_core::scan::column_profile::{self, ColumnProfile, Moments, RowFacts, Steps};

use crate::arrays::{Columns, slice};
use crate::scan::size;
use crate::{detach, errors};

/// What each column of a frame holds, found in one read; see `tradewright_core::scan::column_profile`.
#[pyclass(module = "tradewright._core")]
pub(crate) struct ColumnProfiler {
    profiler: column_profile::ColumnProfiler,
}

#[pymethods]
impl ColumnProfiler {
    /// Of no rows yet. `assets` says how many assets there are, `parts` into how many parts rows are divided.
    #[new]
    #[pyo3(signature = (assets=None, parts=1))]
    fn new(assets: Option<usize>, parts: usize) -> Self {
        Self { profiler: column_profile::ColumnProfiler::new(assets, parts) }
    }

    /// Adds rows that come behind those read so far.
    #[pyo3(signature = (columns, assets=None, parts=None, order=None))]
    fn update(
        &mut self,
        py: Python<'_>,
        columns: &Bound<'_, PyAny>,
        assets: Option<PyReadonlyArray1<'_, i32>>,
        parts: Option<PyReadonlyArray1<'_, u32>>,
        order: Option<PyReadonlyArray1<'_, u32>>,
    ) -> PyResult<()> {
        let columns = Columns::borrow(columns)?;
        let views = columns.views(py)?;
        let facts = RowFacts {
            assets: assets.as_ref().map(|assets| slice(py, "assets", assets)).transpose()?,
            parts: parts.as_ref().map(|parts| slice(py, "parts", parts)).transpose()?,
            order: order.as_ref().map(|order| slice(py, "order", order)).transpose()?,
        };
        let profiler = &mut self.profiler;
        detach::run(py, size(&views), |cancel| profiler.update(&views, facts, cancel))
    }

    /// Adds the profile of rows that come behind those of this one.
    fn merge(&mut self, py: Python<'_>, other: PyRef<'_, Self>) -> PyResult<()> {
        self.profiler.merge(&other.profiler).map_err(|error| errors::to_python(py, &error))
    }

    /// How many rows were read.
    #[getter]
    fn rows(&self) -> u64 {
        self.profiler.rows()
    }

    /// The facts by name: a value a column, or a row of values a column (by part, by asset).
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let found = self.profiler.finish();
        let facts = PyDict::new(py);
        facts.set_item("asset_rows", array(py, self.profiler.asset_rows().iter().map(|&rows| rows as i64)))?;
        for (name, of) in COUNTS {
            facts.set_item(*name, array(py, found.iter().map(|column| of(&column.total) as i64)))?;
            facts.set_item(format!("part_{name}"), by_part(py, &found, |part| of(part) as i64)?)?;
        }
        for (name, of) in NUMBERS {
            facts.set_item(*name, array(py, found.iter().map(|column| of(&column.total))))?;
            facts.set_item(format!("part_{name}"), by_part(py, &found, *of)?)?;
        }
        for (name, of) in [("row", (|c| c.rows) as fn(&ColumnProfile) -> Steps), ("own", |c| c.own)] {
            facts.set_item(format!("{name}_equal"), array(py, found.iter().map(|c| of(c).equal as i64)))?;
            facts.set_item(format!("{name}_rises"), array(py, found.iter().map(|c| of(c).rises as i64)))?;
            facts.set_item(format!("{name}_falls"), array(py, found.iter().map(|c| of(c).falls as i64)))?;
        }
        let many = column_profile::CAPACITY + 1;
        facts.set_item("distinct", array(py, found.iter().map(|c| c.distinct.unwrap_or(many) as i64)))?;
        facts.set_item("top_value", array(py, found.iter().map(|c| c.top.first().map_or(f64::NAN, |top| top.0))))?;
        facts.set_item("top_count", array(py, found.iter().map(|c| c.top.first().map_or(0, |top| top.1 as i64))))?;
        facts.set_item("hash", array(py, found.iter().map(|c| c.hash)))?;
        facts.set_item("longest", by_asset(py, &found, |c| &c.longest)?)?;
        facts.set_item("lead", by_asset(py, &found, |c| &c.lead)?)?;
        Ok(facts)
    }
}

type Count = fn(&Moments) -> u64;
type Number = fn(&Moments) -> f64;

const COUNTS: &[(&str, Count)] =
    &[("rows", |m| m.rows), ("nan", |m| m.nan), ("infinite", |m| m.infinite), ("zeros", |m| m.zeros)];

const NUMBERS: &[(&str, Number)] =
    &[("min", |m| m.min), ("max", |m| m.max), ("mean", |m| m.mean), ("squares", |m| m.squares)];

fn array<T: numpy::Element>(py: Python<'_>, values: impl Iterator<Item = T>) -> Bound<'_, PyArray1<T>> {
    values.collect::<Vec<T>>().into_pyarray(py)
}

fn table<T: numpy::Element>(py: Python<'_>, values: Vec<T>, rows: usize) -> PyResult<Bound<'_, PyArray2<T>>> {
    let width = values.len().checked_div(rows).unwrap_or(0);
    values.into_pyarray(py).reshape([rows, width])
}

fn by_part<'py, T: numpy::Element>(
    py: Python<'py>,
    found: &[ColumnProfile],
    of: impl Fn(&Moments) -> T,
) -> PyResult<Bound<'py, PyArray2<T>>> {
    table(py, found.iter().flat_map(|column| column.parts.iter().map(&of)).collect(), found.len())
}

fn by_asset<'py>(
    py: Python<'py>,
    found: &[ColumnProfile],
    of: impl Fn(&ColumnProfile) -> &Vec<u32>,
) -> PyResult<Bound<'py, PyArray2<u32>>> {
    table(py, found.iter().flat_map(|column| of(column).iter().copied()).collect(), found.len())
}
