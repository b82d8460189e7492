//! The engine against a row-by-row oracle, on random ragged data.

use proptest::prelude::*;

use super::positions::{mask, positions};
use super::*;
use crate::parallel::{Cancel, set_num_threads};
use crate::rows::{Range, Rows};

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
    Timeline::build(times, ends, &Cancel::new()).unwrap()
}

fn series<'a>(times: &'a [i64], ends: Option<&'a [i64]>, timeline: &'a Timeline) -> Series<'a> {
    Series::new(times, ends, timeline).unwrap()
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

/// The role of a row of sorted times, from first principles: pairwise over the labels of each block.
///
/// With `assets` a row knows the labels of its own asset alone.
fn role_by_hand(
    row: usize,
    times: &[i64],
    ends: Option<&[i64]>,
    assets: Option<&[i32]>,
    spec: &FoldSpec<'_>,
    closed: Closed,
) -> Role {
    let mut distinct: Vec<i64> = times.to_vec();
    distinct.dedup();
    let rows_of = |span: &Span| {
        let first =
            |index: usize| distinct.get(index).map_or(times.len(), |t| times.iter().position(|x| x == t).unwrap());
        Range::new(first(span.start), first(span.end))
    };
    let end = |row: usize| ends.map_or(times[row], |ends| ends[row]);
    let within = |range: Range| range.start <= row && row < range.stop;
    let seen = |other: &usize| assets.is_none_or(|assets| assets[*other] == assets[row]);
    let hull = |range: Range| {
        let own: Vec<usize> = (range.start..range.stop).filter(seen).collect();
        own.first().map(|&first| (times[first], own.iter().copied().map(end).max().unwrap()))
    };
    if spec.tests.iter().any(|block| within(rows_of(&block.span))) {
        return Role::Test;
    }
    let is_val = spec.val.as_ref().is_some_and(|span| within(rows_of(span)));
    if !is_val && !within(rows_of(&spec.pool)) {
        return Role::Unused;
    }
    let label = (times[row], end(row));
    let mut forbidding: Vec<Range> = spec.tests.iter().map(|block| rows_of(&block.span)).collect();
    if !is_val {
        forbidding.extend(spec.val.as_ref().map(rows_of));
    }
    if forbidding
        .into_iter()
        .flat_map(|range| range.start..range.stop)
        .filter(seen)
        .any(|i| overlaps(label, (times[i], end(i)), closed))
    {
        return Role::Purged;
    }
    let embargoed = spec.tests.iter().any(|block| {
        let rows = rows_of(&block.span);
        let Some((first, last)) = hull(rows) else { return false };
        match block.embargo {
            Embargo::None => false,
            Embargo::After(limit) => {
                let reach = match limit {
                    Limit::Instant(instant) => instant,
                    Limit::Instants(instants) => instants[assets.unwrap()[row] as usize],
                    Limit::Timestamps(0) => i64::MIN,
                    Limit::Timestamps(count) => {
                        distinct.iter().copied().filter(|&time| time > last).nth(count - 1).unwrap_or(i64::MAX)
                    }
                };
                row >= rows.stop && times[row] <= reach
            }
            Embargo::Before(limit) => {
                let from = match limit {
                    Limit::Instant(instant) => instant,
                    Limit::Instants(instants) => instants[assets.unwrap()[row] as usize],
                    Limit::Timestamps(0) => i64::MAX,
                    Limit::Timestamps(count) => {
                        let before: Vec<i64> = distinct.iter().copied().filter(|&time| time < first).collect();
                        before[before.len().saturating_sub(count)..].first().copied().unwrap_or(i64::MAX)
                    }
                };
                row < rows.start && end(row) >= from
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

fn any_limit() -> impl Strategy<Value = Limit<'static>> {
    prop_oneof![(0_usize..6).prop_map(Limit::Timestamps), (0_i64..120).prop_map(Limit::Instant)]
}

/// A fold over `count` timestamps: one or two test blocks, perhaps a validation block.
fn any_fold(index: &Timeline) -> BoxedStrategy<FoldSpec<'static>> {
    let count = index.timestamps();
    (prop::collection::vec(0..=count, 6), any_limit(), 0..3_u8, prop::bool::ANY)
        .prop_filter_map("a fold has a test block", move |(mut cuts, limit, kind, with_val)| {
            cuts.sort_unstable();
            let embargo = match kind {
                0 => Embargo::None,
                1 => Embargo::After(limit),
                _ => Embargo::Before(limit),
            };
            let span = |i: usize| cuts[i]..cuts[i + 1];
            let blocks = [span(1), span(3)].into_iter().filter(|span| !span.is_empty());
            let tests: Vec<Block> = blocks.map(|span| Block { span, embargo }).collect();
            let val = with_val.then(|| span(2)).filter(|span| !span.is_empty());
            (!tests.is_empty()).then_some(FoldSpec { tests, val, pool: cuts[0]..cuts[5], window: Window::All })
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
        let series = series(&times, ends, &index);
        let table = plan(&series, std::slice::from_ref(&spec), closed, OnEmpty::Keep, &Cancel::new()).unwrap();
        let mut covered = 0;
        for &(role, range) in &table.folds[0].segments {
            prop_assert_eq!(range.start, covered);
            covered = range.stop;
            for row in range.start..range.stop {
                prop_assert_eq!(role, role_by_hand(row, &times, ends, None, &spec, closed), "row {}", row);
            }
        }
        prop_assert_eq!(covered, times.len());
    }

    #[test]
    fn roles_within_assets_equal_the_oracle(
        ((times, ends), codes, shuffle, mut spec, with_ends, closed, instants) in
            any_series().prop_flat_map(|(times, ends)| {
                let index = timeline(&times, Some(&ends));
                let rows: Vec<usize> = (0..times.len()).collect();
                let closed = prop_oneof![Just(Closed::Both), Just(Closed::Left)];
                let instants = prop::option::of(prop::collection::vec(0_i64..120, 4));
                (
                    Just((times, ends)),
                    prop::collection::vec(0_i32..4, rows.len()),
                    prop_oneof![Just(rows.clone()).boxed(), Just(rows).prop_shuffle().boxed()],
                    any_fold(&index),
                    prop::bool::ANY,
                    closed,
                    instants,
                )
            }),
    ) {
        // Asset 3 may have no row at all; the codes are read in the caller's order.
        let count = Assets::read(&codes, &Cancel::new()).unwrap().count();
        if let Some(instants) = &instants {
            for block in &mut spec.tests {
                block.embargo = match block.embargo {
                    Embargo::After(_) => Embargo::After(Limit::Instants(&instants[..count])),
                    Embargo::Before(_) => Embargo::Before(Limit::Instants(&instants[..count])),
                    Embargo::None => Embargo::None,
                };
            }
        }
        let caller = |values: &[i64]| shuffle.iter().map(|&row| values[row]).collect::<Vec<_>>();
        let (caller_times, caller_ends) = (caller(&times), caller(&ends));
        let caller_ends = with_ends.then_some(caller_ends.as_slice());
        let index = timeline(&caller_times, caller_ends);
        let series = series(&caller_times, caller_ends, &index);
        let series = series.within_assets(Assets::known(&codes, count)).unwrap();
        let table = plan(&series, std::slice::from_ref(&spec), closed, OnEmpty::Keep, &Cancel::new()).unwrap();
        let place = |row: usize| series.caller_row(row);
        let sorted_ends: Vec<i64> = (0..times.len()).map(|row| series.end(row)).collect();
        let sorted_codes: Vec<i32> = (0..times.len()).map(|row| codes[place(row)]).collect();
        let ends = with_ends.then_some(sorted_ends.as_slice());
        let mut covered = 0;
        for &(role, range) in &table.folds[0].segments {
            prop_assert_eq!(range.start, covered);
            covered = range.stop;
            for row in range.start..range.stop {
                let expected = role_by_hand(row, &times, ends, Some(&sorted_codes), &spec, closed);
                prop_assert_eq!(role, expected, "row {}", row);
            }
        }
        prop_assert_eq!(covered, times.len());
    }

    #[test]
    fn one_asset_is_all_assets(
        ((times, ends), spec, closed) in any_series().prop_flat_map(|(times, ends)| {
            let index = timeline(&times, Some(&ends));
            (Just((times, ends)), any_fold(&index), prop_oneof![Just(Closed::Both), Just(Closed::Left)])
        }),
    ) {
        let index = timeline(&times, Some(&ends));
        let codes = vec![0; times.len()];
        let run = |series: &Series<'_>| {
            plan(series, std::slice::from_ref(&spec), closed, OnEmpty::Keep, &Cancel::new()).unwrap()
        };
        let all = run(&series(&times, Some(&ends), &index));
        let own = run(&series(&times, Some(&ends), &index).within_assets(Assets::known(&codes, 1)).unwrap());
        prop_assert_eq!(all, own);
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
    fn unsorted_rows_are_the_sorted_ones_seen_through_the_order(
        ((times, ends), shuffle) in any_series().prop_flat_map(|(times, ends)| {
            let rows: Vec<usize> = (0..times.len()).collect();
            (Just((times, ends)), Just(rows).prop_shuffle())
        }),
        instant in 0_i64..120,
    ) {
        let shuffled: Vec<i64> = shuffle.iter().map(|&row| times[row]).collect();
        let shuffled_ends: Vec<i64> = shuffle.iter().map(|&row| ends[row]).collect();
        let index = timeline(&shuffled, Some(&shuffled_ends));
        let seen = series(&shuffled, Some(&shuffled_ends), &index);
        let mut by_hand: Vec<usize> = (0..times.len()).collect();
        by_hand.sort_by_key(|&row| shuffled[row]);
        if let Some(order) = index.order() {
            prop_assert!((0..times.len()).all(|place| order.at(place) == by_hand[place]));
        } else {
            prop_assert!(shuffled.is_sorted());
        }
        prop_assert!((0..times.len()).all(|place| seen.time(place) == times[place]));
        prop_assert!((0..times.len()).all(|place| seen.end(place) == shuffled_ends[by_hand[place]]));
        prop_assert_eq!(seen.row_after(instant), times.partition_point(|&time| time <= instant));
        let everything = Range::new(0, times.len());
        prop_assert_eq!(seen.max_end(everything), *ends.iter().max().unwrap());
        let late: Vec<usize> = seen.rows_ending_from(everything, instant).iter().flat_map(|r| r.start..r.stop).collect();
        let expected: Vec<usize> = (0..times.len()).filter(|&place| seen.end(place) >= instant).collect();
        prop_assert_eq!(late, expected);
    }

    #[test]
    fn positions_are_the_chosen_rows(
        order in Just((0_i32..30).collect::<Vec<_>>()).prop_shuffle(),
        cuts in prop::collection::vec(0_usize..30, 4),
    ) {
        let rows = Rows::from_ranges([Range::new(cuts[0], cuts[1]), Range::new(cuts[2], cuts[3])]);
        let wide = Order::Wide(order.iter().map(|&row| i64::from(row)).collect());
        let narrow = Order::Narrow(order);
        for order in [None, Some(narrow.places()), Some(wide.places())] {
            let places = rows.ranges().iter().flat_map(|range| range.start..range.stop);
            let mut expected: Vec<usize> = places.map(|place| order.map_or(place, |order| order.at(place))).collect();
            expected.sort_unstable();
            let longs: Vec<i64> = positions(&rows, order, &Cancel::new()).unwrap();
            let ints: Vec<i32> = positions(&rows, order, &Cancel::new()).unwrap();
            prop_assert!(longs.iter().map(|&row| row as usize).eq(expected.iter().copied()));
            prop_assert!(ints.iter().map(|&row| row as usize).eq(expected.iter().copied()));
            let chosen = mask(&rows, order, 30);
            prop_assert!((0..30).all(|row| chosen[row] == expected.contains(&row)));
        }
    }
}

#[test]
fn many_positions_are_written_by_many_tasks() {
    let ranges: Vec<Range> = (0..500).map(|i| Range::new(i * 1_000, i * 1_000 + 900)).collect();
    let rows = Rows::from_ranges(ranges.iter().copied());
    let written: Vec<i64> = positions(&rows, None, &Cancel::new()).unwrap();
    assert!(written.into_iter().eq(ranges.iter().flat_map(|range| range.start as i64..range.stop as i64)));
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
fn same_order_at_any_thread_count() {
    let (times, ends) = long_series(false);
    // Asset-major: three runs over the same times.
    let shuffled: Vec<i64> = (0..3).flat_map(|asset| times.iter().skip(asset).step_by(3).copied()).collect();
    let shuffled_ends: Vec<i64> = (0..3).flat_map(|asset| ends.iter().skip(asset).step_by(3).copied()).collect();
    let mut seen = Vec::new();
    for threads in [1, 2, 3, 7] {
        set_num_threads(threads).unwrap();
        seen.push(timeline(&shuffled, Some(&shuffled_ends)));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
    let order = seen[0].order().expect("unsorted");
    assert!((0..times.len()).all(|place| order.at(place) == (place % 3) * 100_000 + place / 3));
    assert!(seen[0].memory() <= 12 * times.len());
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
    let series = series(&times, Some(&ends), &index);
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
    let series = series(&times, Some(&ends), &index);
    let tests = vec![Block { span: 4..5, embargo: Embargo::None }];
    for (count, first) in [(1, 6), (2, 4), (3, 2), (9, 0)] {
        let spec = FoldSpec { tests: tests.clone(), val: None, pool: 0..4, window: Window::Last(count) };
        let table = plan(&series, &[spec], Closed::Both, OnEmpty::Raise, &Cancel::new()).unwrap();
        let train = table.folds[0].segments.iter().find(|(role, _)| *role == Role::Train).unwrap().1;
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
    assert_eq!(Timeline::build(&[2, 1], None, &cancel).unwrap().order(), Some(&Order::Narrow(vec![1, 0])));
    let one = timeline(&[1], None);
    assert_eq!(Series::new(&[1, 2], None, &one).err().unwrap().code(), "data.length_mismatch");
}

#[test]
fn asset_codes_are_checked() {
    let read = |codes: &[i32]| Assets::read(codes, &Cancel::new()).map(|assets| assets.count());
    assert_eq!(read(&[3, 0]).unwrap(), 4);
    assert_eq!(read(&[]).unwrap(), 0);
    let limit = 1 << 20;
    assert_eq!(read(&[0, 2, -1]).unwrap_err(), crate::Error::AssetCode { row: 2, asset: -1, limit });
    assert_eq!(read(&[0, i32::MAX]).unwrap_err(), crate::Error::AssetCode { row: 1, asset: i32::MAX, limit });
    let one = timeline(&[1], None);
    let error = series(&[1], None, &one).within_assets(Assets::known(&[0, 0], 1)).err().unwrap();
    assert_eq!(error.code(), "data.length_mismatch");
}

#[test]
fn empty_train_is_an_error_with_the_counts() {
    let times = [0, 1, 2, 3];
    let ends = [9, 9, 9, 9];
    let index = timeline(&times, Some(&ends));
    let series = series(&times, Some(&ends), &index);
    let tests = vec![Block { span: 3..4, embargo: Embargo::None }];
    let spec = FoldSpec { tests, val: None, pool: 0..3, window: Window::All };
    let run = |on_empty| plan(&series, std::slice::from_ref(&spec), Closed::Both, on_empty, &Cancel::new());
    let expected = crate::Error::EmptyTrain { fold: 0, pool: 3, val: 0, purged: 3, embargoed: 0 };
    assert_eq!(run(OnEmpty::Raise).unwrap_err(), expected);
    assert_eq!(run(OnEmpty::Skip).unwrap().folds.len(), 0);
    assert_eq!(run(OnEmpty::Keep).unwrap().folds.len(), 1);
}
