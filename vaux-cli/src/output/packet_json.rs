//! A packet as a line of JSON: where it stood, what it says, its fields, and what is wrong with it.

use serde_json::{Value as Json, json};
use vaux_mqtt::explain::{Fault, Field, Status, Value};
use vaux_mqtt::packet::{Ack, Connect, Packet, PacketType, Publish, Subscription, Will};
use vaux_mqtt::property::Properties;
use vaux_mqtt::{ReasonCode, Version};

use super::json::{Object, properties, set_bytes};
use super::sparkplug::Sparkplug;
use super::text::Placed;
use crate::capture::Captured;

/// What a line says besides the packet itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    /// How the input was written down.
    pub(crate) form: &'static str,
    /// The file it came from, when there are several.
    pub(crate) file: Option<&'a str>,
    /// Where the version is known from.
    pub(crate) version_from: &'static str,
    /// Where in a capture it stood.
    pub(crate) captured: Option<&'a Captured>,
    /// Whether passwords are shown.
    pub(crate) secrets: bool,
}

/// A packet as a JSON object.
pub(crate) fn packet(packet: &Placed<'_>, context: Context<'_>) -> Json {
    let explained = packet.explained;
    let mut object = Object::new();
    set(&mut object, "n", packet.number);
    set(&mut object, "at", packet.at);
    set(&mut object, "len", explained.promised_len);
    set(&mut object, "have", explained.len);
    set(&mut object, "status", status(explained.status));
    set(&mut object, "version", version(explained.version));
    set(&mut object, "version_from", context.version_from);
    set(&mut object, "input", context.form);
    if let Some(file) = context.file {
        set(&mut object, "file", file);
    }
    if let Some(captured) = context.captured {
        set(&mut object, "stream", captured.route.stream);
        set(&mut object, "from", captured.route.from().to_string());
        set(&mut object, "to", captured.route.to().to_string());
        set(&mut object, "time", captured.time.text());
    }
    set(&mut object, "type", explained.packet_type.map(PacketType::name));
    if let Some(packet) = &explained.packet {
        Contents { object: &mut object, version: explained.version, secrets: context.secrets }.set(packet);
    }
    if let Some(sparkplug) = Sparkplug::of(explained) {
        set(&mut object, "sparkplug", sparkplug.json());
    }
    let fields = explained.fields.iter().map(|part| field(part, packet.at, context.secrets));
    set(&mut object, "fields", fields.collect::<Json>());
    if let Some(fault) = &explained.fault {
        set(&mut object, "error", error(fault, packet.at));
    }
    Json::Object(object)
}

fn set(object: &mut Object, name: &str, value: impl Into<Json>) {
    object.insert(name.to_owned(), value.into());
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Malformed => "malformed",
        Status::Truncated => "truncated",
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::V31 => "3.1",
        Version::V311 => "3.1.1",
        Version::V5 => "5",
    }
}

fn field(field: &Field<'_>, packet_at: u64, secrets: bool) -> Json {
    let mut object = Object::new();
    set(&mut object, "name", field.name);
    set(&mut object, "at", packet_at + field.at as u64);
    set(&mut object, "len", field.len);
    match field.value {
        _ if field.is_secret && !secrets => set(&mut object, "masked", true),
        Value::None => {}
        Value::Number(number) => set(&mut object, "value", number),
        Value::Text(text) => set(&mut object, "value", text),
        Value::Bytes(bytes) => set_bytes(&mut object, "value", bytes),
        Value::Pair(name, value) => set(&mut object, "value", json!([name, value])),
    }
    Json::Object(object)
}

fn error(fault: &Fault, packet_at: u64) -> Json {
    let error = fault.error;
    json!({
        "at": packet_at + error.at() as u64,
        "bit": fault.bits.map(|bits| bits.high),
        "bits": fault.bits.map(|bits| [bits.high, bits.low]),
        "requirement": error.requirement(),
        "text": error.rule().text(),
        "found": fault.found,
        "reason_code": error.reason_code().value(),
        "reason": error.reason_code().name(),
    })
}

/// Sets what a valid packet says.
struct Contents<'a> {
    object: &'a mut Object,
    version: Version,
    secrets: bool,
}

impl Contents<'_> {
    fn set(&mut self, packet: &Packet<'_>) {
        match packet {
            Packet::Connect(connect) => self.connect(connect),
            Packet::ConnAck(connack) => {
                set(self.object, "session_present", connack.session_present);
                self.reason(connack.reason, PacketType::ConnAck);
                self.properties(&connack.properties);
            }
            Packet::Publish(publish) => self.publish(publish),
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
                self.ack(ack, packet.packet_type());
            }
            Packet::Subscribe(subscribe) => {
                set(self.object, "packet_id", subscribe.packet_id.value());
                set(
                    self.object,
                    "subscriptions",
                    subscribe.subscriptions.iter().map(subscription).collect::<Json>(),
                );
                self.properties(&subscribe.properties);
            }
            Packet::SubAck(suback) => {
                set(self.object, "packet_id", suback.packet_id.value());
                set(self.object, "reason_codes", suback.reason_codes.to_vec());
                self.properties(&suback.properties);
            }
            Packet::Unsubscribe(unsubscribe) => {
                set(self.object, "packet_id", unsubscribe.packet_id.value());
                set(self.object, "filters", unsubscribe.filters.iter().collect::<Json>());
                self.properties(&unsubscribe.properties);
            }
            Packet::UnsubAck(unsuback) => {
                set(self.object, "packet_id", unsuback.packet_id.value());
                set(self.object, "reason_codes", unsuback.reason_codes.to_vec());
                self.properties(&unsuback.properties);
            }
            Packet::Disconnect(disconnect) => {
                self.reason(disconnect.reason, PacketType::Disconnect);
                self.properties(&disconnect.properties);
            }
            Packet::Auth(auth) => {
                self.reason(auth.reason, PacketType::Auth);
                self.properties(&auth.properties);
            }
            // PINGREQ and PINGRESP say nothing.
            _ => {}
        }
    }

    fn connect(&mut self, connect: &Connect<'_>) {
        set(self.object, "clean_start", connect.clean_start);
        set(self.object, "keep_alive", connect.keep_alive);
        set(self.object, "client_id", connect.client_id);
        if let Some(user_name) = connect.user_name {
            set(self.object, "user_name", user_name);
        }
        match connect.password {
            Some(password) if self.secrets => set_bytes(self.object, "password", password),
            Some(_) => set(self.object, "password", Json::Null),
            None => {}
        }
        if let Some(will) = &connect.will {
            let will = self.will(will);
            set(self.object, "will", will);
        }
        self.properties(&connect.properties);
    }

    fn will(&self, will: &Will<'_>) -> Json {
        let mut object = Object::new();
        set(&mut object, "topic", will.topic);
        set(&mut object, "qos", will.qos.bits());
        set(&mut object, "retain", will.retain);
        set_bytes(&mut object, "payload", will.payload);
        if self.version.has_properties() {
            set(&mut object, "properties", properties(&will.properties, self.secrets));
        }
        Json::Object(object)
    }

    fn publish(&mut self, publish: &Publish<'_>) {
        set(self.object, "dup", publish.dup);
        set(self.object, "qos", publish.qos.bits());
        set(self.object, "retain", publish.retain);
        set(self.object, "topic", publish.topic);
        if let Some(packet_id) = publish.packet_id {
            set(self.object, "packet_id", packet_id.value());
        }
        self.properties(&publish.properties);
        set_bytes(self.object, "payload", publish.payload);
    }

    fn ack(&mut self, ack: &Ack<'_>, packet_type: PacketType) {
        set(self.object, "packet_id", ack.packet_id.value());
        if self.version.has_properties() {
            self.reason(ack.reason, packet_type);
            self.properties(&ack.properties);
        }
    }

    fn reason(&mut self, reason: ReasonCode, packet_type: PacketType) {
        set(self.object, "reason_code", reason.value());
        set(self.object, "reason", reason.name_in(packet_type));
    }

    fn properties(&mut self, list: &Properties<'_>) {
        if self.version.has_properties() {
            set(self.object, "properties", properties(list, self.secrets));
        }
    }
}

fn subscription(subscription: Subscription<'_>) -> Json {
    let options = subscription.options;
    json!({
        "filter": subscription.filter,
        "qos": options.qos.bits(),
        "no_local": options.no_local,
        "retain_as_published": options.retain_as_published,
        "retain_handling": options.retain_handling as u8,
    })
}
