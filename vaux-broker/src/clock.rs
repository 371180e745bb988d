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

    /// How long until `time`, rounded up: a timer that is set by it has passed when it fires.
    pub(crate) fn until(&self, time: Time) -> Duration {
        Duration::from_millis(time.ms_since(self.now()).saturating_add(1))
    }
}
