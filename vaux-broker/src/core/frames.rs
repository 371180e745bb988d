//! One message as packets: each form is encoded once, however many subscribers get it.

use vaux_mqtt::packet::{PacketId, Publish};
use vaux_mqtt::property::{Properties, Property};
use vaux_mqtt::protocol::OutboundAlias;
use vaux_mqtt::{QoS, Version};

use super::outbox::LARGE_PAYLOAD_BYTES;
use crate::message::Content;
use crate::session::Delivery;
use crate::time::Time;

/// The encoded forms of the message that is being routed.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    forms: [Option<Form>; 12],
}

/// An encoded form: a PUBLISH, without its payload if that is large.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    start: u32,
    end: u32,
    /// Where the packet identifier stands in it, for QoS above 0.
    packet_id_at: u32,
    /// The length of the packet, payload included.
    pub(super) packet_len: u32,
}

/// How one subscriber gets the message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner<'a> {
    pub(super) version: Version,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) dup: bool,
    pub(super) packet_id: Option<PacketId>,
    pub(super) identifiers: &'a [u32],
    pub(super) alias: OutboundAlias,
    /// The topic as the subscriber knows it.
    pub(super) topic: &'a str,
}

impl<'a> Manner<'a> {
    /// How a message that was kept is sent, for the first time and with QoS 0 if nothing else is said.
    pub(super) fn of(delivery: &'a Delivery, topic: &'a str, version: Version) -> Self {
        Manner {
            version,
            qos: delivery.qos,
            retain: delivery.retain,
            dup: false,
            packet_id: None,
            identifiers: delivery.identifiers.as_slice(),
            alias: OutboundAlias::None,
            topic,
        }
    }
}

impl Frames {
    /// Forgets the last message.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.forms = [None; 12];
    }

    /// The form for all subscribers of one version, QoS and RETAIN flag that need nothing of their own.
    pub(super) fn form(
        &mut self,
        content: &Content<'_>,
        version: Version,
        qos: QoS,
        retain: bool,
        now: Time,
    ) -> Form {
        let is_v5 = version == Version::V5;
        let index = usize::from(is_v5) * 6 + usize::from(qos.bits()) * 2 + usize::from(retain);
        if let Some(form) = self.forms[index] {
            return form;
        }
        let form = self.encode(content, version, qos, retain, now);
        self.forms[index] = Some(form);
        form
    }

    /// The bytes of a form.
    pub(super) fn bytes(&self, form: Form) -> &[u8] {
        &self.bytes[form.start as usize..form.end as usize]
    }

    fn encode(&mut self, content: &Content<'_>, version: Version, qos: QoS, retain: bool, now: Time) -> Form {
        let start = self.bytes.len();
        let expiry = content.expiry_interval(now).map(Property::MessageExpiryInterval);
        let publish = Publish {
            qos,
            retain,
            packet_id: Some(PacketId::FIRST),
            properties: Properties::from_checked_wire(content.properties).with_list_before(expiry.as_slice()),
            payload: content.payload,
            ..Publish::new(content.topic)
        };
        let packet_len = publish.encoded_len(version);
        publish.encode(version, &mut self.bytes);
        if content.payload.len() >= LARGE_PAYLOAD_BYTES {
            self.bytes.truncate(self.bytes.len() - content.payload.len());
        }
        let body_len = 2 + content.topic.len();
        Form {
            start: start as u32,
            end: self.bytes.len() as u32,
            packet_id_at: (header_len(packet_len) + body_len) as u32,
            packet_len: packet_len as u32,
        }
    }
}

impl Form {
    /// Writes the packet identifier into a copy of the form's bytes.
    pub(super) fn set_packet_id(self, copy: &mut [u8], packet_id: PacketId) {
        let at = self.packet_id_at as usize;
        copy[at..at + 2].copy_from_slice(&packet_id.value().to_be_bytes());
    }
}

/// How many bytes the fixed header of a packet takes.
fn header_len(packet_len: usize) -> usize {
    match packet_len {
        0..=129 => 2,
        130..=16_386 => 3,
        16_387..=2_097_155 => 4,
        _ => 5,
    }
}

/// Calls `with` with the packet for one subscriber that needs a form of its own.
#[inline]
pub(super) fn with_own_packet<R>(
    content: &Content<'_>,
    manner: &Manner<'_>,
    now: Time,
    with: impl FnOnce(&Publish<'_>) -> R,
) -> R {
    let has_own = manner.alias != OutboundAlias::None
        || !manner.identifiers.is_empty()
        || content.expires_at != Time::NEVER;
    let list = if has_own { own_properties(content, manner, now) } else { Vec::new() };
    with(&Publish {
        dup: manner.dup,
        qos: manner.qos,
        retain: manner.retain,
        topic: if matches!(manner.alias, OutboundAlias::Use(_)) { "" } else { manner.topic },
        packet_id: manner.packet_id,
        properties: Properties::from_checked_wire(content.properties).with_list_before(&list),
        payload: content.payload,
    })
}

/// What comes before the properties that are forwarded.
fn own_properties(content: &Content<'_>, manner: &Manner<'_>, now: Time) -> Vec<Property<'static>> {
    let mut list = Vec::new();
    if let OutboundAlias::Set(alias) | OutboundAlias::Use(alias) = manner.alias {
        list.push(Property::TopicAlias(alias));
    }
    list.extend(content.expiry_interval(now).map(Property::MessageExpiryInterval));
    list.extend(manner.identifiers.iter().map(|&identifier| Property::SubscriptionIdentifier(identifier)));
    list
}
