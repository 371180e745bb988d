//! Answers to messages, in the order in which the messages came.
//!
//! Applications may be done with messages in any order, but PUBACK leaves in the order of the messages with QoS 1
//! (`MQTT-4.6.0-2`) and PUBREC in the order of those with QoS 2 (`MQTT-4.6.0-3`). An answer that is given early waits
//! here for those in front of it.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::packet::{Ack, PacketId, PacketType};
use crate::protocol::Inbound;
use crate::reason::ReasonCode;
use crate::version::{QoS, Version};

/// The answers of one connection to messages of one QoS.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// In the order of the messages. At most as many as the receive maximum lets the server have unanswered.
    queue: VecDeque<Answer>,
}

#[derive(Debug)]
struct Answer {
    packet_id: PacketId,
    /// What to say, once that is known.
    reason: Option<ReasonCode>,
}

impl Answers {
    /// A message came.
    pub(super) fn expect(&mut self, packet_id: PacketId) {
        self.queue.push_back(Answer { packet_id, reason: None });
    }

    /// A message came that has its answer already, unless the one that it repeats still waits for one.
    pub(super) fn repeat(&mut self, packet_id: PacketId) {
        if self.find(packet_id).is_none() {
            self.queue.push_back(Answer { packet_id, reason: Some(ReasonCode::Success) });
        }
    }

    /// What to say to a message; nothing when no message waits for that.
    pub(super) fn give(&mut self, packet_id: PacketId, reason: ReasonCode) {
        if let Some(answer) = self.find(packet_id) {
            answer.reason = Some(reason);
        }
    }

    /// Sends the answers whose turn it is.
    pub(super) fn send(&mut self, qos: QoS, version: Version, inbound: &mut Inbound, output: &mut Vec<u8>) {
        while let Some(&Answer { packet_id, reason: Some(reason) }) = self.queue.front() {
            self.queue.pop_front();
            let packet_type = match qos {
                QoS::ExactlyOnce => PacketType::PubRec,
                QoS::AtLeastOnce | QoS::AtMostOnce => PacketType::PubAck,
            };
            match qos {
                QoS::ExactlyOnce if reason.is_error() => _ = inbound.release(packet_id),
                QoS::ExactlyOnce => {}
                QoS::AtLeastOnce | QoS::AtMostOnce => inbound.acknowledge(),
            }
            Ack::new(packet_id, reason).encode(packet_type, version, output);
        }
    }

    /// The messages that the application does not have, or does not want.
    pub(super) fn without_success(&self) -> impl Iterator<Item = PacketId> {
        let is_had = |answer: &Answer| answer.reason.is_some_and(|reason| !reason.is_error());
        self.queue.iter().filter(move |answer| !is_had(answer)).map(|answer| answer.packet_id)
    }

    /// Where a message waits to be answered. Mostly it is the first one.
    fn find(&mut self, packet_id: PacketId) -> Option<&mut Answer> {
        self.queue.iter_mut().find(|answer| answer.packet_id == packet_id && answer.reason.is_none())
    }
}
