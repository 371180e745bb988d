//! From flags to a connection: what the flags and the environment say, whom to trust, who to be.
//!
//! The order is: flags, `VAUX_*` variables, a file of flags, defaults.

mod args;
mod environment;
mod key_password;
mod operator;
pub(crate) mod password;
mod profile;
mod property;
mod publisher;
mod session;
mod shared;
mod subscribing;
mod transport;
mod trust;

use std::io;
use std::path::PathBuf;

use vaux_client::{
    ConnectError, ConnectErrorKind, ConnectOptions, ConnectStage, Message, PropertyBuffer, QoS, ReasonCode,
    Version,
};

use crate::cli_error::CliError;
use crate::output::talk::Talk;
use args::Origin;
pub(crate) use args::{ConnectArgs, parse_qos};
pub(crate) use operator::connect_as_operator;
pub(crate) use profile::other_flags;
pub(crate) use property::{Place, PropertyLists};
pub(crate) use publisher::{Failure, Publisher};
pub(crate) use session::{Events, Inbox, Interrupt, Link, Session, block_on, close, connect, tell};
pub(crate) use shared::{Observer, SharedConnection, State};
pub(crate) use subscribing::{ReconnectArgs, any_matches, check_filter, parse_seconds, subscribe};
use transport::Target;
use trust::Trust;

/// Everything that is known before connecting.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// For the client.
    pub(crate) options: ConnectOptions,
    /// The version that will be spoken.
    pub(crate) version: Version,
    /// The properties of `-D`.
    pub(crate) properties: PropertyLists,
    target: Target,
    trust: Option<Trust>,
    /// The token of the operator, if the user named nobody.
    operator_token: Option<PathBuf>,
    /// The connection to use, if one is open already.
    shared: Option<SharedConnection>,
}

/// A server, for what makes connections of its own: its URL, and the file with the certificates to trust there, if there
/// is one. Who is given neither finds the server and its authority where all commands do.
pub(crate) fn server(
    url: Option<&str>,
    cafile: Option<PathBuf>,
    insecure: bool,
) -> Result<(String, Option<PathBuf>), CliError> {
    let args = ConnectArgs::to_server(url, cafile, insecure).map_err(CliError::usage)?.with_environment()?;
    let target = Target::new(&args);
    if let Some(path) = target.unix_socket {
        let path = path.display();
        return Err(CliError::usage(format!(
            "{path}: a Unix socket cannot be used here; --url names a server"
        )));
    }
    let data_dir = args.data_dir.clone().or_else(vaux_broker::program::default_data_dir);
    let cafile = match Trust::new(&args.tls, &target, data_dir.as_deref()) {
        Trust::Named => args.tls.cafile,
        Trust::Local(authority) => Some(authority),
        Trust::LocalMissing(_) | Trust::System | Trust::Nobody => None,
    };
    Ok((url.map_or_else(|| target.to_string(), str::to_owned), cafile))
}

impl ConnectArgs {
    /// These flags over the variables of the environment, and those over a file of flags. Where the connection is known
    /// already, neither counts.
    pub(crate) fn with_environment(self) -> Result<ConnectArgs, CliError> {
        if let Origin::Open(_) | Origin::Known = self.origin {
            return Ok(self);
        }
        self.check()?;
        let upper = self.over(environment::read(|name| std::env::var_os(name))?);
        match profile::path(upper.options.as_deref(), upper.profile.as_deref())? {
            Some(path) => {
                let lower = profile::connection_flags(&path)?;
                lower.check()?;
                Ok(upper.over(lower))
            }
            None => Ok(upper),
        }
    }

    /// What to connect to and how, for a command that gives properties to the packets in `places`.
    pub(crate) fn plan(self, places: &[Place], talk: Talk) -> Result<Plan, CliError> {
        if let Origin::Open(shared) = &self.origin {
            return self.share(shared, places);
        }
        let version = self.protocol_version.map_or(Version::V5, args::ProtocolVersion::version);
        self.check_together(version)?;
        let properties = PropertyLists::read(&self.properties, places)?;
        let target = Target::new(&self);
        let data_dir = self.data_dir.clone().or_else(vaux_broker::program::default_data_dir);
        let trust = target.tls.then(|| Trust::new(&self.tls, &target, data_dir.as_deref()));
        let mut options = ConnectOptions::new(&target.host, target.port)
            .version(version)
            .client_id(self.client_id(version))
            .clean_start(!self.keep_session);
        if let Some(path) = &target.unix_socket {
            options = options.unix_socket(path);
        }
        if let Some(path) = &target.web_socket_path {
            options = options.web_socket(self.web_socket.options(path));
        }
        if let Some(trust) = &trust {
            options = options.tls(key_password::unlock(trust::tls_options(&self.tls, trust), &self.tls)?);
        }
        if let Some(address) = self.bind {
            options = options.bind(address);
        }
        if let Some(proxy) = self.proxy.clone() {
            options = options.proxy(proxy);
        }
        if let Some(seconds) = self.keepalive {
            options = options.keep_alive(seconds);
        }
        let never = self.keep_session && version.has_properties();
        if let Some(seconds) = self.session_expiry.or(never.then_some(u32::MAX)) {
            options = options.session_expiry_interval(seconds);
        }
        for property in properties.of(Place::Connect).list() {
            options =
                options.property(property).map_err(|error| CliError::usage(error.rule().to_string()))?;
        }
        if let Some(will) = self.will(properties.of(Place::Will))? {
            options = options.will(will);
        }
        // Behind a proxy this machine's names are the proxy's: it must not get the token.
        let operator_token = match self.names_somebody() || self.proxy.is_some() {
            true => None,
            false => operator::token_file(&target, data_dir.as_deref()),
        };
        options = self.credentials(options, version, &target, talk)?;
        Ok(Plan { options, version, properties, target, trust, operator_token, shared: None })
    }

    /// An open connection as it is, with the properties of what is sent over it.
    fn share(&self, shared: &SharedConnection, places: &[Place]) -> Result<Plan, CliError> {
        let plan = shared.plan();
        if !plan.version.has_properties() && !self.properties.is_empty() {
            return Err(CliError::usage("-D needs version 5"));
        }
        let is_later = |place: &Place| !matches!(place, Place::Connect | Place::Will | Place::Disconnect);
        let places: Vec<_> = places.iter().copied().filter(is_later).collect();
        let properties = PropertyLists::read(&self.properties, &places)?;
        Ok(Plan { properties, operator_token: None, shared: Some(shared.clone()), ..plan.clone() })
    }

    /// Refuses what makes no sense in all layers together.
    fn check_together(&self, version: Version) -> Result<(), CliError> {
        self.host.as_deref().map_or(Ok(()), transport::check_host)?;
        let needs = |flag: &str, other: &str| Err(CliError::usage(format!("{flag} needs {other}")));
        let will = &self.will;
        if will.will_topic.is_none() {
            for (is_given, flag) in [
                (will.will_payload.is_some(), "--will-payload"),
                (will.will_qos.is_some(), "--will-qos"),
                (will.will_retain, "--will-retain"),
            ] {
                if is_given {
                    return needs(flag, "--will-topic");
                }
            }
        }
        let is_web_socket =
            self.web_socket.ws || self.url.as_ref().is_some_and(|url| url.server.web_socket_path.is_some());
        if !is_web_socket && self.web_socket.ws_path.is_some() {
            return needs("--ws-path", "--ws");
        }
        if !is_web_socket && !self.web_socket.ws_header.is_empty() {
            return needs("--ws-header", "--ws");
        }
        match (&self.tls.cert, &self.tls.key) {
            (Some(_), None) => return needs("--cert", "--key"),
            (None, Some(_)) => return needs("--key", "--cert"),
            (None, None) if self.tls.key_password_file.is_some() => {
                return needs("--key-password-file", "--key");
            }
            _ => {}
        }
        if self.keep_session && self.id.as_ref().is_none_or(String::is_empty) && self.id_prefix.is_none() {
            return needs("-c", "a client identifier (-i or -I) to find the session again");
        }
        if !version.has_properties() {
            if self.session_expiry.is_some() {
                return needs("-x", "version 5; earlier ones keep a session for ever with -c");
            }
            if !self.properties.is_empty() {
                return needs("-D", "version 5");
            }
        }
        Ok(())
    }

    /// Version 5 servers assign an identifier to a client that has none; not all earlier ones do.
    fn client_id(&self, version: Version) -> String {
        match (&self.id, &self.id_prefix) {
            (Some(id), _) => id.clone(),
            (None, Some(prefix)) => format!("{prefix}{}", std::process::id()),
            (None, None) if version.has_properties() => String::new(),
            (None, None) => format!("vaux-{:016x}", random()),
        }
    }

    fn will(&self, properties: PropertyBuffer) -> Result<Option<Message>, CliError> {
        let Some(topic) = &self.will.will_topic else {
            if !properties.is_empty() {
                return Err(CliError::usage("-D will needs --will-topic"));
            }
            return Ok(None);
        };
        check_topic("--will-topic", topic)?;
        let payload = self.will.will_payload.clone().unwrap_or_default();
        let mut will = Message::new(topic.as_str(), payload)
            .qos(self.will.will_qos.unwrap_or(QoS::AtMostOnce))
            .retain(self.will.will_retain);
        will.properties = properties;
        Ok(Some(will))
    }

    /// Whether the user says who to be.
    pub(crate) fn names_somebody(&self) -> bool {
        let url = self.url.as_ref().map(|url| &url.server);
        self.username.is_some()
            || self.password.is_some()
            || self.password_file.is_some()
            || url.is_some_and(|url| url.user_name.is_some() || url.password.is_some())
    }

    fn credentials(
        &self,
        mut options: ConnectOptions,
        version: Version,
        target: &Target,
        talk: Talk,
    ) -> Result<ConnectOptions, CliError> {
        let url = self.url.as_ref().map(|url| &url.server);
        let user_name = self.username.clone().or_else(|| url.and_then(|url| url.user_name.clone()));
        let password = match (&self.password, &self.password_file) {
            (Some(Some(password)), _) => Some(password.clone().into_bytes()),
            (Some(None), _) => {
                Some(password::ask(user_name.as_deref(), &target.host).map_err(CliError::Stdio)?)
            }
            (None, Some(path)) => {
                Some(password::read(path).map_err(|source| CliError::File { path: path.clone(), source })?)
            }
            (None, None) => url.and_then(|url| url.password.clone()),
        };
        if password.is_some() && user_name.is_none() && !version.has_properties() {
            return Err(CliError::usage("before version 5 a password needs a user name (-u)"));
        }
        // What stands for this machine stands for the proxy's there.
        let stays_here = target.is_loopback() && self.proxy.is_none();
        if password.is_some() && !target.tls && !stays_here {
            talk.warning(format_args!("the password goes to {} in the clear", target.host));
        }
        if let Some(user_name) = user_name {
            options = options.user_name(user_name);
        }
        if let Some(password) = password {
            options = options.password(password);
        }
        Ok(options)
    }
}

/// Refuses a topic that a message cannot be published under.
pub(crate) fn check_topic(flag: &str, topic: &str) -> Result<(), CliError> {
    match vaux_mqtt::topic::TopicName::new(topic) {
        Ok(_) => Ok(()),
        Err(rule) => Err(CliError::usage(format!("{flag} {topic:?}: {}", rule.text()))),
    }
}

/// A number that two clients started at the same time do not share.
pub(crate) fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

impl Plan {
    /// The error of a failed attempt, with what could be done about it.
    pub(crate) fn connect_error(&self, source: ConnectError) -> CliError {
        let hint = self.hint(&source);
        CliError::Connect { server: self.target.to_string(), source, hint }
    }

    fn hint(&self, error: &ConnectError) -> Option<String> {
        match error {
            ConnectError::Tcp { source, .. }
                if source.kind() == io::ErrorKind::ConnectionRefused && self.target.is_loopback() =>
            {
                self.starting_hint()
            }
            ConnectError::Unix { source, .. } if source.kind() == io::ErrorKind::ConnectionRefused => {
                Some("no broker listens there any more".to_owned())
            }
            // What is no TLS at all: rustls found an end, or bytes of another protocol.
            ConnectError::Tls { source, .. }
                if matches!(source.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
                    || source.to_string().contains("InvalidContentType") =>
            {
                self.other_transport_hint()
            }
            ConnectError::Tls { .. } => self.trust_hint(),
            // TLS it is: the server does not take the client's certificate, say.
            ConnectError::Lost(source) if source.to_string().contains("fatal alert") => None,
            ConnectError::Timeout(ConnectStage::Tls | ConnectStage::ConnAck)
            | ConnectError::ClosedByServer
            | ConnectError::Lost(_) => self.other_transport_hint(),
            ConnectError::AnswersWithTls => Some(format!(
                "with TLS it is {}://{}; --plain and mqtt:// are without",
                transport::scheme(self.target.web_socket_path.is_some(), true),
                self.target.address()
            )),
            ConnectError::Refused(refusal) if refusal.reason == ReasonCode::UnsupportedProtocolVersion => {
                Some("-V 311 speaks the version before".to_owned())
            }
            _ if error.kind() == ConnectErrorKind::Authentication => {
                Some("-u USER -P gives a user name and asks for the password".to_owned())
            }
            _ => None,
        }
    }

    /// How to start a broker where there is none. WebSocket takes a configuration file.
    fn starting_hint(&self) -> Option<String> {
        let port = match (self.target.tls, self.target.port) {
            (true, 8883) | (false, 1883) => String::new(),
            (_, port) => format!(" -p {port}"),
        };
        let hint = match self.target.tls {
            true => format!("`vaux broker{port}` starts a broker here; for one without TLS add --plain"),
            false => format!("`vaux broker --plain{port}` starts a broker without TLS here"),
        };
        self.target.web_socket_path.is_none().then_some(hint)
    }

    fn other_transport_hint(&self) -> Option<String> {
        let other = if self.target.tls { "plain TCP" } else { "TLS" };
        let is_tcp = self.target.unix_socket.is_none();
        is_tcp.then(|| format!("perhaps the server speaks {other} on port {}", self.target.port))
    }

    fn trust_hint(&self) -> Option<String> {
        match self.trust.as_ref()? {
            Trust::LocalMissing(path) => Some(format!(
                "there is no {}; `vaux broker` makes it, or --cafile FILE says whom to trust",
                path.display()
            )),
            Trust::Local(path) => Some(format!(
                "{} is trusted for this machine; --cafile FILE says whom to trust instead",
                path.display()
            )),
            Trust::System => {
                Some("--cafile FILE says whom to trust instead of the system's authorities".to_owned())
            }
            Trust::Named | Trust::Nobody => None,
        }
    }

    /// Host and port of the server.
    pub(crate) fn address(&self) -> String {
        self.target.address()
    }

    /// Whether this is the server at an address such as `localhost:8883`. Names of this machine are the same.
    pub(crate) fn is_server_at(&self, address: &str) -> bool {
        let Some((host, port)) = address.rsplit_once(':') else { return false };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let other = Target { host: host.to_owned(), ..self.target.clone() };
        let is_same_host = host.eq_ignore_ascii_case(&self.target.host)
            || (other.is_loopback() && self.target.is_loopback());
        is_same_host && port == self.target.port.to_string()
    }

    /// Whether it is a connection that is open already.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// The server as a URL.
    pub(crate) fn server(&self) -> String {
        self.target.to_string()
    }
}
