//! Tokens as passwords.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use vaux_mqtt::packet::Connect;
use vaux_mqtt::{Packet, ReasonCode};

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

/// A token of Alice, signed with the secret of the samples, that is good for so many seconds from now on.
fn token_for(seconds: f64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let claims = format!(r#"{{"sub":"alice","exp":{}}}"#, now + seconds);
    let [header, claims] = [r#"{"alg":"HS256"}"#, &claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let message = format!("{header}.{claims}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SAMPLES[3].1.trim_end().as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes())))
}

#[test]
fn a_client_is_disconnected_when_its_token_ends_or_its_key_does_not_count_any_more() {
    let toml = format!("{LISTENER}[auth]\njwt.key_file = \"key\"\n");
    let serving = Serving::start(&[("broker.toml", &toml), ("key", SAMPLES[3].1)]);
    let address = serving.address();
    let disconnected = |client: &mut Client| {
        client.receive(|packet| match packet {
            Packet::Disconnect(disconnect) => assert_eq!(disconnect.reason, ReasonCode::NotAuthorized),
            other => panic!("{other:?}"),
        });
    };
    let connect = |seconds| Client::connect(address, &named("", "", &token_for(seconds)));
    // However slow the machine, one of them lasts until it is looked at.
    let mut short = [1.0, 4.0, 16.0, 64.0].into_iter().find_map(|seconds| connect(seconds).ok()).unwrap();
    let mut long = connect(1000.0).unwrap();
    disconnected(&mut short);
    assert!(!serving.reload().contains("not reloaded"));
    assert_eq!(long.subscribe("a"), ReasonCode::GrantedQos1, "the same key counts");
    serving.write("key", "another secret that is long enough to be one\n");
    assert!(!serving.reload().contains("not reloaded"));
    disconnected(&mut long);
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
