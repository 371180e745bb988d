//! Messages that are published when they are due, and how long after that they arrive.
//!
//! An open loop: what is due does not wait until the broker has dealt with what was due before, and latency counts from
//! when a message was due, not from when it was sent. A broker that stands still for a while pays for every message
//! that was due meanwhile.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Poll};
use serde::{Deserialize, Serialize};

use super::traffic::Clients;
use super::window::Window;
use super::{Arguments, Measurement};
use crate::Outcome;
use crate::bench::scenario::Traffic;

/// How long messages took from when they were due, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Latency {
    /// Half of them took no longer.
    pub(crate) p50: f64,
    /// All but one in a hundred took no longer.
    pub(crate) p99: f64,
    /// All but one in a thousand took no longer.
    pub(crate) p999: f64,
}

/// Runs the scenario.
///
/// # Errors
///
/// The broker did something that ends the run.
pub(super) fn run(arguments: &Arguments, traffic: &Traffic, rate: u32) -> Outcome<Measurement> {
    let mut poll = Poll::new()?;
    let (mut clients, _) = Clients::connect(arguments, traffic, poll.registry())?;
    clients.note_arrivals();
    let mut events = Events::with_capacity(1024);
    let mut times = Times::new(arguments, rate, traffic.publishers)?;
    let mut window = Window::after_warm_up(arguments);
    let measured = loop {
        clients.publish_due(times.due())?;
        // The processor is this program's own: waiting would add the time that waking up takes.
        clients.turn(&mut poll, &mut events, Duration::ZERO)?;
        times.note(&mut clients);
        if let Some(measured) = window.poll(clients.delivered())? {
            break measured;
        }
    };
    clients.drain(&mut poll, &mut events)?;
    times.note(&mut clients);
    Ok(Measurement { faults: clients.faults(), latency_us: Some(times.latency()), ..measured })
}

/// When each message is due, and how long each took.
struct Times {
    began: Instant,
    rate: u64,
    publishers: u64,
    warm_up: Duration,
    histogram: Histogram<u64>,
}

impl Times {
    fn new(arguments: &Arguments, rate: u32, publishers: usize) -> Outcome<Times> {
        Ok(Times {
            began: Instant::now(),
            rate: rate.into(),
            publishers: publishers as u64,
            warm_up: arguments.settings.warm_up(),
            histogram: histogram()?,
        })
    }

    /// How many messages are due by now, of all publishers in turn.
    fn due(&self) -> u64 {
        (self.began.elapsed().as_nanos() * u128::from(self.rate) / 1_000_000_000) as u64
    }

    /// When a message was due, from the beginning.
    fn due_at(&self, publisher: u32, number: u64) -> Duration {
        let place = number * self.publishers + u64::from(publisher) + 1;
        Duration::from_nanos(place * 1_000_000_000 / self.rate)
    }

    /// Notes what has arrived.
    fn note(&mut self, clients: &mut Clients) {
        let now = self.began.elapsed();
        for stamp in clients.take_arrivals() {
            let due_at = self.due_at(stamp.publisher, stamp.number);
            if due_at >= self.warm_up {
                let latency = now.saturating_sub(due_at).as_nanos();
                self.histogram.saturating_record(u64::try_from(latency).unwrap_or(u64::MAX));
            }
        }
    }

    fn latency(&self) -> Latency {
        latency(&self.histogram)
    }
}

/// Nanoseconds up to a minute, with three digits that count.
fn histogram() -> Outcome<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 60_000_000_000, 3)?)
}

fn latency(histogram: &Histogram<u64>) -> Latency {
    let microseconds = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1e3;
    Latency { p50: microseconds(0.5), p99: microseconds(0.99), p999: microseconds(0.999) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_due_in_turn_and_evenly() {
        let times = Times {
            began: Instant::now(),
            rate: 5000,
            publishers: 16,
            warm_up: Duration::ZERO,
            histogram: histogram().unwrap(),
        };
        assert_eq!(times.due_at(0, 0), Duration::from_micros(200));
        assert_eq!(times.due_at(15, 0), Duration::from_micros(3200));
        assert_eq!(times.due_at(0, 1), Duration::from_micros(3400));
        assert_eq!(times.due_at(7, 312), Duration::from_secs(1));
    }

    #[test]
    fn quantiles_are_in_microseconds() {
        let mut histogram = histogram().unwrap();
        for microseconds in 1..=1000 {
            histogram.saturating_record(microseconds * 1000);
        }
        histogram.saturating_record(u64::MAX);
        let latency = latency(&histogram);
        assert_eq!((latency.p50.round(), latency.p99.round()), (501.0, 991.0));
        assert_eq!(latency.p999.round(), 1000.0);
    }
}
