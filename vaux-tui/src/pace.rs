//! How often the screen is drawn: ten times a second at most, and at once when somebody presses a key.

use std::time::{Duration, Instant};

/// Drawings that may be made at once, refilled ten times a second. A key that is pressed now and then never waits; one
/// that is held down is drawn ten times a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// When all drawings will be there again.
    full_at: Instant,
}

/// The time that one drawing costs.
const COST: Duration = Duration::from_millis(100);
/// How many may be made at once.
const BURST: u32 = 5;

impl Pace {
    /// All drawings are there.
    pub(crate) fn new(now: Instant) -> Pace {
        Pace { full_at: now }
    }

    /// When the next drawing may be made.
    pub(crate) fn ready_at(&self, now: Instant) -> Instant {
        let debt = self.full_at.saturating_duration_since(now);
        now + (debt + COST).saturating_sub(COST * BURST)
    }

    /// Takes a drawing, if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        if self.ready_at(now) > now {
            return false;
        }
        self.full_at = self.full_at.max(now) + COST;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_drawn_at_once_and_many_ten_times_a_second() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let drawn = (0..10_000u64).filter(|ms| pace.take(start + Duration::from_millis(*ms))).count();
        assert!((100..=105).contains(&drawn), "{drawn} in ten seconds");
        assert!(pace.take(start + Duration::from_secs(11)));
        assert!(pace.take(start + Duration::from_secs(11)));
    }
}
