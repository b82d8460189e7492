//! The Python face of `tradewright-core`: views in, arrays out, no mathematics.
//!
//! Every function goes through [`detach::run`], which lets other Python threads work, honours Ctrl-C and turns
//! a panic into an exception.
// PyO3's macros generate public items whose documentation is the Python docstring.
#![allow(missing_docs, clippy::needless_pass_by_value)]

mod arrays;
mod block_drift;
mod blocks;
mod detach;
mod errors;
mod group_loss;
mod loss;
mod model_text;
mod point_spec;
mod positions;
mod profile;
mod runtime;
mod scan;
mod scan_statistics;
mod split;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _core {
    // errors and runtime
    #[pymodule_export]
    use crate::errors::error_codes;
    #[pymodule_export]
    use crate::runtime::{num_threads, request_stop, set_num_threads, spin};

    // split
    #[pymodule_export]
    use crate::blocks::{combinatorial_blocks, combinatorial_paths, kfold_blocks, walk_forward_blocks};
    #[pymodule_export]
    use crate::positions::{range_mask, range_positions};
    #[pymodule_export]
    use crate::split::Timeline;

    // loss
    #[pymodule_export]
    use crate::loss::{loss_grad_hess, loss_rows, loss_rows_grad, loss_value, loss_value_grad};

    // group and series losses
    #[pymodule_export]
    use crate::group_loss::{
        PyGroupIndex, group_loss, group_loss_each, group_loss_grad_hess, series_loss, series_loss_grad_hess,
        series_returns,
    };

    // model files
    #[pymodule_export]
    use crate::model_text::check_lightgbm_text;

    // scan
    #[pymodule_export]
    use crate::profile::ColumnProfiler;
    #[pymodule_export]
    use crate::scan::{combine_fingerprints, cross_duplicates, duplicate_rows, fingerprint_columns, repeated_rows};

    // statistics between columns
    #[pymodule_export]
    use crate::block_drift::BlockSamples;
    #[pymodule_export]
    use crate::scan_statistics::{
        associations, autocorrelations, correlations, drifts, future_values, lag_profile, missing_by_class, ranks,
    };
}
