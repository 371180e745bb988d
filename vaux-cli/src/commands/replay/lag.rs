//! How late messages were.

use std::time::Duration;

use hdrhistogram::Histogram;

/// What is later than a day counts as a day.
const MAX_US: u64 = 24 * 3600 * 1_000_000;

/// The lags of all messages, in microseconds.
#[derive(Debug)]
pub(super) struct Lags(Histogram<u64>);

impl Lags {
    pub(super) fn new() -> Lags {
        Lags(Histogram::new_with_bounds(1, MAX_US, 3).expect("three digits are allowed"))
    }

    pub(super) fn record(&mut self, lag: Duration) {
        self.0.saturating_record(u64::try_from(lag.as_micros()).unwrap_or(u64::MAX));
    }

    /// Microseconds that so many of a hundred messages were late at most.
    pub(super) fn percentile(&self, percentile: f64) -> u64 {
        self.0.value_at_percentile(percentile)
    }

    /// Microseconds that the latest message was late.
    pub(super) fn max(&self) -> u64 {
        self.0.max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_told_as_well_as_microseconds() {
        let mut lags = Lags::new();
        for lag in [Duration::from_micros(3), Duration::from_secs(5), Duration::MAX] {
            lags.record(lag);
        }
        assert_eq!(lags.percentile(1.0), 3);
        assert!((4_990_000..5_010_000).contains(&lags.percentile(50.0)));
        assert!(lags.max() >= MAX_US);
    }
}
