//! The flags that say where to connect to and as whom, with mosquitto's names.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use vaux_client::{QoS, ServerUrl, Socks5Proxy, Version, WebSocketOptions};

use super::property::PropertyArgs;
use super::shared::SharedConnection;
use super::transport::{Target, scheme};
use crate::cli_error::CliError;

/// Flags of every command that connects. What is not given is `None`, so that lower layers can fill it in.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectArgs {
    /// Host to connect to [default: localhost]
    #[arg(short = 'h', long, value_name = "HOST")]
    pub(super) host: Option<String>,
    /// Port [default: 8883, or 1883 with --plain]
    #[arg(short, long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) port: Option<u16>,
    /// The server as a URL, and perhaps the topic.
    // The help stands here, since its brackets would be links in documentation.
    #[arg(
        short = 'L',
        long,
        value_name = "URL",
        conflicts_with_all = ["host", "port"],
        value_parser = parse_url,
        help = "Server, and perhaps topic: mqtt(s)://[USER[:PASSWORD]@]HOST[:PORT][/TOPIC], or ws(s)://…[/PATH]"
    )]
    pub(super) url: Option<TopicUrl>,
    /// Unix socket of a broker on this machine, instead of host and port
    #[arg(long, value_name = "PATH", conflicts_with_all = ["host", "port", "url", "ws", "bind"])]
    pub(super) unix: Option<PathBuf>,
    /// Plain TCP instead of TLS
    #[arg(long)]
    pub(super) plain: bool,
    #[command(flatten)]
    pub(super) web_socket: WebSocketArgs,
    /// Local address to connect from
    #[arg(short = 'A', long, value_name = "ADDRESS")]
    pub(super) bind: Option<IpAddr>,
    /// SOCKS5 proxy to connect through
    // The help stands here, since its brackets would be links in documentation.
    #[arg(
        long,
        value_name = "URL",
        value_parser = parse_proxy,
        help = "SOCKS5 proxy to connect through: socks5h://[USER[:PASSWORD]@]HOST[:PORT]"
    )]
    pub(super) proxy: Option<Socks5Proxy>,
    /// Client identifier [default: the server assigns one]
    #[arg(short, long, value_name = "ID", conflicts_with = "id_prefix", allow_hyphen_values = true)]
    pub(super) id: Option<String>,
    /// Client identifier made of this and the process id
    #[arg(short = 'I', long, value_name = "PREFIX", allow_hyphen_values = true)]
    pub(super) id_prefix: Option<String>,
    /// User name
    #[arg(short, long, value_name = "USER", allow_hyphen_values = true)]
    pub(super) username: Option<String>,
    /// Password; without a value it is asked for
    #[arg(short = 'P', long, visible_alias = "pw", value_name = "PASSWORD", num_args = 0..=1, conflicts_with = "password_file")]
    pub(super) password: Option<Option<String>>,
    /// File whose first line is the password
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
    /// Version of the protocol [default: 5]
    #[arg(short = 'V', long, value_name = "5|311|31", hide_possible_values = true)]
    pub(super) protocol_version: Option<ProtocolVersion>,
    /// Seconds of silence after which the connection is checked, 0 for never [default: 60]
    #[arg(short, long, value_name = "SECONDS")]
    pub(super) keepalive: Option<u16>,
    /// Continue the session of before, and keep it; needs -i or -I
    #[arg(short = 'c', long, alias = "disable-clean-session")]
    pub(super) keep_session: bool,
    /// Seconds that the session outlives the connection, -1 for ever [default: 0, with -c -1]
    #[arg(short = 'x', long, value_name = "SECONDS", allow_hyphen_values = true, value_parser = parse_expiry)]
    pub(super) session_expiry: Option<u32>,
    #[command(flatten)]
    pub(super) properties: PropertyArgs,
    #[command(flatten)]
    pub(super) will: WillArgs,
    #[command(flatten)]
    pub(super) tls: TlsArgs,
    /// Data directory of the broker on this machine, whose tls/ca.pem is trusted for it
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// File of flags, one a line, that count where nothing else says otherwise
    #[arg(short = 'o', long, value_name = "FILE", conflicts_with = "profile")]
    pub(super) options: Option<PathBuf>,
    /// The file of flags with this name in ~/.config/vaux/profiles
    #[arg(long, value_name = "NAME")]
    pub(super) profile: Option<String>,
    /// Where all this comes from.
    #[arg(skip)]
    pub(super) origin: Origin,
}

/// Where a command learns what to connect to.
#[derive(Clone, Debug, Default)]
pub(super) enum Origin {
    /// From its flags, the environment and files of flags.
    #[default]
    Flags,
    /// A connection is open.
    Open(SharedConnection),
    /// All is known: the flags are those of a connection that was made already.
    Known,
}

/// Whether WebSocket is spoken, and how it is asked for.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct WebSocketArgs {
    /// MQTT over WebSocket; the port is then 443, or 80 with --plain
    #[arg(long)]
    pub(super) ws: bool,
    /// Path to ask for [default: /mqtt]
    #[arg(long, value_name = "PATH")]
    pub(super) ws_path: Option<String>,
    /// Header to send; may be given more than once
    #[arg(long, value_name = "NAME: VALUE", value_parser = parse_header)]
    pub(super) ws_header: Vec<(String, String)>,
}

/// The message that the server publishes when the connection is lost.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Will")]
pub(super) struct WillArgs {
    /// Topic of the message that the server publishes when the connection is lost
    #[arg(long, value_name = "TOPIC", allow_hyphen_values = true)]
    pub(super) will_topic: Option<String>,
    /// Its payload [default: empty]
    #[arg(long, value_name = "PAYLOAD", allow_hyphen_values = true)]
    pub(super) will_payload: Option<String>,
    /// Its QoS [default: 0]
    #[arg(long, value_name = "QOS", value_parser = parse_qos)]
    pub(super) will_qos: Option<QoS>,
    /// Have the server keep it
    #[arg(long)]
    pub(super) will_retain: bool,
}

/// How TLS is done. Any of these asks for TLS.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "TLS")]
pub(super) struct TlsArgs {
    /// Certificate authorities to trust, instead of the system's (PEM)
    #[arg(long, value_name = "FILE")]
    pub(super) cafile: Option<PathBuf>,
    /// Directory of certificate authorities to trust (PEM)
    #[arg(long, value_name = "DIR")]
    pub(super) capath: Option<PathBuf>,
    /// Certificate to show the server (PEM)
    #[arg(long, value_name = "FILE")]
    pub(super) cert: Option<PathBuf>,
    /// Private key of the certificate (PEM); when it is encrypted, its password is asked for
    #[arg(long, value_name = "FILE")]
    pub(super) key: Option<PathBuf>,
    /// File whose first line is the password of an encrypted private key
    #[arg(long, value_name = "FILE")]
    pub(super) key_password_file: Option<PathBuf>,
    /// Accept any certificate: anyone on the way can read and change everything
    #[arg(long, conflicts_with_all = ["cafile", "capath"])]
    pub(super) insecure: bool,
    /// Application protocol to ask for
    #[arg(long, value_name = "PROTOCOL")]
    pub(super) tls_alpn: Option<String>,
    /// Lowest version of TLS [default: tlsv1.2]
    #[arg(long, value_name = "tlsv1.2|tlsv1.3", hide_possible_values = true)]
    pub(super) tls_version: Option<TlsVersion>,
}

/// A version of MQTT, with the names that mosquitto has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ProtocolVersion {
    #[value(name = "5", alias = "mqttv5")]
    V5,
    #[value(name = "311", alias = "mqttv311")]
    V311,
    #[value(name = "31", alias = "mqttv31")]
    V31,
}

impl ProtocolVersion {
    pub(super) fn version(self) -> Version {
        match self {
            ProtocolVersion::V5 => Version::V5,
            ProtocolVersion::V311 => Version::V311,
            ProtocolVersion::V31 => Version::V31,
        }
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum TlsVersion {
    #[value(name = "tlsv1.2")]
    V12,
    #[value(name = "tlsv1.3")]
    V13,
}

/// A URL with the topic behind it, as mosquitto writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TopicUrl {
    pub(super) server: ServerUrl,
    pub(super) topic: Option<String>,
}

fn parse_url(text: &str) -> Result<TopicUrl, String> {
    let authority_at = text.find("://").map_or(0, |at| at + 3);
    if text.get(..2).is_some_and(|scheme| scheme.eq_ignore_ascii_case("ws")) {
        // What follows the port is the path of the server.
        let server = ServerUrl::parse(text).map_err(|error| error.to_string())?;
        return Ok(TopicUrl { server, topic: None });
    }
    let authority_len = text[authority_at..].find('/').unwrap_or(text.len() - authority_at);
    let (server, topic) = text.split_at(authority_at + authority_len);
    let server = ServerUrl::parse(server).map_err(|error| error.to_string())?;
    let topic = topic.strip_prefix('/').filter(|topic| !topic.is_empty()).map(str::to_owned);
    Ok(TopicUrl { server, topic })
}

fn parse_proxy(text: &str) -> Result<Socks5Proxy, String> {
    Socks5Proxy::parse(text).map_err(|error| error.to_string())
}

fn parse_header(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once(':').ok_or("it is NAME: VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn parse_expiry(text: &str) -> Result<u32, &'static str> {
    match text {
        "-1" | "∞" => Ok(u32::MAX),
        _ => text.parse().map_err(|_| "it is a number of seconds up to 4294967295, or -1 for ever"),
    }
}

/// A QoS on the command line.
pub(crate) fn parse_qos(text: &str) -> Result<QoS, &'static str> {
    let bits = text.parse().ok().filter(|&bits: &u8| bits <= 2);
    bits.and_then(QoS::from_bits).ok_or("it is 0, 1 or 2")
}

impl ConnectArgs {
    /// The topic in the URL.
    pub(crate) fn url_topic(&self) -> Option<&str> {
        self.url.as_ref().and_then(|url| url.topic.as_deref())
    }

    /// What the client identifier is to be or to begin with, for a command that makes many of it.
    pub(crate) fn id_start(&self) -> Option<&str> {
        let id = self.id.as_deref().filter(|id| !id.is_empty());
        id.or(self.id_prefix.as_deref())
    }

    /// What names an open connection when its user does not: the file of flags, or the host.
    pub(crate) fn short_name(&self) -> String {
        let url = self.url.as_ref().map(|url| url.server.host.clone());
        let socket =
            self.unix.as_ref().and_then(|path| Some(path.file_stem()?.to_string_lossy().into_owned()));
        let name = self.profile.clone().or(socket).or_else(|| self.host.clone()).or(url);
        name.unwrap_or_else(|| "localhost".to_owned())
    }

    /// Uses an open connection instead of making one. Properties of what is sent over it still count.
    pub(crate) fn use_open(&mut self, open: SharedConnection) {
        self.origin = Origin::Open(open);
    }

    /// Only what says where the server is, and whom to trust there.
    pub(super) fn to_server(
        url: Option<&str>,
        cafile: Option<PathBuf>,
        insecure: bool,
    ) -> Result<ConnectArgs, String> {
        let tls = TlsArgs { cafile, insecure, ..TlsArgs::default() };
        Ok(ConnectArgs { url: url.map(parse_url).transpose()?, tls, ..ConnectArgs::default() })
    }

    /// Connects as another connection did, but as a client of its own: without its identifier, session and will.
    pub(crate) fn connect_like(&mut self, other: &ConnectArgs) {
        *self = ConnectArgs {
            id: None,
            id_prefix: None,
            keep_session: false,
            session_expiry: None,
            will: WillArgs::default(),
            properties: std::mem::take(&mut self.properties),
            origin: Origin::Known,
            ..other.clone()
        };
    }

    /// Asks for the password if it is to be asked for, so that it is known from now on.
    pub(crate) fn with_password(mut self) -> Result<ConnectArgs, CliError> {
        if self.password == Some(None) {
            let user_name = self.username.clone().or_else(|| self.url.as_ref()?.server.user_name.clone());
            let password = super::password::ask(user_name.as_deref(), &Target::new(&self).host);
            let password = password.and_then(|password| {
                String::from_utf8(password).map_err(|_| std::io::ErrorKind::InvalidData.into())
            });
            self.password = Some(Some(password.map_err(CliError::Stdio)?));
        }
        Ok(self)
    }

    /// Refuses flags that contradict each other. Flags of different layers do not: the upper one wins.
    pub(super) fn check(&self) -> Result<(), CliError> {
        let url = self.url.as_ref().map(|url| &url.server);
        let url = url.map(|server| (server, scheme(server.web_socket_path.is_some(), server.tls)));
        if let (Some(_), Some(flag)) = (&self.unix, self.tls.first()) {
            return Err(CliError::usage(format!("--unix does not go with {flag}")));
        }
        match (self.plain, url, self.tls.first()) {
            (true, Some((server, scheme)), _) if server.tls => {
                Err(CliError::usage(format!("--plain does not go with {scheme}://")))
            }
            (true, _, Some(flag)) => Err(CliError::usage(format!("--plain does not go with {flag}"))),
            (_, Some((server, scheme)), Some(flag)) if !server.tls => Err(CliError::usage_with_hint(
                format!("{flag} does not go with {scheme}://"),
                format!("with TLS it is {scheme}s://"),
            )),
            (_, Some((server, scheme)), _) if self.web_socket.ws && server.web_socket_path.is_none() => {
                let with_web_socket = self::scheme(true, server.tls);
                Err(CliError::usage_with_hint(
                    format!("--ws does not go with {scheme}://"),
                    format!("over WebSocket it is {with_web_socket}://"),
                ))
            }
            _ => Ok(()),
        }
    }

    /// These flags, and `lower` for what they leave open.
    pub(super) fn over(self, mut lower: ConnectArgs) -> ConnectArgs {
        if self.url.is_some() {
            // A URL says all about the server.
            (lower.host, lower.port, lower.plain) = (None, None, false);
            lower.web_socket = WebSocketArgs::default();
            lower.unix = None;
        }
        if self.unix.is_some() {
            // It says all about the server, too, and there is no TLS on it.
            (lower.host, lower.port, lower.url, lower.bind) = (None, None, None, None);
            (lower.web_socket, lower.tls) = (WebSocketArgs::default(), TlsArgs::default());
        }
        if self.host.is_some() || self.port.is_some() {
            lower.unix = None;
        }
        if self.host.is_some() {
            // Another host must not get the credentials of the URL.
            lower.url = None;
        }
        if self.id.is_some() || self.id_prefix.is_some() {
            (lower.id, lower.id_prefix) = (None, None);
        }
        if self.password.is_some() || self.password_file.is_some() {
            (lower.password, lower.password_file) = (None, None);
        }
        if self.options.is_some() || self.profile.is_some() {
            (lower.options, lower.profile) = (None, None);
        }
        ConnectArgs {
            host: self.host.or(lower.host),
            port: self.port.or(lower.port),
            url: self.url.or(lower.url),
            unix: self.unix.or(lower.unix),
            plain: self.plain || lower.plain,
            web_socket: self.web_socket.over(lower.web_socket),
            bind: self.bind.or(lower.bind),
            proxy: self.proxy.or(lower.proxy),
            id: self.id.or(lower.id),
            id_prefix: self.id_prefix.or(lower.id_prefix),
            username: self.username.or(lower.username),
            password: self.password.or(lower.password),
            password_file: self.password_file.or(lower.password_file),
            protocol_version: self.protocol_version.or(lower.protocol_version),
            keepalive: self.keepalive.or(lower.keepalive),
            keep_session: self.keep_session || lower.keep_session,
            session_expiry: self.session_expiry.or(lower.session_expiry),
            properties: self.properties.over(lower.properties),
            will: self.will.over(lower.will),
            tls: self.tls.over(lower.tls),
            data_dir: self.data_dir.or(lower.data_dir),
            options: self.options.or(lower.options),
            profile: self.profile.or(lower.profile),
            origin: self.origin,
        }
    }
}

impl WebSocketArgs {
    /// What to ask for at `path`.
    pub(super) fn options(&self, path: &str) -> WebSocketOptions {
        let options = WebSocketOptions::new().path(path);
        self.ws_header.iter().fold(options, |options, (name, value)| options.header(name, value))
    }

    fn over(self, lower: WebSocketArgs) -> WebSocketArgs {
        let ws_header = if self.ws_header.is_empty() { lower.ws_header } else { self.ws_header };
        WebSocketArgs { ws: self.ws || lower.ws, ws_path: self.ws_path.or(lower.ws_path), ws_header }
    }
}

impl WillArgs {
    fn over(self, lower: WillArgs) -> WillArgs {
        // Another topic makes another will.
        let lower = if self.will_topic.is_some() { WillArgs::default() } else { lower };
        WillArgs {
            will_topic: self.will_topic.or(lower.will_topic),
            will_payload: self.will_payload.or(lower.will_payload),
            will_qos: self.will_qos.or(lower.will_qos),
            will_retain: self.will_retain || lower.will_retain,
        }
    }
}

impl TlsArgs {
    /// The first of the flags that is given.
    pub(super) fn first(&self) -> Option<&'static str> {
        let flags = [
            (self.cafile.is_some(), "--cafile"),
            (self.capath.is_some(), "--capath"),
            (self.cert.is_some(), "--cert"),
            (self.key.is_some(), "--key"),
            (self.key_password_file.is_some(), "--key-password-file"),
            (self.insecure, "--insecure"),
            (self.tls_alpn.is_some(), "--tls-alpn"),
            (self.tls_version.is_some(), "--tls-version"),
        ];
        flags.into_iter().find_map(|(is_given, flag)| is_given.then_some(flag))
    }

    fn over(self, mut lower: TlsArgs) -> TlsArgs {
        if self.cafile.is_some() || self.capath.is_some() || self.insecure {
            (lower.cafile, lower.capath, lower.insecure) = (None, None, false);
        }
        if self.cert.is_some() {
            lower.key = None;
        }
        if self.cert.is_some() || self.key.is_some() {
            lower.key_password_file = None;
        }
        TlsArgs {
            cafile: self.cafile.or(lower.cafile),
            capath: self.capath.or(lower.capath),
            cert: self.cert.or(lower.cert),
            key: self.key.or(lower.key),
            key_password_file: self.key_password_file.or(lower.key_password_file),
            insecure: self.insecure || lower.insecure,
            tls_alpn: self.tls_alpn.or(lower.tls_alpn),
            tls_version: self.tls_version.or(lower.tls_version),
        }
    }
}
