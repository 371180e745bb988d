//! The brokers under test: how each is configured, started, found ready and stopped.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tempfile::TempDir;

use super::certificate::Certificate;
use super::placement::Placement;
use super::scenario::Scenario;
use crate::Outcome;

/// A broker that can be started.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peer {
    /// Its name in the report.
    pub(crate) name: String,
    /// Program and arguments. `{port}`, `{config}` and `{scratch}` are replaced.
    command: Vec<String>,
    /// The text of its configuration file, if it needs one. `{port}` and `{scratch}` are replaced.
    config: Option<String>,
    /// The same where TLS is measured; `{certificate}` and `{key}` are replaced too. Without it the broker does not take
    /// part there.
    tls_config: Option<String>,
    /// Scenarios that it cannot do, by how their names begin.
    #[serde(default)]
    except: Vec<String>,
    /// What the broker prints before the address of its listener, if it picks the port itself. Only vaux-broker does.
    #[serde(skip)]
    pub(super) announcement: Option<&'static [&'static str; 2]>,
    /// The broker tells over HTTP how long its commits take, and announces where. Only vaux-broker does.
    #[serde(skip)]
    pub(super) announces_metrics: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PeerFile {
    peer: Vec<Peer>,
}

/// How long a broker may take until it accepts connections.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// What vaux-broker prints before the address of its plain listener.
pub(super) const TCP_ANNOUNCEMENT: [&str; 2] = ["listening", "tcp"];

/// What vaux-broker prints before the address of its listener with TLS.
pub(super) const TLS_ANNOUNCEMENT: [&str; 2] = ["listening", "tls"];

/// What vaux-broker prints before the address where it answers HTTP.
const HTTP_ANNOUNCEMENT: [&str; 1] = ["http"];

impl Peer {
    /// A broker with a configuration file, which listens on the port that it is told.
    pub(super) fn new(name: &str, command: Vec<String>, config: String) -> Peer {
        Peer {
            name: name.to_owned(),
            command,
            config: Some(config),
            tls_config: None,
            except: Vec::new(),
            announcement: None,
            announces_metrics: false,
        }
    }

    /// As it takes part in a scenario, with TLS if there is a certificate; `None` if it does not.
    pub(super) fn for_scenario(&self, scenario: &Scenario, tls: Option<&Certificate>) -> Option<Peer> {
        if self.except.iter().any(|beginning| scenario.name.starts_with(beginning)) {
            return None;
        }
        let Some(certificate) = tls else { return Some(self.clone()) };
        let config = self.tls_config.as_ref()?;
        let config = config.replace("{certificate}", &certificate.chain.to_string_lossy());
        let config = config.replace("{key}", &certificate.key.to_string_lossy());
        Some(Peer { config: Some(config), ..self.clone() })
    }

    /// The peers of a TOML file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or a peer in it could not be reached.
    pub(crate) fn from_file(path: &Path) -> Outcome<Vec<Peer>> {
        let text =
            fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        Peer::from_toml(&text).map_err(|error| format!("{}: {error}", path.display()).into())
    }

    fn from_toml(text: &str) -> Result<Vec<Peer>, String> {
        let file: PeerFile = toml::from_str(text).map_err(|error| error.to_string())?;
        for peer in &file.peer {
            let texts = || peer.command.iter().chain(&peer.config);
            if peer.tls_config.is_some() && peer.config.is_none() {
                return Err(format!("{} has a tls_config but no config", peer.name));
            }
            if peer.command.is_empty() {
                return Err(format!("the command of {} is empty", peer.name));
            }
            if !texts().any(|text| text.contains("{port}")) {
                return Err(format!("neither the command nor the config of {} says {{port}}", peer.name));
            }
            if peer.command.iter().any(|part| part.contains("{config}")) != peer.config.is_some() {
                return Err(format!(
                    "{} needs both a config and {{config}} in its command, or neither",
                    peer.name
                ));
            }
        }
        Ok(file.peer)
    }

    /// Starts the broker and waits until it accepts connections.
    ///
    /// # Errors
    ///
    /// It does not start; the message ends with what it printed.
    pub(crate) fn start(&self, placement: &Placement) -> Outcome<Broker> {
        let scratch = tempfile::Builder::new().prefix("vaux-bench-").tempdir()?;
        let mut broker = self.spawn(scratch.path(), placement)?;
        broker.wait_until_ready()?;
        broker.scratch = Some(scratch);
        Ok(broker)
    }

    /// Starts the broker's process in a folder that outlives it; [`Broker::wait_until_ready`] is to follow.
    ///
    /// # Errors
    ///
    /// The program cannot be run.
    pub(crate) fn spawn(&self, scratch: &Path, placement: &Placement) -> Outcome<Broker> {
        let port = if self.announcement.is_some() { 0 } else { free_port()? };
        let config_path = scratch.join("config");
        let fill = |text: &str| {
            text.replace("{port}", &port.to_string())
                .replace("{config}", &config_path.to_string_lossy())
                .replace("{scratch}", &scratch.to_string_lossy())
        };
        if let Some(config) = &self.config {
            fs::write(&config_path, fill(config))?;
        }
        let log_path = scratch.join("log");
        let words: Vec<String> = self.command.iter().map(|word| fill(word)).collect();
        let mut child = placement
            .command(&words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log_path)?)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", self.name))?;
        let (announced, announced_http) = announcements(&mut child, self.announcement);
        Ok(Broker {
            name: self.name.clone(),
            child,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            announced,
            announced_http: self.announces_metrics.then_some(announced_http),
            log_path,
            scratch: None,
        })
    }
}

/// A running broker, which ends with this value.
#[derive(Debug)]
pub(crate) struct Broker {
    name: String,
    pub(crate) child: Child,
    /// Where it listens. The port is 0 until it is known.
    pub(crate) address: SocketAddr,
    announced: mpsc::Receiver<SocketAddr>,
    /// Where it will say that it answers HTTP, if it does.
    announced_http: Option<mpsc::Receiver<SocketAddr>>,
    log_path: PathBuf,
    /// Removed when the broker has ended.
    scratch: Option<TempDir>,
}

impl Broker {
    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the broker accepts connections.
    ///
    /// # Errors
    ///
    /// It has ended or takes too long; the message ends with what it printed.
    pub(crate) fn wait_until_ready(&mut self) -> Outcome {
        self.accepting().map_err(|why| self.failed_to_start(&why).into())
    }

    /// Where it answers HTTP, if it has metrics.
    ///
    /// # Errors
    ///
    /// It does not say; the message ends with what it printed.
    pub(crate) fn metrics(&self) -> Outcome<Option<SocketAddr>> {
        let Some(announced) = &self.announced_http else { return Ok(None) };
        match announced.recv_timeout(START_TIMEOUT) {
            Ok(address) => Ok(Some(address)),
            Err(_) => Err(self.failed_to_start("it did not say where it answers HTTP").into()),
        }
    }

    fn accepting(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("it ended with {status}"));
            }
            if self.address.port() == 0 {
                let announced = self.announced.recv_timeout(Duration::from_millis(20));
                self.address = announced.unwrap_or(self.address);
            } else if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            } else {
                thread::sleep(Duration::from_millis(20));
            }
        }
        Err(format!("it accepted no connection within {} s", START_TIMEOUT.as_secs()))
    }

    fn failed_to_start(&self, why: &str) -> String {
        format!("{} did not start: {why}\n{}", self.name, self.last_words())
    }

    /// The end of what the broker wrote to its log.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log_path).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(10).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        last.join("\n")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It holds nothing worth an orderly end: its data is in the scratch folder. A broker that has already ended
        // cannot be killed again, and that is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads all that the broker prints, so that it never waits for a reader, and hands on the addresses it announces: those
/// of its listener and of HTTP.
fn announcements(
    child: &mut Child,
    announcement: Option<&'static [&'static str; 2]>,
) -> (mpsc::Receiver<SocketAddr>, mpsc::Receiver<SocketAddr>) {
    let (sender, receiver) = mpsc::channel();
    let (http_sender, http_receiver) = mpsc::channel();
    let output = child.stdout.take().expect("the output is piped");
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Nobody listens any more once the first has come, or where nobody asks.
            let listener = announcement.and_then(|announcement| announced_address(&line, announcement));
            if let Some(address) = listener {
                let _ = sender.send(address);
            } else if let Some(address) = announced_address(&line, &HTTP_ANNOUNCEMENT) {
                let _ = http_sender.send(address);
            }
        }
    });
    (receiver, http_receiver)
}

fn announced_address(line: &str, announcement: &[&str]) -> Option<SocketAddr> {
    let mut words = line.split_whitespace();
    let is_announcement = announcement.iter().all(|expected| words.next() == Some(expected));
    words.next().filter(|_| is_announcement)?.parse().ok()
}

/// A port that nobody listens on at this moment.
fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Whether a program of the system can be started.
pub(crate) fn is_installed(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::scenario;

    #[test]
    fn the_announced_address_is_read() {
        let plain = |line| announced_address(line, &TCP_ANNOUNCEMENT);
        let http = |line| announced_address(line, &HTTP_ANNOUNCEMENT);
        assert_eq!(plain("listening  tcp   127.0.0.1:4711"), Some(([127, 0, 0, 1], 4711).into()));
        assert_eq!(plain("listening  tls   127.0.0.1:4711"), None);
        assert_eq!(plain("listening  tcp"), None);
        assert_eq!(http("http       127.0.0.1:4712 for /metrics"), Some(([127, 0, 0, 1], 4712).into()));
        assert_eq!(http("listening  tcp   127.0.0.1:4711"), None);
    }

    #[test]
    fn a_peer_file_is_read_whole() {
        let text = "[[peer]]\nname = 'a'\ncommand = ['a', '-p', '{port}']\n\
                    [[peer]]\nname = 'b'\ncommand = ['b', '{config}']\nconfig = 'port={port}'\n";
        let names: Vec<String> = Peer::from_toml(text).unwrap().into_iter().map(|peer| peer.name).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn a_peer_that_could_not_be_reached_is_refused() {
        for (wrong, why) in [
            ("command = []", "empty"),
            ("command = ['a']", "{port}"),
            ("command = ['a', '{port}', '{config}']", "{config}"),
            ("command = ['a', '{port}']\nconfig = 'x'", "{config}"),
            ("command = ['a', '{port}']\nport = 1", "port"),
            ("command = ['a', '{port}']\ntls_config = 'x'", "tls_config"),
        ] {
            let error = Peer::from_toml(&format!("[[peer]]\nname = 'a'\n{wrong}\n")).unwrap_err();
            assert!(error.contains(why), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_peer_takes_part_where_it_can() {
        let text = "[[peer]]\nname = 'a'\ncommand = ['a', '{config}']\nconfig = '{port}'\nexcept = ['pairs-tls']\n\
                    tls_config = '{port} {certificate}'\n[[peer]]\nname = 'b'\ncommand = ['b', '{port}']\n";
        let peers = Peer::from_toml(text).unwrap();
        let certificate = Certificate::new().unwrap();
        let config_for = |peer: usize, name: &str| {
            let scenario = scenario::named(name).unwrap();
            let peer = peers[peer].for_scenario(&scenario, scenario.tls.then_some(&certificate))?;
            Some(peer.config)
        };
        assert_eq!(config_for(0, "pairs-qos0"), Some(Some("{port}".to_owned())));
        assert!(config_for(0, "idle-tls").unwrap().unwrap().ends_with("server.pem"));
        assert_eq!(config_for(0, "pairs-tls-qos0"), None);
        assert_eq!(config_for(1, "idle-tls"), None);
    }

    #[test]
    fn a_program_that_ends_at_once_is_an_error_with_its_last_words() {
        let text = "[[peer]]\nname = 'a'\ncommand = ['sh', '-c', 'echo no {port} >&2; exit 3']\n";
        let peer = Peer::from_toml(text).unwrap().remove(0);
        let error = peer.start(&Placement::anywhere()).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("no "), "{error}");
    }
}
