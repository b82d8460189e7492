//! Cells of any column as `f64`, some rows at a time.

use crate::columns::{Column, Strided};
use crate::error::{Error, Result};
use crate::with_column;

/// From this magnitude on a number is taken for a missing one: squares of such numbers overflow, and it measures nothing.
pub const BEYOND: f64 = 1e150;

/// Which rows are read, one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Places<'a> {
    /// The rows from this one on.
    From(usize),
    /// These rows.
    Listed(&'a [i64]),
}

impl<'a> Places<'a> {
    /// The rows of a whole walk, `None` for all as they lie.
    pub(crate) fn of(rows: Option<&'a [i64]>) -> Self {
        rows.map_or(Self::From(0), Self::Listed)
    }

    /// The same rows from the `start`-th on, `len` of them.
    pub(crate) fn slice(self, start: usize, len: usize) -> Self {
        match self {
            Self::From(first) => Self::From(first + start),
            Self::Listed(rows) => Self::Listed(&rows[start..start + len]),
        }
    }
}

/// What can stand in a cell.
trait Cell: Copy {
    fn number(self) -> f64;
}

macro_rules! cells {
    ($($type:ty),*) => { $( impl Cell for $type {
        #[inline]
        #[allow(clippy::cast_lossless)]
        fn number(self) -> f64 { self as f64 }
    } )* };
}

cells!(i8, i16, i32, i64, u8, u16, u32, u64, f32, f64);

impl Cell for bool {
    #[inline]
    fn number(self) -> f64 {
        f64::from(u8::from(self))
    }
}

/// Writes the cells of some rows as they are.
pub(crate) fn read(column: &Column<'_>, places: Places<'_>, out: &mut [f64]) {
    with_column!(column, view => read_view(view, places, out));
}

fn read_view<T: Cell>(view: &Strided<'_, T>, places: Places<'_>, out: &mut [f64]) {
    let len = out.len();
    match (places, view.as_slice()) {
        (Places::From(start), Some(values)) => {
            for (slot, value) in out.iter_mut().zip(&values[start..start + len]) {
                *slot = value.number();
            }
        }
        (Places::From(start), None) => {
            for (slot, value) in out.iter_mut().zip(view.slice(start, start + len).iter()) {
                *slot = value.number();
            }
        }
        (Places::Listed(rows), _) => {
            for (slot, &row) in out.iter_mut().zip(rows) {
                *slot = view.get(row as usize).number();
            }
        }
    }
}

/// As [`read`], with NaN for every cell that is no finite number below [`BEYOND`].
pub(crate) fn read_finite(column: &Column<'_>, places: Places<'_>, out: &mut [f64]) {
    read(column, places, out);
    for value in out {
        *value = if value.abs() < BEYOND { *value } else { f64::NAN };
    }
}

/// How many rows the columns have, all of them as many.
pub(crate) fn common_rows(columns: &[Column<'_>]) -> Result<usize> {
    let rows = columns.first().map_or(0, Column::len);
    match columns.iter().find(|column| column.len() != rows) {
        Some(column) => Err(Error::LengthMismatch { name: "a column".into(), got: column.len(), expected: rows }),
        None => Ok(rows),
    }
}

/// Refuses positions outside of `0..limit`.
pub(crate) fn check_rows(rows: &[i64], limit: usize) -> Result<()> {
    match rows.iter().find(|&&row| usize::try_from(row).map_or(true, |row| row >= limit)) {
        Some(row) => Err(Error::Parameter {
            name: "rows".into(),
            value: row.to_string(),
            hint: format!("pass positions from 0 to below {limit}"),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_any_type_in_any_layout() {
        let cells = [1i32, -2, 3, 4, 5, 6];
        let column = Column::I32(Strided::new(&cells, 2, 3));
        let mut out = [0.0; 2];
        read(&column, Places::From(1), &mut out);
        assert_eq!(out, [3.0, 5.0]);
        read(&column, Places::Listed(&[2, 0]), &mut out);
        assert_eq!(out, [5.0, 1.0]);
        let cells = [true, false];
        read(&Column::Bool(Strided::from_slice(&cells)), Places::of(None), &mut out);
        assert_eq!(out, [1.0, 0.0]);
        let cells = [f64::INFINITY, -1e200];
        read_finite(&Column::F64(Strided::from_slice(&cells)), Places::of(None), &mut out);
        assert!(out.iter().all(|value| value.is_nan()));
    }

    #[test]
    fn rows_that_are_not_there_are_refused() {
        assert!(check_rows(&[0, 2], 3).is_ok());
        for row in [-1, 3] {
            assert_eq!(check_rows(&[0, row], 3).unwrap_err().code(), "parameter.invalid");
        }
    }
}
