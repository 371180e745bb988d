//! How fast a client may publish. One that is faster is read more slowly: nothing of it is lost, and its own sending comes
//! to wait.

use super::connection::Phase;
use super::incident::{Incident, IncidentKind};
use super::timeout::Timer;
use super::{Core, Effect};
use crate::rate::TokenBucket;
use crate::time::Time;

/// What a client has published lately, while there is a limit.
#[derive(Debug)]
pub(super) struct Pace {
    messages: TokenBucket,
    bytes: TokenBucket,
    /// Until when it is not read.
    waits_until: Option<Time>,
    /// When that was told last.
    told_at: Option<Time>,
}

/// A client that is always too fast is told of once in so long.
const TELL_MS: u64 = 10_000;

impl Pace {
    pub(super) fn is_waiting(&self) -> bool {
        self.waits_until.is_some()
    }
}

impl Core {
    /// A PUBLISH of so many bytes was handled. If the client is over its rate, the next waits.
    pub(super) fn count_publish(&mut self, now: Time, slot: u32, bytes: usize) {
        let limits = &self.settings.limits;
        let (messages, bytes_rate) = (limits.publish_rate, limits.publish_bytes_rate.unwrap_or(0) as u64);
        if messages == 0 && bytes_rate == 0 {
            return;
        }
        let connection = &mut self.connections[slot as usize];
        if connection.phase != Phase::Connected {
            return;
        }
        let pace = connection.extras_mut().pace.get_or_insert_with(|| Pace {
            messages: TokenBucket::new(now, messages),
            bytes: TokenBucket::new(now, bytes_rate),
            waits_until: None,
            told_at: None,
        });
        let due = |bucket: &mut TokenBucket, rate, amount| match rate {
            0 => now,
            rate => bucket.borrow(now, rate, amount),
        };
        let messages_at = due(&mut pace.messages, messages, 1);
        let bytes_at = due(&mut pace.bytes, bytes_rate, bytes as u64);
        let until = messages_at.max(bytes_at);
        if until <= now {
            return;
        }
        pace.waits_until = Some(until);
        let is_told = pace.told_at.is_some_and(|at| now.ms_since(at) < TELL_MS);
        if !is_told {
            pace.told_at = Some(now);
        }
        self.set_timer(until, Timer::Pace(slot));
        self.counters.paced += 1;
        if !is_told {
            let limit = if messages_at >= bytes_at { "publish_rate" } else { "publish_bytes_rate" };
            self.note_pace(now, slot, limit);
        }
    }

    fn note_pace(&mut self, now: Time, slot: u32, limit: &'static str) {
        let state = &self.sessions[self.connections[slot as usize].session];
        let text = "the client publishes faster than allowed, and is read more slowly";
        let incident =
            Incident { limit: Some(limit), ..Incident::new(now, IncidentKind::Pace, "too-fast", text) };
        self.note(incident.of(&state.key.client_id, &state.identity));
    }

    /// A client that was too fast has waited long enough.
    pub(super) fn handle_pace_timer(&mut self, now: Time, at: Time, slot: u32) {
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        let pace = connection.extras.as_mut().and_then(|extras| extras.pace.as_mut());
        let Some(pace) = pace.filter(|pace| pace.waits_until == Some(at)) else { return };
        pace.waits_until = None;
        // Nothing could be heard from it meanwhile.
        connection.last_received = now;
        self.watch(slot);
        self.effects.push_back(Effect::Resume(slot));
    }
}
