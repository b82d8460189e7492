//! Every row of every fold gets exactly one role.

use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks};
use crate::rows::{Range, Rows};
use crate::split::Span;
use crate::split::assets::AssetHulls;
use crate::split::purge::{Block, Closed, Embargo, Hull};
use crate::split::timeline::Series;

/// What a row is in a fold. The numbers are the ones of the table that Python sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Role {
    /// Fitted on.
    Train = 0,
    /// Watched for early stopping and tuning.
    Val = 1,
    /// Scored on, once.
    Test = 2,
    /// Left out: its label overlaps a test or validation block.
    Purged = 3,
    /// Left out by the embargo.
    Embargoed = 4,
    /// Not part of the fold.
    Unused = 5,
}

/// How much of what is left after purging and embargo is trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// All of it.
    All,
    /// The last so many distinct timestamps of it.
    Last(usize),
    /// What lies after an instant.
    After(i64),
}

/// What happens to a fold that is left without train rows, or without the validation or test rows it was to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnEmpty {
    /// It is an error.
    Raise,
    /// The fold is left out.
    Skip,
    /// The fold stays as it is.
    Keep,
}

/// The layout of one fold in distinct timestamps, before purging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoldSpec<'a> {
    /// The test blocks, ascending and apart. Blocks that touch are one block: merge them.
    pub tests: Vec<Block<'a>>,
    /// The validation block, where there is one.
    pub val: Option<Span>,
    /// What may train; test and validation blocks are taken out.
    pub pool: Span,
    /// How much of the pool is trained on.
    pub window: Window,
}

/// A range of rows with its role.
pub type Segment = (Role, Range);

/// One fold: a full cover of the rows by segments in time order, and the hulls that decided them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// The number of the fold in the layout; folds that were skipped leave gaps.
    pub number: usize,
    /// The segments, ascending; neighbours differ in role.
    pub segments: Vec<Segment>,
    /// The hulls of the test blocks, ascending, and of the validation block.
    pub hulls: Vec<(Role, Hull)>,
}

/// The folds of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The folds that were kept, in order.
    pub folds: Vec<Fold>,
}

/// Gives every row its role in every fold.
///
/// # Errors
/// A fold without test rows, without train rows, or whose validation block was emptied, unless `on_empty` allows it.
pub fn plan(
    series: &Series<'_>,
    specs: &[FoldSpec<'_>],
    closed: Closed,
    on_empty: OnEmpty,
    cancel: &Cancel,
) -> Result<Plan> {
    // A fold costs a few searches; within assets, a look at every row of its blocks.
    let weight = series.assets().map_or(1, |_| series.timeline.rows());
    let folds = map_blocks(specs.len(), 1, weight, cancel, |folds| {
        let number = folds.start;
        let spec = &specs[number];
        let (layers, hulls) = Layers::of(series, spec, closed);
        let segments = windowed(series, layers.segments(series.timeline.rows()), spec.window);
        match (layers.missing(&segments, number), on_empty) {
            (Some(error), OnEmpty::Raise) => Err(error),
            (Some(_), OnEmpty::Skip) => Ok(None),
            (None, _) | (_, OnEmpty::Keep) => Ok(Some(Fold { number, segments, hulls })),
        }
    })?;
    Ok(Plan { folds: folds.into_iter().flatten().collect() })
}

/// What is known about the rows of a fold before each is given its role; the sets overlap.
struct Layers {
    test: Rows,
    val: Rows,
    pool: Rows,
    /// What overlaps a test block, what the embargo covers, and what overlaps the validation block.
    overlap: Rows,
    embargo: Rows,
    val_overlap: Rows,
}

impl Layers {
    fn of(series: &Series<'_>, spec: &FoldSpec<'_>, closed: Closed) -> (Self, Vec<(Role, Hull)>) {
        let timeline = series.timeline;
        let mut hulls = Vec::with_capacity(spec.tests.len() + 1);
        let (mut overlap, mut embargo) = (Vec::new(), Vec::new());
        for block in &spec.tests {
            if let Some(hull) = Hull::of(series, &block.span) {
                let (reached, near) = forbidden(series, &hull, closed, block.embargo);
                overlap.extend_from_slice(reached.ranges());
                embargo.extend_from_slice(near.ranges());
                hulls.push((Role::Test, hull));
            }
        }
        let mut val_overlap = Rows::new();
        if let Some(hull) = spec.val.as_ref().and_then(|span| Hull::of(series, span)) {
            (val_overlap, _) = forbidden(series, &hull, closed, Embargo::None);
            hulls.push((Role::Val, hull));
        }
        let layers = Self {
            test: Rows::from_ranges(spec.tests.iter().map(|block| timeline.rows_of(&block.span))),
            val: Rows::from_ranges(spec.val.iter().map(|span| timeline.rows_of(span))),
            pool: Rows::from_ranges([timeline.rows_of(&spec.pool)]),
            overlap: Rows::from_ranges(overlap),
            embargo: Rows::from_ranges(embargo),
            val_overlap,
        };
        (layers, hulls)
    }

    /// One pass over all sets side by side, from each row at which some set begins or ends to the next.
    fn segments(&self, rows: usize) -> Vec<Segment> {
        let [mut test, mut val, mut pool] = [&self.test, &self.val, &self.pool].map(Cursor::new);
        let [mut overlap, mut embargo, mut val_overlap] =
            [&self.overlap, &self.embargo, &self.val_overlap].map(Cursor::new);
        let mut segments = Vec::with_capacity(2 * (self.overlap.ranges().len() + self.test.ranges().len()) + 8);
        let mut row = 0;
        while row < rows {
            let mut next = rows;
            let mut within = |cursor: &mut Cursor<'_>| {
                let (holds, until) = cursor.at(row);
                next = next.min(until);
                holds
            };
            let (test, val, pool) = (within(&mut test), within(&mut val), within(&mut pool));
            let (overlap, embargo) = (within(&mut overlap), within(&mut embargo));
            let val_overlap = within(&mut val_overlap);
            // Tests forbid rows to train and validation alike; the validation block forbids rows to train alone.
            let role = match () {
                () if test => Role::Test,
                () if !val && !pool => Role::Unused,
                () if overlap || (val_overlap && !val) => Role::Purged,
                () if embargo => Role::Embargoed,
                () if val => Role::Val,
                () => Role::Train,
            };
            push(&mut segments, role, Range::new(row, next));
            row = next;
        }
        segments
    }

    /// The error for what the fold lacks, if it lacks anything.
    fn missing(&self, segments: &[Segment], fold: usize) -> Option<Error> {
        let count = |wanted: Role| {
            segments.iter().filter(|(role, _)| *role == wanted).map(|(_, range)| range.len()).sum::<usize>()
        };
        if count(Role::Test) == 0 {
            return Some(Error::EmptyTest { fold });
        }
        let val = self.val.len();
        if count(Role::Train) == 0 {
            return Some(Error::EmptyTrain {
                fold,
                pool: self.pool.minus(&self.test).len(),
                val,
                purged: count(Role::Purged),
                embargoed: count(Role::Embargoed),
            });
        }
        (val > 0 && count(Role::Val) == 0).then_some(Error::EmptyValidation { fold, rows: val })
    }
}

/// A set of rows that is asked about ascending rows.
struct Cursor<'a> {
    /// The ranges that were not passed yet.
    ahead: &'a [Range],
}

impl<'a> Cursor<'a> {
    fn new(rows: &'a Rows) -> Self {
        Self { ahead: rows.ranges() }
    }

    /// Whether the set holds `row`, and the row at which that changes.
    #[inline]
    fn at(&mut self, row: usize) -> (bool, usize) {
        while let [first, behind @ ..] = self.ahead {
            if first.stop > row {
                return if first.start <= row { (true, first.stop) } else { (false, first.start) };
            }
            self.ahead = behind;
        }
        (false, usize::MAX)
    }
}

/// Appends a range that begins where the last segment ends.
fn push(segments: &mut Vec<Segment>, role: Role, range: Range) {
    match segments.last_mut() {
        Some((last, before)) if *last == role => before.stop = range.stop,
        _ => segments.push((role, range)),
    }
}

/// The rows outside of a block that overlap it, and those that its embargo covers.
fn forbidden(series: &Series<'_>, hull: &Hull, closed: Closed, embargo: Embargo<'_>) -> (Rows, Rows) {
    match series.assets() {
        None => (hull.overlapping(series, closed), hull.embargoed(series, embargo)),
        Some(assets) => {
            let hulls = AssetHulls::of(series, assets, hull.rows);
            (hulls.overlapping(series, assets, closed), hulls.embargoed(series, assets, embargo))
        }
    }
}

/// The segments, with train rows before the window unused.
fn windowed(series: &Series<'_>, segments: Vec<Segment>, window: Window) -> Vec<Segment> {
    let from = window_start(series, &segments, window);
    if from == 0 {
        return segments;
    }
    let mut kept = Vec::with_capacity(segments.len() + 1);
    for (role, range) in segments {
        if role == Role::Train && range.start < from {
            let cut = range.stop.min(from);
            push(&mut kept, Role::Unused, Range::new(range.start, cut));
            if cut < range.stop {
                push(&mut kept, Role::Train, Range::new(cut, range.stop));
            }
        } else {
            push(&mut kept, role, range);
        }
    }
    kept
}

/// The first row that the window keeps.
fn window_start(series: &Series<'_>, segments: &[Segment], window: Window) -> usize {
    let timeline = series.timeline;
    let count = match window {
        Window::All => return 0,
        Window::After(instant) => return series.row_after(instant),
        Window::Last(0) => return timeline.rows(),
        Window::Last(count) => count,
    };
    let (mut wanted, mut counted_from) = (count, timeline.timestamps());
    for (_, range) in segments.iter().rev().filter(|(role, _)| *role == Role::Train) {
        // A timestamp that was cut in two by purging is counted once.
        let first = timeline.timestamp_of(range.start);
        let stop = (timeline.timestamp_of(range.stop - 1) + 1).min(counted_from);
        let here = stop.saturating_sub(first);
        if here >= wanted {
            return timeline.first_row(stop - wanted);
        }
        wanted -= here;
        counted_from = first;
    }
    0
}
