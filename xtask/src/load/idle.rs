//! What does nothing, and what it costs the broker in memory: connections, retained messages, filters.

use std::time::{Duration, Instant};

use vaux_mqtt::QoS;

use super::fill::{self, Kept};
use super::target::Target;
use super::{Arguments, Measurement, handshake, topics};
use crate::bench::scenario::Sessions;
use crate::{Outcome, account};

/// What is made before the memory is first read, so that what a broker sets aside once is not counted.
const FIRST: usize = 10;

/// Connections with one subscription each.
///
/// # Errors
///
/// The broker did something that ends the run.
pub(super) fn connections(arguments: &Arguments, connections: usize) -> Outcome<Measurement> {
    let target = Target::of(arguments)?;
    let _first = target.idle(0..FIRST)?;
    let before = Before::now(arguments.process)?;
    let _all = target.idle(FIRST..FIRST + connections)?;
    before.until_now(connections)
}

/// Retained messages.
///
/// # Errors
///
/// As [`connections`].
pub(super) fn retained(arguments: &Arguments, messages: usize) -> Outcome<Measurement> {
    let target = Target::of(arguments)?;
    let mut publisher = target.connect("bench-publisher", Sessions::End)?;
    fill::fill(&mut publisher, target.version, Kept::Retained, 0..FIRST as u64)?;
    let before = Before::now(arguments.process)?;
    let faults =
        fill::fill(&mut publisher, target.version, Kept::Retained, FIRST as u64..(FIRST + messages) as u64)?;
    Ok(Measurement { faults, ..before.until_now(messages)? })
}

/// Filters with wildcards of few clients.
///
/// # Errors
///
/// As [`connections`].
pub(super) fn filters(
    arguments: &Arguments,
    connections: usize,
    filters_each: usize,
) -> Outcome<Measurement> {
    let target = Target::of(arguments)?;
    // The connections themselves are not what is measured.
    let mut clients = target.idle(0..connections)?;
    let before = Before::now(arguments.process)?;
    for (number, client) in clients.iter_mut().enumerate() {
        let first = number * filters_each;
        let filters: Vec<String> = (first..first + filters_each - 1).map(topics::wildcard).collect();
        handshake::subscribe(&mut client.stream, target.version, &filters, QoS::AtMostOnce)?;
    }
    before.until_now(connections * (filters_each - 1))
}

/// The accounts before what is measured.
struct Before {
    process: u32,
    memory: u64,
    broker: Duration,
    generator: Duration,
    at: Instant,
}

impl Before {
    fn now(process: u32) -> Outcome<Before> {
        Ok(Before {
            process,
            memory: account::resident_bytes(process)?,
            broker: account::processor_time(process)?,
            generator: account::processor_time(std::process::id())?,
            at: Instant::now(),
        })
    }

    /// What so many things came to.
    fn until_now(&self, count: usize) -> Outcome<Measurement> {
        let memory = account::resident_bytes(self.process)?.saturating_sub(self.memory);
        let microseconds = |process: u32, before: Duration| -> Outcome<f64> {
            Ok((account::processor_time(process)?.saturating_sub(before)).as_secs_f64() * 1e6)
        };
        Ok(Measurement {
            count: count as u64,
            seconds: self.at.elapsed().as_secs_f64(),
            broker_cpu_us: microseconds(self.process, self.broker)?,
            generator_cpu_us: microseconds(std::process::id(), self.generator)?,
            bytes_each: Some(memory as f64 / count as f64),
            ..Measurement::default()
        })
    }
}
