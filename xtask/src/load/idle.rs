//! Connections that do nothing: what each costs the broker in memory.

use std::time::{Duration, Instant};

use vaux_mqtt::QoS;

use super::{Arguments, Faults, Measurement, handshake};
use crate::bench::scenario::Sessions;
use crate::{Outcome, account};

/// Connections made before the memory is first read, so that what a broker sets aside once is not counted.
const FIRST: usize = 10;

/// Runs the scenario.
///
/// # Errors
///
/// The broker did something that ends the run.
pub(super) fn run(arguments: &Arguments, connections: usize) -> Outcome<Measurement> {
    let version = arguments.settings.version();
    let mut streams = Vec::with_capacity(FIRST + connections);
    let mut connect = |number: usize| -> Outcome {
        let client_id = format!("idle-{number:05}");
        let mut stream = handshake::connect(arguments.broker, version, &client_id, Sessions::End)?.stream;
        handshake::subscribe(&mut stream, version, &format!("idle/{number:05}"), QoS::AtMostOnce)?;
        streams.push(stream);
        Ok(())
    };
    for number in 0..FIRST {
        connect(number)?;
    }
    let memory_before = account::resident_bytes(arguments.process)?;
    let broker_before = account::processor_time(arguments.process)?;
    let generator_before = account::processor_time(std::process::id())?;
    let began = Instant::now();
    for number in FIRST..FIRST + connections {
        connect(number)?;
    }
    let memory = account::resident_bytes(arguments.process)?.saturating_sub(memory_before);
    let microseconds = |process: u32, before: Duration| -> Outcome<f64> {
        Ok((account::processor_time(process)? - before).as_secs_f64() * 1e6)
    };
    Ok(Measurement {
        count: connections as u64,
        seconds: began.elapsed().as_secs_f64(),
        broker_cpu_us: microseconds(arguments.process, broker_before)?,
        generator_cpu_us: microseconds(std::process::id(), generator_before)?,
        faults: Faults::default(),
        bytes_per_connection: Some(memory as f64 / connections as f64),
        crossing_pairs: None,
        written_bytes: None,
        commit_us: None,
    })
}
