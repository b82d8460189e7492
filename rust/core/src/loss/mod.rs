//! Losses with their gradients: a formula per loss, and a driver per kind of loss for everything else.
//!
//! A loss is a file with a struct of its parameters and an implementation of [`PointLoss`] (a sum over rows),
//! [`GroupLoss`] (a sum over dates) or [`SeriesLoss`] (of portfolio returns). The [`driver`], the [`group_driver`] and
//! the [`series_driver`] give it weights, missing targets, checks that name the row, reductions, both widths, threads
//! and the promise of the same bits at any thread count. A [`GroupIndex`] says which rows share a date and an asset.

// Kernels are compiled once per instruction set by being inlined into the dispatching function; one call that is not
// inlined stays scalar. Comparisons are exact and without short cuts, for the same reason.
#![allow(clippy::inline_always, clippy::needless_bitwise_bool, clippy::float_cmp, clippy::manual_range_contains)]
// Formulas in documentation are no code; v − v tells whether v is finite.
#![allow(clippy::doc_markdown, clippy::eq_op)]

pub mod batch;
pub mod bce;
pub mod book;
mod constants;
pub mod cost_sensitive;
pub(crate) mod cpu;
pub mod directional;
pub mod driver;
pub mod float;
pub mod focal;
pub mod group_driver;
pub mod groups;
pub mod huber;
mod kernels;
pub mod label_smoothing;
pub(crate) mod lane;
#[cfg(target_arch = "x86_64")]
mod lane_avx2;
#[cfg(target_arch = "x86_64")]
mod lane_pair;
pub mod logistic;
pub mod mae;
pub mod mse;
pub mod position;
pub mod quantile;
mod rows_of;
pub mod series_driver;
pub mod traits;
mod uncached;
pub mod weighted_bce;

// group losses
pub mod approx_ndcg;
pub mod gain;
pub mod ic;
pub mod lambdarank;
pub mod listmle;
pub mod listnet;
mod pairs;
pub mod pairwise_hinge;
pub mod pairwise_logistic;
#[cfg(test)]
mod point_tests;
#[cfg(test)]
mod ranking_tests;
mod soft_rank;
pub mod soft_spearman;
mod sorter;
mod tanh;
mod usable;

// losses of portfolio returns
pub mod crra;
pub mod cvar;
pub mod differential_sharpe;
pub mod drawdown;
pub mod profit;
pub mod sharpe;
mod stream;
mod stream_positions;
mod stream_rows;

pub use batch::Batch;
pub use bce::BinaryCrossEntropy;
pub use book::{Absent, Trading};
pub use cost_sensitive::CostSensitive;
pub use directional::{DirectionalLogistic, Gmadl, Madl};
pub use driver::{NanPolicy, Options, Reduction, grad_hess, value, value_grad, value_grad_rows, value_rows};
pub use float::Float;
pub use focal::Focal;
pub use groups::GroupIndex;
pub use huber::{Huber, PseudoHuber};
pub use kernels::HESSIAN_FLOOR;
pub use label_smoothing::LabelSmoothing;
pub use lane::Lane;
pub use logistic::ANY;
pub use mae::AbsoluteError;
pub use mse::SquaredError;
pub use position::Position;
pub use quantile::{Quantile, Quantiles};
pub use traits::{Domain, Extras, Group, GroupLoss, Hessian, PointLoss, Returns, SeriesLoss, Term};

pub use approx_ndcg::ApproxNdcg;
pub use gain::Gain;
pub use ic::InformationCoefficient;
pub use lambdarank::LambdaRank;
pub use listmle::ListMle;
pub use listnet::ListNet;
pub use pairwise_hinge::PairwiseHinge;
pub use pairwise_logistic::{Average, PairGap, PairwiseLogistic};
pub use soft_spearman::SoftSpearman;

pub use crra::Crra;
pub use cvar::CVar;
pub use differential_sharpe::DifferentialSharpe;
pub use drawdown::{Calmar, MaxDrawdown};
pub use profit::Profit;
pub use sharpe::{Sharpe, Sortino};

pub use weighted_bce::WeightedBce;
