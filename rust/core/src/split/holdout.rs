//! The validation block of a fold: on the train side, next to the test.

use crate::split::Span;

/// `size` timestamps of the pool just before the first test block; after that block where none precede it.
///
/// The block is cut short where the pool, or the next test block, ends. `tests` are ascending and apart.
#[must_use]
pub fn validation(pool: &Span, tests: &[Span], size: usize) -> Option<Span> {
    let first = tests.first()?;
    let block = if first.start > pool.start {
        let stop = first.start.min(pool.end);
        stop.saturating_sub(size).max(pool.start)..stop
    } else {
        let limit = tests.get(1).map_or(pool.end, |next| next.start.min(pool.end));
        let start = first.end.max(pool.start);
        start..start.saturating_add(size).min(limit)
    };
    (block.start < block.end).then_some(block)
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)] // a fold with one test block is a list of one range
mod tests {
    use super::validation;

    #[test]
    fn block_lies_before_the_test_or_after_it() {
        assert_eq!(validation(&(0..20), &[10..15], 3), Some(7..10));
        assert_eq!(validation(&(0..20), &[2..15], 3), Some(0..2));
        assert_eq!(validation(&(0..20), &[0..5], 3), Some(5..8));
        assert_eq!(validation(&(0..20), &[0..5, 6..9], 3), Some(5..6));
        assert_eq!(validation(&(0..10), &[10..15], 4), Some(6..10));
        assert_eq!(validation(&(0..20), &[10..15], 0), None);
        assert_eq!(validation(&(0..20), &[0..20], 3), None);
    }
}
