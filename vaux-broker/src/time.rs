//! Points in time as core sees them: numbers that are passed in.

/// Milliseconds since the Unix epoch.
///
/// The shard takes them from a clock that never runs backwards, anchored to the wall clock when the broker starts, so
/// that deadlines can be stored and still mean something after a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// A time that never comes.
    pub const NEVER: Time = Time(u64::MAX);

    /// The time `ms` milliseconds later; never stays never.
    pub const fn plus_ms(self, ms: u64) -> Time {
        Time(self.0.saturating_add(ms))
    }

    /// The time `seconds` later.
    pub const fn plus_seconds(self, seconds: u32) -> Time {
        self.plus_ms(seconds as u64 * 1000)
    }

    /// Milliseconds since `earlier`, 0 when that is later.
    pub const fn ms_since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
