//! When something was captured.

use jiff::Timestamp;

/// When something was captured, as far as the capture says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Time {
    /// Day and time.
    Known(Timestamp),
    /// Microseconds since midnight of a day that was not written down.
    OfDay(i64),
    /// Nobody wrote it down.
    Unknown,
}

impl Time {
    /// Microseconds that can be compared within one capture.
    pub(crate) fn us(self) -> Option<i64> {
        match self {
            Time::Known(time) => Some(time.as_microsecond()),
            Time::OfDay(us) => Some(us),
            Time::Unknown => None,
        }
    }

    /// The time with the day, where that is known: `2026-11-22T21:00:00.123456Z`.
    pub(crate) fn text(self) -> Option<String> {
        match self {
            Time::Known(time) => Some(time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()),
            Time::OfDay(_) | Time::Unknown => self.of_day(),
        }
    }

    /// The time without the day, `21:00:00.123456`.
    pub(crate) fn of_day(self) -> Option<String> {
        const DAY_US: i64 = 86_400_000_000;
        let us = self.us()?.rem_euclid(DAY_US);
        let seconds = us / 1_000_000;
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        Some(format!("{hours:02}:{minutes:02}:{:02}.{:06}", seconds % 60, us % 1_000_000))
    }
}
