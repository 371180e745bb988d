//! Requests to `$CONTROL/vaux/v1`, and the answers to them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{OnceCell, oneshot};
use vaux_client::{Client, Message, Property, QoS, Subscribe, Subscription};

/// Asks, and hands each answer to who asked.
#[derive(Clone, Debug)]
pub(super) struct Asker(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    client: Client,
    response_topic: String,
    /// Whether answers are subscribed to.
    is_listening: OnceCell<()>,
    /// Those who wait, by the correlation data of their request.
    waiting: Mutex<HashMap<u64, oneshot::Sender<Value>>>,
    last: AtomicU64,
}

const CONTROL: &str = "$CONTROL/vaux/v1";
/// Who has not been answered by then will not be.
const TIMEOUT: Duration = Duration::from_secs(10);

impl Asker {
    /// Asks through this client.
    pub(super) fn new(client: Client) -> Asker {
        // Two dashboards with the same topic would read each other's answers.
        let number = RandomState::new().hash_one(std::process::id());
        Asker(Arc::new(Shared {
            client,
            response_topic: format!("vaux/top/{number:016x}"),
            is_listening: OnceCell::new(),
            waiting: Mutex::default(),
            last: AtomicU64::new(0),
        }))
    }

    /// Where answers come.
    pub(super) fn response_topic(&self) -> &str {
        &self.0.response_topic
    }

    /// Asks, and waits for the answer.
    pub(super) async fn ask(&self, request: Value) -> Result<Value, String> {
        self.0.is_listening.get_or_try_init(|| self.listen()).await?;
        let number = self.0.last.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.waiting(|waiting| waiting.insert(number, sender));
        let answer = tokio::time::timeout(TIMEOUT, self.exchange(request, number, receiver)).await;
        self.waiting(|waiting| waiting.remove(&number));
        answer.unwrap_or_else(|_| Err(format!("no answer within {} seconds", TIMEOUT.as_secs())))
    }

    async fn exchange(
        &self,
        request: Value,
        number: u64,
        answer: oneshot::Receiver<Value>,
    ) -> Result<Value, String> {
        let message = Message::new(CONTROL, request.to_string())
            .property(Property::ResponseTopic(&self.0.response_topic))
            .and_then(|message| message.property(Property::CorrelationData(&number.to_be_bytes())))
            .map_err(|error| error.rule().text().to_owned())?;
        // With QoS 1 a refusal is told.
        self.0.client.publish(message.qos(QoS::AtLeastOnce)).await.map_err(|error| error.to_string())?;
        answer.await.map_err(|_| "the connection ended before the answer came".to_owned())
    }

    async fn listen(&self) -> Result<(), String> {
        let request = Subscribe::to(self.0.response_topic.as_str(), QoS::AtMostOnce);
        let answers = self.0.client.subscribe(request).await.map_err(|error| error.to_string())?;
        tokio::spawn(self.clone().deliver(answers));
        Ok(())
    }

    async fn deliver(self, mut answers: Subscription) {
        while let Some(answer) = answers.next().await {
            let number = answer.properties.list().correlation_data().and_then(|data| data.try_into().ok());
            let waiting = number.map(u64::from_be_bytes);
            let waiting = waiting.and_then(|number| self.waiting(|waiting| waiting.remove(&number)));
            if let (Some(waiting), Ok(value)) = (waiting, serde_json::from_slice(&answer.payload)) {
                // Who asked may have given up.
                let _ = waiting.send(value);
            }
        }
    }

    fn waiting<T>(&self, work: impl FnOnce(&mut HashMap<u64, oneshot::Sender<Value>>) -> T) -> T {
        // No code that holds it can panic, and a map is whole at any time.
        work(&mut self.0.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}
