//! Ranges of time order as the caller's rows: positions and masks.

use numpy::{PyArray1, PyReadonlyArray1, PyReadonlyArray2, ndarray};
use pyo3::prelude::*;
use tradewright_core::Error;
use tradewright_core::rows::{Range, Rows};
use tradewright_core::split::Places;
use tradewright_core::split::positions::{self, Position};

use crate::arrays::{Plain, fresh, fresh_mask, slice};
use crate::errors::{self, data_error};

fn rows_of(py: Python<'_>, table: ndarray::ArrayView2<'_, i64>, total: usize) -> PyResult<Rows> {
    if table.ncols() != 2 {
        return Err(data_error(py, "ranges must have two columns, start and stop".into()));
    }
    let mut out = Vec::with_capacity(table.nrows());
    for range in table.rows() {
        match (usize::try_from(range[0]), usize::try_from(range[1])) {
            (Ok(start), Ok(stop)) if start <= stop && stop <= total => out.push(Range::new(start, stop)),
            _ => return Err(data_error(py, format!("range {}..{} is outside of {total} rows", range[0], range[1]))),
        }
    }
    Ok(Rows::from_ranges(out))
}

/// An order that came back from Python, borrowed.
enum Permutation<'py> {
    Narrow(PyReadonlyArray1<'py, i32>),
    Wide(PyReadonlyArray1<'py, i64>),
}

impl<'py> Permutation<'py> {
    fn borrow(order: Option<Bound<'py, PyAny>>) -> PyResult<Option<Self>> {
        let Some(order) = order else { return Ok(None) };
        if let Ok(narrow) = order.extract() {
            return Ok(Some(Self::Narrow(narrow)));
        }
        Ok(Some(Self::Wide(order.extract()?)))
    }

    /// The positions, checked, since they are used as indices.
    fn places(&self, py: Python<'_>, total: usize) -> PyResult<Places<'_>> {
        let fits = |row: Option<usize>| row.is_some_and(|row| row < total);
        let (places, sound) = match self {
            Self::Narrow(order) => {
                let rows = slice(py, "order", order)?;
                (Places::Narrow(rows), rows.iter().all(|&row| fits(usize::try_from(row).ok())))
            }
            Self::Wide(order) => {
                let rows = slice(py, "order", order)?;
                (Places::Wide(rows), rows.iter().all(|&row| fits(usize::try_from(row).ok())))
            }
        };
        if places.len() != total || !sound {
            return Err(data_error(py, format!("order does not hold the positions of {total} rows")));
        }
        Ok(places)
    }
}

fn written<'py, P: Position + Plain>(
    py: Python<'py>,
    sets: &[Rows],
    order: Option<Places<'_>>,
    total: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let chosen = sets.iter().map(Rows::len).sum();
    let size = if order.is_some() { total * sets.len() } else { chosen };
    let array = fresh::<P>(py, chosen, size, |out, cancel| positions::write_sets(sets, order, out, cancel))?;
    Ok(array.into_any())
}

/// The ranges of each set: those from `borders[i]` to `borders[i + 1]`; of one set without borders.
fn sets_of(
    py: Python<'_>,
    ranges: &PyReadonlyArray2<'_, i64>,
    borders: Option<&PyReadonlyArray1<'_, i64>>,
    total: usize,
) -> PyResult<Vec<Rows>> {
    let table = ranges.as_array();
    let Some(borders) = borders else { return Ok(vec![rows_of(py, table, total)?]) };
    let borders = slice(py, "borders", borders)?;
    let places: Option<Vec<usize>> = borders.iter().map(|&border| usize::try_from(border).ok()).collect();
    match places {
        Some(places) if places.is_sorted() && places.last().is_none_or(|&last| last <= table.nrows()) => {
            places.windows(2).map(|pair| rows_of(py, table.slice(ndarray::s![pair[0]..pair[1], ..]), total)).collect()
        }
        _ => Err(data_error(py, format!("borders must ascend from 0 to {}, the number of ranges", table.nrows()))),
    }
}

/// The caller's rows of some ranges of time order, ascending; int32 when `narrow`.
///
/// With `borders` of several sets, one set behind the other in one array: a large block of memory is given out much
/// faster than many small ones.
#[pyfunction]
#[pyo3(signature = (ranges, rows, order=None, narrow=false, borders=None))]
pub(crate) fn range_positions<'py>(
    py: Python<'py>,
    ranges: PyReadonlyArray2<'py, i64>,
    rows: usize,
    order: Option<Bound<'py, PyAny>>,
    narrow: bool,
    borders: Option<PyReadonlyArray1<'py, i64>>,
) -> PyResult<Bound<'py, PyAny>> {
    let sets = sets_of(py, &ranges, borders.as_ref(), rows)?;
    let order = Permutation::borrow(order)?;
    let order = order.as_ref().map(|order| order.places(py, rows)).transpose()?;
    if narrow {
        if i32::try_from(rows).is_err() {
            let error = Error::Parameter {
                name: "dtype".into(),
                value: "int32".into(),
                hint: format!("it cannot number {rows} rows; use int64"),
            };
            return Err(errors::to_python(py, &error));
        }
        return written::<i32>(py, &sets, order, rows);
    }
    written::<i64>(py, &sets, order, rows)
}

/// Whether each of the caller's rows is in some ranges of time order.
#[pyfunction]
#[pyo3(signature = (ranges, rows, order=None))]
pub(crate) fn range_mask<'py>(
    py: Python<'py>,
    ranges: PyReadonlyArray2<'py, i64>,
    rows: usize,
    order: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyArray1<bool>>> {
    let chosen = rows_of(py, ranges.as_array(), rows)?;
    let order = Permutation::borrow(order)?;
    let order = order.as_ref().map(|order| order.places(py, rows)).transpose()?;
    fresh_mask(py, rows, |mask, _| {
        positions::mark(&chosen, order, mask);
        Ok(())
    })
}
