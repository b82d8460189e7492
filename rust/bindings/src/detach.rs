//! The one way into the core: the GIL released, Ctrl-C honoured, panics caught.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use tradewright_core::parallel::{INLINE_ROWS, pool};
use tradewright_core::{Cancel, Error, Result};

use crate::errors;

/// How often a waiting caller looks for signals: well under what a person notices.
const POLL: Duration = Duration::from_millis(50);

/// Raised by a signal handler that only takes note of a signal: Python's own look-out stays quiet then.
static STOP: AtomicBool = AtomicBool::new(false);

/// Raises or lowers the flag by which a Python signal handler stops long calls.
pub(crate) fn set_stop(raised: bool) {
    STOP.store(raised, Ordering::Relaxed);
}

enum Failure {
    Core(Error),
    Python(PyErr),
    Panic(String),
}

/// Runs `work` without the GIL and returns its result or the matching exception.
///
/// `size` is the number of values the work reads. Small work runs right here. Large work runs in the pool while
/// the calling thread waits outside of it and looks for signals; a signal raises the flag that `work` is handed
/// and the call returns once the work has seen it.
pub(crate) fn run<T, F>(py: Python<'_>, size: usize, work: F) -> PyResult<T>
where
    T: Send,
    F: FnOnce(&Cancel) -> Result<T> + Send,
{
    let outcome = py.detach(|| if size < INLINE_ROWS { guarded(work, &Cancel::new()) } else { watched(work) });
    outcome.map_err(|failure| match failure {
        Failure::Core(error) => errors::to_python(py, &error),
        Failure::Python(error) => error,
        Failure::Panic(message) => errors::internal_error(py, &message),
    })
}

fn guarded<T>(work: impl FnOnce(&Cancel) -> Result<T>, cancel: &Cancel) -> std::result::Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(|| work(cancel))) {
        Ok(result) => result.map_err(Failure::Core),
        Err(panic) => Err(Failure::Panic(panic_text(panic.as_ref()))),
    }
}

fn watched<T: Send>(work: impl FnOnce(&Cancel) -> Result<T> + Send) -> std::result::Result<T, Failure> {
    let cancel = Cancel::new();
    let (sender, receiver) = mpsc::sync_channel(1);
    pool().in_place_scope(|scope| {
        let flag = &cancel;
        scope.spawn(move |_| {
            // The receiver outlives the scope; a failed send is impossible.
            let _ = sender.send(guarded(work, flag));
        });
        let mut signal = None;
        loop {
            match receiver.recv_timeout(POLL) {
                Ok(outcome) => return signal.map_or(outcome, |error| Err(Failure::Python(error))),
                Err(RecvTimeoutError::Timeout) if signal.is_none() => {
                    signal = Python::attach(|py| py.check_signals().err());
                    if signal.is_none() && STOP.load(Ordering::Relaxed) {
                        signal = Some(PyKeyboardInterrupt::new_err(()));
                    }
                    if signal.is_some() {
                        cancel.cancel();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(Failure::Panic("the worker vanished".into())),
            }
        }
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
