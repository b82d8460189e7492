//! From a score to a position, and back along the gradient.

/// How a score becomes a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// The score itself.
    Identity,
    /// tanh s: −1 to 1, the same risk budget for every asset.
    Tanh,
    /// The score cut at −1 and 1; the gradient behind the cut is 0.
    Clip,
    /// The softmax over the assets of a date: long only, fully invested. A date's returns are then added up and not
    /// averaged.
    Softmax,
}

impl Position {
    /// Replaces the scores of a date by positions.
    pub(super) fn apply(self, scores: &mut [f64]) {
        match self {
            Self::Identity => {}
            Self::Tanh => scores.iter_mut().for_each(|s| *s = s.tanh()),
            Self::Clip => scores.iter_mut().for_each(|s| *s = s.clamp(-1.0, 1.0)),
            Self::Softmax => {
                let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let mut sum = 0.0;
                for s in scores.iter_mut() {
                    *s = (*s - top).exp();
                    sum += *s;
                }
                for s in scores {
                    *s /= sum;
                }
            }
        }
    }

    /// Replaces the derivatives by the positions of a date by those by its scores.
    pub(super) fn pull_back(self, scores: &[f64], positions: &[f64], slopes: &mut [f64]) {
        if self == Self::Softmax {
            let mean: f64 = positions.iter().zip(&*slopes).map(|(p, slope)| p * slope).sum();
            for (slope, p) in slopes.iter_mut().zip(positions) {
                *slope = p * (*slope - mean);
            }
            return;
        }
        for (slope, &s) in slopes.iter_mut().zip(scores) {
            *slope *= self.derivative(s, 0.0);
        }
    }

    /// The derivative of a position by its own score.
    pub(super) fn derivative(self, score: f64, position: f64) -> f64 {
        match self {
            Self::Identity => 1.0,
            // 4e/(1 + e)² with e = exp(−2|s|): 1 − tanh² would be 0 long before the derivative is.
            Self::Tanh => {
                let e = (-2.0 * score.abs()).exp();
                4.0 * e / ((1.0 + e) * (1.0 + e))
            }
            Self::Clip => f64::from(u8::from(score.abs() <= 1.0)),
            Self::Softmax => position * (1.0 - position),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Position; 4] = [Position::Identity, Position::Tanh, Position::Clip, Position::Softmax];

    proptest! {
        #[test]
        fn gradient_is_the_derivative(scores in prop::collection::vec(-3.0..3.0f64, 1..9), tilt in -2.0..2.0f64) {
            let slope = |i: usize| (i as f64 + tilt).cos();
            for position in ALL {
                let total = |scores: &[f64]| {
                    let mut p = scores.to_vec();
                    position.apply(&mut p);
                    p.iter().enumerate().map(|(i, p)| p * slope(i)).sum::<f64>()
                };
                let mut positions = scores.clone();
                position.apply(&mut positions);
                let mut slopes: Vec<f64> = (0..scores.len()).map(slope).collect();
                position.pull_back(&scores, &positions, &mut slopes);
                for i in 0..scores.len() {
                    let at = |step: f64| {
                        let mut moved = scores.clone();
                        moved[i] += step;
                        total(&moved)
                    };
                    let numeric = (at(1e-6) - at(-1e-6)) / 2e-6;
                    let kink = position == Position::Clip && (scores[i].abs() - 1.0).abs() < 1e-5;
                    prop_assert!(kink || (numeric - slopes[i]).abs() < 1e-8, "{:?} {} {}", position, numeric, slopes[i]);
                }
            }
        }
    }

    #[test]
    fn finite_far_out() {
        for position in ALL {
            let scores = [-1e3, 1e3, 1e3];
            let (mut p, mut slopes) = (scores, [1.0, -2.0, 3.0]);
            position.apply(&mut p);
            position.pull_back(&scores, &p, &mut slopes);
            assert!(p.iter().chain(&slopes).all(|v| v.is_finite()), "{position:?}");
        }
        let far = Position::Tanh.derivative(20.0, 1.0);
        assert!((far / (4.0 * (-40.0f64).exp()) - 1.0).abs() < 1e-12);
    }
}
