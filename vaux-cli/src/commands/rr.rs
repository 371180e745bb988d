//! `vaux rr`: a request, and the answer to it.

use std::io::{Write, stdout};
use std::pin::pin;
use std::time::{Duration, Instant};

use clap::Args;
use vaux_client::{
    Message, Property, PropertyBuffer, QoS, ReasonCode, ReconnectPolicy, RequestError, Subscribe,
};

use crate::cli_error::{CliError, Exit};
use crate::connection::{
    ConnectArgs, Interrupt, Link, Place, Plan, Session, block_on, check_topic, close, parse_qos,
    parse_seconds, random, subscribe,
};
use crate::input::payload::PayloadArgs;
use crate::output::message::MessageArgs;
use crate::output::talk::{Talk, TalkArgs};

/// Publish a request and print the answer
#[derive(Args, Debug)]
#[command(disable_help_flag = true, after_help = NOTES)]
pub(crate) struct RrArgs {
    /// Topic of the request
    #[arg(short, long, value_name = "TOPIC", allow_hyphen_values = true)]
    topic: Option<String>,
    /// Topic that the answer comes back under [default: one of its own]
    #[arg(short = 'e', long, value_name = "TOPIC", allow_hyphen_values = true)]
    response_topic: Option<String>,
    #[command(flatten)]
    payload: PayloadArgs,
    /// Quality of service: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = parse_qos)]
    qos: QoS,
    /// Have the server keep the request
    #[arg(short, long)]
    retain: bool,
    /// Give up after so many seconds, with exit code 27
    #[arg(short = 'W', value_name = "SECONDS", value_parser = parse_seconds)]
    timeout: Option<Duration>,
    /// Say on standard error how long the answer took
    #[arg(long)]
    latency: bool,
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
The request carries the response topic, and correlation data by which its answer is known; an answer without any counts \
too. Before version 5 neither can be sent: then -e is needed, and any message under it is the answer.

Examples:
  vaux rr -t device/7/status -m '' -W 5
  vaux rr -t math/add -e answers/me -m '[1,2]' --latency
  vaux rr -t files/get -f request.json --json | jq .payload";

/// Connects, asks, prints the answer.
pub(crate) fn run(args: RrArgs) -> Result<Exit, CliError> {
    let talk = args.talk.talk();
    let connect = args.connect.clone().with_environment()?;
    let topic = args.topic.as_deref().or(connect.url_topic());
    let topic = topic.ok_or_else(|| CliError::usage("the topic is missing: -t TOPIC"))?.to_owned();
    check_topic("-t", &topic)?;
    let places = [Place::Connect, Place::Will, Place::Publish, Place::Subscribe, Place::Disconnect];
    let plan = connect.plan(&places, talk)?.with_operator([&*topic])?;
    let properties = plan.properties.of(Place::Publish);
    let response_topic = match (&args.response_topic, properties.list().response_topic()) {
        (Some(_), Some(_)) => return Err(CliError::usage("-e and -D publish response-topic are the same")),
        (Some(topic), None) => topic.clone(),
        (None, Some(topic)) => topic.to_owned(),
        (None, None) if plan.version.has_properties() => format!("vaux/rr/{:016x}", random()),
        (None, None) => {
            return Err(CliError::usage("before version 5 the response topic is needed: -e TOPIC"));
        }
    };
    check_topic("-e", &response_topic)?;
    let payload = args.payload.read()?;
    let payload =
        payload.ok_or_else(|| CliError::usage("the message is missing: -m MESSAGE, -f FILE, -s or -n"))?;
    let mut request = Message::new(topic, payload).qos(args.qos).retain(args.retain);
    request.properties = properties;
    if plan.version.has_properties() {
        complete(&mut request.properties, &response_topic)
            .map_err(|error| CliError::usage(format!("-e {response_topic:?}: {}", error.rule().text())))?;
    }
    let writer = args.output.writer(args.talk.color)?;
    let requester = Requester { request, response_topic, talk };
    block_on(requester.run(plan, args.timeout, |answer, duration| {
        if args.latency {
            talk.note(format_args!("answered in {:.3} ms", duration.as_secs_f64() * 1e3));
        }
        let mut out = stdout().lock();
        let written = writer.write(&mut out, &answer).and_then(|whole| out.flush().map(|()| whole));
        match written.map_err(CliError::Stdio)? {
            true => Ok(Exit::Ok),
            false => Err(CliError::not_json(&answer.topic)),
        }
    }))
}

/// Adds what an answer needs, unless the user gave it.
pub(crate) fn complete(
    properties: &mut PropertyBuffer,
    response_topic: &str,
) -> Result<(), vaux_client::PropertyError> {
    if properties.list().response_topic().is_none() {
        properties.push(Property::ResponseTopic(response_topic))?;
    }
    if properties.list().correlation_data().is_none() {
        properties.push(Property::CorrelationData(format!("{:016x}", random()).as_bytes()))?;
    }
    Ok(())
}

/// A request, and where its answer comes back.
pub(crate) struct Requester {
    /// The request, with its response topic and correlation data.
    pub(crate) request: Message,
    /// Where the answer comes back.
    pub(crate) response_topic: String,
    /// Says what happens meanwhile.
    pub(crate) talk: Talk,
}

impl Requester {
    /// Connects, asks, has `tell` print the answer, which came after so long, and disconnects.
    pub(crate) async fn run(
        self,
        plan: Plan,
        timeout: Option<Duration>,
        tell: impl FnOnce(Message, Duration) -> Result<Exit, CliError>,
    ) -> Result<Exit, CliError> {
        let mut interrupt = Interrupt::listen()?;
        let mut client = None;
        let outcome = tokio::select! {
            answer = self.ask(&plan, &mut client) => answer.and_then(|(answer, duration)| tell(answer, duration)),
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

    async fn ask(&self, plan: &Plan, client: &mut Option<Link>) -> Result<(Message, Duration), CliError> {
        let mut session = Session::open(plan, ReconnectPolicy::NEVER, self.talk).await?;
        *client = Some(session.client.clone());
        self.listen(plan, &mut session).await?;
        let start = Instant::now();
        let answer = self.exchange(&mut session).await?;
        Ok((answer, start.elapsed()))
    }

    /// Subscribes to the response topic. Messages that come before the answer, of a session of before, are none.
    async fn listen(&self, plan: &Plan, session: &mut Session) -> Result<(), CliError> {
        let mut request = Subscribe::to(self.response_topic.as_str(), self.request.qos);
        for property in plan.properties.of(Place::Subscribe).list() {
            request = request.property(property).expect("-D checked the value of the property");
        }
        let (link, filters) = (session.client.clone(), [self.response_topic.clone()]);
        let mut asking = pin!(subscribe(&link, request, &filters, self.talk));
        let outcome = loop {
            tokio::select! {
                outcome = &mut asking => break outcome,
                Some(_) = session.messages.next() => {}
            }
        };
        match outcome {
            Ok(_) => Ok(()),
            Err((what, error)) => Err(session.request_error(&what, error).await),
        }
    }

    /// Publishes the request and waits for its answer, which may overtake the acknowledgement of the request.
    async fn exchange(&self, session: &mut Session) -> Result<Message, CliError> {
        let mut ticket = match session.client.start_publish(self.request.clone()).await {
            Ok(ticket) => ticket,
            Err(error) => return Err(session.request_error("not published", error).await),
        };
        let mut is_sent = false;
        loop {
            tokio::select! {
                answer = session.messages.next() => match answer {
                    Some(answer) if self.is_answer(&answer) => return Ok(answer),
                    Some(_) => {}
                    None => return Err(session.lost().await),
                },
                outcome = &mut ticket, if !is_sent => {
                    is_sent = true;
                    match outcome {
                        Ok(published) if published.reason == ReasonCode::NoMatchingSubscribers => {
                            let topic = &self.request.topic;
                            self.talk.warning(format_args!("nobody has subscribed to {topic}"));
                        }
                        Ok(_) => {}
                        // The end of the answers says why.
                        Err(RequestError::Disconnected | RequestError::Ended) => {}
                        Err(error) => return Err(session.request_error("not published", error).await),
                    }
                }
            }
        }
    }

    fn is_answer(&self, message: &Message) -> bool {
        let expected = self.request.properties.list().correlation_data();
        let found = message.properties.list().correlation_data();
        *message.topic == *self.response_topic && !message.retain && (found.is_none() || expected == found)
    }
}
