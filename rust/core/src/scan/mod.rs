//! Scans over columns: content hashes, duplicate rows, column profiles.
//!
//! All of them read the caller's memory in place, whether it lies by column or by row, and never need a matrix.

mod block_rows;
pub mod column_profile;
mod column_state;
pub mod duplicates;
pub mod fingerprint;
mod moments;
pub mod repeated;
pub mod row_hash;
mod top_values;
mod value;
