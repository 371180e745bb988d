//! The end of a connection: asked for by the client, lost, taken over, or closed for cause.

use std::sync::atomic::Ordering;

use vaux_mqtt::error::Rule;
use vaux_mqtt::packet::Disconnect;
use vaux_mqtt::property::{Properties, Property};
use vaux_mqtt::{Error, ReasonCode, Version};

use super::connect_request::Refusal;
use super::connection::Phase;
use super::observe::Ending;
use super::{Core, Effect};
use crate::session::{SessionSlot, Stored};
use crate::store::Record;
use crate::time::Time;

impl Core {
    pub(super) fn handle_disconnect(
        &mut self,
        now: Time,
        slot: u32,
        disconnect: &Disconnect<'_>,
    ) -> Result<(), Error> {
        let session = self.connections[slot as usize].session;
        if let Some(seconds) = disconnect.properties.session_expiry_interval() {
            self.change_expiry(slot, session, seconds)?;
        }
        if disconnect.reason == ReasonCode::Success {
            self.discard_will(session);
        }
        let text = match disconnect.reason {
            ReasonCode::Success => "the client disconnected",
            _ => "the client disconnected with a reason",
        };
        self.lose(now, slot, &Ending::of("client", text, Some(disconnect.reason)));
        self.close(now, slot);
        Ok(())
    }

    fn discard_will(&mut self, session: SessionSlot) {
        let state = &mut self.sessions[session];
        if state.will.take().is_some() && state.stored != Stored::Nothing {
            let sid = state.sid;
            self.recorder.record(|| Record::WillGone { sid });
        }
    }

    fn change_expiry(&mut self, slot: u32, session: SessionSlot, seconds: u32) -> Result<(), Error> {
        let longest_ms =
            self.settings.limits.max_session_expiry.map_or(u64::MAX, |longest| longest.as_millis() as u64);
        let state = &mut self.sessions[session];
        if state.expiry_ms == 0 && seconds > 0 {
            return Err(self.violation(slot, Rule::SessionExpiryRaised));
        }
        let wanted_ms = if seconds == u32::MAX { u64::MAX } else { u64::from(seconds) * 1000 };
        state.expiry_ms = wanted_ms.min(longest_ms);
        if let Some(member) = state.member() {
            member.durable.store(state.is_durable(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// The connection ended without a word: its socket failed or was closed.
    pub fn handle_closed(&mut self, now: Time, slot: u32) {
        if self.connections[slot as usize].phase == Phase::Connected {
            self.lose(now, slot, &Ending::LOST);
        }
        self.connections.remove(slot as usize);
    }

    /// Tells the peer what it did wrong, where its version can be told, and closes.
    pub(super) fn fail(&mut self, now: Time, slot: u32, error: Error) {
        match self.connections[slot as usize].phase {
            Phase::Connected => {
                self.lose(now, slot, &Ending::by(&error));
                self.say_goodbye(slot, error.reason_code(), Some(error.rule().text()));
                self.close(now, slot);
            }
            // Before CONNACK nothing is said to someone who did not send a CONNECT.
            // One that proves who it is has sent its CONNECT, which CONNACK answers.
            Phase::AwaitAuth => {
                self.refuse(now, slot, None, Refusal::new(error.reason_code(), error.rule().text()));
            }
            Phase::AwaitConnect | Phase::Authenticating => {
                let peer = self.connections[slot as usize].peer.get();
                self.handle_refused_socket(now, peer, "protocol-error", error.rule().text(), None);
                self.abort(slot);
            }
            Phase::Closing => {}
        }
    }

    /// Sends everybody to another server: version 5.0 clients are told which.
    pub fn handle_redirect(&mut self, now: Time, reason: ReasonCode, server_reference: &str) {
        for slot in self.slots() {
            if self.connections[slot as usize].phase != Phase::Connected {
                continue;
            }
            let text = "the client was sent to another server";
            self.lose(now, slot, &Ending::of("redirected", text, Some(reason)));
            self.say_goodbye_with(slot, reason, Some(Property::ServerReference(server_reference)));
            self.close(now, slot);
        }
    }

    /// The session of the connection goes on elsewhere.
    pub(super) fn take_over(&mut self, now: Time, slot: u32, session: SessionSlot) {
        self.note_disconnect(now, slot, &Ending::TAKEN_OVER);
        self.unbind(slot, session);
        let connection = &mut self.connections[slot as usize];
        connection.outbox.clear_unwritten();
        connection.stop_sending();
        self.say_goodbye(slot, ReasonCode::SessionTakenOver, None);
        self.close(now, slot);
    }

    /// The session loses its connection: it ends, or waits for the client to come back.
    pub(super) fn lose(&mut self, now: Time, slot: u32, ending: &Ending) {
        self.note_disconnect(now, slot, ending);
        let session = self.connections[slot as usize].session;
        self.unbind(slot, session);
        self.begin_absence(now, session);
    }

    /// Writes what is in the outbox, then closes.
    pub(super) fn close(&mut self, now: Time, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        connection.phase = Phase::Closing;
        connection.last_progress = now;
        connection.stop_sending();
        self.watch(slot);
        self.mark_dirty(slot);
        self.effects.push_back(Effect::Close(slot));
    }

    pub(super) fn abort(&mut self, slot: u32) {
        self.connections[slot as usize].phase = Phase::Closing;
        self.effects.push_back(Effect::Abort(slot));
    }

    pub(super) fn unbind(&mut self, slot: u32, session: SessionSlot) {
        let state = &mut self.sessions[session];
        debug_assert_eq!(state.connection(), Some(slot));
        state.set_connection(None);
        if state.is_durable() {
            state.more_mut().traffic.add(std::mem::take(&mut self.connections[slot as usize].traffic));
        }
        if let Some(member) = state.member() {
            member.online.store(false, Ordering::Relaxed);
        }
        self.connections[slot as usize].phase = Phase::Closing;
        self.connected -= 1;
        self.shared.active_sessions.fetch_sub(1, Ordering::Relaxed);
    }

    /// DISCONNECT from the server, which version 5.0 has. Nothing comes before CONNACK, not even that.
    pub(super) fn say_goodbye(&mut self, slot: u32, reason: ReasonCode, text: Option<&'static str>) {
        self.say_goodbye_with(slot, reason, text.map(Property::ReasonString));
    }

    /// The same, with a property that is left out when the client does not take so large a packet.
    fn say_goodbye_with(&mut self, slot: u32, reason: ReasonCode, property: Option<Property<'_>>) {
        let connection = &self.connections[slot as usize];
        if connection.version != Version::V5 || connection.awaits_connack() {
            return;
        }
        let mut disconnect = Disconnect { reason, properties: Properties::from_slice(property.as_slice()) };
        if !connection.takes(disconnect.encoded_len(Version::V5)) {
            disconnect.properties = Properties::EMPTY;
        }
        self.write(slot, |out| disconnect.encode(Version::V5, out));
    }
}
