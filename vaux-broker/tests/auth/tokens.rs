//! Tokens as passwords.

use vaux_mqtt::ReasonCode;
use vaux_mqtt::packet::Connect;

use super::client::{Client, named, nameless};
use super::passwords::ALICE;
use super::serving::{LISTENER, Serving};

#[path = "../../src/auth/jwt/samples.rs"]
mod samples;

use samples::SAMPLES;

#[test]
fn a_token_says_who_the_client_is() {
    for (algorithm, key, token) in SAMPLES {
        let toml = format!(
            "{LISTENER}[auth]\njwt = {{ key_file = \"key\", audience = \"mqtt\" }}\nacl_file = \"acl\"\n"
        );
        let acl = "user alice\ntopic write ok\n";
        let serving = Serving::start(&[("broker.toml", &toml), ("key", key), ("acl", acl)]);
        let address = serving.address();
        // Whatever the user name: the token counts.
        for connect in [named("a", "anything", token), Connect { user_name: None, ..named("b", "", token) }] {
            let mut client = Client::connect(address, &connect).unwrap();
            assert_eq!(client.publish("ok", "x", false), ReasonCode::NoMatchingSubscribers, "{algorithm}");
        }
        let wrong = token.replace("eyJ", "eyK");
        for connect in [named("c", "alice", &wrong), named("d", "alice", "alice"), nameless("e")] {
            assert!(Client::connect(address, &connect).is_err(), "{algorithm}");
        }
    }
}

#[test]
fn tokens_and_passwords_go_together() {
    let (_, key, token) = SAMPLES[1];
    let toml = format!("{LISTENER}[auth]\npassword_file = \"users\"\njwt.key_file = \"key\"\n");
    let serving = Serving::start(&[("broker.toml", &toml), ("key", key), ("users", ALICE)]);
    let address = serving.address();
    assert!(Client::connect(address, &named("a", "alice", "secret")).is_ok());
    assert!(Client::connect(address, &named("b", "", token)).is_ok());
    assert!(Client::connect(address, &named("c", "alice", "Secret")).is_err());
    assert!(Client::connect(address, &nameless("d")).is_err());
}

#[test]
fn a_key_that_cannot_be_used_is_refused_at_the_start_and_at_a_reload() {
    let (_, key, token) = SAMPLES[0];
    let toml = format!("{LISTENER}[auth]\njwt.key_file = \"key\"\n");
    let half = format!("{}\n", &key[..100]);
    let running = Serving::start(&[("broker.toml", &toml), ("key", key)]);
    let address = running.address();
    for (content, problem) in [
        (None, "key: cannot be read: No such file or directory (os error 2)"),
        (Some(""), "key: holds neither a PEM key nor a secret of at least 32 bytes"),
        (Some("secret\n"), "key: holds neither a PEM key nor a secret of at least 32 bytes"),
        (Some(&*half), "key: holds no public key of RSA, P-256 or Ed25519 in PEM"),
        (Some(&key[..100]), "key:3: the last line does not end: the file is half written"),
    ] {
        let files: Vec<_> = content.map(|content| ("key", content)).into_iter().collect();
        let serving = Serving::start(&[&files[..], &[("broker.toml", &toml)]].concat());
        assert_eq!(serving.end(), (Some(2), format!("vaux-broker: {problem}")));
        match content {
            Some(content) => running.write("key", content),
            None => std::fs::remove_file(running.path("key")).unwrap(),
        }
        let line = running.reload();
        assert!(line.contains("not reloaded, all stays as it was: ") && line.ends_with(problem), "{line}");
        assert!(Client::connect(address, &named("a", "", token)).is_ok());
    }
}
