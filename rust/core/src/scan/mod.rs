//! Scans over columns: content hashes, duplicate rows, column profiles.
//!
//! All of them read the caller's memory in place, whether it lies by column or by row, and never need a matrix.

pub mod column_profile;
pub mod duplicates;
pub mod fingerprint;
pub mod row_hash;
