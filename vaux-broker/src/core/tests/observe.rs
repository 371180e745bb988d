//! What core tells of itself: `$SYS`, events, sessions, requests of operators, why.

use serde_json::{Value, json};
use vaux_mqtt::QoS::{AtLeastOnce, AtMostOnce};

use super::*;
use crate::config::{Limits, SysConfig, SysSessions};

const SESSIONS: &str = "$SYS/broker/vaux/sessions/+";

/// The operator, who may read everything.
fn operator(sim: &mut Sim) -> Client {
    sim.connect(&Hello { user_name: Some("$operator"), ..Hello::new("op") })
}

/// What a client received: topics and payloads.
fn told(sim: &mut Sim, client: Client) -> Vec<(String, String)> {
    messages(sim.see(client))
}

/// What a client receives when it subscribes.
fn watch(sim: &mut Sim, client: Client, filter: &str) -> Vec<(String, String)> {
    let mut told = messages(sim.subscribe(client, filter, AtMostOnce));
    told.extend(messages(sim.see(client)));
    told
}

fn messages(seen: Vec<Seen>) -> Vec<(String, String)> {
    seen.into_iter()
        .filter_map(|seen| match seen {
            Seen::Publish { topic, payload, .. } => Some((topic, payload)),
            _ => None,
        })
        .collect()
}

fn events(sim: &mut Sim, client: Client) -> Vec<Value> {
    told(sim, client).iter().map(|(_, payload)| serde_json::from_str(payload).unwrap()).collect()
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

pub(super) fn ask(sim: &mut Sim, request: &Value) -> Value {
    sim.cores[0].handle_request(sim.now, 7, request.to_string().as_bytes());
    sim.settle();
    sim.answers.remove(&7).unwrap_or_default()
}

pub(super) fn incidents(sim: &mut Sim, request: &Value) -> Vec<(String, u64)> {
    let answer = ask(sim, request);
    let incidents = answer["incidents"].as_array().unwrap().iter();
    incidents
        .map(|one| (one["cause"].as_str().unwrap().to_owned(), one["count"].as_u64().unwrap_or(1)))
        .collect()
}

#[test]
fn the_tree_counts_what_happened_on_all_workers() {
    with_workers(|mut sim| {
        sim.cores[0].begin_surveys(sim.now);
        let subscribers = ["a", "b", "c"].map(|name| sim.connect(&Hello::new(name)));
        subscribers.iter().for_each(|&client| drop(sim.subscribe(client, "t", AtMostOnce)));
        let publisher = sim.connect(&Hello::new("p"));
        sim.publish(publisher, "t", "12345", AtMostOnce, 0);
        sim.advance(10_000);
        let watcher = sim.connect(&Hello::new("w"));
        let tree: HashMap<_, _> = watch(&mut sim, watcher, "$SYS/#").into_iter().collect();
        let value = |topic: &str| tree[&format!("$SYS/broker/{topic}")].as_str();
        assert_eq!(value("clients/connected"), "4");
        assert_eq!(value("publish/messages/received"), "1");
        assert_eq!(value("publish/messages/sent"), "3");
        assert_eq!(value("publish/bytes/received"), "5");
        assert_eq!(value("publish/bytes/sent"), "15");
        assert_eq!(value("messages/received"), "8");
        assert_eq!(value("messages/sent"), "10");
        assert_eq!(value("subscriptions/count"), "3");
        assert_eq!(value("uptime"), "10 seconds");
        // 3 a minute × 6, and a tenth of the way there: 1 - e^(-10/60).
        assert_eq!(value("load/publish/sent/1min"), "2.76");
        assert_eq!(tree.len(), 29 + 27);
    });
}

#[test]
fn no_interval_means_no_tree() {
    let sys = SysConfig { interval: std::time::Duration::ZERO, ..SysConfig::default() };
    let mut sim = Sim::with(1, Settings { sys, ..Settings::default() }, Recorder::discarding);
    sim.cores[0].begin_surveys(sim.now);
    sim.advance(100_000);
    let watcher = sim.connect(&Hello::new("w"));
    assert!(watch(&mut sim, watcher, "$SYS/#").is_empty());
}

#[test]
fn nobody_but_the_operator_hears_of_clients() {
    with_workers(|mut sim| {
        let stranger = sim.connect(&Hello::new("stranger"));
        let refused = [Seen::SubAck(vec![0x87])];
        assert_eq!(sim.subscribe(stranger, "$SYS/broker/vaux/#", AtMostOnce), refused);
        assert_eq!(sim.subscribe(stranger, "$CONTROL/#", AtMostOnce), refused);
        assert_eq!(sim.subscribe(stranger, "$SYS/#", AtMostOnce), [Seen::SubAck(vec![0])]);
        assert_eq!(sim.subscribe(stranger, "$share/g/$SYS/+/#", AtMostOnce), [Seen::SubAck(vec![0])]);
        let operator = operator(&mut sim);
        sim.subscribe(operator, "$SYS/broker/vaux/#", AtMostOnce);
        let other = sim.connect(&Hello::new("other"));
        sim.cut(other);
        assert!(told(&mut sim, stranger).is_empty());
        assert!(!told(&mut sim, operator).is_empty());
        sim.publish(stranger, "$CONTROL/vaux/v1", r#"{"command":"kick","client_id":"op"}"#, AtLeastOnce, 1);
        assert_eq!(sim.see(stranger), [Seen::Ack(PacketType::PubAck, 1, ReasonCode::NotAuthorized)]);
        assert!(sim.is_open(operator));
    });
}

#[test]
fn events_tell_what_clients_do() {
    with_workers(|mut sim| {
        let operator = operator(&mut sim);
        sim.subscribe(operator, "$SYS/broker/vaux/events", AtMostOnce);
        events(&mut sim, operator);
        let hello = Hello { expiry_s: Some(5), ..Hello::new("a") };
        let first = sim.connect(&hello);
        sim.subscribe(first, "t/#", AtLeastOnce);
        let second = sim.connect(&hello);
        sim.disconnect(second, ReasonCode::Success);
        sim.advance(5_000);
        let seen = events(&mut sim, operator);
        let expected = ["connect", "subscribe", "disconnect", "takeover", "disconnect", "expiry"];
        assert_eq!(names(&seen), expected);
        assert!(seen.iter().all(|event| event["client_id"] == "a" && event["at"].is_string()), "{seen:?}");
        assert_eq!(seen[1]["filter"], "t/#");
        assert_eq!((&seen[2]["cause"], &seen[2]["reason_code"]), (&json!("taken-over"), &json!(0x8E)));
        assert_eq!(seen[4]["cause"], "client");
        assert!(!sim.is_open(first));
    });
}

#[test]
fn a_slow_watcher_does_not_make_events_of_events() {
    let limits = Limits { max_outbox_bytes: 600, ..Limits::default() };
    let mut sim = Sim::with(1, Settings { limits, ..Settings::default() }, Recorder::discarding);
    let operator = operator(&mut sim);
    sim.subscribe(operator, "$SYS/broker/vaux/events", AtMostOnce);
    // Its socket takes nothing from now on.
    let (worker, slot) = sim.places.remove(&operator).unwrap();
    for _ in 0..10 {
        let client = sim.connect(&Hello::new("a"));
        sim.cut(client);
    }
    let dropped = incidents(&mut sim, &json!({"command": "why", "client_id": "op"}));
    assert_eq!(dropped.len(), 1);
    assert_eq!(dropped[0].0, "slow-reader");
    assert!(sim.cores[worker].outbox_mut(slot).len() < 1200);
}

#[test]
fn sessions_are_told_when_somebody_subscribes_and_as_they_change() {
    with_workers(|mut sim| {
        for number in 0..300 {
            sim.connect(&Hello::new(&format!("dev {number}")));
        }
        let operator = operator(&mut sim);
        let mut reports = watch(&mut sim, operator, SESSIONS);
        reports.sort();
        reports.dedup_by(|one, other| one.0 == other.0);
        assert_eq!(reports.len(), 301);
        let (topic, report) = &reports[0];
        assert_eq!(topic, "$SYS/broker/vaux/sessions/dev%200");
        let report: Value = serde_json::from_str(report).unwrap();
        let expected = json!({
            "client_id": "dev 0", "user": null, "connected": true, "address": "127.0.0.1:1", "listener": "default",
            "version": "5", "clean_start": true, "session_expiry": 0, "keep_alive": 0,
            "connected_at": "1970-01-01T00:16:40.000Z", "subscriptions": 0, "inflight": 0, "queued": 0,
            "queued_bytes": 0, "messages_in": 0, "messages_out": 0, "bytes_in": report["bytes_in"],
            "bytes_out": report["bytes_out"], "dropped": 0, "will_topic": null,
        });
        assert_eq!(report, expected);

        let client = sim.connect(&Hello::new("dev 7"));
        sim.subscribe(client, "t", AtMostOnce);
        let update = told(&mut sim, operator).pop().unwrap();
        assert_eq!(update.0, "$SYS/broker/vaux/sessions/dev%207");
        assert!(update.1.contains(r#""subscriptions":1"#));
        sim.cut(client);
        assert_eq!(told(&mut sim, operator), [("$SYS/broker/vaux/sessions/dev%207".into(), String::new())]);
    });
}

#[test]
fn reports_wait_for_a_watcher_who_reads_slowly() {
    let mut sim = Sim::new(3);
    for number in 0..3_000 {
        sim.connect(&Hello::new(&format!("dev {number}")));
    }
    let operator = operator(&mut sim);
    let (worker, slot) = sim.places.remove(&operator).unwrap();
    let subscriptions = [Subscription { filter: SESSIONS, options: SubscriptionOptions::default() }];
    let subscribe = Subscribe {
        packet_id: id(1),
        properties: Properties::EMPTY,
        subscriptions: Subscriptions::from_slice(&subscriptions),
    };
    let mut bytes = Vec::new();
    subscribe.encode(Version::V5, &mut bytes);
    sim.cores[worker].handle_bytes(sim.now, slot, &bytes);
    let mut received = Vec::new();
    for _ in 0..10_000 {
        sim.settle();
        let outbox = sim.cores[worker].outbox_mut(slot);
        assert!(outbox.len() < 400 << 10, "{}", outbox.len());
        if outbox.is_empty() {
            break;
        }
        // It reads everything, but only now and then.
        while !outbox.is_empty() {
            let first = outbox.first().to_vec();
            received.extend_from_slice(&first);
            outbox.advance(first.len());
        }
        sim.cores[worker].handle_written(sim.now, slot);
    }
    let mut topics = std::collections::BTreeSet::new();
    let mut rest = &received[..];
    while let Some(frame) = Frame::split(rest).unwrap() {
        if let Packet::Publish(publish) = Packet::decode(&frame, Version::V5, Sender::Server).unwrap() {
            topics.insert(publish.topic.to_owned());
        }
        rest = &rest[frame.bytes().len()..];
    }
    assert_eq!(topics.len(), 3_001);
}

#[test]
fn figures_of_sessions_are_told_again_when_they_have_changed() {
    with_workers(|mut sim| {
        let client = sim.connect(&Hello::new("a"));
        let operator = operator(&mut sim);
        sim.subscribe(operator, "$SYS/broker/vaux/sessions/a", AtMostOnce);
        for _ in 0..200 {
            sim.advance(100);
        }
        told(&mut sim, operator);
        sim.publish(client, "t", "x", AtMostOnce, 0);
        let mut reports = Vec::new();
        for _ in 0..200 {
            sim.advance(100);
            reports.extend(told(&mut sim, operator));
        }
        assert_eq!(reports.len(), 1, "{reports:?}");
        assert!(reports[0].1.contains(r#""messages_in":1"#));
    });
}

#[test]
fn figures_and_the_busiest_are_told_while_somebody_is_subscribed() {
    with_workers(|mut sim| {
        sim.cores[0].begin_surveys(sim.now);
        let operator = operator(&mut sim);
        for topic in ["metrics", "top/topics", "top/clients"] {
            sim.subscribe(operator, &format!("$SYS/broker/vaux/{topic}"), AtMostOnce);
        }
        let publisher = sim.connect(&Hello::new("p"));
        for second in 0..3 {
            for _ in 0..=second {
                sim.publish(publisher, "busy", "12", AtMostOnce, 0);
            }
            sim.publish(publisher, "calm", "1", AtMostOnce, 0);
            sim.advance(1_000);
        }
        let told = told(&mut sim, operator);
        let last = |topic: &str| -> Value {
            let topic = format!("$SYS/broker/vaux/{topic}");
            let found = told.iter().rev().find(|(other, _)| *other == topic);
            serde_json::from_str(&found.unwrap().1).unwrap()
        };
        let metrics = last("metrics");
        assert_eq!(metrics["counters"]["messages_received"], 9);
        assert_eq!(metrics["rates"]["messages_received"], 4.0);
        assert_eq!(metrics["gauges"]["connected"], 2);
        let busiest = json!([
            {"topic": "busy", "messages_per_s": 3.0, "bytes_per_s": 6.0},
            {"topic": "calm", "messages_per_s": 1.0, "bytes_per_s": 1.0},
        ]);
        assert_eq!(last("top/topics"), busiest);
        assert_eq!(last("top/clients")[0]["client_id"], "p");
        sim.cut(operator);
        sim.advance(2_000);
        assert!(sim.cores.iter().all(|core| core.top.is_none() || core.poll_timeout().is_some()));
        let watching = sim.shared.sys_watchers.load(Ordering::Relaxed);
        assert_eq!(watching, 0);
    });
}

#[test]
fn lists_come_in_pages_that_hold_everything_once() {
    with_workers(|mut sim| {
        for number in 0..25 {
            let client = sim.connect(&Hello::new(&format!("c{number}")));
            sim.subscribe(client, "a", AtMostOnce);
            sim.subscribe(client, "b", AtLeastOnce);
        }
        for (command, count) in [("sessions", 25), ("subscriptions", 50)] {
            let mut found = Vec::new();
            let mut cursor = Value::Null;
            loop {
                let mut request = json!({"command": command, "limit": 7});
                if cursor.is_string() {
                    request["cursor"] = cursor;
                }
                let answer = ask(&mut sim, &request);
                let items = answer[command].as_array().unwrap();
                assert!((1..=7).contains(&items.len()), "{answer}");
                found.extend(items.iter().map(|item| format!("{} {}", item["client_id"], item["filter"])));
                cursor = answer["next"].clone();
                if cursor.is_null() {
                    break;
                }
            }
            found.sort();
            found.dedup();
            assert_eq!(found.len(), count, "{command}");
        }
        let of_one = ask(&mut sim, &json!({"command": "subscriptions", "client_id": "c3"}));
        assert_eq!(of_one["subscriptions"].as_array().unwrap().len(), 2);
        assert_eq!(of_one["subscriptions"][1]["qos"], 1);
    });
}

#[test]
fn retained_messages_are_listed_deleted_and_published() {
    with_workers(|mut sim| {
        for number in 0..5 {
            let topic = format!("r/{number}");
            let request = json!({"command": "publish", "topic": topic, "payload": "x", "retain": true});
            assert_eq!(ask(&mut sim, &request)["ok"], true);
        }
        let page = ask(&mut sim, &json!({"command": "retained", "limit": 4, "filter": "r/#"}));
        assert_eq!((page["retained"].as_array().unwrap().len(), &page["next"]), (4, &json!("r/3")));
        let rest = ask(&mut sim, &json!({"command": "retained", "cursor": "r/3"}));
        assert_eq!(rest["retained"], json!([{"topic": "r/4", "qos": 0, "payload": "x"}]));
        assert!(rest["next"].is_null());
        let delete = json!({"command": "delete_retained", "topic": "r/0"});
        assert_eq!(ask(&mut sim, &delete)["ok"], true);
        assert_eq!(ask(&mut sim, &delete)["error"], "not-found");
        let large = "x".repeat(700 << 10);
        for topic in ["large/1", "large/2"] {
            ask(&mut sim, &json!({"command": "publish", "topic": topic, "payload": large, "retain": true}));
        }
        let page = ask(&mut sim, &json!({"command": "retained", "filter": "large/#"}));
        assert_eq!((page["retained"].as_array().unwrap().len(), &page["next"]), (1, &json!("large/1")));
        let binary = json!({"command": "publish", "topic": "b", "payload_base64": "/w==", "retain": true});
        assert_eq!(ask(&mut sim, &binary), json!({"command": "publish", "ok": true, "matched": false}));
        let listed = ask(&mut sim, &json!({"command": "retained", "filter": "b"}));
        assert_eq!(listed["retained"][0]["payload_base64"], "/w==");
    });
}

#[test]
fn an_operator_kicks_and_deletes_over_mqtt_and_is_answered() {
    with_workers(|mut sim| {
        let operator = operator(&mut sim);
        sim.subscribe(operator, "answers", AtLeastOnce);
        let request = |sim: &mut Sim, request: Value| -> Value {
            let properties = [Property::ResponseTopic("answers"), Property::CorrelationData(b"42")];
            let payload = request.to_string();
            let publish = Publish {
                properties: Properties::from_slice(&properties),
                payload: payload.as_bytes(),
                ..Publish::new("$CONTROL/vaux/v1")
            };
            sim.send_publish(operator, &publish);
            let answer = told(sim, operator).pop().unwrap();
            assert_eq!(answer.0, "answers");
            serde_json::from_str(&answer.1).unwrap()
        };
        let durable = sim.connect(&Hello::durable("d"));
        let answer = request(&mut sim, json!({"command": "kick", "client_id": "d"}));
        assert_eq!(answer, json!({"command": "kick", "ok": true}));
        assert_eq!(sim.see(durable), [Seen::Disconnect(ReasonCode::AdministrativeAction)]);
        let gone = request(&mut sim, json!({"command": "kick", "client_id": "d"}));
        assert_eq!(gone["error"], "not-found");
        let session = request(&mut sim, json!({"command": "session", "client_id": "d"}));
        assert_eq!(session["session"]["connected"], false);
        assert_eq!(request(&mut sim, json!({"command": "delete_session", "client_id": "d"}))["ok"], true);
        let (_, seen) = sim.connect_and_see(&Hello::durable("d"));
        assert_eq!(seen, [Seen::ConnAck(false, ReasonCode::Success)]);
        assert_eq!(request(&mut sim, json!({"command": "nonsense"}))["error"], "malformed");
    });
}

#[test]
fn what_an_operator_changed_is_durable_before_he_hears_of_it() {
    for workers in [1, 3] {
        let mut sim = Sim::stored(workers);
        sim.open_durable("d");
        let request = json!({"command": "delete_session", "client_id": "d"});
        assert_eq!(ask(&mut sim, &request), Value::Null);
        sim.commit();
        assert_eq!(sim.answers[&7]["ok"], true);
    }
}

#[test]
fn a_trace_tells_the_packets_of_one_client() {
    with_workers(|mut sim| {
        let operator = operator(&mut sim);
        sim.subscribe(operator, "$SYS/broker/vaux/events", AtMostOnce);
        let client = sim.connect(&Hello::new("a"));
        let trace = |on| json!({"command": "trace", "client_id": "a", "on": on});
        assert_eq!(ask(&mut sim, &trace(true))["ok"], true);
        events(&mut sim, operator);
        sim.subscribe(client, "t", AtMostOnce);
        sim.publish(client, "t", "x", AtMostOnce, 0);
        let seen = events(&mut sim, operator);
        let mut packets: Vec<_> = seen
            .iter()
            .filter(|event| event["event"] == "trace")
            .map(|event| (event["direction"].as_str().unwrap(), event["packet"].as_str().unwrap()))
            .collect();
        packets.sort_unstable();
        assert_eq!(packets, [("in", "PUBLISH"), ("in", "SUBSCRIBE"), ("out", "PUBLISH")]);
        ask(&mut sim, &trace(false));
        sim.publish(client, "t", "x", AtMostOnce, 0);
        assert!(events(&mut sim, operator).is_empty());
    });
}

#[test]
fn why_finds_every_kind_of_drop_refusal_and_disconnect() {
    let limits = Limits {
        max_queued_messages: 2,
        max_topic_levels: 3,
        max_payload: Some(100),
        max_sessions: 6,
        max_retained_messages: 1,
        ..Limits::default()
    };
    for workers in [1, 3] {
        let settings = Settings { limits: limits.clone(), ..Settings::default() };
        let mut sim = Sim::with(workers, settings, Recorder::discarding);
        let offline = sim.connect(&Hello::durable("offline"));
        sim.subscribe(offline, "q", AtLeastOnce);
        sim.cut(offline);
        sim.advance(1);
        let publisher = sim.connect(&Hello::new("p"));
        for number in 1..=5 {
            sim.publish(publisher, "q", "x", AtLeastOnce, number);
        }
        sim.publish(publisher, "a/b/c/d", "x", AtLeastOnce, 6);
        sim.publish(publisher, "big", &"x".repeat(101), AtLeastOnce, 7);
        sim.publish(publisher, "$SYS/x", "x", AtLeastOnce, 8);
        for topic in ["r/1", "r/2"] {
            let publish = Publish { retain: true, payload: b"x", ..Publish::new(topic) };
            sim.send_publish(publisher, &publish);
        }
        sim.subscribe(publisher, "$CONTROL/#", AtMostOnce);
        let of = |client: &str| json!({"command": "why", "client_id": client});
        let told = |list: &[(&str, u64)]| -> Vec<(String, u64)> {
            list.iter().map(|(cause, count)| ((*cause).to_owned(), *count)).collect()
        };
        assert_eq!(
            incidents(&mut sim, &of("offline")),
            told(&[("connection-lost", 1), ("queue-full", 3)]),
            "{workers}"
        );
        assert_eq!(
            incidents(&mut sim, &of("p")),
            told(&[
                ("topic-invalid", 1),
                ("payload-too-large", 1),
                ("not-authorized", 1),
                ("retained-full", 1),
                ("not-authorized", 1),
            ])
        );
        assert_eq!(incidents(&mut sim, &json!({"command": "why", "topic": "q"})), told(&[("queue-full", 3)]));
        for number in 0..10 {
            sim.advance(1);
            sim.connect_and_see(&Hello::new(&format!("more {number}")));
        }
        let last = ask(&mut sim, &json!({"command": "why", "last": 1}));
        let last = &last["incidents"][0];
        assert_eq!((&last["kind"], &last["limit"]), (&json!("refusal"), &json!("max_sessions")));
        assert_eq!(last["client_id"], "more 9");
        let keep_alive = Hello { keep_alive: 1, clean_start: true, ..Hello::new("p") };
        sim.connect(&keep_alive);
        sim.advance(2_000);
        let causes: Vec<_> = incidents(&mut sim, &of("p")).into_iter().map(|(cause, _)| cause).collect();
        assert_eq!(causes[causes.len() - 2..], ["taken-over", "keep-alive"]);
    }
}

#[test]
fn without_sessions_nothing_is_told_of_clients() {
    let sys = SysConfig { sessions: SysSessions::Off, ..SysConfig::default() };
    let mut sim = Sim::with(1, Settings { sys, ..Settings::default() }, Recorder::discarding);
    let operator = operator(&mut sim);
    assert!(watch(&mut sim, operator, "$SYS/broker/vaux/#").is_empty());
    sim.connect(&Hello::new("a"));
    assert!(told(&mut sim, operator).is_empty());
}

#[test]
fn totals_are_given_to_who_asks_from_outside() {
    with_workers(|mut sim| {
        let client = sim.connect(&Hello::new("a"));
        sim.subscribe(client, "t", AtMostOnce);
        sim.cores[0].handle_totals_request(3);
        sim.settle();
        let totals = sim.totals[&3];
        assert_eq!((totals.gauges.connected, totals.gauges.subscriptions), (1, 1));
        assert_eq!(totals.counters.connects, 1);
    });
}
