//! Packets from the server.

use super::{Client, Event, Lost, LostReason, Outgoing, RequestKind, ServerLimits, State};
use crate::error::{Error, Rule};
use crate::frame::Frame;
use crate::packet::{
    Ack, Auth, ConnAck, Disconnect, Packet, PacketId, PacketType, Publish, Sender, SubAck, UnsubAck,
};
use crate::protocol::{ClientKeepAlive, InFlight, OutboundAliases, PubRecOutcome, Receipt};
use crate::reason::ReasonCode;
use crate::version::{QoS, Version};

impl<M: Outgoing> Client<M> {
    /// What a packet means for the application, if anything. Answers that the protocol asks for are in the output.
    ///
    /// # Errors
    ///
    /// The server broke the protocol. The connection is over; in version 5.0 the output tells the server why.
    pub fn handle_frame<'a>(
        &'a mut self,
        frame: &Frame<'a>,
        now_ms: u64,
    ) -> Result<Option<Event<'a, M>>, Error> {
        if self.state == State::Closed {
            return Ok(None);
        }
        if let Err(rule) = self.check_first_byte(frame.first_byte()) {
            return Err(self.violation(rule));
        }
        let packet = match Packet::decode(frame, self.asked.version, Sender::Server) {
            Ok(packet) => packet,
            Err(error) => return Err(self.fail(error)),
        };
        if !self.asked.wants_explanations && is_explained(&packet) {
            return Err(self.violation(Rule::ExplanationUnwanted));
        }
        Ok(match packet {
            Packet::Publish(publish) => self.handle_publish(publish)?,
            Packet::PubAck(ack) => self.handle_puback(ack)?,
            Packet::PubRec(ack) => self.handle_pubrec(ack)?,
            Packet::PubRel(ack) => self.handle_pubrel(ack.packet_id),
            Packet::PubComp(ack) => self.handle_pubcomp(ack)?,
            Packet::ConnAck(connack) => Some(self.handle_connack(connack, now_ms)?),
            Packet::SubAck(suback) => Some(self.handle_suback(suback)?),
            Packet::UnsubAck(unsuback) => Some(self.handle_unsuback(unsuback)?),
            Packet::PingResp => {
                self.keep_alive.handle_pingresp();
                None
            }
            Packet::Auth(auth) => Some(self.handle_auth(auth)?),
            Packet::Disconnect(disconnect) => Some(self.handle_disconnect(disconnect)),
            // Decoding refused what only a client sends.
            _ => return Err(self.violation(Rule::UnexpectedPacket)),
        })
    }

    fn handle_connack<'a>(&mut self, connack: ConnAck<'a>, now_ms: u64) -> Result<Event<'a, M>, Error> {
        if self.state != State::AwaitConnAck {
            return Err(self.violation(Rule::SecondConnAck));
        }
        if connack.reason.is_error() {
            self.state = State::Closed;
            return Ok(Event::Refused(connack));
        }
        if let Err(rule) = self.check_connack(&connack) {
            return Err(self.violation(rule));
        }
        self.limits = ServerLimits::from_properties(&connack.properties);
        self.state = State::Connected;
        self.keep_alive = ClientKeepAlive::new(self.keep_alive(), now_ms);
        let aliases = self.settings.outgoing_topic_aliases.min(self.limits.topic_alias_maximum);
        self.outbound_aliases = OutboundAliases::new(aliases);
        self.begin_session(connack.session_present);
        Ok(Event::Connected(connack))
    }

    fn check_connack(&self, connack: &ConnAck<'_>) -> Result<(), Rule> {
        if connack.session_present && !self.session.exists {
            return Err(Rule::SessionPresentUnknown);
        }
        let is_assigned = connack.properties.assigned_client_identifier().is_some();
        if self.asked.client_id_is_empty && !is_assigned && self.asked.version.has_properties() {
            return Err(Rule::AssignedClientIdMissing);
        }
        match connack.properties.authentication_method() {
            Some(method) => self.check_method(method),
            None => Ok(()),
        }
    }

    /// Goes on with the session, or begins a new one (`MQTT-3.2.2-5`).
    fn begin_session(&mut self, session_present: bool) {
        // Servers of version 3.1 do not say. They have the session unless a clean one was asked for.
        let is_resumed = session_present || (self.asked.version == Version::V31 && !self.asked.clean_start);
        if !is_resumed {
            self.lost.append(&mut self.session.discard());
        }
        self.session.exists = true;
        let window = self.limits.receive_maximum.min(self.settings.inflight_maximum);
        let window = window.clamp(1, u16::MAX - super::REQUESTS_MAX);
        self.session.outbound.begin_connection(window);
        self.session.inbound.begin_connection(self.asked.receive_maximum);
        // What this server does not take any more is not sent again (MQTT-3.2.2-11, MQTT-3.2.2-14, MQTT-3.2.2-15).
        let rule = |entry: &InFlight<M>| {
            let publish = entry.message.as_ref()?.publish();
            self.limits.check_publish(&publish, self.asked.version).err()
        };
        for entry in self.session.outbound.extract(|entry| rule(entry).is_some()) {
            let reason = rule(&entry).map_or(LostReason::Session, LostReason::NotTaken);
            self.lost.push(Lost::new(entry, reason));
        }
        self.resend();
    }

    fn handle_publish<'a>(&'a mut self, publish: Publish<'a>) -> Result<Option<Event<'a, M>>, Error> {
        let version = self.asked.version;
        let receipt = match publish.packet_id {
            None => Ok(Receipt::New),
            Some(packet_id) => self.session.inbound.check(publish.qos, packet_id),
        };
        let alias = publish.properties.topic_alias();
        // A repeated message may set an alias too.
        let topic =
            receipt.and_then(|receipt| Ok((receipt, self.inbound_aliases.resolve(publish.topic, alias)?)));
        match (topic, publish.packet_id) {
            (Err(rule), _) => {
                let error = Error::new(rule, version, 0);
                Err(super::fail(&mut self.state, &mut self.output, version, error))
            }
            (Ok((Receipt::Duplicate, _)), Some(packet_id)) => {
                // MQTT-4.3.3-10: acknowledged again, not delivered again.
                self.pubrecs.repeat(packet_id);
                let (inbound, output) = (&mut self.session.inbound, &mut self.output);
                self.pubrecs.send(QoS::ExactlyOnce, version, inbound, output);
                Ok(None)
            }
            (Ok((_, topic)), packet_id) => {
                if let Some(packet_id) = packet_id {
                    self.session.inbound.receive(publish.qos, packet_id);
                    match publish.qos {
                        QoS::ExactlyOnce => self.pubrecs.expect(packet_id),
                        QoS::AtLeastOnce | QoS::AtMostOnce => self.pubacks.expect(packet_id),
                    }
                }
                Ok(Some(Event::Message(Publish { topic, ..publish })))
            }
        }
    }

    /// PUBACK for a message that is not under way says nothing, and nothing depends on it.
    fn handle_puback<'a>(&mut self, ack: Ack<'a>) -> Result<Option<Event<'a, M>>, Error> {
        let Some(message) = self.session.outbound.handle_puback(ack.packet_id) else {
            return self.check_mismatch(ack.packet_id);
        };
        self.resend();
        Ok(Some(Event::Acknowledged { message, ack }))
    }

    /// An acknowledgement that led to nothing must not bear the identifier of a message that waits for another.
    fn check_mismatch<'a>(&mut self, packet_id: PacketId) -> Result<Option<Event<'a, M>>, Error> {
        if self.session.outbound.is_in_flight(packet_id) {
            return Err(self.violation(Rule::AckMismatch));
        }
        Ok(None)
    }

    fn handle_pubrec<'a>(&mut self, ack: Ack<'a>) -> Result<Option<Event<'a, M>>, Error> {
        let packet_id = ack.packet_id;
        Ok(match self.session.outbound.handle_pubrec(packet_id, ack.reason) {
            PubRecOutcome::Release(message) => {
                self.write_ack(PacketType::PubRel, &Ack::new(packet_id, ReasonCode::Success));
                message.map(|message| Event::Received { packet_id, message })
            }
            PubRecOutcome::Refused(message) => {
                self.resend();
                message.map(|message| Event::Acknowledged { message, ack })
            }
            PubRecOutcome::Unknown => {
                self.check_mismatch(packet_id)?;
                // A refused message ended with its PUBREC: there is nothing to release.
                if !ack.reason.is_error() {
                    let answer = Ack::new(packet_id, ReasonCode::PacketIdentifierNotFound);
                    self.write_ack(PacketType::PubRel, &answer);
                }
                None
            }
        })
    }

    fn handle_pubrel<'a>(&mut self, packet_id: PacketId) -> Option<Event<'a, M>> {
        let reason = if self.session.inbound.release(packet_id) {
            ReasonCode::Success
        } else {
            ReasonCode::PacketIdentifierNotFound
        };
        self.write_ack(PacketType::PubComp, &Ack::new(packet_id, reason));
        None
    }

    fn handle_pubcomp<'a>(&mut self, ack: Ack<'a>) -> Result<Option<Event<'a, M>>, Error> {
        if !self.session.outbound.handle_pubcomp(ack.packet_id) {
            return self.check_mismatch(ack.packet_id);
        }
        self.resend();
        Ok(Some(Event::Completed(ack)))
    }

    fn handle_suback<'a>(&mut self, suback: SubAck<'a>) -> Result<Event<'a, M>, Error> {
        let code_count = suback.reason_codes.len();
        self.end_request(suback.packet_id, RequestKind::Subscribe, Some(code_count))?;
        Ok(Event::Subscribed(suback))
    }

    fn handle_unsuback<'a>(&mut self, unsuback: UnsubAck<'a>) -> Result<Event<'a, M>, Error> {
        let code_count = self.asked.version.has_properties().then_some(unsuback.reason_codes.len());
        self.end_request(unsuback.packet_id, RequestKind::Unsubscribe, code_count)?;
        Ok(Event::Unsubscribed(unsuback))
    }

    fn end_request(
        &mut self,
        packet_id: PacketId,
        kind: RequestKind,
        code_count: Option<usize>,
    ) -> Result<(), Error> {
        let is_asked = |request: &super::Request| request.packet_id == packet_id && request.kind == kind;
        let Some(index) = self.requests.iter().position(is_asked) else {
            return Err(self.violation(Rule::AnswerUnknown));
        };
        let request = self.requests.remove(index);
        self.session.outbound.release_id(packet_id);
        match code_count {
            Some(count) if count != request.filter_count => Err(self.violation(Rule::AnswerCount)),
            _ => Ok(()),
        }
    }

    fn handle_auth<'a>(&mut self, auth: Auth<'a>) -> Result<Event<'a, M>, Error> {
        // Decoding made sure that there is a method.
        let method = auth.properties.authentication_method().unwrap_or_default();
        match self.check_method(method) {
            Ok(()) => Ok(Event::Auth(auth)),
            Err(rule) => Err(self.violation(rule)),
        }
    }

    fn check_method(&self, method: &str) -> Result<(), Rule> {
        match self.asked.authentication_method.as_deref() {
            None => Err(Rule::AuthWithoutMethod),
            Some(asked) if asked != method => Err(Rule::AuthMethodChanged),
            Some(_) => Ok(()),
        }
    }

    fn handle_disconnect<'a>(&mut self, disconnect: Disconnect<'a>) -> Event<'a, M> {
        self.state = State::Closed;
        Event::Disconnected(disconnect)
    }

    /// Answers a message that [`Event::Message`] delivered: PUBACK or PUBREC. Messages may be answered in any order;
    /// what leaves has theirs, so that an answer waits for those to earlier messages with the same QoS.
    ///
    /// Sends nothing once the connection is over; the server then sends the message again.
    /// `reason` other than success is for version 5.0; before it, nobody can be told.
    pub fn acknowledge(&mut self, qos: QoS, packet_id: PacketId, reason: ReasonCode) {
        match qos {
            QoS::AtMostOnce => return,
            QoS::AtLeastOnce => self.pubacks.give(packet_id, reason),
            QoS::ExactlyOnce => self.pubrecs.give(packet_id, reason),
        }
        if self.state != State::Connected {
            return;
        }
        let answers = if qos == QoS::ExactlyOnce { &mut self.pubrecs } else { &mut self.pubacks };
        answers.send(qos, self.asked.version, &mut self.session.inbound, &mut self.output);
    }

    fn write_ack(&mut self, packet_type: PacketType, ack: &Ack<'_>) {
        ack.encode(packet_type, self.asked.version, &mut self.output);
    }
}

/// Whether a packet carries what a client can ask not to be sent, a reason string or user properties (U5-27).
fn is_explained(packet: &Packet<'_>) -> bool {
    let properties = match packet {
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            &ack.properties
        }
        Packet::SubAck(suback) => &suback.properties,
        Packet::UnsubAck(unsuback) => &unsuback.properties,
        Packet::Auth(auth) => &auth.properties,
        _ => return false,
    };
    properties.reason_string().is_some() || properties.user_properties().next().is_some()
}
