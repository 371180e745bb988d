//! Where clients connect.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use vaux_mqtt::{QoS, Version};

use super::network::Network;

/// One place where clients connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerConfig {
    /// What it is called in the log. No two listeners share a name.
    pub name: String,
    /// What is spoken below MQTT.
    pub kind: ListenerKind,
    /// The address and port, but for a unix socket.
    pub bind: Bind,
    /// The path of a unix socket; empty for others.
    pub socket: PathBuf,
    /// Whether clients may connect without saying who they are. `None`: on loopback only, while
    /// nothing authenticates.
    pub allow_anonymous: Option<bool>,
    /// The protocol versions that are served, without repetition.
    pub versions: Vec<Version>,
    /// The highest QoS that clients may publish with, announced when below 2.
    pub maximum_qos: QoS,
    /// Connections at one time. Over it a connection is closed without CONNACK.
    pub max_connections: usize,
    /// Connections of one address at one time, likewise. 0: not limited.
    pub max_connections_per_ip: usize,
    /// Whether all connections come through proxies that speak the PROXY protocol.
    pub proxy_protocol: bool,
    /// Where these proxies are. Connections from elsewhere are closed.
    pub proxy_from: Vec<Network>,
    /// Put before every topic of this listener's clients and taken off again. Listeners with the same mount share
    /// sessions.
    pub mount: String,
    /// How the client identifiers begin that the broker assigns.
    pub auto_id_prefix: String,
    /// User names and hashes of passwords, instead of those of `[auth]`.
    pub password_file: Option<PathBuf>,
    /// An access list, instead of that of `[auth]`.
    pub acl_file: Option<PathBuf>,
    /// Certificate and versions, for a listener with TLS.
    pub tls: ListenerTls,
    /// Path and origins, for a listener with WebSocket.
    pub ws: ListenerWs,
}

impl ListenerConfig {
    /// A listener of this kind on its usual port of 127.0.0.1.
    pub fn new(kind: ListenerKind) -> ListenerConfig {
        ListenerConfig {
            name: "default".into(),
            kind,
            bind: Bind { host: "127.0.0.1".into(), port: kind.usual_port() },
            socket: PathBuf::new(),
            allow_anonymous: None,
            versions: vec![Version::V31, Version::V311, Version::V5],
            maximum_qos: QoS::ExactlyOnce,
            max_connections: 100_000,
            max_connections_per_ip: 0,
            proxy_protocol: false,
            proxy_from: Vec::new(),
            mount: String::new(),
            auto_id_prefix: "auto-".into(),
            password_file: None,
            acl_file: None,
            tls: ListenerTls::default(),
            ws: ListenerWs::default(),
        }
    }

    /// What the listener is called that is the `number`th of a file and has no name there.
    pub(super) fn default_name(number: usize) -> String {
        format!("listener-{number}")
    }

    /// Whether clients may connect without saying who they are when the listener is bound to a place that only this
    /// machine reaches. That a proxy is on this machine says nothing about its clients, and where users are known,
    /// others are not let in by default.
    pub fn allows_anonymous(&self, is_local: bool, has_authentication: bool) -> bool {
        let has_users = has_authentication || self.tls.username_from != UsernameFrom::None;
        self.allow_anonymous.unwrap_or(is_local && !self.proxy_protocol && !has_users)
    }
}

/// What is spoken below MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListenerKind {
    /// Nothing: MQTT over TCP in the clear.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket over TCP in the clear.
    Ws,
    /// WebSocket over TLS.
    Wss,
    /// MQTT over a unix socket, for programs of this machine.
    Unix,
}

impl ListenerKind {
    /// The port that clients expect; 0 where there is none.
    pub fn usual_port(self) -> u16 {
        match self {
            ListenerKind::Tcp => 1883,
            ListenerKind::Tls => 8883,
            ListenerKind::Ws => 8083,
            ListenerKind::Wss => 8084,
            ListenerKind::Unix => 0,
        }
    }

    /// Whether there is TLS in it.
    pub fn has_tls(self) -> bool {
        matches!(self, ListenerKind::Tls | ListenerKind::Wss)
    }

    /// Whether there is WebSocket in it.
    pub fn has_web_socket(self) -> bool {
        matches!(self, ListenerKind::Ws | ListenerKind::Wss)
    }
}

impl fmt::Display for ListenerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ListenerKind::Tcp => "tcp",
            ListenerKind::Tls => "tls",
            ListenerKind::Ws => "ws",
            ListenerKind::Wss => "wss",
            ListenerKind::Unix => "unix",
        })
    }
}

/// How a TLS listener proves itself. Certificate and key are given together; without them the local authority
/// of the data directory makes both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenerTls {
    /// PEM file with the certificate, then those that issued it.
    pub cert: Option<PathBuf>,
    /// PEM file with the certificate's private key.
    pub key: Option<PathBuf>,
    /// More certificates, each for clients that ask for a name that it is valid for.
    pub sni: Vec<CertAndKey>,
    /// PEM file with the authorities whose certificates of clients are accepted. `None`: clients are asked for none.
    pub client_ca: Option<PathBuf>,
    /// PEM file with the revocation lists of these authorities.
    pub crl: Option<PathBuf>,
    /// Whether a client must have a certificate.
    pub require_client_cert: bool,
    /// What in its certificate names the user. A client that is named so needs no password.
    pub username_from: UsernameFrom,
    /// The oldest version of TLS that is accepted.
    pub min_version: TlsVersion,
}

impl ListenerTls {
    /// Whether nobody gets in who is not named by a certificate.
    pub fn names_every_client(&self) -> bool {
        self.require_client_cert && self.username_from != UsernameFrom::None
    }
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertAndKey {
    /// PEM file with the certificate, then those that issued it.
    pub cert: PathBuf,
    /// PEM file with the certificate's private key.
    pub key: PathBuf,
}

/// What in a client's certificate names the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsernameFrom {
    /// Nothing: it only lets the client in.
    #[default]
    None,
    /// The common name of its subject.
    Cn,
    /// The first of its DNS names.
    SanDns,
    /// The SHA-256 of the whole certificate, in lower-case hexadecimal digits.
    Fingerprint,
}

/// What a WebSocket listener lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerWs {
    /// The path of the request; others get 404.
    pub path: String,
    /// The origins of pages that may connect, as browsers send them: `https://example.org`. Pages of others get 403.
    /// Requests without an origin are no pages and may always connect, and so may those whose origin is the host and
    /// port that they ask for, if that is an address, `localhost`, or shown by a certificate.
    pub allowed_origins: Vec<String>,
}

impl Default for ListenerWs {
    fn default() -> ListenerWs {
        ListenerWs { path: "/mqtt".into(), allowed_origins: Vec::new() }
    }
}

/// What is wrong with a path.
pub(super) fn check_path(path: &str) -> Result<(), String> {
    let is_path =
        path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte));
    if is_path { Ok(()) } else { Err(format!("must begin with / and be a path, not {path:?}")) }
}

/// What is wrong with an origin.
pub(super) fn check_origin(origin: &str) -> Result<(), String> {
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    let is_origin = host.is_some_and(|host| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
    });
    if is_origin || origin == "null" {
        Ok(())
    } else {
        Err(format!("must be an origin such as \"https://example.org\", not {origin:?}"))
    }
}

/// Versions of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// A host (an IP address or a name) and a port to listen on. Port 0 lets the system choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// IP address without brackets, or a name.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Bind {
    /// The address, unless the host is a name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl From<SocketAddr> for Bind {
    fn from(address: SocketAddr) -> Bind {
        Bind { host: address.ip().to_string(), port: address.port() }
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Bind {
    type Err = String;

    /// Reads `host:port`, an IPv6 address in brackets.
    fn from_str(text: &str) -> Result<Bind, String> {
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(format!("{text:?} has no port; write for example \"127.0.0.1:1883\""));
        };
        let port = port.parse().map_err(|_| format!("{port:?} is not a port from 0 to 65535"))?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if bracketed.is_none() && host.contains(':') {
            return Err(format!(
                "{text:?} is unclear; write an IPv6 address in brackets, as in \"[::1]:1883\""
            ));
        }
        Ok(Bind { host: check_host(bracketed.unwrap_or(host))?, port })
    }
}

/// Takes an IP address (IPv6 without brackets) or a name that a resolver could know.
pub(crate) fn check_host(host: &str) -> Result<String, String> {
    let is_name = !host.is_empty()
        && host.len() <= 253
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if is_name || host.parse::<IpAddr>().is_ok() {
        Ok(host.to_owned())
    } else {
        Err(format!("{host:?} is neither an IP address nor a host name"))
    }
}
