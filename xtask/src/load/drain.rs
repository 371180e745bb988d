//! A subscriber comes back to a long queue.

use std::io::{Read, Write};

use vaux_mqtt::packet::{Ack, Disconnect, PacketType};
use vaux_mqtt::{QoS, ReasonCode};

use super::fill::{self, Kept, QUEUE_TOPIC};
use super::inflow::Inflow;
use super::sequence::Sequence;
use super::target::Target;
use super::window::Span;
use super::{Arguments, Measurement, Stamp, handshake};
use crate::Outcome;
use crate::bench::scenario::Sessions;

/// Who comes back.
const CLIENT_ID: &str = "bench-subscriber";

/// Runs the scenario.
///
/// # Errors
///
/// The broker did something that ends the run.
pub(super) fn run(arguments: &Arguments, messages: usize) -> Outcome<Measurement> {
    let target = Target::of(arguments)?;
    leave(&target)?;
    let mut publisher = target.connect("bench-publisher", Sessions::End)?;
    let filling = Span::begin(arguments)?;
    let mut faults = fill::fill(&mut publisher, target.version, Kept::Queued, 0..messages as u64)?;
    let filled = filling.end(messages as u64)?;

    let span = Span::begin(arguments)?;
    let mut stream = target.open()?;
    stream.write_all(&handshake::connect_packet(target.version, CLIENT_ID, Sessions::Kept))?;
    let mut inflow = Inflow::new(target.version);
    let mut sequence = Sequence::default();
    let mut count = 0;
    let mut outgoing = Vec::new();
    while count < messages as u64 {
        let goes_on = inflow.read(&mut stream, |publish| {
            let stamp = Stamp::from_payload(publish.payload).ok_or("a message came that was not sent")?;
            let packet_id = publish.packet_id.ok_or("a message came with another QoS than was sent")?;
            sequence.arrived(stamp.number);
            count += 1;
            Ack::new(packet_id, ReasonCode::Success).encode(
                PacketType::PubAck,
                target.version,
                &mut outgoing,
            );
            Ok(())
        })?;
        stream.write_all(&outgoing)?;
        outgoing.clear();
        if !goes_on {
            break;
        }
    }
    let measured = span.end(count)?;
    faults += sequence.faults(messages as u64);
    let filling_cpu_us_each = Some(filled.broker_cpu_us / messages as f64);
    Ok(Measurement { faults, filling_cpu_us_each, ..measured })
}

/// The subscriber subscribes and is away.
fn leave(target: &Target) -> Outcome {
    let mut subscriber = target.connect(CLIENT_ID, Sessions::Kept)?;
    let filters = [QUEUE_TOPIC.to_owned()];
    handshake::subscribe(&mut subscriber.stream, target.version, &filters, QoS::AtLeastOnce)?;
    let mut disconnect = Vec::new();
    Disconnect::new(ReasonCode::Success).encode(target.version, &mut disconnect);
    subscriber.stream.write_all(&disconnect)?;
    // The broker closes once it has understood.
    while subscriber.stream.read(&mut [0; 64]).map_err(|error| format!("no end: {error}"))? > 0 {}
    Ok(())
}
