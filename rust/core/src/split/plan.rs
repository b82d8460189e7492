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
        let (roles, hulls) = Roles::assign(series, &specs[number], closed);
        match (roles.missing(series, &specs[number], number), on_empty) {
            (Some(error), OnEmpty::Raise) => Err(error),
            (Some(_), OnEmpty::Skip) => Ok(None),
            (None, _) | (_, OnEmpty::Keep) => {
                Ok(Some(Fold { number, segments: roles.segments(series.timeline.rows()), hulls }))
            }
        }
    })?;
    Ok(Plan { folds: folds.into_iter().flatten().collect() })
}

struct Roles {
    train: Rows,
    val: Rows,
    test: Rows,
    purged: Rows,
    embargoed: Rows,
}

impl Roles {
    fn assign(series: &Series<'_>, spec: &FoldSpec<'_>, closed: Closed) -> (Self, Vec<(Role, Hull)>) {
        let timeline = series.timeline;
        let test = Rows::from_ranges(spec.tests.iter().map(|block| timeline.rows_of(&block.span)));
        let val = Rows::from_ranges(spec.val.iter().map(|span| timeline.rows_of(span))).minus(&test);
        let pool = Rows::from_ranges([timeline.rows_of(&spec.pool)]).minus(&test).minus(&val);

        // Tests forbid rows to train and validation alike; the validation block forbids rows to train alone.
        let mut hulls = Vec::with_capacity(spec.tests.len() + 1);
        let (mut overlap, mut embargo) = (Vec::new(), Vec::new());
        for block in &spec.tests {
            if let Some(hull) = Hull::of(series, &block.span) {
                let (reached, near) = forbidden(series, &hull, closed, block.embargo);
                overlap.push(reached);
                embargo.push(near);
                hulls.push((Role::Test, hull));
            }
        }
        let (overlap, embargo) = (merged(overlap), merged(embargo));
        let mut val_overlap = Rows::new();
        if let Some(hull) = spec.val.as_ref().and_then(|span| Hull::of(series, span)) {
            (val_overlap, _) = forbidden(series, &hull, closed, Embargo::None);
            hulls.push((Role::Val, hull));
        }
        let purged = pool.intersect(&overlap.union(&val_overlap)).union(&val.intersect(&overlap));
        let embargoed = pool.union(&val).intersect(&embargo).minus(&purged);
        let gone = purged.union(&embargoed);
        let left = pool.minus(&gone);
        (Self { train: windowed(series, &left, spec.window), val: val.minus(&gone), test, purged, embargoed }, hulls)
    }

    /// The error for what the fold lacks, if it lacks anything.
    fn missing(&self, series: &Series<'_>, spec: &FoldSpec<'_>, fold: usize) -> Option<Error> {
        if self.test.is_empty() {
            return Some(Error::EmptyTest { fold });
        }
        let val = spec.val.as_ref().map_or(0, |span| series.timeline.rows_of(span).len());
        if self.train.is_empty() {
            return Some(Error::EmptyTrain {
                fold,
                pool: Rows::from_ranges([series.timeline.rows_of(&spec.pool)]).minus(&self.test).len(),
                val,
                purged: self.purged.len(),
                embargoed: self.embargoed.len(),
            });
        }
        (val > 0 && self.val.is_empty()).then_some(Error::EmptyValidation { fold, rows: val })
    }

    fn segments(self, rows: usize) -> Vec<Segment> {
        let named = merged([&self.train, &self.val, &self.test, &self.purged, &self.embargoed].map(Clone::clone));
        let unused = Rows::span(0, rows).minus(&named);
        let mut segments: Vec<Segment> = Vec::new();
        for (role, rows) in [
            (Role::Train, self.train),
            (Role::Val, self.val),
            (Role::Test, self.test),
            (Role::Purged, self.purged),
            (Role::Embargoed, self.embargoed),
            (Role::Unused, unused),
        ] {
            segments.extend(rows.ranges().iter().map(|&range| (role, range)));
        }
        segments.sort_unstable_by_key(|(_, range)| range.start);
        segments
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

fn merged(parts: impl IntoIterator<Item = Rows>) -> Rows {
    Rows::from_ranges(parts.into_iter().flat_map(|rows| rows.ranges().to_vec()))
}

/// The part of what is left that the window keeps.
fn windowed(series: &Series<'_>, left: &Rows, window: Window) -> Rows {
    let timeline = series.timeline;
    let from = match window {
        Window::All => return left.clone(),
        Window::After(instant) => series.row_after(instant),
        Window::Last(0) => timeline.rows(),
        Window::Last(count) => {
            let (mut wanted, mut counted_from) = (count, timeline.timestamps());
            let mut from = 0;
            for range in left.ranges().iter().rev() {
                // A timestamp that was cut in two by purging is counted once.
                let first = timeline.timestamp_of(range.start);
                let stop = (timeline.timestamp_of(range.stop - 1) + 1).min(counted_from);
                let here = stop.saturating_sub(first);
                if here >= wanted {
                    from = timeline.first_row(stop - wanted);
                    break;
                }
                wanted -= here;
                counted_from = first;
            }
            from
        }
    };
    left.intersect(&Rows::span(from, timeline.rows()))
}
