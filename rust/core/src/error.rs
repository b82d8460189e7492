//! Every error the core can raise, in one table.
//!
//! A row of the table is a variant with typed fields, a stable code for programs, the family it belongs to
//! and a message for people. The message says what is wrong, where, and what to do; the binding crate hands
//! the code, the family and the message to Python in one place.

use std::fmt;

/// What the caller did wrong, coarsely; the binding crate maps each kind to one Python exception class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A value is out of the range its parameter allows.
    Parameter,
    /// The data handed in breaks the contract (a missing value, an impossible order, a wrong length).
    Data,
    /// A split cannot be made from this data with these settings.
    Split,
    /// Purging and embargo left a fold without train rows.
    EmptyTrain,
    /// A loss cannot be computed from these values.
    Loss,
    /// A model's file was damaged, or made to harm.
    Integrity,
    /// The computation was stopped from outside (Ctrl-C).
    Interrupted,
}

macro_rules! error_table {
    ($(
        $(#[$doc:meta])*
        $name:ident { $($field:ident : $type:ty),* $(,)? } $kind:ident $code:literal $message:literal
    )*) => {
        /// An error of the core. See the module for how the table is read.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum Error { $( $(#[$doc])* #[allow(missing_docs)] $name { $($field: $type),* } ),* }

        impl Error {
            /// Every code the core can raise, in the order of the table.
            pub const CODES: &'static [&'static str] = &[$($code),*];

            /// The stable code of this error, for programs.
            #[must_use]
            pub fn code(&self) -> &'static str {
                match self { $( Self::$name { .. } => $code ),* }
            }

            /// The family of this error.
            #[must_use]
            pub fn kind(&self) -> ErrorKind {
                match self { $( Self::$name { .. } => ErrorKind::$kind ),* }
            }

            /// The typed fields by name, as text: what a program reads instead of parsing the message.
            #[must_use]
            pub fn fields(&self) -> Vec<(&'static str, String)> {
                match self { $( Self::$name { $($field),* } => vec![$((stringify!($field), $field.to_string())),*] ),* }
            }
        }

        impl fmt::Display for Error {
            #[allow(unused_variables)]
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $( Self::$name { $($field),* } => write!(f, $message) ),* }
            }
        }
    };
}

error_table! {
    /// The caller asked for the work to stop.
    Interrupted {} Interrupted "interrupted"
        "interrupted"
    /// Two arrays that describe the same rows differ in length.
    LengthMismatch { name: String, got: usize, expected: usize } Data "data.length_mismatch"
        "{name} has {got} rows, expected {expected}: pass arrays that describe the same rows"
    /// There is nothing to work on.
    Empty { name: String } Data "data.empty"
        "{name} is empty: pass at least one row"
    /// A parameter is outside of what it allows.
    Parameter { name: String, value: String, hint: String } Parameter "parameter.invalid"
        "{name}={value} is not allowed: {hint}"
    /// A label ends before it begins.
    LabelEndBeforeTime { row: usize } Data "data.label_end_before_time"
        "row {row}: label_end is earlier than time; a label cannot end before its row exists. Check the column, or drop the row"
    /// Nothing is left to train on.
    EmptyTrain { fold: usize, pool: usize, val: usize, purged: usize, embargoed: usize } EmptyTrain "split.empty_train"
        "fold {fold} has no train rows left: of {pool} rows that are not tested, {val} were set aside for validation, {purged} purged and {embargoed} embargoed. Use fewer or smaller folds, a shorter embargo or val_size, more data before the first test, or on_empty='skip'"
    /// Purging emptied the validation block.
    EmptyValidation { fold: usize, rows: usize } Split "split.empty_validation"
        "fold {fold} has no validation rows left: all {rows} were purged or embargoed, since they are too close to the test. Use a val_size longer than the label horizon and the embargo, or on_empty='skip'"
    /// A test block holds no timestamp.
    EmptyTest { fold: usize } Split "split.empty_test"
        "fold {fold} has no test rows: no timestamp lies in its block. Use a longer test_size, or on_empty='skip'"
    /// More test blocks than the data has room for.
    WalkTooLong { folds: usize, needed: usize, timestamps: usize } Split "split.walk_too_long"
        "{folds} test blocks need {needed} distinct timestamps, the data has {timestamps}: use fewer splits, or a smaller test_size, step or train_size"
    /// An asset's code is negative, or far larger than there are rows.
    AssetCode { row: usize, asset: i32, limit: usize } Data "data.asset_code"
        "row {row}: the asset code is {asset}: number assets from 0, below {limit}"
    // --- scan
    /// Two frames that are compared differ in their columns.
    ColumnCountMismatch { got: usize, expected: usize } Data "data.column_count_mismatch"
        "one frame has {got} columns, the other {expected}: pass frames with the same columns in the same order"
    /// A code points outside of its dictionary.
    CodeOutOfRange { row: usize, entry: i32, size: usize } Data "data.code_out_of_range"
        "row {row}: code {entry} is not in a dictionary of {size} texts: pass codes below its size, or a negative one for a missing text"

    // --- losses
    /// A prediction is NaN or infinite.
    PredictionNotFinite { row: usize, value: f64 } Loss "loss.prediction_not_finite"
        "row {row}: the prediction is {value}; a loss needs finite predictions. Look for a diverged model or missing features"
    /// A prediction is finite but not one this loss takes.
    PredictionOutOfDomain { row: usize, value: f64, allowed: String } Loss "loss.prediction_out_of_domain"
        "row {row}: the prediction is {value}, allowed is {allowed}"
    /// A target is missing.
    TargetMissing { row: usize } Loss "loss.target_missing"
        "row {row}: the target is NaN; drop the row, or pass nan_policy=\"omit\" to leave such rows out"
    /// A target is not one this loss takes.
    TargetOutOfDomain { row: usize, value: f64, allowed: String } Loss "loss.target_out_of_domain"
        "row {row}: the target is {value}, allowed is {allowed}"
    /// A weight is negative, NaN or infinite.
    WeightInvalid { row: usize, value: f64 } Loss "loss.weight_invalid"
        "row {row}: the weight is {value}; weights are finite and not negative. Clip them, or drop the row"
    /// A mean over nothing.
    NothingToAverage { reason: String } Loss "loss.nothing_to_average"
        "the mean is undefined: {reason}. Pass rows that count, or use reduction=\"sum\", which is 0 here"
    /// A per-row argument of a loss is NaN or infinite.
    ArgumentNotFinite { row: usize, value: f64 } Loss "loss.argument_not_finite"
        "row {row}: a per-row argument is {value}; costs and the like are finite. Repair it, or drop the row"
    /// A loss that takes one weight per group got two.
    WeightDiffers { row: usize, group: i64, value: f64, expected: f64 } Loss "loss.weight_differs"
        "row {row}: the weight is {value}, other rows of group {group} have {expected}; this loss takes one weight per group (date). Give all its rows the same"
    /// One asset has two rows on one date.
    AssetTwice { row: usize, date: i64, asset: i64 } Loss "loss.asset_twice"
        "row {row}: asset {asset} has another row on date {date}; an asset holds one position a date. Drop one, or check the ids"
    /// A date has several rows, and nothing says whose they are.
    AssetsNeeded { row: usize, date: i64 } Loss "loss.assets_needed"
        "row {row}: date {date} has another row; pass assets= so that each position finds its predecessor, or cost=0"
    /// A date loses everything, which compounding does not survive.
    Ruin { date: i64, value: f64 } Loss "loss.ruin"
        "date {date}: the portfolio return is {value}; at -1 or below nothing is left to compound. Bound the position, or check that returns are fractions and not percent"
    /// Fewer dates than the loss can be computed from.
    TooFewDates { got: usize, needed: usize } Loss "loss.too_few_dates"
        "{got} returns are too few, this loss needs {needed}: pass more dates"
    /// The loss is a ratio, which has no sum.
    ReductionUndefined { reduction: String } Loss "loss.reduction_undefined"
        "reduction=\"{reduction}\" is not defined: this loss is no sum over dates. Use reduction=\"mean\""
    /// A volatility that nothing can be divided by.
    VolatilityInvalid { row: usize, value: f64 } Loss "loss.volatility_invalid"
        "row {row}: the volatility is {value}; volatilities are finite and above 0. Floor them, or drop the row"

    // --- model files
    /// The frame of a LightGBM text does not hold together.
    LightgbmHeader { field: String, what: String } Integrity "bundle.lightgbm_header"
        "the LightGBM text is damaged or crafted, its header ({field}): {what}. Get the file again from where it was saved, or save the model again; don't load it from elsewhere"
    /// A tree of a LightGBM text does not hold together.
    LightgbmTree { tree: usize, field: String, what: String } Integrity "bundle.lightgbm_tree"
        "the LightGBM text is damaged or crafted, tree {tree} ({field}): {what}. Get the file again from where it was saved, or save the model again; don't load it from elsewhere"
}

impl std::error::Error for Error {}

/// The result of every fallible function of the core.
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_lowercase() {
        let mut codes = Error::CODES.to_vec();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Error::CODES.len());
        assert!(codes.iter().all(|code| code.chars().all(|c| c.is_ascii_lowercase() || c == '.' || c == '_')));
    }

    #[test]
    fn message_names_the_fields() {
        let error = Error::LengthMismatch { name: "label_end".into(), got: 3, expected: 5 };
        assert_eq!(error.to_string(), "label_end has 3 rows, expected 5: pass arrays that describe the same rows");
        assert_eq!(error.fields(), vec![("name", "label_end".into()), ("got", "3".into()), ("expected", "5".into())]);
        assert_eq!(error.code(), "data.length_mismatch");
    }
}
