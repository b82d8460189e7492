//! Threads and signals.

use pyo3::prelude::*;
use tradewright_core::parallel;

use crate::{detach, errors};

/// How many threads the pool of this process has.
#[pyfunction]
pub(crate) fn num_threads() -> usize {
    parallel::num_threads()
}

/// Replaces the pool of this process by one of `threads` threads.
#[pyfunction]
pub(crate) fn set_num_threads(py: Python<'_>, threads: usize) -> PyResult<()> {
    parallel::set_num_threads(threads).map_err(|error| errors::to_python(py, &error))
}

/// Asks long calls to stop (`True`), or lets them run again (`False`).
#[pyfunction]
pub(crate) fn request_stop(raised: bool) {
    detach::set_stop(raised);
}

/// Adds up sines over `rows` rows in the pool: work of a known length, for the tests of threads and signals.
///
/// With `panic_at` the block that holds that row panics, which must reach Python as an exception.
#[pyfunction]
#[pyo3(signature = (rows, panic_at=None))]
pub(crate) fn spin(py: Python<'_>, rows: usize, panic_at: Option<usize>) -> PyResult<f64> {
    detach::run(py, rows, |cancel| {
        let parts = parallel::map_blocks(rows, 16_384, 1, cancel, |block| {
            assert!(!panic_at.is_some_and(|row| block.contains(&row)), "row {panic_at:?} was asked to panic");
            Ok(block.map(|row| (row as f64).sin()).sum::<f64>())
        })?;
        Ok(parts.into_iter().fold(0.0, |a, b| a + b))
    })
}
