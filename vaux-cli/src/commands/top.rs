//! `vaux top`: the dashboard.

use std::fs::File;
use std::io::{BufReader, stdout};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use vaux_client::Version;
use vaux_tui::{Dashboard, Ended, Live, Recording, Settings, ThemeName};

use crate::cli_error::{CliError, Exit};
use crate::connection::{
    ConnectArgs, Place, ReconnectArgs, block_on, check_filter, connect_as_operator, parse_seconds,
};
use crate::output::talk::{Talk, TalkArgs};
use crate::recording::Reader;

/// Watch a broker on a dashboard
#[derive(Args, Debug)]
#[command(disable_help_flag = true, after_help = NOTES)]
pub(crate) struct TopArgs {
    /// Topic filter to subscribe to; may be repeated
    #[arg(short, long, value_name = "FILTER", allow_hyphen_values = true)]
    topic: Vec<String>,
    /// Seconds between two drawings, at least 0.1
    #[arg(long, value_name = "SECONDS", default_value = "0.25", value_parser = parse_interval)]
    interval: Duration,
    /// Colours for a dark or a light terminal, or none [default: dark, without colours mono]
    #[arg(long, value_name = "dark|light|mono", hide_possible_values = true)]
    theme: Option<ThemeChoice>,
    /// Draw with the characters of ASCII only
    #[arg(long)]
    ascii: bool,
    /// Offer nothing that changes anything: no publishing, no kicking
    #[arg(long)]
    read_only: bool,
    /// Play a recording, as `vaux replay` reads it, instead of watching a broker
    #[arg(long, value_name = "FILE", conflicts_with_all = ["topic", "reconnect"])]
    replay: Option<PathBuf>,
    /// Whether the program goes on afterwards.
    #[arg(skip)]
    pub(crate) is_guest: bool,
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
On the machine of a vaux broker the dashboard is its operator, and sees sessions, subscriptions and events; elsewhere an \
ACL must grant that, or -u and -P say who to be. Of other brokers it shows what their $SYS/broker tells. Messages are \
only subscribed to with -t, or with the key s. The key ? lists all keys.

Examples:
  vaux top
  vaux top -t '#'
  vaux top -h broker.example -u admin -P --read-only
  vaux top --replay plant.rec";

/// What `--theme` can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ThemeChoice {
    Dark,
    Light,
    Mono,
}

/// Seconds between drawings.
fn parse_interval(text: &str) -> Result<Duration, &'static str> {
    let interval = parse_seconds(text)?;
    let is_sensible = interval >= Duration::from_millis(100) && interval <= Duration::from_secs(3600);
    is_sensible.then_some(interval).ok_or("it is between 0.1 and 3600 seconds")
}

/// Connects, or reads the recording, and shows the dashboard.
pub(crate) fn run(args: TopArgs) -> Result<Exit, CliError> {
    args.topic.iter().try_for_each(|filter| check_filter("-t", filter))?;
    match &args.replay {
        Some(path) => replay(&args, path),
        None => watch(args),
    }
}

fn check_terminal() -> Result<(), CliError> {
    match Dashboard::has_terminal() {
        true => Ok(()),
        false => Err(CliError::usage("the dashboard needs a terminal for its input and output")),
    }
}

impl TopArgs {
    fn settings(&self, server: String, version: Version, filters: Vec<String>) -> Settings {
        let theme = match self.theme {
            Some(ThemeChoice::Dark) => ThemeName::Dark,
            Some(ThemeChoice::Light) => ThemeName::Light,
            Some(ThemeChoice::Mono) => ThemeName::Mono,
            None if self.talk.color.is_on(&stdout()) => ThemeName::Dark,
            None => ThemeName::Mono,
        };
        Settings { server, version, filters, theme, ascii: self.ascii, read_only: self.read_only }
    }
}

fn replay(args: &TopArgs, path: &Path) -> Result<Exit, CliError> {
    let name = path.display().to_string();
    let recording = read_recording(path, &name, args.talk.talk())?;
    let dashboard =
        Dashboard::of_recording(args.settings(name, Version::V5, Vec::new()), recording, args.interval);
    check_terminal()?;
    block_on(show(dashboard, args.is_guest))
}

/// The most that a recording may take: the dashboard goes back and forth in it, and so keeps all of it.
const MAX_RECORDING_BYTES: usize = 1 << 30;

/// What a message takes besides its topic and its payload, at least.
const MESSAGE_BYTES: usize = 128;

fn read_recording(path: &Path, name: &str, talk: Talk) -> Result<Recording, CliError> {
    let file = File::open(path).map_err(|source| CliError::File { path: path.to_owned(), source })?;
    let mut reader = Reader::new(Box::new(BufReader::new(file)), name.to_owned(), false)?;
    let mut records = Vec::new();
    let mut bytes = 0;
    while let Some(record) = reader.next()? {
        bytes += record.message.topic.len() + record.message.payload.len() + MESSAGE_BYTES;
        if bytes > MAX_RECORDING_BYTES {
            return Err(CliError::usage(format!("{name}: its messages take more than 1 GiB")));
        }
        records.push(record);
    }
    let origin = reader.origin();
    let start_ms = origin.start.and_then(|start| u64::try_from(start.as_millisecond()).ok());
    let broker = origin.broker.clone().unwrap_or_default();
    let mut recording = Recording::new(broker, start_ms.unwrap_or_default());
    records.into_iter().for_each(|record| recording.push(record.us, record.message));
    reader.missing().texts().for_each(|text| talk.warning(text));
    Ok(recording)
}

fn watch(args: TopArgs) -> Result<Exit, CliError> {
    check_terminal()?;
    let talk = args.talk.talk();
    let connect = args.connect.clone().with_environment()?;
    let mut filters = args.topic.clone();
    if filters.is_empty() {
        filters.extend(connect.url_topic().map(str::to_owned));
    }
    let (interval, policy) = (args.interval, args.reconnect.policy());
    block_on(async {
        let places = [Place::Connect, Place::Will];
        let (plan, client, connection) = connect_as_operator(connect, &places, policy, talk).await?;
        let settings = args.settings(plan.server(), plan.version, filters);
        let live = Live { client, events: connection.events, messages: connection.messages };
        show(Dashboard::of_broker(settings, live, interval), args.is_guest).await
    })
}

async fn show(dashboard: Dashboard, is_guest: bool) -> Result<Exit, CliError> {
    let dashboard = if is_guest { dashboard.as_guest() } else { dashboard };
    match dashboard.run().await.map_err(CliError::Stdio)? {
        Ended::Quit => Ok(Exit::Ok),
        Ended::Interrupted => Ok(Exit::Interrupted),
        Ended::Terminated => Ok(Exit::Terminated),
    }
}
