//! What a run came to: one object, as JSON or as text.

mod text;

use serde::Serialize;

use super::failures::{Failure, What};
use super::meter::{Counters, Percentiles};
use super::run::{Ended, Outcome, Task};
use super::shape::{Flow, Mode};
use crate::cli_error::Exit;
use crate::output::talk::Talk;

pub(super) use text::{grouped, in_words};

/// Everything that is told.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    mode: &'static str,
    server: String,
    protocol: String,
    settings: Settings,
    connections: Connections,
    /// How long the measured time was.
    seconds: f64,
    published: Option<Flown>,
    acknowledged: Option<Flown>,
    received: Option<Flown>,
    /// From when a message was due to when it arrived; of `conn`, from when a client was due to connect to its CONNACK.
    latency_us: Option<Percentiles>,
    acknowledgement_us: Option<Percentiles>,
    schedule_lag_us: Option<Percentiles>,
    check: Option<Check>,
    /// How much of one processor this program used, in per cent.
    processor_percent: Option<f64>,
    errors: Vec<Failure>,
    exit_reason: &'static str,
    exit_code: u8,
    #[serde(skip)]
    exit: Exit,
    /// Who takes part, in words.
    #[serde(skip)]
    describe: String,
}

#[derive(Debug, Serialize)]
struct Settings {
    run: String,
    publishers: usize,
    subscribers: usize,
    idle: usize,
    topics: usize,
    qos: u8,
    size: usize,
    rate: Option<f64>,
    window: u64,
    warmup: f64,
    duration: f64,
    drain: f64,
    fail_p99_ms: Option<f64>,
    max_loss: Option<u64>,
}

/// What became of connections.
#[derive(Debug, Serialize)]
struct Connections {
    wanted: usize,
    connected: u64,
    failed: u64,
    lost: u64,
    at_end: usize,
    seconds: f64,
    per_second: f64,
    held_seconds: Option<f64>,
    total_us: Option<Percentiles>,
    dial_us: Option<Percentiles>,
    connack_us: Option<Percentiles>,
}

/// Messages within the measured time.
#[derive(Clone, Copy, Debug, Serialize)]
struct Flown {
    messages: u64,
    per_second: f64,
    payload_bytes: u64,
}

/// Whether everything arrived, from the first message to the last: in the measured time and around it.
#[derive(Clone, Copy, Debug, Serialize)]
struct Check {
    published: u64,
    acknowledged: u64,
    refused: u64,
    /// How many messages were to arrive; not known of other programs'.
    expected: Option<u64>,
    received: u64,
    /// Messages that did not arrive; where nobody is to receive them, those that were not acknowledged.
    lost: u64,
    duplicated: u64,
    out_of_order: u64,
    /// Messages that came to a subscriber that is not to have them.
    stray: u64,
    /// Messages of other runs.
    foreign: u64,
    /// Messages that were due and could not be sent.
    unsent: u64,
}

/// What a run may not be worse than.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thresholds {
    pub(super) p99_ms: Option<f64>,
    pub(super) loss: Option<u64>,
}

impl Report {
    /// Puts together what there is to say.
    pub(super) fn new(task: &Task, server: String, thresholds: Thresholds, mut outcome: Outcome) -> Report {
        let setup = &task.setup;
        let shape = &setup.shape;
        let measured = outcome.engine.meter.measured();
        let flown = |is_there: bool, messages: u64, payload_bytes: u64| {
            is_there.then(|| Flown {
                messages,
                per_second: per_second(messages, measured.seconds),
                payload_bytes,
            })
        };
        let counters = measured.counters;
        let size = setup.payload_bytes as u64;
        let publishes = task.mode.publishes();
        let is_acknowledged = publishes && setup.qos.bits() > 0;
        let receives = shape.flow != Flow::Nobody;
        let connections = Connections::new(task, &mut outcome);
        let meter = &mut outcome.engine.meter;
        let (delivery, acknowledgement) = (meter.delivery.percentiles(), meter.acknowledgement.percentiles());
        let latency_us = match task.mode {
            Mode::Conn => connections.total_us,
            Mode::Pub => acknowledgement,
            _ => delivery,
        };
        let mut report = Report {
            mode: task.mode.name(),
            server,
            protocol: setup.version.to_string(),
            settings: Settings::new(task, thresholds),
            connections,
            seconds: measured.seconds,
            published: flown(publishes, counters.published, counters.published * size),
            acknowledged: flown(is_acknowledged, counters.acknowledged, counters.acknowledged * size),
            received: flown(receives, counters.received, counters.received_bytes),
            latency_us,
            acknowledgement_us: acknowledgement,
            schedule_lag_us: meter.lag.percentiles(),
            check: (task.mode != Mode::Conn).then(|| Check::new(&outcome)),
            processor_percent: (measured.seconds > 0.0).then_some(measured.processor),
            errors: outcome.engine.failures.kinds().to_vec(),
            exit_reason: "",
            exit_code: 0,
            exit: Exit::Ok,
            describe: shape.describe(),
        };
        let (exit_reason, exit) = report.judge(thresholds, &outcome);
        (report.exit_reason, report.exit_code, report.exit) = (exit_reason, exit as u8, exit);
        report
    }

    /// Why the run ended, and how the program is to end.
    fn judge(&self, thresholds: Thresholds, outcome: &Outcome) -> (&'static str, Exit) {
        let failures = &outcome.engine.failures;
        match (outcome.ended, failures.exit()) {
            (Ended::Interrupted(exit), _) => ("interrupted", exit),
            _ if thresholds.p99_ms.is_some_and(|most| self.p99_ms() > most) => ("p99", Exit::ThresholdFailed),
            _ if thresholds.loss.is_some_and(|most| self.lost() > most) => ("loss", Exit::ThresholdFailed),
            (_, None) => ("done", Exit::Ok),
            (_, Some(exit)) if failures.count(What::ConnectionLost) > 0 => ("connection-lost", exit),
            (_, Some(exit)) if failures.count(What::NotConnected) > 0 => ("not-connected", exit),
            (_, Some(exit)) => ("message-refused", exit),
        }
    }

    /// The 99th percentile. If nothing was measured that is no good sign.
    fn p99_ms(&self) -> f64 {
        self.latency_us.map_or(f64::INFINITY, |latency| latency.p99 / 1e3)
    }

    /// Says on standard error what went wrong.
    pub(super) fn tell(&self, talk: Talk) {
        self.errors.iter().for_each(|failure| failure.tell(talk));
        match (self.exit_reason, self.settings.fail_p99_ms, self.settings.max_loss) {
            ("p99", Some(most), _) if self.latency_us.is_some() => {
                let p99 = in_words(self.p99_ms() * 1e3);
                talk.error(format_args!("the 99th percentile is {p99}, above --fail-p99 {most}"));
            }
            ("p99", ..) => talk.error("nothing arrived that --fail-p99 could be compared with"),
            ("loss", _, Some(most)) => {
                talk.error(format_args!("{} lost, above --max-loss {most}", grouped(self.lost())));
            }
            _ => {}
        }
    }

    /// Messages that did not arrive.
    fn lost(&self) -> u64 {
        self.check.map_or(0, |check| check.lost)
    }

    /// How the program is to end.
    pub(super) fn exit(&self) -> Exit {
        self.exit
    }
}

impl Settings {
    fn new(task: &Task, thresholds: Thresholds) -> Settings {
        let setup = &task.setup;
        Settings {
            run: format!("{:08x}", setup.run),
            publishers: setup.shape.publishers,
            subscribers: setup.shape.subscribers,
            idle: setup.shape.idle,
            topics: setup.shape.topics(),
            qos: setup.qos.bits(),
            size: setup.payload_bytes,
            rate: task.rate,
            window: setup.window,
            warmup: task.warm_up.as_secs_f64(),
            duration: task.duration.as_secs_f64(),
            drain: setup.patience as f64 / 1e9,
            fail_p99_ms: thresholds.p99_ms,
            max_loss: thresholds.loss,
        }
    }
}

impl Connections {
    fn new(task: &Task, outcome: &mut Outcome) -> Connections {
        let times = &mut outcome.connects;
        let total_us = times.total.percentiles();
        let connected = total_us.map_or(0, |total| total.count);
        let seconds = times.took as f64 / 1e9;
        let failures = &outcome.engine.failures;
        Connections {
            wanted: task.setup.shape.clients(),
            connected,
            failed: failures.count(What::NotConnected),
            lost: failures.count(What::ConnectionLost),
            at_end: outcome.still_connected,
            seconds,
            per_second: per_second(connected, seconds),
            held_seconds: (task.mode == Mode::Conn).then_some(outcome.held),
            total_us,
            dial_us: times.dial.percentiles(),
            connack_us: times.answer.percentiles(),
        }
    }
}

impl Check {
    fn new(outcome: &Outcome) -> Check {
        let engine = &outcome.engine;
        let shape = &engine.setup.shape;
        let Counters { published, acknowledged, refused, received, .. } = engine.meter.counters;
        let faults = engine.arrivals.faults(|publisher| engine.sent(publisher));
        // What the server said that it does not take is not lost.
        let to_arrive = (published - refused) * shape.copies();
        let (expected, lost) = match shape.flow {
            Flow::Anybody => (None, faults.lost),
            Flow::Nobody if engine.setup.qos.bits() == 0 => (Some(0), 0),
            Flow::Nobody => (Some(0), published - refused - acknowledged),
            _ => (Some(to_arrive), faults.lost.saturating_sub(refused * shape.copies())),
        };
        Check {
            published,
            acknowledged,
            refused,
            expected,
            received,
            lost,
            duplicated: faults.duplicated,
            out_of_order: faults.out_of_order,
            stray: engine.arrivals.stray(),
            foreign: engine.arrivals.foreign(),
            unsent: engine.unsent(),
        }
    }
}

fn per_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}
