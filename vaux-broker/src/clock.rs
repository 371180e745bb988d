//! Where the time comes from that core is told.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::time::Time;

/// A clock that never runs backwards, anchored to the wall clock when it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    made: Instant,
    made_at: Time,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Clock { made: Instant::now(), made_at: Time(since_epoch.as_millis() as u64) }
    }

    pub(crate) fn now(&self) -> Time {
        self.made_at.plus_ms(self.made.elapsed().as_millis() as u64)
    }

    /// The last millisecond that is over.
    ///
    /// [`Clock::now`] leaves off what is less than a millisecond, so what it says of a message may be earlier than the
    /// message by nearly one. A deadline that counts from there is over only when its whole millisecond is.
    pub(crate) fn passed(&self) -> Time {
        Time(self.now().0.saturating_sub(1))
    }

    /// How long until `time` has passed, rounded up.
    pub(crate) fn until(&self, time: Time) -> Duration {
        Duration::from_millis(time.ms_since(self.now()).saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_never_over_too_early() {
        let clock = Clock::new();
        for _ in 0..20 {
            let before = Instant::now();
            let deadline = clock.now().plus_ms(1);
            while clock.passed() < deadline {
                std::hint::spin_loop();
            }
            assert!(before.elapsed() >= Duration::from_millis(1));
        }
    }
}
