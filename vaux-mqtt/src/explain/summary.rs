//! What a valid packet says, in a few words.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::count;
use super::field::{Show, quoted};
use crate::packet::{Ack, Auth, ConnAck, Connect, Disconnect, Packet, PacketType, Publish};
use crate::reason::ReasonCode;
use crate::version::{QoS, Version};

/// How many filters or codes are told; of more than these, the number.
const LISTED: usize = 4;

pub(super) fn parts(packet: &Packet<'_>, version: Version, show: Show) -> Vec<String> {
    match packet {
        Packet::Connect(connect) => connect_parts(connect, show),
        Packet::ConnAck(connack) => connack_parts(connack),
        Packet::Publish(publish) => publish_parts(publish, show),
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            ack_parts(ack)
        }
        Packet::Subscribe(subscribe) => {
            let filters = subscribe.subscriptions.iter().map(|subscription| {
                format!("{} QoS {}", quoted(subscription.filter, show), subscription.options.qos.bits())
            });
            listed(id(subscribe.packet_id.value()), filters)
        }
        Packet::SubAck(suback) => {
            let codes = suback.reasons().map(|reason| String::from(reason.name_in(PacketType::SubAck)));
            listed(id(suback.packet_id.value()), codes)
        }
        Packet::Unsubscribe(unsubscribe) => {
            let filters = unsubscribe.filters.iter().map(|filter| quoted(filter, show));
            listed(id(unsubscribe.packet_id.value()), filters)
        }
        Packet::UnsubAck(unsuback) => {
            let codes = unsuback.reasons().map(|reason| String::from(reason.name()));
            listed(id(unsuback.packet_id.value()), codes)
        }
        Packet::PingReq | Packet::PingResp => Vec::new(),
        Packet::Disconnect(disconnect) => disconnect_parts(disconnect, version),
        Packet::Auth(auth) => auth_parts(auth, show),
    }
}

fn connect_parts(connect: &Connect<'_>, show: Show) -> Vec<String> {
    let mut parts = Vec::new();
    if connect.clean_start {
        let has_clean_start = connect.version.has_properties();
        parts.push(String::from(if has_clean_start { "clean start" } else { "clean session" }));
    }
    parts.push(format!("keep alive {} s", connect.keep_alive));
    parts.push(format!("client {}", quoted(connect.client_id, show)));
    if let Some(will) = &connect.will {
        parts.push(format!("will {} QoS {}", quoted(will.topic, show), will.qos.bits()));
    }
    if let Some(user_name) = connect.user_name {
        parts.push(format!("user {}", quoted(user_name, show)));
    }
    if connect.password.is_some() {
        parts.push(String::from("with password"));
    }
    parts
}

fn connack_parts(connack: &ConnAck<'_>) -> Vec<String> {
    let mut parts = vec![String::from(connack.reason.name())];
    if connack.session_present {
        parts.push(String::from("session present"));
    }
    parts
}

fn publish_parts(publish: &Publish<'_>, show: Show) -> Vec<String> {
    let mut parts = Vec::new();
    match publish.properties.topic_alias() {
        Some(alias) if publish.topic.is_empty() => parts.push(format!("topic alias {alias}")),
        _ => parts.push(quoted(publish.topic, show)),
    }
    parts.push(format!("QoS {}", publish.qos.bits()));
    parts.extend(publish.packet_id.filter(|_| publish.qos != QoS::AtMostOnce).map(|value| id(value.value())));
    if publish.dup {
        parts.push(String::from("dup"));
    }
    if publish.retain {
        parts.push(String::from("retain"));
    }
    parts.push(format!("payload {}", count(publish.payload.len(), "byte")));
    parts
}

fn ack_parts(ack: &Ack<'_>) -> Vec<String> {
    let mut parts = vec![id(ack.packet_id.value())];
    if ack.reason != ReasonCode::Success {
        parts.push(String::from(ack.reason.name()));
    }
    parts
}

fn disconnect_parts(disconnect: &Disconnect<'_>, version: Version) -> Vec<String> {
    match version.has_properties() {
        true => vec![String::from(disconnect.reason.name_in(PacketType::Disconnect))],
        false => Vec::new(),
    }
}

fn auth_parts(auth: &Auth<'_>, show: Show) -> Vec<String> {
    let mut parts = vec![String::from(auth.reason.name())];
    parts.extend(
        auth.properties.authentication_method().map(|method| format!("method {}", quoted(method, show))),
    );
    parts
}

fn id(packet_id: u16) -> String {
    format!("id {packet_id}")
}

/// `first` and the beginning of `rest`.
fn listed(first: String, rest: impl Iterator<Item = String>) -> Vec<String> {
    let mut parts = vec![first];
    let mut left_out = 0;
    for part in rest {
        if parts.len() <= LISTED {
            parts.push(part);
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        parts.push(format!("{left_out} more"));
    }
    parts
}
