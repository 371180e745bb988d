//! The `vaux-broker` program as its operator meets it: what it prints, which code it ends with, which signals it obeys.
#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::pem::PemObject as _;
use tempfile::TempDir;

/// The program with an environment of its own, so that nothing of the machine's shows.
fn command(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vaux-broker"));
    command.env_clear().env("HOME", home).current_dir(home).stdin(Stdio::null());
    command
}

fn run(home: &Path, args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command(home).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().expect("not ended by a signal"), text(stdout), text(stderr))
}

/// A running broker; it is killed when the test ends early.
struct Broker {
    child: Child,
    out: Receiver<String>,
    log: Receiver<String>,
}

impl Broker {
    fn start(command: &mut Command) -> Broker {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = lines(child.stdout.take().unwrap());
        let log = lines(child.stderr.take().unwrap());
        Broker { child, out, log }
    }

    /// The address of the next `listening` line.
    fn address(&self, kind: &str) -> SocketAddr {
        let line = wait_for(&self.out, |line| line.starts_with("listening"));
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words[..2], ["listening", kind]);
        words[2].parse().unwrap()
    }

    fn log_line(&self, part: &str) -> String {
        wait_for(&self.log, |line| line.contains(part))
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn exit_code(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The next line that is looked for. The time limit only keeps a failing test from hanging.
fn wait_for(lines: &Receiver<String>, is_it: impl Fn(&str) -> bool) -> String {
    loop {
        let line = lines.recv_timeout(Duration::from_secs(60)).expect("the line never came");
        if is_it(&line) {
            return line;
        }
    }
}

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn it_starts_with_tls_on_loopback_and_ends_when_told() {
    for signal in [Signal::TERM, Signal::INT] {
        let home = home();
        let broker = Broker::start(command(home.path()).args(["-p", "0"]));
        let address = broker.address("tls");
        assert!(address.ip().is_loopback() && address.port() != 0);
        TcpStream::connect(address).unwrap();
        let data_dir = home.path().join(".local/share/vaux");
        let connect = wait_for(&broker.out, |line| line.starts_with("connect"));
        let command = format!(
            "mosquitto_pub --cafile {} -h localhost -p {} ",
            data_dir.canonicalize().unwrap().join("tls/ca.pem").display(),
            address.port()
        );
        assert!(connect.contains(&command), "{connect}");
        for file in ["lock", "tls/ca.pem", "tls/ca.key", "tls/server.pem", "tls/server.key"] {
            assert!(data_dir.join(file).exists(), "{file}");
        }
        broker.signal(signal);
        assert_eq!(broker.exit_code(), Some(0));
    }
}

#[test]
fn plain_makes_no_certificates() {
    let home = home();
    let broker = Broker::start(command(home.path()).args(["--plain", "-p", "0", "--data-dir", "data"]));
    broker.address("tcp");
    assert!(home.path().join("data/lock").exists());
    assert!(!home.path().join("data/tls").exists());
}

#[test]
fn the_environment_sets_what_flags_set() {
    let home = home();
    let data_dir = home.path().join("shared");
    let broker = Broker::start(
        command(home.path())
            .env("VAUX_BROKER_PLAIN", "true")
            .env("VAUX_BROKER_PORT", "tcp://10.0.0.1:1883")
            .env("VAUX_DATA_DIR", &data_dir)
            .args(["-p", "0", "-l", "localhost"]),
    );
    assert!(broker.log_line("ignored").contains("VAUX_BROKER_PORT=tcp://10.0.0.1:1883"));
    broker.address("tcp");
    assert!(data_dir.join("lock").exists());
}

#[test]
fn every_listener_of_the_file_is_printed() {
    let home = home();
    let file = "[[listener]]\nbind = \"127.0.0.1:0\"\n[[listener]]\nkind = \"tcp\"\nbind = \"127.0.0.1:0\"\n";
    fs::write(home.path().join("broker.toml"), file).unwrap();
    let broker = Broker::start(command(home.path()).args(["-c", "broker.toml"]));
    let (tls, tcp) = (broker.address("tls"), broker.address("tcp"));
    assert_ne!(tls, tcp);
}

#[test]
fn a_data_directory_serves_one_broker() {
    let home = home();
    let args = ["--plain", "-p", "0", "--data-dir", "data"];
    let broker = Broker::start(command(home.path()).args(args));
    broker.address("tcp");
    let (code, out, error) = run(home.path(), &args);
    assert_eq!((code, out.as_str()), (4, ""));
    assert!(error.starts_with("vaux-broker: another broker is using the data directory "), "{error}");
}

#[test]
fn a_port_in_use_is_said_and_ends_with_3() {
    let home = home();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, out, error) = run(home.path(), &["--plain", "-p", &port]);
    assert_eq!((code, out.as_str()), (3, ""));
    assert!(error.contains(&format!("127.0.0.1:{port}")), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn mistakes_are_one_line_and_have_their_exit_code() {
    let home = home();
    let write = |name: &str, text: &str| fs::write(home.path().join(name), text).unwrap();
    write("unknown.toml", "[limits]\n\nmax_sesions = 1\n");
    write("latin1.toml", "");
    fs::write(home.path().join("latin1.toml"), b"workers = 1\n# \xe9\n").unwrap();
    write("listener.toml", "[[listener]]\nkind = \"tcp\"\n");
    write("empty.pem", "");
    write("file", "");
    write("open.toml", "[[listener]]\nname = \"lan\"\nkind = \"tcp\"\nbind = \"0.0.0.0:0\"\n");
    write("no-token.toml", "[http]\nbind = \"127.0.0.1:0\"\ntoken_file = \"none\"\n");
    write("empty-token.toml", "[http]\nbind = \"127.0.0.1:0\"\ntoken_file = \"file\"\n");
    write("http-elsewhere.toml", "[http]\nbind = \"192.0.2.1:0\"\n");
    write("http-nowhere.toml", "[http]\nbind = \"no-such-host.invalid:0\"\n");
    let cases: &[(&[&str], i32, &str)] = &[
        (&["--prot", "1"], 2, "unexpected argument '--prot' found; tip: a similar argument exists: '--port'"),
        (&["-p", "65536"], 2, "invalid value '65536' for '--port <PORT>'"),
        (&["--workers", "1000"], 2, "workers must be from 0 to 256, not 1000"),
        (&["-c", "none.toml"], 2, "none.toml: cannot be read: "),
        (&["-c", "unknown.toml"], 2, "unknown.toml:3: unknown key \"max_sesions\" in [limits]; did you mean"),
        (&["-c", "latin1.toml"], 2, "latin1.toml:2: is not UTF-8 text"),
        (&["-c", "listener.toml", "--plain"], 2, "--plain cannot be given together with a file that has a"),
        (&["-c", "open.toml"], 2, "listener \"lan\" on 0.0.0.0:0 can be reached from other machines"),
        (&["-l", "0.0.0.0"], 2, "listener \"default\" on 0.0.0.0:8883 can be reached from other machines"),
        (&["--tls-cert", "empty.pem", "--tls-key", "empty.pem"], 2, "empty.pem: holds no certificate"),
        (&["--durability", "sometimes"], 2, "invalid value 'sometimes' for '--durability <WHEN>'"),
        (&["-l", "no-such-host.invalid"], 3, "cannot listen on no-such-host.invalid: "),
        (&["--plain", "-p", "0", "-l", "192.0.2.1", "--allow-anonymous"], 3, "192.0.2.1"),
        (&["--plain", "-p", "0", "-c", "no-token.toml"], 2, "token file none: No such file"),
        (&["--plain", "-p", "0", "-c", "empty-token.toml"], 2, "token file file: is empty"),
        (&["--check-config", "-c", "empty-token.toml"], 2, "token file file: is empty"),
        (&["--plain", "-p", "0", "-c", "http-elsewhere.toml"], 3, "cannot listen on 192.0.2.1:0: "),
        (&["--plain", "-p", "0", "-c", "http-nowhere.toml"], 3, "cannot listen on no-such-host.invalid:0: "),
        (&["--data-dir", "file"], 4, "data directory file: "),
    ];
    for (args, expected_code, message) in cases {
        let (code, out, error) = run(home.path(), args);
        assert_eq!((code, out.as_str()), (*expected_code, ""), "{args:?}: {error}");
        assert!(error.starts_with("vaux-broker: ") && error.contains(message), "{args:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{args:?}: {error}");
    }
}

#[test]
fn a_local_authority_that_cannot_be_used_is_said() {
    let home = home();
    let args = ["-p", "0", "--data-dir", "data"];
    let broker = Broker::start(command(home.path()).args(args));
    broker.address("tls");
    drop(broker);

    let (code, _, error) =
        run(home.path(), &["-p", "0", "--data-dir", "data", "-l", "192.0.2.1", "--allow-anonymous"]);
    assert_eq!(code, 2);
    assert!(error.contains("tls/ca.pem was made for other names and may not vouch for 192.0.2.1"), "{error}");

    fs::write(home.path().join("data/tls/ca.pem"), "damaged").unwrap();
    let key = fs::read(home.path().join("data/tls/ca.key")).unwrap();
    let (code, _, error) = run(home.path(), &args);
    assert_eq!(code, 4);
    assert!(error.ends_with("tls/ca.pem: holds no certificate\n"), "{error}");
    assert_eq!(fs::read(home.path().join("data/tls/ca.key")).unwrap(), key);
}

#[test]
fn check_config_says_good_or_what_is_wrong_and_leaves_nothing_behind() {
    let home = home();
    fs::write(home.path().join("good.toml"), "[limits]\nmax_sessions = 1\n").unwrap();
    fs::write(home.path().join("bad.toml"), "[limits]\nmax_sessions = 0\n").unwrap();
    let good = run(home.path(), &["-c", "good.toml", "--check-config"]);
    assert_eq!(good, (0, "The configuration is good.\n".into(), String::new()));
    let (code, out, error) = run(home.path(), &["-c", "bad.toml", "--check-config"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(error.contains("bad.toml:2: max_sessions must be"), "{error}");
    let (code, _, _) = run(home.path(), &["-l", "::", "--check-config"]);
    assert_eq!(code, 2);
    assert!(!home.path().join(".local").exists());
}

#[test]
fn print_config_prints_what_is_in_force_as_a_file() {
    let home = home();
    let (code, printed, _) = run(home.path(), &["-p", "2000", "--plain", "-s", "5", "--print-config"]);
    assert_eq!(code, 0);
    for line in ["kind = \"tcp\"", "bind = \"127.0.0.1:2000\"", "max_sessions = 5"] {
        assert!(printed.contains(line), "{printed}");
    }
    fs::write(home.path().join("broker.toml"), &printed).unwrap();
    assert_eq!(run(home.path(), &["-c", "broker.toml", "--print-config"]), (0, printed, String::new()));
}

#[test]
fn help_and_version_go_to_standard_output() {
    let home = home();
    let version = format!("vaux-broker {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(home.path(), &["-V"]), (0, version, String::new()));
    let (code, help, error) = run(home.path(), &["--help"]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(help.contains("--max-active-sessions <N>"), "{help}");
}

#[test]
fn a_reload_takes_over_a_good_file_and_refuses_a_bad_one() {
    let home = home();
    let file = home.path().join("broker.toml");
    let listener = "[[listener]]\nkind = \"tcp\"\nbind = \"127.0.0.1:0\"\n";
    fs::write(&file, format!("{listener}[log]\nfilter = \"error\"\n")).unwrap();
    let broker = Broker::start(command(home.path()).args(["-c", "broker.toml"]));
    let address = broker.address("tcp");

    fs::write(&file, "[limits]\nmax_sessions = 0\n").unwrap();
    broker.signal(Signal::HUP);
    let line = broker.log_line("not reloaded");
    assert!(line.contains("broker.toml:2: max_sessions must be"), "{line}");
    TcpStream::connect(address).unwrap();

    fs::write(&file, format!("data_dir = \"elsewhere\"\n{listener}[log]\nformat = \"json\"\n")).unwrap();
    broker.signal(Signal::HUP);
    // The filter is the default again: none of these lines passes the old one.
    broker.log_line("log.format changes with the next start");
    broker.log_line("data_dir changes with the next start");
    broker.log_line("reloaded");
    TcpStream::connect(address).unwrap();

    broker.signal(Signal::TERM);
    assert_eq!(broker.exit_code(), Some(0));
}

#[test]
fn a_token_that_cannot_be_read_fails_the_reload() {
    let home = home();
    let file = "[http]\nbind = \"127.0.0.1:0\"\ntoken_file = \"token\"\n[log]\nfilter = \"info\"\n";
    fs::write(home.path().join("broker.toml"), file).unwrap();
    fs::write(home.path().join("token"), "0123456789abcdef\n").unwrap();
    let broker = Broker::start(command(home.path()).args(["--plain", "-p", "0", "-c", "broker.toml"]));
    let line = wait_for(&broker.out, |line| line.starts_with("http"));
    let words: Vec<_> = line.split_whitespace().collect();
    let address: SocketAddr = words[1].parse().unwrap();
    assert_eq!(words[2..], ["for", "/healthz", "/readyz", "/metrics", "/api/v1"]);
    fs::remove_file(home.path().join("token")).unwrap();
    broker.signal(Signal::HUP);
    assert!(broker.log_line("not reloaded").contains("token file token: No such file"));
    TcpStream::connect(address).unwrap();
    broker.signal(Signal::TERM);
    assert_eq!(broker.exit_code(), Some(0));
}

#[test]
fn the_log_can_be_json() {
    let home = home();
    let broker = Broker::start(command(home.path()).args(["--plain", "-p", "0", "--log-format", "json"]));
    broker.address("tcp");
    broker.signal(Signal::TERM);
    let line = broker.log_line("second signal");
    assert!(line.starts_with('{') && line.contains("\"level\":\"INFO\""), "{line}");
    assert_eq!(broker.exit_code(), Some(0));
}

/// Whether the broker proves to be `name` to a client that trusts this certificate alone.
fn proves(address: SocketAddr, name: &str, certificate: &str) -> bool {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    let name = name.to_owned().try_into().unwrap();
    let mut tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    while tls.is_handshaking() {
        if tls.complete_io(&mut stream).is_err() {
            return false;
        }
    }
    true
}

#[test]
fn a_changed_certificate_is_served_without_being_asked_to() {
    let home = home();
    let path = |name: &str| home.path().join(name);
    let write = |name: &str| {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        fs::write(path("cert.pem"), made.cert.pem()).unwrap();
        fs::write(path("key.pem"), made.signing_key.serialize_pem()).unwrap();
        made.cert.pem()
    };
    let first = write("first.example");
    let args = ["-p", "0", "--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let broker = Broker::start(command(home.path()).args(args));
    let address = broker.address("tls");
    assert!(proves(address, "first.example", &first));
    fs::write(path("cert.pem"), "half a certificate").unwrap();
    broker.log_line("certificates have changed, and are not used");
    assert!(proves(address, "first.example", &first));
    let second = write("second.example");
    broker.log_line("certificates have changed, and were read again");
    assert!(proves(address, "second.example", &second));
    assert!(!proves(address, "first.example", &first));
}

#[test]
fn a_client_at_the_wrong_port_leaves_a_line_in_the_log() {
    use std::io::Write as _;
    let home = home();
    let file = "[[listener]]\nbind = \"127.0.0.1:0\"\n[[listener]]\nkind = \"tcp\"\nbind = \"127.0.0.1:0\"\n";
    fs::write(home.path().join("broker.toml"), file).unwrap();
    let broker = Broker::start(command(home.path()).args(["-c", "broker.toml"]));
    let (tls, tcp) = (broker.address("tls"), broker.address("tcp"));
    for (address, bytes, line) in [
        (
            tls,
            &b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"[..],
            "the client does not speak TLS, and this",
        ),
        (tls, b"GET / HTTP/1.1\r\n\r\n", "the client does not speak TLS, and this"),
        (
            tcp,
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            "the client speaks TLS, and this listener does not",
        ),
        (
            tcp,
            &[&b"GET / HTTP/1.1\r\nHost: a\r\n"[..], &[b'x'; 100]].concat(),
            "the client speaks HTTP, and this",
        ),
    ] {
        TcpStream::connect(address).unwrap().write_all(bytes).unwrap();
        let line = broker.log_line(line);
        assert!(line.contains("peer=127.0.0.1:"), "{line}");
    }
}

#[test]
fn a_client_that_speaks_another_protocol_over_tls_is_told_so() {
    let home = home();
    let broker = Broker::start(command(home.path()).args(["-p", "0", "--data-dir", "data"]));
    let address = broker.address("tls");
    let mut roots = rustls::RootCertStore::empty();
    let ca = home.path().join("data/tls/ca.pem");
    roots.add(rustls::pki_types::CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut tls = rustls::ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let error = loop {
        assert!(tls.is_handshaking());
        if let Err(error) = tls.complete_io(&mut stream) {
            break error;
        }
    };
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    broker.log_line("the client offers other protocols than MQTT (ALPN)");
}

#[test]
fn damage_of_the_store_is_told_at_the_start_and_at_the_end() {
    let home = home();
    let args = ["--plain", "-p", "0", "--data-dir", "data"];
    let broker = Broker::start(command(home.path()).args(args));
    broker.address("tcp");
    drop(broker);
    fs::remove_file(home.path().join("data/store.db-wal")).unwrap();
    fs::write(home.path().join("data/store.db"), "not a store any more").unwrap();
    let broker = Broker::start(command(home.path()).args(args));
    broker.address("tcp");
    let damage = wait_for(&broker.out, |line| line.starts_with("damage"));
    assert!(damage.contains("the store could not be read at all"), "{damage}");
    broker.log_line("the store could not be read at all");
    let kept = broker.log_line("the damaged store is kept in");
    let kept = Path::new(kept.rsplit(' ').next().unwrap()).join("store.db");
    assert!(
        kept.starts_with(home.path().canonicalize().unwrap().join("data/quarantine")),
        "{}",
        kept.display()
    );
    assert_eq!(fs::read_to_string(kept).unwrap(), "not a store any more");
    broker.signal(Signal::TERM);
    broker.log_line("damage found at the start: the store could not be read at all");
    assert_eq!(broker.exit_code(), Some(0));
}
