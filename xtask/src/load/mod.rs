//! The load generator: `xtask load`, a process of its own so that it can be pinned to a processor.
//!
//! One scenario against one broker goes in by the command line; one [`Measurement`] comes out on standard output, as
//! JSON. It must be much cheaper than the brokers that it drives, so it is one thread around one `epoll`, packets are
//! encoded once and patched, and reads and writes are large. It never offers more than a broker can queue: every
//! publisher is a closed loop.

mod commits;
pub(crate) mod connection;
mod connects;
mod disturbed;
mod drain;
mod fill;
mod group;
mod handshake;
mod homes;
mod idle;
mod inflow;
mod message;
mod paced;
mod publisher;
mod retained;
mod sequence;
mod stream;
mod subscriber;
mod target;
mod topics;
mod traffic;
mod window;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};

pub(crate) use commits::CommitTimes;
pub(crate) use paced::Latency;
pub(crate) use sequence::Faults;

use crate::Outcome;
use crate::bench::scenario::{self, Load, Scenario};

/// What `xtask load` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What to do
    #[arg(long, value_parser = scenario::named)]
    pub(crate) scenario: Scenario,
    /// Where the broker listens
    #[arg(long)]
    pub(crate) broker: SocketAddr,
    /// Clients speak TLS, and trust this certificate (PEM)
    #[arg(long, value_name = "FILE")]
    pub(crate) cafile: Option<PathBuf>,
    /// The broker's process
    #[arg(long)]
    pub(crate) process: u32,
    /// Where vaux-broker answers HTTP; its commits are measured if this is given
    #[arg(long)]
    pub(crate) metrics: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// What the benchmark hands on to the load generator as it is.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Settings {
    /// Seconds of load before the measurement begins
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    pub(crate) warm_up: f64,
    /// Seconds that are measured
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0, value_parser = seconds)]
    pub(crate) measure: f64,
    /// How many messages a publisher may be ahead of its slowest subscriber [default: the scenario's]
    #[arg(long, value_name = "MESSAGES", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) ahead: Option<u64>,
    /// Speak MQTT 5.0 instead of 3.1.1
    #[arg(long)]
    pub(crate) v5: bool,
}

/// What one run of one scenario came to.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Measurement {
    /// Messages delivered, or connections or whatever else made, within `seconds`.
    pub(crate) count: u64,
    /// How long the measurement took.
    pub(crate) seconds: f64,
    /// Processor time that the broker used within `seconds`, in microseconds.
    pub(crate) broker_cpu_us: f64,
    /// Processor time that the load generator used within `seconds`, in microseconds.
    pub(crate) generator_cpu_us: f64,
    /// What went wrong from the first message to the last.
    pub(crate) faults: Faults,
    /// Resident memory of the broker for each thing that was made, where that is what is measured.
    pub(crate) bytes_each: Option<f64>,
    /// How long messages took from when they were due, where that is what is measured.
    pub(crate) latency_us: Option<Latency>,
    /// How long the whole took, where one whole is what is measured.
    pub(crate) milliseconds: Option<f64>,
    /// Messages delivered in a second while nothing else went on, where something else goes on later.
    pub(crate) rate_alone: Option<f64>,
    /// Processor time that the broker used to take in each message, where that comes first.
    pub(crate) filling_cpu_us_each: Option<f64>,
    /// How many pairs have publisher and subscriber on different threads of the broker, where that is arranged.
    pub(crate) crossing_pairs: Option<usize>,
    /// Bytes that the broker wrote to the disk within `seconds`, where messages are to be kept.
    pub(crate) written_bytes: Option<u64>,
    /// How long commits took within `seconds`, where there were any and the broker says so.
    pub(crate) commit_us: Option<CommitTimes>,
}

impl Settings {
    fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.warm_up)
    }

    fn measure(&self) -> Duration {
        Duration::from_secs_f64(self.measure)
    }
}

/// Generates the load and prints the measurement.
///
/// # Errors
///
/// The broker did something that ends the run.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let measurement = match arguments.scenario.load {
        Load::Traffic(traffic) => {
            let ahead = arguments.settings.ahead.unwrap_or(traffic.ahead);
            traffic::run(arguments, &scenario::Traffic { ahead, ..traffic })
        }
        Load::Paced { traffic, rate } => paced::run(arguments, &traffic, rate),
        Load::Disturbed { traffic, idle, slow } => disturbed::run(arguments, &traffic, idle, slow),
        Load::Connects { at_once } => connects::run(arguments, at_once),
        Load::Idle { connections } => idle::connections(arguments, connections),
        Load::Retained { messages } => retained::run(arguments, messages),
        Load::RetainedMemory { messages } => idle::retained(arguments, messages),
        Load::FilterMemory { connections, filters_each } => {
            idle::filters(arguments, connections, filters_each)
        }
        Load::Drain { messages } => drain::run(arguments, messages),
    }?;
    if measurement.count == 0 {
        return Err("nothing happened while it was measured".into());
    }
    println!("{}", serde_json::to_string(&measurement)?);
    Ok(())
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if (0.01..=3600.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("between 0.01 and 3600 seconds".to_owned())
    }
}

/// What the payload of every message begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Which publisher it is from.
    pub(crate) publisher: u32,
    /// Which of that publisher's messages it is, from 0.
    pub(crate) number: u64,
}

/// The length of a [`Stamp`].
pub(crate) const STAMP_BYTES: usize = 12;

impl Stamp {
    /// What the payload is to begin with.
    pub(crate) fn to_bytes(self) -> [u8; STAMP_BYTES] {
        let mut bytes = [0; STAMP_BYTES];
        bytes[..4].copy_from_slice(&self.publisher.to_be_bytes());
        bytes[4..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }

    /// What a payload begins with, if it is long enough.
    pub(crate) fn from_payload(payload: &[u8]) -> Option<Stamp> {
        let (publisher, rest) = payload.split_first_chunk()?;
        let number = rest.first_chunk()?;
        Some(Stamp { publisher: u32::from_be_bytes(*publisher), number: u64::from_be_bytes(*number) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_reads_as_it_was_written() {
        let stamp = Stamp { publisher: 7, number: u64::MAX - 1 };
        let payload = [&stamp.to_bytes()[..], b"..."].concat();
        assert_eq!(Stamp::from_payload(&payload), Some(stamp));
        assert_eq!(Stamp::from_payload(&payload[..STAMP_BYTES - 1]), None);
    }

    #[test]
    fn a_time_of_nothing_or_no_number_is_refused() {
        assert_eq!(seconds("0.5"), Ok(0.5));
        for wrong in ["0", "-1", "NaN", "x", "1e9"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
