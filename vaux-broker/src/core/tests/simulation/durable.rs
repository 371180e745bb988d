//! Nothing leaves before it may: what a client gets stands for nothing that is not durable.
//!
//! The acknowledgements of retained messages are judged after a crash instead: what is recorded of these is a topic,
//! which may have changed again meanwhile.

use super::world::World;
use super::*;
use crate::session::Delivery;
use crate::store::Record;

impl World {
    /// Checks a packet that a client got against what the store has not written.
    pub(super) fn check_durable(&mut self, client: usize, packet: &Packet<'_>) {
        if self.is_early(client, packet) {
            self.violate(9, format!("client {client} got {packet:?} before that is durable"));
        }
    }

    fn is_early(&self, client: usize, packet: &Packet<'_>) -> bool {
        match packet {
            Packet::ConnAck(connack) if !connack.reason.is_error() => self.awaits_session(client),
            Packet::SubAck(suback) => self.awaits_subscription(client, suback.packet_id),
            Packet::PubAck(ack) if !ack.reason.is_error() => self.awaits_deliveries(client, ack.packet_id),
            Packet::PubRec(ack) if !ack.reason.is_error() => {
                self.awaits_deliveries(client, ack.packet_id)
                    || self.awaits(client, |record| match record {
                        Record::Received { packet_id, .. } => *packet_id == ack.packet_id,
                        _ => false,
                    })
            }
            Packet::PubComp(ack) => self.awaits(client, |record| match record {
                Record::Released { packet_id, .. } => *packet_id == ack.packet_id,
                _ => false,
            }),
            Packet::PubRel(ack) => self.awaits(client, |record| match record {
                Record::Arrived { packet_id, .. } => *packet_id == ack.packet_id,
                _ => false,
            }),
            Packet::Publish(publish) if publish.qos == QoS::ExactlyOnce => {
                self.awaits(client, |record| match record {
                    Record::Sent { packet_id, .. } => Some(*packet_id) == publish.packet_id,
                    Record::Delivery { packet_id, .. } => {
                        packet_id.is_some() && *packet_id == publish.packet_id
                    }
                    _ => false,
                })
            }
            _ => false,
        }
    }

    /// Whether something of a client's session is not durable.
    fn awaits(&self, client: usize, is_wanted: impl Fn(&Record) -> bool) -> bool {
        let client_id = &self.clients[client].role.client_id;
        let sessions = self.workers.iter().flat_map(|worker| worker.core.sessions.iter());
        let mut sids = sessions.filter(|(_, session)| *session.key.client_id == **client_id);
        let Some((_, Session { sid, .. })) = sids.next() else { return false };
        self.store.waiting_records().any(|record| sid_of(record) == Some(*sid) && is_wanted(record))
    }

    fn awaits_session(&self, client: usize) -> bool {
        self.awaits(client, |record| matches!(record, Record::Session(_)))
    }

    /// Whether what SUBSCRIBE asked for is not durable. Of two that ask for the same, nobody knows whose record waits.
    fn awaits_subscription(&self, client: usize, packet_id: PacketId) -> bool {
        let Some(session) = &self.clients[client].session else { return false };
        let asked = session.subscriptions.iter().find(|one| one.packet_id == packet_id.value());
        let Some(asked) = asked else { return false };
        let mut alike = session.subscriptions.iter().filter(|one| one.filter == asked.filter);
        let is_only_one = alike.all(|one| one.granted_at.is_some() || one.packet_id == asked.packet_id);
        is_only_one
            && self.awaits(client, |record| match record {
                Record::Subscribed { subscription, .. } => *subscription.text == *asked.filter,
                _ => false,
            })
    }

    /// Whether deliveries of the message that is acknowledged are not durable, and are the first ones. Those of a shared
    /// subscription are left out: a member that keeps nothing may have had it before.
    fn awaits_deliveries(&self, client: usize, packet_id: PacketId) -> bool {
        let mut in_flight = self.clients[client].outbound.in_flight();
        let entry = in_flight.find(|entry| entry.packet_id == packet_id);
        let Some(number) = entry.and_then(|entry| entry.message) else { return false };
        let publication = &self.ledger.publications[number];
        let is_of_it = |delivery: &Delivery| {
            delivery.group.is_none() && delivery.message.payload() == publication.payload.as_bytes()
        };
        let mut waiting = self.store.waiting_records().filter_map(|record| match record {
            Record::Delivery { delivery, .. } => Some(delivery),
            _ => None,
        });
        !publication.retain
            && waiting.any(|delivery| is_of_it(delivery) && self.store.is_new(delivery.message.mid))
    }
}

/// Whose a record is, unless it is nobody's.
fn sid_of(record: &Record) -> Option<u64> {
    match record {
        Record::Session(session) => Some(session.sid),
        Record::Absent { sid, .. }
        | Record::WillGone { sid }
        | Record::SessionEnded { sid }
        | Record::Subscribed { sid, .. }
        | Record::Unsubscribed { sid, .. }
        | Record::Delivery { sid, .. }
        | Record::Sent { sid, .. }
        | Record::Arrived { sid, .. }
        | Record::Completed { sid, .. }
        | Record::Delivered { sid, .. }
        | Record::Received { sid, .. }
        | Record::Released { sid, .. } => Some(*sid),
        Record::Retained { .. } => None,
    }
}
