//! The profile of one column over some rows, and how the profiles of two parts become one.

use super::block_rows::{BlockRows, TILE};
use super::moments::Moments;
use super::top_values::TopValues;
use super::value::{Kind, Steps, Value};
use crate::loss::cpu::{Kernel, dispatch_widest, fetch};

const NONE: u32 = u32::MAX;

/// Multiplies the hash of a column for each tile that follows: odd, so that no bit is lost.
const TILE_FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// The same for each run of a part within a tile.
const RUN_FACTOR: u64 = 0xbf58_476d_1ce4_e5b9;

/// One asset in one column: where its cells begin and end, so that the cells of the next part can be joined on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AssetTrack {
    first: u64,
    last: u64,
    /// How many cells from the first on are equal, how many up to the last, and the most anywhere in between.
    head: u32,
    tail: u32,
    pub(crate) longest: u32,
    /// How many cells from the first on are missing.
    pub(crate) lead: u32,
    /// While a block is read: the last row that equalled its predecessor; the run it ends is `tail` long.
    repeated: u32,
}

impl AssetTrack {
    fn new() -> Self {
        Self { first: 0, last: 0, head: 1, tail: 1, longest: 1, lead: 0, repeated: NONE }
    }
}

/// The profile of one column.
#[derive(Debug, Clone)]
pub(crate) struct ColumnState {
    pub(crate) kind: Kind,
    /// By part of the rows.
    pub(crate) moments: Vec<Moments>,
    /// Each row against the one before it.
    pub(crate) rows: Steps,
    /// Each row against the same asset's row before it.
    pub(crate) own: Steps,
    pub(crate) top: TopValues,
    /// The same for columns of equal values, whatever their type.
    pub(crate) hash: u64,
    pub(crate) assets: Vec<AssetTrack>,
    first: u64,
    last: u64,
}

/// Adds rows of a block to the profile of a column; compiled for wide vectors.
struct Scan<'a, T> {
    state: &'a mut ColumnState,
    block: &'a BlockRows,
    /// Cells, the first of which is row `base` of the block; they reach back as far as any predecessor.
    cells: &'a [T],
    base: usize,
    start: usize,
    stop: usize,
}

impl<T: Value> Kernel for Scan<'_, T> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn run(self) {
        let Self { state, block, cells, base, .. } = self;
        let mut room = [T::Real::default(); TILE];
        for start in (self.start..self.stop).step_by(TILE) {
            let stop = (start + TILE).min(self.stop);
            let tile = start / TILE;
            let now = &cells[start - base..stop - base];
            // Several loops look at a tile, and only the first one would wait for memory: meanwhile the next tile is
            // asked for, half of it at a time, since only so many lines can be under way.
            let ask = |half: usize| {
                let from = stop - base + half * (TILE / 2);
                for at in (from..cells.len().min(from + TILE / 2)).step_by(64 / size_of::<T>()) {
                    fetch(cells, at);
                }
            };
            ask(0);
            let reals = T::reals(now, &mut room);
            let (mut missing, mut hash, mut steps) = (0, 0u64, Steps::default());
            for run in block.parts(tile) {
                let own = &cells[run.start - base..run.stop - base];
                // The first row of a block follows none.
                let skipped = usize::from(run.start == 0);
                let before = &cells[run.start + skipped - 1 - base..run.stop - 1 - base];
                let mut look = T::look(own[0], before, &own[skipped..]);
                look.zeros += u64::from(skipped == 1 && own[0] == T::default());
                let (found, digest) = Moments::of(&reals[run.start - start..run.stop - start], &look);
                missing += found.nan;
                state.moments[run.part].merge(&found);
                steps.merge(&look.steps);
                hash = hash.wrapping_mul(RUN_FACTOR).wrapping_add(digest);
            }
            ask(1);
            state.hash = state.hash.wrapping_mul(TILE_FACTOR).wrapping_add(hash);
            state.rows.merge(&steps);
            if block.by_asset() {
                for segment in block.segments(tile) {
                    let before = &cells[segment.start - segment.lag - base..segment.stop - segment.lag - base];
                    let after = &cells[segment.start - base..segment.stop - base];
                    let own = Steps::between(before, after);
                    state.own.merge(&own);
                    if own.equal > 0 {
                        state.note_repeats(block, before, after, segment.start, segment.lag);
                    }
                }
            } else if steps.equal > 0 {
                let second = start.max(1);
                let (before, after) = (&cells[second - 1 - base..stop - 1 - base], &cells[second - base..stop - base]);
                state.note_repeats(block, before, after, second, 1);
            }
            if missing > 0 {
                state.note_leading(block, now, start);
            }
            state.note_values(now, steps.equal);
        }
    }
}

impl ColumnState {
    pub(crate) fn new(kind: Kind, parts: usize, assets: usize) -> Self {
        Self {
            kind,
            moments: vec![Moments::default(); parts],
            rows: Steps::default(),
            own: Steps::default(),
            top: TopValues::default(),
            hash: 0,
            assets: vec![AssetTrack::new(); assets],
            first: 0,
            last: 0,
        }
    }

    /// Adds the rows `start..stop` of a block, `start` at the border of a tile.
    pub(crate) fn scan<T: Value>(&mut self, block: &BlockRows, cells: &[T], base: usize, start: usize, stop: usize) {
        dispatch_widest(Scan { state: self, block, cells, base, start, stop });
    }

    #[inline(never)]
    fn note_repeats<T: Value>(&mut self, block: &BlockRows, before: &[T], after: &[T], start: usize, lag: usize) {
        for (at, (old, new)) in before.iter().zip(after).enumerate() {
            if old != new {
                continue;
            }
            let row = start + at;
            let asset = &mut self.assets[block.code(row)];
            let goes_on = asset.repeated == (row - lag) as u32;
            asset.tail = if goes_on { asset.tail + 1 } else { 2 };
            asset.repeated = row as u32;
            asset.longest = asset.longest.max(asset.tail);
            if block.rank(row) + 1 == asset.tail {
                asset.head = asset.tail;
            }
        }
    }

    #[inline(never)]
    fn note_leading<T: Value>(&mut self, block: &BlockRows, now: &[T], start: usize) {
        for (at, _) in now.iter().enumerate().filter(|(_, cell)| cell.is_missing()) {
            let row = start + at;
            let lead = &mut self.assets[block.code(row)].lead;
            *lead += u32::from(block.rank(row) == *lead);
        }
    }

    #[inline(never)]
    fn note_values<T: Value>(&mut self, now: &[T], repeats: u64) {
        let keys = now.iter().map(|cell| (!cell.is_missing()).then(|| cell.key()));
        self.top.feed(keys, now.len(), repeats);
    }

    /// Ends a block: `key` gives the cell of a row of it.
    pub(crate) fn close(&mut self, block: &BlockRows, key: impl Fn(usize) -> u64) {
        if block.len == 0 {
            return;
        }
        (self.first, self.last) = (key(0), key(block.len - 1));
        for (code, asset) in self.assets.iter_mut().enumerate().filter(|&(code, _)| block.count[code] > 0) {
            (asset.first, asset.last) = (key(block.first[code] as usize), key(block.last[code] as usize));
            if asset.repeated != block.last[code] {
                asset.tail = 1;
            }
            asset.repeated = NONE;
        }
        if !block.by_asset() {
            self.own = self.rows;
        }
    }

    /// Joins the rows of a later part on. `ours` and `theirs` say how many rows each asset has in either.
    pub(crate) fn merge(&mut self, other: &Self, ours: &[u64], theirs: &[u64], later_tiles: u64) {
        for (a, b) in self.moments.iter_mut().zip(&other.moments) {
            a.merge(b);
        }
        let kind = self.kind;
        if theirs.iter().any(|&rows| rows > 0) {
            if ours.iter().any(|&rows| rows > 0) {
                self.rows.count(kind.compare(other.first, self.last));
            } else {
                self.first = other.first;
            }
            self.last = other.last;
        }
        self.rows.merge(&other.rows);
        self.own.merge(&other.own);
        self.top.merge(&other.top);
        self.hash = self.hash.wrapping_mul(power(TILE_FACTOR, later_tiles)).wrapping_add(other.hash);
        for (code, (a, b)) in self.assets.iter_mut().zip(&other.assets).enumerate() {
            match (ours[code], theirs[code]) {
                (_, 0) => {}
                (0, _) => *a = *b,
                (before, after) => self.own.count(a.join(b, kind, before, after)),
            }
        }
    }
}

impl AssetTrack {
    /// Joins the cells of a later part on; how its first cell compares to the last one before.
    fn join(&mut self, other: &Self, kind: Kind, before: u64, after: u64) -> Option<std::cmp::Ordering> {
        let step = kind.compare(other.first, self.last);
        let goes_on = step == Some(std::cmp::Ordering::Equal);
        let joined = if goes_on { self.tail.saturating_add(other.head) } else { 1 };
        if goes_on && u64::from(self.head) == before {
            self.head = joined;
        }
        self.longest = self.longest.max(other.longest).max(joined);
        self.tail = if goes_on && u64::from(other.tail) == after { joined } else { other.tail };
        if u64::from(self.lead) == before {
            self.lead = self.lead.saturating_add(other.lead);
        }
        self.last = other.last;
        step
    }
}

fn power(base: u64, mut exponent: u64) -> u64 {
    let (mut result, mut factor) = (1u64, base);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result.wrapping_mul(factor);
        }
        factor = factor.wrapping_mul(factor);
        exponent >>= 1;
    }
    result
}
