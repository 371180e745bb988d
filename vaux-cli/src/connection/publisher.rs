//! Publishing many messages over one connection: what is under way, and what became of each.

use std::collections::VecDeque;
use std::io::Write;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use vaux_client::{Message, PublishTicket, Published, QoS, RequestError};

use super::Link;
use crate::cli_error::{CliError, Exit};
use crate::output::talk::Talk;

/// How many messages may be under way. The client has windows of its own; this one bounds the tickets.
const MAX_TICKETS: usize = 4096;

/// Why publishing stopped.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is nothing more to read, or nowhere to write to, against expectation.
    Input(CliError),
    /// The connection is gone.
    Request(RequestError),
}

/// Publishes messages and keeps account of those under way.
#[derive(Debug)]
pub(crate) struct Publisher {
    link: Link,
    /// The messages under way, oldest first.
    tickets: VecDeque<(Sent, PublishTicket)>,
    /// Whether each outcome is written as JSON.
    json: bool,
    talk: Talk,
    /// How many messages the server has taken, or with QoS 0 the network.
    published: u64,
    /// How many it has not taken, and why not the last of them.
    refusals: u64,
    refused: Option<RequestError>,
}

/// What is told of a message when its outcome is known.
#[derive(Debug)]
struct Sent {
    topic: Arc<str>,
    qos: QoS,
    retain: bool,
}

impl Publisher {
    pub(crate) fn new(link: Link, json: bool, talk: Talk) -> Publisher {
        Publisher { link, tickets: VecDeque::new(), json, talk, published: 0, refusals: 0, refused: None }
    }

    /// Hands a message over. Waits while too many are under way.
    pub(crate) async fn start(&mut self, message: Message) -> Result<(), Failure> {
        self.settle(MAX_TICKETS - 1).await?;
        let sent = Sent { topic: message.topic.clone(), qos: message.qos, retain: message.retain };
        let ticket = self.link.start_publish(message).await.map_err(Failure::Request)?;
        self.tickets.push_back((sent, ticket));
        Ok(())
    }

    /// How many messages are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.tickets.len()
    }

    /// How many messages the server has taken, or with QoS 0 the network.
    pub(crate) fn published(&self) -> u64 {
        self.published
    }

    /// How many messages the server has not taken.
    pub(crate) fn refused(&self) -> u64 {
        self.refusals
    }

    /// Waits until at most `left` messages are under way.
    pub(crate) async fn settle(&mut self, left: usize) -> Result<(), Failure> {
        while self.tickets.len() > left {
            self.conclude_oldest().await?;
        }
        Ok(())
    }

    /// Waits for the outcome of the oldest message under way; at once if there is none. Nothing is lost when this is
    /// no longer waited for.
    pub(crate) async fn conclude_oldest(&mut self) -> Result<(), Failure> {
        let Some((_, ticket)) = self.tickets.front_mut() else { return Ok(()) };
        let outcome = ticket.await;
        match self.tickets.pop_front() {
            Some((sent, _)) => self.conclude(&sent, outcome),
            None => Ok(()),
        }
    }

    /// Waits until a time, for ever if there is none, and looks at outcomes meanwhile.
    pub(crate) async fn wait_until(&mut self, due: Option<Instant>) -> Result<(), Failure> {
        let Some(due) = due else { return std::future::pending().await };
        // A timer is not exact: what is due now does not wait for it.
        if due <= Instant::now() {
            return Ok(());
        }
        let mut time = pin!(tokio::time::sleep_until(due.into()));
        loop {
            tokio::select! {
                biased;
                () = &mut time => return Ok(()),
                outcome = self.conclude_oldest(), if self.under_way() > 0 => outcome?,
            }
        }
    }

    /// How the command ends when all is done: the last message that was refused is its error.
    pub(crate) fn finish(self) -> Result<Exit, CliError> {
        match self.refused {
            Some(error) => Err(CliError::Request { what: "not published".into(), source: error }),
            None => Ok(Exit::Ok),
        }
    }

    /// Tells the outcome of a message. A refusal is for this message alone, the next ones may fare better.
    fn conclude(&mut self, sent: &Sent, outcome: Result<Published, RequestError>) -> Result<(), Failure> {
        match outcome {
            Ok(published) => {
                self.published += 1;
                self.talk.debug(format_args!("published {}: {}", sent.topic, published.reason));
                if self.json {
                    write_json(sent, &published)?;
                }
                Ok(())
            }
            Err(error @ (RequestError::Refused { .. } | RequestError::Invalid(_))) => {
                self.refusals += 1;
                if let Some(before) = self.refused.replace(error) {
                    self.talk.error(format_args!("not published: {before}"));
                }
                Ok(())
            }
            Err(error) => Err(Failure::Request(error)),
        }
    }
}

fn write_json(sent: &Sent, published: &Published) -> Result<(), Failure> {
    let object = json!({
        "topic": &*sent.topic,
        "qos": sent.qos.bits(),
        "retain": sent.retain,
        "packet_id": published.packet_id.map(|id| id.value()),
        "reason_code": published.reason.value(),
        "reason": published.reason.name(),
    });
    writeln!(std::io::stdout(), "{object}").map_err(|error| Failure::Input(CliError::Stdio(error)))
}
