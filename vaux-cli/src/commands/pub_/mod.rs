//! `vaux pub`: messages from arguments, files and standard input.

mod input;
mod lines;

use std::time::{Duration, Instant};

use clap::Args;
use vaux_client::{Message, QoS, ReconnectPolicy};

use crate::cli_error::{CliError, Exit};
use crate::connection::{
    ConnectArgs, Failure, Interrupt, Place, Plan, Publisher, Session, block_on, check_topic, close,
    parse_qos, parse_seconds,
};
use crate::input::payload::{Encoding, PayloadArgs};
use crate::output::talk::{Talk, TalkArgs};
use input::{Input, Lines};
use lines::LineFormat;

/// Publish messages
#[derive(Args, Debug)]
#[command(disable_help_flag = true, after_help = NOTES)]
pub(crate) struct PubArgs {
    /// Topic to publish under
    #[arg(short, long, value_name = "TOPIC", allow_hyphen_values = true)]
    topic: Option<String>,
    #[command(flatten)]
    payload: PayloadArgs,
    /// Each line of standard input is a message
    #[arg(short = 'l', long, conflicts_with_all = ["repeat", "payload"])]
    stdin_line: bool,
    /// What stands on a line: topic\tpayload, or json as vaux sub --json prints it
    #[arg(long, value_name = "topic\\tpayload|json", requires = "stdin_line", conflicts_with = "payload")]
    lines_format: Option<LineFormat>,
    /// How payloads are written
    #[arg(long, value_name = "utf8|hex|base64", default_value = "utf8", hide_possible_values = true)]
    encoding: Encoding,
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
    /// Messages a second at most
    #[arg(long, value_name = "N", conflicts_with = "repeat_delay", value_parser = parse_rate)]
    rate: Option<f64>,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
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
  vaux sub -t 'a/#' --json | vaux pub -h broker.example -l --lines-format json
  vaux pub -L mqtts://me@broker.example/a/b -P -f picture.jpg";

fn parse_rate(text: &str) -> Result<f64, &'static str> {
    let rate = text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate >= 1e-6);
    rate.ok_or("it is a number above 0")
}

/// Connects, publishes, disconnects.
pub(crate) fn run(args: PubArgs) -> Result<Exit, CliError> {
    let talk = args.talk.talk();
    let connect = args.connect.clone().with_environment()?;
    let topic = args.topic.as_deref().or(connect.url_topic());
    let topic = match (topic, &args.lines_format) {
        (Some(topic), _) => {
            check_topic("-t", topic)?;
            topic.to_owned()
        }
        // Lines say their own.
        (None, Some(_)) => String::new(),
        (None, None) => return Err(CliError::usage("the topic is missing: -t TOPIC")),
    };
    let plan = connect.plan(&[Place::Connect, Place::Will, Place::Publish, Place::Disconnect], talk)?;
    let plan = plan.with_operator([&*topic])?;
    let mut template = Message::new(topic, "").qos(args.qos).retain(args.retain);
    template.properties = plan.properties.of(Place::Publish);
    // What is read at once is read before connecting: a missing file is found out first.
    let input = match Input::open(&args)? {
        Input::Whole(payload) => {
            let decoded = args.encoding.decode(payload);
            Input::Whole(decoded.map_err(|why| CliError::usage(format!("the payload: {why}")))?)
        }
        lines => lines,
    };
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
    let mut publisher = Publisher::new(session.client.clone(), args.json, talk);
    let disconnect = plan.properties.of(Place::Disconnect);
    let outcome = tokio::select! {
        outcome = publish_all(&mut publisher, template, input, &args) => outcome,
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
    publisher.finish()
}

async fn publish_all(
    publisher: &mut Publisher,
    template: Message,
    input: Input,
    args: &PubArgs,
) -> Result<(), Failure> {
    let mut pacer = Pacer { rate: args.rate, start: Instant::now(), started: 0 };
    match input {
        Input::Whole(payload) => {
            for time in 0..args.repeat {
                if time > 0 && !args.repeat_delay.is_zero() {
                    publisher.settle(0).await?;
                    tokio::time::sleep(args.repeat_delay).await;
                }
                pacer.wait(publisher).await?;
                let mut message = template.clone();
                message.payload = payload.clone();
                publisher.start(message).await?;
            }
        }
        Input::Lines(mut lines) => publish_lines(publisher, &template, &mut lines, args, &mut pacer).await?,
    }
    publisher.settle(0).await
}

/// Publishes lines as they come, and looks at outcomes while none does.
async fn publish_lines(
    publisher: &mut Publisher,
    template: &Message,
    lines: &mut Lines,
    args: &PubArgs,
    pacer: &mut Pacer,
) -> Result<(), Failure> {
    let format = args.lines_format.clone().unwrap_or_default();
    let mut number = 0;
    loop {
        let line = tokio::select! {
            biased;
            line = lines.next() => line,
            outcome = publisher.conclude_oldest(), if publisher.under_way() > 0 => {
                outcome?;
                continue;
            }
        };
        let Some(line) = line else { return Ok(()) };
        number += 1;
        let message = line.and_then(|line| {
            format.read(line, template, args.encoding).map_err(|why| CliError::Recording {
                name: "standard input".to_owned(),
                line: number,
                why,
            })
        });
        pacer.wait(publisher).await?;
        publisher.start(message.map_err(Failure::Input)?).await?;
    }
}

/// Keeps to a rate by an absolute schedule: a message that is late delays none behind it.
struct Pacer {
    rate: Option<f64>,
    start: Instant,
    started: u64,
}

impl Pacer {
    /// Waits until the next message may start, and looks at outcomes meanwhile.
    async fn wait(&mut self, publisher: &mut Publisher) -> Result<(), Failure> {
        let Some(rate) = self.rate else { return Ok(()) };
        let due = Duration::try_from_secs_f64(self.started as f64 / rate).unwrap_or(Duration::MAX);
        self.started += 1;
        publisher.wait_until(self.start.checked_add(due)).await
    }
}
