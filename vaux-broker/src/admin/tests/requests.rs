//! What requests get for an answer.

use std::time::Duration;

use serde_json::json;

use super::http::{Served, TOKEN, read_token};
use crate::core::Totals;
use crate::store::StoreState;

#[test]
fn health_and_metrics_need_no_token() {
    let served = Served::start();
    let health = served.get("/healthz");
    assert_eq!((health.status, health.body.as_str()), (200, "ok\n"));
    assert_eq!(health.header("connection"), Some("close"));
    let metrics = served.get("/metrics?x=1");
    assert_eq!(metrics.status, 200);
    assert_eq!(
        metrics.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(metrics.body.ends_with("# EOF\n"), "{metrics:?}");
    let head = served.send("HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), metrics.header("content-length"));
}

#[test]
fn readiness_says_why_not() {
    let served = Served::start();
    assert_eq!(served.get("/readyz").status, 200);
    for (state, status) in [(StoreState::Full, 200), (StoreState::Failed, 503)] {
        let mut totals = Totals::default();
        totals.measures.store_state = state;
        served.script.lock().unwrap().totals = Some(totals);
        assert_eq!(served.get("/readyz").status, status, "{state:?}");
    }
    assert!(served.get("/readyz").body.contains("the store failed"));
    served.script.lock().unwrap().totals = None;
    let silent = served.get("/readyz");
    assert_eq!((silent.status, silent.body.as_str()), (503, "the workers of the broker do not answer\n"));
    assert_eq!(served.get("/metrics").status, 503);
    served.script.lock().unwrap().totals = Some(Totals::default());
    served.admin.begin_end();
    let ending = served.get("/readyz");
    assert_eq!((ending.status, ending.body.as_str()), (503, "the broker is shutting down\n"));
    assert_eq!(served.get("/healthz").status, 200);
}

#[test]
fn the_api_wants_the_token() {
    let served = Served::start();
    for authorization in [
        "",
        "Authorization: Bearer correct-horse-batter\r\n",
        "Authorization: Basic correct-horse-battery\r\n",
        "Authorization: correct-horse-battery\r\n",
        "Authorization: Bearer \r\n",
    ] {
        for path in ["/api", "/api/v1/sessions", "/api/nothing", "/api/v1/openapi.json"] {
            let refused =
                served.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}\r\n"));
            assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("bearer")), "{path}");
            assert_eq!(refused.json()["error"], "not-authorized");
        }
    }
    assert_eq!(served.asked(), None);
    let lower =
        format!("GET /api/v1/sessions HTTP/1.1\r\nHost: localhost\r\nauthorization: bearer {TOKEN}\r\n\r\n");
    assert_eq!(served.send(&lower).status, 200);
    assert_eq!(served.call("GET", "/api/nothing", "").status, 404);
}

#[test]
fn without_a_token_there_is_no_api() {
    let served = Served::start_with(super::super::server::Pace::default(), None);
    for path in ["/api", "/api/v1/sessions", "/api/v1/openapi.json"] {
        assert_eq!(served.call("GET", path, "").status, 404, "{path}");
    }
    assert_eq!(served.get("/healthz").status, 200);
}

#[test]
fn a_reload_brings_token_names_and_limits() {
    let mut served = Served::start();
    let named = "GET /healthz HTTP/1.1\r\nHost: broker.example\r\n\r\n";
    assert_eq!(served.send(named).status, 403);
    served.config.http.allowed_hosts.push("broker.example".into());
    served.config.limits.max_packet_size = 10;
    served.admin.reload(&served.config, Some(read_token(TOKEN)));
    assert_eq!(served.send(named).status, 200);
    assert_eq!(served.call("POST", "/api/v1/kick", r#"{"client_id":"a"}"#).status, 413);
    served.admin.reload(&served.config, Some(read_token("another-token-of-words")));
    assert_eq!(served.call("GET", "/api/v1/sessions", "").status, 401);
}

#[test]
fn other_hosts_and_their_pages_are_refused_everywhere() {
    let served = Served::start();
    for path in ["/healthz", "/readyz", "/metrics", "/api/v1/sessions", "/nothing"] {
        for headers in ["Host: rebound.example", "Host: localhost\r\nOrigin: http://evil.example"] {
            let request =
                format!("GET {path} HTTP/1.1\r\n{headers}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
            assert_eq!(served.send(&request).status, 403, "{path} {headers}");
        }
    }
    assert_eq!(served.send("GET /healthz HTTP/1.1\r\n\r\n").status, 400);
    assert_eq!(served.send("GET /healthz HTTP/1.0\r\n\r\n").status, 200);
    assert_eq!(served.asked(), None);
}

#[test]
fn a_request_becomes_one_of_the_control_protocol() {
    let served = Served::start();
    for (method, target, body, request) in [
        (
            "GET",
            "/api/v1/sessions?limit=2&cursor=x",
            "",
            json!({"command": "sessions", "limit": 2, "cursor": "x"}),
        ),
        ("GET", "/api/v1/sessions/a%2Fb", "", json!({"command": "session", "client_id": "a/b"})),
        (
            "DELETE",
            "/api/v1/sessions/a?mount=m%2F",
            "",
            json!({"command": "delete_session", "client_id": "a", "mount": "m/"}),
        ),
        (
            "GET",
            "/api/v1/subscriptions?client_id=a",
            "",
            json!({"command": "subscriptions", "client_id": "a"}),
        ),
        ("GET", "/api/v1/retained?filter=a/%2B/%23", "", json!({"command": "retained", "filter": "a/+/#"})),
        ("DELETE", "/api/v1/retained?topic=a/b", "", json!({"command": "delete_retained", "topic": "a/b"})),
        (
            "POST",
            "/api/v1/publish",
            r#"{"topic":"t","payload":"p"}"#,
            json!({"command": "publish", "topic": "t", "payload": "p"}),
        ),
        ("POST", "/api/v1/kick", r#"{"client_id":"a"}"#, json!({"command": "kick", "client_id": "a"})),
        (
            "POST",
            "/api/v1/trace",
            r#"{"client_id":"a","on":true}"#,
            json!({"command": "trace", "client_id": "a", "on": true}),
        ),
        ("GET", "/api/v1/why?topic=t&last=5", "", json!({"command": "why", "topic": "t", "last": 5})),
    ] {
        let answered = served.call(method, target, body);
        assert_eq!((answered.status, answered.json()), (200, json!({"ok": true})), "{target}");
        assert_eq!(served.asked(), Some(request), "{target}");
    }
}

#[test]
fn refusals_of_the_broker_have_their_status() {
    let served = Served::start();
    served.script.lock().unwrap().answer = serde_json::Value::Null;
    assert_eq!(served.call("POST", "/api/v1/kick", "{}").status, 503);
    for (error, status) in [
        ("malformed", 400),
        ("not-found", 404),
        ("not-authorized", 403),
        ("quota-exceeded", 507),
        ("what is this", 500),
    ] {
        let answer = json!({"command": "kick", "ok": false, "error": error, "text": "because"});
        served.script.lock().unwrap().answer = answer.clone();
        let answered = served.call("POST", "/api/v1/kick", "{}");
        assert_eq!((answered.status, answered.json()), (status, answer));
    }
}

#[test]
fn what_cannot_be_asked_does_not_reach_the_broker() {
    let served = Served::start();
    let large = format!("{{\"payload\":\"{}\"}}", "x".repeat(1000));
    for (method, target, body, status) in [
        ("GET", "/", "", 404),
        ("GET", "/api/v1/sessions/", "", 404),
        ("PUT", "/api/v1/sessions/a", "", 405),
        ("POST", "/metrics", "", 405),
        ("GET", "/api/v1/kick", "", 405),
        ("GET", "/api/v1/sessions?limit=many", "", 400),
        ("GET", "/api/v1/sessions?size=1", "", 400),
        ("GET", "/api/v1/sessions/%ff", "", 400),
        ("DELETE", "/api/v1/retained", "", 400),
        ("POST", "/api/v1/kick", "not json", 400),
        ("POST", "/api/v1/kick", "[]", 400),
        ("POST", "/api/v1/kick", r#"{"command":"publish"}"#, 400),
        ("POST", "/api/v1/kick?client_id=a", "{}", 400),
        ("POST", "/api/v1/publish", &large, 413),
    ] {
        let answered = served.call(method, target, body);
        assert_eq!(answered.status, status, "{method} {target}: {answered:?}");
        assert_eq!(answered.json()["ok"], false);
    }
    assert_eq!(served.call("PUT", "/api/v1/sessions/a", "").header("allow"), Some("get, delete, head"));
    assert_eq!(served.asked(), None);
}

#[test]
fn the_configuration_is_a_file() {
    let served = Served::start();
    let config = served.call("GET", "/api/v1/config", "");
    assert_eq!((config.status, config.header("content-type")), (200, Some("application/toml")));
    assert_eq!(crate::config::Config::from_toml(&config.body), Ok(served.config.clone()));
}

#[test]
fn the_end_waits_for_nobody_for_long() {
    let served = Served::start();
    let _silent = served.open();
    let started = std::time::Instant::now();
    served.admin.end();
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    // Nobody listens there any more.
    assert!(std::net::TcpStream::connect(served.admin.address()).is_err());
}
