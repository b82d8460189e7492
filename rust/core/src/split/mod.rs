//! Purged, embargoed splits as ranges over time order.
//!
//! [`timeline`] looks at the data once; [`purge`] says which rows a test block forbids; [`plan`] gives every row of
//! every fold its role. A splitter only lays out blocks: which timestamps are tested, which validate, which may train.

pub mod plan;
pub mod purge;
pub mod timeline;

pub use plan::{FoldSpec, OnEmpty, Plan, Role, Window, plan};
pub use purge::{Block, Closed, Embargo, Limit};
pub use timeline::{Series, Timeline, gather, is_sorted, time_order};

#[cfg(test)]
mod tests;
