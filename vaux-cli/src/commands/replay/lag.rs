//! How late messages were.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The lags of all messages, in microseconds.
#[derive(Debug)]
pub(super) struct Lags(Histogram<u64>);

impl Lags {
    pub(super) fn new() -> Lags {
        Lags(Histogram::new(3).expect("three digits are allowed"))
    }

    pub(super) fn record(&mut self, lag: Duration) {
        // The histogram grows as needed; what no number holds counts as its largest.
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
