//! Losses that look across rows: of groups, and of portfolio returns.

use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use tradewright_core::loss::{
    self, Absent, Average, Gain, GroupIndex, PairGap, Position, Trading, group_driver as groups,
    series_driver as series,
};
use tradewright_core::{Error, Result};

use crate::arrays::slice;
use crate::detach;
use crate::errors::to_python;
use crate::loss::{RowArgs, Rows, choice_error, hessian_choice, options, output, policy, with_width, written};
use crate::point_spec::SpecArgs;

/// Which rows share a group (a date), and which row held the same asset before.
#[pyclass(frozen, name = "GroupIndex", module = "tradewright._core")]
pub(crate) struct PyGroupIndex {
    index: GroupIndex,
}

#[pymethods]
impl PyGroupIndex {
    #[new]
    #[pyo3(signature = (groups, assets=None))]
    fn new(
        py: Python<'_>,
        groups: PyReadonlyArray1<'_, i64>,
        assets: Option<PyReadonlyArray1<'_, i64>>,
    ) -> PyResult<Self> {
        let groups = slice(py, "groups", &groups)?;
        let assets = assets.as_ref().map(|assets| slice(py, "assets", assets)).transpose()?;
        let index = detach::run(py, groups.len(), |_| match assets {
            Some(assets) => GroupIndex::with_assets(groups, assets),
            None => GroupIndex::new(groups),
        })?;
        Ok(Self { index })
    }

    /// One asset, one row a date, rows in time order.
    #[staticmethod]
    fn one_asset(py: Python<'_>, rows: usize) -> PyResult<Self> {
        Ok(Self { index: detach::run(py, rows, |_| GroupIndex::one_asset(rows))? })
    }

    #[getter]
    fn rows(&self) -> usize {
        self.index.len()
    }

    #[getter]
    fn groups(&self) -> usize {
        self.index.groups()
    }

    #[getter]
    fn has_assets(&self) -> bool {
        self.index.has_assets()
    }

    /// The ids, ascending.
    fn ids<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        PyArray1::from_slice(py, self.index.ids())
    }

    /// The number of the group of each row, in the caller's order.
    fn group_numbers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let numbers = detach::run(py, self.index.len(), |_| {
            let mut numbers = vec![0; self.index.len()];
            for group in 0..self.index.groups() {
                for place in self.index.places(group) {
                    numbers[self.index.row(place)] = group as i64;
                }
            }
            Ok(numbers)
        })?;
        Ok(PyArray1::from_vec(py, numbers))
    }

    /// A number per row that tells assets apart, in the caller's order; none without assets.
    fn asset_numbers<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray1<i64>>>> {
        let numbers = detach::run(py, self.index.len(), |_| Ok(self.index.asset_numbers()))?;
        Ok(numbers.map(|numbers| PyArray1::from_vec(py, numbers)))
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.index == other.index
    }
}

/// A parameter of a loss by name.
fn get(py: Python<'_>, (name, params): &SpecArgs, key: &str) -> PyResult<f64> {
    params.get(key).copied().ok_or_else(|| {
        let hint = format!("the loss {name} needs the parameter {key}");
        to_python(py, &Error::Parameter { name: key.into(), value: "missing".into(), hint })
    })
}

/// A whole number that a parameter holds, negative for none.
fn whole(value: f64) -> Option<usize> {
    (value >= 0.0).then_some(value as usize)
}

/// A group loss with its parameters.
#[derive(Clone, Copy)]
enum GroupSpec {
    PairwiseLogistic(loss::PairwiseLogistic),
    PairwiseHinge(loss::PairwiseHinge),
    LambdaRank(loss::LambdaRank),
    ListNet(loss::ListNet),
    ListMle(loss::ListMle),
    ApproxNdcg(loss::ApproxNdcg),
    Ic(loss::InformationCoefficient),
    SoftSpearman(loss::SoftSpearman),
}

macro_rules! with_group_loss {
    ($spec:expr, $loss:ident => $body:expr) => {
        match $spec {
            GroupSpec::PairwiseLogistic($loss) => $body,
            GroupSpec::PairwiseHinge($loss) => $body,
            GroupSpec::LambdaRank($loss) => $body,
            GroupSpec::ListNet($loss) => $body,
            GroupSpec::ListMle($loss) => $body,
            GroupSpec::ApproxNdcg($loss) => $body,
            GroupSpec::Ic($loss) => $body,
            GroupSpec::SoftSpearman($loss) => $body,
        }
    };
}

impl GroupSpec {
    fn parse(py: Python<'_>, spec: &SpecArgs) -> PyResult<Self> {
        let get = |key: &str| get(py, spec, key);
        let average = || Ok::<_, PyErr>(if get("average_pairs")? == 0.0 { Average::Group } else { Average::Pairs });
        let pair_weight = || Ok::<_, PyErr>(if get("target_gap")? == 0.0 { PairGap::None } else { PairGap::Target });
        let gain = || Ok::<_, PyErr>(if get("exp2")? == 0.0 { Gain::Linear } else { Gain::Exp2 });
        Ok(match spec.0.as_str() {
            "pairwise" => Self::PairwiseLogistic(loss::PairwiseLogistic {
                sharpness: get("sharpness")?,
                average: average()?,
                pair_weight: pair_weight()?,
            }),
            "pairwise_hinge" => Self::PairwiseHinge(loss::PairwiseHinge {
                margin: get("margin")?,
                average: average()?,
                pair_weight: pair_weight()?,
            }),
            "lambdarank" => Self::LambdaRank(loss::LambdaRank {
                sharpness: get("sharpness")?,
                truncation: whole(get("truncation")?),
                gain: gain()?,
                normalize: get("normalize")? != 0.0,
            }),
            "listwise" => Self::ListNet(loss::ListNet { temperature: get("temperature")? }),
            "listmle" => Self::ListMle(loss::ListMle),
            "approx_ndcg" => Self::ApproxNdcg(loss::ApproxNdcg { temperature: get("temperature")?, gain: gain()? }),
            "ic" => Self::Ic(loss::InformationCoefficient),
            "soft_spearman" => Self::SoftSpearman(loss::SoftSpearman { temperature: get("temperature")? }),
            name => return Err(choice_error(py, "loss", name, "the group losses")),
        })
    }
}

/// A loss of portfolio returns with its parameters.
#[derive(Clone, Copy)]
enum SeriesSpec {
    Profit(loss::Profit),
    Sharpe(loss::Sharpe),
    Sortino(loss::Sortino),
    MaxDrawdown(loss::MaxDrawdown),
    Calmar(loss::Calmar),
    Crra(loss::Crra),
    CVar(loss::CVar),
    DifferentialSharpe(loss::DifferentialSharpe),
}

macro_rules! with_series_loss {
    ($spec:expr, $loss:ident => $body:expr) => {
        match $spec {
            SeriesSpec::Profit($loss) => $body,
            SeriesSpec::Sharpe($loss) => $body,
            SeriesSpec::Sortino($loss) => $body,
            SeriesSpec::MaxDrawdown($loss) => $body,
            SeriesSpec::Calmar($loss) => $body,
            SeriesSpec::Crra($loss) => $body,
            SeriesSpec::CVar($loss) => $body,
            SeriesSpec::DifferentialSharpe($loss) => $body,
        }
    };
}

impl SeriesSpec {
    fn parse(py: Python<'_>, spec: &SpecArgs) -> PyResult<Self> {
        let get = |key: &str| get(py, spec, key);
        Ok(match spec.0.as_str() {
            "profit_based_loss" => Self::Profit(loss::Profit),
            "sharpe_loss" => Self::Sharpe(loss::Sharpe {
                periods_per_year: get("periods_per_year")?,
                risk_free: get("risk_free")?,
                ddof: whole(get("ddof")?).unwrap_or(0),
                eps: get("eps")?,
            }),
            "sortino_loss" => Self::Sortino(loss::Sortino {
                periods_per_year: get("periods_per_year")?,
                target: get("target")?,
                eps: get("eps")?,
            }),
            "max_drawdown_loss" => Self::MaxDrawdown(loss::MaxDrawdown { compounding: get("compounding")? != 0.0 }),
            "calmar_loss" => {
                Self::Calmar(loss::Calmar { periods_per_year: get("periods_per_year")?, eps: get("eps")? })
            }
            "crra_loss" => Self::Crra(loss::Crra { gamma: get("gamma")? }),
            "cvar_loss" => Self::CVar(loss::CVar { alpha: get("alpha")? }),
            "differential_sharpe" => Self::DifferentialSharpe(loss::DifferentialSharpe {
                eta: get("eta")?,
                full_gradient: get("full_gradient")? != 0.0,
                initial_mean: get("initial_mean")?,
                initial_square: get("initial_square")?,
            }),
            name => return Err(choice_error(py, "loss", name, "the losses of portfolio returns")),
        })
    }
}

/// Position, cost, initial position, absent, pooled, target volatility.
type TradingArgs = (String, f64, f64, String, bool, Option<f64>);

fn trading(py: Python<'_>, args: &TradingArgs) -> PyResult<Trading> {
    let (position, cost, initial_position, absent, pooled, target_volatility) = args;
    Ok(Trading {
        position: match position.as_str() {
            "identity" => Position::Identity,
            "tanh" => Position::Tanh,
            "clip" => Position::Clip,
            "softmax" => Position::Softmax,
            name => return Err(choice_error(py, "position", name, "identity, tanh, clip or softmax")),
        },
        cost: *cost,
        initial_position: *initial_position,
        absent: match absent.as_str() {
            "close" => Absent::Close,
            "carry" => Absent::Carry,
            name => return Err(choice_error(py, "absent", name, "close or carry")),
        },
        pooled: *pooled,
        target_volatility: *target_volatility,
    })
}

/// The loss, how many groups counted, and how many were skipped.
type Counted = (f64, usize, usize);

fn counted(outcome: Result<groups::Outcome>) -> Result<Counted> {
    outcome.map(|outcome| (outcome.value, outcome.counted, outcome.skipped))
}

/// The reduced loss; with `gradient` its gradient goes there.
#[pyfunction]
#[pyo3(signature = (spec, rows, index, reduction, nan_policy, gradient=None))]
pub(crate) fn group_loss<'py>(
    py: Python<'py>,
    spec: SpecArgs,
    rows: RowArgs<'py>,
    index: &PyGroupIndex,
    reduction: &str,
    nan_policy: &str,
    gradient: Option<Bound<'py, PyAny>>,
) -> PyResult<Counted> {
    let (spec, options) = (GroupSpec::parse(py, &spec)?, options(py, reduction, nan_policy)?);
    let rows = Rows::borrow(py, rows)?;
    let views = rows.views(py)?;
    let index = &index.index;
    with_width!(py, views, F => {
        let mut gradient = gradient.as_ref().map(|array| output::<F>("out", array)).transpose()?;
        let gradient = gradient.as_mut().map(written);
        detach::run(py, views.len(), |cancel| {
            let batch = views.batch::<F>(&[])?;
            counted(with_group_loss!(spec, loss => match gradient {
                Some(gradient) => groups::value_grad(&loss, &batch, index, options, gradient, cancel),
                None => groups::value(&loss, &batch, index, options, cancel),
            }))
        })
    })
}

/// The weighted loss of each group, into `values`; with `gradient` the derivative of each row's own group.
#[pyfunction]
#[pyo3(signature = (spec, rows, index, nan_policy, values, gradient=None))]
pub(crate) fn group_loss_each<'py>(
    py: Python<'py>,
    spec: SpecArgs,
    rows: RowArgs<'py>,
    index: &PyGroupIndex,
    nan_policy: &str,
    values: Bound<'py, PyAny>,
    gradient: Option<Bound<'py, PyAny>>,
) -> PyResult<Counted> {
    let (spec, policy) = (GroupSpec::parse(py, &spec)?, policy(py, nan_policy)?);
    let rows = Rows::borrow(py, rows)?;
    let views = rows.views(py)?;
    let index = &index.index;
    let mut values = output::<f64>("values", &values)?;
    let values = written(&mut values);
    with_width!(py, views, F => {
        let mut gradient = gradient.as_ref().map(|array| output::<F>("out", array)).transpose()?;
        let gradient = gradient.as_mut().map(written);
        detach::run(py, views.len(), |cancel| {
            let batch = views.batch::<F>(&[])?;
            counted(with_group_loss!(spec, loss => match gradient {
                Some(gradient) => groups::value_grad_groups(&loss, &batch, index, policy, values, gradient, cancel),
                None => groups::value_groups(&loss, &batch, index, policy, values, cancel),
            }))
        })
    })
}

/// Gradient and hessian of each row for boosting.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub(crate) fn group_loss_grad_hess<'py>(
    py: Python<'py>,
    spec: SpecArgs,
    rows: RowArgs<'py>,
    index: &PyGroupIndex,
    nan_policy: &str,
    choice: &str,
    gradient: Bound<'py, PyAny>,
    hessian: Bound<'py, PyAny>,
) -> PyResult<Counted> {
    let (spec, policy) = (GroupSpec::parse(py, &spec)?, policy(py, nan_policy)?);
    let choice = hessian_choice(py, choice)?;
    let rows = Rows::borrow(py, rows)?;
    let views = rows.views(py)?;
    let index = &index.index;
    with_width!(py, views, F => {
        let (mut gradient, mut hessian) = (output::<F>("gradient", &gradient)?, output::<F>("hessian", &hessian)?);
        let (gradient, hessian) = (written(&mut gradient), written(&mut hessian));
        detach::run(py, views.len(), |cancel| {
            let batch = views.batch::<F>(&[])?;
            counted(with_group_loss!(spec, loss => {
                groups::grad_hess(&loss, &batch, index, policy, choice, gradient, hessian, cancel)
            }))
        })
    })
}

/// The reduced loss of portfolio returns; with `gradient` its gradient goes there.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
#[pyo3(signature = (spec, trading_args, rows, index, reduction, nan_policy, gradient=None))]
pub(crate) fn series_loss<'py>(
    py: Python<'py>,
    spec: SpecArgs,
    trading_args: TradingArgs,
    rows: RowArgs<'py>,
    index: &PyGroupIndex,
    reduction: &str,
    nan_policy: &str,
    gradient: Option<Bound<'py, PyAny>>,
) -> PyResult<f64> {
    let (spec, options) = (SeriesSpec::parse(py, &spec)?, options(py, reduction, nan_policy)?);
    let trading = trading(py, &trading_args)?;
    let rows = Rows::borrow(py, rows)?;
    let views = rows.views(py)?;
    let index = &index.index;
    with_width!(py, views, F => {
        let mut gradient = gradient.as_ref().map(|array| output::<F>("out", array)).transpose()?;
        let gradient = gradient.as_mut().map(written);
        detach::run(py, views.len(), |cancel| {
            let batch = views.batch::<F>(&[])?;
            with_series_loss!(spec, loss => match gradient {
                Some(gradient) => series::value_grad(&loss, &batch, index, trading, options, gradient, cancel),
                None => series::value(&loss, &batch, index, trading, options, cancel),
            })
        })
    })
}

/// Gradient and hessian of each row for boosting.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub(crate) fn series_loss_grad_hess<'py>(
    py: Python<'py>,
    spec: SpecArgs,
    trading_args: TradingArgs,
    rows: RowArgs<'py>,
    index: &PyGroupIndex,
    nan_policy: &str,
    choice: &str,
    gradient: Bound<'py, PyAny>,
    hessian: Bound<'py, PyAny>,
) -> PyResult<()> {
    let (spec, policy) = (SeriesSpec::parse(py, &spec)?, policy(py, nan_policy)?);
    let (choice, trading) = (hessian_choice(py, choice)?, trading(py, &trading_args)?);
    let rows = Rows::borrow(py, rows)?;
    let views = rows.views(py)?;
    let index = &index.index;
    with_width!(py, views, F => {
        let (mut gradient, mut hessian) = (output::<F>("gradient", &gradient)?, output::<F>("hessian", &hessian)?);
        let (gradient, hessian) = (written(&mut gradient), written(&mut hessian));
        detach::run(py, views.len(), |cancel| {
            let batch = views.batch::<F>(&[])?;
            with_series_loss!(spec, loss => {
                series::grad_hess(&loss, &batch, index, trading, policy, choice, gradient, hessian, cancel)
            })
        })
    })
}

/// The portfolio returns, in time order.
#[pyfunction]
pub(crate) fn series_returns<'py>(
    py: Python<'py>,
    trading_args: TradingArgs,
    rows: RowArgs<'py>,
    index: &PyGroupIndex,
    nan_policy: &str,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let (trading, policy) = (trading(py, &trading_args)?, policy(py, nan_policy)?);
    let rows = Rows::borrow(py, rows)?;
    let views = rows.views(py)?;
    let index = &index.index;
    let returns: PyResult<Vec<f64>> = with_width!(py, views, F => {
        detach::run(py, views.len(), |cancel| series::returns(&views.batch::<F>(&[])?, index, trading, policy, cancel))
    });
    Ok(PyArray1::from_vec(py, returns?))
}
