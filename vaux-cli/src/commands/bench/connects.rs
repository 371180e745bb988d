//! Getting clients connected: on a schedule, or so many at once.

use std::sync::Arc;

use tokio::task::JoinSet;
use vaux_client::{Accepted, ConnectError, Connector};

use super::clock::Clock;
use super::meter::Latencies;
use super::schedule::Schedule;
use super::timer::Timer;

/// Connects the clients of a run, one after the other.
pub(super) struct Connects {
    connector: Arc<Connector>,
    clock: Clock,
    timer: Timer,
    /// The client identifiers of those that are still to be connected, by client.
    names: Vec<String>,
    next: usize,
    schedule: Option<Schedule>,
    /// Without a schedule, how many attempts may be under way.
    at_once: usize,
    attempts: JoinSet<Attempt>,
    pub(super) times: Times,
}

/// How long it took to connect.
#[derive(Debug)]
pub(super) struct Times {
    /// From when a client was due to connect to its CONNACK.
    pub(super) total: Latencies,
    /// The name, TCP, TLS and WebSocket.
    pub(super) dial: Latencies,
    /// From CONNECT to CONNACK.
    pub(super) answer: Latencies,
    /// From the first attempt to the last answer, in nanoseconds.
    pub(super) took: u64,
    began: u64,
}

/// How an attempt ended.
pub(super) struct Attempt {
    pub(super) client: usize,
    due: u64,
    ended: u64,
    pub(super) outcome: Result<Accepted, ConnectError>,
}

impl Connects {
    /// To be begun now. `rate` is in clients a second.
    pub(super) fn new(
        connector: Connector,
        names: Vec<String>,
        rate: Option<f64>,
        at_once: usize,
        clock: Clock,
    ) -> Connects {
        let began = clock.now();
        Connects {
            connector: Arc::new(connector),
            clock,
            timer: Timer::new(clock),
            names,
            next: 0,
            schedule: rate.map(|rate| Schedule::new(began, rate, 1)),
            at_once,
            attempts: JoinSet::new(),
            times: Times {
                total: Latencies::new(),
                dial: Latencies::new(),
                answer: Latencies::new(),
                took: 0,
                began,
            },
        }
    }

    /// How the next attempt ended; `None` after the last. Cancelling loses nothing.
    pub(super) async fn next(&mut self) -> Option<Attempt> {
        loop {
            self.start();
            if self.attempts.is_empty() && self.next == self.names.len() {
                return None;
            }
            let next_due = match &self.schedule {
                Some(schedule) if self.next < self.names.len() => Some(schedule.next_due()),
                _ => None,
            };
            tokio::select! {
                Some(attempt) = self.attempts.join_next() => {
                    let attempt = attempt.expect("an attempt to connect does not panic");
                    self.times.note(&attempt);
                    return Some(attempt);
                }
                () = self.timer.wait_until(next_due.unwrap_or_default()), if next_due.is_some() => {}
            }
        }
    }

    /// Starts the attempts that it is time for.
    fn start(&mut self) {
        let now = self.clock.now();
        let mut due_now = 0;
        match &mut self.schedule {
            Some(schedule) => schedule.advance(now, |_| due_now += 1),
            None => due_now = self.at_once.saturating_sub(self.attempts.len()),
        }
        for client in self.next..self.names.len().min(self.next + due_now) {
            let due = self.schedule.as_ref().map_or(now, |schedule| schedule.due_of(0, client as u64));
            let (connector, clock) = (Arc::clone(&self.connector), self.clock);
            let client_id = std::mem::take(&mut self.names[client]);
            self.attempts.spawn(async move {
                let outcome = connector.connect(&client_id).await;
                Attempt { client, due, ended: clock.now(), outcome }
            });
            self.next = client + 1;
        }
    }
}

impl Times {
    fn note(&mut self, attempt: &Attempt) {
        self.took = attempt.ended - self.began;
        if let Ok(accepted) = &attempt.outcome {
            self.total.record(attempt.due, attempt.ended);
            self.dial.record(0, super::clock::nanoseconds(accepted.dial_time));
            self.answer.record(0, super::clock::nanoseconds(accepted.answer_time));
        }
    }
}
