//! A PUBLISH into the outbox of a client: in the form that all subscribers of its kind get, or in one of its own.

use vaux_mqtt::packet::PacketId;
use vaux_mqtt::protocol::OutboundAlias;
use vaux_mqtt::{QoS, Version};

use super::Core;
use super::connection::Connection;
use super::deliver::Publication;
use super::frames::{Form, Manner, with_own_packet};
use super::outbox::LARGE_PAYLOAD_BYTES;
use crate::message::Content;
use crate::router::cache::Terms;
use crate::store::Sequence;
use crate::time::Time;

impl Core {
    /// Appends a PUBLISH to an outbox. False when it is larger than the client takes.
    #[expect(clippy::too_many_arguments, reason = "one message, one receiver, and how they come together")]
    pub(super) fn write_publish(
        &mut self,
        now: Time,
        publication: &mut Publication<'_>,
        slot: u32,
        terms: &Terms,
        qos: QoS,
        retain: bool,
        packet_id: Option<PacketId>,
    ) -> bool {
        let content = publication.content;
        let connection = &mut self.connections[slot as usize];
        let takes_form = terms.identifiers.is_empty() && connection.takes_forms();
        if !takes_form {
            let manner = self.manner(slot, &content, terms, qos, retain, packet_id);
            return self.write_own_publish(now, slot, &content, manner);
        }
        let form = self.frames.form(&content, connection.version, qos, retain, now);
        if !connection.takes(form.packet_len as usize) {
            return false;
        }
        write_form(connection, &mut self.buffers, form, self.frames.bytes(form), packet_id);
        if content.payload.len() >= LARGE_PAYLOAD_BYTES {
            connection.outbox.push_payload(publication.share(&mut self.numbers));
        }
        self.counters.count_sent(content.payload.len());
        connection.traffic.messages_out += 1;
        if !std::mem::replace(&mut connection.is_dirty, true) {
            self.dirty.push(slot);
        }
        true
    }

    /// The same, to a client that gets the message in a form of its own.
    pub(super) fn write_own_publish<'a>(
        &mut self,
        now: Time,
        slot: u32,
        content: &Content<'a>,
        mut manner: Manner<'a>,
    ) -> bool {
        if self.holds_publishes(slot) {
            return self.hold_publish(now, slot, content, manner, Sequence::NONE);
        }
        let connection = &mut self.connections[slot as usize];
        let is_written = write_own(connection, &mut self.buffers, content, &mut manner, now);
        if is_written {
            self.count_sent(now, slot, content);
            self.mark_dirty(slot);
        }
        is_written
    }

    /// A message goes to a client.
    pub(super) fn count_sent(&mut self, now: Time, slot: u32, content: &Content<'_>) {
        self.counters.count_sent(content.payload.len());
        // Counted with the connection, whose outbox is being written to: a session's memory is farther away.
        let connection = &mut self.connections[slot as usize];
        connection.traffic.messages_out += 1;
        if connection.extras.as_ref().is_some_and(|extras| extras.is_traced) {
            self.trace_sent(now, slot, content);
        }
    }

    /// How a message is sent for the first time.
    fn manner<'m>(
        &self,
        slot: u32,
        content: &Content<'m>,
        terms: &'m Terms,
        qos: QoS,
        retain: bool,
        packet_id: Option<PacketId>,
    ) -> Manner<'m> {
        Manner {
            version: self.connections[slot as usize].version,
            qos,
            retain,
            dup: false,
            packet_id,
            identifiers: terms.identifiers.as_slice(),
            alias: OutboundAlias::None,
            topic: content.topic,
        }
    }

    /// Sends a message once `needs` is durable and those before it have left. False when it is larger than the client
    /// takes.
    pub(super) fn hold_publish<'a>(
        &mut self,
        now: Time,
        slot: u32,
        content: &Content<'a>,
        mut manner: Manner<'a>,
        needs: Sequence,
    ) -> bool {
        if fit_own(&self.connections[slot as usize], content, &mut manner, now).is_none() {
            return false;
        }
        // It has no topic alias: those that leave before it must not depend on it.
        self.hold(slot, needs, true, |out| {
            with_own_packet(content, &manner, now, |publish| publish.encode(manner.version, out));
        });
        self.count_sent(now, slot, content);
        true
    }
}

/// An empty outbox takes any one packet.
pub(super) fn has_outbox_room(connection: &Connection, max_outbox_bytes: usize) -> bool {
    let held = connection.held().map_or(0, |held| held.len());
    connection.outbox.len() + held < max_outbox_bytes
}

fn write_form(
    connection: &mut Connection,
    buffers: &mut Vec<Vec<u8>>,
    form: Form,
    frame: &[u8],
    packet_id: Option<PacketId>,
) {
    let tail = connection.outbox.tail(buffers);
    let start = tail.len();
    tail.extend_from_slice(frame);
    if let Some(packet_id) = packet_id {
        form.set_packet_id(&mut tail[start..], packet_id);
    }
}

/// Appends a PUBLISH that only this subscriber gets in this form. False when it is larger than the client takes.
#[inline]
fn write_own<'a>(
    connection: &mut Connection,
    buffers: &mut Vec<Vec<u8>>,
    content: &Content<'a>,
    manner: &mut Manner<'a>,
    now: Time,
) -> bool {
    let Some(len) = fit_own(connection, content, manner, now) else { return false };
    let version = manner.version;
    // An alias makes the packet longer by at most three bytes, or shorter.
    if version == Version::V5
        && connection.takes(len + 3)
        && let Some(aliases) = connection.extras.as_mut().and_then(|extras| extras.aliases.as_mut())
    {
        manner.alias = aliases.outbound.assign(manner.topic);
    }
    let tail = connection.outbox.tail(buffers);
    with_own_packet(content, manner, now, |publish| publish.encode(version, tail));
    true
}

/// Gives the packet its topic as the client knows it, and says its length, or 0 if the client takes any. `None` when it is
/// larger than the client takes, or its topic is not one of the listener's.
#[inline]
fn fit_own<'a>(
    connection: &Connection,
    content: &Content<'a>,
    manner: &mut Manner<'a>,
    now: Time,
) -> Option<usize> {
    manner.topic = connection.listener.mount.strip(content.topic).filter(|topic| !topic.is_empty())?;
    if connection.takes_any() {
        return Some(0);
    }
    let len = with_own_packet(content, manner, now, |publish| publish.encoded_len(manner.version));
    connection.takes(len).then_some(len)
}
