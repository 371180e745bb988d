//! What an observer is told: events for the program around the broker, as values. Without an observer there are none.

use std::time::{Duration, UNIX_EPOCH};

use super::Core;
use super::incident::{Incident, IncidentKind};
use crate::observe::{Event, EventKind};
use crate::session::{Identity, SessionSlot};
use crate::time::Time;

/// Events of this turn.
#[derive(Debug)]
pub(super) struct Observed {
    events: Vec<Event>,
    wants_publishes: bool,
}

impl Core {
    /// From now on events are collected, of each message if that is wanted.
    pub fn observe(&mut self, wants_publishes: bool) {
        self.observed = Some(Observed { events: Vec::new(), wants_publishes });
    }

    /// Takes the events that were collected.
    pub fn take_observed(&mut self) -> Vec<Event> {
        self.observed.as_mut().map(|observed| std::mem::take(&mut observed.events)).unwrap_or_default()
    }

    /// Something happened to a session. Said of every message, so that it is nothing without an observer.
    #[inline]
    pub(super) fn observe_session(
        &mut self,
        now: Time,
        kind: EventKind,
        session: SessionSlot,
        topic: Option<&str>,
    ) {
        if self.observed.is_some() {
            self.collect(now, kind, session, topic);
        }
    }

    fn collect(&mut self, now: Time, kind: EventKind, session: SessionSlot, topic: Option<&str>) {
        let Some(observed) = &mut self.observed else { return };
        if kind == EventKind::Publish && !observed.wants_publishes {
            return;
        }
        let state = &self.sessions[session];
        let connection = state.connection().and_then(|slot| self.connections.get(slot as usize));
        observed.events.push(Event {
            client_id: Some(state.key.client_id.clone()),
            user: match &state.identity {
                Identity::Anonymous => None,
                Identity::User(name) => Some(name.clone()),
            },
            address: connection.map(|connection| connection.peer.get()),
            topic: topic.map(Into::into),
            ..Event::new(system_time(now), kind)
        });
    }

    /// Something went wrong for somebody, or ended.
    pub(super) fn observe_incident(&mut self, incident: &Incident) {
        let Some(observed) = &mut self.observed else { return };
        let kind = match incident.kind {
            IncidentKind::Drop => EventKind::Drop,
            IncidentKind::Refusal => EventKind::Refused,
            IncidentKind::Disconnect => EventKind::Disconnect,
            IncidentKind::Pace => EventKind::Pace,
        };
        observed.events.push(Event {
            client_id: incident.client_id.clone(),
            user: incident.user.clone(),
            address: incident.address,
            topic: incident.topic.clone(),
            cause: Some(incident.cause),
            text: Some(incident.text),
            reason: incident.reason,
            ..Event::new(system_time(incident.at), kind)
        });
    }
}

fn system_time(time: Time) -> std::time::SystemTime {
    UNIX_EPOCH + Duration::from_millis(time.0)
}
