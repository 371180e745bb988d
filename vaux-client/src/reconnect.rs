//! When to try again.

use std::time::Duration;

/// What happens when the connection is lost.
///
/// Some ends are final whatever is set here: the application disconnected, another client took the session over, or
/// the server does not accept this client or sends it elsewhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReconnectPolicy {
    first_pause: Duration,
    longest_pause: Duration,
    max_attempts: Option<u32>,
}

impl ReconnectPolicy {
    /// The client ends with its first connection.
    pub const NEVER: ReconnectPolicy =
        ReconnectPolicy { first_pause: Duration::ZERO, longest_pause: Duration::ZERO, max_attempts: Some(0) };

    /// Pauses double from `first_pause` to `longest_pause`. Each is shortened at random by up to a half, so that
    /// clients which lost their server together do not return together.
    pub const fn backoff(first_pause: Duration, longest_pause: Duration) -> Self {
        ReconnectPolicy { first_pause, longest_pause, max_attempts: None }
    }

    /// Gives up after so many failed attempts in a row.
    #[must_use]
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// The pause before an attempt, counted from 1 since the connection was lost; `None` to give up.
    pub(crate) fn pause(&self, attempt: u32) -> Option<Duration> {
        if self.max_attempts.is_some_and(|max| attempt > max) {
            return None;
        }
        let doubled = self.first_pause.saturating_mul(1 << (attempt - 1).min(30));
        Some(doubled.min(self.longest_pause).mul_f64(0.5 + fastrand::f64() / 2.0))
    }
}

impl Default for ReconnectPolicy {
    /// From half a second to half a minute, for ever.
    fn default() -> Self {
        ReconnectPolicy::backoff(Duration::from_millis(500), Duration::from_secs(30))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_shortened_by_at_most_a_half() {
        let policy = ReconnectPolicy::backoff(Duration::from_secs(1), Duration::from_secs(5));
        for (attempt, full) in [(1, 1), (2, 2), (3, 4), (4, 5), (5, 5), (u32::MAX, 5)] {
            let pause = policy.pause(attempt).unwrap().as_secs_f64();
            assert!(pause >= f64::from(full) / 2.0 && pause <= f64::from(full), "{attempt}: {pause}");
        }
    }

    #[test]
    fn attempts_are_limited() {
        assert_eq!(ReconnectPolicy::NEVER.pause(1), None);
        let policy = ReconnectPolicy::default().max_attempts(2);
        assert!(policy.pause(2).is_some());
        assert_eq!(policy.pause(3), None);
    }
}
