//! Purged, embargoed splits as ranges over time order.
//!
//! [`timeline`] looks at the data once; [`purge`] says which rows a test block forbids; [`plan`] gives every row of
//! every fold its role; [`positions`] turns ranges back into the caller's rows. A splitter only lays out blocks of
//! distinct timestamps: [`walk_forward`], [`kfold`], [`combinatorial`], and [`holdout`] for the validation block of any of
//! them. [`assets`] narrows purging and embargo to the rows of one asset.

pub mod assets;
pub mod combinatorial;
mod firsts;
pub mod holdout;
pub mod kfold;
pub mod order;
pub mod plan;
pub mod positions;
pub mod purge;
pub mod timeline;
pub mod walk_forward;

pub use assets::{AssetHulls, Assets};
pub use order::{Order, Places};
pub use plan::{FoldSpec, OnEmpty, Plan, Role, Window, plan};
pub use purge::{Block, Closed, Embargo, Limit};
pub use timeline::{Series, Timeline};

/// A half-open range of distinct timestamps, by their number.
pub type Span = std::ops::Range<usize>;

#[cfg(test)]
mod tests;
