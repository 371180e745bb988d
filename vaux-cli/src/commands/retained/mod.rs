//! `vaux retained`: the messages that a server keeps, listed, removed, saved and restored.

mod collect;

use std::cell::RefCell;
use std::io::{BufWriter, Write, stdout};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;
use vaux_client::{Message, QoS};

use crate::cli_error::{CliError, Exit};
use crate::commands::{record, replay};
use crate::connection::{
    ConnectArgs, Failure, Place, Plan, Publisher, Session, block_on, check_filter, parse_seconds,
};
use crate::output::json::properties;
use crate::output::talk::{Talk, TalkArgs};
use crate::recording::Header;
use collect::Collector;

/// List, remove, save and restore the messages that a server keeps
#[derive(Args, Debug)]
#[command(after_help = NOTES, disable_help_subcommand = true)]
pub(crate) struct RetainedArgs {
    #[command(subcommand)]
    command: RetainedCommand,
}

const NOTES: &str = "\
A server does not say which retained message is the last: all are there when none came for the time of --idle.

Examples:
  vaux retained ls -t 'room/#'
  vaux retained rm -t 'old/#' --dry-run
  vaux retained export -t 'config/#' -O config.rec
  vaux retained import config.rec -h other.example";

#[derive(Debug, Subcommand)]
enum RetainedCommand {
    Ls(Box<LsArgs>),
    Rm(Box<RmArgs>),
    Export(Box<ExportArgs>),
    Import(Box<ImportArgs>),
}

/// Which messages, and of which server.
#[derive(Args, Debug)]
struct SelectArgs {
    /// Topic filter; may be repeated; without one it is #
    #[arg(short, long, value_name = "FILTER", allow_hyphen_values = true)]
    topic: Vec<String>,
    /// Filter of topics that are left out; may be repeated
    #[arg(short = 'T', long, value_name = "FILTER", allow_hyphen_values = true)]
    filter_out: Vec<String>,
    /// Seconds without a retained message after which all have come
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = parse_seconds)]
    idle: Duration,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    talk: TalkArgs,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help, help_heading = "Output")]
    help: (),
}

/// List the topics that have a retained message
#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
struct LsArgs {
    /// Print the size of the payload and the QoS in front of the topic
    #[arg(short)]
    long: bool,
    /// Print JSON objects with all but the payload
    #[arg(long, conflicts_with = "long", help_heading = "Output")]
    json: bool,
    #[command(flatten)]
    select: SelectArgs,
}

/// Remove retained messages
#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
struct RmArgs {
    /// Print the topics, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Remove even all of them
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    select: SelectArgs,
}

/// Save retained messages as a recording
#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
struct ExportArgs {
    /// File to write [default: standard output]
    #[arg(short = 'O', long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    select: SelectArgs,
}

/// Publish the retained messages of a recording
#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
struct ImportArgs {
    /// The recording, - for standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    talk: TalkArgs,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help, help_heading = "Output")]
    help: (),
}

impl RetainedArgs {
    /// How to tell what goes wrong.
    pub(crate) fn talk(&self) -> Talk {
        match &self.command {
            RetainedCommand::Ls(args) => args.select.talk.talk(),
            RetainedCommand::Rm(args) => args.select.talk.talk(),
            RetainedCommand::Export(args) => args.select.talk.talk(),
            RetainedCommand::Import(args) => args.talk.talk(),
        }
    }

    /// What is connected to.
    pub(crate) fn connect_mut(&mut self) -> &mut ConnectArgs {
        match &mut self.command {
            RetainedCommand::Ls(args) => &mut args.select.connect,
            RetainedCommand::Rm(args) => &mut args.select.connect,
            RetainedCommand::Export(args) => &mut args.select.connect,
            RetainedCommand::Import(args) => &mut args.connect,
        }
    }

    /// Whether errors are told as JSON, too.
    pub(crate) fn json(&self) -> bool {
        matches!(&self.command, RetainedCommand::Ls(args) if args.json)
    }
}

/// Does what is asked for.
pub(crate) fn run(args: RetainedArgs) -> Result<Exit, CliError> {
    match args.command {
        RetainedCommand::Ls(args) => ls(&args),
        RetainedCommand::Rm(args) => rm(&args),
        RetainedCommand::Export(args) => export(&args),
        RetainedCommand::Import(args) => import(*args),
    }
}

impl SelectArgs {
    /// What to connect to, and what to collect there.
    fn prepare(&self) -> Result<(Plan, Collector), CliError> {
        let talk = self.talk.talk();
        let connect = self.connect.clone().with_environment()?;
        let mut filters = self.topic.clone();
        if filters.is_empty() {
            filters.push(connect.url_topic().unwrap_or("#").to_owned());
        }
        for (flag, list) in [("-t", &filters), ("-T", &self.filter_out)] {
            list.iter().try_for_each(|filter| check_filter(flag, filter))?;
        }
        let plan = connect.plan(&[Place::Connect, Place::Will, Place::Subscribe, Place::Disconnect], talk)?;
        let plan = plan.with_operator(filters.iter().map(String::as_str))?;
        Ok((plan, Collector { filters, filter_out: self.filter_out.clone(), idle: self.idle, talk }))
    }
}

fn ls(args: &LsArgs) -> Result<Exit, CliError> {
    let (plan, collector) = args.select.prepare()?;
    let mut out = BufWriter::new(stdout());
    let print = |message: Message| {
        let written = if args.json {
            writeln!(out, "{}", json_of(&message))
        } else if args.long {
            let (len, qos) = (message.payload.len(), message.qos.bits());
            writeln!(out, "{len:>9} {qos} {}", message.topic)
        } else {
            writeln!(out, "{}", message.topic)
        };
        written.map_err(CliError::Stdio)
    };
    let exit = block_on(collector.run(&plan, print, async |_| Ok(())))?;
    out.flush().map_err(CliError::Stdio)?;
    Ok(exit)
}

fn json_of(message: &Message) -> serde_json::Value {
    json!({
        "topic": &*message.topic,
        "qos": message.qos.bits(),
        "payload_bytes": message.payload.len(),
        "properties": properties(&message.properties.list(), true),
    })
}

fn rm(args: &RmArgs) -> Result<Exit, CliError> {
    let (plan, collector) = args.select.prepare()?;
    if args.select.topic.is_empty() && args.select.connect.url_topic().is_none() {
        return Err(CliError::usage("what to remove is missing: -t FILTER"));
    }
    if collector.filters.iter().any(|filter| filter == "#") && !args.yes && !args.dry_run {
        return Err(CliError::usage_with_hint(
            "this removes all retained messages",
            "--yes does, --dry-run lists them",
        ));
    }
    let talk = collector.talk;
    let topics = RefCell::new(Vec::new());
    let collect = |message: Message| {
        topics.borrow_mut().push(message.topic);
        Ok(())
    };
    block_on(collector.run(&plan, collect, async |session| {
        let topics = topics.take();
        if args.dry_run { print(&topics) } else { remove(session, topics, talk).await }
    }))
}

fn print(topics: &[Arc<str>]) -> Result<(), CliError> {
    let mut out = BufWriter::new(stdout());
    let written = topics.iter().try_for_each(|topic| writeln!(out, "{topic}"));
    written.and_then(|()| out.flush()).map_err(CliError::Stdio)
}

/// Publishes an empty retained message under each topic.
async fn remove(session: &mut Session, topics: Vec<Arc<str>>, talk: Talk) -> Result<(), CliError> {
    let mut publisher = Publisher::new(session.client.clone(), false, talk);
    let mut outcome = Ok(());
    for topic in topics {
        let message = Message::new(topic, "").qos(QoS::AtLeastOnce).retain(true);
        outcome = publisher.start(message).await;
        if outcome.is_err() {
            break;
        }
    }
    if outcome.is_ok() {
        outcome = publisher.settle(0).await;
    }
    match outcome {
        Ok(()) => {
            talk.note(format_args!("removed {}", publisher.published()));
            publisher.finish().map(|_| ())
        }
        Err(Failure::Input(error)) => Err(error),
        Err(Failure::Request(error)) => Err(session.request_error("not removed", error).await),
    }
}

fn export(args: &ExportArgs) -> Result<Exit, CliError> {
    let (plan, collector) = args.select.prepare()?;
    let header = Header {
        start: Timestamp::now(),
        broker: plan.address(),
        version: plan.version,
        filters: collector.filters.clone(),
    };
    let mut output = record::Output::open(args.output.as_deref(), false, None, header, Instant::now())?;
    let exit = block_on(collector.run(&plan, |message| output.write(&message), async |_| Ok(())))?;
    output.flush()?;
    Ok(exit)
}

fn import(args: ImportArgs) -> Result<Exit, CliError> {
    let talk = args.talk.talk();
    let connect = args.connect.with_environment()?;
    let plan = connect.plan(&[Place::Connect, Place::Will, Place::Disconnect], talk)?;
    replay::import(&args.file, plan, talk)
}
