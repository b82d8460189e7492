//! The rows of a group by value.

use super::float::Float;

/// Sorts rows by keys of whole numbers that hold value and row, which compare without branches. Buffers are kept from
/// group to group.
#[derive(Default)]
pub(super) struct Sorter {
    narrow: Vec<u64>,
    wide: Vec<u128>,
}

impl Sorter {
    /// Rows by value, largest first; ties in the caller's order. No value is NaN.
    pub(super) fn descending<F: Float>(&mut self, values: &[F], rows: &mut Vec<u32>) {
        self.sort(values, true);
        self.rows(rows);
    }

    /// Rows by value, least first; ties in the caller's order. No value is NaN.
    pub(super) fn ascending<F: Float>(&mut self, values: &[F], rows: &mut Vec<u32>) {
        self.sort(values, false);
        self.rows(rows);
    }

    fn sort<F: Float>(&mut self, values: &[F], descending: bool) {
        self.narrow.clear();
        self.wide.clear();
        // What single precision holds is sorted in it.
        if values.iter().fold(true, |all, v| all & (f64::from(v.wide() as f32) == v.wide())) {
            let turn = if descending { u32::MAX } else { 0 };
            self.narrow.extend(values.iter().zip(0u32..).map(|(v, row)| {
                // −0 is 0.
                let bits = (v.wide() as f32 + 0.0).to_bits();
                let key = bits ^ ((bits as i32 >> 31) as u32 | 1 << 31) ^ turn;
                u64::from(key) << 32 | u64::from(row)
            }));
            self.narrow.sort_unstable();
        } else {
            let turn = if descending { u64::MAX } else { 0 };
            self.wide.extend(values.iter().zip(0u32..).map(|(v, row)| {
                let bits = (v.wide() + 0.0).to_bits();
                let key = bits ^ ((bits as i64 >> 63) as u64 | 1 << 63) ^ turn;
                u128::from(key) << 32 | u128::from(row)
            }));
            self.wide.sort_unstable();
        }
    }

    fn rows(&self, rows: &mut Vec<u32>) {
        rows.clear();
        rows.extend(self.narrow.iter().map(|&key| key as u32));
        rows.extend(self.wide.iter().map(|&key| key as u32));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check<F: Float>(values: &[F]) {
        let (mut sorter, mut rows) = (Sorter::default(), vec![7]);
        let mut expected: Vec<u32> = (0..values.len() as u32).collect();
        let compare = |a: &u32, b: &u32| values[*a as usize].partial_cmp(&values[*b as usize]).unwrap();
        expected.sort_by(|a, b| compare(b, a));
        sorter.descending(values, &mut rows);
        assert_eq!(rows, expected);
        expected.sort_unstable();
        expected.sort_by(compare);
        sorter.ascending(values, &mut rows);
        assert_eq!(rows, expected);
    }

    proptest! {
        #[test]
        fn equals_a_stable_sort(values in prop::collection::vec((-3..3i32, any::<f64>()), 0..70), scale in 0..3) {
            let pick = |&(few, any): &(i32, f64)| match scale {
                0 => f64::from(few) * 0.25,
                1 if any.is_finite() && few > 0 => any,
                1 => f64::from(few) * 0.1,
                _ => -0.0 * f64::from(few),
            };
            let values: Vec<f64> = values.iter().map(pick).collect();
            check(&values);
            check(&values.iter().map(|&v| v.clamp(-1e38, 1e38) as f32).collect::<Vec<_>>());
        }
    }
}
