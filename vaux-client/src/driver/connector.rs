//! Connections for programs that speak the protocol themselves.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use vaux_mqtt::protocol::client::ServerLimits;

use super::attempt::Server;
use super::connect;
use crate::error::{ConnectError, ConnectStage};
use crate::event::Connected;
use crate::options::ConnectOptions;
use crate::transport::{ByteStream, TlsOptions};

/// Makes connections to one server, up to its CONNACK. What comes then is the caller's: load generators, for which a
/// task for each client would be too much, and tests.
///
/// ```no_run
/// use vaux_client::{ConnectOptions, Connector};
///
/// # async fn example() -> Result<(), vaux_client::ConnectError> {
/// let connector = Connector::new(ConnectOptions::new("broker.example", 1883))?;
/// let accepted = connector.connect("client-1").await?;
/// println!("{} messages may be under way", accepted.limits.receive_maximum);
/// # Ok(())
/// # }
/// ```
pub struct Connector {
    server: Server,
}

/// A connection that the server has accepted.
pub struct Accepted {
    /// The stream of bytes, after CONNACK.
    pub stream: Box<dyn ByteStream>,
    /// What was read behind CONNACK.
    pub unread: BytesMut,
    /// What the server said.
    pub connected: Arc<Connected>,
    /// What the server supports, as CONNACK says.
    pub limits: ServerLimits,
    /// How long it took until the stream stood: the name, TCP, TLS, WebSocket.
    pub dial_time: Duration,
    /// How long the server then took to answer CONNECT.
    pub answer_time: Duration,
}

impl Connector {
    /// Reads the files that the options name. Their client identifier does not count. Since every connection is a
    /// client of its own, none resumes the TLS session of another.
    ///
    /// # Errors
    ///
    /// Options that make no sense, and files that cannot be read.
    pub fn new(mut options: ConnectOptions) -> Result<Self, ConnectError> {
        options.tls = options.tls.map(TlsOptions::no_resumption);
        Ok(Connector { server: Server::new(options)? })
    }

    /// Looks up the name of the server. All connections then go to the addresses that it has now.
    ///
    /// # Errors
    ///
    /// The name has no address, or this takes longer than connecting may.
    pub async fn resolve(&mut self) -> Result<(), ConnectError> {
        let timeout = self.server.options.connect_timeout;
        match tokio::time::timeout(timeout, self.server.dialer.resolve()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(ConnectError::Timeout(ConnectStage::Resolve)),
        }
    }

    /// Connects as `client_id`.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    pub async fn connect(&self, client_id: &str) -> Result<Accepted, ConnectError> {
        connect::check_client(&self.server.options, client_id)?;
        let established = self.server.connect_first(client_id).await?;
        let (stream, unread) = established.link.into_parts();
        Ok(Accepted {
            stream,
            unread,
            connected: established.connected,
            limits: *established.machine.limits(),
            dial_time: established.dial_time,
            answer_time: established.answer_time,
        })
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("options", &self.server.options).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Accepted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accepted").field("connected", &self.connected).finish_non_exhaustive()
    }
}
