//! States for tests: a plant with some machines, and the broker behind it.

use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use serde_json::json;
use vaux_client::{Message, QoS, Version};

use crate::state::replay::{Recording, Replay};
use crate::state::{Screen, Settings, State};
use crate::theme::ThemeName;
use crate::update::{Effect, Input, Request, settle, update};
use crate::view::view;

/// 2026-11-26 09:14:02 UTC.
pub(crate) const NOW: u64 = 1_795_684_442_000;

pub(crate) fn settings() -> Settings {
    Settings {
        server: "mqtts://localhost:8883".to_owned(),
        version: Version::V5,
        filters: vec!["#".to_owned()],
        theme: ThemeName::Dark,
        ascii: false,
        read_only: false,
    }
}

/// A dashboard that has just connected.
pub(crate) fn connected() -> State {
    let mut state = State::new(settings(), NOW);
    update(&mut state, NOW, Input::Connected);
    state
}

pub(crate) fn arrive(state: &mut State, at: u64, topic: &str, payload: impl Into<Vec<u8>>) -> Vec<Effect> {
    update(state, at, Input::Arrived(Message::new(topic, payload.into())))
}

/// A dashboard that has watched vaux for a while.
pub(crate) fn watching() -> State {
    let mut state = connected();
    for second in 0..40u64 {
        let wave = 1000.0 + 900.0 * (second as f64 / 6.0).sin();
        arrive(
            &mut state,
            NOW + second * 1000,
            "$SYS/broker/vaux/metrics",
            metrics(second, wave).to_string(),
        );
    }
    let now = NOW + 40_000;
    let top = json!([{"topic": "plant/1/state", "messages_per_s": 812.5, "bytes_per_s": 61_440.0},
        {"topic": "plant/2/temperature", "messages_per_s": 40.0, "bytes_per_s": 160.0}]);
    arrive(&mut state, now, "$SYS/broker/vaux/top/topics", top.to_string());
    let top = json!([{"client_id": "sensors", "messages_per_s": 852.5, "bytes_per_s": 61_600.0}]);
    arrive(&mut state, now, "$SYS/broker/vaux/top/clients", top.to_string());
    for (id, connected, queued, dropped) in [
        ("alarms", true, 0, 0),
        ("historian", false, 4711, 12),
        ("sensors", true, 0, 0),
        ("a/b é", true, 2, 0),
    ] {
        let session = json!({"client_id": id, "user": (id == "sensors").then_some("plant"), "connected": connected,
            "address": connected.then_some("127.0.0.1:50001"), "listener": connected.then_some("tls"),
            "version": connected.then_some("5"), "clean_start": connected.then_some(true), "session_expiry": 3600,
            "keep_alive": connected.then_some(60), "connected_at": connected.then_some("2026-11-26T09:10:00.000Z"),
            "subscriptions": 2, "inflight": 0, "queued": queued, "queued_bytes": queued * 40, "messages_in": 8100,
            "messages_out": 120, "bytes_in": 640_000, "bytes_out": 4000, "dropped": dropped, "will_topic": null});
        arrive(
            &mut state,
            now,
            &format!("$SYS/broker/vaux/sessions/{}", id.replace(['/', ' ', 'é'], "%20")),
            session.to_string(),
        );
    }
    for event in [
        json!({"event": "connect", "at": "2026-11-26T09:14:01.000Z", "client_id": "sensors", "user": "plant",
            "address": "127.0.0.1:50001", "listener": "tls", "version": "5", "clean_start": true, "keep_alive": 60, "session_present": false}),
        json!({"event": "subscribe", "at": "2026-11-26T09:14:01.000Z", "client_id": "alarms", "filter": "plant/+/alarm", "qos": 1}),
        json!({"event": "disconnect", "at": "2026-11-26T09:14:02.113Z", "cause": "keep-alive", "client_id": "historian",
            "text": "nothing came for one and a half times the keep alive", "reason_code": 141, "reason": "Keep Alive timeout"}),
        json!({"event": "drop", "at": "2026-11-26T09:14:02.113Z", "cause": "queue-full", "client_id": "historian",
            "text": "the queue of the session was full", "topic": "plant/1/state", "limit": "max_queued_messages", "count": 12}),
    ] {
        arrive(&mut state, now, "$SYS/broker/vaux/events", event.to_string());
    }
    publish(&mut state, now - 9000);
    let page = json!({"ok": true, "subscriptions": [
        {"client_id": "historian", "filter": "plant/#", "qos": 1, "no_local": true, "retain_as_published": true, "identifier": 7},
        {"client_id": "alarms", "filter": "plant/+/alarm", "qos": 1}]});
    update(&mut state, now, Input::Answer(Request::Subscriptions(None), Ok(page)));
    update(&mut state, now, Input::Tick);
    state
}

/// Messages of the plant, a second apart.
pub(crate) fn publish(state: &mut State, from: u64) {
    for step in 0..8u64 {
        let at = from + step * 1000;
        for line in 1..=3 {
            let body = json!({"speed": 1200 + step * line, "temp": {"in": 20.0 + step as f64, "out": 18}, "ok": true});
            arrive(state, at, &format!("plant/{line}/state"), body.to_string());
            arrive(state, at, &format!("plant/{line}/temperature"), format!("{}.5", 20 + step));
        }
    }
    let retained = Message::new("plant/1/camera", vec![0, 1, 255, 10]).qos(QoS::AtMostOnce).retain(true);
    update(state, from + 8000, Input::Arrived(retained));
}

fn metrics(second: u64, wave: f64) -> serde_json::Value {
    json!({"at": "2026-11-26T09:14:02.000Z", "version": "0.1.0", "uptime_s": 7200 + second, "workers": 2,
        "counters": {"messages_received": 900_000, "refused_connects": 3, "dropped": {"queue_full": 12, "expired": 0}},
        "rates": {"bytes_received": wave * 70.0, "bytes_sent": wave * 140.0, "messages_received": wave,
            "messages_sent": wave * 2.0, "connects": 0.5, "refused_connects": 0.0, "dropped": {"queue_full": 1.0}},
        "gauges": {"connections": 3, "sessions": 4, "connected": 3, "subscriptions": 9, "shared_subscriptions": 1,
            "queued_messages": 4713, "queued_bytes": 188_520, "outbox_packets": 0, "outbox_bytes": 0},
        "clients_maximum": 5, "retained_messages": 1, "retained_bytes": 64, "resident_bytes": 21_000_000,
        "peak_resident_bytes": 22_000_000, "store": "good",
        "delivery_us": {"count": 5, "sum": 9, "p50": 63, "p99": 511, "p999": 1023, "buckets": []},
        "commit_us": {"count": 0, "sum": 0, "p50": null, "p99": null, "p999": null, "buckets": []}})
}

/// A dashboard of mosquitto.
pub(crate) fn mosquitto() -> State {
    let mut state = connected();
    arrive(&mut state, NOW, "$SYS/broker/version", "mosquitto version 2.0.21");
    for (at, received) in [(0u64, 1000), (10_000, 1500), (20_000, 3500)] {
        for (name, value) in [
            ("clients/connected", "7".to_owned()),
            ("clients/total", "9".to_owned()),
            ("subscriptions/count", "21".to_owned()),
            ("retained messages/count", "52".to_owned()),
            ("publish/messages/received", received.to_string()),
            ("publish/messages/sent", (received * 2).to_string()),
            ("bytes/received", (received * 70).to_string()),
            ("bytes/sent", (received * 140).to_string()),
            ("heap/current", "1234567".to_owned()),
            ("uptime", format!("{} seconds", 600 + at / 1000)),
        ] {
            arrive(&mut state, NOW + at, &format!("$SYS/broker/{name}"), value);
        }
    }
    arrive(&mut state, NOW + 20_000, "$SYS/broker/log/N", "New client connected from 127.0.0.1 as sensors");
    publish(&mut state, NOW + 12_000);
    state
}

/// Shows a screen in a size.
pub(crate) fn show(state: &mut State, screen: Screen, width: u16, height: u16) -> Buffer {
    state.screen = screen;
    draw(state, width, height)
}

/// Draws the state in a size.
pub(crate) fn draw(state: &mut State, width: u16, height: u16) -> Buffer {
    state.size = Size::new(width, height);
    settle(state);
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    view(state, &mut buffer);
    buffer
}

/// The text of a screen.
pub(crate) fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let line: String = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A dashboard of a recording of a minute.
pub(crate) fn replaying() -> State {
    let mut recording = Recording::new("localhost:8883", NOW);
    for n in 0..600u64 {
        let message = Message::new(format!("plant/{}/temperature", n % 3), format!("{}", 20 + n % 7));
        recording.push(n * 100_000, message);
    }
    let mut state = State::new(Settings { filters: Vec::new(), ..settings() }, NOW);
    state.replay = Some(Replay::new(recording));
    state
}
