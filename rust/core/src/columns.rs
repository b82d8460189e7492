//! Read-only views of the caller's columns, wherever they lie.
//!
//! A column of a row-major matrix is strided, a column of a frame is contiguous; both are the same
//! [`Strided`] view, and nothing is copied to look at them.

/// A strided, read-only view of `len` values of one type.
///
/// Value `i` lies at `data[i * stride]`; `data` reaches from the first value to the last one.
#[derive(Debug, Clone, Copy)]
pub struct Strided<'a, T> {
    data: &'a [T],
    stride: usize,
    len: usize,
}

impl<'a, T: Copy> Strided<'a, T> {
    /// A view of every `stride`-th value of `data`, `len` of them.
    ///
    /// # Panics
    /// When `data` is too short to hold them, or `stride` is 0 for more than one value.
    #[must_use]
    pub fn new(data: &'a [T], stride: usize, len: usize) -> Self {
        assert!(len <= 1 || stride > 0, "a stride of 0 repeats one value");
        assert!(len == 0 || (len - 1) * stride < data.len(), "the view ends behind its data");
        Self { data, stride: stride.max(1), len }
    }

    /// A view of a whole slice.
    #[must_use]
    pub fn from_slice(data: &'a [T]) -> Self {
        Self { data, stride: 1, len: data.len() }
    }

    /// How many values the view holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the view holds no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Value `i`.
    ///
    /// # Panics
    /// When there are not that many values.
    #[must_use]
    #[inline]
    pub fn get(&self, i: usize) -> T {
        assert!(i < self.len);
        self.data[i * self.stride]
    }

    /// The distance between two values, in values.
    #[must_use]
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// The underlying values, from the first of the view to its last, strides included.
    #[must_use]
    pub fn data(&self) -> &'a [T] {
        self.data
    }

    /// The values as a slice, where they are contiguous.
    #[must_use]
    pub fn as_slice(&self) -> Option<&'a [T]> {
        (self.stride == 1).then(|| &self.data[..self.len])
    }

    /// The values `start..stop` as a view.
    ///
    /// # Panics
    /// When the range is inverted or reaches behind the last value.
    #[must_use]
    pub fn slice(&self, start: usize, stop: usize) -> Self {
        assert!(start <= stop && stop <= self.len);
        let data = if start == stop { &self.data[..0] } else { &self.data[start * self.stride..] };
        Self { data, stride: self.stride, len: stop - start }
    }

    /// The values in order.
    pub fn iter(&self) -> impl Iterator<Item = T> + 'a {
        self.data.iter().step_by(self.stride).take(self.len).copied()
    }
}

/// One column of a frame: a view of any type the scans understand.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub enum Column<'a> {
    Bool(Strided<'a, bool>),
    I8(Strided<'a, i8>),
    I16(Strided<'a, i16>),
    I32(Strided<'a, i32>),
    I64(Strided<'a, i64>),
    U8(Strided<'a, u8>),
    U16(Strided<'a, u16>),
    U32(Strided<'a, u32>),
    U64(Strided<'a, u64>),
    F32(Strided<'a, f32>),
    F64(Strided<'a, f64>),
}

/// Runs the same expression on the view inside a [`Column`], whatever its type.
#[macro_export]
macro_rules! with_column {
    ($column:expr, $view:ident => $body:expr) => {
        match $column {
            $crate::columns::Column::Bool($view) => $body,
            $crate::columns::Column::I8($view) => $body,
            $crate::columns::Column::I16($view) => $body,
            $crate::columns::Column::I32($view) => $body,
            $crate::columns::Column::I64($view) => $body,
            $crate::columns::Column::U8($view) => $body,
            $crate::columns::Column::U16($view) => $body,
            $crate::columns::Column::U32($view) => $body,
            $crate::columns::Column::U64($view) => $body,
            $crate::columns::Column::F32($view) => $body,
            $crate::columns::Column::F64($view) => $body,
        }
    };
}

impl Column<'_> {
    /// How many rows the column has.
    #[must_use]
    pub fn len(&self) -> usize {
        with_column!(self, view => view.len())
    }

    /// Whether the column has no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strided_view_reads_every_other_value() {
        let data = [0, 1, 2, 3, 4, 5, 6];
        let view = Strided::new(&data, 2, 4);
        assert_eq!(view.iter().collect::<Vec<_>>(), [0, 2, 4, 6]);
        assert_eq!(view.slice(1, 3).iter().collect::<Vec<_>>(), [2, 4]);
        assert_eq!(view.get(3), 6);
        assert!(view.as_slice().is_none());
        assert!(view.slice(4, 4).is_empty());
    }

    #[test]
    #[should_panic(expected = "the view ends behind its data")]
    fn a_view_cannot_reach_behind_its_data() {
        let _ = Strided::new(&[1, 2, 3], 2, 3);
    }
}
