//! Timelines and plans.

use numpy::{IntoPyArray, PyArray1, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use tradewright_core::split::plan::{mask as core_mask, positions as core_positions};
use tradewright_core::split::{
    Block, Closed, Embargo, FoldSpec, Limit, OnEmpty, Plan, Series, Timeline as Index, Window, gather, plan, time_order,
};
use tradewright_core::{Cancel, Range};

use crate::arrays::slice;
use crate::detach;
use crate::errors::data_error;

type Ints = Py<PyArray1<i64>>;
type PlanColumns = (Ints, Py<PyArray1<u8>>, Ints, Ints);

/// Times and label ends in time order with their index; keeps the caller's arrays alive, copies only unsorted ones.
#[pyclass(frozen, module = "tradewright._core")]
pub(crate) struct Timeline {
    times: Ints,
    ends: Option<Ints>,
    order: Option<Ints>,
    index: Index,
}

#[pymethods]
impl Timeline {
    #[new]
    #[pyo3(signature = (times, label_end=None))]
    fn new<'py>(
        py: Python<'py>,
        times: PyReadonlyArray1<'py, i64>,
        label_end: Option<PyReadonlyArray1<'py, i64>>,
    ) -> PyResult<Self> {
        let time = slice(py, "time", &times)?;
        let ends = label_end.as_ref().map(|ends| slice(py, "label_end", ends)).transpose()?;
        if let Some(index) = detach::run(py, time.len(), |cancel| Index::build(time, ends, cancel))? {
            let keep = |array: &PyReadonlyArray1<'py, i64>| (**array).clone().unbind();
            return Ok(Self { times: keep(&times), ends: label_end.as_ref().map(keep), order: None, index });
        }
        let sort = |cancel: &Cancel| {
            let order = time_order(time);
            cancel.check()?;
            let sorted = gather(time, &order);
            let sorted_ends = ends.map(|ends| gather(ends, &order));
            let index = Index::build(&sorted, sorted_ends.as_deref(), cancel)?;
            Ok((order, sorted, sorted_ends, index))
        };
        let (order, sorted, sorted_ends, index) = detach::run(py, time.len(), sort)?;
        let index = index.expect("gathered in time order");
        let array = |values: Vec<i64>| values.into_pyarray(py).unbind();
        Ok(Self { times: array(sorted), ends: sorted_ends.map(array), order: Some(array(order)), index })
    }

    /// How many rows there are.
    fn __len__(&self) -> usize {
        self.index.rows()
    }

    /// How many distinct timestamps there are.
    #[getter]
    fn timestamps(&self) -> usize {
        self.index.timestamps()
    }

    /// Times in time order.
    #[getter]
    fn times(&self, py: Python<'_>) -> Ints {
        self.times.clone_ref(py)
    }

    /// Label ends in time order.
    #[getter]
    fn label_ends(&self, py: Python<'_>) -> Option<Ints> {
        self.ends.as_ref().map(|ends| ends.clone_ref(py))
    }

    /// The caller's position of each row in time order; None when the caller's rows are sorted.
    #[getter]
    fn order(&self, py: Python<'_>) -> Option<Ints> {
        self.order.as_ref().map(|order| order.clone_ref(py))
    }

    /// The first row of each timestamp.
    fn first_rows(&self, py: Python<'_>, timestamps: PyReadonlyArray1<'_, i64>) -> PyResult<Ints> {
        let indices = slice(py, "timestamps", &timestamps)?;
        let rows: Vec<i64> = indices.iter().map(|&index| self.index.first_row(index.max(0) as usize) as i64).collect();
        Ok(rows.into_pyarray(py).unbind())
    }

    /// How many timestamps lie before an instant, or at it too (`inclusive`).
    fn count_before(&self, py: Python<'_>, instant: i64, inclusive: bool) -> PyResult<usize> {
        self.with_series(py, |series| {
            let row = if inclusive { series.row_after(instant) } else { series.row_at_or_after(instant) };
            self.index.timestamp_of(row)
        })
    }

    /// First time and latest label end of each block of timestamps, as two arrays.
    fn hulls(&self, py: Python<'_>, blocks: PyReadonlyArray2<'_, i64>) -> PyResult<(Ints, Ints)> {
        let ranges = self.ranges(py, "blocks", &blocks)?;
        if ranges.iter().any(|range| range.is_empty()) {
            return Err(data_error(py, "a block without timestamps has no hull".into()));
        }
        let (first, last): (Vec<i64>, Vec<i64>) = self.with_series(py, |series| {
            ranges.iter().map(|&range| (series.times[range.start], series.max_end(range))).unzip()
        })?;
        Ok((first.into_pyarray(py).unbind(), last.into_pyarray(py).unbind()))
    }

    /// The table of a plan: fold, role, start, stop.
    ///
    /// `tests` are blocks of timestamps and `folds` the fold of each, ascending; `vals` and `pools` have a block per fold
    /// (an empty one for none). `embargo` says which rows it is about ("none", "after", "before") with `limits` per test
    /// block, as counts of timestamps or as instants (`by_instant`). `windows` is the number of timestamps to train on, or
    /// the instant to train from, per fold; None trains on all.
    #[allow(clippy::too_many_arguments)]
    #[pyo3(signature = (tests, folds, vals, pools, *, embargo, limits, by_instant, windows, windows_by_instant, closed_left, on_empty))]
    fn plan(
        &self,
        py: Python<'_>,
        tests: PyReadonlyArray2<'_, i64>,
        folds: PyReadonlyArray1<'_, i64>,
        vals: PyReadonlyArray2<'_, i64>,
        pools: PyReadonlyArray2<'_, i64>,
        embargo: &str,
        limits: PyReadonlyArray1<'_, i64>,
        by_instant: bool,
        windows: Option<PyReadonlyArray1<'_, i64>>,
        windows_by_instant: bool,
        closed_left: bool,
        on_empty: &str,
    ) -> PyResult<PlanColumns> {
        let (blocks, vals) = (self.ranges(py, "tests", &tests)?, self.ranges(py, "vals", &vals)?);
        let pools = self.ranges(py, "pools", &pools)?;
        let (folds, limits) = (slice(py, "folds", &folds)?, slice(py, "limits", &limits)?);
        let windows = windows.as_ref().map(|values| slice(py, "windows", values)).transpose()?;
        let lengths_fit = blocks.len() == folds.len()
            && blocks.len() == limits.len()
            && vals.len() == pools.len()
            && windows.is_none_or(|windows| windows.len() == pools.len())
            && folds.iter().all(|&fold| usize::try_from(fold).is_ok_and(|fold| fold < pools.len()))
            && blocks.iter().all(|block| !block.is_empty());
        if !lengths_fit {
            return Err(data_error(py, "the arrays of a plan do not fit each other".into()));
        }
        let embargo_of = |limit: i64| {
            let limit = if by_instant { Limit::Instant(limit) } else { Limit::Timestamps(limit.max(0) as usize) };
            match embargo {
                "after" => Embargo::After(limit),
                "before" => Embargo::Before(limit),
                _ => Embargo::None,
            }
        };
        let window_of = |fold: usize| match windows {
            None => Window::All,
            Some(values) if windows_by_instant => Window::From(values[fold]),
            Some(values) => Window::Last(values[fold].max(0) as usize),
        };
        let mut specs: Vec<FoldSpec> = (0..pools.len())
            .map(|fold| FoldSpec {
                tests: Vec::new(),
                val: Some(vals[fold]).filter(|range| !range.is_empty()),
                pool: pools[fold],
                window: window_of(fold),
            })
            .collect();
        for ((&rows, &fold), &limit) in blocks.iter().zip(folds).zip(limits) {
            specs[fold as usize].tests.push(Block { rows, embargo: embargo_of(limit) });
        }
        let closed = if closed_left { Closed::Left } else { Closed::Both };
        let on_empty = match on_empty {
            "skip" => OnEmpty::Skip,
            "keep" => OnEmpty::Keep,
            _ => OnEmpty::Raise,
        };
        let (times, ends) = self.arrays(py);
        let time = slice(py, "time", &times)?;
        let ends = ends.as_ref().map(|ends| slice(py, "label_end", ends)).transpose()?;
        let table = detach::run(py, time.len(), |cancel| {
            plan(&Series { times: time, ends, index: &self.index }, &specs, closed, on_empty, cancel)
        })?;
        Ok(columns(py, &table))
    }
}

impl Timeline {
    fn arrays<'py>(&self, py: Python<'py>) -> (PyReadonlyArray1<'py, i64>, Option<PyReadonlyArray1<'py, i64>>) {
        (self.times.bind(py).readonly(), self.ends.as_ref().map(|ends| ends.bind(py).readonly()))
    }

    fn with_series<T>(&self, py: Python<'_>, f: impl FnOnce(&Series<'_>) -> T) -> PyResult<T> {
        let (times, ends) = self.arrays(py);
        let time = slice(py, "time", &times)?;
        let ends = ends.as_ref().map(|ends| slice(py, "label_end", ends)).transpose()?;
        Ok(f(&Series { times: time, ends, index: &self.index }))
    }

    /// Blocks of timestamps (k × 2) as ranges of rows.
    fn ranges(&self, py: Python<'_>, name: &str, blocks: &PyReadonlyArray2<'_, i64>) -> PyResult<Vec<Range>> {
        let blocks = blocks.as_array();
        if blocks.ncols() != 2 {
            return Err(data_error(py, format!("{name} has {} columns, expected start and stop", blocks.ncols())));
        }
        let row = |index: i64| self.index.first_row(index.max(0) as usize);
        Ok(blocks.rows().into_iter().map(|block| Range::new(row(block[0]), row(block[1]))).collect())
    }
}

fn columns(py: Python<'_>, table: &Plan) -> PlanColumns {
    let segments =
        || table.folds.iter().enumerate().flat_map(|(fold, segments)| segments.iter().map(move |s| (fold, s)));
    let ints = |values: Vec<i64>| values.into_pyarray(py).unbind();
    (
        ints(segments().map(|(fold, _)| fold as i64).collect()),
        segments().map(|(_, (role, _))| *role as u8).collect::<Vec<_>>().into_pyarray(py).unbind(),
        ints(segments().map(|(_, (_, range))| range.start as i64).collect()),
        ints(segments().map(|(_, (_, range))| range.stop as i64).collect()),
    )
}

/// Ranges of rows as the caller's positions, ascending: int64, or int32 where asked for.
#[pyfunction]
#[pyo3(signature = (ranges, order, rows, *, narrow))]
pub(crate) fn positions(
    py: Python<'_>,
    ranges: PyReadonlyArray2<'_, i64>,
    order: Option<PyReadonlyArray1<'_, i64>>,
    rows: usize,
    narrow: bool,
) -> PyResult<Py<PyAny>> {
    let ranges = checked_ranges(py, &ranges, rows)?;
    let order = order.as_ref().map(|order| checked_order(py, order, rows)).transpose()?;
    let found = detach::run(py, rows, |_| Ok(core_positions(&ranges, order, rows)))?;
    if narrow {
        let found: Vec<i32> = found.into_iter().map(|row| row as i32).collect();
        return Ok(found.into_pyarray(py).into_any().unbind());
    }
    Ok(found.into_pyarray(py).into_any().unbind())
}

/// Whether each of the caller's rows is in the ranges.
#[pyfunction]
pub(crate) fn row_mask(
    py: Python<'_>,
    ranges: PyReadonlyArray2<'_, i64>,
    order: Option<PyReadonlyArray1<'_, i64>>,
    rows: usize,
) -> PyResult<Py<PyArray1<bool>>> {
    let ranges = checked_ranges(py, &ranges, rows)?;
    let order = order.as_ref().map(|order| checked_order(py, order, rows)).transpose()?;
    let found = detach::run(py, rows, |_| Ok(core_mask(&ranges, order, rows)))?;
    Ok(found.into_pyarray(py).unbind())
}

fn checked_ranges(py: Python<'_>, ranges: &PyReadonlyArray2<'_, i64>, rows: usize) -> PyResult<Vec<Range>> {
    let ranges = ranges.as_array();
    let fits =
        |start: i64, stop: i64| 0 <= start && start <= stop && usize::try_from(stop).is_ok_and(|stop| stop <= rows);
    if ranges.ncols() != 2 || !ranges.rows().into_iter().all(|range| fits(range[0], range[1])) {
        return Err(data_error(py, format!("ranges must be start and stop columns within {rows} rows")));
    }
    Ok(ranges.rows().into_iter().map(|range| Range::new(range[0] as usize, range[1] as usize)).collect())
}

fn checked_order<'a>(py: Python<'_>, order: &'a PyReadonlyArray1<'_, i64>, rows: usize) -> PyResult<&'a [i64]> {
    let order = slice(py, "order", order)?;
    if order.len() != rows || order.iter().any(|&row| usize::try_from(row).map_or(true, |row| row >= rows)) {
        return Err(data_error(py, format!("order must hold the positions of {rows} rows")));
    }
    Ok(order)
}
