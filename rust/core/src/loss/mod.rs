//! Losses with their gradients: a formula per loss, and a driver per kind of loss for everything else.
//!
//! A loss is a file with a struct of its parameters and an implementation of [`PointLoss`] (a sum over rows),
//! [`GroupLoss`] (a sum over dates) or [`SeriesLoss`] (of portfolio returns). The [`driver`], the [`group_driver`] and
//! the [`series_driver`] give it weights, missing targets, checks that name the row, reductions, both widths, threads
//! and the promise of the same bits at any thread count. A [`GroupIndex`] says which rows share a date and an asset.

// Kernels are compiled once per instruction set by being inlined into the dispatching function; one call that is not
// inlined stays scalar. Comparisons are exact and without short cuts, for the same reason.
#![allow(clippy::inline_always, clippy::needless_bitwise_bool, clippy::float_cmp, clippy::manual_range_contains)]

pub mod batch;
pub mod bce;
pub mod book;
mod cpu;
pub mod driver;
pub mod float;
pub mod group_driver;
pub mod groups;
mod kernels;
pub mod mse;
pub mod position;
mod rows_of;
pub mod series_driver;
pub mod traits;

pub use batch::Batch;
pub use bce::BinaryCrossEntropy;
pub use book::{Absent, Trading};
pub use driver::{NanPolicy, Options, Reduction, grad_hess, value, value_grad, value_grad_rows, value_rows};
pub use float::Float;
pub use groups::GroupIndex;
pub use kernels::HESSIAN_FLOOR;
pub use mse::SquaredError;
pub use position::Position;
pub use traits::{Domain, Extras, Group, GroupLoss, Hessian, PointLoss, Returns, SeriesLoss, Term};
