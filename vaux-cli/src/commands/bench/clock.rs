//! Time in nanoseconds since the command began.

use std::time::{Duration, Instant, SystemTime};

/// A clock that never goes back, and knows what time of day it began at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    began: Instant,
    /// Nanoseconds since 1970.
    began_unix_ns: u64,
}

impl Clock {
    /// Begins now.
    pub(super) fn start() -> Clock {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Clock { began: Instant::now(), began_unix_ns: nanoseconds(unix) }
    }

    /// Nanoseconds since the beginning.
    pub(super) fn now(&self) -> u64 {
        nanoseconds(self.began.elapsed())
    }

    /// The time of day when it is `at`, in nanoseconds since 1970.
    pub(super) fn to_unix(self, at: u64) -> u64 {
        self.began_unix_ns + at
    }

    /// What [`Clock::to_unix`] made of it; 0 for what was before the beginning.
    pub(super) fn at_unix(self, unix_ns: u64) -> u64 {
        unix_ns.saturating_sub(self.began_unix_ns)
    }
}

/// Nanoseconds of a duration; five centuries fit.
pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
