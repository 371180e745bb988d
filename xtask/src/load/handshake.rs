//! Getting a client connected and subscribed, one request and one answer at a time.
//!
//! This happens before anything is measured, so it blocks and is simple.

use std::io::{Read, Write};
use std::net::TcpStream;

use vaux_mqtt::frame::Frame;
use vaux_mqtt::packet::{Connect, Subscribe, Subscription, SubscriptionOptions, Subscriptions};
use vaux_mqtt::property::{Properties, Property};
use vaux_mqtt::{Packet, PacketId, QoS, ReasonCode, Sender, Version};

use super::stream::Stream;
use crate::Outcome;
use crate::bench::scenario::Sessions;

/// How long a session that is kept outlives its connection. In version 3.1.1 the broker decides.
const EXPIRY: Property<'static> = Property::SessionExpiryInterval(3600);

/// Seconds of silence after which a broker may give a client up: as most clients have one. rumqttd lets none in that has
/// none. Nothing that is measured takes as long.
const KEEP_ALIVE: u16 = 3600;

/// The bytes of a CONNECT.
pub(super) fn connect_packet(version: Version, client_id: &str, sessions: Sessions) -> Vec<u8> {
    let mut packet = Vec::new();
    let kept = sessions == Sessions::Kept;
    let properties = [EXPIRY];
    let properties = if kept && version.has_properties() {
        Properties::from_slice(&properties)
    } else {
        Properties::EMPTY
    };
    Connect { clean_start: !kept, keep_alive: KEEP_ALIVE, properties, ..Connect::new(version, client_id) }
        .encode(&mut packet);
    packet
}

/// A connection that the broker has accepted.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) stream: Stream<TcpStream>,
    /// How many messages the broker lets this client have unacknowledged.
    pub(super) receive_maximum: u16,
}

/// Sends CONNECT and is accepted; how many messages the broker lets this client have unacknowledged.
///
/// # Errors
///
/// The network's, or the broker refused.
pub(super) fn greet(
    stream: &mut (impl Read + Write),
    version: Version,
    client_id: &str,
    sessions: Sessions,
) -> Outcome<u16> {
    stream.write_all(&connect_packet(version, client_id, sessions))?;
    let mut receive_maximum = u16::MAX;
    answer(stream, version, |packet| match packet {
        Packet::ConnAck(connack) if connack.reason == ReasonCode::Success => {
            receive_maximum = connack.properties.receive_maximum().unwrap_or(u16::MAX);
            Ok(())
        }
        other => Err(format!("CONNECT was answered by {other:?}").into()),
    })?;
    Ok(receive_maximum)
}

/// How many filters go into one SUBSCRIBE.
const FILTERS_AT_ONCE: usize = 1000;

/// Subscribes to filters.
///
/// # Errors
///
/// The network's, or the broker did not grant the QoS.
pub(super) fn subscribe(
    stream: &mut (impl Read + Write),
    version: Version,
    filters: &[String],
    qos: QoS,
) -> Outcome {
    for filters in filters.chunks(FILTERS_AT_ONCE) {
        stream.write_all(&subscribe_packet(version, filters, qos))?;
        answer(stream, version, |packet| match packet {
            Packet::SubAck(suback) if suback.reason_codes == vec![qos.bits(); filters.len()] => Ok(()),
            other => Err(format!("SUBSCRIBE was answered by {other:?}").into()),
        })?;
    }
    Ok(())
}

/// The bytes of a SUBSCRIBE.
pub(super) fn subscribe_packet(version: Version, filters: &[String], qos: QoS) -> Vec<u8> {
    let options = SubscriptionOptions::with_qos(qos);
    let subscriptions: Vec<Subscription<'_>> =
        filters.iter().map(|filter| Subscription { filter, options }).collect();
    let mut packet = Vec::new();
    Subscribe {
        packet_id: PacketId::FIRST,
        properties: Properties::EMPTY,
        subscriptions: Subscriptions::from_slice(&subscriptions),
    }
    .encode(version, &mut packet);
    packet
}

/// Reads exactly one packet and hands it over.
fn answer(stream: &mut impl Read, version: Version, judge: impl FnOnce(Packet<'_>) -> Outcome) -> Outcome {
    let mut bytes = Vec::new();
    let mut part = [0; 512];
    loop {
        let count = stream.read(&mut part).map_err(|error| format!("no answer: {error}"))?;
        if count == 0 {
            return Err("the broker closed the connection instead of answering".into());
        }
        bytes.extend_from_slice(&part[..count]);
        let Some(frame) = Frame::split(&bytes)? else { continue };
        if frame.bytes().len() != bytes.len() {
            return Err("the broker sent more than the answer".into());
        }
        return judge(Packet::decode(&frame, version, Sender::Server)?);
    }
}
