use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// Distinct (date, asset) pairs in a random order.
fn panel() -> impl Strategy<Value = Vec<(i64, i64)>> {
    let sparse = prop_oneof![Just(1i64), Just(1_000_003)];
    (prop::collection::btree_set((-6..6i64, -5..5i64), 0..60), sparse)
        .prop_map(|(set, step)| set.into_iter().map(|(date, asset)| (date, asset * step)).collect::<Vec<_>>())
        .prop_shuffle()
}

proptest! {
    #[test]
    fn equals_the_naive_index(rows in panel(), sort in any::<bool>()) {
        let mut rows = rows;
        if sort {
            rows.sort_by_key(|row| row.0);
        }
        let (dates, assets): (Vec<i64>, Vec<i64>) = rows.iter().copied().unzip();
        let index = GroupIndex::with_assets(&dates, &assets).unwrap();
        prop_assert!(!sort || index.is_sorted());
        let mut expected: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        for (row, &date) in dates.iter().enumerate() {
            expected.entry(date).or_default().push(row);
        }
        prop_assert_eq!(index.ids(), &expected.keys().copied().collect::<Vec<_>>()[..]);
        for (group, members) in expected.values().enumerate() {
            let got: Vec<usize> = index.places(group).map(|place| index.row(place)).collect();
            prop_assert_eq!(&got, members);
        }
        let links = index.links().unwrap();
        for (row, &(date, asset)) in rows.iter().enumerate() {
            let place = index.place(row);
            prop_assert_eq!(index.row(place), row);
            let same = |wanted: &dyn Fn(i64) -> bool| -> BTreeSet<(i64, usize)> {
                let others = rows.iter().enumerate().filter(|(_, other)| other.1 == asset && wanted(other.0));
                others.map(|(row, other)| (other.0, row)).collect()
            };
            let at = |row: Option<&(i64, usize)>| row.map_or(NONE, |&(_, row)| index.place(row) as u32);
            prop_assert_eq!(links.previous[place], at(same(&|other| other < date).last()));
            prop_assert_eq!(links.next[place], at(same(&|other| other > date).first()));
        }
    }

    #[test]
    fn tasks_cover_groups_in_order(sizes in prop::collection::vec(0..9_000usize, 0..30), pairs in any::<bool>()) {
        let mut starts = vec![0];
        for size in sizes {
            starts.push(starts.last().unwrap() + size);
        }
        let tasks = Tasks::new(&starts, pairs);
        let covered: Vec<usize> = (0..tasks.ends.len()).flat_map(|task| tasks.groups(task)).collect();
        prop_assert_eq!(covered, (0..starts.len() - 1).collect::<Vec<_>>());
        for (task, &end) in tasks.ends.iter().enumerate() {
            prop_assert_eq!(end, starts[tasks.groups(task).end]);
        }
    }
}

#[test]
fn an_asset_has_one_row_a_date() {
    let error = GroupIndex::with_assets(&[2, 1, 2, 1], &[7i32, 7, 8, 7]).unwrap_err();
    assert_eq!(error, Error::AssetTwice { row: 3, date: 1, asset: 7 });
    let error = GroupIndex::with_assets(&[2, 1], &[7i32]).unwrap_err();
    assert_eq!(error.code(), "data.length_mismatch");
}

#[test]
fn extreme_ids_and_no_rows() {
    let index = GroupIndex::with_assets(&[i64::MAX, i64::MIN], &[i64::MIN, i64::MAX]).unwrap();
    assert_eq!(index.ids(), [i64::MIN, i64::MAX]);
    assert_eq!(index.links().unwrap().previous, [NONE, NONE]);
    let index = GroupIndex::one_asset(0).unwrap();
    assert!(index.is_empty() && index.groups() == 0 && index.starts() == [0]);
    assert_eq!(GroupIndex::one_asset(3).unwrap().links().unwrap().previous, [NONE, 0, 1]);
}
