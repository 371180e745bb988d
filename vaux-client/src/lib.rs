//! An MQTT client for versions 5.0, 3.1.1 and 3.1, asynchronous and [blocking].
//!
//! The protocol runs on its own, in a task or on a thread: it pings, reconnects, resumes the session, sends
//! unacknowledged messages again, and makes subscriptions again when the server lost them. Applications hold a
//! [`Client`], which is cheap to clone, and read messages from streams. There is no event loop to poll. All queues are
//! bounded in both directions: who publishes too fast waits, and when nobody reads a stream the server is not read from
//! either.
//!
//! # A tour
//!
//! Connect, subscribe, publish. [`Client::publish`] returns when the server has the message, with what it said about it:
//!
//! ```no_run
//! use vaux_client::{Client, ConnectOptions, Message, QoS, Subscribe};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let (client, _) = Client::connect(ConnectOptions::from_url("mqtt://localhost")?).await?;
//! let mut rooms = client.subscribe(Subscribe::to("room/+/temperature", QoS::AtLeastOnce)).await?;
//! client.publish(Message::new("room/1/temperature", "21.5").qos(QoS::AtLeastOnce)).await?;
//! if let Some(message) = rooms.next().await {
//!     println!("{}: {:?}", message.topic, message.payload);
//! }
//! client.disconnect().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Threads have the same in [`blocking`], where there is nothing to await.
//!
//! ## Publishing
//!
//! | | waits | tells the outcome |
//! |---|---|---|
//! | [`Client::publish`] | for the acknowledgement | yes |
//! | [`Client::start_publish`] | for room in the queue | by a [`PublishTicket`] |
//! | [`Client::try_publish`] | never | by a [`PublishTicket`] |
//! | [`Client::queue`] | for room in the queue | no |
//!
//! To keep many messages under way, collect tickets:
//!
//! ```no_run
//! # async fn example(client: vaux_client::Client) -> Result<(), vaux_client::RequestError> {
//! # use vaux_client::{Message, QoS};
//! let mut tickets = Vec::new();
//! for number in 0..1000 {
//!     let message = Message::new("count", number.to_string()).qos(QoS::AtLeastOnce);
//!     tickets.push(client.start_publish(message).await?);
//! }
//! for ticket in tickets {
//!     ticket.await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! ## Receiving
//!
//! Each [`Subscription`] is a stream of its own, and ends when it is unsubscribed. A message is acknowledged when it is
//! in its stream; with [`Subscribe::manual_acknowledgement`] only when the application says
//! [`Message::acknowledge`], so that what it was about to store when it crashed comes again.
//!
//! What no live subscription wants comes out of [`Connection::messages`], also when a [`Subscription`] was dropped and not
//! unsubscribed. Read that stream or drop it, as the examples do: one that is kept and not read stops the client once it is
//! full.
//!
//! ## When the connection is lost
//!
//! The client reconnects as the [`ReconnectPolicy`] says, and goes on with its session. Whoever wants to know reads
//! [`Connection::events`]. Publishers wait meanwhile, or an [`OfflineQueue`] keeps what they publish; [`Client::start`]
//! begins without a connection.
//!
//! ```no_run
//! use std::time::Duration;
//! use vaux_client::{Client, ConnectOptions, OfflineQueue, ReconnectPolicy, WhenFull};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let options = ConnectOptions::from_url("mqtts://broker.example")?
//!     .client_id("meter-7")
//!     .clean_start(false)
//!     .session_expiry_interval(3600)
//!     .reconnect(ReconnectPolicy::backoff(Duration::from_secs(1), Duration::from_secs(60)))
//!     .offline_queue(OfflineQueue::new(10_000).when_full(WhenFull::DropOldest));
//! let (client, mut events, _messages) = Client::start(options)?;
//! while let Some(event) = events.next().await {
//!     println!("{event:?}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! ## Ways to the server
//!
//! The URL says most of it: `mqtt://`, `mqtts://`, `ws://` and `wss://`. The rest is in the options:
//!
//! ```
//! use vaux_client::{ConnectOptions, ScramSha256, Socks5Proxy, TlsOptions, WebSocketOptions};
//!
//! // An authority of one's own, a client certificate, and a proxy that looks the name up.
//! let tls = TlsOptions::new().ca_file("ca.pem").client_certificate("me.pem", "me.key");
//! let options = ConnectOptions::new("broker.example", 8883)
//!     .tls(tls)
//!     .proxy(Socks5Proxy::parse("socks5h://proxy.example")?);
//!
//! // WebSocket with a header that a gateway asks for.
//! let web_socket = WebSocketOptions::new().path("/broker").header("Authorization", "Bearer 0123");
//! let options = ConnectOptions::new("broker.example", 80).web_socket(web_socket);
//!
//! // A password that is never sent.
//! let options = ConnectOptions::new("broker.example", 1883)
//!     .authenticator(|| ScramSha256::new("alice", "secret"));
//! # Ok::<(), vaux_client::ConnectError>(())
//! ```
//!
//! The folder `examples` has a small program for each of these.

mod acknowledgement;
mod authenticator;
pub mod blocking;
mod client;
mod driver;
mod error;
mod event;
mod message;
mod offline_queue;
mod options;
mod reconnect;
mod scram;
mod stream;
mod subscription;
mod transport;
mod url;

pub use acknowledgement::{AcknowledgeError, Acknowledgement};
pub use authenticator::Authenticator;
pub use client::{Client, Connection, PublishTicket, Published};
pub use driver::{Accepted, Connector};
pub use error::{
    ConnectError, ConnectErrorKind, ConnectStage, Disconnected, Refusal, RequestError, TryPublishError,
};
pub use event::{Connected, ConnectionEvent, ConnectionEvents};
pub use message::Message;
pub use offline_queue::{OfflineQueue, WhenFull};
pub use options::ConnectOptions;
pub use reconnect::ReconnectPolicy;
pub use scram::ScramSha256;
pub use subscription::{Answer, Messages, Subscribe, Subscription};
pub use transport::{ByteStream, Socks5Proxy, TlsOptions, WebSocketOptions};
pub use url::ServerUrl;

pub use vaux_mqtt::packet::{PacketId, RetainHandling, SubscriptionOptions};
pub use vaux_mqtt::property::{Property, PropertyBuffer};
pub use vaux_mqtt::protocol::client::ServerLimits;
/// A value that the protocol does not allow in a property.
pub use vaux_mqtt::{Error as PropertyError, QoS, ReasonCode, Version};
