//! What can go wrong, one type for each thing that an application asks for.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use vaux_mqtt::error::Rule;
use vaux_mqtt::property::PropertyBuffer;
use vaux_mqtt::{Error, ReasonCode};

use crate::message::Message;

/// Why there is no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The options contradict each other, or hold what the protocol does not allow. Nothing was tried.
    Options(String),
    /// A file that the options name cannot be read or does not hold what it should.
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The name of the server has no address.
    Resolve {
        /// The name.
        host: String,
        /// What the system said.
        source: io::Error,
    },
    /// No TCP connection to any address of the server.
    Tcp {
        /// The address that was tried last.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// No connection to a unix socket.
    Unix {
        /// Its path.
        path: std::path::PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The proxy does not connect to the server.
    Proxy {
        /// Host and port of the proxy.
        proxy: String,
        /// What it said, or what is wrong with its answer.
        reason: String,
    },
    /// TLS could not be established: certificate not trusted, wrong name, no common version …
    Tls {
        /// The name that the certificate was to be valid for.
        server_name: String,
        /// What went wrong.
        source: io::Error,
    },
    /// The server answers with TLS, and this connection has none.
    AnswersWithTls,
    /// The server does not let a WebSocket connection begin.
    WebSocket {
        /// The path that was asked for.
        path: String,
        /// What the server answered instead, or what is wrong with its answer.
        reason: String,
    },
    /// The server did not answer within the connect timeout.
    Timeout(ConnectStage),
    /// The connection was lost before the server answered.
    Lost(io::Error),
    /// The server closed the connection instead of answering. Servers of versions 3.1 and 3.1.1 refuse so.
    ClosedByServer,
    /// The server refused.
    Refused(Refusal),
    /// What the server sent is no valid answer.
    Protocol(Error),
    /// The authenticator gave up.
    Authentication(String),
    /// The system gives the blocking client no thread, or no means to wait for sockets.
    Thread(io::Error),
}

/// What a connection attempt waited for when its time was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectStage {
    /// The addresses of the server's name.
    Resolve,
    /// The TCP connection, or that to a unix socket.
    Tcp,
    /// The answer of the proxy.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// The opening handshake of WebSocket.
    WebSocket,
    /// CONNACK.
    ConnAck,
}

/// A CONNACK that says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why. For versions 3.1 and 3.1.1 what the return code stands for.
    pub reason: ReasonCode,
    /// Reason string, server reference, user properties.
    pub properties: PropertyBuffer,
}

/// The kinds of [`ConnectError`] that callers act on differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectErrorKind {
    /// Wrong options or files.
    Options,
    /// DNS, TCP, TLS or WebSocket did not come about, or the connection was lost.
    Unreachable,
    /// Nothing came within the connect timeout.
    Timeout,
    /// The server does not accept who the client is.
    Authentication,
    /// The server refused for another reason.
    Refused,
    /// The server broke the protocol.
    Protocol,
}

impl ConnectError {
    /// Which kind it is.
    pub fn kind(&self) -> ConnectErrorKind {
        match self {
            ConnectError::Options(_) | ConnectError::File { .. } => ConnectErrorKind::Options,
            ConnectError::Resolve { .. }
            | ConnectError::Tcp { .. }
            | ConnectError::Unix { .. }
            | ConnectError::Proxy { .. }
            | ConnectError::Tls { .. }
            | ConnectError::AnswersWithTls
            | ConnectError::WebSocket { .. }
            | ConnectError::Lost(_)
            | ConnectError::Thread(_) => ConnectErrorKind::Unreachable,
            ConnectError::Timeout(_) => ConnectErrorKind::Timeout,
            ConnectError::Authentication(_) => ConnectErrorKind::Authentication,
            ConnectError::Refused(refusal) if refusal.is_authentication() => ConnectErrorKind::Authentication,
            ConnectError::Refused(_) | ConnectError::ClosedByServer => ConnectErrorKind::Refused,
            ConnectError::Protocol(_) => ConnectErrorKind::Protocol,
        }
    }

    /// The reason code of a refusal.
    pub fn reason(&self) -> Option<ReasonCode> {
        match self {
            ConnectError::Refused(refusal) => Some(refusal.reason),
            _ => None,
        }
    }

    /// Whether trying again in the same way is pointless.
    pub(crate) fn is_permanent(&self) -> bool {
        match self {
            ConnectError::Options(_) | ConnectError::Authentication(_) => true,
            ConnectError::Refused(refusal) => is_permanent(refusal.reason),
            _ => false,
        }
    }
}

impl Refusal {
    /// Whether the server does not accept who the client is: 0x86, 0x87, 0x8A or 0x8C.
    pub fn is_authentication(&self) -> bool {
        matches!(
            self.reason,
            ReasonCode::BadUserNameOrPassword
                | ReasonCode::NotAuthorized
                | ReasonCode::Banned
                | ReasonCode::BadAuthenticationMethod
        )
    }
}

/// Whether a server that ends or refuses a connection for `reason` does not want the same client to come back.
///
/// After a takeover, coming back would throw out the other connection, which would come back in turn.
pub(crate) fn is_permanent(reason: ReasonCode) -> bool {
    matches!(
        reason,
        ReasonCode::UnsupportedProtocolVersion
            | ReasonCode::ClientIdentifierNotValid
            | ReasonCode::BadUserNameOrPassword
            | ReasonCode::NotAuthorized
            | ReasonCode::Banned
            | ReasonCode::BadAuthenticationMethod
            | ReasonCode::SessionTakenOver
            | ReasonCode::UseAnotherServer
            | ReasonCode::ServerMoved
    )
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Options(text) => f.write_str(text),
            ConnectError::File { path, reason } => write!(f, "{}: {reason}", path.display()),
            ConnectError::Resolve { host, source } => write!(f, "cannot resolve {host}: {source}"),
            ConnectError::Tcp { address, source } => write!(f, "cannot connect to {address}: {source}"),
            ConnectError::Unix { path, source } => {
                write!(f, "cannot connect to {}: {source}", path.display())
            }
            ConnectError::Proxy { proxy, reason } => write!(f, "not through the proxy {proxy}: {reason}"),
            ConnectError::Tls { server_name, source } if source.kind() == io::ErrorKind::UnexpectedEof => {
                write!(f, "TLS with {server_name} failed: the server closed the connection")
            }
            ConnectError::Tls { server_name, source } => write!(f, "TLS with {server_name} failed: {source}"),
            ConnectError::AnswersWithTls => f.write_str("the server answers with TLS, not with MQTT"),
            ConnectError::WebSocket { path, reason } => write!(f, "no WebSocket at {path}: {reason}"),
            ConnectError::Timeout(stage) => write!(f, "timed out waiting for {stage}"),
            ConnectError::Lost(source) => write!(f, "connection lost before the server answered: {source}"),
            ConnectError::ClosedByServer => f.write_str("the server closed the connection without an answer"),
            ConnectError::Refused(refusal) => write!(f, "{refusal}"),
            ConnectError::Protocol(error) => write!(f, "the server broke the protocol: {error}"),
            ConnectError::Authentication(text) => write!(f, "authentication failed: {text}"),
            ConnectError::Thread(source) => write!(f, "cannot start the client's thread: {source}"),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ConnectError::Resolve { source, .. }
            | ConnectError::Tcp { source, .. }
            | ConnectError::Unix { source, .. }
            | ConnectError::Tls { source, .. }
            | ConnectError::Lost(source)
            | ConnectError::Thread(source) => Some(source),
            ConnectError::Protocol(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for ConnectStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConnectStage::Resolve => "the address of the server",
            ConnectStage::Tcp => "the connection",
            ConnectStage::Proxy => "the proxy",
            ConnectStage::Tls => "the TLS handshake",
            ConnectStage::WebSocket => "the WebSocket handshake",
            ConnectStage::ConnAck => "the server's answer to CONNECT",
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server refused the connection: {}", self.reason)?;
        match self.properties.list().reason_string() {
            Some(text) => write!(f, " ({text})"),
            None => Ok(()),
        }
    }
}

/// Why a connection ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Disconnected {
    /// The application asked for it.
    ByClient,
    /// The server sent DISCONNECT.
    ByServer {
        /// Why.
        reason: ReasonCode,
        /// Reason string, server reference, user properties.
        properties: PropertyBuffer,
    },
    /// The server closed the connection without a word.
    Closed,
    /// The network failed.
    Lost(Arc<io::Error>),
    /// The server broke the protocol and was told so.
    Protocol(Error),
    /// The server did not answer PINGREQ in time.
    KeepAliveTimeout,
    /// The authenticator gave up during re-authentication.
    Authentication(String),
}

impl Disconnected {
    /// The reason code of a DISCONNECT from the server.
    pub fn reason(&self) -> Option<ReasonCode> {
        match self {
            Disconnected::ByServer { reason, .. } => Some(*reason),
            _ => None,
        }
    }
}

impl fmt::Display for Disconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Disconnected::ByClient => f.write_str("disconnected as asked"),
            Disconnected::ByServer { reason, properties } => {
                write!(f, "the server disconnected: {reason}")?;
                match properties.list().reason_string() {
                    Some(text) => write!(f, " ({text})"),
                    None => Ok(()),
                }
            }
            Disconnected::Closed => f.write_str("the server closed the connection"),
            Disconnected::Lost(error) => write!(f, "connection lost: {error}"),
            Disconnected::Protocol(error) => write!(f, "the server broke the protocol: {error}"),
            Disconnected::KeepAliveTimeout => f.write_str("the server did not answer PINGREQ in time"),
            Disconnected::Authentication(text) => write!(f, "authentication failed: {text}"),
        }
    }
}

/// Why a message was not taken without waiting. It is given back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryPublishError {
    /// As many messages as may be wait in front of the connection.
    Full(Message),
    /// The client has ended.
    Ended(Message),
}

impl fmt::Display for TryPublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryPublishError::Full(_) => "too many messages wait to be sent",
            TryPublishError::Ended(_) => "the client has ended",
        })
    }
}

impl std::error::Error for TryPublishError {}

/// Why a request was not carried out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RequestError {
    /// The request breaks a rule of the protocol or asks for what this server said it does not offer. It was not
    /// sent.
    Invalid(Error),
    /// The server answered with failures only. One code for each filter; a single one for a message.
    Refused {
        /// The codes.
        reasons: Vec<ReasonCode>,
        /// Reason string and user properties.
        properties: PropertyBuffer,
    },
    /// The connection ended before the answer came, and the request is not repeated.
    Disconnected,
    /// The server forgot the session while a message with QoS 2 was under way, so that nobody can say whether it
    /// arrived.
    SessionLost,
    /// There is no connection, and the [`OfflineQueue`](crate::OfflineQueue) has no room for the message.
    QueueFull,
    /// The message waited for a connection, and was dropped from the [`OfflineQueue`](crate::OfflineQueue) for newer
    /// ones.
    Dropped,
    /// The message waited longer than its Message Expiry Interval, and was not sent.
    Expired,
    /// The client has ended: by `disconnect`, or because it could not or was not to reconnect.
    Ended,
}

impl RequestError {
    pub(crate) fn invalid(rule: Rule, version: vaux_mqtt::Version) -> Self {
        RequestError::Invalid(Error::new(rule, version, 0))
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::Invalid(error) => write!(f, "{}: {}", error.requirement(), error.rule()),
            RequestError::Refused { reasons, properties } => {
                f.write_str("the server refused:")?;
                reasons.iter().try_for_each(|reason| write!(f, " {reason}"))?;
                match properties.list().reason_string() {
                    Some(text) => write!(f, " ({text})"),
                    None => Ok(()),
                }
            }
            RequestError::Disconnected => f.write_str("the connection ended before the answer came"),
            RequestError::SessionLost => {
                f.write_str("the server lost the session while the message was under way")
            }
            RequestError::QueueFull => {
                f.write_str("there is no connection, and the queue of messages is full")
            }
            RequestError::Dropped => f.write_str("the message was dropped from a full queue for newer ones"),
            RequestError::Expired => f.write_str("the message expired before it could be sent"),
            RequestError::Ended => f.write_str("the client has ended"),
        }
    }
}

impl std::error::Error for RequestError {}
