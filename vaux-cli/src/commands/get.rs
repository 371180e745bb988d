//! `vaux get`: one message, the retained one or the next, and out.

use std::io::{Write, stdout};
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use vaux_client::{Message, QoS, ReconnectPolicy, RequestError, Subscribe};

use crate::cli_error::{CliError, Exit};
use crate::connection::{
    ConnectArgs, Interrupt, Link, Place, Plan, Session, any_matches, block_on, check_filter, close,
    parse_qos, parse_seconds, subscribe,
};
use crate::output::message::{MessageArgs, MessageWriter};
use crate::output::talk::{Talk, TalkArgs};

/// Print one message, the retained one or the next, and end
#[derive(Args, Debug)]
#[command(disable_help_flag = true, after_help = NOTES)]
pub(crate) struct GetArgs {
    /// Topic filter; may be repeated
    #[arg(short, long, value_name = "FILTER", allow_hyphen_values = true)]
    topic: Vec<String>,
    /// Filter of topics that do not count; may be repeated
    #[arg(short = 'T', long, value_name = "FILTER", allow_hyphen_values = true)]
    filter_out: Vec<String>,
    /// Highest quality of service: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = parse_qos)]
    qos: QoS,
    /// Give up after so many seconds, with exit code 27
    #[arg(short = 'W', value_name = "SECONDS", value_parser = parse_seconds)]
    timeout: Option<Duration>,
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
Examples:
  vaux get -t room/1/temperature
  vaux get -t 'room/+/temperature' -v -W 10
  vaux get -t config --json | jq .properties";

/// Connects, waits for a message, prints it.
pub(crate) fn run(args: GetArgs) -> Result<Exit, CliError> {
    let talk = args.talk.talk();
    let connect = args.connect.clone().with_environment()?;
    let mut filters = args.topic.clone();
    if filters.is_empty() {
        filters.extend(connect.url_topic().map(str::to_owned));
    }
    if filters.is_empty() {
        return Err(CliError::usage("what to get is missing: -t FILTER"));
    }
    for (flag, list) in [("-t", &filters), ("-T", &args.filter_out)] {
        list.iter().try_for_each(|filter| check_filter(flag, filter))?;
    }
    let plan = connect.plan(&[Place::Connect, Place::Will, Place::Subscribe, Place::Disconnect], talk)?;
    let plan = plan.with_operator(filters.iter().map(String::as_str))?;
    let writer = args.output.writer(args.talk.color)?;
    let getter = Getter { filters, filter_out: args.filter_out, qos: args.qos, writer, talk };
    block_on(getter.run(plan, args.timeout))
}

/// What the flags ask for.
struct Getter {
    filters: Vec<String>,
    filter_out: Vec<String>,
    qos: QoS,
    writer: MessageWriter,
    talk: Talk,
}

impl Getter {
    async fn run(self, plan: Plan, timeout: Option<Duration>) -> Result<Exit, CliError> {
        let mut interrupt = Interrupt::listen()?;
        let mut client = None;
        let outcome = tokio::select! {
            outcome = self.get(&plan, &mut client) => outcome,
            exit = interrupt.wait() => Ok(exit),
            () = tokio::time::sleep(timeout.unwrap_or_default()), if timeout.is_some() => {
                self.talk.note("timed out");
                Ok(Exit::TimedOut)
            }
        };
        if let Some(client) = client {
            close(&client, plan.properties.of(Place::Disconnect), self.talk).await;
        }
        outcome
    }

    async fn get(&self, plan: &Plan, client: &mut Option<Link>) -> Result<Exit, CliError> {
        let mut session = Session::open(plan, ReconnectPolicy::NEVER, self.talk).await?;
        *client = Some(session.client.clone());
        let message = self.first(plan, &mut session).await?;
        let mut out = stdout().lock();
        let written = self.writer.write(&mut out, &message).and_then(|whole| out.flush().map(|()| whole));
        if !written.map_err(CliError::Stdio)? {
            return Err(CliError::not_json(&message.topic));
        }
        Ok(Exit::Ok)
    }

    /// The first message that counts. Messages of a session of before may come in front of the answer to SUBSCRIBE.
    async fn first(&self, plan: &Plan, session: &mut Session) -> Result<Message, CliError> {
        let mut request = Subscribe::default();
        for filter in &self.filters {
            request = request.and(filter.as_str(), self.qos);
        }
        for property in plan.properties.of(Place::Subscribe).list() {
            request = request.property(property).expect("-D checked the value of the property");
        }
        let client = session.client.clone();
        let mut asking = pin!(subscribe(&client, request, &self.filters, self.talk));
        let mut is_asking = true;
        loop {
            tokio::select! {
                message = session.messages.next() => match message {
                    Some(message) if any_matches(&self.filter_out, &message.topic) => {}
                    Some(message) => return Ok(message),
                    None => return Err(session.lost().await),
                },
                answer = &mut asking, if is_asking => {
                    is_asking = false;
                    match answer {
                        // Some filters were granted: the warning that was given is enough.
                        Ok(_) => {}
                        // The end of the messages says why.
                        Err((_, RequestError::Disconnected | RequestError::Ended)) => {}
                        Err((what, source)) => return Err(CliError::Request { what, source }),
                    }
                }
            }
        }
    }
}
