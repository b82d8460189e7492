//! Scans over rows: fingerprints, duplicate rows, rows that repeat the one before.

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use tradewright_core::scan::duplicates::{self, Likeness};
use tradewright_core::scan::fingerprint::{self, Field, Reading, TimeUnit};
use tradewright_core::scan::repeated;
use tradewright_core::{Column, Error};

use crate::arrays::{Columns, slice};
use crate::{detach, errors};

/// How many values a frame holds.
pub(crate) fn size(views: &[Column<'_>]) -> usize {
    views.first().map_or(0, Column::len).saturating_mul(views.len())
}

type RowPairs<'py> = (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<u32>>);

/// Centres and steps of a grid by column, and its shift in steps.
type PyGrid<'py> = (PyReadonlyArray1<'py, f64>, PyReadonlyArray1<'py, f64>, f64);

fn likeness<'a>(py: Python<'_>, single: bool, grid: Option<&'a PyGrid<'_>>) -> PyResult<Likeness<'a>> {
    match grid {
        Some((centres, steps, shift)) => Ok(Likeness::Grid {
            centres: slice(py, "centres", centres)?,
            steps: slice(py, "steps", steps)?,
            shift: *shift,
        }),
        None if single => Ok(Likeness::Single),
        None => Ok(Likeness::Exact),
    }
}

/// Rows of `val` that equal a row of `train`, and the first such train row of each.
///
/// With `single` numbers are equal that round to one float32, with `grid` (centres, steps, shift) those that round to
/// one point of the grid.
#[pyfunction]
#[pyo3(signature = (train, val, single=false, grid=None))]
pub(crate) fn cross_duplicates<'py>(
    py: Python<'py>,
    train: &Bound<'py, PyAny>,
    val: &Bound<'py, PyAny>,
    single: bool,
    grid: Option<PyGrid<'py>>,
) -> PyResult<RowPairs<'py>> {
    let (train, val) = (Columns::borrow(train)?, Columns::borrow(val)?);
    let (train, val) = (train.views(py)?, val.views(py)?);
    let size = size(&train) + size(&val);
    let alike = likeness(py, single, grid.as_ref())?;
    let found = detach::run(py, size, |cancel| duplicates::cross_duplicates(&train, &val, alike, cancel))?;
    Ok((found.val_rows.into_pyarray(py), found.train_rows.into_pyarray(py)))
}

/// Rows that equal another row of the same frame, and the first row of the group of each. As `cross_duplicates`.
#[pyfunction]
#[pyo3(signature = (columns, single=false, grid=None))]
pub(crate) fn duplicate_rows<'py>(
    py: Python<'py>,
    columns: &Bound<'py, PyAny>,
    single: bool,
    grid: Option<PyGrid<'py>>,
) -> PyResult<RowPairs<'py>> {
    let columns = Columns::borrow(columns)?;
    let views = columns.views(py)?;
    let alike = likeness(py, single, grid.as_ref())?;
    let found = detach::run(py, size(&views), |cancel| duplicates::duplicate_rows(&views, alike, cancel))?;
    Ok((found.rows.into_pyarray(py), found.first.into_pyarray(py)))
}

/// Rows that equal the row `previous` names in every column; no row where that is out of range.
#[pyfunction]
pub(crate) fn repeated_rows<'py>(
    py: Python<'py>,
    columns: &Bound<'py, PyAny>,
    previous: PyReadonlyArray1<'py, u32>,
) -> PyResult<Bound<'py, PyArray1<u32>>> {
    let columns = Columns::borrow(columns)?;
    let views = columns.views(py)?;
    let previous = slice(py, "previous", &previous)?;
    let found = detach::run(py, size(&views), |cancel| repeated::repeated_rows(&views, previous, cancel))?;
    Ok(found.into_pyarray(py))
}

/// The content hash of each column, as 32 hex digits.
///
/// `units[j]` makes column j a time in that unit (64-bit integers), `texts[j]` makes it text (32-bit codes into it).
#[pyfunction]
#[pyo3(signature = (columns, names, units=None, texts=None))]
pub(crate) fn fingerprint_columns(
    py: Python<'_>,
    columns: &Bound<'_, PyAny>,
    names: Vec<String>,
    units: Option<Vec<Option<String>>>,
    texts: Option<Vec<Option<Vec<String>>>>,
) -> PyResult<Vec<String>> {
    let arrays = Columns::borrow(columns)?;
    let views = arrays.views(py)?;
    let to_python = |error: Error| errors::to_python(py, &error);
    let units = units.unwrap_or_else(|| vec![None; views.len()]);
    let texts = texts.unwrap_or_else(|| vec![None; views.len()]);
    for (name, got) in [("names", names.len()), ("units", units.len()), ("texts", texts.len())] {
        if got != views.len() {
            return Err(to_python(Error::LengthMismatch { name: name.into(), got, expected: views.len() }));
        }
    }
    let dictionaries: Vec<Option<Vec<u128>>> = texts
        .iter()
        .map(|texts| texts.as_ref().map(|texts| texts.iter().map(|text| fingerprint::text_hash(text)).collect()))
        .collect();
    let mut fields = Vec::with_capacity(views.len());
    for (j, &column) in views.iter().enumerate() {
        let reading = match (&units[j], &dictionaries[j]) {
            (Some(unit), _) => Reading::Time(TimeUnit::parse(unit).map_err(to_python)?),
            (None, Some(dictionary)) => Reading::Text(dictionary),
            (None, None) => Reading::Plain,
        };
        fields.push(Field { name: &names[j], column, reading });
    }
    let digests = detach::run(py, size(&views), |cancel| fingerprint::column_fingerprints(&fields, cancel))?;
    Ok(digests.into_iter().map(|digest| format!("{digest:032x}")).collect())
}

/// One hash of a set of column hashes, whatever their order.
#[pyfunction]
pub(crate) fn combine_fingerprints(py: Python<'_>, digests: Vec<String>) -> PyResult<String> {
    let digests: Vec<u128> = digests
        .iter()
        .map(|digest| u128::from_str_radix(digest, 16))
        .collect::<Result<_, _>>()
        .map_err(|_| errors::data_error(py, "a fingerprint has 32 hex digits".into()))?;
    Ok(format!("{:032x}", fingerprint::combine(&digests)))
}
