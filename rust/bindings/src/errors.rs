//! The one conversion from the core's errors to Python's exceptions.

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};
use tradewright_core::{Error, ErrorKind};

/// The class of `tradewright.errors` for a kind; all of them take `(message, *, code, **fields)`.
fn class_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Parameter => "ParameterError",
        ErrorKind::Data => "DataError",
        ErrorKind::Split => "SplitError",
        ErrorKind::EmptyTrain => "EmptyTrainError",
        ErrorKind::Loss => "LossError",
        ErrorKind::Integrity => "IntegrityError",
        ErrorKind::Interrupted => unreachable!("an interrupt is KeyboardInterrupt"),
    }
}

fn exception_class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyType>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || py.import("tradewright.errors").map(Bound::unbind))?;
    Ok(module.bind(py).getattr(name)?.cast_into()?)
}

fn build(py: Python<'_>, class: &str, message: String, code: &str, fields: &[(&str, String)]) -> PyResult<PyErr> {
    let keywords = PyDict::new(py);
    keywords.set_item("code", code)?;
    for (name, text) in fields {
        // Rows, folds and counts arrive in Python as the integers they are.
        match text.parse::<i64>() {
            Ok(number) => keywords.set_item(name, number)?,
            Err(_) => keywords.set_item(name, text)?,
        }
    }
    Ok(PyErr::from_value(exception_class(py, class)?.call((message,), Some(&keywords))?))
}

/// The Python exception for an error of the core.
pub(crate) fn to_python(py: Python<'_>, error: &Error) -> PyErr {
    if error.kind() == ErrorKind::Interrupted {
        return PyKeyboardInterrupt::new_err(());
    }
    build(py, class_name(error.kind()), error.to_string(), error.code(), &error.fields())
        .unwrap_or_else(|failure| failure)
}

/// The exception for bad arguments found by the binding layer itself.
pub(crate) fn data_error(py: Python<'_>, message: String) -> PyErr {
    build(py, "DataError", message, "data.invalid", &[]).unwrap_or_else(|failure| failure)
}

/// The exception for a bug of ours that would otherwise have been a panic.
pub(crate) fn internal_error(py: Python<'_>, message: &str) -> PyErr {
    let text = format!(
        "internal error in tradewright: {message}. This is a bug; please report it with the call that caused it"
    );
    build(py, "InternalError", text, "internal", &[]).unwrap_or_else(|failure| failure)
}

/// Every error code the core can raise.
#[pyfunction]
pub(crate) fn error_codes() -> Vec<&'static str> {
    Error::CODES.to_vec()
}
