//! CONNECT: from the first packet to a client that is known, and on its way to the home of its session.
//!
//! The worker that accepted the connection reads CONNECT, checks what needs no session, and has the client
//! authenticated. The home of the session, which may be another worker, does the rest. A refused CONNECT changes
//! nothing.

use std::sync::Arc;

use vaux_mqtt::error::Rule;
use vaux_mqtt::frame::Frame;
use vaux_mqtt::packet::{ConnAck, Connect, Sender};
use vaux_mqtt::property::{Properties, Property};
use vaux_mqtt::topic::levels;
use vaux_mqtt::{Error, Packet, ReasonCode, Version};

use super::admission::Admission;
use super::connect_request::{ConnectRequest, Refusal, check_client_id, session_expiry_ms};
use super::connection::Phase;
use super::settings::ListenerSettings;
use super::{ConnectionId, Core, Effect};
use crate::message::will_properties;
use crate::session::{SessionKey, Will};
use crate::time::Time;

impl Core {
    pub(super) fn handle_first_packet(
        &mut self,
        now: Time,
        slot: u32,
        frame: &Frame<'_>,
    ) -> Result<(), Error> {
        let connect = match Packet::decode(frame, Version::V5, Sender::Client) {
            Ok(Packet::Connect(connect)) => connect,
            // What is no CONNECT is not looked at any further.
            _ if frame.first_byte() >> 4 != 1 => {
                let peer = self.connections[slot as usize].peer.get();
                let (cause, text) = guess_protocol(frame.bytes());
                self.handle_refused_socket(now, peer, cause, text, None);
                self.abort(slot);
                return Ok(());
            }
            Ok(_) => return Err(self.violation(slot, Rule::FirstPacketNotConnect)),
            Err(error) => {
                self.refuse_unreadable(now, slot, frame, error);
                return Ok(());
            }
        };
        let connection = &mut self.connections[slot as usize];
        connection.version = connect.version;
        // A refusal must fit, too.
        let maximum = connect.properties.maximum_packet_size();
        connection.set_maximum_packet_size(maximum.map_or(usize::MAX, |size| size as usize));
        match self.read_connect(slot, &connect) {
            Ok(request) => {
                if request.authentication_method.is_some() {
                    self.begin_exchange(now, slot, request);
                    return Ok(());
                }
                self.connections[slot as usize].phase = Phase::Authenticating;
                let connection = self.connection_id(slot);
                self.effects.push_back(Effect::Authenticate { connection, request: Box::new(request) });
            }
            Err(refusal) => self.refuse(now, slot, Some(connect.client_id), refusal),
        }
        Ok(())
    }

    /// Who the client is was found out; or why it is refused.
    pub fn handle_verdict(
        &mut self,
        now: Time,
        connection: ConnectionId,
        request: Box<ConnectRequest>,
        verdict: Result<Admission, Refusal>,
    ) {
        let Some(slot) = self.slot_of(connection) else { return };
        if self.connections[slot as usize].phase != Phase::Authenticating {
            return;
        }
        let admission = match verdict {
            Ok(admission) => admission,
            Err(refusal) => return self.refuse(now, slot, Some(&request.client_id), refusal),
        };
        self.accept(now, slot, request, admission);
    }

    /// Brings a client that is known to its home.
    pub(super) fn accept(
        &mut self,
        now: Time,
        slot: u32,
        request: Box<ConnectRequest>,
        admission: Admission,
    ) {
        // MQTT-3.1.2-24 leaves no way to accept.
        if request.connack(false, &self.settings, &mut Vec::new()).encoded_len(request.version)
            > request.maximum_packet_size
        {
            let text = "the client's maximum packet size is too small for the answer";
            let refusal = Refusal::new(ReasonCode::PacketTooLarge, text);
            return self.refuse(now, slot, Some(&request.client_id), refusal);
        }
        let home = self.shared.home_of(&request.session_key());
        if home == self.worker {
            self.bind(now, slot, *request, admission);
            self.effects.push_back(Effect::Resume(slot));
        } else {
            self.connections.remove(slot as usize);
            self.effects.push_back(Effect::Handover { slot, home, request, admission });
        }
    }

    /// A connection arrives from the worker that accepted it. Its slot here is returned; [`Effect::Resume`] follows.
    pub fn handle_adoption(&mut self, now: Time, request: ConnectRequest, admission: Admission) -> u32 {
        let slot = self.insert_connection(now, Arc::clone(&request.listener), request.peer);
        self.connections[slot as usize].version = request.version;
        self.bind(now, slot, request, admission);
        self.effects.push_back(Effect::Resume(slot));
        slot
    }

    /// Checks what can be checked without a session, and takes out of the packet what is needed later.
    fn read_connect(&mut self, slot: u32, connect: &Connect<'_>) -> Result<ConnectRequest, Refusal> {
        let listener = Arc::clone(&self.connections[slot as usize].listener);
        let peer = self.connections[slot as usize].peer.get();
        let limits = &self.settings.limits;
        if let Some(key) = self.connections[slot as usize].overrun.limit() {
            let text = "clients connect faster than allowed";
            return Err(Refusal::new(ReasonCode::ConnectionRateExceeded, text).limit(key));
        }
        if !listener.versions.contains(&connect.version) {
            return Err(Refusal::new(
                ReasonCode::UnsupportedProtocolVersion,
                "this listener does not serve this version",
            ));
        }
        check_client_id(connect, limits.max_client_id_bytes, self.settings.mqtt.allow_zero_length_client_id)?;
        if connect.keep_alive > limits.max_keep_alive && connect.version != Version::V5 {
            let text = "the keep alive is longer than allowed";
            return Err(Refusal::new(ReasonCode::ClientIdentifierNotValid, text).limit("max_keep_alive"));
        }
        let properties = &connect.properties;
        super::publish::check_user_properties(properties, limits)
            .map_err(|rule| Refusal::new(rule.reason_code(), rule.text()))?;
        let will = self.read_will(connect, &listener)?;
        let is_assigned = connect.client_id.is_empty();
        let client_id = if is_assigned { self.assign_client_id(&listener) } else { connect.client_id.into() };
        let requested = session_expiry_ms(connect);
        let longest = limits.max_session_expiry.map_or(u64::MAX, |longest| longest.as_millis() as u64);
        Ok(ConnectRequest {
            peer,
            version: connect.version,
            client_id,
            is_assigned,
            clean_start: connect.clean_start,
            keep_alive: connect.keep_alive,
            expiry_ms: requested.min(longest),
            user_name: connect.user_name.map(Into::into),
            password: connect.password.map(Into::into),
            certificate_user: None,
            certificate_common_name: None,
            authentication_method: properties.authentication_method().map(Into::into),
            authentication_data: properties.authentication_data().map(Into::into),
            will,
            receive_maximum: properties.receive_maximum().unwrap_or(u16::MAX),
            maximum_packet_size: properties.maximum_packet_size().map_or(usize::MAX, |size| size as usize),
            topic_alias_maximum: properties.topic_alias_maximum().unwrap_or(0),
            wants_response_information: properties.request_response_information() == Some(1),
            wants_problem_information: properties.request_problem_information() != Some(0),
            listener,
        })
    }

    fn read_will(
        &self,
        connect: &Connect<'_>,
        listener: &ListenerSettings,
    ) -> Result<Option<Box<Will>>, Refusal> {
        let Some(will) = &connect.will else { return Ok(None) };
        let limits = &self.settings.limits;
        if will.qos > listener.maximum_qos {
            return Err(Refusal::new(ReasonCode::QosNotSupported, "the will's QoS is higher than supported"));
        }
        if will.retain && !self.settings.mqtt.retain_available {
            return Err(Refusal::new(ReasonCode::RetainNotSupported, "retained messages are not supported"));
        }
        if will.topic.len() > limits.max_topic_bytes || levels(will.topic).count() > limits.max_topic_levels {
            let text = "the will's topic is too long or too deep";
            return Err(Refusal::new(ReasonCode::TopicNameInvalid, text).limit("max_topic_levels"));
        }
        if limits.max_payload.is_some_and(|max| will.payload.len() > max) {
            let text = "the will's payload is larger than allowed";
            return Err(Refusal::new(ReasonCode::QuotaExceeded, text).limit("max_payload"));
        }
        super::publish::check_user_properties(&will.properties, limits)
            .map_err(|rule| Refusal::new(rule.reason_code(), rule.text()))?;
        Ok(Some(Box::new(Will {
            topic: format!("{}{}", listener.mount, will.topic).into_boxed_str(),
            properties: will_properties(will.properties),
            payload: will.payload.to_vec(),
            qos: will.qos,
            retain: will.retain,
            delay_s: will.properties.will_delay_interval().unwrap_or(0),
            expiry_s: will.properties.message_expiry_interval(),
            due_at: Time::NEVER,
        })))
    }

    /// A client identifier that nobody has, and whose session lives on this worker.
    fn assign_client_id(&self, listener: &ListenerSettings) -> Arc<str> {
        loop {
            let number = self.shared.next_sid();
            let client_id: Arc<str> =
                format!("{}{:x}-{number:x}", listener.auto_id_prefix, self.shared.id_seed).into();
            let key = SessionKey { mount: listener.mount.clone(), client_id: Arc::clone(&client_id) };
            if self.shared.home_of(&key) == self.worker && self.sessions.of_key(&key).is_none() {
                return client_id;
            }
        }
    }

    /// Answers CONNECT with a refusal, where the version has one, and closes.
    pub(super) fn refuse(&mut self, now: Time, slot: u32, client_id: Option<&str>, refusal: Refusal) {
        self.note_refusal(now, slot, client_id, &refusal);
        let version = self.connections[slot as usize].version;
        // Older clients try again at once when they are told that the server is unavailable.
        let is_sayable = version == Version::V5
            || (refusal.reason.connect_return_code().is_some()
                && refusal.reason != ReasonCode::ConnectionRateExceeded);
        if is_sayable {
            let mut list = vec![Property::ReasonString(refusal.text)];
            list.extend(refusal.server_reference.as_deref().map(Property::ServerReference));
            let properties = Properties::from_slice(&list);
            let mut connack = ConnAck { session_present: false, reason: refusal.reason, properties };
            let connection = &self.connections[slot as usize];
            if !connection.takes(connack.encoded_len(version)) {
                connack.properties = Properties::EMPTY;
            }
            if connection.takes(connack.encoded_len(version)) {
                self.write(slot, |out| connack.encode(version, out));
            }
        }
        self.close(now, slot);
    }

    /// A CONNECT that cannot be read. Version 5.0 is told why; before, only a version that is not served is. Who does
    /// not say which version it speaks would not understand an answer.
    fn refuse_unreadable(&mut self, now: Time, slot: u32, frame: &Frame<'_>, error: Error) {
        let is_unknown_version = error.rule() == Rule::ProtocolVersion;
        match protocol_level(frame) {
            Some(level) if is_unknown_version => {
                self.connections[slot as usize].version = if level < 5 { Version::V311 } else { Version::V5 };
            }
            Some(5) => self.connections[slot as usize].version = Version::V5,
            _ => {
                let peer = self.connections[slot as usize].peer.get();
                let (cause, text) = match guess_protocol(frame.bytes()) {
                    ("protocol-error", _) => ("protocol-error", error.rule().text()),
                    guess => guess,
                };
                self.handle_refused_socket(now, peer, cause, text, None);
                return self.abort(slot);
            }
        }
        self.refuse(now, slot, None, Refusal::new(error.reason_code(), error.rule().text()));
    }
}

/// What is spoken where CONNECT should be: that of a client that was told the wrong port.
pub(super) fn guess_protocol(bytes: &[u8]) -> (&'static str, &'static str) {
    const METHODS: [&[u8]; 5] = [b"GE", b"PO", b"HE", b"OP", b"PU"];
    match bytes {
        // A record of a handshake, of version 3.x.
        [0x16, 0x03, ..] => ("tls-to-plain", "the client speaks TLS, and this listener does not"),
        _ if METHODS.iter().any(|method| bytes.starts_with(method)) => {
            ("http-to-plain", "the client speaks HTTP, and this listener does not")
        }
        _ => ("protocol-error", "the first packet was no CONNECT"),
    }
}

/// The protocol level of a CONNECT that may be broken elsewhere, if it begins with a name of MQTT.
fn protocol_level(frame: &Frame<'_>) -> Option<u8> {
    let body = frame.body();
    [&b"\0\x04MQTT"[..], b"\0\x06MQIsdp"].iter().find_map(|name| body.strip_prefix(*name)?.first().copied())
}
