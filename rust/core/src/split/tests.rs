//! The engine against a row-by-row oracle, on random ragged data.

use proptest::prelude::*;

use super::plan::{mask, positions};
use super::*;
use crate::parallel::{Cancel, set_num_threads};
use crate::rows::Range;

/// Times with ties and gaps, and label ends that need not be monotone; some labels have no length.
fn any_series() -> impl Strategy<Value = (Vec<i64>, Vec<i64>)> {
    prop::collection::vec((0_i64..4, 0_i64..12), 1..80).prop_map(|steps| {
        let mut time = 0;
        steps
            .into_iter()
            .map(|(gap, length)| {
                time += gap;
                (time, time + if length < 3 { 0 } else { length })
            })
            .unzip()
    })
}

fn timeline(times: &[i64], ends: Option<&[i64]>) -> Timeline {
    Timeline::build(times, ends, &Cancel::new()).unwrap().expect("sorted")
}

/// Whether a label overlaps a hull, word for word.
fn overlaps(label: (i64, i64), hull: (i64, i64), closed: Closed) -> bool {
    match closed {
        Closed::Both => label.0 <= hull.1 && hull.0 <= label.1,
        Closed::Left => {
            let inside = |instant: i64, (from, to): (i64, i64)| from <= instant && instant < to;
            (label.0 < hull.1 && hull.0 < label.1)
                || (label.0 == label.1 && inside(label.0, hull))
                || (hull.0 == hull.1 && inside(hull.0, label))
        }
    }
}

fn role_by_hand(row: usize, times: &[i64], ends: Option<&[i64]>, spec: &FoldSpec, closed: Closed) -> Role {
    let end = |row: usize| ends.map_or(times[row], |ends| ends[row]);
    let within = |range: Range| range.start <= row && row < range.stop;
    let hull = |range: Range| (times[range.start], (range.start..range.stop).map(end).max().unwrap());
    if spec.tests.iter().any(|block| within(block.rows)) {
        return Role::Test;
    }
    let is_val = spec.val.is_some_and(within);
    if !is_val && !within(spec.pool) {
        return Role::Unused;
    }
    let label = (times[row], end(row));
    let mut forbidding: Vec<Range> = spec.tests.iter().map(|block| block.rows).collect();
    if !is_val {
        forbidding.extend(spec.val.filter(|range| !range.is_empty()));
    }
    if forbidding.into_iter().any(|range| overlaps(label, hull(range), closed)) {
        return Role::Purged;
    }
    let mut distinct: Vec<i64> = times.to_vec();
    distinct.dedup();
    let embargoed = spec.tests.iter().any(|block| {
        let (first, last) = hull(block.rows);
        match block.embargo {
            Embargo::None => false,
            Embargo::After(limit) => {
                let reach = match limit {
                    Limit::Instant(instant) => instant,
                    Limit::Timestamps(count) => {
                        let beyond: Vec<i64> = distinct.iter().copied().filter(|&time| time > last).collect();
                        if count == 0 { last } else { beyond.get(count - 1).copied().unwrap_or(i64::MAX) }
                    }
                };
                row >= block.rows.stop && times[row] <= reach.max(if count_zero(limit) { last } else { reach })
            }
            Embargo::Before(limit) => {
                let from = match limit {
                    Limit::Instant(instant) => instant,
                    Limit::Timestamps(0) => i64::MAX,
                    Limit::Timestamps(count) => {
                        let before: Vec<i64> = distinct.iter().copied().filter(|&time| time < first).collect();
                        before[before.len().saturating_sub(count)..].first().copied().unwrap_or(i64::MAX)
                    }
                };
                row < block.rows.start && end(row) >= from
            }
        }
    });
    if embargoed {
        Role::Embargoed
    } else if is_val {
        Role::Val
    } else {
        Role::Train
    }
}

fn count_zero(limit: Limit) -> bool {
    limit == Limit::Timestamps(0)
}

fn any_limit() -> impl Strategy<Value = Limit> {
    prop_oneof![(0_usize..6).prop_map(Limit::Timestamps), (0_i64..120).prop_map(Limit::Instant)]
}

/// A fold over `count` timestamps: one or two test blocks, perhaps a validation block.
fn any_fold(index: &Timeline) -> BoxedStrategy<FoldSpec> {
    let count = index.timestamps();
    let index = index.clone();
    let cut = 0..=count;
    (prop::collection::vec(cut, 6), any_limit(), 0..3_u8, prop::bool::ANY)
        .prop_filter_map("test and validation blocks are apart", move |(mut cuts, limit, kind, with_val)| {
            cuts.sort_unstable();
            let rows = |i: usize| index.rows_of(cuts[i], cuts[i + 1]);
            let embargo = match kind {
                0 => Embargo::None,
                1 => Embargo::After(limit),
                _ => Embargo::Before(limit),
            };
            let tests: Vec<Block> =
                [rows(1), rows(3)].into_iter().filter(|r| !r.is_empty()).map(|rows| Block { rows, embargo }).collect();
            let val = with_val.then(|| rows(2)).filter(|range| !range.is_empty());
            let pool = Range::new(index.first_row(cuts[0]), index.first_row(cuts[5]));
            (!tests.is_empty()).then_some(FoldSpec { tests, val, pool, window: Window::All })
        })
        .boxed()
}

proptest! {
    #[test]
    fn roles_equal_the_oracle(
        ((times, ends), spec, with_ends, closed) in any_series().prop_flat_map(|(times, ends)| {
            let index = timeline(&times, Some(&ends));
            let closed = prop_oneof![Just(Closed::Both), Just(Closed::Left)];
            (Just((times, ends)), any_fold(&index), prop::bool::ANY, closed)
        }),
    ) {
        let ends = with_ends.then_some(ends.as_slice());
        let index = timeline(&times, ends);
        let series = Series { times: &times, ends, index: &index };
        let table = plan(&series, std::slice::from_ref(&spec), closed, OnEmpty::Keep, &Cancel::new()).unwrap();
        let mut covered = 0;
        for &(role, range) in &table.folds[0] {
            prop_assert_eq!(range.start, covered);
            covered = range.stop;
            for row in range.start..range.stop {
                prop_assert_eq!(role, role_by_hand(row, &times, ends, &spec, closed), "row {}", row);
            }
        }
        prop_assert_eq!(covered, times.len());
    }

    #[test]
    fn timeline_equals_a_plain_count((times, ends) in any_series()) {
        let index = timeline(&times, Some(&ends));
        let mut distinct = times.clone();
        distinct.dedup();
        prop_assert_eq!(index.timestamps(), distinct.len());
        for (number, time) in distinct.iter().enumerate() {
            let first = times.iter().position(|t| t == time).unwrap();
            prop_assert_eq!(index.first_row(number), first);
            prop_assert_eq!(index.timestamp_of(first), number);
        }
        prop_assert_eq!(index.first_row(distinct.len()), times.len());
        prop_assert_eq!(index.timestamp_of(times.len()), distinct.len());
    }

    #[test]
    fn positions_are_the_chosen_rows(order in Just((0_i64..30).collect::<Vec<_>>()).prop_shuffle(), a in 0_usize..30, b in 0_usize..30) {
        let ranges = [Range::new(a.min(b), a.max(b))];
        let mut expected = order[a.min(b)..a.max(b)].to_vec();
        expected.sort_unstable();
        prop_assert_eq!(&positions(&ranges, Some(&order), 30), &expected);
        let chosen = mask(&ranges, Some(&order), 30);
        prop_assert!((0..30_i64).all(|row| chosen[row as usize] == expected.contains(&row)));
    }
}

/// Enough rows for several tasks, several blocks and both kinds of label ends.
fn long_series(monotone: bool) -> (Vec<i64>, Vec<i64>) {
    let times: Vec<i64> = (0..300_000_i64).map(|row| row / 3).collect();
    let ends = times.iter().enumerate().map(|(row, time)| time + if monotone { 5 } else { (row as i64 * 7_919) % 37 });
    let ends = ends.collect();
    (times, ends)
}

#[test]
fn same_table_at_any_thread_count() {
    let (times, ends) = long_series(false);
    let mut seen = Vec::new();
    for threads in [1, 2, 3, 7] {
        set_num_threads(threads).unwrap();
        seen.push(timeline(&times, Some(&ends)));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn index_stays_small() {
    for monotone in [true, false] {
        let (times, ends) = long_series(monotone);
        assert!(timeline(&times, Some(&ends)).memory() <= 8 * times.len());
    }
    let every: Vec<i64> = (0..300_000).collect();
    assert_eq!(timeline(&every, Some(&every)).memory(), 0);
}

#[test]
fn long_block_reads_the_summaries() {
    let (times, ends) = long_series(false);
    let index = timeline(&times, Some(&ends));
    let series = Series { times: &times, ends: Some(&ends), index: &index };
    for rows in [Range::new(10, 299_990), Range::new(1_023, 1_025), Range::new(0, 1_024), Range::new(5, 6)] {
        assert_eq!(series.max_end(rows), *ends[rows.start..rows.stop].iter().max().unwrap());
        let instant = times[rows.stop - 1];
        let found: Vec<usize> = series.rows_ending_from(rows, instant).iter().flat_map(|r| r.start..r.stop).collect();
        let expected: Vec<usize> = (rows.start..rows.stop).filter(|&row| ends[row] >= instant).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn window_keeps_the_last_timestamps_that_are_left() {
    let times = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4];
    let ends = [0, 0, 1, 1, 2, 4, 3, 3, 4, 4];
    let index = timeline(&times, Some(&ends));
    let series = Series { times: &times, ends: Some(&ends), index: &index };
    let tests = vec![Block { rows: Range::new(8, 10), embargo: Embargo::None }];
    for (count, first) in [(1, 6), (2, 4), (3, 2), (9, 0)] {
        let spec = FoldSpec { tests: tests.clone(), val: None, pool: Range::new(0, 8), window: Window::Last(count) };
        let table = plan(&series, &[spec], Closed::Both, OnEmpty::Raise, &Cancel::new()).unwrap();
        let train = table.folds[0].iter().find(|(role, _)| *role == Role::Train).unwrap().1;
        assert_eq!(train.start, first, "window of {count}");
    }
}

#[test]
fn bad_input_is_named() {
    let cancel = Cancel::new();
    assert_eq!(Timeline::build(&[], None, &cancel).unwrap_err().code(), "data.empty");
    assert_eq!(Timeline::build(&[1, 2], Some(&[1]), &cancel).unwrap_err().code(), "data.length_mismatch");
    let error = Timeline::build(&[3, 2, 5], Some(&[3, 1, 4]), &cancel).unwrap_err();
    assert_eq!(error, crate::Error::LabelEndBeforeTime { row: 1 });
    assert_eq!(Timeline::build(&[2, 1], None, &cancel).unwrap(), None);
}

#[test]
fn empty_train_is_an_error_with_the_counts() {
    let times = [0, 1, 2, 3];
    let ends = [9, 9, 9, 9];
    let index = timeline(&times, Some(&ends));
    let series = Series { times: &times, ends: Some(&ends), index: &index };
    let tests = vec![Block { rows: Range::new(3, 4), embargo: Embargo::None }];
    let spec = FoldSpec { tests, val: None, pool: Range::new(0, 3), window: Window::All };
    let run = |on_empty| plan(&series, std::slice::from_ref(&spec), Closed::Both, on_empty, &Cancel::new());
    let expected = crate::Error::EmptyTrain { fold: 0, pool: 3, purged: 3, embargoed: 0 };
    assert_eq!(run(OnEmpty::Raise).unwrap_err(), expected);
    assert_eq!(run(OnEmpty::Skip).unwrap().folds.len(), 0);
    assert_eq!(run(OnEmpty::Keep).unwrap().folds.len(), 1);
}
