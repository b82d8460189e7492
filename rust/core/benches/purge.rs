//! The purge engine: reading a timeline, planning from a ready one, writing positions.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

use tradewright_core::Cancel;
use tradewright_core::rows::Rows;
use tradewright_core::split::positions::positions;
use tradewright_core::split::{
    Assets, Block, Closed, Embargo, FoldSpec, Limit, OnEmpty, Series, Timeline, Window, combinatorial, kfold, plan,
};

const ROWS: usize = 1_000_000;

/// One row a timestamp; labels of 20 bars, or of 1 to 97 in no order.
fn data(monotone: bool) -> (Vec<i64>, Vec<i64>) {
    let times: Vec<i64> = (0..ROWS as i64).collect();
    let ends = times.iter().map(|t| t + if monotone { 20 } else { 1 + (t * 7_919) % 97 }).collect();
    (times, ends)
}

fn folds(timestamps: usize, count: usize) -> Vec<FoldSpec<'static>> {
    let embargo = Embargo::After(Limit::Timestamps(100));
    let spec =
        |span| FoldSpec { tests: vec![Block { span, embargo }], val: None, pool: 0..timestamps, window: Window::All };
    kfold::blocks(timestamps, count).expect("enough timestamps").into_iter().map(spec).collect()
}

/// The 45 splits of 10 groups, 2 of them tested.
fn combinations(timestamps: usize) -> Vec<FoldSpec<'static>> {
    let embargo = Embargo::After(Limit::Timestamps(100));
    let spec = || FoldSpec { tests: Vec::new(), val: None, pool: 0..timestamps, window: Window::All };
    let mut specs: Vec<_> = (0..45).map(|_| spec()).collect();
    for (split, span) in combinatorial::blocks(timestamps, 10, 2).expect("enough timestamps") {
        specs[split].tests.push(Block { span, embargo });
    }
    specs
}

fn timelines(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("timeline");
    group.throughput(Throughput::Elements(ROWS as u64));
    for (name, monotone) in [("monotone ends", true), ("ragged ends", false)] {
        let (times, ends) = data(monotone);
        group.bench_function(name, |b| b.iter(|| Timeline::build(black_box(&times), Some(&ends), &Cancel::new())));
    }
    let (times, ends) = data(true);
    let by_asset = |values: &[i64]| -> Vec<i64> {
        (0..100).flat_map(|asset| values.iter().skip(asset).step_by(100).copied().collect::<Vec<_>>()).collect()
    };
    let (times, ends) = (by_asset(&times), by_asset(&ends));
    group.bench_function("asset-major", |b| b.iter(|| Timeline::build(black_box(&times), Some(&ends), &Cancel::new())));
    let stride = 736_879; // shares no divisor with the number of rows: a shuffle
    let shuffled = |values: &[i64]| -> Vec<i64> { (0..ROWS).map(|row| values[row * stride % ROWS]).collect() };
    let (times, ends) = data(true);
    let (times, ends) = (shuffled(&times), shuffled(&ends));
    group.bench_function("shuffled", |b| b.iter(|| Timeline::build(black_box(&times), Some(&ends), &Cancel::new())));
    group.finish();
}

fn plans(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan from a ready timeline");
    for (name, monotone) in [("monotone ends", true), ("ragged ends", false)] {
        let (times, ends) = data(monotone);
        let timeline = Timeline::build(&times, Some(&ends), &Cancel::new()).expect("valid");
        let series = Series::new(&times, Some(&ends), &timeline).expect("the same arrays");
        let specs = folds(timeline.timestamps(), 45);
        group.bench_function(format!("45 folds, {name}"), |b| {
            b.iter(|| plan(&series, black_box(&specs), Closed::Both, OnEmpty::Raise, &Cancel::new()));
        });
        let specs = combinations(timeline.timestamps());
        group.bench_function(format!("combinatorial 10/2, {name}"), |b| {
            b.iter(|| plan(&series, black_box(&specs), Closed::Both, OnEmpty::Raise, &Cancel::new()));
        });
        let assets: Vec<i32> = (0..ROWS as i32).map(|row| row % 100).collect();
        let series = series.within_assets(Assets::known(&assets, 100)).expect("as many rows");
        group.bench_function(format!("combinatorial 10/2 within assets, {name}"), |b| {
            b.iter(|| plan(&series, black_box(&specs), Closed::Both, OnEmpty::Raise, &Cancel::new()));
        });
    }
    group.finish();
}

fn arrays(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("positions");
    group.throughput(Throughput::Elements(ROWS as u64 * 4 / 5));
    let rows = Rows::span(0, ROWS).minus(&Rows::span(ROWS * 2 / 5, ROWS * 3 / 5));
    group.bench_function("int64", |b| {
        b.iter_batched(|| (), |()| positions::<i64>(black_box(&rows), None, &Cancel::new()), BatchSize::LargeInput);
    });
    group.bench_function("int32", |b| {
        b.iter_batched(|| (), |()| positions::<i32>(black_box(&rows), None, &Cancel::new()), BatchSize::LargeInput);
    });
    group.finish();
}

criterion_group!(benches, timelines, plans, arrays);
criterion_main!(benches);
