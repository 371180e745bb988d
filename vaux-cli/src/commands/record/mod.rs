//! `vaux record`: messages into a file, with the time at which each arrived.

mod output;

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::pin::pin;
use std::time::{Duration, Instant};

use clap::Args;
use jiff::Timestamp;
use vaux_client::{Message, QoS, RequestError, RetainHandling, Subscribe, SubscriptionOptions};

use crate::cli_error::{CliError, Exit};
use crate::connection::{
    ConnectArgs, Interrupt, Place, Plan, ReconnectArgs, Session, any_matches, block_on, check_filter, close,
    parse_qos, parse_seconds, subscribe, tell,
};
use crate::output::talk::{Talk, TalkArgs};
use crate::recording::Header;
pub(super) use output::Output;
use output::parse_size;

/// Record messages, to be replayed
#[derive(Args, Debug)]
#[command(disable_help_flag = true, after_help = NOTES)]
pub(crate) struct RecordArgs {
    /// Topic filter to record; may be repeated
    #[arg(short, long, value_name = "FILTER", allow_hyphen_values = true)]
    topic: Vec<String>,
    /// Filter of topics that are not recorded; may be repeated
    #[arg(short = 'T', long, value_name = "FILTER", allow_hyphen_values = true)]
    filter_out: Vec<String>,
    /// Highest quality of service: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value = "2", value_parser = parse_qos)]
    qos: QoS,
    /// End after so many messages
    #[arg(short = 'C', value_name = "COUNT")]
    count: Option<NonZeroU64>,
    /// End after so many seconds
    #[arg(short = 'W', value_name = "SECONDS", value_parser = parse_seconds)]
    timeout: Option<Duration>,
    /// File to write [default: standard output]
    #[arg(short = 'O', long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Begin a new file when this one has this size, such as 100MiB; full ones become FILE.1, FILE.2 …
    #[arg(long, value_name = "SIZE", value_parser = parse_size, requires = "output")]
    rotate: Option<NonZeroU64>,
    /// Write behind what FILE holds already
    #[arg(long, requires = "output")]
    append: bool,
    /// Do not record retained messages of before
    #[arg(long)]
    no_retained: bool,
    #[command(flatten)]
    reconnect: ReconnectArgs,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help, help_heading = "Output")]
    help: (),
}

const NOTES: &str = "\
A recording is lines of JSON: what it was recorded from, then one line a message, written as messages come, so that it \
can be read at any time and whatever ends the program. In version 5 messages keep the retain flag that they were \
published with. A file that holds something is not overwritten.

Examples:
  vaux record -t '#' -O day.rec
  vaux record -t 'plant/#' -T 'plant/camera/#' -W 60 -O minute.rec
  vaux record -t '#' -O long.rec --rotate 100MiB
  vaux record -t 'a/#' -C 10 | jq .t";

/// Connects and records until something ends it.
pub(crate) fn run(args: RecordArgs) -> Result<Exit, CliError> {
    let talk = args.talk.talk();
    let connect = args.connect.clone().with_environment()?;
    let mut filters = args.topic.clone();
    if filters.is_empty() {
        filters.extend(connect.url_topic().map(str::to_owned));
    }
    if filters.is_empty() {
        return Err(CliError::usage("what to record is missing: -t FILTER"));
    }
    for (flag, list) in [("-t", &filters), ("-T", &args.filter_out)] {
        list.iter().try_for_each(|filter| check_filter(flag, filter))?;
    }
    let plan = connect.plan(&[Place::Connect, Place::Will, Place::Subscribe, Place::Disconnect], talk)?;
    let plan = plan.with_operator(filters.iter().map(String::as_str))?;
    block_on(record(args, plan, filters, talk))
}

async fn record(args: RecordArgs, plan: Plan, filters: Vec<String>, talk: Talk) -> Result<Exit, CliError> {
    let mut interrupt = Interrupt::listen()?;
    let session = tokio::select! {
        session = Session::open(&plan, args.reconnect.policy(), talk) => session?,
        exit = interrupt.wait() => return Ok(exit),
    };
    let start = Instant::now();
    let header = Header {
        start: Timestamp::now(),
        broker: plan.address(),
        version: plan.version,
        filters: filters.clone(),
    };
    let output = Output::open(args.output.as_deref(), args.append, args.rotate, header, start)?;
    let mut recorder = Recorder {
        output,
        filter_out: args.filter_out,
        count: args.count,
        drops_retained: args.no_retained && !plan.version.has_properties(),
        recorded: 0,
    };
    let request = request(&filters, args.qos, args.no_retained, &plan);
    let client = session.client.clone();
    let recording = recorder.record(session, request, &filters, talk);
    let outcome = tokio::select! {
        outcome = recording => outcome,
        exit = interrupt.wait() => Ok(exit),
        // A recording of so many seconds is what was asked for.
        () = tokio::time::sleep(args.timeout.unwrap_or_default()), if args.timeout.is_some() => Ok(Exit::Ok),
    };
    let flushed = recorder.output.flush();
    close(&client, plan.properties.of(Place::Disconnect), talk).await;
    let messages = if recorder.recorded == 1 { "message" } else { "messages" };
    talk.note(format_args!("recorded {} {messages}", recorder.recorded));
    flushed.and(outcome)
}

/// In version 5 the retain flag comes as it was published, so that a replay can set it again.
fn request(filters: &[String], qos: QoS, no_retained: bool, plan: &Plan) -> Subscribe {
    let mut options = SubscriptionOptions::with_qos(qos);
    if plan.version.has_properties() {
        options.retain_as_published = true;
        if no_retained {
            options.retain_handling = RetainHandling::DoNotSend;
        }
    }
    let mut request = Subscribe::default();
    for filter in filters {
        request = request.and_with_options(filter.as_str(), options);
    }
    for property in plan.properties.of(Place::Subscribe).list() {
        request = request.property(property).expect("-D checked the value of the property");
    }
    request
}

/// What is recorded, and where to.
struct Recorder {
    output: Output,
    filter_out: Vec<String>,
    count: Option<NonZeroU64>,
    /// Before version 5 a retained message of before is known by its flag only.
    drops_retained: bool,
    recorded: u64,
}

/// How many messages are written before anything else is looked at.
const BATCH: usize = 1024;

impl Recorder {
    async fn record(
        &mut self,
        mut session: Session,
        request: Subscribe,
        filters: &[String],
        talk: Talk,
    ) -> Result<Exit, CliError> {
        let client = session.client.clone();
        let mut asking = pin!(subscribe(&client, request, filters, talk));
        let mut is_asking = true;
        let mut refused = None;
        loop {
            for _ in 0..BATCH {
                let Some(message) = session.messages.try_next() else { break };
                if self.take(&message)? {
                    return refused.map_or(Ok(Exit::Ok), Err);
                }
            }
            // Nothing more is there: whoever reads the file now, or kills this program, finds all of it.
            self.output.flush()?;
            tokio::select! {
                message = session.messages.next() => match message {
                    Some(message) if self.take(&message)? => return refused.map_or(Ok(Exit::Ok), Err),
                    Some(_) => {}
                    None => return Err(session.lost().await),
                },
                answer = &mut asking, if is_asking => {
                    is_asking = false;
                    match answer {
                        Ok(some_refused) => refused = some_refused,
                        // The end of the messages says why.
                        Err((_, RequestError::Disconnected | RequestError::Ended)) => {}
                        Err((what, source)) => return Err(CliError::Request { what, source }),
                    }
                }
                Some(event) = session.events.next() => tell(&event, talk),
            }
        }
    }

    /// Records a message, unless it is not wanted. Returns whether it is the last one.
    fn take(&mut self, message: &Message) -> Result<bool, CliError> {
        if any_matches(&self.filter_out, &message.topic) || (self.drops_retained && message.retain) {
            return Ok(false);
        }
        self.output.write(message)?;
        self.recorded += 1;
        Ok(self.count.is_some_and(|count| self.recorded >= count.get()))
    }
}
