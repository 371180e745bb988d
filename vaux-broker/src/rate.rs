//! Rates: so much a second, with a second's worth at once.

use crate::time::Time;

/// What may be used up at a rate. It fills with time, and never holds more than a second's worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenBucket {
    /// What is left, in thousandths.
    millis: i64,
    at: Time,
}

impl TokenBucket {
    /// A full bucket.
    pub(crate) fn new(now: Time, per_second: u64) -> TokenBucket {
        TokenBucket { millis: thousandths(per_second), at: now }
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&mut self, now: Time, per_second: u64) -> bool {
        self.fill(now, per_second);
        let has_one = self.millis >= thousandths(1);
        if has_one {
            self.millis -= thousandths(1);
        }
        has_one
    }

    fn fill(&mut self, now: Time, per_second: u64) {
        // A token a second is a thousandth a millisecond.
        let gained = now.ms_since(self.at).saturating_mul(per_second);
        let gained = i64::try_from(gained).unwrap_or(i64::MAX);
        self.millis = self.millis.saturating_add(gained).min(thousandths(per_second));
        self.at = now;
    }
}

fn thousandths(whole: u64) -> i64 {
    i64::try_from(whole.saturating_mul(1000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time(1_000_000);

    #[test]
    fn a_second_holds_as_many_as_the_rate_says_and_then_one_comes_after_the_other() {
        let mut bucket = TokenBucket::new(START, 10);
        assert_eq!((0..20).filter(|_| bucket.take(START, 10)).count(), 10);
        assert!(!bucket.take(START.plus_ms(99), 10));
        assert!(bucket.take(START.plus_ms(100), 10));
        assert!(!bucket.take(START.plus_ms(150), 10));
        assert_eq!((0..50).filter(|_| bucket.take(START.plus_ms(60_000), 10)).count(), 10);
    }

    #[test]
    fn no_number_is_too_large() {
        let mut bucket = TokenBucket::new(START, u64::MAX);
        assert!(bucket.take(START, u64::MAX));
        assert!(bucket.take(Time::NEVER, u64::MAX));
    }
}
