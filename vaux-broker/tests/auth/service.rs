//! A service that is asked by HTTP.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use vaux_broker::config::{ListenerKind, ListenerTls};
use vaux_broker::tls::{Authority, ServedNames, server_config};
use vaux_mqtt::packet::Connect;
use vaux_mqtt::{Packet, ReasonCode, Version};

use super::client::{Client, named, nameless};
use super::passwords::ALICE;
use super::serving::{LISTENER, Serving};
use super::web::{Says, Web};

const ALLOW: &str = r#"{"result":"allow"}"#;
const WRONG: ReasonCode = ReasonCode::BadUserNameOrPassword;

fn toml(url: &str, more: &str) -> String {
    let limits = "[limits]\nfailed_auth_per_ip = 1000\n";
    format!("{LISTENER}{limits}[auth]\npassword_file = \"users\"\nhttp = {{ url = \"{url}\"{more} }}\n")
}

fn start(web: &Web, more: &str) -> Serving {
    Serving::start(&[("broker.toml", &toml(&web.url(), more)), ("users", ALICE)])
}

/// Everybody is let in whose password is "web"; of the password file is who has another one.
fn by_password(question: &serde_json::Value) -> &'static str {
    match question["password"].as_str() {
        Some("web") => ALLOW,
        Some("evil") => r#"{"result":"deny"}"#,
        _ => r#"{"result":"ignore"}"#,
    }
}

fn outcome(address: std::net::SocketAddr, connect: &Connect<'_>) -> ReasonCode {
    Client::open(address, connect).connack()
}

#[test]
fn the_service_lets_in_refuses_or_leaves_it_to_the_password_file() {
    let web = Web::start(Says::By(by_password));
    let serving = start(&web, "");
    let address = serving.address();
    for (connect, reason) in [
        (named("a", "bob", "web"), ReasonCode::Success),
        (named("b", "alice", "web"), ReasonCode::Success),
        (named("c", "alice", "evil"), WRONG),
        (named("d", "alice", "secret"), ReasonCode::Success),
        (named("e", "alice", "Secret"), WRONG),
        (named("f", "bob", "secret"), WRONG),
        (named("g", "$operator", "web"), WRONG),
        (named("h", "$x", "web"), WRONG),
        (nameless("i"), ReasonCode::NotAuthorized),
        (Connect { version: Version::V311, ..named("j", "bob", "web") }, ReasonCode::Success),
        (Connect { version: Version::V311, ..named("k", "bob", "evil") }, WRONG),
    ] {
        assert_eq!(outcome(address, &connect), reason, "{connect:?}");
    }
}

#[test]
fn it_is_told_what_the_client_said_and_asked_again_when_that_changes_or_after_a_reload() {
    let web = Web::start(Says::Json(ALLOW.into()));
    let serving = start(&web, "");
    let address = serving.address();
    assert_eq!(outcome(address, &named("a", "bob", "pw")), ReasonCode::Success);
    let mut asked = web.asked().remove(0);
    let peer: std::net::SocketAddr = asked["peer"].take().as_str().unwrap().parse().unwrap();
    assert!(peer.ip().is_loopback());
    let expected = json!({
        "client_id": "a", "username": "bob", "password": "pw", "peer": null, "listener": "listener-1",
        "certificate_common_name": null,
    });
    assert_eq!(asked, expected);
    assert_eq!(outcome(address, &named("a", "bob", "pw")), ReasonCode::Success);
    assert_eq!(web.asked().len(), 0, "it is remembered");
    for connect in
        [named("b", "bob", "pw"), named("a", "rob", "pw"), named("a2", "bob", "pw2"), nameless("n")]
    {
        assert_eq!(outcome(address, &connect), ReasonCode::Success);
        assert_eq!(web.asked().len(), 1, "{connect:?}");
    }
    let binary = Connect { password: Some(b"\xff\0"), ..named("bin", "bob", "") };
    assert_eq!(outcome(address, &binary), ReasonCode::Success);
    let asked = web.asked().remove(0);
    assert_eq!((&asked["password"], &asked["password_base64"]), (&json!(null), &json!("/wA=")));
    assert!(!serving.reload().contains("not reloaded"));
    assert_eq!(outcome(address, &named("a", "bob", "pw")), ReasonCode::Success);
    assert_eq!(web.asked().len(), 1);
    // Refusals are not remembered: who was given an account meanwhile need not wait.
    web.say(Says::Json(r#"{"result":"deny"}"#.into()));
    assert_eq!(outcome(address, &named("z", "bob", "pw")), WRONG);
    web.say(Says::Json(ALLOW.into()));
    assert_eq!(outcome(address, &named("z", "bob", "pw")), ReasonCode::Success);
    assert_eq!(web.asked().len(), 2);
    serving.write("broker.toml", &toml(&web.url(), ", cache = \"0s\""));
    assert!(!serving.reload().contains("not reloaded"));
    for _ in 0..2 {
        assert_eq!(outcome(address, &named("a", "bob", "pw")), ReasonCode::Success);
    }
    assert_eq!(web.asked().len(), 2);
}

#[test]
fn a_service_that_fails_lets_nobody_in_unless_another_source_may() {
    let huge = format!("{{\"result\":\"allow\",\"x\":\"{}\"}}", "x".repeat(100_000));
    let bytes = |text: &str| Says::Bytes(text.as_bytes().to_vec());
    let web = Web::start(Says::Json(ALLOW.into()));
    let elsewhere = Web::start(Says::Json(ALLOW.into()));
    let redirect = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
        elsewhere.url()
    );
    for on_error in ["deny", "ignore"] {
        let more = format!(", timeout = \"200ms\", on_error = \"{on_error}\"");
        let serving = start(&web, &more);
        let address = serving.address();
        for says in [
            Says::Nothing,
            Says::Json(huge.clone()),
            Says::Json("allow".into()),
            Says::Json(String::new()),
            Says::Json(r#"{"result":"allow","acl":[{"permission":"allow","topic":"a/#/b"}]}"#.into()),
            bytes(""),
            bytes("no HTTP at all\r\n\r\n"),
            bytes(&format!("HTTP/1.1 500 Oops\r\nContent-Length: {}\r\n\r\n{ALLOW}", ALLOW.len())),
            bytes(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{ALLOW}", 2 * ALLOW.len())),
            bytes(&redirect),
            bytes("HTTP/1.1 204 No Content\r\n\r\n"),
            bytes(&format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(100_000))),
        ] {
            web.say(says);
            let (alice, bob) = (named("a", "alice", "secret"), named("b", "bob", "x"));
            let outcomes = [outcome(address, &alice), outcome(address, &bob)];
            match on_error {
                "deny" => assert_eq!(outcomes, [ReasonCode::ServerUnavailable; 2]),
                _ => assert_eq!(outcomes, [ReasonCode::Success, WRONG]),
            }
        }
        web.say(Says::Json(ALLOW.into()));
        // It has come back; on a slow machine an answer may still be late.
        let is_in = |_| outcome(address, &named("c", "bob", "x")) == ReasonCode::Success;
        assert!((0..100).any(is_in));
    }
    assert!(elsewhere.asked().is_empty());
    // Nobody is there.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let files = [("broker.toml", &*toml(&format!("http://{gone}"), "")), ("users", ALICE)];
    let serving = Serving::start(&files);
    let address = serving.address();
    assert_eq!(outcome(address, &named("a", "alice", "secret")), ReasonCode::ServerUnavailable);
}

#[test]
fn what_the_service_grants_takes_the_place_of_the_access_list() {
    let answer = r#"{"result":"allow","username":"carol","acl":[
        {"permission":"allow","topic":"mine/#"},{"permission":"deny","action":"subscribe","topic":"mine/secret"},
        {"permission":"allow","action":"subscribe","topic":"news/+"}]}"#;
    let web = Web::start(Says::Json(answer.into()));
    let acl = "topic readwrite everybody/#\nuser carol\ntopic readwrite theirs/#\n";
    let config = format!("{}acl_file = \"acl\"\n", toml(&web.url(), ""));
    let serving = Serving::start(&[("broker.toml", &config), ("users", ALICE), ("acl", acl)]);
    let address = serving.address();
    let mut carol = Client::connect(address, &named("c", "device-7", "x")).unwrap();
    let denied = ReasonCode::NotAuthorized;
    for (filter, reason) in [
        ("mine/#", ReasonCode::GrantedQos1),
        ("mine/secret", denied),
        ("news/today", ReasonCode::GrantedQos1),
        ("news/today/late", denied),
        ("theirs/#", denied),
        ("everybody/#", denied),
        ("$SYS/#", denied),
        ("$CONTROL/vaux/v1", denied),
    ] {
        assert_eq!(carol.subscribe(filter), reason, "{filter}");
    }
    let mut other = Client::connect(address, &named("o", "device-7", "x")).unwrap();
    for topic in ["news/today", "theirs/a", "$CONTROL/vaux/v1"] {
        assert_eq!(other.publish(topic, "x", false), denied, "{topic}");
    }
    assert_ne!(other.publish("mine/secret", "x", false), denied);
    assert_eq!(other.publish("mine/a", "1", false), ReasonCode::Success);
    assert_eq!(carol.message(), "mine/a 1", "and not the secret");
    // Without rules in the answer, the access list counts, for who the service says it is.
    web.say(Says::Json(r#"{"result":"allow","username":"carol"}"#.into()));
    let mut carol = Client::connect(address, &named("d", "device-7", "x")).unwrap();
    assert_eq!(carol.publish("mine/a", "x", false), denied);
    assert_ne!(carol.publish("theirs/a", "x", false), denied);
    // A will is measured by the same.
    web.say(Says::Json(answer.into()));
    let will = |topic| vaux_mqtt::packet::Will {
        qos: vaux_mqtt::QoS::AtLeastOnce,
        retain: false,
        properties: Default::default(),
        topic,
        payload: b"lost",
    };
    for (topic, reason) in [("mine/will", ReasonCode::Success), ("theirs/will", denied)] {
        let connect = Connect { will: Some(will(topic)), ..named("w", "device-7", topic) };
        assert_eq!(outcome(address, &connect), reason, "{topic}");
    }
}

#[test]
fn a_client_is_let_in_until_the_service_wants_to_be_asked_again() {
    let web = Web::start(Says::Json(r#"{"result":"allow","expire_at":1}"#.into()));
    let serving = start(&web, "");
    let address = serving.address();
    assert_eq!(outcome(address, &named("a", "bob", "x")), WRONG, "that is long ago");
    // However slow the machine, one of them is connected in time.
    let connect = |(client_id, seconds)| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        web.say(Says::Json(json!({ "result": "allow", "expire_at": now + seconds }).to_string()));
        Client::connect(address, &named(client_id, "bob", "x")).ok()
    };
    let mut client =
        [("b", 1.0), ("c", 4.0), ("d", 16.0), ("e", 64.0)].into_iter().find_map(connect).unwrap();
    client.receive(|packet| match packet {
        Packet::Disconnect(disconnect) => assert_eq!(disconnect.reason, ReasonCode::NotAuthorized),
        other => panic!("{other:?}"),
    });
}

#[test]
fn what_cannot_be_asked_is_refused_at_the_start_and_at_a_reload() {
    let web = Web::start(Says::Json(ALLOW.into()));
    let running = start(&web, "");
    let address = running.address();
    let at_line_6 = |problem: &str| format!("broker.toml:6: {problem}");
    for (http, problem) in [
        ("url = \"\"", at_line_6("url is not a URL")),
        ("url = \"127.0.0.1:80\"", at_line_6("url must begin with http:// or https://")),
        ("url = \"ftp://localhost/\"", at_line_6("url must begin with http:// or https://")),
        ("url = \"http://u:p@localhost/\"", at_line_6("url must not hold a user or a password")),
        ("url = \"http://localhost/#a\"", at_line_6("url must not have a fragment")),
        (
            "url = \"http://localhost\", on_error = \"allow\"",
            at_line_6("on_error must be \"deny\" or \"ignore\", not \"allow\""),
        ),
        (
            "url = \"http://localhost\", timeout = \"0s\"",
            at_line_6("timeout must be from 10ms to 1m, not 0s"),
        ),
        ("url = \"http://localhost\", secret = 1", at_line_6("unknown key \"secret\" in [auth.http]")),
        ("on_error = \"ignore\"", "auth.http needs url".into()),
        ("url = \"https://localhost\", ca = \"users\"", "users: holds no certificate".into()),
        (
            "url = \"https://localhost\", ca = \"none\"",
            "none: cannot be read: No such file or directory (os error 2)".into(),
        ),
    ] {
        let config = format!("{LISTENER}[auth]\npassword_file = \"users\"\nhttp = {{ {http} }}\n");
        let serving = Serving::start(&[("broker.toml", &config), ("users", ALICE)]);
        assert_eq!(serving.end(), (Some(2), format!("vaux-broker: {problem}")), "{http}");
        running.write("broker.toml", &config);
        let line = running.reload();
        assert!(line.contains("not reloaded, all stays as it was: ") && line.ends_with(&problem), "{line}");
        assert_eq!(outcome(address, &named("a", "bob", "x")), ReasonCode::Success);
    }
}

#[test]
fn with_tls_the_service_must_be_who_it_is() {
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::new(home.path());
    let names = ServedNames::new(None, []).unwrap();
    let server = authority.ensure(&names, SystemTime::now()).unwrap();
    let tls = server_config(&server.cert, &server.key, ListenerKind::Wss, &ListenerTls::default()).unwrap();
    let web = Web::start_tls(Says::Json(ALLOW.into()), tls.config);
    let url = format!("https://localhost:{}/auth?key=1", web.port());
    let ca = format!(", ca = {:?}", authority.certificate());
    let serving = Serving::start(&[("broker.toml", &toml(&url, &ca)), ("users", ALICE)]);
    let address = serving.address();
    for client_id in ["a", "b", "c"] {
        assert_eq!(outcome(address, &named(client_id, "bob", "x")), ReasonCode::Success);
    }
    assert_eq!(web.asked().len(), 3);
    // The authority of another home is none that signed this.
    let other = tempfile::tempdir().unwrap();
    let other = Authority::new(other.path());
    other.ensure(&names, SystemTime::now()).unwrap();
    serving.write("broker.toml", &toml(&url, &format!(", ca = {:?}", other.certificate())));
    assert!(!serving.reload().contains("not reloaded"));
    assert_eq!(outcome(address, &named("a", "bob", "x")), ReasonCode::ServerUnavailable);
    assert_eq!(web.asked().len(), 0);
}
