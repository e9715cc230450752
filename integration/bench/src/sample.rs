//! What was measured, and the figures that are made of it.

use serde::{Deserialize, Serialize};

/// What processes used.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Usage {
    /// User and system time in microseconds.
    pub cpu_us: u64,
    /// Page faults.
    pub faults: u64,
}

/// One measured operation.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Sample {
    /// The round, by which samples of different runtimes are paired.
    pub round: u32,
    /// From start to end in microseconds.
    pub wall_us: f64,
    /// What its processes used.
    #[serde(flatten)]
    pub usage: Usage,
}

/// All samples of an operation by a runtime.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Series {
    /// The operation's name.
    pub operation: String,
    /// Whether there was a pause before each command.
    pub paused: bool,
    /// The runtime's name.
    pub runtime: String,
    /// By round.
    pub samples: Vec<Sample>,
}

impl Series {
    /// The wall times in microseconds.
    #[must_use]
    pub fn wall(&self) -> Vec<f64> {
        self.samples.iter().map(|sample| sample.wall_us).collect()
    }

    /// For every round that both have: this one's time over the other's.
    #[must_use]
    pub fn ratios(&self, other: &Self) -> Vec<f64> {
        let same = |round| other.samples.iter().find(|other| other.round == round);
        let ratio = |mine: &Sample| Some(mine.wall_us / same(mine.round)?.wall_us);
        self.samples.iter().filter_map(ratio).collect()
    }

    /// For every round that both have: this one's time less the other's.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<f64> {
        let same = |round| other.samples.iter().find(|other| other.round == round);
        let difference = |mine: &Sample| Some(mine.wall_us - same(mine.round)?.wall_us);
        self.samples.iter().filter_map(difference).collect()
    }
}

/// The value below which a part of the values lies; none of none.
#[must_use]
pub fn quantile(values: &[f64], part: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss
    )]
    // an index: small and not negative
    let (low, rest) = {
        let at = last as f64 * part;
        (at as usize, at.fract())
    };
    let high = sorted.get(low + 1).unwrap_or(&sorted[low]);
    Some(sorted[low] + (high - sorted[low]) * rest)
}

/// The middle value.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[1.0, 2.0]), Some(1.5));
        assert_eq!(quantile(&[1.0, 2.0, 3.0], 1.0), Some(3.0));
    }

    #[test]
    fn rounds_are_paired() {
        let series = |rounds: &[(u32, f64)]| Series {
            operation: "run".to_owned(),
            paused: false,
            runtime: "x".to_owned(),
            samples: rounds
                .iter()
                .map(|&(round, wall_us)| Sample {
                    round,
                    wall_us,
                    usage: Usage::default(),
                })
                .collect(),
        };
        let ours = series(&[(1, 1.0), (2, 2.0), (3, 9.0)]);
        let theirs = series(&[(1, 2.0), (2, 8.0)]);
        assert_eq!(ours.ratios(&theirs), [0.5, 0.25]);
    }
}
