//! `vaux sub`: messages on standard output.

mod receive;
mod remove;
mod select;

use std::num::NonZeroU64;
use std::time::Duration;

use clap::Args;
use vaux_client::{QoS, ReconnectPolicy, RetainHandling, Subscribe, SubscriptionOptions};

use crate::cli_error::{CliError, Exit};
use crate::connection::{
    ConnectArgs, Place, Plan, ReconnectArgs, block_on, check_filter, parse_qos, parse_seconds,
};
use crate::output::message::MessageArgs;
use crate::output::talk::TalkArgs;
use receive::Receiver;
pub(crate) use receive::{Progress, Stage};
use select::{Condition, Selection};

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
    /// Print messages whose JSON payload has this value at this place, such as state.on=true; all must, if repeated
    #[arg(long = "match", value_name = "PATH=VALUE", allow_hyphen_values = true)]
    conditions: Vec<Condition>,
    /// Print a message only when its payload is not the one before under its topic
    #[arg(long)]
    changed: bool,
    /// When the server is to send retained messages [default: always]
    #[arg(long, value_name = "always|new|never", hide_possible_values = true)]
    retain_handling: Option<RetainHandlingChoice>,
    /// Keep the retain flag as it was published
    #[arg(long)]
    retain_as_published: bool,
    #[command(flatten)]
    reconnect: ReconnectArgs,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
    #[command(flatten)]
    pub(crate) output: MessageArgs,
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
  vaux sub -t 'lamp/#' --match state.on=true --changed -v
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
    let reception = Reception::new(&args)?;
    block_on(async { reception.run(Stage::program(args.talk.talk())?).await })
}

/// All that is to be known before subscribing.
#[derive(Debug)]
pub(crate) struct Reception {
    plan: Plan,
    requests: Requests,
    receiver: Receiver,
    reconnect: ReconnectPolicy,
    timeout: Option<Duration>,
}

impl Reception {
    /// Reads and checks the flags.
    pub(crate) fn new(args: &SubArgs) -> Result<Reception, CliError> {
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
        let plan = connect.plan(&places, talk)?.with_operator(filters.iter().map(String::as_str))?;
        if !plan.version.has_properties() && (args.retain_as_published || args.retain_handling.is_some()) {
            return Err(CliError::usage("--retain-handling and --retain-as-published need version 5"));
        }
        let writer = args.output.writer(args.talk.color)?;
        let requests = args.requests(filters, &plan);
        let receiver = Receiver::new(args, writer);
        Ok(Reception { plan, requests, receiver, reconnect: args.reconnect.policy(), timeout: args.timeout })
    }

    /// What is subscribed to.
    pub(crate) fn filters(&self) -> &[String] {
        &self.requests.filters
    }

    /// Subscribes and prints until something ends it.
    pub(crate) async fn run(self, stage: Stage) -> Result<Exit, CliError> {
        self.receiver.run(self.plan, self.requests, self.reconnect, self.timeout, stage).await
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
    /// Whether it ends by itself, sooner or later.
    pub(crate) fn ends_by_itself(&self) -> bool {
        self.count.is_some()
            || self.timeout.is_some()
            || self.exit_after_subscribing
            || self.retained_only
            || self.topic.is_empty()
    }

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
            // Only unsubscribing over a connection of others, there is nothing to wait for.
            ends_after: self.exit_after_subscribing || (self.topic.is_empty() && plan.is_shared()),
        }
    }
}
