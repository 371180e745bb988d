//! Effects that concern the broker, each carried out in a task of its own, so that nobody waits for the network.

use std::time::Duration;

use tokio::sync::mpsc;
use vaux_client::{Client, ConnectionEvent, Message, QoS, RequestError, Subscribe};

use super::ask::Asker;
use crate::update::{Effect, Input};

/// The client, and where results go.
#[derive(Clone, Debug)]
pub(super) struct Broker {
    client: Client,
    inputs: mpsc::Sender<Input>,
    asker: Asker,
}

/// How long saying goodbye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

impl Broker {
    /// A broker behind a client.
    pub(super) fn new(client: Client, inputs: mpsc::Sender<Input>) -> Broker {
        Broker { asker: Asker::new(client.clone()), client, inputs }
    }

    /// Whether messages under this topic are answers to our own requests.
    pub(super) fn is_own(&self, topic: &str) -> bool {
        self.asker.response_topic() == topic
    }

    /// Carries an effect out. Others than the broker's are nothing to do here.
    pub(super) fn carry_out(&self, effect: Effect) {
        let this = self.clone();
        tokio::spawn(async move {
            let input = match effect {
                Effect::Subscribe(filters) => return this.subscribe(filters).await,
                Effect::Unsubscribe(filters) => this.unsubscribe(filters).await,
                Effect::Publish(message) => Some(this.publish(message).await),
                Effect::Ask(request) => {
                    let answer = this.asker.ask(request.to_json()).await;
                    Some(Input::Answer(request, answer))
                }
                _ => None,
            };
            if let Some(input) = input {
                // Nobody listens any more once the dashboard ends.
                let _ = this.inputs.send(input).await;
            }
        });
    }

    /// One request for all; what the broker refuses of it is told filter by filter.
    async fn subscribe(&self, filters: Vec<String>) {
        let request = filters
            .iter()
            .fold(Subscribe::default(), |request, filter| request.and(filter.as_str(), QoS::AtMostOnce));
        let reasons = match self.client.subscribe_default(request).await {
            Ok(answer) => answer.reasons,
            Err(RequestError::Refused { reasons, .. }) => reasons,
            Err(error) => {
                let reason = error.to_string();
                let _ = self.inputs.send(Input::SubscriptionRefused { filters, reason }).await;
                return;
            }
        };
        for (filter, reason) in filters.into_iter().zip(reasons) {
            if reason.is_error() {
                let refused =
                    Input::SubscriptionRefused { filters: vec![filter], reason: reason.to_string() };
                let _ = self.inputs.send(refused).await;
            }
        }
    }

    async fn unsubscribe(&self, filters: Vec<String>) -> Option<Input> {
        let what = filters.join(", ");
        let outcome = self.client.unsubscribe(filters).await;
        outcome.err().map(|error| Input::Undone(format!("not unsubscribed from {what}: {error}")))
    }

    async fn publish(&self, message: Message) -> Input {
        let topic = message.topic.clone();
        match self.client.publish(message).await {
            Ok(published) => Input::Done(format!("published to {topic}: {}", published.reason)),
            Err(error) => Input::Undone(format!("not published to {topic}: {error}")),
        }
    }

    /// Disconnects in order, if that is still possible.
    pub(super) async fn close(&self) {
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.client.disconnect()).await;
    }
}

/// What an event of the connection is to the dashboard.
pub(super) fn news(event: ConnectionEvent) -> Option<Input> {
    Some(match event {
        ConnectionEvent::Connected(_) => Input::Connected,
        ConnectionEvent::Disconnected(reason) => Input::Lost(reason.to_string()),
        ConnectionEvent::Reconnecting { attempt, after } => {
            Input::Retrying { attempt, after_ms: after.as_millis() as u64 }
        }
        ConnectionEvent::ReconnectFailed(error) => Input::Failed(error.to_string()),
        ConnectionEvent::SubscriptionsLost(filters) => Input::SubscriptionRefused {
            filters: filters.into_iter().map(String::from).collect(),
            reason: "refused when it was made again".to_owned(),
        },
        ConnectionEvent::Ended => Input::Ended(String::new()),
        _ => return None,
    })
}
