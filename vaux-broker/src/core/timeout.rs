//! Deadlines: keep alive, slow readers and writers, the ends of sessions, wills, retained messages.
//!
//! A connection has at most one timer that counts. It is not moved when packets arrive, but looks again when it fires:
//! a packet costs no work on timers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use vaux_mqtt::error::Rule;

use super::connection::Phase;
use super::observe::Ending;
use super::{ConnectionId, Core};
use crate::observe::EventKind;
use crate::session::SessionSlot;
use crate::store::Record;
use crate::time::Time;

/// The deadlines of one worker.
#[derive(Debug, Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(Time, Timer)>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Connection(ConnectionId),
    /// A client that published too fast may go on.
    Pace(ConnectionId),
    /// How much memory there is.
    Memory,
    /// A session without connection, by its number.
    Session(u64),
    Retained,
    /// Figures of the whole broker.
    Survey,
    /// Figures of sessions, for those who watch.
    Refresh,
}

impl Core {
    /// When [`Core::handle_timeout`] has to be called next.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.0.peek().map(|Reverse((at, _))| *at)
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(Reverse((at, timer))) = self.timers.0.peek().copied() {
            if at > now {
                return;
            }
            self.timers.0.pop();
            match timer {
                Timer::Connection(id) => self.handle_connection_timer(now, at, id),
                Timer::Session(sid) => {
                    if let Some(&session) = self.by_sid.get(&sid) {
                        self.handle_session_timer(now, session);
                    }
                }
                Timer::Pace(id) => self.handle_pace_timer(now, id),
                Timer::Memory => self.handle_memory_timer(now),
                Timer::Survey => self.handle_survey_timer(now),
                Timer::Refresh => self.refresh_sessions(now),
                Timer::Retained => {
                    let recorder = &mut self.recorder;
                    let next = self.shared.retained.remove_expired(now, |message| {
                        recorder.record(|| Record::Retained { topic: message.content().topic.into() });
                    });
                    if let Some(next) = next {
                        self.set_timer(next, Timer::Retained);
                    }
                }
            }
        }
    }

    pub(super) fn set_timer(&mut self, at: Time, timer: Timer) {
        if at != Time::NEVER {
            self.timers.0.push(Reverse((at, timer)));
        }
    }

    /// Makes sure that the connection is looked at by its deadline.
    pub(super) fn watch(&mut self, slot: u32) {
        let id = self.connection_id(slot);
        let limits = &self.settings.limits;
        let connect_timeout_ms = limits.connect_timeout.as_millis() as u64;
        let write_stall_ms = limits.write_stall.as_millis() as u64;
        let connection = &mut self.connections[slot as usize];
        let deadline = connection.deadline(connect_timeout_ms, write_stall_ms);
        if deadline < connection.timer_at {
            connection.timer_at = deadline;
            self.set_timer(deadline, Timer::Connection(id));
        }
    }

    fn handle_connection_timer(&mut self, now: Time, at: Time, id: ConnectionId) {
        let Some(slot) = self.slot_of(id) else { return };
        let limits = &self.settings.limits;
        let connect_timeout_ms = limits.connect_timeout.as_millis() as u64;
        let write_stall_ms = limits.write_stall.as_millis() as u64;
        let connection = &mut self.connections[slot as usize];
        if connection.timer_at != at {
            return;
        }
        connection.timer_at = Time::NEVER;
        if connection.deadline(connect_timeout_ms, write_stall_ms) > now {
            return self.watch(slot);
        }
        let is_stalled = !connection.outbox.is_empty();
        let proof_at = connection
            .exchange
            .as_ref()
            .map_or(Time::NEVER, |exchange| exchange.deadline(connect_timeout_ms));
        match connection.phase {
            Phase::Connected if connection.admitted_until <= now => {
                self.handle_expired_admission(now, slot);
            }
            Phase::Connected if proof_at <= now => {
                self.end_unproved(now, slot, "the client did not prove who it is in time");
            }
            Phase::Connected if !is_stalled => {
                let error = self.violation(slot, Rule::KeepAliveTimeout);
                self.fail(now, slot, error);
            }
            Phase::Connected => {
                self.lose(now, slot, &Ending::WRITE_STALL);
                self.abort(slot);
            }
            Phase::AwaitConnect | Phase::AwaitAuth | Phase::Authenticating => {
                let peer = connection.peer;
                let text = "the client was not connected in time";
                self.handle_refused_socket(now, peer, "connect-timeout", text, Some("connect_timeout"));
                self.abort(slot);
            }
            Phase::Closing => self.abort(slot),
        }
    }

    fn handle_session_timer(&mut self, now: Time, session: SessionSlot) {
        let state = &self.sessions[session.0 as usize];
        if state.connection.is_some() {
            return;
        }
        if state.ends_at <= now {
            self.counters.expired_sessions += 1;
            self.observe_session(now, EventKind::Expiry, session, None);
            self.tell(now, "expiry", session, |_, _| {});
            return self.end_session(now, session);
        }
        if state.will.as_ref().is_some_and(|will| will.due_at <= now) {
            self.publish_will(now, session);
        }
        self.repick_of(now, session);
    }
}
