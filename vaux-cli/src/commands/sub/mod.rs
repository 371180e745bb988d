//! `vaux sub`: messages on standard output.

mod receive;
mod remove;

use std::io::{IsTerminal, stdout};
use std::num::NonZeroU64;
use std::time::Duration;

use clap::Args;
use vaux_client::{QoS, ReconnectPolicy, RetainHandling, Subscribe, SubscriptionOptions};
use vaux_mqtt::topic::TopicFilter;

use crate::cli_error::{CliError, Exit};
use crate::commands::pub_::parse_seconds;
use crate::connection::{ConnectArgs, Place, Plan, block_on, parse_qos};
use crate::output::color::Palette;
use crate::output::format::Format;
use crate::output::message::{Form, MessageWriter};
use crate::output::talk::TalkArgs;
use receive::Receiver;

/// Subscribe and print messages
#[derive(Args, Debug)]
#[command(disable_help_flag = true, after_help = NOTES)]
pub(crate) struct SubArgs {
    /// Topic filter to subscribe to; may be repeated
    #[arg(short, long, value_name = "FILTER", allow_hyphen_values = true)]
    topic: Vec<String>,
    /// Filter of topics that are not printed; may be repeated
    #[arg(short = 'T', long, value_name = "FILTER", allow_hyphen_values = true)]
    filter_out: Vec<String>,
    /// Filter to unsubscribe from, after subscribing; may be repeated
    #[arg(short = 'U', long, value_name = "FILTER", allow_hyphen_values = true)]
    unsubscribe: Vec<String>,
    /// Highest quality of service: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = parse_qos)]
    qos: QoS,
    /// End after so many printed messages
    #[arg(short = 'C', value_name = "COUNT")]
    count: Option<NonZeroU64>,
    /// End after so many seconds, with exit code 27
    #[arg(short = 'W', value_name = "SECONDS", value_parser = parse_seconds)]
    timeout: Option<Duration>,
    /// End as soon as the server has answered the subscriptions
    #[arg(short = 'E')]
    exit_after_subscribing: bool,
    /// Do not print retained messages
    #[arg(short = 'R', conflicts_with = "retained_only")]
    no_retained: bool,
    /// Print retained messages only, and end with the first other one
    #[arg(long)]
    retained_only: bool,
    /// Remove from the server the retained messages that arrive, except those that -T filters out
    #[arg(long)]
    remove_retained: bool,
    /// When the server is to send retained messages [default: always]
    #[arg(long, value_name = "always|new|never", hide_possible_values = true)]
    retain_handling: Option<RetainHandlingChoice>,
    /// Keep the retain flag as it was published
    #[arg(long)]
    retain_as_published: bool,
    /// Attempts to connect again before giving up: 0 for none, without a number for ever [default: for ever]
    #[arg(long, value_name = "MAX", num_args = 0..=1, require_equals = true)]
    reconnect: Option<Option<u32>>,
    #[command(flatten)]
    connect: ConnectArgs,
    /// Print the topic in front of the payload
    #[arg(short, long, help_heading = "Output")]
    verbose: bool,
    /// What to print of a message, in mosquitto_sub's sequences: %t topic, %p payload, %j JSON …
    #[arg(
        short = 'F',
        value_name = "FORMAT",
        help_heading = "Output",
        conflicts_with = "json",
        allow_hyphen_values = true
    )]
    format: Option<Format>,
    /// Print messages without the end of a line
    #[arg(short = 'N', help_heading = "Output")]
    no_eol: bool,
    /// Print messages as JSON objects that hold all there is
    #[arg(long, help_heading = "Output", conflicts_with = "verbose")]
    pub(crate) json: bool,
    /// Lay JSON out over several lines
    #[arg(long, help_heading = "Output")]
    pretty: bool,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help, help_heading = "Output")]
    help: (),
}

const NOTES: &str = "\
Messages go to standard output, everything else to standard error. When the connection is lost it is made again.

Each connection flag can be given in the environment, as VAUX_ and its long name: VAUX_HOST=broker.example.

Examples:
  vaux sub -t '#' -v
  vaux sub -t 'room/+/temperature' -F '%I %t %p'
  vaux sub -t status -C 1 -W 10
  vaux sub -h broker.example -t '#' --json | jq .topic
  vaux sub -t 'old/#' --remove-retained --retained-only -W 5";

/// What `--retain-handling` can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum RetainHandlingChoice {
    #[value(alias = "0")]
    Always,
    #[value(alias = "1")]
    New,
    #[value(alias = "2")]
    Never,
}

impl RetainHandlingChoice {
    fn retain_handling(self) -> RetainHandling {
        match self {
            RetainHandlingChoice::Always => RetainHandling::Send,
            RetainHandlingChoice::New => RetainHandling::SendIfNew,
            RetainHandlingChoice::Never => RetainHandling::DoNotSend,
        }
    }
}

/// Subscribes and prints until something ends it.
pub(crate) fn run(args: SubArgs) -> Result<Exit, CliError> {
    let talk = args.talk.talk();
    let connect = args.connect.clone().with_environment()?;
    let mut filters = args.topic.clone();
    if filters.is_empty() {
        filters.extend(connect.url_topic().map(str::to_owned));
    }
    if filters.is_empty() && args.unsubscribe.is_empty() {
        return Err(CliError::usage("what to subscribe to is missing: -t FILTER"));
    }
    for (flag, list) in [("-t", &filters), ("-U", &args.unsubscribe), ("-T", &args.filter_out)] {
        list.iter().try_for_each(|filter| check_filter(flag, filter))?;
    }
    let places = [Place::Connect, Place::Will, Place::Subscribe, Place::Unsubscribe, Place::Disconnect];
    let plan = connect.plan(&places, talk)?;
    if !plan.version.has_properties() && (args.retain_as_published || args.retain_handling.is_some()) {
        return Err(CliError::usage("--retain-handling and --retain-as-published need version 5"));
    }
    if args.pretty && !args.json && args.format.is_none() {
        return Err(CliError::usage("--pretty lays out JSON: it goes with --json or -F"));
    }
    let requests = args.requests(filters, &plan);
    let receiver = Receiver::new(&args, args.writer());
    block_on(receiver.run(plan, requests, talk, args.reconnect_policy(), args.timeout))
}

fn check_filter(flag: &str, filter: &str) -> Result<(), CliError> {
    match TopicFilter::new(filter) {
        Ok(_) => Ok(()),
        Err((rule, _)) => Err(CliError::usage(format!("{flag} {filter:?}: {}", rule.text()))),
    }
}

/// What is asked of the server once connected.
#[derive(Debug)]
struct Requests {
    subscribe: Option<Subscribe>,
    filters: Vec<String>,
    unsubscribe: Vec<String>,
    ends_after: bool,
}

impl SubArgs {
    fn requests(&self, filters: Vec<String>, plan: &Plan) -> Requests {
        let mut options = SubscriptionOptions::with_qos(self.qos);
        options.retain_as_published = self.retain_as_published;
        if let Some(choice) = self.retain_handling {
            options.retain_handling = choice.retain_handling();
        }
        let mut subscribe = Subscribe::default();
        for filter in &filters {
            subscribe = subscribe.and_with_options(filter.as_str(), options);
        }
        for property in plan.properties.of(Place::Subscribe).list() {
            subscribe = subscribe.property(property).expect("-D checked the value of the property");
        }
        Requests {
            subscribe: (!filters.is_empty()).then_some(subscribe),
            filters,
            unsubscribe: self.unsubscribe.clone(),
            ends_after: self.exit_after_subscribing,
        }
    }

    fn writer(&self) -> MessageWriter {
        let form = match (&self.format, self.json, self.verbose) {
            (Some(format), _, _) => Form::Format(format.clone()),
            (None, true, _) => Form::Json,
            (None, false, true) => Form::Verbose,
            (None, false, false) => Form::Payload,
        };
        MessageWriter {
            form,
            ends_line: !self.no_eol,
            pretty: self.pretty,
            is_terminal: stdout().is_terminal(),
            palette: Palette::new(self.talk.color.is_on(&stdout())),
        }
    }

    fn reconnect_policy(&self) -> ReconnectPolicy {
        match self.reconnect {
            Some(Some(0)) => ReconnectPolicy::NEVER,
            Some(Some(attempts)) => ReconnectPolicy::default().max_attempts(attempts),
            None | Some(None) => ReconnectPolicy::default(),
        }
    }
}
