//! The brokers that take part without being described in a file: vaux-broker and mosquitto.

use std::path::{Path, PathBuf};

use super::certificate::Certificate;
use super::peer::{Peer, TCP_ANNOUNCEMENT, TLS_ANNOUNCEMENT};
use super::scenario::{Load, Scenario};
use crate::Outcome;

/// How vaux-broker takes part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup<'a> {
    /// How many workers it has.
    pub(crate) workers: usize,
    /// The engine of its store, if that is not left to it.
    pub(crate) engine: Option<&'a str>,
    /// Whether it tells over HTTP how long its commits take.
    pub(crate) metrics: bool,
    /// More lines of its configuration.
    pub(crate) limits: &'a str,
    /// Its certificate, if it is to speak TLS.
    pub(crate) tls: Option<&'a Certificate>,
}

impl Setup<'_> {
    /// One worker, and all else as it comes.
    pub(crate) const AS_IT_COMES: Setup<'static> =
        Setup { workers: 1, engine: None, metrics: false, limits: "", tls: None };

    fn config(&self) -> String {
        let mut config = self.limits.to_owned();
        if self.metrics {
            config.push_str("[http]\nbind = \"127.0.0.1:0\"\n");
        }
        if let Some(engine) = self.engine {
            config.push_str(&format!("[store]\nengine = \"{engine}\"\n"));
        }
        config
    }
}

/// vaux-broker, set up in some way.
pub(crate) fn vaux(name: &str, program: &Path, setup: &Setup<'_>) -> Peer {
    let workers = setup.workers.to_string();
    let mut more = vec!["--workers".to_owned(), workers, "-c".to_owned(), "{config}".to_owned()];
    match setup.tls {
        None => more.push("--plain".to_owned()),
        Some(certificate) => more.extend([
            "--tls-cert".to_owned(),
            certificate.chain.to_string_lossy().into_owned(),
            "--tls-key".to_owned(),
            certificate.key.to_string_lossy().into_owned(),
        ]),
    }
    let mut peer = vaux_peer(name, program, more, setup.config());
    peer.announces_metrics = setup.metrics;
    if setup.tls.is_some() {
        peer.announcement = Some(&TLS_ANNOUNCEMENT);
    }
    peer
}

/// vaux-broker without TLS, with a configuration file of its own.
pub(crate) fn vaux_configured(program: &Path, config: &str) -> Peer {
    let more = ["--plain", "-c", "{config}"].map(str::to_owned).to_vec();
    vaux_peer("vaux", program, more, config.to_owned())
}

fn vaux_peer(name: &str, program: &Path, more: Vec<String>, config: String) -> Peer {
    let program = program.to_string_lossy().into_owned();
    let arguments = ["-p", "0", "--data-dir", "{scratch}/data"].map(str::to_owned);
    let command = [program].into_iter().chain(arguments).chain(more).collect();
    let mut peer = Peer::new(name, command, config);
    peer.announcement = Some(&TCP_ANNOUNCEMENT);
    peer
}

/// Mosquitto so that it loses nothing and does not write a log line for each connection.
const MOSQUITTO_CONFIG: &str = "\
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
max_queued_messages 0
max_queued_bytes 0
sys_interval 0
connection_messages false
log_type error
";

/// By default vaux-broker has 256 messages on their way to a client, and what is more waits. With this it has as many as its
/// peers.
pub(crate) const WIDE_WINDOW: &str = "[limits]\nmax_inflight = 65535\n";

/// As many messages on their way to a client as there are.
const MOSQUITTO_WITHOUT_WINDOW: &str = "max_inflight_messages 0\n";

/// Where more wait than there are packet identifiers, only some may be on their way.
const MOSQUITTO_WITH_WINDOW: &str = "max_inflight_messages 1000\n";

/// Where nothing has to be kept.
const MOSQUITTO_WITHOUT_STORE: &str = "persistence false\n";

/// As near as mosquitto comes to a store: its whole database is written again after every change. It acknowledges before
/// that. Started by root it would go on as a user who may not write to the scratch folder.
const MOSQUITTO_WITH_STORE: &str = "\
persistence true
persistence_location {scratch}/
autosave_on_changes true
autosave_interval 1
user root
";

/// Mosquitto for a scenario: with a store when sessions are kept, with TLS if there is a certificate.
pub(crate) fn mosquitto(program: &Path, scenario: &Scenario, tls: Option<&Certificate>) -> Peer {
    let window = match scenario.load {
        Load::Drain { .. } => MOSQUITTO_WITH_WINDOW,
        _ => MOSQUITTO_WITHOUT_WINDOW,
    };
    let store = if scenario.is_durable() { MOSQUITTO_WITH_STORE } else { MOSQUITTO_WITHOUT_STORE };
    let tls = tls.map_or_else(String::new, |certificate| {
        let (chain, key) = (certificate.chain.display(), certificate.key.display());
        format!("certfile {chain}\nkeyfile {key}\nuser root\n")
    });
    let command = vec![program.to_string_lossy().into_owned(), "-c".to_owned(), "{config}".to_owned()];
    Peer::new("mosquitto", command, [MOSQUITTO_CONFIG, window, &tls, store].concat())
}

/// The mosquitto of this system.
///
/// # Errors
///
/// It is not installed.
pub(crate) fn mosquitto_program() -> Outcome<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut programs = std::env::split_paths(&path).map(|folder| folder.join("mosquitto"));
    let program = programs.find(|file| file.is_file());
    program
        .ok_or_else(|| "mosquitto is not on the PATH; install it, or leave it out with --broker vaux".into())
}
