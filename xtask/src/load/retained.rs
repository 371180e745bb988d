//! Retained messages to one new subscriber after the other.

use std::io::Write;

use vaux_mqtt::QoS;

use super::fill::{self, Kept};
use super::inflow::Inflow;
use super::target::Target;
use super::window::Span;
use super::{Arguments, Faults, Measurement, Stamp, handshake};
use crate::Outcome;
use crate::bench::scenario::Sessions;

/// Runs the scenario.
///
/// # Errors
///
/// The broker did something that ends the run.
pub(super) fn run(arguments: &Arguments, messages: usize) -> Outcome<Measurement> {
    let target = Target::of(arguments)?;
    let mut publisher = target.connect("bench-publisher", Sessions::End)?;
    let mut faults = fill::fill(&mut publisher, target.version, Kept::Retained, 0..messages as u64)?;
    // The first one is the warm-up.
    faults += subscribe(&target, 0, messages)?;
    let span = Span::begin(arguments)?;
    let mut subscribers = 0;
    while subscribers == 0 || span.elapsed() < arguments.settings.measure() {
        subscribers += 1;
        faults += subscribe(&target, subscribers, messages)?;
    }
    let measured = span.end((subscribers * messages) as u64)?;
    let milliseconds = Some(measured.seconds * 1e3 / subscribers as f64);
    Ok(Measurement { faults, milliseconds, ..measured })
}

/// A new subscriber gets all messages, each once, and leaves.
fn subscribe(target: &Target, number: usize, messages: usize) -> Outcome<Faults> {
    let mut subscriber = target.connect(&format!("bench-subscriber-{number}"), Sessions::End)?;
    let filters = ["bench/retained/#".to_owned()];
    subscriber.stream.write_all(&handshake::subscribe_packet(target.version, &filters, QoS::AtMostOnce))?;
    let mut inflow = Inflow::new(target.version);
    let mut arrived = vec![false; messages];
    let mut count = 0;
    let mut duplicated = 0;
    while count < messages {
        let goes_on = inflow.read(&mut subscriber.stream, |publish| {
            let stamp = Stamp::from_payload(publish.payload).filter(|_| publish.retain);
            let place = stamp.and_then(|stamp| arrived.get_mut(usize::try_from(stamp.number).ok()?));
            let arrived = place.ok_or("a message came that is none of the retained ones")?;
            if std::mem::replace(arrived, true) {
                duplicated += 1;
            } else {
                count += 1;
            }
            Ok(())
        })?;
        if !goes_on {
            break;
        }
    }
    Ok(Faults { lost: (messages - count) as u64, duplicated, out_of_order: 0 })
}
