//! A point loss as Python names it: a name and numbers.

// An exponent of exactly 1 or 2 has a formula of its own.
#![allow(clippy::float_cmp)]

use std::collections::HashMap;

use pyo3::prelude::*;
use tradewright_core::loss::{self, ANY, Focal, Gmadl};
use tradewright_core::{Error, Result};

use crate::errors::to_python;

/// A loss's name and parameters; truth values are 0 and 1.
pub(crate) type SpecArgs = (String, HashMap<String, f64>);

/// A point loss with its parameters. What a formula's inner loop should not ask is part of the type.
#[derive(Clone)]
pub(crate) enum PointSpec {
    Bce(loss::BinaryCrossEntropy<true>),
    BceOfProbabilities(loss::BinaryCrossEntropy<false>),
    Focal0(Focal<0>),
    Focal1(Focal<1>),
    Focal2(Focal<2>),
    FocalAny(Focal<ANY>),
    LabelSmoothing(loss::LabelSmoothing),
    WeightedBce(loss::WeightedBce),
    ExpectedCost(loss::CostSensitive<false, false>),
    ExpectedCostPerRow(loss::CostSensitive<false, true>),
    LogCost(loss::CostSensitive<true, false>),
    LogCostPerRow(loss::CostSensitive<true, true>),
    Mse(loss::SquaredError),
    Mae(loss::AbsoluteError),
    Huber(loss::Huber),
    PseudoHuber(loss::PseudoHuber),
    Quantile(loss::Quantile),
    /// With the quantile of each column of predictions.
    Quantiles(loss::Quantiles, Vec<f64>),
    DirectionalLogistic(loss::DirectionalLogistic),
    Gmadl1(Gmadl<1>),
    Gmadl2(Gmadl<2>),
    GmadlAny(Gmadl<ANY>),
    Madl(loss::Madl),
}

/// Runs the same expression on the loss inside a [`PointSpec`], whatever its type.
macro_rules! with_loss {
    ($spec:expr, $loss:ident => $body:expr) => {{
        use crate::point_spec::PointSpec as Spec;
        match $spec {
            Spec::Bce($loss) => $body,
            Spec::BceOfProbabilities($loss) => $body,
            Spec::Focal0($loss) => $body,
            Spec::Focal1($loss) => $body,
            Spec::Focal2($loss) => $body,
            Spec::FocalAny($loss) => $body,
            Spec::LabelSmoothing($loss) => $body,
            Spec::WeightedBce($loss) => $body,
            Spec::ExpectedCost($loss) => $body,
            Spec::ExpectedCostPerRow($loss) => $body,
            Spec::LogCost($loss) => $body,
            Spec::LogCostPerRow($loss) => $body,
            Spec::Mse($loss) => $body,
            Spec::Mae($loss) => $body,
            Spec::Huber($loss) => $body,
            Spec::PseudoHuber($loss) => $body,
            Spec::Quantile($loss) => $body,
            Spec::Quantiles($loss, _) => $body,
            Spec::DirectionalLogistic($loss) => $body,
            Spec::Gmadl1($loss) => $body,
            Spec::Gmadl2($loss) => $body,
            Spec::GmadlAny($loss) => $body,
            Spec::Madl($loss) => $body,
        }
    }};
}
pub(crate) use with_loss;

const NAMES: &str = "bce, focal, label_smoothing, weighted_bce, cost_sensitive, mse, mae, huber, pseudo_huber, quantile, \
                     directional_loss or madl";

impl PointSpec {
    pub(crate) fn parse(py: Python<'_>, (name, params): &SpecArgs) -> PyResult<Self> {
        Self::read(name, params).map_err(|error| to_python(py, &error))
    }

    fn read(name: &str, params: &HashMap<String, f64>) -> Result<Self> {
        let get = |key: &str| {
            params.get(key).copied().ok_or_else(|| {
                let hint = format!("the loss {name} needs the parameter {key}");
                Error::Parameter { name: key.into(), value: "missing".into(), hint }
            })
        };
        let is = |key: &str| get(key).map(|value| value != 0.0);
        Ok(match name {
            "bce" if is("from_logits")? => Self::Bce(loss::BinaryCrossEntropy),
            "bce" => Self::BceOfProbabilities(loss::BinaryCrossEntropy),
            "focal" => focal(get("gamma")?, params.get("alpha").copied()),
            "label_smoothing" => Self::LabelSmoothing(loss::LabelSmoothing { epsilon: get("epsilon")? }),
            "weighted_bce" => Self::WeightedBce(loss::WeightedBce { pos_weight: get("pos_weight")? }),
            "cost_sensitive" => {
                let costs = [get("cost_fp")?, get("cost_fn")?, get("cost_tp")?, get("cost_tn")?];
                match (is("log")?, is("per_row")?) {
                    (false, false) => Self::ExpectedCost(loss::CostSensitive { costs }),
                    (false, true) => Self::ExpectedCostPerRow(loss::CostSensitive { costs }),
                    (true, false) => Self::LogCost(loss::CostSensitive { costs }),
                    (true, true) => Self::LogCostPerRow(loss::CostSensitive { costs }),
                }
            }
            "mse" => Self::Mse(loss::SquaredError),
            "mae" => Self::Mae(loss::AbsoluteError),
            "huber" => Self::Huber(loss::Huber { delta: get("delta")? }),
            "pseudo_huber" => Self::PseudoHuber(loss::PseudoHuber { delta: get("delta")? }),
            "quantile" => quantiles(get("columns")? as usize, get)?,
            "directional_loss" if is("gmadl")? => gmadl(get("a")?, get("b")?),
            "directional_loss" => Self::DirectionalLogistic(loss::DirectionalLogistic { sharpness: get("sharpness")? }),
            "madl" => Self::Madl(loss::Madl),
            _ => {
                let hint = format!("pass one of {NAMES}");
                return Err(Error::Parameter { name: "loss".into(), value: format!("{name:?}"), hint });
            }
        })
    }

    /// The further argument of each column of predictions; none where a row has one prediction.
    pub(crate) fn per_column(&self) -> &[f64] {
        if let Self::Quantiles(_, quantiles) = self { quantiles } else { &[] }
    }
}

fn focal(gamma: f64, alpha: Option<f64>) -> PointSpec {
    let alpha = alpha.map_or((1.0, 1.0), |alpha| (alpha, 1.0 - alpha));
    if gamma == 0.0 {
        PointSpec::Focal0(Focal { gamma, alpha })
    } else if gamma == 1.0 {
        PointSpec::Focal1(Focal { gamma, alpha })
    } else if gamma == 2.0 {
        PointSpec::Focal2(Focal { gamma, alpha })
    } else {
        PointSpec::FocalAny(Focal { gamma, alpha })
    }
}

fn gmadl(a: f64, b: f64) -> PointSpec {
    if b == 1.0 {
        PointSpec::Gmadl1(Gmadl { a, b })
    } else if b == 2.0 {
        PointSpec::Gmadl2(Gmadl { a, b })
    } else {
        PointSpec::GmadlAny(Gmadl { a, b })
    }
}

fn quantiles(columns: usize, get: impl Fn(&str) -> Result<f64>) -> Result<PointSpec> {
    let quantiles: Vec<f64> = (0..columns).map(|k| get(&format!("quantile_{k}"))).collect::<Result<_>>()?;
    quantiles.iter().try_for_each(|&quantile| loss::quantile::check_quantile(quantile))?;
    Ok(match quantiles[..] {
        [quantile] => PointSpec::Quantile(loss::Quantile { quantile }),
        [] => {
            let hint = "pass at least one quantile";
            return Err(Error::Parameter { name: "quantiles".into(), value: "none".into(), hint: hint.into() });
        }
        _ => PointSpec::Quantiles(loss::Quantiles, quantiles),
    })
}
