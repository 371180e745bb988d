//! Effects that concern the broker, carried out in tasks of their own, so that nobody waits for the network.

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
    /// Subscribing and unsubscribing, one after the other: their order matters.
    subscriptions: mpsc::Sender<Effect>,
}

/// So many requests wait at most while there is no connection.
const MAX_WAITING: usize = 64;
/// How long saying goodbye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

impl Broker {
    /// A broker behind a client.
    pub(super) fn new(client: Client, inputs: mpsc::Sender<Input>) -> Broker {
        let (subscriptions, mut waiting) = mpsc::channel(MAX_WAITING);
        let broker = Broker { asker: Asker::new(client.clone()), client, inputs, subscriptions };
        let this = broker.clone();
        tokio::spawn(async move {
            while let Some(effect) = waiting.recv().await {
                match effect {
                    Effect::Subscribe(filters) => this.subscribe(filters).await,
                    Effect::Unsubscribe(filters) => this.unsubscribe(filters).await,
                    _ => {}
                }
            }
        });
        broker
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
                Effect::Publish(message) => this.publish(message).await,
                Effect::Ask(request) => {
                    let answer = this.asker.ask(request.to_json()).await;
                    Input::Answer(request, answer)
                }
                _ => return,
            };
            this.tell(input).await;
        });
    }

    /// Subscribes or unsubscribes, after what was asked for before. Says whether it will be done.
    pub(super) fn change_subscriptions(&self, effect: Effect) -> bool {
        self.subscriptions.try_send(effect).is_ok()
    }

    async fn tell(&self, input: Input) {
        // Nobody listens any more once the dashboard ends.
        let _ = self.inputs.send(input).await;
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
                return self.tell(Input::SubscriptionRefused { filters, reason }).await;
            }
        };
        for (filter, reason) in filters.into_iter().zip(reasons) {
            if reason.is_error() {
                let refused =
                    Input::SubscriptionRefused { filters: vec![filter], reason: reason.to_string() };
                self.tell(refused).await;
            }
        }
    }

    async fn unsubscribe(&self, filters: Vec<String>) {
        let what = filters.join(", ");
        if let Err(error) = self.client.unsubscribe(filters).await {
            self.tell(Input::Undone(format!("not unsubscribed from {what}: {error}"))).await;
        }
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
