//! Publishing what a broker is to keep: retained messages, or a queue for a client that is away.

use std::io::{Read, Write};
use std::ops::Range;

use vaux_mqtt::frame::Frame;
use vaux_mqtt::{Packet, PacketId, QoS, ReasonCode, Sender, Version};

use super::Stamp;
use super::handshake::Accepted;
use super::message::{Form, Message};
use super::sequence::Faults;
use crate::Outcome;

/// How many messages are published before their acknowledgements are read, if the broker allows it.
const BATCH: u64 = 200;

/// The topic of what waits in a queue.
pub(super) const QUEUE_TOPIC: &str = "bench/queue/0000000";

/// Bytes of payload in what is kept.
const PAYLOAD_BYTES: usize = 64;

/// What the messages become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Each the retained message of a topic of its own.
    Retained,
    /// All of one topic, for whoever is subscribed.
    Queued,
}

/// Publishes the messages of these numbers and waits until all are acknowledged.
///
/// # Errors
///
/// The connection has ended, or a message was refused.
pub(super) fn fill(
    publisher: &mut Accepted,
    version: Version,
    kept: Kept,
    numbers: Range<u64>,
) -> Outcome<Faults> {
    let retain = kept == Kept::Retained;
    let topic = if retain { "bench/retained/0000000" } else { QUEUE_TOPIC };
    let form = Form {
        version,
        topic,
        qos: QoS::AtLeastOnce,
        retain,
        payload_bytes: PAYLOAD_BYTES,
        properties: false,
    };
    let mut message = Message::new(&form);
    let batch = BATCH.min(publisher.receive_maximum.into());
    let mut outgoing = Vec::new();
    let mut acknowledgements = Acknowledgements { version, bytes: Vec::new(), faults: Faults::default() };
    let mut next = numbers.start;
    while next < numbers.end {
        let until = numbers.end.min(next + batch);
        outgoing.clear();
        for number in next..until {
            if retain {
                message.set_topic(usize::try_from(number)?);
            }
            let packet_id = PacketId::new(u16::try_from(number - next)? + 1);
            message.append(Stamp { publisher: 0, number }, packet_id, &mut outgoing);
        }
        publisher.stream.write_all(&outgoing)?;
        acknowledgements.expect(&mut publisher.stream, u16::try_from(until - next)?)?;
        next = until;
    }
    Ok(acknowledgements.faults)
}

struct Acknowledgements {
    version: Version,
    bytes: Vec<u8>,
    faults: Faults,
}

impl Acknowledgements {
    /// Reads the acknowledgements of packets 1 to `count`.
    fn expect(&mut self, stream: &mut impl Read, count: u16) -> Outcome {
        let mut part = [0; 4096];
        let mut due = 1;
        while due <= count {
            let read = stream.read(&mut part).map_err(|error| format!("no acknowledgement: {error}"))?;
            if read == 0 {
                return Err("the broker closed the connection of a client that publishes".into());
            }
            self.bytes.extend_from_slice(&part[..read]);
            let mut used = 0;
            while let Some(frame) = Frame::split(&self.bytes[used..])? {
                used += frame.bytes().len();
                match Packet::decode(&frame, self.version, Sender::Server)? {
                    Packet::PubAck(ack)
                        if matches!(ack.reason, ReasonCode::Success | ReasonCode::NoMatchingSubscribers) =>
                    {
                        self.faults.out_of_order += u64::from(ack.packet_id.value() != due);
                        due += 1;
                    }
                    other => return Err(format!("a message was answered by {other:?}").into()),
                }
            }
            self.bytes.drain(..used);
        }
        Ok(())
    }
}
