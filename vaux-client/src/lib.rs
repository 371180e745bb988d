//! An asynchronous MQTT client for versions 5.0, 3.1.1 and 3.1.
//!
//! The protocol runs in a task of its own: it reconnects, resumes the session, sends unacknowledged messages again,
//! and makes subscriptions again when the server lost them. Applications hold a [`Client`], which is cheap to clone,
//! and read messages from streams. All queues are bounded in both directions: who publishes too fast waits, and when
//! nobody reads a stream the server is not read from either.
//!
//! # Example
//!
//! ```no_run
//! use vaux_client::{Client, ConnectOptions, Message, QoS, Subscribe};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let (client, _connection) = Client::connect(ConnectOptions::from_url("mqtt://localhost")?).await?;
//! let mut rooms = client.subscribe(Subscribe::to("room/+/temperature", QoS::AtLeastOnce)).await?;
//! client.publish(Message::new("room/1/temperature", "21.5").qos(QoS::AtLeastOnce)).await?;
//! if let Some(message) = rooms.next().await {
//!     println!("{}: {:?}", message.topic, message.payload);
//! }
//! client.disconnect().await?;
//! # Ok(())
//! # }
//! ```

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
mod subscription;
mod transport;
mod url;

pub use acknowledgement::{AcknowledgeError, Acknowledgement};
pub use authenticator::Authenticator;
pub use client::{Client, Connection, PublishTicket, Published};
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
pub use transport::{Socks5Proxy, TlsOptions, WebSocketOptions};
pub use url::ServerUrl;

pub use vaux_mqtt::packet::{PacketId, RetainHandling, SubscriptionOptions};
pub use vaux_mqtt::property::{Property, PropertyBuffer};
/// A value that the protocol does not allow in a property.
pub use vaux_mqtt::{Error as PropertyError, QoS, ReasonCode, Version};
