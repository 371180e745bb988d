//! Asking for messages, and the streams they come out of.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use vaux_mqtt::packet::SubscriptionOptions;
use vaux_mqtt::property::{Property, PropertyBuffer};
use vaux_mqtt::{Error, QoS, ReasonCode};

use crate::message::Message;
use crate::stream::StreamReceiver;

/// What to subscribe to.
///
/// ```
/// use vaux_client::{QoS, Subscribe};
///
/// let one = Subscribe::to("room/+/temperature", QoS::AtLeastOnce);
/// let two = Subscribe::to("room/#", QoS::AtMostOnce).and("hall/#", QoS::ExactlyOnce);
/// # let _ = (one, two);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscribe {
    pub(crate) filters: Vec<(Box<str>, SubscriptionOptions)>,
    pub(crate) properties: PropertyBuffer,
    pub(crate) is_manual: bool,
}

impl Subscribe {
    /// One filter, with a maximum QoS.
    pub fn to(filter: impl Into<Box<str>>, qos: QoS) -> Self {
        Subscribe::default().and(filter, qos)
    }

    /// One filter with all options.
    pub fn with_options(filter: impl Into<Box<str>>, options: SubscriptionOptions) -> Self {
        Subscribe::default().and_with_options(filter, options)
    }

    /// Another filter in the same request.
    #[must_use]
    pub fn and(self, filter: impl Into<Box<str>>, qos: QoS) -> Self {
        self.and_with_options(filter, SubscriptionOptions::with_qos(qos))
    }

    /// Another filter in the same request, with all options.
    #[must_use]
    pub fn and_with_options(mut self, filter: impl Into<Box<str>>, options: SubscriptionOptions) -> Self {
        self.filters.push((filter.into(), options));
        self
    }

    /// Leaves it to the application to acknowledge the messages with QoS 1 and 2: PUBACK or PUBREC leaves only after
    /// [`Message::acknowledge`], not as soon as the message is in the stream.
    ///
    /// - A message that the application drops unacknowledged stays unacknowledged. The server keeps it, and sends it
    ///   again on the next connection if the session outlives this one: see
    ///   [`session_expiry_interval`](crate::ConnectOptions::session_expiry_interval) and
    ///   [`clean_start`](crate::ConnectOptions::clean_start).
    /// - Acknowledgements leave in the order of the messages, as the protocol demands (`MQTT-4.6.0-2`, `MQTT-4.6.0-3`),
    ///   whatever the order of the application. One unacknowledged message therefore holds up all later ones with its
    ///   QoS, those of other subscriptions too.
    /// - The server sends no more than
    ///   [`receive_maximum`](crate::ConnectOptions::receive_maximum) unacknowledged messages, 65,535 by default, and
    ///   then waits. In version 3.1.1 servers have limits of their own.
    /// - A message that belongs to several such subscriptions comes out of each, and is acknowledged when all copies
    ///   are.
    /// - After a reconnection the handles of before are stale: acknowledging is an error that changes nothing, and the
    ///   message comes out of the stream again.
    /// - Messages of a resumed session that come before there is a subscription go to
    ///   [`Connection::messages`](crate::Connection::messages); have them acknowledged by hand too with
    ///   [`ConnectOptions::manual_acknowledgement`](crate::ConnectOptions::manual_acknowledgement).
    ///
    /// ```no_run
    /// # async fn example(client: vaux_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// # fn store(_: &vaux_client::Message) -> std::io::Result<()> { Ok(()) }
    /// use vaux_client::{QoS, Subscribe};
    ///
    /// let mut orders =
    ///     client.subscribe(Subscribe::to("order/#", QoS::AtLeastOnce).manual_acknowledgement()).await?;
    /// while let Some(order) = orders.next().await {
    ///     store(&order)?;
    ///     order.acknowledge()?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn manual_acknowledgement(mut self) -> Self {
        self.is_manual = true;
        self
    }

    /// Adds a property: a subscription identifier or a user property, in version 5.0.
    ///
    /// # Errors
    ///
    /// A value that the protocol does not allow.
    pub fn property(mut self, property: Property<'_>) -> Result<Self, Error> {
        self.properties.push(property)?;
        Ok(self)
    }

    /// The filters with their options, in the order in which they were added.
    pub fn filters(&self) -> impl Iterator<Item = (&str, SubscriptionOptions)> {
        self.filters.iter().map(|(filter, options)| (&**filter, *options))
    }

    /// The properties.
    pub fn properties(&self) -> &PropertyBuffer {
        &self.properties
    }
}

/// The server's answer to SUBSCRIBE or UNSUBSCRIBE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// One code for each filter, in their order. Versions 3.1 and 3.1.1 answer UNSUBSCRIBE without codes: then all
    /// are success.
    pub reasons: Vec<ReasonCode>,
    /// Reason string and user properties.
    pub properties: PropertyBuffer,
}

/// A stream of messages.
///
/// The stream is bounded: when nobody reads it, the client stops reading from its connection, and the server
/// notices. Drop it when the messages are no longer wanted.
#[derive(Debug)]
pub struct Messages(pub(crate) StreamReceiver);

impl Messages {
    /// The next message, `None` when the client has ended.
    pub async fn next(&mut self) -> Option<Message> {
        self.0.next().await
    }

    /// A message that is there already.
    pub fn try_next(&mut self) -> Option<Message> {
        self.0.try_next()
    }

    /// Takes no more messages: those that come from now on are dropped, as when the stream is.
    pub fn close(&mut self) {
        self.0.close();
    }
}

impl Stream for Messages {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        self.0.poll_next(context)
    }
}

/// Subscriptions that the server granted, and their messages.
///
/// A message belongs to all live subscriptions with a filter that matches its topic; where both carry subscription
/// identifiers, those decide. Dropping it does not unsubscribe: messages that still come go to
/// [`Connection::messages`](crate::Connection::messages), which must be read or dropped.
#[derive(Debug)]
pub struct Subscription {
    pub(crate) answer: Answer,
    pub(crate) messages: Messages,
}

impl Subscription {
    /// What the server granted: one code for each filter, of which at least one is no failure.
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// The next message, `None` when the client has ended.
    pub async fn next(&mut self) -> Option<Message> {
        self.messages.next().await
    }

    /// A message that is there already.
    pub fn try_next(&mut self) -> Option<Message> {
        self.messages.try_next()
    }

    /// The stream alone.
    pub fn into_messages(self) -> Messages {
        self.messages
    }
}

impl Stream for Subscription {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        Pin::new(&mut self.messages).poll_next(context)
    }
}
