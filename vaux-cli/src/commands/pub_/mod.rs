//! `vaux pub`: messages from arguments, files and standard input.

mod input;

use std::collections::VecDeque;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};
use serde_json::json;
use vaux_client::{Client, Message, PublishTicket, Published, QoS, ReconnectPolicy, RequestError};

use crate::cli_error::{CliError, Exit};
use crate::connection::{
    ConnectArgs, Interrupt, Place, Plan, Session, block_on, check_topic, close, parse_qos,
};
use crate::output::talk::{Talk, TalkArgs};
use input::{Input, Lines};

/// Publish messages
#[derive(Args, Debug)]
#[command(disable_help_flag = true, after_help = NOTES)]
#[command(group = ArgGroup::new("payload").args(["message", "file", "stdin_line", "stdin_file", "null_message"]))]
pub(crate) struct PubArgs {
    /// Topic to publish under
    #[arg(short, long, value_name = "TOPIC", allow_hyphen_values = true)]
    topic: Option<String>,
    /// The message
    #[arg(short, long, value_name = "MESSAGE", allow_hyphen_values = true)]
    message: Option<String>,
    /// A file that is the message
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Each line of standard input is a message
    #[arg(short = 'l', long, conflicts_with = "repeat")]
    stdin_line: bool,
    /// Standard input is the message
    #[arg(short = 's', long)]
    stdin_file: bool,
    /// The message is empty
    #[arg(short, long)]
    null_message: bool,
    /// Quality of service: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = parse_qos)]
    qos: QoS,
    /// Have the server keep the message; an empty one removes what it kept
    #[arg(short, long)]
    retain: bool,
    /// How many times to publish the message
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u64).range(1..))]
    repeat: u64,
    /// Seconds between one time and the next
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = parse_seconds, requires = "repeat")]
    repeat_delay: Duration,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
    /// Write the outcome of each message as a JSON object
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help, help_heading = "Output")]
    help: (),
}

const NOTES: &str = "\
With QoS 0 it ends when the message was sent, with QoS 1 and 2 when the server has acknowledged it.

Each connection flag can be given in the environment, as VAUX_ and its long name: VAUX_HOST=broker.example.

Examples:
  vaux pub -t room/1/temperature -m 21.5
  vaux pub -t room/1/state -m on -q 1 -r
  sensors | vaux pub -h broker.example -t readings -l
  vaux pub -L mqtts://me@broker.example/a/b -P -f picture.jpg";

/// Seconds on the command line.
pub(crate) fn parse_seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or("it is a number of seconds")
}

/// Connects, publishes, disconnects.
pub(crate) fn run(args: PubArgs) -> Result<Exit, CliError> {
    let talk = args.talk.talk();
    let connect = args.connect.clone().with_environment()?;
    let topic = args.topic.as_deref().or(connect.url_topic());
    let topic = topic.ok_or_else(|| CliError::usage("the topic is missing: -t TOPIC"))?.to_owned();
    check_topic("-t", &topic)?;
    let plan = connect.plan(&[Place::Connect, Place::Will, Place::Publish, Place::Disconnect], talk)?;
    let mut template = Message::new(topic, "").qos(args.qos).retain(args.retain);
    template.properties = plan.properties.of(Place::Publish);
    // What is read at once is read before connecting: a missing file is found out first.
    let input = Input::open(&args)?;
    block_on(publish(plan, template, input, args, talk))
}

async fn publish(
    plan: Plan,
    template: Message,
    input: Input,
    args: PubArgs,
    talk: Talk,
) -> Result<Exit, CliError> {
    let mut interrupt = Interrupt::listen()?;
    let mut session = tokio::select! {
        session = Session::open(&plan, ReconnectPolicy::NEVER, talk) => session?,
        exit = interrupt.wait() => return Ok(exit),
    };
    let mut publisher = Publisher {
        client: session.client.clone(),
        template,
        tickets: VecDeque::new(),
        json: args.json,
        talk,
        refused: None,
    };
    let disconnect = plan.properties.of(Place::Disconnect);
    let outcome = tokio::select! {
        outcome = publisher.publish_all(input, &args) => outcome,
        exit = interrupt.wait() => {
            close(&session.client, disconnect, talk).await;
            return Ok(exit);
        }
    };
    match outcome {
        Ok(()) => close(&session.client, disconnect, talk).await,
        Err(Failure::Input(error)) => {
            close(&session.client, disconnect, talk).await;
            return Err(error);
        }
        Err(Failure::Request(error)) => return Err(session.request_error("not published", error).await),
    }
    match publisher.refused {
        Some(error) => Err(CliError::Request { what: "not published".into(), source: error }),
        None => Ok(Exit::Ok),
    }
}

/// How many messages may be under way. The client has windows of its own; this one bounds the tickets.
const MAX_TICKETS: usize = 4096;

/// Why publishing stopped.
enum Failure {
    /// There is nothing more to read, against expectation.
    Input(CliError),
    /// The connection is gone.
    Request(RequestError),
}

/// Publishes messages and keeps account of those under way.
struct Publisher {
    client: Client,
    /// A message with everything but its payload.
    template: Message,
    /// The messages under way, oldest first.
    tickets: VecDeque<PublishTicket>,
    json: bool,
    talk: Talk,
    /// The last message that the server refused.
    refused: Option<RequestError>,
}

impl Publisher {
    async fn publish_all(&mut self, input: Input, args: &PubArgs) -> Result<(), Failure> {
        match input {
            Input::Whole(payload) => {
                for time in 0..args.repeat {
                    if time > 0 && !args.repeat_delay.is_zero() {
                        self.settle(0).await?;
                        tokio::time::sleep(args.repeat_delay).await;
                    }
                    self.start(payload.clone()).await?;
                }
            }
            Input::Lines(mut lines) => self.publish_lines(&mut lines).await?,
        }
        self.settle(0).await
    }

    /// Publishes lines as they come, and looks at outcomes while none does.
    async fn publish_lines(&mut self, lines: &mut Lines) -> Result<(), Failure> {
        loop {
            let line = match self.tickets.front_mut() {
                Some(oldest) => tokio::select! {
                    biased;
                    line = lines.next() => line,
                    outcome = oldest => {
                        self.tickets.pop_front();
                        self.conclude(outcome)?;
                        continue;
                    }
                },
                None => lines.next().await,
            };
            match line {
                Some(Ok(line)) => self.start(line).await?,
                Some(Err(error)) => return Err(Failure::Input(error)),
                None => return Ok(()),
            }
        }
    }

    async fn start(&mut self, payload: bytes::Bytes) -> Result<(), Failure> {
        self.settle(MAX_TICKETS - 1).await?;
        let mut message = self.template.clone();
        message.payload = payload;
        let ticket = self.client.start_publish(message).await.map_err(Failure::Request)?;
        self.tickets.push_back(ticket);
        Ok(())
    }

    /// Waits until at most `left` messages are under way.
    async fn settle(&mut self, left: usize) -> Result<(), Failure> {
        while self.tickets.len() > left
            && let Some(ticket) = self.tickets.pop_front()
        {
            let outcome = ticket.await;
            self.conclude(outcome)?;
        }
        Ok(())
    }

    /// Tells the outcome of a message. A refusal is for this message alone, the next ones may fare better.
    fn conclude(&mut self, outcome: Result<Published, RequestError>) -> Result<(), Failure> {
        match outcome {
            Ok(published) => {
                self.talk.debug(format_args!("published {}: {}", self.template.topic, published.reason));
                if self.json {
                    self.write_json(&published)?;
                }
                Ok(())
            }
            Err(error @ (RequestError::Refused { .. } | RequestError::Invalid(_))) => {
                if let Some(before) = self.refused.replace(error) {
                    self.talk.error(format_args!("not published: {before}"));
                }
                Ok(())
            }
            Err(error) => Err(Failure::Request(error)),
        }
    }

    fn write_json(&self, published: &Published) -> Result<(), Failure> {
        let object = json!({
            "topic": &*self.template.topic,
            "qos": self.template.qos.bits(),
            "retain": self.template.retain,
            "packet_id": published.packet_id.map(|id| id.value()),
            "reason_code": published.reason.value(),
            "reason": published.reason.name(),
        });
        writeln!(std::io::stdout(), "{object}").map_err(|error| Failure::Input(CliError::Stdio(error)))
    }
}
