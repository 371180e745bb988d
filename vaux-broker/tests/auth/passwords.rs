//! Who is let in by a password file.

use std::time::{Duration, Instant};

use vaux_broker::auth::{Credentials, set_password};
use vaux_mqtt::packet::Connect;
use vaux_mqtt::{Packet, ReasonCode, Version};

use super::client::{Client, named, nameless};
use super::serving::{LISTENER, Serving};

/// Alice, whose password is "secret", as `mosquitto_passwd` writes her.
pub(crate) const ALICE: &str = "alice:$7$101$QctRUPUlZtad+acJ$eATIzjxWhURXe/9GDEsXr7HhWBW+rmpdXj8I3iVz9kZw1A/5ttnNGINzpgAzt/mvIvyeX5Mcvg6LAPBV2ZowNA==\n";

fn toml(rest: &str) -> String {
    format!("{LISTENER}{rest}[auth]\npassword_file = \"users\"\n")
}

fn outcome(address: std::net::SocketAddr, connect: &Connect<'_>) -> ReasonCode {
    Client::open(address, connect).connack()
}

#[test]
fn only_users_with_their_passwords_are_let_in() {
    let serving = Serving::start(&[("broker.toml", &toml("")), ("users", ALICE)]);
    let address = serving.address();
    let wrong = ReasonCode::BadUserNameOrPassword;
    for (connect, reason) in [
        (named("a", "alice", "secret"), ReasonCode::Success),
        (named("b", "alice", "secret"), ReasonCode::Success),
        (named("c", "alice", "Secret"), wrong),
        (named("d", "alice", ""), wrong),
        (named("e", "Alice", "secret"), wrong),
        (named("f", "", "secret"), wrong),
        (named("g", "bob", "secret"), wrong),
        (named("h", "$operator", "secret"), wrong),
        (Connect { password: None, ..named("i", "alice", "") }, ReasonCode::NotAuthorized),
        (Connect { user_name: None, ..named("j", "", "secret") }, ReasonCode::NotAuthorized),
        (nameless("k"), ReasonCode::NotAuthorized),
        (Connect { version: Version::V311, ..named("l", "alice", "secret") }, ReasonCode::Success),
        (Connect { version: Version::V311, ..named("m", "alice", "Secret") }, wrong),
        (Connect { version: Version::V31, ..nameless("n") }, ReasonCode::NotAuthorized),
    ] {
        assert_eq!(outcome(address, &connect), reason, "{connect:?}");
    }
}

#[test]
fn where_anybody_may_connect_a_name_must_still_be_right() {
    let serving = Serving::start(&[("broker.toml", &toml("allow_anonymous = true\n")), ("users", ALICE)]);
    let address = serving.address();
    assert_eq!(outcome(address, &nameless("a")), ReasonCode::Success);
    assert_eq!(outcome(address, &named("b", "alice", "secret")), ReasonCode::Success);
    assert_eq!(outcome(address, &named("c", "alice", "Secret")), ReasonCode::BadUserNameOrPassword);
    assert_eq!(outcome(address, &named("d", "bob", "")), ReasonCode::BadUserNameOrPassword);
}

#[test]
fn a_listener_has_its_own_users() {
    let own = format!("{LISTENER}password_file = \"own\"\n");
    let serving = Serving::start(&[
        ("broker.toml", &format!("{own}{}", toml(""))),
        ("users", ALICE),
        ("own", &ALICE.replace("alice", "bob")),
    ]);
    let (own, common) = (serving.address(), serving.address());
    for (address, name, reason) in [
        (own, "bob", ReasonCode::Success),
        (own, "alice", ReasonCode::BadUserNameOrPassword),
        (common, "alice", ReasonCode::Success),
        (common, "bob", ReasonCode::BadUserNameOrPassword),
    ] {
        assert_eq!(outcome(address, &named(name, name, "secret")), reason, "{name}");
    }
}

#[test]
fn who_fails_too_often_waits_and_right_credentials_pass_meanwhile() {
    let toml = format!("{}[limits]\nfailed_auth_per_ip = 2\n", toml(""));
    let serving = Serving::start(&[("broker.toml", &toml), ("users", ALICE)]);
    let address = serving.address();
    for _ in 0..2 {
        assert_eq!(outcome(address, &named("a", "alice", "x")), ReasonCode::BadUserNameOrPassword);
    }
    let began = Instant::now();
    let mut waiting = Client::open(address, &named("a", "alice", "x"));
    assert_eq!(outcome(address, &named("b", "alice", "secret")), ReasonCode::Success);
    assert_eq!(waiting.connack(), ReasonCode::BadUserNameOrPassword);
    // A lower bound: however slow the machine, the refusal must not come sooner.
    assert!(began.elapsed() >= Duration::from_secs(3));
}

#[test]
fn who_was_removed_or_has_another_password_is_disconnected_by_the_reload() {
    let user = |name: &str| ALICE.replace("alice", name);
    let users = ["alice", "bob", "carol", "dave"].map(user).concat();
    let serving = Serving::start(&[("broker.toml", &toml("")), ("users", &users)]);
    let address = serving.address();
    let connect = |name| Client::connect(address, &named(name, name, "secret")).unwrap();
    let (mut alice, mut bob, mut carol) = (connect("alice"), connect("bob"), connect("carol"));
    let old = Connect { version: Version::V311, ..named("dave", "dave", "secret") };
    let mut dave = Client::connect(address, &old).unwrap();
    // Bob's salt is another one, and so is his password, perhaps; Carol and Dave are gone.
    let path = serving.path("users");
    serving.write("users", &[user("alice"), user("bob")].concat());
    set_password(&path, "bob", &Credentials::new(b"other", false), false).unwrap();
    assert!(!serving.reload().contains("not reloaded"));
    for client in [&mut bob, &mut carol] {
        client.receive(|packet| match packet {
            Packet::Disconnect(disconnect) => assert_eq!(disconnect.reason, ReasonCode::NotAuthorized),
            other => panic!("{other:?}"),
        });
    }
    assert!(dave.is_closed());
    assert_eq!(alice.subscribe("a"), ReasonCode::GrantedQos1, "nothing is known against her");
    assert_eq!(outcome(address, &named("bob", "bob", "other")), ReasonCode::Success);
    assert_eq!(outcome(address, &named("bob", "bob", "secret")), ReasonCode::BadUserNameOrPassword);
    // A reload that fails keeps all as it was.
    serving.write("users", "alice\n");
    assert!(serving.reload().contains("not reloaded"));
    assert_eq!(alice.subscribe("b"), ReasonCode::GrantedQos1);
}

#[test]
fn the_session_of_a_user_is_not_given_to_another() {
    let users = format!("{ALICE}{}", ALICE.replace("alice", "bob"));
    let serving = Serving::start(&[("broker.toml", &toml("")), ("users", &users)]);
    let address = serving.address();
    let mut alice = Client::connect(address, &named("shared", "alice", "secret")).unwrap();
    let taken = ReasonCode::ClientIdentifierNotValid;
    assert_eq!(outcome(address, &named("shared", "bob", "secret")), taken);
    assert_eq!(alice.subscribe("a"), ReasonCode::GrantedQos1);
    let mut bob = Client::connect(address, &named("other", "bob", "secret")).unwrap();
    assert_eq!(bob.publish("a", "still there", false), ReasonCode::Success);
    assert_eq!(alice.message(), "a still there");
}
