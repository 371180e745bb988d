//! Every way on which something can be denied, for every kind of client, before and after the rights are changed.

use std::net::SocketAddr;

use vaux_mqtt::packet::{Connect, Will};
use vaux_mqtt::property::{Properties, Property};
use vaux_mqtt::{Packet, ReasonCode, Version};

use super::client::{Client, named, nameless};
use super::passwords::ALICE;
use super::serving::{LISTENER, Serving};

/// `t` is Alice's at first, then Bob's; `ok` is always everybody's.
const BEFORE: &str = "topic readwrite ok/#\nuser alice\ntopic readwrite t/#\ntopic readwrite ok/#\ntopic read $SYS/#\n\
                      user bob\ntopic readwrite ok/#\nuser watcher\ntopic readwrite #\n";

fn after() -> String {
    BEFORE.replace("topic readwrite t/#\n", "").replace("user bob\n", "user bob\ntopic readwrite t/#\n")
}

const RESUMED: Properties<'static> = Properties::from_slice(&[Property::SessionExpiryInterval(600)]);

fn start() -> (Serving, SocketAddr) {
    let toml = format!(
        "workers = 2\n{LISTENER}allow_anonymous = true\n[auth]\npassword_file = \"users\"\nacl_file = \"acl\"\n"
    );
    let users: String = ["alice", "bob", "watcher"].map(|name| ALICE.replace("alice", name)).concat();
    let serving = Serving::start(&[("broker.toml", &toml), ("users", &users), ("acl", BEFORE)]);
    let address = serving.address();
    (serving, address)
}

fn change(serving: &Serving, acl: &str) {
    serving.write("acl", acl);
    let line = serving.reload();
    assert!(!line.contains("not reloaded"), "{line}");
}

fn user<'a>(client_id: &'a str, name: &'a str) -> Connect<'a> {
    if name.is_empty() { nameless(client_id) } else { named(client_id, name, "secret") }
}

fn will(topic: &str) -> Will<'_> {
    Will {
        qos: vaux_mqtt::QoS::AtLeastOnce,
        retain: false,
        properties: Properties::EMPTY,
        topic,
        payload: b"lost",
    }
}

#[test]
fn what_is_asked_for_is_answered_by_the_rights_of_the_moment() {
    let (serving, address) = start();
    for owner in ["alice", "bob"] {
        if owner == "bob" {
            change(&serving, &after());
        }
        for name in ["alice", "bob", ""] {
            let is_owner = name == owner;
            let or_denied = |reason| if is_owner { reason } else { ReasonCode::NotAuthorized };
            let mut client = Client::connect(address, &user(&format!("{name}-{owner}"), name)).unwrap();
            let context = format!("{name:?} while it is {owner}'s");
            for (filter, reason) in [
                ("t/a", or_denied(ReasonCode::GrantedQos1)),
                ("t/#", or_denied(ReasonCode::GrantedQos1)),
                ("$share/g/t/#", or_denied(ReasonCode::GrantedQos1)),
                ("$share/ok/t/a", or_denied(ReasonCode::GrantedQos1)),
                ("ok/#", ReasonCode::GrantedQos1),
                ("#", ReasonCode::GrantedQos1),
                ("nobody/#", ReasonCode::NotAuthorized),
                ("$CONTROL/vaux/v1", ReasonCode::NotAuthorized),
            ] {
                assert_eq!(client.subscribe(filter), reason, "subscribe {filter}: {context}");
            }
            let mut client = Client::connect(address, &user(&format!("p-{name}-{owner}"), name)).unwrap();
            for (topic, is_allowed) in [
                ("t/a", is_owner),
                ("ok/a", true),
                ("nobody/a", false),
                ("$SYS/broker/uptime", false),
                ("$CONTROL/vaux/v1", false),
            ] {
                let reason = client.publish(topic, "x", false);
                assert_eq!(reason != ReasonCode::NotAuthorized, is_allowed, "publish {topic}: {context}");
            }
            let will_of = |topic| Connect { will: Some(will(topic)), ..user("w", name) };
            assert_eq!(Client::connect(address, &will_of("t/will")).is_ok(), is_owner, "will: {context}");
            assert!(Client::connect(address, &will_of("ok/will")).is_ok(), "will: {context}");
            let client_id = format!("o-{name}-{owner}");
            let old = Connect { version: Version::V311, ..user(&client_id, name) };
            let mut old = Client::connect(address, &old).unwrap();
            // It cannot be told, and the message goes nowhere.
            assert_eq!(old.publish("nobody/a", "x", false), ReasonCode::Success);
        }
    }
}

/// What the broker tells of itself, and takes requests by, is the operator's and of those who are granted it by name. No
/// list opens it to somebody without a name.
#[test]
fn what_is_the_operators_is_granted_by_name_or_not_at_all() {
    let toml =
        format!("{LISTENER}allow_anonymous = true\n[auth]\npassword_file = \"users\"\nacl_file = \"acl\"\n");
    let users: String = ["alice", "bob", "carol"].map(|name| ALICE.replace("alice", name)).concat();
    let acl = "topic read $SYS/#\ntopic write $CONTROL/#\ntopic read $CONTROL/#\nuser alice\n\
               topic read $SYS/broker/vaux/#\ntopic write $CONTROL/vaux/v1\nuser bob\ntopic read $SYS/#\n\
               topic deny $SYS/broker/vaux/#\nuser carol\ntopic readwrite #\n";
    let serving = Serving::start(&[("broker.toml", &toml), ("users", &users), ("acl", acl)]);
    let address = serving.address();
    let token = std::fs::read_to_string(serving.path("data/operator.token")).unwrap();
    for (name, password, figures, own, control) in [
        ("$operator", token.trim_end(), true, true, true),
        ("alice", "secret", false, true, true),
        ("bob", "secret", true, false, false),
        ("carol", "secret", false, false, false),
        ("", "", true, false, false),
    ] {
        let connect = if name.is_empty() { nameless("c") } else { named("c", name, password) };
        let mut client = Client::connect(address, &connect).unwrap();
        for (filter, is_allowed) in [
            ("$SYS/broker/uptime", figures),
            ("$SYS/broker/vaux/events", own),
            ("$SYS/broker/vaux/sessions/#", own),
            ("$share/g/$SYS/broker/vaux/#", own),
            ("$CONTROL/vaux/v1", false),
        ] {
            let reason = client.subscribe(filter);
            assert_eq!(
                reason == ReasonCode::GrantedQos1,
                is_allowed,
                "{name:?} subscribes {filter}: {reason:?}"
            );
        }
        let mut client = Client::connect(address, &connect).unwrap();
        for (topic, is_allowed) in
            [("$CONTROL/vaux/v1", control), ("$CONTROL/other", false), ("$SYS/broker/vaux/events", false)]
        {
            let reason = client.publish(topic, "{}", false);
            assert_eq!(
                reason != ReasonCode::NotAuthorized,
                is_allowed,
                "{name:?} publishes {topic}: {reason:?}"
            );
        }
    }
    for password in ["", "secret", &token[1..], &token.replace('\n', "0")] {
        let refused = Client::connect(address, &named("c", "$operator", password)).err();
        assert_eq!(refused, Some(ReasonCode::BadUserNameOrPassword));
    }
}

#[test]
fn a_subscription_that_was_allowed_brings_nothing_once_it_is_not() {
    let (serving, address) = start();
    let mut watcher = Client::connect(address, &user("watcher", "watcher")).unwrap();
    let mut readers: Vec<(&str, Client)> = ["alice", "bob", ""]
        .into_iter()
        .map(|name| (name, Client::connect(address, &user(&format!("r-{name}"), name)).unwrap()))
        .collect();
    for (_, reader) in &mut readers {
        assert_eq!(reader.subscribe("+/live"), ReasonCode::GrantedQos1);
    }
    for owner in ["alice", "bob"] {
        if owner == "bob" {
            change(&serving, &after());
        }
        watcher.publish("t/live", owner, false);
        watcher.publish("ok/live", owner, false);
        for (name, reader) in &mut readers {
            if *name == owner {
                assert_eq!(reader.message(), format!("t/live {owner}"));
            }
            assert_eq!(reader.message(), format!("ok/live {owner}"), "{name:?}");
        }
    }
}

#[test]
fn a_shared_subscription_brings_nothing_once_it_is_not_allowed() {
    let (serving, address) = start();
    let mut watcher = Client::connect(address, &user("watcher", "watcher")).unwrap();
    let mut alice = Client::connect(address, &user("alice", "alice")).unwrap();
    let mut other = Client::connect(address, &user("other", "watcher")).unwrap();
    assert_eq!(alice.subscribe("$share/g/t/#"), ReasonCode::GrantedQos1);
    assert_eq!(alice.subscribe("ok/#"), ReasonCode::GrantedQos1);
    watcher.publish("t/1", "x", false);
    assert_eq!(alice.message(), "t/1 x");
    change(&serving, &after());
    watcher.publish("t/2", "x", false);
    watcher.publish("ok/2", "x", false);
    assert_eq!(alice.message(), "ok/2 x");
    // Another member gets what she may not have.
    assert_eq!(other.subscribe("$share/g/t/#"), ReasonCode::GrantedQos1);
    for number in 3..7 {
        watcher.publish("t/3", &number.to_string(), false);
        assert_eq!(other.message(), format!("t/3 {number}"));
    }
}

#[test]
fn what_waits_for_a_client_is_not_sent_once_it_is_not_allowed() {
    let (serving, address) = start();
    let mut watcher = Client::connect(address, &user("watcher", "watcher")).unwrap();
    let connect = Connect { properties: RESUMED, ..user("keeper", "alice") };
    let mut alice = Client::connect(address, &connect).unwrap();
    assert_eq!(alice.subscribe("+/queued"), ReasonCode::GrantedQos1);
    watcher.publish("t/queued", "in flight", false);
    // It is sent and not acknowledged.
    alice.receive(|packet| assert!(matches!(packet, Packet::Publish(_)), "{packet:?}"));
    drop(alice);
    for payload in ["1", "2"] {
        watcher.publish("t/queued", payload, false);
        watcher.publish("ok/queued", payload, false);
    }
    change(&serving, &after());
    let connect = Connect { clean_start: false, ..connect };
    let mut alice = Client::connect(address, &connect).unwrap();
    assert_eq!([alice.message(), alice.message()], ["ok/queued 1", "ok/queued 2"]);
}

#[test]
fn retained_messages_are_sent_to_those_who_may_have_them() {
    let (serving, address) = start();
    let mut watcher = Client::connect(address, &user("watcher", "watcher")).unwrap();
    // In the order of topics: what is denied would come first, or last.
    for topic in ["a", "t/retained", "ok/retained", "z"] {
        watcher.publish(topic, "kept", true);
    }
    for owner in ["alice", "bob"] {
        if owner == "bob" {
            change(&serving, &after());
        }
        for name in ["alice", "bob", ""] {
            let mut client = Client::connect(address, &user(&format!("{name}-{owner}"), name)).unwrap();
            client.subscribe("#");
            assert_eq!(client.message(), "ok/retained kept", "{name:?}");
            if name == owner {
                assert_eq!(client.message(), "t/retained kept");
            }
            watcher.publish("ok/end", "", false);
            assert_eq!(client.message(), "ok/end ", "{name:?}");
        }
    }
}

/// What a client that subscribes to everything gets of what is retained.
fn retained(address: SocketAddr) -> Vec<String> {
    let mut watcher = Client::connect(address, &user("retained", "watcher")).unwrap();
    watcher.subscribe("#");
    // Retained messages come in the order of topics.
    let mut found = Vec::new();
    while found.last().is_none_or(|last| last != "z end") {
        found.push(watcher.message());
    }
    found.pop();
    found
}

#[test]
fn a_retained_message_is_delivered_only_while_its_publisher_may_write_there() {
    let (mut serving, mut address) = start();
    Client::connect(address, &user("end", "watcher")).unwrap().publish("z", "end", true);
    let mut alice = Client::connect(address, &user("a", "alice")).unwrap();
    alice.publish("ok/alice", "x", true);
    alice.publish("t/alice", "x", true);
    Client::connect(address, &user("n", "")).unwrap().publish("ok/nobody", "x", true);
    let will = Will { retain: true, ..will("t/will") };
    let lost = Client::connect(address, &Connect { will: Some(will), ..user("w", "alice") }).unwrap();
    // Taken over, and the will is published at once.
    Client::connect(address, &user("w", "alice")).unwrap();
    drop(lost);
    let own = ["t/alice x", "t/will lost"];
    let everybodys = ["ok/alice x", "ok/nobody x"];
    assert_eq!(retained(address), [everybodys, own].concat());
    for owner in ["bob", "alice", "bob"] {
        change(&serving, &if owner == "bob" { after() } else { BEFORE.to_owned() });
        let expected = if owner == "bob" { everybodys.to_vec() } else { [everybodys, own].concat() };
        assert_eq!(retained(address), expected, "{owner}");
        serving = serving.restart();
        address = serving.address();
        assert_eq!(retained(address), expected, "{owner}");
    }
    // Who publishes there now is asked about, and not who did before.
    Client::connect(address, &user("b", "bob")).unwrap().publish("t/alice", "y", true);
    assert_eq!(retained(address), [&everybodys[..], &["t/alice y"]].concat());
    change(&serving, &BEFORE.replace("topic readwrite ok/#\nuser alice", "topic read ok/#\nuser alice"));
    assert_eq!(retained(address), ["ok/alice x", "t/will lost"]);
    let toml = std::fs::read_to_string(serving.path("broker.toml")).unwrap();
    serving.write("broker.toml", &format!("{toml}[mqtt]\ncheck_retain_source = false\n"));
    serving.reload();
    assert_eq!(retained(address), [&everybodys[..], &["t/alice y", "t/will lost"]].concat());
}

#[test]
fn a_will_that_was_allowed_is_not_published_once_it_is_not() {
    let (serving, address) = start();
    let mut watcher = Client::connect(address, &user("watcher", "watcher")).unwrap();
    watcher.subscribe("#");
    let lose = |name: &'static str, topic: &'static str| {
        let client_id = format!("{name}-{topic}");
        let connect = Connect { will: Some(will(topic)), ..user(&client_id, name) };
        Client::connect(address, &connect).unwrap()
    };
    let (first, second, third) = (lose("alice", "t/1"), lose("alice", "t/2"), lose("alice", "ok/3"));
    drop(first);
    assert_eq!(watcher.message(), "t/1 lost");
    change(&serving, &after());
    drop(second);
    // Its session is over when another takes its place.
    Client::connect(address, &user("alice-t/2", "alice")).unwrap();
    drop(third);
    assert_eq!(watcher.message(), "ok/3 lost");
}

#[test]
fn a_listener_has_its_own_access_list() {
    let own = format!("{LISTENER}name = \"own\"\nallow_anonymous = true\nacl_file = \"own\"\n");
    let toml = format!("{own}{LISTENER}allow_anonymous = true\n[auth]\nacl_file = \"acl\"\n");
    let files =
        [("broker.toml", &*toml), ("own", "topic readwrite own/#\n"), ("acl", "topic readwrite ok/#\n")];
    let serving = Serving::start(&files);
    let (own, common) = (serving.address(), serving.address());
    let connect = |client_id| Connect { properties: RESUMED, ..nameless(client_id) };
    for (address, topic, other) in [(own, "own/a", "ok/a"), (common, "ok/a", "own/a")] {
        let mut client = Client::connect(address, &nameless("c")).unwrap();
        assert_eq!(client.publish(other, "x", false), ReasonCode::NotAuthorized);
        assert_ne!(client.publish(topic, "x", false), ReasonCode::NotAuthorized);
    }
    // A session that moves to another listener has the rights that hold there, for its old subscriptions, too.
    let mut client = Client::connect(own, &connect("moving")).unwrap();
    assert_eq!(client.subscribe("own/#"), ReasonCode::GrantedQos1);
    let mut publisher = Client::connect(own, &nameless("p")).unwrap();
    assert_eq!(publisher.publish("own/a", "1", false), ReasonCode::Success);
    assert_eq!(client.message(), "own/a 1");
    let mut client = Client::connect(common, &Connect { clean_start: false, ..connect("moving") }).unwrap();
    assert_eq!(client.subscribe("ok/#"), ReasonCode::GrantedQos1);
    publisher.publish("own/a", "2", false);
    Client::connect(common, &nameless("q")).unwrap().publish("ok/a", "3", false);
    assert_eq!(client.message(), "ok/a 3");
}
