//! A listener.

use vaux_broker::config::{AuthConfig, Bind, ListenerConfig, ListenerKind, UsernameFrom};
use vaux_mqtt::{QoS, Version};

use super::read::Directive;
use super::report::Report;
use super::security::Security;
use super::sort::Listener;
use super::tls;
use crate::cli_error::CliError;

/// What a listener hangs on that stands elsewhere.
pub(super) struct Surroundings<'a> {
    pub(super) auth: &'a AuthConfig,
    /// What holds for this listener.
    pub(super) security: &'a Security,
    pub(super) is_local_only: bool,
}

impl Listener {
    /// The last directive of this name.
    pub(super) fn find(&self, name: &str) -> Option<&Directive> {
        self.given.iter().rev().find(|directive| directive.name == name)
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, CliError> {
        self.find(name).map(Directive::text).transpose()
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, CliError> {
        Ok(self.find(name).map(Directive::flag).transpose()?.unwrap_or(false))
    }
}

/// `None` for what is no listener of MQTT.
pub(super) fn translate(
    source: &Listener,
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) -> Result<Option<ListenerConfig>, CliError> {
    let Some(kind) = kind(source, report)? else { return Ok(None) };
    let mut listener = ListenerConfig::new(kind);
    place(source, surroundings, &mut listener, report)?;
    tls::translate(source, &mut listener, report)?;
    limits(source, &mut listener, report)?;
    web_socket(source, &mut listener, report)?;
    proxy(source, &mut listener, report)?;
    identities(source, surroundings, &mut listener, report)?;
    Ok(Some(listener))
}

fn kind(source: &Listener, report: &mut Report) -> Result<Option<ListenerKind>, CliError> {
    let has_tls = source.find("certfile").is_some() || source.find("keyfile").is_some();
    let protocol = source.find("protocol");
    let has_web_socket = match protocol.map(Directive::word).transpose()? {
        None | Some("mqtt") => false,
        Some("websockets") => true,
        Some("http_api") => {
            let protocol = protocol.expect("it was found");
            report.note(
                protocol,
                "left out with its listener: figures and requests by HTTP are [http] in vaux",
            );
            return Ok(None);
        }
        Some(other) => {
            let protocol = protocol.expect("it was found");
            return Err(protocol.mistake(format_args!("must be mqtt or websockets, not {other:?}")));
        }
    };
    let is_unix = source.head.as_ref().is_some_and(|head| {
        head.name == "listener" && head.words().next().is_some_and(|port| port.parse() == Ok(0))
    });
    Ok(Some(match (is_unix, has_tls, has_web_socket) {
        (true, false, false) => ListenerKind::Unix,
        (true, ..) => {
            let head = source.head.as_ref().expect("a unix socket has one");
            return Err(head.mistake("is a unix socket, on which vaux speaks neither TLS nor WebSocket"));
        }
        (false, false, false) => ListenerKind::Tcp,
        (false, false, true) => ListenerKind::Ws,
        (false, true, false) => ListenerKind::Tls,
        (false, true, true) => ListenerKind::Wss,
    }))
}

/// Where it listens.
fn place(
    source: &Listener,
    surroundings: &Surroundings<'_>,
    listener: &mut ListenerConfig,
    report: &mut Report,
) -> Result<(), CliError> {
    let (port, mut host) = match source.head.as_ref() {
        Some(head) if head.name == "listener" => {
            (head.number(0..=65_535)?, head.words().nth(1).map(str::to_owned))
        }
        head => {
            if let Some(head) = head.filter(|head| head.name != "port" && head.name != "bind_address") {
                report.note(head, "makes a listener on port 1883, as it stands in front of all others");
            }
            let port = source.find("port").map(|port| port.number(1..=65_535)).transpose()?;
            (port.unwrap_or(1883), source.text("bind_address")?)
        }
    };
    if let (ListenerKind::Unix, Some(head)) = (listener.kind, &source.head) {
        listener.socket = host.ok_or_else(|| head.mistake("0 needs the path of a unix socket"))?.into();
        listener.bind.port = 0;
        report.note(head, "only the user that the broker runs as may use the socket");
        return Ok(());
    }
    if let Some(interface) = source.find("bind_interface") {
        match interface.text()?.as_str() {
            "lo" => host = Some("127.0.0.1".into()),
            _ => report.refuse(
                interface,
                "vaux listens on addresses: name the one of this interface behind the port of the listener",
            ),
        }
    }
    let host = match host {
        Some(host) => host,
        None => everywhere(source, surroundings, report)?.into(),
    };
    listener.bind = Bind { host, port: u16::try_from(port).expect("its range was checked") };
    Ok(())
}

/// The address of a listener that names none.
fn everywhere(
    source: &Listener,
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) -> Result<&'static str, CliError> {
    let domain = source.find("socket_domain");
    let word = domain.map(Directive::word).transpose()?;
    Ok(match (word, domain) {
        _ if surroundings.is_local_only => "127.0.0.1",
        (Some("ipv4"), _) => "0.0.0.0",
        (Some("ipv6"), Some(domain)) => {
            report.note(domain, "where the system has both, clients reach this listener by IPv4, too");
            "::"
        }
        (Some(other), Some(domain)) => {
            return Err(domain.mistake(format_args!("must be ipv4 or ipv6, not {other:?}")));
        }
        _ => "::",
    })
}

fn limits(source: &Listener, listener: &mut ListenerConfig, report: &mut Report) -> Result<(), CliError> {
    if let Some(directive) = source.find("max_connections") {
        let count = directive.number(i64::from(i32::MIN)..=i64::from(i32::MAX))?;
        // Below 1 mosquitto has no limit, and vaux its own.
        if let Some(count) = usize::try_from(count).ok().filter(|count| *count > 0) {
            listener.max_connections = count;
        }
    }
    let names = ["max_qos", "maximum_qos"];
    if let Some(directive) = source.given.iter().rev().find(|directive| names.contains(&&*directive.name)) {
        let bits = u8::try_from(directive.number(0..=2)?).unwrap_or(2);
        listener.maximum_qos = QoS::from_bits(bits).unwrap_or(listener.maximum_qos);
    }
    if let Some(directive) = source.find("accept_protocol_versions") {
        listener.versions = versions(directive)?;
    }
    if let Some(mount) = source.text("mount_point")? {
        listener.mount = mount;
    }
    if let Some(directive) = source.find("http_dir") {
        report.note(directive, "vaux serves no files");
    }
    Ok(())
}

fn versions(directive: &Directive) -> Result<Vec<Version>, CliError> {
    let mut versions = Vec::new();
    let words = directive.words().flat_map(|word| word.split(',')).filter(|word| !word.is_empty());
    for word in words {
        let version = match word {
            "3" => Version::V31,
            "4" => Version::V311,
            "5" => Version::V5,
            other => return Err(directive.mistake(format_args!("must be of 3, 4 and 5, not {other:?}"))),
        };
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    if versions.is_empty() { Err(directive.mistake("needs a value")) } else { Ok(versions) }
}

fn web_socket(source: &Listener, listener: &mut ListenerConfig, report: &mut Report) -> Result<(), CliError> {
    let origins = source.given.iter().filter(|directive| directive.name == "websockets_origin");
    let origins: Result<Vec<_>, _> = origins.map(Directive::text).collect();
    if !listener.kind.has_web_socket() {
        return Ok(());
    }
    listener.ws.allowed_origins = origins?;
    if let Some(protocol) = source.find("protocol") {
        report.note(protocol, "clients ask for the path /mqtt (ws.path); mosquitto takes any");
        if listener.ws.allowed_origins.is_empty() {
            let text =
                "pages of other hosts are refused until ws.allowed_origins lists them; mosquitto lets in all";
            report.note(protocol, text);
        }
    }
    Ok(())
}

fn proxy(source: &Listener, listener: &mut ListenerConfig, report: &mut Report) -> Result<(), CliError> {
    if let Some(directive) = source.find("enable_proxy_protocol") {
        directive.number(1..=2)?;
        listener.proxy_protocol = true;
        listener.proxy_from = ["0.0.0.0/0", "::/0"].map(|all| all.parse().expect("it is a network")).into();
        report.note(
            directive,
            "whoever connects is taken for a proxy, as in mosquitto: list yours in proxy_from",
        );
    }
    if source.flag("proxy_protocol_v2_require_tls")?
        && let Some(directive) = source.find("proxy_protocol_v2_require_tls")
    {
        report.refuse(directive, "vaux does not ask the proxy whether its client speaks TLS");
    }
    Ok(())
}

/// Who may connect, and what they may do.
fn identities(
    source: &Listener,
    surroundings: &Surroundings<'_>,
    listener: &mut ListenerConfig,
    report: &mut Report,
) -> Result<(), CliError> {
    let Surroundings { auth, security, is_local_only } = surroundings;
    if auth.password_file != security.password_file {
        listener.password_file.clone_from(&security.password_file);
    }
    if auth.acl_file != security.acl_file {
        listener.acl_file.clone_from(&security.acl_file);
    }
    let own = source.find("listener_allow_anonymous").map(Directive::flag).transpose()?;
    let allow_anonymous = own.or(security.allow_anonymous).unwrap_or(*is_local_only);
    listener.allow_anonymous = Some(allow_anonymous);
    let prefix = source.text("listener_auto_id_prefix")?;
    if let Some(prefix) = prefix.or_else(|| security.auto_id_prefix.clone()) {
        listener.auto_id_prefix = prefix;
    }
    if source.flag("use_username_as_clientid")?
        && let Some(directive) = source.find("use_username_as_clientid")
    {
        report.refuse(
            directive,
            "clients would choose their identifiers, for which an access list may have rules",
        );
    }
    if let (Some(directive), Some(_)) = (source.find("mount_point"), &security.acl_file) {
        report.refuse(
            directive,
            "mosquitto's access lists have topics with the mount point in front, those of vaux without: write another \
             acl_file, and set the mount of the listener",
        );
    }
    reachable(source, surroundings, listener, report);
    Ok(())
}

/// vaux does not start where nobody, or everybody by accident, can connect from other machines.
fn reachable(
    source: &Listener,
    surroundings: &Surroundings<'_>,
    listener: &ListenerConfig,
    report: &mut Report,
) {
    let authenticates = surroundings.security.password_file.is_some();
    let is_named = authenticates || listener.tls.username_from != UsernameFrom::None;
    let Some(head) = source.head.as_ref() else { return };
    match (listener.allow_anonymous, is_named) {
        (Some(false), false) => report.refuse(
            head,
            "nobody can connect, in mosquitto neither: it needs a password_file, certificates of clients that name \
             the user, or allow_anonymous true",
        ),
        (Some(true), false) if surroundings.security.acl_file.is_some() => report.note(
            head,
            "without passwords nobody's user name counts: of the access list only the lines for everybody do",
        ),
        _ => {}
    }
}
