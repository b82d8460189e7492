//! Statistics between columns: ranks, associations, lag profiles, correlations, drift.

use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use tradewright_core::scan::association::{self, Labels};
use tradewright_core::scan::drift::{self, Chosen};
use tradewright_core::scan::series::Series;
use tradewright_core::scan::{autocorrelation, correlation, future_value, missingness};
use tradewright_core::{Column, Error};

use crate::arrays::{Columns, fresh, slice};
use crate::blocks::{Table, table_of};
use crate::{detach, errors};

type Numbers<'py> = Bound<'py, PyArray2<f64>>;

/// How many values are read.
fn size(views: &[Column<'_>], rows: Option<&[i64]>) -> usize {
    rows.map_or_else(|| views.first().map_or(0, Column::len), <[i64]>::len).saturating_mul(views.len())
}

fn numbers_of(py: Python<'_>, values: Vec<f64>, rows: usize) -> PyResult<Numbers<'_>> {
    let columns = values.len() / rows.max(1);
    values.into_pyarray(py).reshape([rows, columns])
}

/// The ranks of some rows of each column (columns × rows, float32): ties averaged, NaN for NaN.
#[pyfunction]
#[pyo3(signature = (columns, rows=None))]
pub(crate) fn ranks<'py>(
    py: Python<'py>,
    columns: &Bound<'py, PyAny>,
    rows: Option<PyReadonlyArray1<'py, i64>>,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let columns = Columns::borrow(columns)?;
    let views = columns.views(py)?;
    let rows = rows.as_ref().map(|rows| slice(py, "rows", rows)).transpose()?;
    let (count, cells) = (views.len(), size(&views, rows));
    let out = fresh(py, cells, cells, |out, cancel| tradewright_core::scan::ranks::ranks(&views, rows, out, cancel))?;
    out.reshape([count, cells.checked_div(count).unwrap_or(0)])
}

/// How columns go with the labels, from the ranks of both.
///
/// Columns × 6: known rows, Spearman, area under the curve, correlation ratio on the ranks of y and of |y|, filled bins.
#[pyfunction]
#[pyo3(signature = (ranks, y_ranks, abs_ranks, positive=None, bins=32))]
pub(crate) fn associations<'py>(
    py: Python<'py>,
    ranks: PyReadonlyArray2<'py, f32>,
    y_ranks: PyReadonlyArray1<'py, f32>,
    abs_ranks: PyReadonlyArray1<'py, f32>,
    positive: Option<PyReadonlyArray1<'py, bool>>,
    bins: usize,
) -> PyResult<Numbers<'py>> {
    let columns = ranks.shape()[0];
    let ranks = slice(py, "ranks", &ranks)?;
    let positive = positive.as_ref().map(|positive| slice(py, "positive", positive)).transpose()?;
    let labels =
        Labels { ranks: slice(py, "y_ranks", &y_ranks)?, abs_ranks: slice(py, "abs_ranks", &abs_ranks)?, positive };
    let found = detach::run(py, ranks.len(), |cancel| association::associations(ranks, &labels, bins.max(1), cancel))?;
    let row = |a: association::Association| [a.known as f64, a.spearman, a.auc, a.ratio, a.ratio_abs, a.bins as f64];
    numbers_of(py, found.into_iter().flat_map(row).collect(), columns)
}

/// The number of missing cells of each column in each class of rows (columns × classes).
#[pyfunction]
pub(crate) fn missing_by_class<'py>(
    py: Python<'py>,
    columns: &Bound<'py, PyAny>,
    classes: PyReadonlyArray1<'py, u8>,
    count: usize,
) -> PyResult<Table<'py>> {
    let columns = Columns::borrow(columns)?;
    let views = columns.views(py)?;
    let classes = slice(py, "classes", &classes)?;
    let counts =
        detach::run(py, size(&views, None), |cancel| missingness::missing_by_class(&views, classes, count, cancel))?;
    table_of(py, counts.into_iter().map(|count| count as i64).collect(), count.max(1))
}

/// A walk through rows asset by asset, borrowed for one call.
struct Walk<'py> {
    order: Option<PyReadonlyArray1<'py, i64>>,
    starts: PyReadonlyArray1<'py, i64>,
}

impl Walk<'_> {
    fn series(&self, py: Python<'_>, rows: usize) -> PyResult<Series<'_>> {
        let order = self.order.as_ref().map(|order| slice(py, "order", order)).transpose()?;
        let series = Series::new(order, slice(py, "starts", &self.starts)?, rows);
        series.map_err(|error: Error| errors::to_python(py, &error))
    }
}

/// The autocorrelation of each column at lag one, each asset standardised on its own.
#[pyfunction]
pub(crate) fn autocorrelations<'py>(
    py: Python<'py>,
    columns: &Bound<'py, PyAny>,
    order: Option<PyReadonlyArray1<'py, i64>>,
    starts: PyReadonlyArray1<'py, i64>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let columns = Columns::borrow(columns)?;
    let views = columns.views(py)?;
    let walk = Walk { order, starts };
    let series = walk.series(py, views.first().map_or(0, Column::len))?;
    let size = series.len().saturating_mul(views.len());
    let found = detach::run(py, size, |cancel| autocorrelation::autocorrelations(&views, &series, cancel))?;
    Ok(found.into_pyarray(py))
}

/// The correlation of each column with the labels `first` to `last` rows later, and the pairs it is from.
///
/// Two tables, columns × lags. Columns flagged in `differenced` are taken by what they changed by.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub(crate) fn lag_profile<'py>(
    py: Python<'py>,
    columns: &Bound<'py, PyAny>,
    differenced: Vec<bool>,
    y: &Bound<'py, PyAny>,
    order: Option<PyReadonlyArray1<'py, i64>>,
    starts: PyReadonlyArray1<'py, i64>,
    first: i64,
    last: i64,
) -> PyResult<(Numbers<'py>, Table<'py>)> {
    let (columns, labels) = (Columns::borrow(columns)?, Columns::borrow(y)?);
    let (views, labels) = (columns.views(py)?, labels.views(py)?);
    let walk = Walk { order, starts };
    let series = walk.series(py, labels[0].len())?;
    let size = series.len().saturating_mul(views.len() + 1);
    let found = detach::run(py, size, |cancel| {
        tradewright_core::scan::lag_profile::lag_profile(
            &views,
            &differenced,
            &labels[0],
            &series,
            first..=last,
            cancel,
        )
    })?;
    let lags = usize::try_from(last - first + 1).unwrap_or(1);
    let pairs = found.pairs.into_iter().map(|count| count as i64).collect();
    Ok((numbers_of(py, found.correlations, views.len())?, table_of(py, pairs, lags)?))
}

/// Columns that equal a source `lag` rows later in nine sampled rows of ten or more.
///
/// A row each of: column, source, lag, known rows, equal ones, rows in which the later value is news, equal ones of those.
#[pyfunction]
pub(crate) fn future_values<'py>(
    py: Python<'py>,
    columns: &Bound<'py, PyAny>,
    sources: &Bound<'py, PyAny>,
    order: Option<PyReadonlyArray1<'py, i64>>,
    starts: PyReadonlyArray1<'py, i64>,
    lags: PyReadonlyArray1<'py, i64>,
) -> PyResult<Table<'py>> {
    let (columns, sources) = (Columns::borrow(columns)?, Columns::borrow(sources)?);
    let (views, sources) = (columns.views(py)?, sources.views(py)?);
    let walk = Walk { order, starts };
    let series = walk.series(py, views.first().map_or(0, Column::len))?;
    let lags = slice(py, "lags", &lags)?;
    let size = series.len().saturating_mul(views.len());
    let found = detach::run(py, size, |cancel| future_value::future_values(&views, &sources, &series, lags, cancel))?;
    let row = |f: future_value::FutureValue| {
        [f.column, f.source, 0, f.known, f.equal, f.news, f.equal_news].map(|count| count as i64)
    };
    let rows = found.into_iter().flat_map(|found| {
        let mut row = row(found);
        row[2] = found.lag;
        row
    });
    table_of(py, rows.collect(), 7)
}

/// Pearson's correlation of every pair of columns over some rows, of each pair those in which both are known.
#[pyfunction]
#[pyo3(signature = (columns, rows=None))]
pub(crate) fn correlations<'py>(
    py: Python<'py>,
    columns: &Bound<'py, PyAny>,
    rows: Option<PyReadonlyArray1<'py, i64>>,
) -> PyResult<Numbers<'py>> {
    let columns = Columns::borrow(columns)?;
    let views = columns.views(py)?;
    let rows = rows.as_ref().map(|rows| slice(py, "rows", rows)).transpose()?;
    let found = detach::run(py, size(&views, rows), |cancel| correlation::correlations(&views, rows, cancel))?;
    numbers_of(py, found, views.len())
}

/// How the distribution of each column differs between rows of one frame and of another.
///
/// Columns × 14: Kolmogorov-Smirnov distance, stability index; then for each side known cells, least, quartiles, largest.
#[pyfunction]
#[pyo3(signature = (first, second, first_rows=None, second_rows=None))]
pub(crate) fn drifts<'py>(
    py: Python<'py>,
    first: &Bound<'py, PyAny>,
    second: &Bound<'py, PyAny>,
    first_rows: Option<PyReadonlyArray1<'py, i64>>,
    second_rows: Option<PyReadonlyArray1<'py, i64>>,
) -> PyResult<Numbers<'py>> {
    let (first, second) = (Columns::borrow(first)?, Columns::borrow(second)?);
    let (first, second) = (first.views(py)?, second.views(py)?);
    let first_rows = first_rows.as_ref().map(|rows| slice(py, "first_rows", rows)).transpose()?;
    let second_rows = second_rows.as_ref().map(|rows| slice(py, "second_rows", rows)).transpose()?;
    let size = size(&first, first_rows) + size(&second, second_rows);
    let found = detach::run(py, size, |cancel| {
        let first = Chosen { columns: &first, rows: first_rows };
        drift::drifts(first, Chosen { columns: &second, rows: second_rows }, cancel)
    })?;
    drift_table(py, &found)
}

/// A row a column: distance, stability; then for each side known cells, least, quartiles, largest.
pub(crate) fn drift_table<'py>(py: Python<'py>, found: &[drift::Drift]) -> PyResult<Numbers<'py>> {
    let row = |d: &drift::Drift| {
        let side = |q: drift::Quartiles| [q.known as f64, q.at[0], q.at[1], q.at[2], q.at[3], q.at[4]];
        [d.distance, d.stability].into_iter().chain(side(d.first)).chain(side(d.second))
    };
    numbers_of(py, found.iter().flat_map(row).collect(), found.len())
}
