//! Deadlines: keep alive, slow readers and writers, the ends of sessions, wills, retained messages.
//!
//! A connection has at most one timer that counts, and so has a session without one. It is not moved when packets arrive,
//! but looks again when it fires: a packet costs no work on timers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use vaux_mqtt::error::Rule;

use super::Core;
use super::connection::Phase;
use super::observe::Ending;
use crate::observe::EventKind;
use crate::session::SessionSlot;
use crate::store::Record;
use crate::time::Time;

/// The deadlines of one worker.
#[derive(Debug, Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(Time, Timer)>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A connection. Which of those that had the slot, the time tells.
    Connection(u32),
    /// A client that published too fast may go on.
    Pace(u32),
    /// How much memory there is.
    Memory,
    /// A session without connection. Which of those that had the slot, the time tells.
    Session(SessionSlot),
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
                Timer::Connection(slot) => self.handle_connection_timer(now, at, slot),
                Timer::Session(session) => self.handle_session_timer(now, at, session),
                Timer::Pace(slot) => self.handle_pace_timer(now, at, slot),
                Timer::Memory => self.handle_memory_timer(now),
                Timer::Survey => self.handle_survey_timer(now),
                Timer::Refresh => self.refresh_sessions(now),
                Timer::Retained => self.handle_retained_timer(now),
            }
        }
    }

    fn handle_retained_timer(&mut self, now: Time) {
        self.retained_timer_at = Time::NEVER;
        let recorder = &mut self.recorder;
        let next = self.shared.retained.remove_expired(now, |message| {
            recorder.record(|| Record::Retained { topic: message.content().topic.into() });
        });
        if let Some(next) = next {
            self.watch_retained(next);
        }
    }

    /// Looks for retained messages that have expired, at `at` at the latest.
    pub fn watch_retained(&mut self, at: Time) {
        if at < self.retained_timer_at {
            self.retained_timer_at = at;
            self.set_timer(at, Timer::Retained);
        }
    }

    /// Looks at a session without connection, at `at` at the latest.
    pub(super) fn watch_session(&mut self, at: Time, session: SessionSlot) {
        let timer_at = &mut self.sessions[session].more_mut().timer_at;
        if timer_at.is_none_or(|timer_at| at < timer_at) {
            *timer_at = Some(at);
            self.set_timer(at, Timer::Session(session));
        }
    }

    pub(super) fn set_timer(&mut self, at: Time, timer: Timer) {
        if at != Time::NEVER {
            self.timers.0.push(Reverse((at, timer)));
        }
    }

    /// Makes sure that the connection is looked at by its deadline.
    pub(super) fn watch(&mut self, slot: u32) {
        let deadline = self.deadline(slot);
        let connection = &mut self.connections[slot as usize];
        if deadline < connection.timer_at {
            connection.timer_at = deadline;
            self.set_timer(deadline, Timer::Connection(slot));
        }
    }

    /// When something has to be done about the connection if nothing happens.
    fn deadline(&self, slot: u32) -> Time {
        let limits = &self.settings.limits;
        let connect_timeout_ms = limits.connect_timeout.as_millis() as u64;
        let write_stall_ms = limits.write_stall.as_millis() as u64;
        let connection = &self.connections[slot as usize];
        connection.deadline(connect_timeout_ms, write_stall_ms, self.closing_ms(slot))
    }

    fn handle_connection_timer(&mut self, now: Time, at: Time, slot: u32) {
        let connect_timeout_ms = self.settings.limits.connect_timeout.as_millis() as u64;
        let connection = self.connections.get_mut(slot as usize);
        let Some(connection) = connection.filter(|connection| connection.timer_at == at) else { return };
        connection.timer_at = Time::NEVER;
        if self.deadline(slot) > now {
            return self.watch(slot);
        }
        let connection = &self.connections[slot as usize];
        let is_stalled = !connection.outbox.is_empty();
        let proof_at = connection.proof_deadline(connect_timeout_ms);
        match connection.phase {
            Phase::Connected if connection.admitted_until() <= now => {
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
                let peer = connection.peer.get();
                let text = "the client was not connected in time";
                self.handle_refused_socket(now, peer, "connect-timeout", text, Some("connect_timeout"));
                self.abort(slot);
            }
            Phase::Closing => self.abort(slot),
        }
    }

    fn handle_session_timer(&mut self, now: Time, at: Time, session: SessionSlot) {
        let Some(state) = self.sessions.get_mut(session) else { return };
        if state.more().is_none_or(|more| more.timer_at != Some(at)) {
            return;
        }
        state.more_mut().timer_at = None;
        if state.connection().is_some() {
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
        self.watch_absence(session);
    }

    /// Looks at a session without connection when its will is due, and when it ends.
    pub(super) fn watch_absence(&mut self, session: SessionSlot) {
        let state = &self.sessions[session];
        let will_due_at = state.will.as_ref().map_or(Time::NEVER, |will| will.due_at);
        let at = state.ends_at.min(will_due_at);
        if at != Time::NEVER {
            self.watch_session(at, session);
        }
    }
}
