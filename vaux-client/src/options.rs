//! Everything that can be set before connecting.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use vaux_mqtt::property::{Property, PropertyBuffer};
use vaux_mqtt::{Error, Version};

use crate::authenticator::Authenticator;
use crate::error::ConnectError;
use crate::message::Message;
use crate::offline_queue::OfflineQueue;
use crate::reconnect::ReconnectPolicy;
use crate::transport::{Socks5Proxy, TlsOptions, WebSocketOptions};
use crate::url::ServerUrl;

/// Where to connect to, as whom, and how the client behaves.
///
/// ```
/// use std::time::Duration;
/// use vaux_client::{ConnectOptions, Message, TlsOptions};
///
/// let options = ConnectOptions::from_url("mqtts://broker.example:8883")?
///     .client_id("greenhouse-7")
///     .clean_start(false)
///     .session_expiry_interval(3600)
///     .tls(TlsOptions::new().ca_file("ca.pem"))
///     .will(Message::new("greenhouse/7/state", "gone").retain(true));
/// # Ok::<(), vaux_client::ConnectError>(())
/// ```
#[derive(Clone)]
pub struct ConnectOptions {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) bind: Option<IpAddr>,
    pub(crate) unix_socket: Option<PathBuf>,
    pub(crate) proxy: Option<Socks5Proxy>,
    pub(crate) tls: Option<TlsOptions>,
    pub(crate) web_socket: Option<WebSocketOptions>,
    pub(crate) version: Version,
    pub(crate) client_id: String,
    pub(crate) clean_start: bool,
    pub(crate) keep_alive: u16,
    pub(crate) will: Option<Message>,
    pub(crate) user_name: Option<String>,
    pub(crate) password: Option<Bytes>,
    pub(crate) session_expiry_interval: Option<u32>,
    pub(crate) receive_maximum: Option<u16>,
    pub(crate) maximum_packet_size: Option<u32>,
    pub(crate) topic_alias_maximum: Option<u16>,
    pub(crate) properties: PropertyBuffer,
    pub(crate) authenticator: Option<Arc<dyn Fn() -> Box<dyn Authenticator> + Send + Sync>>,
    pub(crate) connect_timeout: Duration,
    pub(crate) reconnect: ReconnectPolicy,
    pub(crate) resubscribe: bool,
    pub(crate) inflight_maximum: Option<u16>,
    pub(crate) outgoing_topic_aliases: u16,
    pub(crate) request_capacity: usize,
    pub(crate) message_capacity: usize,
    pub(crate) is_manual: bool,
    pub(crate) offline_queue: OfflineQueue,
}

impl ConnectOptions {
    /// Plain TCP to a host name or address, with version 5.0, a clean start, a client identifier that the server
    /// assigns, and a keep alive of a minute.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        ConnectOptions {
            host: host.into(),
            port,
            bind: None,
            unix_socket: None,
            proxy: None,
            tls: None,
            web_socket: None,
            version: Version::V5,
            client_id: String::new(),
            clean_start: true,
            keep_alive: 60,
            will: None,
            user_name: None,
            password: None,
            session_expiry_interval: None,
            receive_maximum: None,
            maximum_packet_size: None,
            topic_alias_maximum: None,
            properties: PropertyBuffer::new(),
            authenticator: None,
            connect_timeout: Duration::from_secs(20),
            reconnect: ReconnectPolicy::default(),
            resubscribe: true,
            inflight_maximum: None,
            outgoing_topic_aliases: 0,
            request_capacity: 256,
            message_capacity: 1024,
            is_manual: false,
            offline_queue: OfflineQueue::default(),
        }
    }

    /// The server of a URL: `mqtt://host`, `mqtts://user:password@host:8883`, `ws://host/path`, `wss://host:8084/mqtt`.
    /// The default ports are 1883, 8883, 80 and 443, the default path is `/mqtt`.
    ///
    /// # Errors
    ///
    /// Text that is no such URL.
    pub fn from_url(url: &str) -> Result<Self, ConnectError> {
        let url = ServerUrl::parse(url)?;
        let mut options = ConnectOptions::new(url.host, url.port);
        options.tls = url.tls.then(TlsOptions::new);
        options.web_socket = url.web_socket_path.map(|path| WebSocketOptions::new().path(path));
        options.user_name = url.user_name;
        options.password = url.password.map(Bytes::from);
        Ok(options)
    }

    /// The local address to connect from.
    #[must_use]
    pub fn bind(mut self, address: IpAddr) -> Self {
        self.bind = Some(address);
        self
    }

    /// Connects to a unix socket of this machine, whatever host and port say. There is no TLS and no WebSocket on it.
    #[must_use]
    pub fn unix_socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.unix_socket = Some(path.into());
        self
    }

    /// Connects through a proxy, which looks up the name of the server.
    #[must_use]
    pub fn proxy(mut self, proxy: Socks5Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Uses TLS.
    #[must_use]
    pub fn tls(mut self, tls: TlsOptions) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Speaks MQTT in WebSocket messages.
    #[must_use]
    pub fn web_socket(mut self, web_socket: WebSocketOptions) -> Self {
        self.web_socket = Some(web_socket);
        self
    }

    /// The version to speak. A server that does not speak it refuses; another one is not tried.
    #[must_use]
    pub fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// The client identifier; empty to have the server assign one.
    #[must_use]
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = client_id.into();
        self
    }

    /// Whether the server is to forget what it knows of the client (Clean Session before version 5.0).
    ///
    /// With false the application declares that it continues the session that the server may have: a fresh client
    /// then counts as one that has nothing under way. Reconnections always continue the session, if it can outlive a
    /// connection.
    #[must_use]
    pub fn clean_start(mut self, clean_start: bool) -> Self {
        self.clean_start = clean_start;
        self
    }

    /// The longest silence in seconds before the client pings, 0 for no pings. A server may overrule it.
    #[must_use]
    pub fn keep_alive(mut self, seconds: u16) -> Self {
        self.keep_alive = seconds;
        self
    }

    /// Seconds that the session outlives the connection, `u32::MAX` for ever. By default it ends with the connection. A
    /// server may shorten it; [`Connected::properties`](crate::Connected::properties) say so. Version 5.0.
    #[must_use]
    pub fn session_expiry_interval(mut self, seconds: u32) -> Self {
        self.session_expiry_interval = Some(seconds);
        self
    }

    /// The message that the server publishes when the connection is lost. In version 5.0 it may have a
    /// [`Property::WillDelayInterval`].
    #[must_use]
    pub fn will(mut self, will: Message) -> Self {
        self.will = Some(will);
        self
    }

    /// The user name.
    #[must_use]
    pub fn user_name(mut self, user_name: impl Into<String>) -> Self {
        self.user_name = Some(user_name.into());
        self
    }

    /// The password.
    #[must_use]
    pub fn password(mut self, password: impl Into<Bytes>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// How many messages with QoS above 0 the server may send ahead of acknowledgements, 1 to 65,535. 65,535 by default.
    /// Version 5.0.
    #[must_use]
    pub fn receive_maximum(mut self, messages: u16) -> Self {
        self.receive_maximum = Some(messages);
        self
    }

    /// The largest packet to accept, in bytes, at least 1. In version 5.0 the server is told; in all versions a larger one
    /// ends the connection. By default as large as the protocol allows, 256 MiB.
    #[must_use]
    pub fn maximum_packet_size(mut self, bytes: u32) -> Self {
        self.maximum_packet_size = Some(bytes);
        self
    }

    /// How many topic aliases the server may use. None by default. Version 5.0.
    #[must_use]
    pub fn topic_alias_maximum(mut self, aliases: u16) -> Self {
        self.topic_alias_maximum = Some(aliases);
        self
    }

    /// Adds a property to CONNECT, such as a user property. Properties that have a setter of their own are the same
    /// as calling it. Version 5.0.
    ///
    /// # Errors
    ///
    /// A value that the protocol does not allow. Whether the property may stand in CONNECT is checked when
    /// connecting.
    pub fn property(mut self, property: Property<'_>) -> Result<Self, Error> {
        match property {
            Property::SessionExpiryInterval(seconds) => self.session_expiry_interval = Some(seconds),
            Property::ReceiveMaximum(messages) => self.receive_maximum = Some(messages),
            Property::MaximumPacketSize(bytes) => self.maximum_packet_size = Some(bytes),
            Property::TopicAliasMaximum(aliases) => self.topic_alias_maximum = Some(aliases),
            property => self.properties.push(property)?,
        }
        Ok(self)
    }

    /// Uses enhanced authentication. A new authenticator is made for each connection. Version 5.0.
    #[must_use]
    pub fn authenticator<A: Authenticator + 'static>(
        mut self,
        make: impl Fn() -> A + Send + Sync + 'static,
    ) -> Self {
        self.authenticator = Some(Arc::new(move || Box::new(make())));
        self
    }

    /// How long a connection attempt may take in all: name, TCP, TLS and the server's answer. 20 seconds by default.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// What happens when the connection is lost. The first attempt, in `Client::connect`, is not repeated.
    #[must_use]
    pub fn reconnect(mut self, policy: ReconnectPolicy) -> Self {
        self.reconnect = policy;
        self
    }

    /// Whether to make the subscriptions again when the server has lost the session. On by default.
    #[must_use]
    pub fn resubscribe(mut self, resubscribe: bool) -> Self {
        self.resubscribe = resubscribe;
        self
    }

    /// How many messages with QoS above 0 may be unacknowledged, if the server allows so many; at least 1.
    ///
    /// By default 1024 in version 5.0. Servers of versions 3.1 and 3.1.1 cannot say how many they allow; mosquitto
    /// drops messages with QoS 2 above 20, and 20 is the default there.
    #[must_use]
    pub fn inflight_maximum(mut self, messages: u16) -> Self {
        self.inflight_maximum = Some(messages);
        self
    }

    /// How many topics to send as topic aliases, if the server allows so many: the first ones published to on a
    /// connection. None by default. Version 5.0.
    #[must_use]
    pub fn outgoing_topic_aliases(mut self, aliases: u16) -> Self {
        self.outgoing_topic_aliases = aliases;
        self
    }

    /// How many publishes may wait in front of the connection before the next one waits itself, at least 1. 256 by
    /// default.
    #[must_use]
    pub fn request_capacity(mut self, requests: usize) -> Self {
        self.request_capacity = requests;
        self
    }

    /// How many messages a stream holds before the client stops reading from the connection, at least 1. 1024 by default.
    /// Each stream has as many for itself.
    #[must_use]
    pub fn message_capacity(mut self, messages: usize) -> Self {
        self.message_capacity = messages;
        self
    }

    /// Leaves it to the application to acknowledge the messages of `Connection::messages`, as
    /// [`Subscribe::manual_acknowledgement`](crate::Subscribe::manual_acknowledgement) does for those of a
    /// subscription. A client that goes on with a session needs it: what was not acknowledged comes at once, before
    /// there is a subscription. Dropping `Connection::messages` takes it back.
    #[must_use]
    pub fn manual_acknowledgement(mut self) -> Self {
        self.is_manual = true;
        self
    }

    /// What happens to messages that are published while there is no connection. By default publishers wait.
    #[must_use]
    pub fn offline_queue(mut self, queue: OfflineQueue) -> Self {
        self.offline_queue = queue;
        self
    }

    /// The limit of messages under way in force.
    pub(crate) fn window(&self) -> u16 {
        self.inflight_maximum.unwrap_or(match self.version {
            Version::V5 => 1024,
            Version::V31 | Version::V311 => 20,
        })
    }
}

impl std::fmt::Debug for ConnectOptions {
    /// Without the credentials: it may end up in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls.is_some())
            .field("version", &self.version)
            .field("client_id", &self.client_id)
            .field("clean_start", &self.clean_start)
            .finish_non_exhaustive()
    }
}
