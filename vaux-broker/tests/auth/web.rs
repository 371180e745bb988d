//! A small HTTP server that answers as the test tells it to, and remembers what it was asked.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

pub(crate) struct Web {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Value>>>,
    says: Arc<Mutex<Says>>,
}

/// What it does about each request.
#[derive(Clone)]
pub(crate) enum Says {
    /// Answers with status 200 and this body.
    Json(String),
    /// Writes these bytes and closes.
    Bytes(Vec<u8>),
    /// Answers nothing, and waits.
    Nothing,
    /// Answers by what it is asked.
    By(fn(&Value) -> &'static str),
}

impl Web {
    pub(crate) fn start(says: Says) -> Web {
        Web::start_with(says, Some)
    }

    /// The same, with TLS.
    pub(crate) fn start_tls(says: Says, tls: Arc<rustls::ServerConfig>) -> Web {
        Web::start_with(says, move |stream| {
            let connection = rustls::ServerConnection::new(Arc::clone(&tls)).unwrap();
            Some(rustls::StreamOwned::new(connection, stream))
        })
    }

    fn start_with<S: Read + Write>(
        says: Says,
        wrap: impl Fn(TcpStream) -> Option<S> + Clone + Send + 'static,
    ) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let web = Web { address, asked: Arc::default(), says: Arc::new(Mutex::new(says)) };
        let (asked, says) = (Arc::clone(&web.asked), Arc::clone(&web.says));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (asked, says, wrap) = (Arc::clone(&asked), Arc::clone(&says), wrap.clone());
                std::thread::spawn(move || {
                    // The broker may close at any time.
                    let _ = wrap(stream).map(|stream| serve(BufReader::new(stream), &asked, &says));
                });
            }
        });
        web
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/auth?key=1", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    /// What it was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Value> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn serve<S: Read + Write>(
    mut stream: BufReader<S>,
    asked: &Mutex<Vec<Value>>,
    says: &Mutex<Says>,
) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_until(b'\n', &mut head)? == 0 {
                return Ok(());
            }
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        assert!(head.starts_with("post /auth?key=1 http/1.1\r\nhost: "), "{head}");
        let len = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; len.parse().unwrap()];
        stream.read_exact(&mut body)?;
        let question: Value = serde_json::from_slice(&body).unwrap();
        let says = says.lock().unwrap().clone();
        let answer = match says {
            Says::Json(answer) => answer,
            Says::By(answer) => answer(&question).to_owned(),
            Says::Bytes(bytes) => return stream.get_mut().write_all(&bytes),
            Says::Nothing => return stream.read(&mut [0]).map(drop),
        };
        asked.lock().unwrap().push(question);
        let out = stream.get_mut();
        write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len())?;
        out.flush()?;
    }
}
