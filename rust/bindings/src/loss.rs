//! Losses: one function per operation, the loss itself handed over as its name and parameters.

use numpy::{Element, PyArray1, PyArrayMethods, PyReadwriteArray1, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyList;
use tradewright_core::loss::{self, Batch, Float, Hessian, NanPolicy, Options, Reduction};
use tradewright_core::{Column, Error, Result};

use crate::arrays::Columns;
use crate::detach;
use crate::errors::{data_error, to_python};
use crate::point_spec::{PointSpec, SpecArgs, with_loss};

pub(crate) fn choice_error(py: Python<'_>, name: &str, value: &str, allowed: &str) -> PyErr {
    let hint = format!("pass one of {allowed}");
    to_python(py, &Error::Parameter { name: name.into(), value: format!("{value:?}"), hint })
}

pub(crate) fn policy(py: Python<'_>, name: &str) -> PyResult<NanPolicy> {
    match name {
        "raise" => Ok(NanPolicy::Raise),
        "omit" => Ok(NanPolicy::Omit),
        _ => Err(choice_error(py, "nan_policy", name, "raise or omit")),
    }
}

pub(crate) fn options(py: Python<'_>, reduction: &str, nan_policy: &str) -> PyResult<Options> {
    let reduction = match reduction {
        "mean" => Reduction::Mean,
        "mean_n" => Reduction::MeanN,
        "sum" => Reduction::Sum,
        _ => return Err(choice_error(py, "reduction", reduction, "mean, mean_n or sum")),
    };
    Ok(Options { reduction, nan_policy: policy(py, nan_policy)? })
}

pub(crate) fn hessian_choice(py: Python<'_>, name: &str) -> PyResult<Hessian> {
    match name {
        "boosting" => Ok(Hessian::Boosting),
        "exact" => Ok(Hessian::Exact),
        "gauss_newton" => Ok(Hessian::GaussNewton),
        "abs" => Ok(Hessian::Abs),
        "constant" => Ok(Hessian::Constant),
        _ => Err(choice_error(py, "hessian", name, "boosting, exact, gauss_newton, abs or constant")),
    }
}

/// Prediction, target, weight, further per-row arguments.
pub(crate) type RowArgs<'py> =
    (Bound<'py, PyAny>, Bound<'py, PyAny>, Option<Bound<'py, PyAny>>, Vec<Bound<'py, PyAny>>);

/// The borrowed columns of one call, in the order of [`RowArgs`].
pub(crate) struct Rows<'py> {
    prediction: Columns<'py>,
    /// Targets first.
    others: Columns<'py>,
    weighted: bool,
}

impl<'py> Rows<'py> {
    pub(crate) fn borrow(py: Python<'py>, (prediction, target, weight, extras): RowArgs<'py>) -> PyResult<Self> {
        let weighted = weight.is_some();
        let others: Vec<_> = [target].into_iter().chain(weight).chain(extras).collect();
        if others
            .iter()
            .chain([&prediction])
            .any(|array| array.cast::<PyUntypedArray>().is_ok_and(|array| array.ndim() != 1))
        {
            return Err(data_error(py, "a loss takes 1-D arrays: pass array.ravel()".into()));
        }
        let borrow = |arrays| Columns::borrow(PyList::new(py, arrays)?.as_any());
        Ok(Self { prediction: borrow(vec![prediction])?, others: borrow(others)?, weighted })
    }

    pub(crate) fn views(&self, py: Python<'py>) -> PyResult<Views<'_>> {
        let [prediction] = self.prediction.views(py)?[..] else { unreachable!("one 1-D array is one column") };
        Ok(Views { prediction, others: self.others.views(py)?, weighted: self.weighted })
    }
}

pub(crate) struct Views<'a> {
    pub(crate) prediction: Column<'a>,
    others: Vec<Column<'a>>,
    weighted: bool,
}

impl<'a> Views<'a> {
    pub(crate) fn len(&self) -> usize {
        self.prediction.len()
    }

    pub(crate) fn batch<F: Float>(&self, per_column: &[f64]) -> Result<Batch<'a, F>> {
        let prediction = F::of_column(&self.prediction).expect("the width was matched");
        let rest = &self.others[1..];
        let (weight, extras) = if self.weighted { (Some(rest[0]), &rest[1..]) } else { (None, rest) };
        if per_column.is_empty() {
            return Batch::new(prediction, self.others[0], weight, extras.to_vec());
        }
        Batch::with_columns(prediction, self.others[0], weight, per_column.to_vec())
    }
}

/// Runs the same expression with `$F` standing for the width of the predictions.
macro_rules! with_width {
    ($py:expr, $views:expr, $F:ident => $body:expr) => {
        match $views.prediction {
            tradewright_core::Column::F32(_) => {
                type $F = f32;
                $body
            }
            tradewright_core::Column::F64(_) => {
                type $F = f64;
                $body
            }
            _ => Err($crate::errors::data_error(
                $py,
                "predictions must be float32 or float64: pass y_pred.astype(float)".into(),
            )),
        }
    };
}
pub(crate) use with_width;

/// A writable, contiguous array of the predictions' width.
pub(crate) fn output<'py, F: Element>(name: &str, array: &Bound<'py, PyAny>) -> PyResult<PyReadwriteArray1<'py, F>> {
    let py = array.py();
    let refuse = |why: &str| {
        data_error(py, format!("{name} {why}: pass numpy.empty(len(y_pred), dtype=y_pred.dtype), or leave it out"))
    };
    let array = array.cast::<PyArray1<F>>().map_err(|_| refuse("must be a 1-D array of the predictions' dtype"))?;
    if !array.is_contiguous() {
        return Err(refuse("must be contiguous"));
    }
    array.try_readwrite().map_err(|_| refuse("must be writable and share no memory with the inputs"))
}

pub(crate) fn written<'a, F: Element>(array: &'a mut PyReadwriteArray1<'_, F>) -> &'a mut [F] {
    array.as_slice_mut().expect("contiguity was checked")
}

/// The reduced loss.
#[pyfunction]
pub(crate) fn loss_value<'py>(
    py: Python<'py>,
    spec: SpecArgs,
    rows: RowArgs<'py>,
    reduction: &str,
    nan_policy: &str,
) -> PyResult<f64> {
    let (spec, options) = (PointSpec::parse(py, &spec)?, options(py, reduction, nan_policy)?);
    let rows = Rows::borrow(py, rows)?;
    let views = rows.views(py)?;
    with_width!(py, views, F => detach::run(py, views.len(), |cancel| {
        let batch = views.batch::<F>(spec.per_column())?;
        with_loss!(&spec, loss => loss::value(loss, &batch, options, cancel))
    }))
}

/// The reduced loss; its gradient goes into `gradient`.
#[pyfunction]
pub(crate) fn loss_value_grad<'py>(
    py: Python<'py>,
    spec: SpecArgs,
    rows: RowArgs<'py>,
    reduction: &str,
    nan_policy: &str,
    gradient: Bound<'py, PyAny>,
) -> PyResult<f64> {
    let (spec, options) = (PointSpec::parse(py, &spec)?, options(py, reduction, nan_policy)?);
    let rows = Rows::borrow(py, rows)?;
    let views = rows.views(py)?;
    with_width!(py, views, F => {
        let mut gradient = output::<F>("out", &gradient)?;
        let gradient = written(&mut gradient);
        detach::run(py, views.len(), |cancel| {
            let batch = views.batch::<F>(spec.per_column())?;
            with_loss!(&spec, loss => loss::value_grad(loss, &batch, options, gradient, cancel))
        })
    })
}

/// The weighted loss of each row, into `values`.
#[pyfunction]
pub(crate) fn loss_rows<'py>(
    py: Python<'py>,
    spec: SpecArgs,
    rows: RowArgs<'py>,
    nan_policy: &str,
    values: Bound<'py, PyAny>,
) -> PyResult<()> {
    let (spec, policy) = (PointSpec::parse(py, &spec)?, policy(py, nan_policy)?);
    let rows = Rows::borrow(py, rows)?;
    let views = rows.views(py)?;
    with_width!(py, views, F => {
        let mut values = output::<F>("values", &values)?;
        let values = written(&mut values);
        detach::run(py, views.len(), |cancel| {
            let batch = views.batch::<F>(spec.per_column())?;
            with_loss!(&spec, loss => loss::value_rows(loss, &batch, policy, values, cancel))
        })
    })
}

/// The weighted loss of each row and its derivative, into `values` and `gradient`.
#[pyfunction]
pub(crate) fn loss_rows_grad<'py>(
    py: Python<'py>,
    spec: SpecArgs,
    rows: RowArgs<'py>,
    nan_policy: &str,
    values: Bound<'py, PyAny>,
    gradient: Bound<'py, PyAny>,
) -> PyResult<()> {
    let (spec, policy) = (PointSpec::parse(py, &spec)?, policy(py, nan_policy)?);
    let rows = Rows::borrow(py, rows)?;
    let views = rows.views(py)?;
    with_width!(py, views, F => {
        let (mut values, mut gradient) = (output::<F>("values", &values)?, output::<F>("out", &gradient)?);
        let (values, gradient) = (written(&mut values), written(&mut gradient));
        detach::run(py, views.len(), |cancel| {
            let batch = views.batch::<F>(spec.per_column())?;
            with_loss!(&spec, loss => loss::value_grad_rows(loss, &batch, policy, values, gradient, cancel))
        })
    })
}

/// Gradient and hessian of each row for boosting, into `gradient` and `hessian`.
#[pyfunction]
pub(crate) fn loss_grad_hess<'py>(
    py: Python<'py>,
    spec: SpecArgs,
    rows: RowArgs<'py>,
    nan_policy: &str,
    choice: &str,
    gradient: Bound<'py, PyAny>,
    hessian: Bound<'py, PyAny>,
) -> PyResult<()> {
    let (spec, policy) = (PointSpec::parse(py, &spec)?, policy(py, nan_policy)?);
    let choice = hessian_choice(py, choice)?;
    let rows = Rows::borrow(py, rows)?;
    let views = rows.views(py)?;
    with_width!(py, views, F => {
        let (mut gradient, mut hessian) = (output::<F>("gradient", &gradient)?, output::<F>("hessian", &hessian)?);
        let (gradient, hessian) = (written(&mut gradient), written(&mut hessian));
        detach::run(py, views.len(), |cancel| {
            let batch = views.batch::<F>(spec.per_column())?;
            with_loss!(&spec, loss => loss::grad_hess(loss, &batch, policy, choice, gradient, hessian, cancel))
        })
    })
}
