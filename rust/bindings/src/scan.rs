//! Scans over columns: fingerprints, duplicate rows, missing values.

use pyo3::prelude::*;
use tradewright_core::Error;
use tradewright_core::scan::fingerprint::{self, Field, Reading, TimeUnit};

use crate::arrays::Columns;
use crate::{detach, errors};

/// The content hash of each column, as 32 hex digits.
///
/// `units[j]` makes column j a time in that unit (64-bit integers), `texts[j]` makes it text (32-bit codes into it).
#[pyfunction]
#[pyo3(signature = (columns, names, units=None, texts=None))]
pub(crate) fn fingerprint_columns(
    py: Python<'_>,
    columns: &Bound<'_, PyAny>,
    names: Vec<String>,
    units: Option<Vec<Option<String>>>,
    texts: Option<Vec<Option<Vec<String>>>>,
) -> PyResult<Vec<String>> {
    let arrays = Columns::borrow(columns)?;
    let views = arrays.views(py)?;
    let to_python = |error: Error| errors::to_python(py, &error);
    let units = units.unwrap_or_else(|| vec![None; views.len()]);
    let texts = texts.unwrap_or_else(|| vec![None; views.len()]);
    for (name, got) in [("names", names.len()), ("units", units.len()), ("texts", texts.len())] {
        if got != views.len() {
            return Err(to_python(Error::LengthMismatch { name: name.into(), got, expected: views.len() }));
        }
    }
    let dictionaries: Vec<Option<Vec<u128>>> = texts
        .iter()
        .map(|texts| texts.as_ref().map(|texts| texts.iter().map(|text| fingerprint::text_hash(text)).collect()))
        .collect();
    let mut fields = Vec::with_capacity(views.len());
    for (j, &column) in views.iter().enumerate() {
        let reading = match (&units[j], &dictionaries[j]) {
            (Some(unit), _) => Reading::Time(TimeUnit::parse(unit).map_err(to_python)?),
            (None, Some(dictionary)) => Reading::Text(dictionary),
            (None, None) => Reading::Plain,
        };
        fields.push(Field { name: &names[j], column, reading });
    }
    let size = views.first().map_or(0, tradewright_core::Column::len).saturating_mul(views.len());
    let digests = detach::run(py, size, |cancel| fingerprint::column_fingerprints(&fields, cancel))?;
    Ok(digests.into_iter().map(|digest| format!("{digest:032x}")).collect())
}

/// One hash of a set of column hashes, whatever their order.
#[pyfunction]
pub(crate) fn combine_fingerprints(py: Python<'_>, digests: Vec<String>) -> PyResult<String> {
    let digests: Vec<u128> = digests
        .iter()
        .map(|digest| u128::from_str_radix(digest, 16))
        .collect::<Result<_, _>>()
        .map_err(|_| errors::data_error(py, "a fingerprint has 32 hex digits".into()))?;
    Ok(format!("{:032x}", fingerprint::combine(&digests)))
}
