//! K consecutive test blocks that cover all timestamps.

use crate::error::{Error, Result};
use crate::split::Span;

/// `folds` blocks over `timestamps`, as `array_split` cuts: the first `timestamps % folds` have one more.
pub fn blocks(timestamps: usize, folds: usize) -> Result<Vec<Span>> {
    if folds < 2 || folds > timestamps {
        return Err(Error::Parameter {
            name: "n_splits".into(),
            value: folds.to_string(),
            hint: format!("pass from 2 to {timestamps}, the number of distinct timestamps"),
        });
    }
    let (size, longer) = (timestamps / folds, timestamps % folds);
    let start = |fold: usize| fold * size + fold.min(longer);
    Ok((0..folds).map(|fold| start(fold)..start(fold + 1)).collect())
}

#[cfg(test)]
mod tests {
    use super::blocks;

    #[test]
    fn first_blocks_are_longer() {
        assert_eq!(blocks(11, 4).unwrap(), vec![0..3, 3..6, 6..9, 9..11]);
        assert_eq!(blocks(2, 2).unwrap(), vec![0..1, 1..2]);
        assert!(blocks(3, 4).unwrap_err().to_string().contains("n_splits=4"));
        assert!(blocks(3, 1).is_err());
    }
}
