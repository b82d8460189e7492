//! Every row of every fold gets exactly one role.

use crate::error::{Error, Result};
use crate::parallel::Cancel;
use crate::rows::{Range, Rows};
use crate::split::purge::{Block, Closed};
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
    /// What lies at or after an instant.
    From(i64),
}

/// What happens to a fold that is left without train rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnEmpty {
    /// It is an error.
    Raise,
    /// The fold is left out.
    Skip,
    /// The fold stays, without train rows.
    Keep,
}

/// The layout of one fold, before purging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoldSpec {
    /// The test blocks, ascending and apart.
    pub tests: Vec<Block>,
    /// The rows of the validation block, where there is one.
    pub val: Option<Range>,
    /// The rows that may train; those of test and validation blocks are taken out.
    pub pool: Range,
    /// How much of the pool is trained on.
    pub window: Window,
}

/// A range of rows with its role.
pub type Segment = (Role, Range);

/// The folds of a plan, each a full cover of the rows by segments in time order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The segments of each fold.
    pub folds: Vec<Vec<Segment>>,
}

/// Gives every row its role in every fold.
///
/// # Errors
/// A fold without train rows, unless `on_empty` allows it; a validation block that purging emptied.
pub fn plan(
    series: &Series<'_>,
    specs: &[FoldSpec],
    closed: Closed,
    on_empty: OnEmpty,
    cancel: &Cancel,
) -> Result<Plan> {
    let mut folds = Vec::with_capacity(specs.len());
    for (fold, spec) in specs.iter().enumerate() {
        cancel.check()?;
        let roles = Roles::assign(series, spec, closed);
        if roles.train.is_empty() && on_empty != OnEmpty::Keep {
            if on_empty == OnEmpty::Skip {
                continue;
            }
            return Err(Error::EmptyTrain {
                fold,
                pool: roles.purged.len() + roles.embargoed.len() + roles.unused_of(spec.pool).len(),
                purged: roles.purged.len(),
                embargoed: roles.embargoed.len(),
            });
        }
        if let Some(block) = spec.val
            && roles.val.is_empty()
            && on_empty == OnEmpty::Raise
        {
            return Err(Error::EmptyValidation { fold, rows: block.len() });
        }
        folds.push(roles.segments(series.index.rows()));
    }
    Ok(Plan { folds })
}

struct Roles {
    train: Rows,
    val: Rows,
    test: Rows,
    purged: Rows,
    embargoed: Rows,
}

impl Roles {
    fn assign(series: &Series<'_>, spec: &FoldSpec, closed: Closed) -> Self {
        let test = Rows::from_ranges(spec.tests.iter().map(|block| block.rows));
        let val = Rows::from_ranges(spec.val).minus(&test);
        let pool = Rows::from_ranges([spec.pool]).minus(&test).minus(&val);

        // Tests forbid rows to train and validation alike; the validation block forbids rows to train alone.
        let overlap = merged(spec.tests.iter().map(|block| block.overlapping(series, closed)));
        let embargo = merged(spec.tests.iter().map(|block| block.embargoed(series)));
        let val_overlap = match spec.val {
            Some(rows) if !rows.is_empty() => {
                Block { rows, embargo: crate::split::purge::Embargo::None }.overlapping(series, closed)
            }
            _ => Rows::new(),
        };
        let purged = pool.intersect(&overlap.union(&val_overlap)).union(&val.intersect(&overlap));
        let embargoed = pool.union(&val).intersect(&embargo).minus(&purged);
        let gone = purged.union(&embargoed);
        let left = pool.minus(&gone);
        Self { train: window(series, &left, spec.window), val: val.minus(&gone), test, purged, embargoed }
    }

    /// Rows of the pool that the window left out.
    fn unused_of(&self, pool: Range) -> Rows {
        let named = merged([&self.train, &self.val, &self.test, &self.purged, &self.embargoed].map(Clone::clone));
        Rows::from_ranges([pool]).minus(&named)
    }

    fn segments(self, rows: usize) -> Vec<Segment> {
        let unused = self.unused_of(Range::new(0, rows));
        let mut segments: Vec<Segment> = [
            (Role::Train, self.train),
            (Role::Val, self.val),
            (Role::Test, self.test),
            (Role::Purged, self.purged),
            (Role::Embargoed, self.embargoed),
            (Role::Unused, unused),
        ]
        .into_iter()
        .flat_map(|(role, rows)| rows.ranges().iter().map(|&range| (role, range)).collect::<Vec<_>>())
        .collect();
        segments.sort_unstable_by_key(|(_, range)| range.start);
        segments
    }
}

fn merged(parts: impl IntoIterator<Item = Rows>) -> Rows {
    Rows::from_ranges(parts.into_iter().flat_map(|rows| rows.ranges().to_vec()))
}

/// The part of what is left that the window keeps.
fn window(series: &Series<'_>, left: &Rows, window: Window) -> Rows {
    let rows = series.index.rows();
    match window {
        Window::All => left.clone(),
        Window::From(instant) => left.intersect(&Rows::span(series.row_at_or_after(instant), rows)),
        Window::Last(count) => {
            let mut missing = count;
            for range in left.ranges().iter().rev() {
                let (first, last) = (series.index.timestamp_of(range.start), series.index.timestamp_of(range.stop - 1));
                let here = last - first + 1;
                if here >= missing {
                    let start = series.index.first_row(last + 1 - missing);
                    return left.intersect(&Rows::span(start, rows));
                }
                missing -= here;
                // Two ranges that share a timestamp count it once: the next one ends where this one begins.
                let shared = left
                    .ranges()
                    .iter()
                    .any(|other| other.stop <= range.start && series.index.timestamp_of(other.stop - 1) == first);
                missing += usize::from(shared);
            }
            left.clone()
        }
    }
}

/// The positions of ranges as indices: ascending positions of the caller's rows.
///
/// `order[i]` is the caller's position of the `i`-th row in time order.
#[must_use]
pub fn positions(ranges: &[Range], order: Option<&[i64]>, rows: usize) -> Vec<i64> {
    match order {
        None => {
            let mut out = Vec::with_capacity(ranges.iter().map(|range| range.len()).sum());
            for range in ranges {
                out.extend(range.start as i64..range.stop as i64);
            }
            out
        }
        Some(order) => {
            let chosen = mask(ranges, Some(order), rows);
            chosen.iter().enumerate().filter(|(_, chosen)| **chosen).map(|(row, _)| row as i64).collect()
        }
    }
}

/// Whether each of the caller's rows is in the ranges.
#[must_use]
pub fn mask(ranges: &[Range], order: Option<&[i64]>, rows: usize) -> Vec<bool> {
    let mut chosen = vec![false; rows];
    for range in ranges {
        match order {
            None => chosen[range.start..range.stop].fill(true),
            Some(order) => order[range.start..range.stop].iter().for_each(|&row| chosen[row as usize] = true),
        }
    }
    chosen
}
