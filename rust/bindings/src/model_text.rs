//! Checks of model files before a library's parser sees them.

use pyo3::prelude::*;
use tradewright_core::lightgbm_text;

use crate::detach;

/// Refuses a LightGBM text model whose sizes and indices do not hold together.
#[pyfunction]
pub(crate) fn check_lightgbm_text(py: Python<'_>, text: &[u8]) -> PyResult<()> {
    detach::run(py, text.len(), |cancel| lightgbm_text::check(text, cancel))
}
