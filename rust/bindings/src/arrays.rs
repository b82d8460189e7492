//! numpy arrays as the core's views: nothing is copied, nothing of the caller's is written. And new ones, for results.
//!
//! Read-only arrays (what polars and pandas 3 hand out) are as welcome as writable ones.

use numpy::{
    Element, PyArray1, PyArrayDescrMethods, PyArrayMethods, PyReadonlyArray, PyReadonlyArrayDyn, PyUntypedArray,
    PyUntypedArrayMethods, ndarray,
};
use pyo3::prelude::*;
use tradewright_core::{Cancel, Column, Result, Strided};

use crate::detach;
use crate::errors::data_error;

/// A borrowed column of any type the scans understand; keeps the array alive while its view is used.
pub(crate) enum AnyArray<'py> {
    Bool(PyReadonlyArrayDyn<'py, bool>),
    I8(PyReadonlyArrayDyn<'py, i8>),
    I16(PyReadonlyArrayDyn<'py, i16>),
    I32(PyReadonlyArrayDyn<'py, i32>),
    I64(PyReadonlyArrayDyn<'py, i64>),
    U8(PyReadonlyArrayDyn<'py, u8>),
    U16(PyReadonlyArrayDyn<'py, u16>),
    U32(PyReadonlyArrayDyn<'py, u32>),
    U64(PyReadonlyArrayDyn<'py, u64>),
    F32(PyReadonlyArrayDyn<'py, f32>),
    F64(PyReadonlyArrayDyn<'py, f64>),
}

impl<'py> AnyArray<'py> {
    fn borrow(array: &Bound<'py, PyAny>) -> PyResult<Self> {
        refuse_foreign_bools(array)?;
        macro_rules! first_match {
            ($($variant:ident $type:ty),*) => {
                $( if let Ok(view) = array.extract::<PyReadonlyArrayDyn<'py, $type>>() { return Ok(Self::$variant(view)); } )*
            };
        }
        first_match!(F64 f64, F32 f32, I64 i64, Bool bool, I32 i32, I16 i16, I8 i8, U8 u8, U16 u16, U32 u32, U64 u64);
        let what = match array.cast::<PyUntypedArray>() {
            Ok(array) => format!("an array of dtype {}", array.dtype()),
            Err(_) => format!("a {}", array.get_type().name()?),
        };
        Err(data_error(
            array.py(),
            format!(
                "{what} cannot be scanned: pass numpy arrays of a native boolean, integer, float32 or float64 dtype"
            ),
        ))
    }
}

/// Refuses booleans that are neither 0 nor 1, which numpy lets through (`frombuffer`) and Rust must never see.
fn refuse_foreign_bools(array: &Bound<'_, PyAny>) -> PyResult<()> {
    let is_bool = array.cast::<PyUntypedArray>().is_ok_and(|array| array.dtype().kind() == b'b');
    if !is_bool {
        return Ok(());
    }
    let bytes = array.call_method1("view", ("uint8",))?.extract::<PyReadonlyArrayDyn<'_, u8>>()?;
    if bytes.as_array().iter().fold(0, |all, &byte| all | byte) > 1 {
        let hint = "a boolean column holds bytes other than 0 and 1: pass column != 0";
        return Err(data_error(array.py(), hint.into()));
    }
    Ok(())
}

/// The columns of a frame or a matrix, borrowed for one call.
pub(crate) struct Columns<'py> {
    arrays: Vec<AnyArray<'py>>,
}

impl<'py> Columns<'py> {
    /// Borrows one 2-D array (C or F order, or any strides that do not run backwards), or a sequence of 1-D arrays.
    pub(crate) fn borrow(source: &Bound<'py, PyAny>) -> PyResult<Self> {
        let arrays = if source.cast::<PyUntypedArray>().is_ok() {
            vec![AnyArray::borrow(source)?]
        } else {
            source.try_iter()?.map(|item| AnyArray::borrow(&item?)).collect::<PyResult<_>>()?
        };
        Ok(Self { arrays })
    }

    /// A view per column, in order; all of one length.
    pub(crate) fn views(&self, py: Python<'_>) -> PyResult<Vec<Column<'_>>> {
        let mut columns = Vec::new();
        for array in &self.arrays {
            macro_rules! push_views {
                ($($variant:ident),*) => {
                    match array { $( AnyArray::$variant(view) => {
                        for strided in column_views(py, view)? { columns.push(Column::$variant(strided)); }
                    } )* }
                };
            }
            push_views!(Bool, I8, I16, I32, I64, U8, U16, U32, U64, F32, F64);
        }
        if let Some(first) = columns.first() {
            let rows = first.len();
            if let Some((index, column)) = columns.iter().enumerate().find(|(_, column)| column.len() != rows) {
                return Err(data_error(
                    py,
                    format!("column {index} has {} rows, column 0 has {rows}: pass columns of one frame", column.len()),
                ));
            }
        }
        Ok(columns)
    }
}

/// The columns of a 1-D or 2-D array as strided views.
fn column_views<'a, T: Element + Copy>(
    py: Python<'_>,
    array: &'a PyReadonlyArrayDyn<'_, T>,
) -> PyResult<Vec<Strided<'a, T>>> {
    let view = array.as_array();
    match view.ndim() {
        1 => Ok(vec![strided(py, view.into_dimensionality::<ndarray::Ix1>().expect("one axis"))?]),
        2 => {
            let view = view.into_dimensionality::<ndarray::Ix2>().expect("two axes");
            (0..view.ncols()).map(|j| strided(py, view.index_axis_move(ndarray::Axis(1), j))).collect()
        }
        axes => Err(data_error(
            py,
            format!("an array of {axes} axes cannot be scanned: pass 1-D columns or one 2-D matrix"),
        )),
    }
}

#[allow(unsafe_code)]
fn strided<'a, T: Copy>(py: Python<'_>, view: ndarray::ArrayView1<'a, T>) -> PyResult<Strided<'a, T>> {
    let len = view.len();
    let stride = view.strides()[0];
    let step = match usize::try_from(stride) {
        Ok(step) if step > 0 || len <= 1 => step,
        // Reversed and broadcast views are rare; the Python layer copies them before they get here.
        _ => {
            return Err(data_error(
                py,
                format!("a view of stride {stride} cannot be scanned: pass numpy.ascontiguousarray(column)"),
            ));
        }
    };
    let reach = if len == 0 { 0 } else { (len - 1) * step + 1 };
    // SAFETY: ndarray guarantees the values at 0, step, …, (len-1)*step from its pointer; all lie inside one
    // allocation of T that the borrowed array keeps alive for 'a, and every byte between them is initialised memory of
    // the same allocation. Python code that writes to the array in another thread meanwhile breaks the rules, as it
    // does for numpy's own functions.
    let data = unsafe { std::slice::from_raw_parts(view.as_ptr(), reach) };
    Ok(Strided::new(data, step, len))
}

/// The values of a C-contiguous array, or an error that names the argument.
pub(crate) fn slice<'a, T: Element, D: ndarray::Dimension>(
    py: Python<'_>,
    name: &str,
    array: &'a PyReadonlyArray<'_, T, D>,
) -> PyResult<&'a [T]> {
    array
        .as_slice()
        .map_err(|_| data_error(py, format!("{name} must be contiguous: pass numpy.ascontiguousarray({name})")))
}

/// Numbers of which any bits are a value.
pub(crate) trait Plain: Element + Copy + Send {}

impl Plain for i32 {}
impl Plain for i64 {}
impl Plain for f32 {}
impl Plain for f64 {}

/// A new array that `fill` writes without the GIL, all of it; what it finds there is arbitrary.
///
/// The memory is numpy's: it asks the system for huge pages where an array is large, without which most of the time of
/// writing a large array is spent on being given the memory, page by page. `size` is as for [`detach::run`].
#[allow(unsafe_code)]
pub(crate) fn fresh<T: Plain>(
    py: Python<'_>,
    len: usize,
    size: usize,
    fill: impl FnOnce(&mut [T], &Cancel) -> Result<()> + Send,
) -> PyResult<Bound<'_, PyArray1<T>>> {
    // SAFETY: the array is contiguous, aligned and of `len` values, and nobody else has seen it: the one reference to
    // its values ends before it is handed out. They come from an allocator that the compiler cannot look into, and any
    // bits are a value of a plain number.
    let (array, values) = unsafe {
        let array = PyArray1::<T>::new(py, [len], false);
        let values = std::slice::from_raw_parts_mut(array.data(), len);
        (array, values)
    };
    detach::run(py, size, move |cancel| fill(values, cancel))?;
    Ok(array)
}

/// A new mask, false but where `fill` sets it, without the GIL. As [`fresh`] for memory.
pub(crate) fn fresh_mask(
    py: Python<'_>,
    len: usize,
    fill: impl FnOnce(&mut [bool], &Cancel) -> Result<()> + Send,
) -> PyResult<Bound<'_, PyArray1<bool>>> {
    let array = PyArray1::<bool>::zeros(py, [len], false);
    {
        let mut values = array.readwrite();
        let values = values.as_slice_mut()?;
        detach::run(py, len, move |cancel| fill(values, cancel))?;
    }
    Ok(array)
}
