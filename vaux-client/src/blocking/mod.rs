//! The client for threads: no runtime, no `async`.
//!
//! The protocol runs on a thread of its own, which answers the server, pings and reconnects whatever the application
//! does meanwhile; it may sleep for an hour. All that [`crate::Client`] can do is here under the same names, and waits
//! where the other is awaited. In asynchronous code use that one: these methods block the thread.
//!
//! ```no_run
//! use std::time::Duration;
//! use vaux_client::blocking::Client;
//! use vaux_client::{ConnectOptions, Message, QoS, Subscribe};
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let (client, _) = Client::connect(ConnectOptions::from_url("mqtt://localhost")?)?;
//! let mut rooms = client.subscribe(Subscribe::to("room/+/temperature", QoS::AtLeastOnce))?;
//! client.publish(Message::new("room/1/temperature", "21.5").qos(QoS::AtLeastOnce))?;
//! for message in rooms.iter_timeout(Duration::from_secs(5)) {
//!     println!("{}: {:?}", message.topic, message.payload);
//! }
//! client.disconnect()?;
//! # Ok(())
//! # }
//! ```

mod messages;
mod wait;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

pub use messages::{ConnectionEvents, Messages, Subscription, TimedOut};

use crate::client::Published;
use crate::error::{ConnectError, RequestError, TryPublishError};
use crate::event::Connected;
use crate::message::Message;
use crate::options::ConnectOptions;
use crate::subscription::{Answer, Subscribe};
use vaux_mqtt::ReasonCode;
use vaux_mqtt::property::PropertyBuffer;
use wait::{wait, wait_until};

/// A connected client. Clones are cheap, share the connection, and may be used from several threads.
///
/// Its thread ends after [`Client::disconnect`], when all clones are dropped, or when the connection is lost for good.
/// Disconnect before the process ends: what was handed over and not sent ends with it.
///
/// A thread that waits for an acknowledgement must not be the only one that empties a stream of messages: see
/// [`crate::Client`].
#[derive(Clone, Debug)]
pub struct Client(crate::Client);

/// What comes with a new [`Client`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Connection {
    /// What the server said.
    pub connected: Arc<Connected>,
    /// Later changes of the connection.
    pub events: ConnectionEvents,
    /// Messages that match no live [`Subscription`]; see [`crate::Connection::messages`].
    pub messages: Messages,
}

/// The outcome of a publish that was started.
#[derive(Debug)]
pub struct PublishTicket(crate::PublishTicket);

impl PublishTicket {
    /// Waits for the outcome.
    ///
    /// # Errors
    ///
    /// As for [`Client::publish`].
    pub fn wait(self) -> Result<Published, RequestError> {
        wait(self.0)
    }

    /// Waits for the outcome for as long as `timeout`, `None` when it did not come. Once it came, do not ask again.
    pub fn wait_timeout(&mut self, timeout: Duration) -> Option<Result<Published, RequestError>> {
        wait_until(&mut self.0, Instant::now().checked_add(timeout))
    }

    /// The outcome, `None` while there is none. Once it came, do not ask again.
    pub fn try_wait(&mut self) -> Option<Result<Published, RequestError>> {
        match pin!(&mut self.0).poll(&mut Context::from_waker(Waker::noop())) {
            std::task::Poll::Ready(outcome) => Some(outcome),
            std::task::Poll::Pending => None,
        }
    }
}

impl Client {
    /// Connects, and waits for the server's answer.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`]. Nothing is left behind.
    pub fn connect(options: ConnectOptions) -> Result<(Client, Connection), ConnectError> {
        let (sender, receiver) = sync_channel(1);
        spawn(async move {
            match crate::driver::connect(options).await {
                Ok((client, connection, protocol)) => {
                    // The receiver waits.
                    let _ = sender.send(Ok((client, connection)));
                    protocol.await;
                }
                Err(error) => {
                    let _ = sender.send(Err(error));
                }
            }
        })?;
        let died = || ConnectError::Thread(std::io::Error::other("it ended before it was connected"));
        let (client, connection) = receiver.recv().unwrap_or_else(|_| Err(died()))?;
        let connection = Connection {
            connected: connection.connected,
            events: ConnectionEvents(connection.events),
            messages: Messages(connection.messages),
        };
        Ok((Client(client), connection))
    }

    /// Begins without a connection, like [`crate::Client::start`].
    ///
    /// # Errors
    ///
    /// Options or files that are not valid, or the system gives no thread. Nothing was tried.
    pub fn start(options: ConnectOptions) -> Result<(Client, ConnectionEvents, Messages), ConnectError> {
        let (client, events, messages, driver) = crate::driver::prepare(options)?;
        spawn(driver.start())?;
        Ok((Client(client), ConnectionEvents(events), Messages(messages)))
    }

    /// Publishes a message and waits for the outcome, like [`crate::Client::publish`]: with QoS 0 that it was handed to
    /// the network, with QoS 1 and 2 that the server has it.
    ///
    /// # Errors
    ///
    /// The message was not sent, was refused, or its fate is not known; see [`RequestError`].
    pub fn publish(&self, message: Message) -> Result<Published, RequestError> {
        wait(self.0.publish(message))
    }

    /// Hands a message over and gives a ticket for the outcome, so that many can be under way. Waits only while too
    /// many are. Dropping the ticket does not take the message back.
    ///
    /// # Errors
    ///
    /// The client has ended.
    pub fn start_publish(&self, message: Message) -> Result<PublishTicket, RequestError> {
        wait(self.0.start_publish(message)).map(PublishTicket)
    }

    /// Hands a message over if that is possible without waiting.
    ///
    /// # Errors
    ///
    /// Too many messages wait already, or the client has ended. The message is given back.
    pub fn try_publish(&self, message: Message) -> Result<PublishTicket, TryPublishError> {
        self.0.try_publish(message).map(PublishTicket)
    }

    /// Hands a message over and does not ask what becomes of it. Waits only while too many wait already.
    ///
    /// # Errors
    ///
    /// The client has ended.
    pub fn queue(&self, message: Message) -> Result<(), RequestError> {
        wait(self.0.queue(message))
    }

    /// Subscribes, and waits for the server's answer. Messages come out of the [`Subscription`].
    ///
    /// # Errors
    ///
    /// The server granted no filter ([`RequestError::Refused`]), or the request could not be made.
    pub fn subscribe(&self, request: Subscribe) -> Result<Subscription, RequestError> {
        let crate::Subscription { answer, messages } = wait(self.0.subscribe(request))?;
        Ok(Subscription { answer, messages: Messages(messages) })
    }

    /// Subscribes like [`Client::subscribe`], but messages come out of [`Connection::messages`].
    ///
    /// # Errors
    ///
    /// As for [`Client::subscribe`].
    pub fn subscribe_default(&self, request: Subscribe) -> Result<Answer, RequestError> {
        wait(self.0.subscribe_default(request))
    }

    /// Ends subscriptions, and waits for the server's answer. Their streams end when no filter is left.
    ///
    /// # Errors
    ///
    /// The server refused all filters, or the request could not be made.
    pub fn unsubscribe<F: Into<Box<str>>>(
        &self,
        filters: impl IntoIterator<Item = F>,
    ) -> Result<Answer, RequestError> {
        wait(self.0.unsubscribe(filters))
    }

    /// Ends subscriptions like [`Client::unsubscribe`], with user properties. Version 5.0.
    ///
    /// # Errors
    ///
    /// As for [`Client::unsubscribe`].
    pub fn unsubscribe_with<F: Into<Box<str>>>(
        &self,
        filters: impl IntoIterator<Item = F>,
        properties: PropertyBuffer,
    ) -> Result<Answer, RequestError> {
        wait(self.0.unsubscribe_with(filters, properties))
    }

    /// Authenticates anew with the authenticator of the options. Version 5.0.
    ///
    /// # Errors
    ///
    /// The client has ended.
    pub fn re_authenticate(&self) -> Result<(), RequestError> {
        wait(self.0.re_authenticate())
    }

    /// Sends what was handed over before, as far as the send window allows, then DISCONNECT, and ends the client, like
    /// [`crate::Client::disconnect`].
    ///
    /// # Errors
    ///
    /// The client had ended before, or the connection was lost just now.
    pub fn disconnect(&self) -> Result<(), RequestError> {
        wait(self.0.disconnect())
    }

    /// Disconnects like [`Client::disconnect`], with a reason and properties. Version 5.0.
    ///
    /// # Errors
    ///
    /// As for [`crate::Client::disconnect_with`].
    pub fn disconnect_with(
        &self,
        reason: ReasonCode,
        properties: PropertyBuffer,
    ) -> Result<(), RequestError> {
        wait(self.0.disconnect_with(reason, properties))
    }
}

/// Runs the protocol on a thread of its own.
fn spawn(protocol: impl Future<Output = ()> + Send + 'static) -> Result<(), ConnectError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(ConnectError::Thread)?;
    let run = move || runtime.block_on(protocol);
    std::thread::Builder::new().name("vaux-client".into()).spawn(run).map_err(ConnectError::Thread)?;
    Ok(())
}
