//! Latencies of a series of calls and their percentiles.

use std::time::Duration;

/// How long each call took, in the order of the calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    pub(super) fn add(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The latencies that 50, 95, 99 and 100 of a hundred calls did not exceed, by the nearest rank: each is one that was
    /// measured. `None` without calls.
    pub fn percentiles(&self) -> Option<crate::report::Percentiles> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            sorted.get(rank - 1).copied()
        };
        Some(crate::report::Percentiles {
            p50: rank(50)?,
            p95: rank(95)?,
            p99: rank(99)?,
            max: rank(100)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(millis: impl IntoIterator<Item = u64>) -> Option<[u128; 4]> {
        let latencies = Latencies(millis.into_iter().map(Duration::from_millis).collect());
        let found = latencies.percentiles()?;
        Some([found.p50, found.p95, found.p99, found.max].map(|one| one.as_millis()))
    }

    #[test]
    fn percentiles_are_measured_values_by_the_nearest_rank() {
        assert_eq!(of((1..=100).rev()), Some([50, 95, 99, 100]));
        assert_eq!(of([7]), Some([7, 7, 7, 7]));
        assert_eq!(of([30, 10, 20]), Some([20, 30, 30, 30]));
        assert_eq!(of(1..=1000), Some([500, 950, 990, 1000]));
        assert_eq!(of([]), None);
    }
}
