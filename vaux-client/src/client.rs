//! The handle that applications hold.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};
use vaux_mqtt::ReasonCode;
use vaux_mqtt::packet::PacketId;
use vaux_mqtt::property::{Property, PropertyBuffer};

use crate::error::{ConnectError, RequestError, TryPublishError};
use crate::event::{Connected, ConnectionEvents};
use crate::message::Message;
use crate::options::ConnectOptions;
use crate::stream::{StreamSender, stream};
use crate::subscription::{Answer, Messages, Subscribe, Subscription};

/// A connected client. Clones are cheap and share the connection.
///
/// The protocol runs in a task of its own, which ends after [`Client::disconnect`], when all clones are dropped, or
/// when the connection is lost for good.
///
/// A publish that waits for its acknowledgement needs the client to read from the connection, and the client does not
/// read while a stream of messages is full. So do not await acknowledgements in the task that is to empty a stream;
/// see [`Client::start_publish`].
#[derive(Clone, Debug)]
pub struct Client {
    publishes: mpsc::Sender<PublishRequest>,
    controls: mpsc::Sender<Control>,
    message_capacity: usize,
}

/// What comes with a new [`Client`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Connection {
    /// What the server said.
    pub connected: Arc<Connected>,
    /// Later changes of the connection.
    pub events: ConnectionEvents,
    /// Messages that match no live [`Subscription`]: those of a resumed session, of subscriptions that were dropped,
    /// and of [`Client::subscribe_default`]. They are dropped when this is.
    pub messages: Messages,
}

/// A message to publish, with where to tell the outcome.
#[derive(Debug)]
pub(crate) struct PublishRequest {
    pub(crate) message: Message,
    pub(crate) outcome: Option<oneshot::Sender<Result<Published, RequestError>>>,
    /// When the application handed the message over, if that matters because it expires.
    accepted: Option<Instant>,
}

impl PublishRequest {
    pub(crate) fn new(
        message: Message,
        outcome: Option<oneshot::Sender<Result<Published, RequestError>>>,
    ) -> Self {
        let accepted = expiry_interval(&message).map(|_| Instant::now());
        PublishRequest { message, outcome, accepted }
    }

    /// Tells the application that the message was not published.
    pub(crate) fn fail(self, error: RequestError) {
        if let Some(outcome) = self.outcome {
            // Whoever dropped the ticket does not want to know.
            let _ = outcome.send(Err(error));
        }
    }

    /// Whether the time that the message waits matters.
    pub(crate) fn expires(&self) -> bool {
        self.accepted.is_some()
    }

    /// Whether the message has waited for as long as it is of interest.
    pub(crate) fn has_expired(&self, now: Instant) -> bool {
        let waited = self.waited_seconds(now);
        waited > 0 && expiry_interval(&self.message).is_some_and(|seconds| waited >= u64::from(seconds))
    }

    /// Takes the time that the message has waited off its Message Expiry Interval. To be done when it is sent.
    pub(crate) fn age(&mut self, now: Instant) {
        let waited = self.waited_seconds(now);
        if waited == 0 {
            return;
        }
        let mut aged = PropertyBuffer::new();
        for property in self.message.properties.list().iter() {
            let property = match property {
                Property::MessageExpiryInterval(seconds) => Property::MessageExpiryInterval(
                    seconds.saturating_sub(u32::try_from(waited).unwrap_or(u32::MAX)),
                ),
                property => property,
            };
            aged.push(property).expect("it was in a buffer before");
        }
        self.message.properties = aged;
        // Sending may fail for want of room, and be tried again later.
        self.accepted = Some(now);
    }

    fn waited_seconds(&self, now: Instant) -> u64 {
        self.accepted.map_or(0, |accepted| now.saturating_duration_since(accepted).as_secs())
    }
}

fn expiry_interval(message: &Message) -> Option<u32> {
    if message.properties.is_empty() { None } else { message.properties.list().message_expiry_interval() }
}

/// What the application asks for besides publishing. A full send window does not delay these.
#[derive(Debug)]
pub(crate) enum Control {
    Subscribe {
        request: Subscribe,
        /// Where the messages go, unless to the default stream.
        stream: Option<StreamSender>,
        answer: oneshot::Sender<Result<Answer, RequestError>>,
    },
    Unsubscribe {
        filters: Vec<Box<str>>,
        properties: PropertyBuffer,
        answer: oneshot::Sender<Result<Answer, RequestError>>,
    },
    ReAuthenticate,
    Disconnect {
        reason: ReasonCode,
        properties: PropertyBuffer,
        answer: oneshot::Sender<Result<(), RequestError>>,
    },
}

/// How publishing a message ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// The packet identifier that it had; none with QoS 0.
    pub packet_id: Option<PacketId>,
    /// Success, or that nobody had subscribed. Always success with QoS 0 and in versions 3.1 and 3.1.1.
    pub reason: ReasonCode,
    /// Reason string and user properties of the acknowledgement.
    pub properties: PropertyBuffer,
}

/// The outcome of a publish that was started.
#[derive(Debug)]
pub struct PublishTicket(oneshot::Receiver<Result<Published, RequestError>>);

impl Future for PublishTicket {
    type Output = Result<Published, RequestError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|outcome| outcome.unwrap_or(Err(RequestError::Ended)))
    }
}

impl Client {
    /// Connects, and waits for the server's answer.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`]; [`ConnectError::kind`] sorts them. Nothing is left behind.
    pub async fn connect(options: ConnectOptions) -> Result<(Client, Connection), ConnectError> {
        let (client, connection, protocol) = crate::driver::connect(options).await?;
        tokio::spawn(protocol);
        Ok((client, connection))
    }

    /// Begins without a connection: the client connects on its own, and goes on trying as the
    /// [`ReconnectPolicy`](crate::ReconnectPolicy) says. Publishing and subscribing can begin at once; what happens to
    /// messages meanwhile says the [`OfflineQueue`](crate::OfflineQueue).
    ///
    /// Gives the events, of which the first is that the client is connected or an attempt failed, and the messages that
    /// [`Connection::messages`] would have. Must be called in a tokio runtime.
    ///
    /// # Errors
    ///
    /// Options or files that are not valid. Nothing was tried.
    pub fn start(options: ConnectOptions) -> Result<(Client, ConnectionEvents, Messages), ConnectError> {
        let (client, events, messages, driver) = crate::driver::prepare(options)?;
        tokio::spawn(driver.start());
        Ok((client, events, messages))
    }

    pub(crate) fn new(
        publishes: mpsc::Sender<PublishRequest>,
        controls: mpsc::Sender<Control>,
        message_capacity: usize,
    ) -> Self {
        Client { publishes, controls, message_capacity }
    }

    /// Publishes a message and waits for the outcome: with QoS 0 that it was handed to the network, with QoS 1
    /// PUBACK, with QoS 2 PUBCOMP. While the connection is lost this waits, as long as the client tries to reconnect.
    ///
    /// # Errors
    ///
    /// The message was not sent, was refused, or its fate is not known; see [`RequestError`].
    pub async fn publish(&self, message: Message) -> Result<Published, RequestError> {
        self.start_publish(message).await?.await
    }

    /// Hands a message over and gives a ticket for the outcome, so that many can be under way. Waits only while too
    /// many are. Dropping the ticket does not take the message back.
    ///
    /// Messages leave in the order in which they were handed over.
    ///
    /// # Errors
    ///
    /// The client has ended.
    pub async fn start_publish(&self, message: Message) -> Result<PublishTicket, RequestError> {
        let (sender, receiver) = oneshot::channel();
        let request = PublishRequest::new(message, Some(sender));
        self.publishes.send(request).await.map_err(|_| RequestError::Ended)?;
        Ok(PublishTicket(receiver))
    }

    /// Hands a message over if that is possible without waiting.
    ///
    /// # Errors
    ///
    /// Too many messages wait already, or the client has ended. The message is given back.
    pub fn try_publish(&self, message: Message) -> Result<PublishTicket, TryPublishError> {
        match self.publishes.try_reserve() {
            Ok(permit) => {
                let (sender, receiver) = oneshot::channel();
                permit.send(PublishRequest::new(message, Some(sender)));
                Ok(PublishTicket(receiver))
            }
            Err(mpsc::error::TrySendError::Full(())) => Err(TryPublishError::Full(message)),
            Err(mpsc::error::TrySendError::Closed(())) => Err(TryPublishError::Ended(message)),
        }
    }

    /// Hands a message over and does not ask what becomes of it, as for measurements of which the next one follows
    /// anyway: that it was refused, dropped or expired is not told. Waits only while too many messages wait already. A
    /// little faster than dropping a ticket.
    ///
    /// # Errors
    ///
    /// The client has ended.
    pub async fn queue(&self, message: Message) -> Result<(), RequestError> {
        let request = PublishRequest::new(message, None);
        self.publishes.send(request).await.map_err(|_| RequestError::Ended)
    }

    /// Subscribes, and waits for the server's answer. Messages come out of the [`Subscription`].
    ///
    /// # Errors
    ///
    /// The server granted no filter ([`RequestError::Refused`]), or the request could not be made.
    pub async fn subscribe(&self, request: Subscribe) -> Result<Subscription, RequestError> {
        let (sender, receiver) = stream(self.message_capacity);
        let answer = self.request_subscription(request, Some(sender)).await?;
        Ok(Subscription { answer, messages: Messages(receiver) })
    }

    /// Subscribes like [`Client::subscribe`], but messages come out of [`Connection::messages`], where those of a
    /// resumed session come out too.
    ///
    /// # Errors
    ///
    /// As for [`Client::subscribe`].
    pub async fn subscribe_default(&self, request: Subscribe) -> Result<Answer, RequestError> {
        self.request_subscription(request, None).await
    }

    async fn request_subscription(
        &self,
        request: Subscribe,
        stream: Option<StreamSender>,
    ) -> Result<Answer, RequestError> {
        let (answer, receiver) = oneshot::channel();
        self.control(Control::Subscribe { request, stream, answer }).await?;
        receiver.await.unwrap_or(Err(RequestError::Ended))
    }

    /// Ends subscriptions, and waits for the server's answer. Their streams end when no filter is left.
    ///
    /// # Errors
    ///
    /// The server refused all filters, or the request could not be made.
    pub async fn unsubscribe<F: Into<Box<str>>>(
        &self,
        filters: impl IntoIterator<Item = F>,
    ) -> Result<Answer, RequestError> {
        self.unsubscribe_with(filters, PropertyBuffer::new()).await
    }

    /// Ends subscriptions like [`Client::unsubscribe`], with user properties. Version 5.0.
    ///
    /// # Errors
    ///
    /// As for [`Client::unsubscribe`].
    pub async fn unsubscribe_with<F: Into<Box<str>>>(
        &self,
        filters: impl IntoIterator<Item = F>,
        properties: PropertyBuffer,
    ) -> Result<Answer, RequestError> {
        let (answer, receiver) = oneshot::channel();
        let filters = filters.into_iter().map(Into::into).collect();
        self.control(Control::Unsubscribe { filters, properties, answer }).await?;
        receiver.await.unwrap_or(Err(RequestError::Ended))
    }

    /// Authenticates anew with the authenticator of the options. Version 5.0.
    ///
    /// # Errors
    ///
    /// The client has ended. A failed authentication ends the connection; see the events.
    pub async fn re_authenticate(&self) -> Result<(), RequestError> {
        self.control(Control::ReAuthenticate).await
    }

    /// Sends what was handed over before, as far as the send window allows, then DISCONNECT, and ends the client.
    /// The server does not publish the will.
    ///
    /// Await the tickets of messages that must be acknowledged first.
    ///
    /// # Errors
    ///
    /// The client had ended before, or the connection was lost just now.
    pub async fn disconnect(&self) -> Result<(), RequestError> {
        self.disconnect_with(ReasonCode::Success, PropertyBuffer::new()).await
    }

    /// Disconnects like [`Client::disconnect`], with a reason (0x04 has the server publish the will) and properties
    /// such as a new session expiry interval. Version 5.0; before it neither is sent.
    ///
    /// # Errors
    ///
    /// As for [`Client::disconnect`], or a reason or property that a client must not send.
    pub async fn disconnect_with(
        &self,
        reason: ReasonCode,
        properties: PropertyBuffer,
    ) -> Result<(), RequestError> {
        let (answer, receiver) = oneshot::channel();
        self.control(Control::Disconnect { reason, properties, answer }).await?;
        receiver.await.unwrap_or(Err(RequestError::Ended))
    }

    async fn control(&self, control: Control) -> Result<(), RequestError> {
        self.controls.send(control).await.map_err(|_| RequestError::Ended)
    }
}

/// A QoS 0 message that was handed to the network.
pub(crate) const SENT: Published =
    Published { packet_id: None, reason: ReasonCode::Success, properties: PropertyBuffer::new() };

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_time_that_a_message_waited_is_taken_off_its_expiry_interval() {
        let list = [Property::ContentType("x"), Property::MessageExpiryInterval(7)];
        let message = list
            .into_iter()
            .fold(Message::new("a", "x"), |message, property| message.property(property).unwrap());
        let mut request = PublishRequest::new(message, None);
        let accepted = request.accepted.unwrap();
        let after = |seconds: u64| accepted + Duration::from_millis(seconds * 1000 + 999);
        assert!(!request.has_expired(after(6)));
        assert!(request.has_expired(after(7)));
        request.age(after(0));
        assert_eq!(request.message.properties.list().message_expiry_interval(), Some(7));
        request.age(after(2));
        let aged = [Property::ContentType("x"), Property::MessageExpiryInterval(5)];
        assert!(request.message.properties.list().iter().eq(aged));
        // What was taken off is not taken off again.
        assert!(!request.has_expired(after(6)));
        assert!(request.has_expired(after(7)));
        assert!(!PublishRequest::new(Message::new("a", "x"), None).expires());
    }

    #[test]
    fn a_message_that_expires_at_once_is_sent_if_it_does_not_wait() {
        let message = Message::new("a", "x").property(Property::MessageExpiryInterval(0)).unwrap();
        let request = PublishRequest::new(message, None);
        let accepted = request.accepted.unwrap();
        assert!(!request.has_expired(accepted));
        assert!(request.has_expired(accepted + Duration::from_secs(1)));
    }
}
