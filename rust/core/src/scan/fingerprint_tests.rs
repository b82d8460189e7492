//! The fingerprint knows content, not form: width, unit, chunks and threads do not matter.

use super::*;
use proptest::prelude::*;

fn plain<'a>(name: &'a str, column: Column<'a>) -> Field<'a> {
    Field { name, column, reading: Reading::Plain }
}

fn one(field: Field<'_>) -> u128 {
    column_fingerprints(&[field], &Cancel::new()).unwrap()[0]
}

fn f64s(values: &[f64]) -> Column<'_> {
    Column::F64(Strided::from_slice(values))
}

fn i64s(values: &[i64]) -> Column<'_> {
    Column::I64(Strided::from_slice(values))
}

fn times(values: &[i64], unit: TimeUnit) -> u128 {
    one(Field { name: "t", column: i64s(values), reading: Reading::Time(unit) })
}

#[test]
fn zeros_and_nans_have_one_form() {
    let odd_nan = f64::from_bits(f64::NAN.to_bits() | 0xff | 1 << 63);
    assert_eq!(one(plain("a", f64s(&[-0.0, odd_nan]))), one(plain("a", f64s(&[0.0, f64::NAN]))));
    assert_ne!(one(plain("a", f64s(&[0.0, 1.0]))), one(plain("a", f64s(&[0.0, f64::NAN]))));
}

#[test]
fn name_kind_length_and_order_count() {
    let base = one(plain("a", f64s(&[1.0, 2.0])));
    assert_ne!(base, one(plain("b", f64s(&[1.0, 2.0]))));
    assert_ne!(base, one(plain("a", f64s(&[2.0, 1.0]))));
    assert_ne!(base, one(plain("a", f64s(&[1.0, 2.0, 0.0]))));
    assert_ne!(base, one(plain("a", i64s(&[1, 2]))));
    assert_ne!(base, one(plain("a", Column::F32(Strided::from_slice(&[1.0, 2.0])))));
    let raw = [1.0f64.to_bits() as i64, 2.0f64.to_bits() as i64];
    assert_ne!(base, one(plain("a", i64s(&raw))));
    assert_ne!(one(plain("a", f64s(&[]))), one(plain("a", i64s(&[]))));
}

#[test]
fn integers_of_any_width_agree_and_huge_ones_stand_apart() {
    let wide = one(plain("a", i64s(&[3, 0, 100])));
    assert_eq!(wide, one(plain("a", Column::I8(Strided::from_slice(&[3, 0, 100])))));
    assert_eq!(wide, one(plain("a", Column::U16(Strided::from_slice(&[3, 0, 100])))));
    assert_eq!(wide, one(plain("a", Column::U64(Strided::from_slice(&[3, 0, 100])))));
    let huge = one(plain("a", Column::U64(Strided::from_slice(&[u64::MAX]))));
    assert_ne!(huge, one(plain("a", i64s(&[-1]))));
}

#[test]
fn instants_agree_in_every_unit() {
    let days = times(&[-3, 0, 19_000, MISSING_TIME, NEVER], TimeUnit::Day);
    for unit in [TimeUnit::Hour, TimeUnit::Second, TimeUnit::Microsecond, TimeUnit::Nanosecond] {
        let per_day = unit.per_day();
        let values = [-3 * per_day, 0, 19_000 * per_day, MISSING_TIME, NEVER];
        assert_eq!(days, times(&values, unit), "{unit:?}");
    }
    assert_eq!(times(&[-1_500], TimeUnit::Millisecond), times(&[-1_500_000], TimeUnit::Microsecond));
    assert_ne!(times(&[-1_500], TimeUnit::Millisecond), times(&[-1_500], TimeUnit::Second));
    assert_ne!(days, one(plain("t", i64s(&[-3, 0, 19_000, MISSING_TIME, NEVER]))));
}

#[test]
fn text_does_not_depend_on_its_dictionary() {
    let hash = |codes: &[i32], texts: &[&str]| {
        let dictionary: Vec<u128> = texts.iter().map(|text| text_hash(text)).collect();
        let column = Column::I32(Strided::from_slice(codes));
        column_fingerprints(&[Field { name: "s", column, reading: Reading::Text(&dictionary) }], &Cancel::new())
    };
    assert_eq!(hash(&[0, 1, 0, -1], &["AA", "B"]), hash(&[2, 0, 2, -1], &["B", "x", "AA"]));
    assert_ne!(hash(&[0], &["AA"]), hash(&[0], &["B"]));
    assert_eq!(hash(&[0, 2], &["AA", "B"]).unwrap_err(), Error::CodeOutOfRange { row: 1, entry: 2, size: 2 });
}

#[test]
fn pieces_of_two_kinds_are_refused() {
    let mut hasher = ColumnHasher::new("a");
    hasher.push(&f64s(&[1.0]), Reading::Plain).unwrap();
    assert!(hasher.push(&i64s(&[1]), Reading::Plain).is_err());
    assert_eq!(ColumnHasher::new("a").finish(), None);
}

#[test]
fn columns_may_come_in_any_order() {
    assert_eq!(combine(&[1, 2, 3]), combine(&[3, 1, 2]));
    assert_ne!(combine(&[1, 2]), combine(&[1, 2, 2]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn chunks_strides_and_groups_do_not_matter(
        len in prop_oneof![0usize..40, BLOCK - 2..BLOCK + 3, 2 * BLOCK..2 * BLOCK + 3],
        cuts in prop::collection::vec(0usize..200_000, 0..5),
        columns in 1usize..70,
    ) {
        // A row-major matrix with a narrow range of columns that is checked against contiguous copies.
        let wide = columns.min(if len > 1_000 { 3 } else { 70 });
        let matrix: Vec<f64> = (0..len * wide).map(|i| if i % 11 == 0 { f64::NAN } else { (i as f64).sin() }).collect();
        let names: Vec<String> = (0..wide).map(|j| format!("c{j}")).collect();
        let view = |j: usize| Strided::new(matrix.get(j..).unwrap_or(&[]), wide, len);
        let fields: Vec<Field<'_>> = (0..wide).map(|j| plain(&names[j], Column::F64(view(j)))).collect();
        let digests = column_fingerprints(&fields, &Cancel::new()).unwrap();
        for j in [0, wide - 1] {
            let copy: Vec<f64> = view(j).iter().collect();
            prop_assert_eq!(digests[j], one(plain(&names[j], f64s(&copy))));
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (len + 1)).chain([0, len]).collect();
            cuts.sort_unstable();
            let mut hasher = ColumnHasher::new(names[j].as_str());
            for pair in cuts.windows(2) {
                hasher.push(&f64s(&copy[pair[0]..pair[1]]), Reading::Plain).unwrap();
            }
            prop_assert_eq!(hasher.finish(), Some(digests[j]));
        }
    }
}
