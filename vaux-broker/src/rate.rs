//! Rates: so much a second, with a second's worth at once.

use crate::time::Time;

/// What may be used up at a rate. It fills with time, and never holds more than a second's worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenBucket {
    /// What is left, in thousandths. Below zero: so much was borrowed.
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

    /// Takes `amount`, whatever there is, and says when the bucket is no longer in debt: at `now` or later.
    pub(crate) fn borrow(&mut self, now: Time, per_second: u64, amount: u64) -> Time {
        self.fill(now, per_second);
        self.millis = self.millis.saturating_sub(thousandths(amount));
        match self.millis {
            0.. => now,
            debt => now.plus_ms(debt.unsigned_abs().div_ceil(per_second.max(1))),
        }
    }

    /// Whether it is as full as it can be: then it is as good as a new one.
    pub(crate) fn is_full(&self, now: Time, per_second: u64) -> bool {
        let mut filled = *self;
        filled.fill(now, per_second);
        filled.millis >= thousandths(per_second)
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
    fn what_is_borrowed_is_waited_for() {
        let mut bucket = TokenBucket::new(START, 1000);
        assert_eq!(bucket.borrow(START, 1000, 400), START);
        assert_eq!(bucket.borrow(START, 1000, 600), START);
        assert_eq!(bucket.borrow(START, 1000, 250), START.plus_ms(250));
        assert_eq!(bucket.borrow(START.plus_ms(250), 1000, 1), START.plus_ms(251));
        let mut slow = TokenBucket::new(START, 1);
        assert_eq!(slow.borrow(START, 1, 3), START.plus_ms(2000));
    }

    #[test]
    fn a_bucket_that_nobody_uses_is_full() {
        let mut bucket = TokenBucket::new(START, 5);
        assert!(bucket.is_full(START, 5));
        assert!(bucket.take(START, 5));
        assert!(!bucket.is_full(START.plus_ms(199), 5));
        assert!(bucket.is_full(START.plus_ms(200), 5));
    }

    #[test]
    fn no_number_is_too_large() {
        let mut bucket = TokenBucket::new(START, u64::MAX);
        assert!(bucket.take(START, u64::MAX));
        assert_eq!(bucket.borrow(Time::NEVER, u64::MAX, u64::MAX), Time::NEVER);
    }
}
