//! How long something took, counted by powers of two.

/// Durations counted in buckets, each of which reaches to twice the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    buckets: [u64; BUCKETS],
    sum_us: u64,
}

/// The last bucket takes everything from about four seconds on.
const BUCKETS: usize = 24;

impl Histogram {
    /// Counts `count` times the same duration.
    pub fn record(&mut self, duration_us: u64, count: u64) {
        let bucket = (u64::BITS - duration_us.leading_zeros()) as usize;
        self.buckets[bucket.min(BUCKETS - 1)] += count;
        self.sum_us = self.sum_us.saturating_add(duration_us.saturating_mul(count));
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// All durations taken together, in microseconds.
    pub fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// The buckets: up to which duration in microseconds each reaches, itself included, and how many it holds. The last
    /// has no upper end.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        let ends = (0..BUCKETS).map(|bucket| (bucket + 1 < BUCKETS).then(|| (1 << bucket) - 1));
        ends.zip(self.buckets)
    }

    /// The end of the bucket that holds the given share of the durations, in microseconds. `None` when there are none,
    /// and when only the last bucket holds it.
    pub fn quantile_us(&self, share: f64) -> Option<u64> {
        let wanted = (self.count() as f64 * share).ceil().max(1.0);
        let mut seen = 0;
        self.buckets().find_map(|(end, count)| {
            seen += count;
            (seen as f64 >= wanted).then_some(end)
        })?
    }

    /// Adds what another has counted.
    pub fn add(&mut self, other: &Histogram) {
        self.buckets.iter_mut().zip(other.buckets).for_each(|(bucket, count)| *bucket += count);
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_is_not_longer_than_its_end() {
        let mut histogram = Histogram::default();
        for (duration_us, end) in [(0, 0), (1, 1), (2, 3), (3, 3), (4, 7), (1000, 1023)] {
            histogram = Histogram::default();
            histogram.record(duration_us, 1);
            let filled = histogram.buckets().find(|(_, count)| *count > 0);
            assert_eq!(filled, Some((Some(end), 1)), "{duration_us}");
        }
        histogram.record(u64::MAX, 2);
        assert_eq!(histogram.buckets().last(), Some((None, 2)));
        assert_eq!(histogram.count(), 3);
    }

    #[test]
    fn quantiles_are_the_ends_of_buckets() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile_us(0.5), None);
        histogram.record(10, 99);
        histogram.record(5_000, 1);
        assert_eq!(histogram.quantile_us(0.5), Some(15));
        assert_eq!(histogram.quantile_us(0.99), Some(15));
        assert_eq!(histogram.quantile_us(1.0), Some(8_191));
    }
}
