//! The machine against a scripted server. What each side sends is compared as short texts, such as
//! `PUBLISH 1 q1 a=x` (identifier, QoS, topic and payload).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::*;
use crate::frame::Frame;
use crate::packet::{Ack, ConnAck, Packet, PacketType, Publish, Sender};
use crate::property::{Properties, Property};
use crate::{QoS, ReasonCode, Version};

mod connecting;
mod ending;
mod publishing;
mod receiving;
mod robustness;

const ALL: [Version; 3] = [Version::V31, Version::V311, Version::V5];

/// A message: topic, payload, QoS, retain.
#[derive(Clone, Debug, PartialEq)]
struct Note(&'static str, &'static str, QoS, bool);

impl Outgoing for Note {
    fn publish(&self) -> Publish<'_> {
        Publish { qos: self.2, retain: self.3, payload: self.1.as_bytes(), ..Publish::new(self.0) }
    }
}

fn q0(payload: &'static str) -> Note {
    Note("a", payload, QoS::AtMostOnce, false)
}

fn q1(payload: &'static str) -> Note {
    Note("a", payload, QoS::AtLeastOnce, false)
}

fn q2(payload: &'static str) -> Note {
    Note("a", payload, QoS::ExactlyOnce, false)
}

struct Pair {
    client: Client<Note>,
    version: Version,
    now_ms: u64,
}

impl Pair {
    fn begin(
        version: Version,
        clean_start: bool,
        properties: &[Property<'_>],
        session: Session<Note>,
    ) -> Self {
        let connect = Connect {
            clean_start,
            keep_alive: 10,
            properties: Properties::from_slice(properties),
            ..Connect::new(version, "me")
        };
        let client = Client::new(&connect, Settings::default(), session, 0);
        Pair { client, version, now_ms: 0 }
    }

    /// Connected, with this session and these properties of CONNACK.
    fn resume(version: Version, session: Session<Note>, present: bool, properties: &[Property<'_>]) -> Self {
        let mut pair = Pair::begin(version, false, &[], session);
        assert!(pair.sent()[0].starts_with("CONNECT"));
        let events = pair.connack(present, ReasonCode::Success, properties).unwrap();
        assert!(events[0].starts_with("connected"), "{events:?}");
        pair
    }

    fn connected(version: Version, properties: &[Property<'_>]) -> Self {
        Pair::resume(version, Session::new(), false, properties)
    }

    /// What the client sent since the last time.
    fn sent(&mut self) -> Vec<String> {
        let bytes = core::mem::take(self.client.poll_output(self.now_ms));
        let mut rest = &bytes[..];
        let mut sent = Vec::new();
        while let Some(frame) = Frame::split(rest).unwrap() {
            sent.push(describe(&Packet::decode(&frame, self.version, Sender::Client).unwrap()));
            rest = &rest[frame.bytes().len()..];
        }
        assert!(rest.is_empty());
        sent
    }

    /// What the bytes of the server lead to.
    fn receive(&mut self, bytes: &[u8]) -> Result<Vec<String>, Error> {
        let mut events = Vec::new();
        let mut rest = bytes;
        while let Some(frame) = self.client.next_frame(rest)? {
            rest = &rest[frame.bytes().len()..];
            events.extend(self.client.handle_frame(&frame, self.now_ms)?.map(|event| describe_event(&event)));
        }
        Ok(events)
    }

    fn connack(
        &mut self,
        session_present: bool,
        reason: ReasonCode,
        properties: &[Property<'_>],
    ) -> Result<Vec<String>, Error> {
        let connack = ConnAck { session_present, reason, properties: Properties::from_slice(properties) };
        let mut bytes = Vec::new();
        connack.encode(self.version, &mut bytes);
        self.receive(&bytes)
    }

    fn ack(&mut self, packet_type: PacketType, id: u16, reason: ReasonCode) -> Vec<String> {
        let mut bytes = Vec::new();
        Ack::new(packet_id(id), reason).encode(packet_type, self.version, &mut bytes);
        self.receive(&bytes).unwrap()
    }

    fn puback(&mut self, id: u16) -> Vec<String> {
        self.ack(PacketType::PubAck, id, ReasonCode::Success)
    }

    fn pubrec(&mut self, id: u16) -> Vec<String> {
        self.ack(PacketType::PubRec, id, ReasonCode::Success)
    }

    fn pubcomp(&mut self, id: u16) -> Vec<String> {
        self.ack(PacketType::PubComp, id, ReasonCode::Success)
    }

    /// A message from the server.
    fn message(&mut self, publish: Publish<'_>) -> Result<Vec<String>, Error> {
        let mut bytes = Vec::new();
        publish.encode(self.version, &mut bytes);
        self.receive(&bytes)
    }

    fn incoming(&mut self, qos: QoS, id: u16, dup: bool) -> Vec<String> {
        let publish = Publish { qos, dup, packet_id: PacketId::new(id), payload: b"x", ..Publish::new("in") };
        self.message(publish).unwrap()
    }
}

fn packet_id(id: u16) -> PacketId {
    PacketId::new(id).unwrap()
}

fn id_text(id: Option<PacketId>) -> String {
    id.map_or(String::new(), |id| format!("{id} "))
}

fn describe_publish(publish: &Publish<'_>) -> String {
    let alias = publish.properties.topic_alias().map_or(String::new(), |alias| format!(" alias={alias}"));
    format!(
        "{}q{}{} {}={}{alias}",
        id_text(publish.packet_id),
        publish.qos.bits(),
        if publish.dup { " dup" } else { "" },
        publish.topic,
        core::str::from_utf8(publish.payload).unwrap(),
    )
}

fn describe_ack(ack: &Ack<'_>) -> String {
    format!("{} {:02x}", ack.packet_id, ack.reason.value())
}

fn describe(packet: &Packet<'_>) -> String {
    let name = packet.packet_type().name();
    match packet {
        Packet::Publish(publish) => format!("{name} {}", describe_publish(publish)),
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            format!("{name} {}", describe_ack(ack))
        }
        Packet::Subscribe(packet) => format!("{name} {}", packet.packet_id),
        Packet::Unsubscribe(packet) => format!("{name} {}", packet.packet_id),
        Packet::Disconnect(packet) => format!("{name} {:02x}", packet.reason.value()),
        Packet::Auth(auth) => {
            let method = auth.properties.authentication_method().unwrap_or_default();
            format!("{name} {:02x} {method}", auth.reason.value())
        }
        _ => name.to_string(),
    }
}

fn describe_event(event: &Event<'_, Note>) -> String {
    match event {
        Event::Connected(connack) => format!("connected present={}", connack.session_present),
        Event::Refused(connack) => format!("refused {:02x}", connack.reason.value()),
        Event::Message(publish) => format!("message {}", describe_publish(publish)),
        Event::Acknowledged { message, ack } => format!("acknowledged {} {}", message.1, describe_ack(ack)),
        Event::Received { packet_id, message } => format!("received {} {packet_id}", message.1),
        Event::Completed(ack) => format!("completed {}", describe_ack(ack)),
        Event::Subscribed(suback) => format!("subscribed {}", suback.packet_id),
        Event::Unsubscribed(unsuback) => format!("unsubscribed {}", unsuback.packet_id),
        Event::Auth(auth) => format!("auth {:02x}", auth.reason.value()),
        Event::Disconnected(disconnect) => format!("disconnected {:02x}", disconnect.reason.value()),
    }
}
