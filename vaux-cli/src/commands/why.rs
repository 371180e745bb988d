//! `vaux why`: why a message was dropped, a client refused or disconnected.

use std::io::{self, Write, stdout};
use std::time::Duration;

use clap::Args;
use jiff::tz::TimeZone;
use jiff::{SpanRound, Timestamp, Unit};
use serde_json::{Value, json};
use vaux_client::{Message, PropertyBuffer, QoS};

use super::rr::{Requester, complete};
use crate::cli_error::{CliError, Exit};
use crate::connection::{ConnectArgs, Place, block_on, parse_seconds, random};
use crate::output::talk::{Talk, TalkArgs};

/// Tell why messages were dropped, and clients refused or disconnected
#[derive(Args, Debug)]
#[command(disable_help_flag = true, after_help = NOTES)]
pub(crate) struct WhyArgs {
    /// Only what happened to this client
    #[arg(value_name = "CLIENT")]
    client: Option<String>,
    /// Only what happened to messages of this topic, or to subscriptions with this filter
    #[arg(short, long, value_name = "TOPIC", allow_hyphen_values = true)]
    topic: Option<String>,
    /// So many incidents, the last ones
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u16).range(1..=1000))]
    last: u16,
    /// Give up after so many seconds, with exit code 27
    #[arg(short = 'W', value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    timeout: Duration,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
    /// Print incidents as JSON objects, one a line
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help, help_heading = "Output")]
    help: (),
}

const NOTES: &str = "\
Asks vaux-broker, which remembers the last incidents. On the machine of the broker the token in its data directory says
that it may be asked; elsewhere a user is needed who may publish to $CONTROL/vaux/v1.

Examples:
  vaux why dev-1
  vaux why --topic plant/7/state --last 100
  vaux why --json | jq -r .cause | sort | uniq -c";

const CONTROL: &str = "$CONTROL/vaux/v1";

/// Asks, and prints what is known.
pub(crate) fn run(args: WhyArgs) -> Result<Exit, CliError> {
    let talk = args.talk.talk();
    let connect = args.connect.clone().with_environment()?;
    let plan = connect.plan(&[Place::Connect], talk)?.with_operator([CONTROL])?;
    if !plan.version.has_properties() {
        return Err(CliError::usage("why needs version 5: the answer comes under a response topic"));
    }
    let mut question = json!({"command": "why", "last": args.last});
    if let Some(client) = &args.client {
        question["client_id"] = json!(client);
    }
    if let Some(topic) = &args.topic {
        question["topic"] = json!(topic);
    }
    let response_topic = format!("vaux/why/{:016x}", random());
    let mut request = Message::new(CONTROL, question.to_string()).qos(QoS::AtLeastOnce);
    request.properties = PropertyBuffer::default();
    complete(&mut request.properties, &response_topic)
        .expect("a short topic and 16 bytes are valid properties");
    let requester = Requester { request, response_topic, talk };
    block_on(requester.run(plan, Some(args.timeout), |answer, _| print(&args, &answer, talk)))
}

fn print(args: &WhyArgs, answer: &Message, talk: Talk) -> Result<Exit, CliError> {
    let no_answer = || CliError::usage("the answer is none of vaux-broker's");
    let answer: Value = serde_json::from_slice(&answer.payload).map_err(|_| no_answer())?;
    if let (Some(false), Some(text)) = (answer["ok"].as_bool(), answer["text"].as_str()) {
        return Err(CliError::usage(text.to_owned()));
    }
    let incidents = answer["incidents"].as_array().ok_or_else(no_answer)?;
    if incidents.is_empty() {
        talk.note("nothing is remembered of that");
    }
    let mut out = stdout().lock();
    let lines = incidents.iter().try_for_each(|incident| match args.json {
        true => writeln!(out, "{incident}"),
        false => write_line(&mut out, incident),
    });
    lines.and_then(|()| out.flush()).map_err(CliError::Stdio)?;
    Ok(Exit::Ok)
}

/// Time, what happened, to whom, and why:
///
/// `09:14:02 drop dev-1: the queue of the session was full (queue-full, max_queued_messages) · topic plant/7 · 12 × in 3s`
fn write_line(out: &mut impl Write, incident: &Value) -> io::Result<()> {
    let text = |name: &str| incident[name].as_str();
    let at = text("at").and_then(|at| at.parse::<Timestamp>().ok());
    let local = at.map(|at| at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string());
    write!(out, "{} {}", local.unwrap_or_default(), text("kind").unwrap_or_default())?;
    if let Some(client) = text("client_id") {
        write!(out, " {client}")?;
    }
    write!(out, ": {} ({}", text("text").unwrap_or_default(), text("cause").unwrap_or_default())?;
    if let Some(code) = incident["reason_code"].as_u64() {
        write!(out, ", 0x{code:02X}")?;
    }
    if let Some(limit) = text("limit") {
        write!(out, ", {limit}")?;
    }
    write!(out, ")")?;
    for (name, member) in [("topic", "topic"), ("user", "user"), ("from", "address")] {
        if let Some(value) = text(member) {
            write!(out, " · {name} {value}")?;
        }
    }
    if let Some(count) = incident["count"].as_u64() {
        write!(out, " · {count} ×")?;
        let until = text("until").and_then(|until| until.parse::<Timestamp>().ok());
        let span = at.zip(until).and_then(|(at, until)| {
            (until - at).round(SpanRound::new().largest(Unit::Hour).smallest(Unit::Second)).ok()
        });
        if let Some(span) = span.filter(|span| !span.is_zero()) {
            write!(out, " in {span:#}")?;
        }
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_known_and_no_more() {
        let line = |incident: Value| {
            let mut out = Vec::new();
            write_line(&mut out, &incident).unwrap();
            String::from_utf8(out).unwrap().split_off("2026-11-26 09:14:02 ".len())
        };
        let full = json!({
            "at": "2026-11-26T09:14:02.113Z", "kind": "drop", "cause": "queue-full",
            "text": "the queue of the session was full", "client_id": "dev-1", "topic": "plant/7",
            "limit": "max_queued_messages", "count": 12, "until": "2026-11-26T09:15:05.020Z",
        });
        assert_eq!(
            line(full),
            "drop dev-1: the queue of the session was full (queue-full, max_queued_messages) · topic plant/7 \
             · 12 × in 1m 3s\n"
        );
        let bare = json!({
            "at": "2026-11-26T09:14:02.113Z", "kind": "refusal", "cause": "version", "text": "no",
            "reason_code": 132, "address": "127.0.0.1:5",
        });
        assert_eq!(line(bare), "refusal: no (version, 0x84) · from 127.0.0.1:5\n");
    }
}
