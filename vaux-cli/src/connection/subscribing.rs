//! Topic filters on the command line, and subscribing to them.

use std::time::Duration;

use clap::Args;
use vaux_client::{ReconnectPolicy, RequestError, Subscribe};
use vaux_mqtt::packet::PacketType;
use vaux_mqtt::topic::{TopicFilter, TopicName};

use super::Link;
use crate::cli_error::CliError;
use crate::output::talk::Talk;

/// Whether a command that waits for messages connects again when the connection is lost.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct ReconnectArgs {
    /// Attempts to connect again before giving up: 0 for none, without a number for ever [default: for ever]
    #[arg(long, value_name = "MAX", num_args = 0..=1, require_equals = true)]
    reconnect: Option<Option<u32>>,
}

impl ReconnectArgs {
    /// When to try again.
    pub(crate) fn policy(self) -> ReconnectPolicy {
        match self.reconnect {
            Some(Some(0)) => ReconnectPolicy::NEVER,
            Some(Some(attempts)) => ReconnectPolicy::default().max_attempts(attempts),
            None | Some(None) => ReconnectPolicy::default(),
        }
    }
}

/// Seconds on the command line.
pub(crate) fn parse_seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or("it is a number of seconds")
}

/// Refuses what is no topic filter.
pub(crate) fn check_filter(flag: &str, filter: &str) -> Result<(), CliError> {
    match TopicFilter::new(filter) {
        Ok(_) => Ok(()),
        Err((rule, _)) => Err(CliError::usage(format!("{flag} {filter:?}: {}", rule.text()))),
    }
}

/// Whether one of the filters matches the topic.
pub(crate) fn any_matches(filters: &[String], topic: &str) -> bool {
    let Ok(topic) = TopicName::new(topic) else { return false };
    filters.iter().any(|filter| TopicFilter::new(filter).is_ok_and(|filter| filter.matches(topic)))
}

/// Subscribes to the filters of a request; their messages come out of the default stream. Returns the first filter
/// that was refused while others were granted.
pub(crate) async fn subscribe(
    link: &Link,
    request: Subscribe,
    filters: &[String],
    talk: Talk,
) -> Result<Option<CliError>, (String, RequestError)> {
    let mut refused = None;
    let what = format!("not subscribed to {}", filters.join(", "));
    let answer = link.subscribe(request).await.map_err(|error| (what, error))?;
    for (filter, reason) in filters.iter().zip(&answer.reasons) {
        if reason.is_error() {
            let what = format!("not subscribed to {filter}");
            talk.warning(format_args!("{what}: {reason}"));
            let source =
                RequestError::Refused { reasons: vec![*reason], properties: answer.properties.clone() };
            refused.get_or_insert(CliError::Request { what, source });
        } else {
            let granted = reason.name_in(PacketType::SubAck);
            talk.debug(format_args!("subscribed to {filter}: {granted}"));
        }
    }
    Ok(refused)
}
