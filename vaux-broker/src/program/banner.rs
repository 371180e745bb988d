//! What the operator sees when the broker has started. Programs wait for the `listening` lines and read the port there.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::listeners::needs_authority;
use crate::config::{Config, Durability, ListenerConfig, StoreEngine};
use crate::tls::Authority;
use crate::{BoundAddress, ListenerAddress, Recovered};

/// What the screen tells.
pub(super) struct Facts<'a> {
    /// Where the broker listens, with real ports.
    pub(super) addresses: Vec<ListenerAddress>,
    /// Where it answers HTTP requests.
    pub(super) http_address: Option<SocketAddr>,
    pub(super) config: &'a Config,
    pub(super) data_dir: &'a Path,
    pub(super) authority: &'a Authority,
    pub(super) connection_limit: usize,
    pub(super) recovered: &'a Recovered,
}

/// Prints the screen. That nobody reads it is no reason to stop.
pub(super) fn print(facts: &Facts<'_>) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(screen(facts).as_bytes()).and_then(|()| out.flush());
}

fn screen(facts: &Facts<'_>) -> String {
    let mut screen = format!("vaux-broker {}\n\n", env!("CARGO_PKG_VERSION"));
    let mut line =
        |what: &str, text: &str| writeln!(screen, "{what:<10} {text}").expect("a String takes any text");
    for ListenerAddress { kind, address, .. } in &facts.addresses {
        line("listening", &format!("{kind:<5} {address}"));
    }
    if let Some(address) = facts.http_address {
        let api = if facts.config.http.token_file.is_some() { " /api/v1" } else { "" };
        line("http", &format!("{address} for /healthz /readyz /metrics{api}"));
    }
    line("data", &facts.data_dir.display().to_string());
    line(
        "limit",
        &format!("{} connections, as many as the limit of open files leaves", facts.connection_limit),
    );
    line("store", store(facts.config));
    if facts.config.store.engine == StoreEngine::Disk {
        line("", &recovered(facts.recovered));
        facts.recovered.damage.iter().for_each(|sentence| line("damage", sentence));
    }
    let mut uses_authority = false;
    for address in &facts.addresses {
        let listener = facts.config.listeners.iter().find(|listener| listener.name == address.name);
        if let Some(listener) = listener {
            uses_authority |= needs_authority(listener);
            line("connect", &connect(listener, address, facts.authority));
        }
    }
    if uses_authority {
        line("", "Other users of this machine, and other machines, need a copy of ca.pem.");
    }
    screen
}

/// What an acknowledgement means here.
fn store(config: &Config) -> &'static str {
    match (config.store.engine, config.store.durability) {
        (StoreEngine::Memory, _) => "Sessions and messages are kept in memory and end with the broker.",
        (_, Durability::Commit) => "What is acknowledged is on the disk.",
        (_, Durability::Interval) => {
            "What was acknowledged in the last interval is lost when the power fails, not when the broker does."
        }
        (_, Durability::None) => {
            "What was acknowledged in the last interval is lost when the broker is killed."
        }
    }
}

/// What the last run left.
fn recovered(recovered: &Recovered) -> String {
    let Recovered { sessions, messages, retained, .. } = recovered;
    format!("Recovered: {sessions} sessions with {messages} messages, {retained} retained messages.")
}

/// A command that publishes a message through this listener.
fn connect(listener: &ListenerConfig, address: &ListenerAddress, authority: &Authority) -> String {
    if listener.proxy_protocol {
        let proxies: Vec<_> = listener.proxy_from.iter().map(ToString::to_string).collect();
        return format!("through proxies of {}", proxies.join(", "));
    }
    let cafile = match (listener.kind.has_tls(), needs_authority(listener)) {
        (false, _) => String::new(),
        (true, true) => format!(" --cafile {}", shell_word(&authority.certificate())),
        (true, false) => " --cafile CA.pem".into(),
    };
    let bound = match &address.address {
        BoundAddress::Ip(address) => *address,
        BoundAddress::Unix(path) => {
            return format!("mosquitto_pub --unix {} -t hello -m world", shell_word(path));
        }
    };
    let host = match bound.ip() {
        ip if ip.is_unspecified() || ip == IpAddr::from([127, 0, 0, 1]) => "localhost".into(),
        ip => ip.to_string(),
    };
    if listener.kind.has_web_socket() {
        // Not all of mosquitto's clients speak WebSocket.
        return format!("{}://{host}:{}{}", listener.kind, bound.port(), listener.ws.path);
    }
    let user = if listener.allow_anonymous == Some(false) { " -u USER -P PASSWORD" } else { "" };
    format!("mosquitto_pub{cafile} -h {host} -p {}{user} -t hello -m world", bound.port())
}

/// The path as a shell takes it.
fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte)) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ListenerKind;

    #[test]
    fn the_screen_says_where_and_how() {
        let mut config = Config::default();
        for (name, kind, host) in [
            ("default", ListenerKind::Tls, "127.0.0.1"),
            ("plain", ListenerKind::Tcp, "0.0.0.0"),
            ("own", ListenerKind::Tls, "::1"),
        ] {
            let mut listener = ListenerConfig::new(kind);
            listener.name = name.into();
            listener.bind.host = host.into();
            config.listeners.push(listener);
        }
        config.listeners[2].tls.cert = Some("own.pem".into());
        config.listeners[2].allow_anonymous = Some(false);
        config.http.token_file = Some("token".into());
        let addresses = config.listeners.iter().map(|listener| ListenerAddress {
            name: listener.name.clone(),
            kind: listener.kind,
            address: BoundAddress::Ip((listener.bind.ip().unwrap(), listener.bind.port).into()),
        });
        let data_dir = Path::new("/home/o'neil/vaux");
        let screen = screen(&Facts {
            addresses: addresses.collect(),
            http_address: Some(([127, 0, 0, 1], 8888).into()),
            config: &config,
            data_dir,
            authority: &Authority::new(data_dir),
            connection_limit: 19_872,
            recovered: &Recovered { sessions: 3, messages: 40, retained: 5, damage: Vec::new() },
        });
        insta::assert_snapshot!(screen);
    }
}
