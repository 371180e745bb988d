//! The home of a session: what a CONNECT that was let in changes, all at once.
//!
//! Everything that may refuse it is checked first. Then the session is made, resumed or taken over, recorded, bound to its
//! connection, and CONNECT is answered.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use vaux_mqtt::{QoS, ReasonCode, Version};

use super::Core;
use super::admission::Admission;
use super::connect_request::{ConnectRequest, Refusal};
use super::connection::{Aliases, Phase};
use super::exchange::Exchange;
use super::permission::allows;
use crate::rights::{Action, Subject};
use crate::session::{Identity, Session, SessionKey, SessionSlot, Stored};
use crate::store::{Record, Sequence, SessionRecord, StoreState};
use crate::time::Time;

impl Core {
    /// Gives the connection its session, and answers CONNECT.
    pub(super) fn bind(&mut self, now: Time, slot: u32, mut request: ConnectRequest, admission: Admission) {
        let key = request.session_key();
        let old = self.sessions.of_key(&key);
        if let Err(refusal) = self.check_bind(old, &request, &admission) {
            return self.refuse(now, slot, Some(&request.client_id), refusal);
        }
        let is_takeover = old.is_some_and(|old| self.sessions[old].connection().is_some());
        let was_stored = old.is_some_and(|old| self.sessions[old].stored != Stored::Nothing);
        let old = self.release_old_session(now, old, &request, &admission.identity);
        let session_present = old.is_some();
        let session = match old {
            Some(session) => session,
            None => self.insert_session(key, admission.identity.clone()),
        };
        self.sessions[session].will = request.will.take();
        self.bind_session(slot, session, &request, &admission);
        self.bind_connection(now, slot, session, &request);
        self.admit(slot, &admission);
        let needs = match self.record_session(session) || was_stored {
            // What the end of an old session led to is part of the answer.
            true => self.recorder.latest(),
            false => Sequence::NONE,
        };
        if needs > self.durable {
            self.connections[slot as usize].extras_mut().input_needs = needs;
        }
        self.answer_connect(slot, session_present, &request, needs);
        self.tell_connect(now, session, is_takeover, session_present);
        self.watch(slot);
        self.offer_shared(session);
        self.pump(now, slot);
    }

    /// What must hold before anything is changed.
    fn check_bind(
        &self,
        old: Option<SessionSlot>,
        request: &ConnectRequest,
        admission: &Admission,
    ) -> Result<(), Refusal> {
        let identity = &admission.identity;
        if let Some(old) = old {
            let owner = &self.sessions[old].identity;
            if owner != identity && *owner != Identity::Anonymous {
                return Err(Refusal::new(
                    ReasonCode::ClientIdentifierNotValid,
                    "the client identifier belongs to another user",
                ));
            }
        }
        if self.store_state == StoreState::Failed && request.expiry_ms > 0 {
            return Err(Refusal::new(ReasonCode::ServerUnavailable, "the store failed"));
        }
        let limits = &self.settings.limits;
        if old.is_none() && self.shared.sessions.load(Ordering::Relaxed) >= limits.max_sessions {
            let text = "there are as many sessions as allowed";
            return Err(Refusal::new(ReasonCode::ServerBusy, text).limit("max_sessions"));
        }
        let max_per_user = limits.max_sessions_per_user;
        // An old session of the same user is resumed or replaced.
        let is_users = old.is_some_and(|old| self.sessions[old].identity == *identity);
        if max_per_user > 0 && !is_users && self.shared.user_sessions.of(identity) >= max_per_user {
            let text = "the user has as many sessions as allowed";
            return Err(Refusal::new(ReasonCode::QuotaExceeded, text).limit("max_sessions_per_user"));
        }
        let is_takeover = old.is_some_and(|old| self.sessions[old].connection().is_some());
        if !is_takeover && self.shared.active_sessions.load(Ordering::Relaxed) >= limits.max_active_sessions {
            let text = "as many clients are connected as allowed";
            return Err(Refusal::new(ReasonCode::ServerBusy, text).limit("max_active_sessions"));
        }
        if let Some(will) = &request.will {
            let topic = &will.topic[request.listener.mount.len()..];
            let listener = Some(&*request.listener.name);
            let subject = Subject { identity, client_id: &request.client_id, listener };
            if !allows(&*self.rights, admission.grants.as_ref(), &subject, Action::Publish, topic) {
                return Err(Refusal::new(ReasonCode::NotAuthorized, "the will's topic is not allowed"));
            }
        }
        Ok(())
    }

    /// Takes the session from an old connection; ends it where it is not to be resumed. What is left is resumed.
    fn release_old_session(
        &mut self,
        now: Time,
        old: Option<SessionSlot>,
        request: &ConnectRequest,
        identity: &Identity,
    ) -> Option<SessionSlot> {
        let old = old?;
        // An authenticated identity may claim the identifier of an anonymous session: that one is discarded.
        let is_resumed = !request.clean_start && self.sessions[old].identity == *identity;
        if let Some(old_connection) = self.sessions[old].connection() {
            self.take_over(now, old_connection, old);
        }
        let is_resumed = is_resumed && self.sessions[old].is_durable();
        if !is_resumed {
            self.end_session(now, old);
            return None;
        }
        let session = &mut self.sessions[old];
        // A will whose delay has not passed is not sent. Without delay it is due at once.
        if let Some(will) = session.will.take()
            && will.delay_s == 0
        {
            session.will = Some(will);
            self.publish_will(now, old);
        }
        Some(old)
    }

    fn insert_session(&mut self, key: SessionKey, identity: Identity) -> SessionSlot {
        self.insert_session_with(self.shared.next_sid(), key, identity)
    }

    /// A session with a number that is not in use.
    pub(super) fn insert_session_with(
        &mut self,
        sid: u64,
        key: SessionKey,
        identity: Identity,
    ) -> SessionSlot {
        self.shared.user_sessions.add(&identity);
        let session = self.sessions.insert(Session::new(sid, key, identity));
        self.shared.sessions.fetch_add(1, Ordering::Relaxed);
        session
    }

    /// Records a session that outlives its connection, or whose will must not be lost. False when nothing of it is to
    /// be stored, and nothing was before.
    pub(super) fn record_session(&mut self, session: SessionSlot) -> bool {
        if !self.recorder.is_keeping() {
            return false;
        }
        let state = &mut self.sessions[session];
        let has_lasting_will =
            state.will.as_ref().is_some_and(|will| will.retain || will.qos > QoS::AtMostOnce);
        match state.stored {
            // Once it is stored, its records tell the whole story until it ends.
            Stored::Session => {}
            _ if state.is_durable() => state.stored = Stored::Session,
            _ if has_lasting_will => state.stored = Stored::Will,
            Stored::Will => {}
            Stored::Nothing => return false,
        }
        let record = SessionRecord {
            sid: state.sid,
            key: state.key.clone(),
            identity: state.identity.clone(),
            grants: state.grants.clone(),
            expiry_ms: state.expiry_ms,
            ends_at: state.ends_at,
            is_connected: state.connection().is_some(),
            will: state.will.clone(),
        };
        self.recorder.record(|| Record::Session(Box::new(record)));
        true
    }

    fn bind_session(
        &mut self,
        slot: u32,
        session: SessionSlot,
        request: &ConnectRequest,
        admission: &Admission,
    ) {
        let limits = &self.settings.limits;
        let receive_maximum = if request.version == Version::V5 { limits.receive_maximum } else { u16::MAX };
        let session = &mut self.sessions[session];
        session.set_connection(Some(slot));
        let before = session.listener.replace(Arc::clone(&request.listener));
        let is_elsewhere = before.is_none_or(|before| before.name != request.listener.name);
        if is_elsewhere || session.grants != admission.grants {
            // It may have other rights now.
            session.grants.clone_from(&admission.grants);
            self.table.bump();
        }
        session.expiry_ms = request.expiry_ms;
        session.ends_at = Time::NEVER;
        session.outbound.begin_connection(request.receive_maximum.min(limits.max_inflight));
        session.inbound.begin_connection(receive_maximum);
        if let Some(state) = session.member() {
            state
                .window
                .store(u32::from(request.receive_maximum.min(limits.max_inflight)), Ordering::Relaxed);
            state.durable.store(request.expiry_ms > 0, Ordering::Relaxed);
            state.online.store(true, Ordering::Relaxed);
        }
        self.connected += 1;
        self.counters.connects += 1;
        self.shared.active_sessions.fetch_add(1, Ordering::Relaxed);
    }

    fn bind_connection(&mut self, now: Time, slot: u32, session: SessionSlot, request: &ConnectRequest) {
        let limits = &self.settings.limits;
        let inbound_maximum = if request.version == Version::V5 { limits.topic_alias_maximum } else { 0 };
        let outbound_maximum = request.topic_alias_maximum.min(limits.topic_alias_outgoing);
        let connection = &mut self.connections[slot as usize];
        connection.phase = Phase::Connected;
        connection.session = session;
        connection.last_received = now;
        connection.last_progress = now;
        connection.keep_alive = request.keep_alive_in_force(limits.max_keep_alive);
        connection.clean_start = request.clean_start;
        connection.connected_at = now;
        connection.set_maximum_packet_size(request.maximum_packet_size);
        connection.wants_problem_information = request.wants_problem_information;
        connection.topic_alias_maximum = inbound_maximum;
        if let Some(extras) = &mut connection.extras {
            extras.exchange = None;
        }
        if let Some(method) = request.authentication_method.clone() {
            connection.extras_mut().exchange = Some(Box::new(Exchange::done(method)));
        }
        if outbound_maximum > 0 {
            let aliases = Aliases::new(inbound_maximum, outbound_maximum);
            connection.extras_mut().aliases = Some(Box::new(aliases));
        }
    }

    fn answer_connect(
        &mut self,
        slot: u32,
        session_present: bool,
        request: &ConnectRequest,
        needs: Sequence,
    ) {
        let settings = Arc::clone(&self.settings);
        let mut properties = Vec::new();
        let connack = request.connack(session_present, &settings, &mut properties);
        self.acknowledge(slot, needs, |out| connack.encode(request.version, out));
    }
}
