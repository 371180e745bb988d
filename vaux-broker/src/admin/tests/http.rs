//! A server with a made-up broker behind it, and requests to it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::super::server::Pace;
use super::super::{Admin, Console, Token};
use crate::config::Config;
use crate::core::Totals;

/// A test that waits for longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) const TOKEN: &str = "correct-horse-battery";

/// What the made-up broker says.
pub(super) struct Script {
    /// The answer to every request.
    pub(super) answer: Value,
    pub(super) totals: Option<Totals>,
    /// What was asked.
    pub(super) asked: Vec<Value>,
}

/// A server on a port of its own.
pub(super) struct Served {
    pub(super) admin: Admin,
    pub(super) script: Arc<Mutex<Script>>,
    pub(super) config: Config,
}

/// An answer, taken apart.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Served {
    pub(super) fn start() -> Served {
        Served::start_with(Pace::default(), Some(TOKEN))
    }

    pub(super) fn start_with(pace: Pace, token: Option<&str>) -> Served {
        let script =
            Script { answer: json!({"ok": true}), totals: Some(Totals::default()), asked: Vec::new() };
        let script = Arc::new(Mutex::new(script));
        let (for_control, for_totals) = (Arc::clone(&script), Arc::clone(&script));
        let mut config = Config::default();
        config.limits.max_packet_size = 1000;
        let printed = config.to_toml();
        let console = Console {
            control: Box::new(move |request| {
                let mut script = for_control.lock().unwrap();
                script.asked.push(request.clone());
                let answer = script.answer.clone();
                Box::pin(async move { answer })
            }),
            totals: Box::new(move || {
                let totals = for_totals.lock().unwrap().totals;
                Box::pin(async move { totals })
            }),
            config: Box::new(move || printed.clone()),
        };
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = Admin::start_at(pace, socket, console, &config, token.map(read_token)).unwrap();
        Served { admin, script, config }
    }

    pub(super) fn open(&self) -> TcpStream {
        let stream = TcpStream::connect(self.admin.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends these bytes, and reads until the end.
    pub(super) fn send(&self, request: &str) -> Answered {
        let mut stream = self.open();
        // Who refuses early does not read everything.
        let _ = stream.write_all(request.as_bytes());
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {request:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answered { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    /// Without the token.
    pub(super) fn get(&self, target: &str) -> Answered {
        self.send(&format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }

    /// With the token.
    pub(super) fn call(&self, method: &str, target: &str, body: &str) -> Answered {
        let length = body.len();
        self.send(&format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        ))
    }

    /// What the broker was asked last.
    pub(super) fn asked(&self) -> Option<Value> {
        self.script.lock().unwrap().asked.pop()
    }
}

pub(super) fn read_token(token: &str) -> Token {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), token).unwrap();
    Token::read(file.path()).unwrap()
}

impl Answered {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(super) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }
}
