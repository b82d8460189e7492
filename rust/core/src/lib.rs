//! The mathematics of tradewright, without Python.
//!
//! Slices in, slices out. Each kernel is deterministic: the same input gives the same bits at any thread
//! count on one machine, because work is cut into blocks whose borders depend on the data's length alone
//! (see [`parallel`]).

pub mod columns;
pub mod error;
pub mod lightgbm_text;
pub mod loss;
pub mod parallel;
pub mod rows;
pub mod scan;
pub mod split;

pub use columns::{Column, Strided};
pub use error::{Error, ErrorKind, Result};
pub use parallel::Cancel;
pub use rows::{Range, Rows};
