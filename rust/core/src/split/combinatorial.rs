//! Every choice of some of the groups as a test set, and the paths that put the pieces together again.
//!
//! López de Prado, *Advances in Financial Machine Learning* (2018), section 12.3.

use crate::error::{Error, Result};
use crate::split::{Span, kfold};

/// The most test groups that all splits may have together: beyond, the plan alone would fill the memory.
pub const MAX_TESTED: usize = 10_000_000;

/// The choices of `chosen` out of `groups`, ascending, one after another: `itertools.combinations`.
struct Choices {
    groups: usize,
    current: Option<Vec<usize>>,
}

impl Choices {
    /// Calls `visit` with the number of each choice and its groups.
    fn for_each(mut self, mut visit: impl FnMut(usize, &[usize])) {
        let mut number = 0;
        while let Some(choice) = &self.current {
            visit(number, choice);
            number += 1;
            self.advance();
        }
    }

    fn advance(&mut self) {
        let Some(choice) = &mut self.current else { return };
        let chosen = choice.len();
        // The last group that can still move up; all behind it follow it closely.
        match (0..chosen).rev().find(|&i| choice[i] < self.groups - chosen + i) {
            Some(i) => {
                let first = choice[i] + 1;
                choice[i..].iter_mut().zip(first..).for_each(|(slot, group)| *slot = group);
            }
            None => self.current = None,
        }
    }
}

/// How many splits there are, and the choices of them.
fn choices(groups: usize, test_groups: usize) -> Result<(usize, Choices)> {
    let refuse = |name: &str, value: usize, hint: String| {
        Err(Error::Parameter { name: name.into(), value: value.to_string(), hint })
    };
    if groups < 2 {
        return refuse("n_groups", groups, "pass at least 2".into());
    }
    if test_groups < 1 || test_groups >= groups {
        return refuse("n_test_groups", test_groups, format!("pass from 1 to {}, fewer than n_groups", groups - 1));
    }
    match splits(groups, test_groups) {
        Some(count) if count <= MAX_TESTED / test_groups => {
            Ok((count, Choices { groups, current: Some((0..test_groups).collect()) }))
        }
        count => {
            let count =
                count.map_or_else(|| "more splits than can be counted".into(), |count| format!("{count} splits"));
            let hint =
                format!("{test_groups} test groups of {groups} make {count}: use fewer groups, or fewer test groups");
            refuse("n_groups", groups, hint)
        }
    }
}

/// The binomial coefficient, where it fits.
fn splits(groups: usize, test_groups: usize) -> Option<usize> {
    let mut count: usize = 1;
    for i in 0..test_groups.min(groups - test_groups) {
        // Exact at every step: `count` is a binomial coefficient of its own.
        count = count.checked_mul(groups - i)? / (i + 1);
    }
    Some(count)
}

/// The test blocks of each split, in `itertools.combinations` order; groups are cut as `array_split` cuts.
///
/// Groups that follow each other are one block: rows between them don't exist, so neither do borders to purge at.
///
/// # Errors
/// More groups than timestamps, no test group, no train group, more splits than memory has room for.
pub fn blocks(timestamps: usize, groups: usize, test_groups: usize) -> Result<Vec<(usize, Span)>> {
    let (count, choices) = choices(groups, test_groups)?;
    if groups > timestamps {
        return Err(Error::Parameter {
            name: "n_groups".into(),
            value: groups.to_string(),
            hint: format!("pass from 2 to {timestamps}, the number of distinct timestamps"),
        });
    }
    let cuts = kfold::blocks(timestamps, groups)?;
    let mut found: Vec<(usize, Span)> = Vec::with_capacity(count);
    choices.for_each(|split, choice| {
        for &group in choice {
            let block = cuts[group].clone();
            match found.last_mut() {
                Some((last, before)) if *last == split && before.end == block.start => before.end = block.end,
                _ => found.push((split, block)),
            }
        }
    });
    Ok(found)
}

/// The backtest paths, row by row: path p takes group g from the p-th split, ascending, that tests g.
///
/// Each group is tested by k/N of the C(N, k) splits, so there are as many paths, of `groups` splits each.
///
/// # Errors
/// As [`blocks`].
pub fn paths(groups: usize, test_groups: usize) -> Result<Vec<usize>> {
    let (count, choices) = choices(groups, test_groups)?;
    let mut table = vec![0; count * test_groups];
    let mut filled = vec![0; groups];
    choices.for_each(|split, choice| {
        for &group in choice {
            table[filled[group] * groups + group] = split;
            filled[group] += 1;
        }
    });
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::{blocks, paths, splits};

    #[test]
    fn adjacent_groups_are_one_block() {
        let found = blocks(8, 4, 2).unwrap();
        let expected = [
            (0, 0..4), // groups 0 and 1
            (1, 0..2),
            (1, 4..6),
            (2, 0..2),
            (2, 6..8),
            (3, 2..6),
            (4, 2..4),
            (4, 6..8),
            (5, 4..8),
        ];
        assert_eq!(found, expected);
        assert_eq!(blocks(7, 3, 1).unwrap(), [(0, 0..3), (1, 3..5), (2, 5..7)]);
    }

    #[test]
    fn every_path_tests_every_group_once_and_every_split_is_used_up() {
        // The 5 paths of 6 groups and 2 test groups, as the book draws them: group 0 is tested by the first 5 splits.
        let table = paths(6, 2).unwrap();
        assert_eq!(table.len(), 5 * 6);
        assert_eq!(table[..6], [0, 0, 1, 2, 3, 4]);
        assert_eq!(table.iter().step_by(6).copied().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        for (groups, chosen) in [(5, 1), (5, 4), (7, 3)] {
            let count = splits(groups, chosen).unwrap();
            let table = paths(groups, chosen).unwrap();
            assert_eq!(table.len(), count * chosen);
            for split in 0..count {
                assert_eq!(table.iter().filter(|&&seen| seen == split).count(), chosen);
            }
            for group in 0..groups {
                let column: Vec<usize> = table.iter().skip(group).step_by(groups).copied().collect();
                assert!(column.windows(2).all(|pair| pair[0] < pair[1]));
            }
        }
    }

    #[test]
    fn what_cannot_be_split_is_refused() {
        let told = |error: crate::Error| error.to_string();
        assert!(told(blocks(5, 6, 2).unwrap_err()).contains("n_groups=6 is not allowed: pass from 2 to 5"));
        assert!(told(blocks(5, 5, 0).unwrap_err()).contains("n_test_groups=0"));
        assert!(told(paths(5, 5).unwrap_err()).contains("pass from 1 to 4"));
        assert!(told(paths(1, 1).unwrap_err()).contains("n_groups=1"));
        assert!(told(paths(60, 30).unwrap_err()).contains("30 test groups of 60 make 118264581564861424 splits"));
        assert!(told(paths(1_000, 500).unwrap_err()).contains("more splits than can be counted"));
        // N choices, but of N - 1 groups each.
        assert!(told(paths(100_000, 99_999).unwrap_err()).contains("n_groups=100000"));
        assert_eq!(paths(4_000, 1).unwrap().len(), 4_000);
    }
}
