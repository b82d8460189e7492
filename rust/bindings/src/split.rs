//! Timelines and plans.

use numpy::{IntoPyArray, PyArray1, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArrayDyn};
use pyo3::prelude::*;
use tradewright_core::parallel::map_blocks;
use tradewright_core::split::plan::Fold;
use tradewright_core::split::{
    self, AssetHulls, Assets, Block, Closed, Embargo, FoldSpec, Limit, OnEmpty, Order, Role, Series, Span, Window,
    holdout,
};
use tradewright_core::{Cancel, Error, Result};

use crate::arrays::slice;
use crate::blocks::{Table, table_of};
use crate::errors::data_error;
use crate::{detach, errors};

type Ints<'py> = Bound<'py, PyArray1<i64>>;

/// Times and label ends of a panel, looked at once: what plans are made from, as often as one likes.
///
/// Holds the caller's arrays alive; copies neither.
#[pyclass(frozen, module = "tradewright._core")]
pub(crate) struct Timeline {
    times: Py<PyArray1<i64>>,
    ends: Option<Py<PyArray1<i64>>>,
    /// The asset of each row, and how many there are.
    assets: Option<(Py<PyArray1<i32>>, usize)>,
    index: split::Timeline,
}

#[pymethods]
impl Timeline {
    #[new]
    #[pyo3(signature = (time, label_end=None, asset=None))]
    fn new(
        py: Python<'_>,
        time: Ints<'_>,
        label_end: Option<Ints<'_>>,
        asset: Option<Bound<'_, PyArray1<i32>>>,
    ) -> PyResult<Self> {
        let index = {
            let (times, ends) = (time.readonly(), label_end.as_ref().map(PyArrayMethods::readonly));
            let times = slice(py, "time", &times)?;
            let ends = ends.as_ref().map(|ends| slice(py, "label_end", ends)).transpose()?;
            detach::run(py, times.len(), |cancel| split::Timeline::build(times, ends, cancel))?
        };
        let assets = asset.map(|asset| {
            let count = {
                let codes = asset.readonly();
                let codes = slice(py, "asset", &codes)?;
                let expected = index.rows();
                detach::run(py, codes.len(), |cancel| {
                    if codes.len() == expected {
                        return Ok(Assets::read(codes, cancel)?.count());
                    }
                    Err(Error::LengthMismatch { name: "asset".into(), got: codes.len(), expected })
                })?
            };
            Ok::<_, PyErr>((asset.unbind(), count))
        });
        Ok(Self { times: time.unbind(), ends: label_end.map(Bound::unbind), assets: assets.transpose()?, index })
    }

    /// How many rows there are.
    #[getter]
    fn rows(&self) -> usize {
        self.index.rows()
    }

    /// How many distinct timestamps there are.
    #[getter]
    fn timestamps(&self) -> usize {
        self.index.timestamps()
    }

    /// Bytes held beyond the caller's arrays.
    #[getter]
    fn memory(&self) -> usize {
        self.index.memory()
    }

    /// The caller's row at each place of time order, int32 or int64; None when the rows come sorted. A copy.
    fn order<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.index.order().map(|order| match order {
            Order::Narrow(order) => PyArray1::from_slice(py, order).into_any(),
            Order::Wide(order) => PyArray1::from_slice(py, order).into_any(),
        })
    }

    /// The times of timestamps, by their numbers; the last time for numbers past the last.
    fn time_at<'py>(&self, py: Python<'py>, timestamps: PyReadonlyArray1<'py, i64>) -> PyResult<Ints<'py>> {
        let numbers = slice(py, "timestamps", &timestamps)?;
        let out = self.with_series(py, 0, |series, _| {
            let last = series.timeline.timestamps() - 1;
            let row = |number: &i64| series.timeline.first_row((*number).clamp(0, last as i64) as usize);
            Ok(numbers.iter().map(|number| series.time(row(number))).collect::<Vec<_>>())
        })?;
        Ok(out.into_pyarray(py))
    }

    /// The number of the first timestamp at or after each instant, or (`after`) after it.
    fn locate<'py>(&self, py: Python<'py>, instants: PyReadonlyArray1<'py, i64>, after: bool) -> PyResult<Ints<'py>> {
        let instants = slice(py, "instants", &instants)?;
        let out = self.with_series(py, 0, |series, _| {
            let row = |t: i64| if after { series.row_after(t) } else { series.row_at_or_after(t) };
            Ok(instants.iter().map(|&t| series.timeline.timestamp_of(row(t)) as i64).collect::<Vec<_>>())
        })?;
        Ok(out.into_pyarray(py))
    }

    /// First time and latest label end of blocks of timestamps (k×2, half-open); the block must hold a row.
    fn hulls<'py>(&self, py: Python<'py>, blocks: PyReadonlyArray2<'py, i64>) -> PyResult<(Ints<'py>, Ints<'py>)> {
        let spans = spans(py, "blocks", &blocks, self.index.timestamps())?;
        let hulls = self.with_series(py, 0, |series, _| {
            let hull =
                |span: &Span| split::purge::Hull::of(&series, span).map_or((i64::MAX, i64::MIN), |h| (h.first, h.last));
            Ok(spans.iter().map(hull).collect::<Vec<_>>())
        })?;
        let (first, last): (Vec<i64>, Vec<i64>) = hulls.into_iter().unzip();
        Ok((first.into_pyarray(py), last.into_pyarray(py)))
    }

    /// First time and latest label end of every asset in blocks of timestamps (k×2, half-open): two tables k×assets.
    ///
    /// An asset without rows in a block has the largest integer as its first time and the least as its last end.
    fn hulls_by_asset<'py>(
        &self,
        py: Python<'py>,
        blocks: PyReadonlyArray2<'py, i64>,
    ) -> PyResult<(Table<'py>, Table<'py>)> {
        let spans = spans(py, "blocks", &blocks, self.index.timestamps())?;
        let borrowed = self.borrow_assets(py)?;
        let assets = borrowed.assets(py)?;
        let size = self.index.rows().saturating_mul(spans.len());
        let hulls = self.with_series(py, size, |series, cancel| {
            let series = series.within_assets(assets)?;
            map_blocks(spans.len(), 1, series.timeline.rows(), cancel, |block| {
                Ok(AssetHulls::of(&series, &assets, series.timeline.rows_of(&spans[block.start])))
            })
        })?;
        let shape = [hulls.len(), assets.count()];
        let (firsts, lasts): (Vec<_>, Vec<_>) = hulls.into_iter().map(|hulls| (hulls.firsts, hulls.lasts)).unzip();
        Ok((firsts.concat().into_pyarray(py).reshape(shape)?, lasts.concat().into_pyarray(py).reshape(shape)?))
    }

    /// The assets of places in time order.
    fn asset_at<'py>(
        &self,
        py: Python<'py>,
        places: PyReadonlyArray1<'py, i64>,
    ) -> PyResult<Bound<'py, PyArray1<i32>>> {
        let places = self.places(py, &places)?;
        let borrowed = self.borrow_assets(py)?;
        let assets = borrowed.assets(py)?;
        let seen = self.with_series(py, 0, |series, _| {
            Ok(places.iter().map(|&place| assets.at(series.caller_row(place as usize)) as i32).collect::<Vec<_>>())
        })?;
        Ok(seen.into_pyarray(py))
    }

    /// Gives every row its role in every fold.
    ///
    /// `tests` is k×3 (fold, first timestamp, one past the last), sorted by fold, then time; `pools` is folds×2;
    /// `val_sizes` is one count of timestamps per fold. `embargo_after` says on which side of the test the embargo lies;
    /// it is a count, or an instant per test block. With `by_asset` rows are purged and embargoed by their own asset alone;
    /// the embargo is then a count, or an instant per test block and asset, k times assets. `window` likewise is a count, or an instant per fold after which
    /// train rows lie. Returns segments (m×4: fold, role, start, stop), hulls (j×6: fold, role, first row, stop, first
    /// time, latest label end) and the number each kept fold had in the layout.
    #[allow(clippy::too_many_arguments)]
    #[pyo3(signature = (tests, pools, val_sizes, *, embargo_after, embargo=0, embargo_instants=None, window=None,
                        window_instants=None, closed_left=false, on_empty="raise", by_asset=false))]
    fn plan<'py>(
        &self,
        py: Python<'py>,
        tests: PyReadonlyArray2<'py, i64>,
        pools: PyReadonlyArray2<'py, i64>,
        val_sizes: PyReadonlyArray1<'py, i64>,
        embargo_after: bool,
        embargo: usize,
        embargo_instants: Option<PyReadonlyArrayDyn<'py, i64>>,
        window: Option<usize>,
        window_instants: Option<PyReadonlyArray1<'py, i64>>,
        closed_left: bool,
        on_empty: &str,
        by_asset: bool,
    ) -> PyResult<(Table<'py>, Table<'py>, Ints<'py>)> {
        let timestamps = self.index.timestamps();
        let pools = spans(py, "pools", &pools, timestamps)?;
        let sizes = slice(py, "val_sizes", &val_sizes)?;
        let embargo_instants = embargo_instants.as_ref().map(|a| slice(py, "embargo_instants", a)).transpose()?;
        let window_instants = window_instants.as_ref().map(|a| slice(py, "window_instants", a)).transpose()?;
        let blocks = tests.as_array();
        let bad = |what: &str| Err(data_error(py, format!("{what}: this is a bug in the splitter that laid it out")));
        if blocks.ncols() != 3 || sizes.len() != pools.len() {
            return bad("tests, pools and val_sizes disagree in shape");
        }
        let borrowed = by_asset.then(|| self.borrow_assets(py)).transpose()?;
        let assets = borrowed.as_ref().map(|borrowed| borrowed.assets(py)).transpose()?;
        let hulls_per_block = assets.map_or(1, |assets| assets.count());
        if embargo_instants.is_some_and(|a| a.len() != blocks.nrows() * hulls_per_block)
            || window_instants.is_some_and(|a| a.len() != pools.len())
        {
            return bad("there is not one instant per block");
        }
        let mut specs: Vec<FoldSpec<'_>> = pools
            .into_iter()
            .enumerate()
            .map(|(fold, pool)| {
                let window = match (window, window_instants) {
                    (_, Some(instants)) => Window::After(instants[fold]),
                    (Some(count), None) => Window::Last(count),
                    (None, None) => Window::All,
                };
                FoldSpec { tests: Vec::new(), val: None, pool, window }
            })
            .collect();
        for (number, block) in blocks.rows().into_iter().enumerate() {
            let span = clamp(block[1], block[2], timestamps);
            let limit = match embargo_instants {
                None => Limit::Timestamps(embargo),
                Some(instants) if by_asset => Limit::Instants(&instants[number * hulls_per_block..][..hulls_per_block]),
                Some(instants) => Limit::Instant(instants[number]),
            };
            let embargo = if embargo_after { Embargo::After(limit) } else { Embargo::Before(limit) };
            match usize::try_from(block[0]).ok().and_then(|fold| specs.get_mut(fold)) {
                Some(spec) if spec.tests.last().is_none_or(|last| last.span.end <= span.start) => {
                    spec.tests.push(Block { span, embargo });
                }
                _ => return bad("a test block is out of order or of no fold"),
            }
        }
        for (spec, &size) in specs.iter_mut().zip(sizes) {
            let tests: Vec<Span> = spec.tests.iter().map(|block| block.span.clone()).collect();
            spec.val = holdout::validation(&spec.pool, &tests, size.max(0) as usize);
        }
        let closed = if closed_left { Closed::Left } else { Closed::Both };
        let on_empty = match on_empty {
            "skip" => OnEmpty::Skip,
            "keep" => OnEmpty::Keep,
            _ => OnEmpty::Raise,
        };
        let table = self.with_series(py, self.index.rows(), |series, cancel| match assets {
            None => split::plan(&series, &specs, closed, on_empty, cancel),
            Some(assets) => split::plan(&series.within_assets(assets)?, &specs, closed, on_empty, cancel),
        })?;
        let count = |of: fn(&Fold) -> usize| table.folds.iter().map(of).sum::<usize>();
        let mut segments = Vec::with_capacity(4 * count(|fold| fold.segments.len()));
        let mut hulls = Vec::with_capacity(6 * count(|fold| fold.hulls.len()));
        let mut numbers = Vec::with_capacity(table.folds.len());
        for (fold, content) in table.folds.iter().enumerate() {
            numbers.push(content.number as i64);
            for &(role, range) in &content.segments {
                segments.extend([fold as i64, role as i64, range.start as i64, range.stop as i64]);
            }
            for (role, hull) in &content.hulls {
                let rows = hull.rows;
                hulls.extend([fold as i64, *role as i64, rows.start as i64, rows.stop as i64, hull.first, hull.last]);
            }
        }
        Ok((table_of(py, segments, 4)?, table_of(py, hulls, 6)?, numbers.into_pyarray(py)))
    }

    /// The times of places in time order, and when their labels end.
    fn at<'py>(&self, py: Python<'py>, places: PyReadonlyArray1<'py, i64>) -> PyResult<(Ints<'py>, Ints<'py>)> {
        let places = self.places(py, &places)?;
        let seen = self.with_series(py, 0, |series, _| {
            Ok(places.iter().map(|&p| (series.time(p as usize), series.end(p as usize))).collect::<Vec<_>>())
        })?;
        let (times, ends): (Vec<i64>, Vec<i64>) = seen.into_iter().unzip();
        Ok((times.into_pyarray(py), ends.into_pyarray(py)))
    }
}

/// The assets of a timeline while they are read.
struct BorrowedAssets<'py> {
    codes: PyReadonlyArray1<'py, i32>,
    count: usize,
}

impl BorrowedAssets<'_> {
    fn assets(&self, py: Python<'_>) -> PyResult<Assets<'_>> {
        Ok(Assets::known(slice(py, "asset", &self.codes)?, self.count))
    }
}

impl Timeline {
    fn borrow_assets<'py>(&self, py: Python<'py>) -> PyResult<BorrowedAssets<'py>> {
        let Some((codes, count)) = &self.assets else {
            let error = Error::Parameter {
                name: "purge_scope".into(),
                value: "'asset'".into(),
                hint: "it is not known which asset each row is of; pass asset=, or a Panel that has one".into(),
            };
            return Err(errors::to_python(py, &error));
        };
        Ok(BorrowedAssets { codes: codes.bind(py).readonly(), count: *count })
    }

    /// Places in time order, all of them there.
    fn places<'a>(&self, py: Python<'_>, places: &'a PyReadonlyArray1<'_, i64>) -> PyResult<&'a [i64]> {
        let (places, rows) = (slice(py, "places", places)?, self.index.rows());
        if places.iter().any(|&place| usize::try_from(place).map_or(true, |place| place >= rows)) {
            return Err(data_error(py, format!("a place is outside of 0..{rows}")));
        }
        Ok(places)
    }

    fn with_series<T: Send>(
        &self,
        py: Python<'_>,
        size: usize,
        work: impl for<'a> FnOnce(Series<'a>, &Cancel) -> Result<T> + Send,
    ) -> PyResult<T> {
        let times = self.times.bind(py).readonly();
        let ends = self.ends.as_ref().map(|ends| ends.bind(py).readonly());
        let times = slice(py, "time", &times)?;
        let ends = ends.as_ref().map(|ends| slice(py, "label_end", ends)).transpose()?;
        let index = &self.index;
        detach::run(py, size, move |cancel| work(Series::new(times, ends, index)?, cancel))
    }
}

fn clamp(start: i64, stop: i64, timestamps: usize) -> Span {
    let limit = timestamps as i64;
    let start = start.clamp(0, limit) as usize;
    start..(stop.clamp(0, limit) as usize).max(start)
}

fn spans(py: Python<'_>, name: &str, blocks: &PyReadonlyArray2<'_, i64>, timestamps: usize) -> PyResult<Vec<Span>> {
    let blocks = blocks.as_array();
    if blocks.ncols() != 2 {
        return Err(data_error(py, format!("{name} must have two columns, start and stop")));
    }
    Ok(blocks.rows().into_iter().map(|block| clamp(block[0], block[1], timestamps)).collect())
}

// The table of Python roles relies on these numbers.
const _: () = assert!(Role::Train as u8 == 0 && Role::Unused as u8 == 5);
