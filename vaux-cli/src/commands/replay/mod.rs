//! `vaux replay`: the messages of a recording, published when they are due.

mod lag;
mod mapping;
mod player;
mod schedule;
mod step;

use std::io::{BufWriter, Write, stdout};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use vaux_client::QoS;

use crate::cli_error::{CliError, Exit};
use crate::connection::{ConnectArgs, Place, Plan, block_on, check_filter, parse_qos, parse_seconds};
use crate::output::talk::{Talk, TalkArgs};
use crate::recording::write_record;
use mapping::Mapping;
use player::Player;
use schedule::{Bound, Pace, Pick, Retained, Schedule, Source, Speed, parse_speed};

/// Publish what was recorded
#[derive(Args, Debug)]
#[command(disable_help_flag = true, after_help = NOTES)]
pub(crate) struct ReplayArgs {
    /// The recording, - for standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// How fast: 2 is twice as fast as it was, max without any pause
    #[arg(long, value_name = "FACTOR|max", default_value = "1", value_parser = parse_speed)]
    speed: Speed,
    /// How many times to play it; without a number for ever
    #[arg(long = "loop", value_name = "N", num_args = 0..=1, require_equals = true, value_parser = clap::value_parser!(u64).range(1..))]
    laps: Option<Option<u64>>,
    /// Only topics that match this filter; may be repeated
    #[arg(short, long, value_name = "FILTER", allow_hyphen_values = true)]
    topic: Vec<String>,
    /// Filter of topics that are left out; may be repeated
    #[arg(short = 'T', long, value_name = "FILTER", allow_hyphen_values = true)]
    filter_out: Vec<String>,
    /// Publish under other topics: plant=test/plant, or with wildcards a/+/b=c/+; the first that fits counts
    #[arg(long, value_name = "FROM=TO", allow_hyphen_values = true)]
    map: Vec<Mapping>,
    /// Begin here: seconds from the start, 5m, or a time such as 2026-11-22T21:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<Bound>,
    /// End here
    #[arg(long, value_name = "TIME")]
    to: Option<Bound>,
    /// Publish with this quality of service instead of the recorded one
    #[arg(short, long, value_name = "QOS", value_parser = parse_qos)]
    qos: Option<QoS>,
    /// What becomes of messages with the retain flag
    #[arg(long, value_name = "keep|drop|only", default_value = "keep", hide_possible_values = true)]
    retained: Retained,
    /// Shorten pauses to so many seconds at most
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    max_gap: Option<Duration>,
    /// Print what would be published and when, in the form of a recording
    #[arg(long, conflicts_with = "step")]
    dry_run: bool,
    /// Publish each message when Enter is pressed
    #[arg(long, conflicts_with_all = ["laps", "max_gap", "speed"])]
    step: bool,
    /// Replay even into the broker that was recorded
    #[arg(long)]
    yes: bool,
    /// The payloads of an mqtt-recorder file are base64
    #[arg(long)]
    csv_base64: bool,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
    /// Write the report at the end as a JSON object
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help, help_heading = "Output")]
    help: (),
}

const NOTES: &str = "\
Reads what vaux record wrote, lines of mosquitto_sub -F %j and %J, of vaux sub --json, the CSV of mqtt-recorder, and captures \
of a network, pcap or pcapng: of these what clients published.

Each message is due at its time from the start of the recording, however late the one before was; at the end it says \
how late messages were. --retained keep publishes with the flag, drop leaves such messages out, only the others. Into \
the broker that was recorded it replays only with --map or --yes.

Examples:
  vaux replay day.rec -h test.example
  vaux replay day.rec --map plant=test/plant --speed 10
  vaux replay day.rec --from 1h --to 1h5m -t 'plant/#' --dry-run
  mosquitto_sub -t '#' -F %j | vaux replay - -h test.example --speed max";

/// Reads, connects, publishes.
pub(crate) fn run(args: ReplayArgs) -> Result<Exit, CliError> {
    let talk = args.talk.talk();
    for (flag, list) in [("-t", &args.topic), ("-T", &args.filter_out)] {
        list.iter().try_for_each(|filter| check_filter(flag, filter))?;
    }
    if let (Some(from), Some(to)) = (args.from, args.to)
        && to.is_before(from)
    {
        return Err(CliError::usage("--to lies before --from"));
    }
    let laps = args.laps.map_or(Some(1), |laps| laps);
    let source = Source::new(&args.file, args.csv_base64);
    if laps != Some(1) && source.is_stdin() {
        return Err(CliError::usage("standard input can be read only once: --loop needs a file"));
    }
    if args.step && source.is_stdin() {
        return Err(CliError::usage("--step reads the keys from standard input: it needs a file"));
    }
    if args.dry_run && laps.is_none() {
        return Err(CliError::usage("--dry-run would never end: --loop needs a number"));
    }
    let connect = args.connect.clone().with_environment()?;
    let plan = connect.plan(&[Place::Connect, Place::Will, Place::Disconnect], talk)?;
    let pick = Pick {
        topics: args.topic,
        filter_out: args.filter_out,
        maps: args.map,
        from: args.from,
        to: args.to,
        qos: args.qos,
        retained: args.retained,
    };
    let pace = Pace { speed: args.speed, max_gap: args.max_gap, laps };
    let is_mapped = !pick.maps.is_empty();
    let schedule = Schedule::open(source, pick, pace)?;
    if args.dry_run {
        return dry_run(schedule, talk);
    }
    if !is_mapped && !args.yes {
        refuse_recorded(&schedule, &plan)?;
    }
    let player = Player { step: args.step, json: args.json, speed: args.speed, verb: "replayed", talk };
    block_on(player.run(plan, schedule))
}

/// Publishes the retained messages of a recording at once, also into the broker that they are of.
pub(super) fn import(file: &Path, plan: Plan, talk: Talk) -> Result<Exit, CliError> {
    let pick = Pick { retained: Retained::Only, ..Pick::default() };
    let pace = Pace { speed: Speed::Max, max_gap: None, laps: Some(1) };
    let schedule = Schedule::open(Source::new(file, false), pick, pace)?;
    let player = Player { step: false, json: false, speed: Speed::Max, verb: "imported", talk };
    block_on(player.run(plan, schedule))
}

/// Messages that come back to where they were recorded may set off all kinds of things.
fn refuse_recorded(schedule: &Schedule, plan: &Plan) -> Result<(), CliError> {
    match &schedule.origin().broker {
        Some(broker) if plan.is_server_at(broker) => Err(CliError::usage_with_hint(
            format!("this was recorded from {broker}, the broker that it would be replayed into"),
            "--map FROM=TO publishes under other topics, --yes under the same",
        )),
        _ => Ok(()),
    }
}

fn dry_run(mut schedule: Schedule, talk: Talk) -> Result<Exit, CliError> {
    let mut out = BufWriter::new(stdout().lock());
    while let Some(cue) = schedule.next()? {
        let us = u64::try_from(cue.due.as_micros()).unwrap_or(u64::MAX);
        write_record(&mut out, us, &cue.message).map_err(CliError::Stdio)?;
    }
    out.flush().map_err(CliError::Stdio)?;
    schedule.missing().texts().for_each(|text| talk.warning(text));
    Ok(Exit::Ok)
}
