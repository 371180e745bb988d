//! Every file that security hangs on, in every state that it should not be in: the program does not start with it, and a
//! reload changes nothing.

use std::fs;
use std::path::Path;

use super::client::{Client, named, nameless};
use super::mutual_tls::Authority;
use super::passwords::ALICE;
use super::serving::Serving;

const CONFIGURATION: &str = r#"
[[listener]]
name = "plain"
kind = "tcp"
bind = "127.0.0.1:0"
[[listener]]
name = "own"
kind = "tcp"
bind = "127.0.0.1:0"
password_file = "own-users"
acl_file = "own-acl"
[[listener]]
name = "tls"
bind = "127.0.0.1:0"
[listener.tls]
cert = "server.pem"
key = "server.key"
sni = [{ cert = "other.pem", key = "other.key" }]
client_ca = "clients.pem"
crl = "crl.pem"
require_client_cert = true
[auth]
password_file = "users"
acl_file = "acl"
jwt = { key_file = "jwt.key" }
[http]
bind = "127.0.0.1:0"
token_file = "token"
"#;

/// What each file holds when all is well.
fn write_good(home: &Path) -> Vec<(&'static str, String)> {
    let authority = Authority::new("ours");
    for (serial, name) in [(1, "server"), (2, "other")] {
        authority.certify(home, name, serial);
    }
    let written = ["server.pem", "server.key", "other.pem", "other.key"];
    let mut files: Vec<_> =
        written.into_iter().map(|name| (name, fs::read_to_string(home.join(name)).unwrap())).collect();
    files.extend([
        ("clients.pem", authority.pem.clone()),
        ("crl.pem", authority.list(1, &[])),
        ("users", ALICE.to_owned()),
        ("own-users", ALICE.to_owned()),
        ("acl", "user alice\ntopic a/#\n".into()),
        ("own-acl", "user alice\ntopic a/#\n".into()),
        ("jwt.key", "a secret of thirty-two bytes or so\n".into()),
        ("token", "0123456789abcdefghij\n".into()),
    ]);
    for (name, content) in &files {
        fs::write(home.join(name), content).unwrap();
    }
    fs::write(home.join("broker.toml"), CONFIGURATION).unwrap();
    files
}

/// What a file can be that it should not.
const STATES: [&str; 5] = ["absent", "unreadable", "empty", "malformed", "half written"];

fn spoil(path: &Path, good: &str, state: &str) {
    fs::remove_file(path).unwrap();
    match state {
        "absent" => {}
        // Also for a user who may read everything.
        "unreadable" => fs::create_dir(path).unwrap(),
        "empty" => fs::write(path, "").unwrap(),
        "malformed" => fs::write(path, "Dear Bob,\n").unwrap(),
        _ => fs::write(path, &good[..good.len() / 2]).unwrap(),
    }
}

fn mend(path: &Path, good: &str) {
    if path.is_dir() {
        fs::remove_dir(path).unwrap();
    }
    fs::write(path, good).unwrap();
}

#[test]
fn every_file_is_refused_at_the_start_and_not_taken_over_by_a_reload() {
    let home = tempfile::tempdir().unwrap();
    let files = write_good(home.path());
    let running = Serving::start_in(home, &[]);
    let addresses = [running.address(), running.address()];
    for (name, good) in &files {
        for state in STATES {
            let other = tempfile::tempdir().unwrap();
            write_good(other.path());
            let in_other = fs::read_to_string(other.path().join(name)).unwrap();
            spoil(&other.path().join(name), &in_other, state);
            let (code, line) = Serving::start_in(other, &[]).end();
            assert_eq!(code, Some(2), "{name} {state}: {line}");
            assert!(line.contains(name), "{name} {state}: {line}");

            spoil(&running.path(name), good, state);
            let line = running.reload();
            assert!(line.contains("not reloaded, all stays as it was: "), "{name} {state}: {line}");
            assert!(line.contains(name), "{name} {state}: {line}");
            mend(&running.path(name), good);
        }
    }
    for address in addresses {
        assert!(Client::connect(address, &named("a", "alice", "secret")).is_ok());
        assert!(Client::connect(address, &named("b", "alice", "Secret")).is_err());
        assert!(Client::connect(address, &nameless("c")).is_err());
    }
    assert!(!running.reload().contains("not reloaded"));
}
