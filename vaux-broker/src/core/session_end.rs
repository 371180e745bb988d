//! What becomes of a session without a connection: it waits, its will is published, it ends.

use std::sync::atomic::Ordering;

use super::incident::DropCause;
use super::{Core, deliver::Publication};
use crate::rights::Action;
use crate::session::{SessionSlot, Stored};
use crate::store::Record;
use crate::time::Time;

impl Core {
    /// The session lost its connection.
    pub(super) fn begin_absence(&mut self, now: Time, session: SessionSlot) {
        if !self.sessions[session].is_durable() {
            return self.end_session(now, session);
        }
        self.record_absence(now, session);
        self.report_later(session);
        if self.sessions[session].will.as_ref().is_some_and(|will| will.due_at <= now) {
            self.publish_will(now, session);
        }
        self.watch_absence(session);
        self.repick_of(now, session);
    }

    /// Notes when a session without connection ends, and when its will is due.
    pub(super) fn record_absence(&mut self, now: Time, session: SessionSlot) {
        let state = &mut self.sessions[session];
        let (sid, expiry_ms, ends_at) = (state.sid, state.expiry_ms, now.plus_ms(state.expiry_ms));
        state.ends_at = ends_at;
        let will_due_at = state.will.as_mut().map_or(Time::NEVER, |will| {
            will.due_at = now.plus_seconds(will.delay_s).min(ends_at);
            will.due_at
        });
        if state.stored != Stored::Nothing {
            self.recorder.record(|| Record::Absent { sid, expiry_ms, ends_at, will_due_at });
        }
    }

    /// Publishes the will of a session, if it has one and its owner may still publish there.
    pub(super) fn publish_will(&mut self, now: Time, session: SessionSlot) {
        let state = &mut self.sessions[session];
        let Some(will) = state.will.take() else { return };
        let (sid, mount_len) = (state.sid, state.key.mount.len());
        if state.stored != Stored::Nothing {
            self.recorder.record(|| Record::WillGone { sid });
        }
        if !self.may(session, Action::Publish, &will.topic[mount_len..]) {
            return self.drop_for(now, session, DropCause::NotAuthorized, &will.topic);
        }
        let mut publication = Publication::new(will.content(sid, now));
        let source = self.source_of(session);
        if will.retain && self.retain(&mut publication, Some(&source)).is_err() {
            // It is still published.
            self.drop_for(now, session, DropCause::RetainedFull, &will.topic);
        }
        self.route(now, &mut publication);
    }

    /// Ends a session that has no connection: nothing of it is left.
    pub(super) fn end_session(&mut self, now: Time, session: SessionSlot) {
        self.publish_will(now, session);
        self.report_end(session);
        let state = &mut self.sessions[session];
        let sid = state.sid;
        if std::mem::take(&mut state.stored) != Stored::Nothing {
            self.recorder.record(|| Record::SessionEnded { sid });
        }
        for subscription in self.sessions[session].subscriptions.take() {
            self.unlink_subscription(session, &subscription);
        }
        self.repick_of(now, session);
        let state = self.sessions.remove(session);
        if state.is_backlogged {
            self.backlogged.retain(|slot| *slot != session);
        }
        self.shared.user_sessions.remove(&state.identity);
        self.shared.sessions.fetch_sub(1, Ordering::Relaxed);
    }
}
