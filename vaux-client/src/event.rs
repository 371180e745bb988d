//! What happens to the connection, for applications that want to know.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use vaux_mqtt::Version;
use vaux_mqtt::property::PropertyBuffer;

use crate::error::{ConnectError, Disconnected};

/// A change of the connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConnectionEvent {
    /// The server accepted the connection again. The first acceptance is what `Client::connect` returns; a client that
    /// began with `Client::start` is told it here.
    Connected(Arc<Connected>),
    /// The connection ended.
    Disconnected(Disconnected),
    /// Another attempt follows after a pause.
    Reconnecting {
        /// Which attempt it will be since the connection was lost, from 1.
        attempt: u32,
        /// The pause before it.
        after: Duration,
    },
    /// An attempt failed.
    ReconnectFailed(Arc<ConnectError>),
    /// Subscriptions that were made again, since the server had lost the session, were refused.
    SubscriptionsLost(Vec<Box<str>>),
    /// The client has ended and will not connect again. This is the last event.
    Ended,
}

/// What the server said when it accepted the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connected {
    /// The version spoken.
    pub version: Version,
    /// Whether the server had state of the session from before.
    pub session_present: bool,
    /// The client identifier in force, which the server may have assigned.
    pub client_id: Box<str>,
    /// The keep alive in force, in seconds.
    pub keep_alive: u16,
    /// The properties of CONNACK.
    pub properties: PropertyBuffer,
}

/// Receives the events of a connection.
///
/// Whoever does not read misses the oldest events, not the newest; the client never waits.
#[derive(Debug)]
pub struct ConnectionEvents(pub(crate) broadcast::Receiver<ConnectionEvent>);

impl ConnectionEvents {
    /// The next event, `None` after the last one.
    pub async fn next(&mut self) -> Option<ConnectionEvent> {
        loop {
            match self.0.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

impl Clone for ConnectionEvents {
    /// Another receiver, from now on.
    fn clone(&self) -> Self {
        ConnectionEvents(self.0.resubscribe())
    }
}
