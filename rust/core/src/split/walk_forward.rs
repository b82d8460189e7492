//! Test blocks that walk forward in time, each with what precedes it as its train pool.

use crate::error::{Error, Result};
use crate::split::Span;

/// Which end of the data the test blocks are laid from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The last test ends with the data.
    End,
    /// The first test starts as soon as `lead` timestamps precede it.
    Start,
}

/// A walk by counts of distinct timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walk {
    /// How many folds; none: as many as fit behind the lead.
    pub folds: Option<usize>,
    /// Timestamps of a test block.
    pub test: usize,
    /// Timestamps from one test's start to the next.
    pub step: usize,
    /// Timestamps that precede the first test: all that is asked of [`Anchor::Start`] and of an open number of folds.
    pub lead: usize,
    /// Where the walk is anchored.
    pub anchor: Anchor,
}

impl Walk {
    /// The test blocks over `timestamps`, ascending.
    ///
    /// # Errors
    /// Sizes of nothing; more blocks than the data has room for.
    pub fn blocks(&self, timestamps: usize) -> Result<Vec<Span>> {
        for (name, size) in [("test_size", self.test), ("step", self.step), ("n_splits", self.folds.unwrap_or(1))] {
            if size == 0 {
                let hint = "it must come to at least 1 (a fraction or a duration may be shorter than one timestamp)";
                return Err(Error::Parameter { name: name.into(), value: "0".into(), hint: hint.into() });
            }
        }
        // What the walk needs when the first test starts at `lead`.
        let room = timestamps.checked_sub(self.lead).and_then(|left| left.checked_sub(self.test));
        let folds = match (self.folds, room) {
            (Some(folds), _) => folds,
            (None, Some(room)) => room / self.step + 1,
            (None, None) => {
                return Err(Error::WalkTooLong { folds: 1, needed: self.lead + self.test, timestamps });
            }
        };
        let walked = (folds - 1).saturating_mul(self.step).saturating_add(self.test);
        let lead = if self.anchor == Anchor::Start { self.lead } else { 0 };
        let needed = walked.saturating_add(lead);
        if needed > timestamps {
            return Err(Error::WalkTooLong { folds, needed, timestamps });
        }
        let first = if self.anchor == Anchor::Start { lead } else { timestamps - walked };
        Ok((0..folds).map(|fold| first + fold * self.step).map(|start| start..start + self.test).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALK: Walk = Walk { folds: Some(3), test: 2, step: 2, lead: 2, anchor: Anchor::End };

    #[test]
    fn last_test_ends_with_the_data() {
        assert_eq!(WALK.blocks(11).unwrap(), vec![5..7, 7..9, 9..11]);
        assert_eq!(Walk { step: 1, ..WALK }.blocks(5).unwrap(), vec![1..3, 2..4, 3..5]);
    }

    #[test]
    fn first_test_follows_the_lead() {
        assert_eq!(Walk { anchor: Anchor::Start, ..WALK }.blocks(11).unwrap(), vec![2..4, 4..6, 6..8]);
    }

    #[test]
    fn number_of_folds_follows_from_the_sizes() {
        let open = Walk { folds: None, ..WALK };
        assert_eq!(open.blocks(11).unwrap(), vec![3..5, 5..7, 7..9, 9..11]);
        assert_eq!(Walk { anchor: Anchor::Start, ..open }.blocks(11).unwrap(), vec![2..4, 4..6, 6..8, 8..10]);
        assert_eq!(open.blocks(4).unwrap(), vec![2..4]);
        assert_eq!(open.blocks(3).unwrap_err().code(), "split.walk_too_long");
    }

    #[test]
    fn room_is_checked() {
        assert_eq!(WALK.blocks(6).unwrap(), vec![0..2, 2..4, 4..6]);
        assert_eq!(WALK.blocks(5), Err(Error::WalkTooLong { folds: 3, needed: 6, timestamps: 5 }));
        for broken in [Walk { test: 0, ..WALK }, Walk { step: 0, ..WALK }, Walk { folds: Some(0), ..WALK }] {
            assert_eq!(broken.blocks(9).unwrap_err().code(), "parameter.invalid");
        }
        assert!(Walk { folds: Some(usize::MAX), ..WALK }.blocks(9).is_err());
    }
}
