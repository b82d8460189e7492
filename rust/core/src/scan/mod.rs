//! Scans over columns: content hashes, duplicate rows, column profiles.
//!
//! All of them read the caller's memory in place, whether it lies by column or by row, and never need a matrix.

// The tests ask for the very value, not one nearby.
#![cfg_attr(test, allow(clippy::float_cmp))]

pub mod association;
pub mod autocorrelation;
pub mod block_drift;
mod block_rows;
mod cell;
mod column_bands;
pub mod column_profile;
mod column_state;
pub mod correlation;
pub mod drift;
pub mod duplicates;
pub mod fingerprint;
pub mod future_value;
pub mod lag_profile;
pub mod missingness;
mod moments;
mod neighbours;
pub mod numbers;
mod radix;
pub mod ranks;
pub mod repeated;
mod row_groups;
pub mod row_hash;
pub mod series;
mod top_values;
mod value;
