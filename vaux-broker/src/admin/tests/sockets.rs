//! What clients do with their connections.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use super::super::server::{MAX_CONNECTIONS, Pace};
use super::http::{Served, TOKEN};

/// Long enough for what is to succeed.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(100);

#[test]
fn who_does_not_finish_the_headers_is_closed() {
    let served = Served::start_with(Pace { headers: SHORT, connection: LONG, end: SHORT }, None);
    for begun in ["", "GET /healthz HTTP/1.1\r\nHost: loc"] {
        let mut stream = served.open();
        stream.write_all(begun.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(!answer.starts_with(b"HTTP/1.1 200"));
    }
}

#[test]
fn who_does_not_finish_the_body_is_closed() {
    let served = Served::start_with(Pace { headers: LONG, connection: SHORT, end: SHORT }, Some(TOKEN));
    let mut stream = served.open();
    let head = format!(
        "POST /api/v1/kick HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 9\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"");
    assert_eq!(served.asked(), None);
}

#[test]
fn a_head_without_end_is_refused() {
    let served = Served::start();
    let long = "x".repeat(100_000);
    for request in [
        format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nA: {long}\r\n\r\n"),
        format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "A: b\r\n".repeat(1000)),
        "\x10\x10\0\x04MQTT\x04\x02\0\x3c\0\x04test\r\n\r\n".to_owned(),
    ] {
        let mut stream = served.open();
        let _ = stream.write_all(request.as_bytes());
        let mut answer = Vec::new();
        // A reset is an answer, too: it stopped reading.
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(served.get("/healthz").status, 200);
}

#[test]
fn over_the_limit_of_connections_one_waits_for_another_to_end() {
    let served = Served::start();
    let mut silent: Vec<_> = (0..MAX_CONNECTIONS).map(|_| served.open()).collect();
    let mut waiting = served.open();
    waiting.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    waiting.set_read_timeout(Some(SHORT)).unwrap();
    let mut answer = [0; 12];
    let early = waiting.read(&mut answer).unwrap_err().kind();
    assert!(matches!(early, std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut), "{early}");
    drop(silent.pop());
    waiting.set_read_timeout(Some(LONG)).unwrap();
    waiting.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[test]
fn the_end_does_not_wait_for_who_has_asked_nothing() {
    let served = Served::start_with(Pace { headers: LONG, connection: LONG, end: LONG }, None);
    let mut silent = served.open();
    // Connections are accepted in their order: when this is answered, the silent one is being served.
    assert_eq!(served.get("/healthz").status, 200);
    let began = Instant::now();
    served.admin.end();
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    assert!(began.elapsed() < LONG);
}
