//! `vaux bench`: how fast a broker is, at which latency, and whether it loses anything.
//!
//! `shape` says who publishes to whom, `connects` connects them, `engine` moves the messages of all clients in one task
//! and `run` decides when what happens; `meter` and `arrivals` keep count, `report` tells.

mod arrivals;
mod clock;
mod connects;
mod descriptors;
mod engine;
mod failures;
mod link;
mod meter;
mod progress;
mod publisher;
mod ready;
mod report;
mod run;
mod schedule;
mod sequence;
mod shape;
mod stamp;
mod timer;

use std::io::{Write, stdout};
use std::time::Duration;

use clap::Args;
use vaux_client::QoS;

use crate::cli_error::{CliError, Exit};
use crate::connection::{
    ConnectArgs, Place, Plan, check_filter, check_topic, parse_qos, parse_seconds, random,
};
use crate::output::talk::{Talk, TalkArgs};
use engine::Setup;
use progress::Progress;
use report::{Report, Thresholds};
use run::{Outcome, Task};
use shape::{Mode, Shape};
use stamp::STAMP_BYTES;

/// Measure a broker: messages a second, latency, loss
#[derive(Args, Debug)]
#[command(disable_help_flag = true, after_help = NOTES)]
pub(crate) struct BenchArgs {
    /// What to do
    #[arg(value_name = "pub|sub|conn|e2e|fanout|fanin|shared", hide_possible_values = true)]
    mode: Mode,
    /// Clients: publishers of pub, e2e, fanin and shared, subscribers of sub and fanout, connections of conn [default: 16; sub 1; conn, fanout, fanin 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    clients: Option<u32>,
    /// Subscribers in the group of shared [default: as many as publishers]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    group: Option<u32>,
    /// Messages a second of all publishers together, on a schedule; connections a second of conn [default: as fast as it goes]
    #[arg(long, value_name = "N", value_parser = parse_rate)]
    rate: Option<f64>,
    /// Connections a second while the clients of a run connect [default: as fast as it goes]
    #[arg(long, value_name = "N", value_parser = parse_rate)]
    connect_rate: Option<f64>,
    /// Seconds that are measured; of conn, seconds that connections are held
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_time)]
    duration: Duration,
    /// Seconds of load before
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = parse_time)]
    warmup: Duration,
    /// Seconds without any message after which what is missing counts as lost
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = parse_time)]
    drain: Duration,
    /// Bytes of payload, at least 28
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = clap::value_parser!(u32).range(..=MAX_SIZE))]
    size: u32,
    /// Quality of service of messages and subscriptions: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = parse_qos)]
    qos: QoS,
    /// What topics begin with, also without a number behind; of sub, a filter [default: vaux-bench]
    #[arg(short, long, value_name = "TOPIC", allow_hyphen_values = true)]
    topic: Option<String>,
    /// Topics that each publisher publishes under in turn
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    topics: u32,
    /// Messages of a publisher that may be under way: unacknowledged, and without --rate undelivered [default: 1000 with QoS 0, else 100; of fanin 1000 for all together]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=60_000))]
    window: Option<u32>,
    /// End with exit code 9 when more than 1 % of the latencies are above so many milliseconds
    #[arg(long, value_name = "MS", value_parser = parse_milliseconds)]
    fail_p99: Option<f64>,
    /// End with exit code 9 when more messages are lost
    #[arg(long, value_name = "N")]
    max_loss: Option<u64>,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
    /// Tell once a second how it goes even if standard error is no terminal
    #[arg(long, help_heading = "Output")]
    progress: bool,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
    /// Write the report as a JSON object
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help, help_heading = "Output")]
    help: (),
}

const NOTES: &str = "\
Modes:
  pub     clients publish; nobody subscribes
  sub     clients subscribe, and measure what comes from elsewhere, such as vaux bench pub
  conn    clients connect, at --rate, and stay connected for --duration
  e2e     pairs: each publisher has a subscriber
  fanout  one publisher, whose messages go to all clients
  fanin   all clients publish to one subscriber
  shared  clients publish to a group that shares a subscription

With --rate each message has a time at which it is due, and its latency counts from then, however late it could be sent: \
a server that stops for a second shows a second. Without --rate each publisher keeps --window messages under way, which \
tells how fast the server is, but less about its latency. Of pub with QoS 1 and 2 the latency is that of the \
acknowledgement, of conn that from when a client was due to its CONNACK.

Each message carries its run, publisher, number and time; subscribers check that all come, once and in order. It is one \
thread; for more load run several.

Examples:
  vaux bench e2e
  vaux bench e2e --clients 100 --rate 20000 -q 1 --fail-p99 10 --max-loss 0
  vaux bench fanout --clients 1000 --rate 100
  vaux bench conn --clients 10000 --rate 500 -h broker.example
  vaux bench sub --duration 60 & vaux bench pub --clients 50 --rate 5000 --duration 50
  vaux bench shared --group 4 --json | jq .received.per_second";

/// Larger packets there are not.
const MAX_SIZE: i64 = 200_000_000;

/// How many messages of a publisher are under way if nobody says: enough for large writes, and little enough for the
/// queues that servers keep for messages with QoS 1 and 2.
const QOS_0_WINDOW: u32 = 1000;
const WINDOW: u32 = 100;

/// How many of all publishers together may wait for one subscriber: servers drop what waits beyond some limit.
const FAN_IN_WINDOW: u32 = 1000;

fn parse_rate(text: &str) -> Result<f64, &'static str> {
    let rate = text.parse().ok().filter(|rate: &f64| (0.001..=1e9).contains(rate));
    rate.ok_or("it is a number a second, from 0.001 to 1000000000")
}

fn parse_milliseconds(text: &str) -> Result<f64, &'static str> {
    let milliseconds = text.parse().ok().filter(|ms: &f64| ms.is_finite() && *ms >= 0.0);
    milliseconds.ok_or("it is a number of milliseconds")
}

/// Seconds of a run.
fn parse_time(text: &str) -> Result<Duration, &'static str> {
    /// Ten years.
    const MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
    parse_seconds(text)?.lt(&MAX).then(|| parse_seconds(text)).ok_or("it is less than ten years")?
}

/// Connects, loads the server, and tells how it went.
pub(crate) fn run(args: BenchArgs) -> Result<Exit, CliError> {
    let talk = args.talk.talk();
    args.check()?;
    let connect = args.connect.clone().with_environment()?;
    let shape = args.shape(connect.url_topic())?;
    let run = random() as u32;
    let id_start = connect.id_start().map_or_else(|| format!("vb{run:08x}-"), str::to_owned);
    descriptors::make_room(shape.clients())?;
    let places = [Place::Connect, Place::Will, Place::Publish, Place::Subscribe, Place::Disconnect];
    let plan = connect.plan(&places, talk)?;
    let task = args.task(shape, &plan, run, id_start, talk);
    let progress = Progress::new(args.progress, args.talk.is_quiet());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(CliError::Internal)?;
    let outcome = runtime.block_on(tokio::task::unconstrained(task.run(&plan, progress, talk)));
    // A name that is still being looked up does not keep the program from ending.
    runtime.shutdown_background();
    let Some(outcome) = outcome? else { return Ok(Exit::Interrupted) };
    args.report(&task, &plan, outcome, talk)
}

impl BenchArgs {
    /// Refuses flags that do not fit the mode.
    fn check(&self) -> Result<(), CliError> {
        if self.group.is_some() && self.mode != Mode::Shared {
            return Err(CliError::usage("--group is for shared"));
        }
        if self.connect_rate.is_some() && self.mode == Mode::Conn {
            return Err(CliError::usage("of conn --rate says how many connect a second"));
        }
        if self.rate.is_some() && self.mode == Mode::Sub {
            return Err(CliError::usage("sub publishes nothing: --rate is for those who do"));
        }
        if self.duration.is_zero() && self.mode != Mode::Conn {
            return Err(CliError::usage("--duration 0 leaves nothing to measure"));
        }
        if self.fail_p99.is_some() && self.mode == Mode::Pub && self.qos == QoS::AtMostOnce {
            return Err(CliError::usage(
                "of pub with QoS 0 there is no latency: --fail-p99 needs -q 1 or -q 2",
            ));
        }
        Ok(())
    }

    /// Who takes part.
    fn shape(&self, url_topic: Option<&str>) -> Result<Shape, CliError> {
        let clients = self.clients.map_or(self.mode.default_clients(), |clients| clients as usize);
        let group = self.group.map_or(clients, |group| group as usize);
        let base = self.topic.as_deref().or(url_topic).unwrap_or("vaux-bench");
        let shape = self.mode.shape(clients, group, self.topics as usize, base.to_owned());
        match self.mode {
            Mode::Sub => check_filter("-t", &shape.filter(0))?,
            _ => check_topic("-t", base)?,
        }
        Ok(shape)
    }

    fn task(&self, shape: Shape, plan: &Plan, run: u32, id_start: String, talk: Talk) -> Task {
        let mut payload_bytes = self.size as usize;
        if self.mode.publishes() && payload_bytes < STAMP_BYTES {
            talk.note(format_args!(
                "what subscribers check takes {STAMP_BYTES} bytes: --size is {STAMP_BYTES}"
            ));
            payload_bytes = STAMP_BYTES;
        }
        let window = self.window.unwrap_or(match self.mode {
            Mode::Fanin => (FAN_IN_WINDOW / shape.publishers as u32).max(1),
            _ if self.qos == QoS::AtMostOnce => QOS_0_WINDOW,
            _ => WINDOW,
        });
        let setup = Setup {
            shape,
            version: plan.version,
            qos: self.qos,
            payload_bytes,
            window: window.into(),
            patience: clock::nanoseconds(self.drain),
            publish_properties: plan.properties.of(Place::Publish),
            subscribe_properties: plan.properties.of(Place::Subscribe),
            run,
        };
        Task {
            mode: self.mode,
            setup,
            id_start,
            rate: self.rate,
            connect_rate: self.connect_rate,
            warm_up: self.warmup,
            duration: self.duration,
            disconnect_properties: plan.properties.of(Place::Disconnect),
        }
    }

    fn report(&self, task: &Task, plan: &Plan, outcome: Outcome, talk: Talk) -> Result<Exit, CliError> {
        let thresholds = Thresholds { p99_ms: self.fail_p99, loss: self.max_loss };
        let report = Report::new(task, plan.server(), thresholds, outcome);
        let mut out = stdout().lock();
        let written = match self.json {
            true => serde_json::to_writer(&mut out, &report).map_err(Into::into).and_then(|()| writeln!(out)),
            false => write!(out, "{report}"),
        };
        written.and_then(|()| out.flush()).map_err(CliError::Stdio)?;
        report.tell(talk);
        Ok(report.exit())
    }
}
