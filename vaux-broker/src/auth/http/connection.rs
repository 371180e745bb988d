//! Connections to the service: HTTP/1.1, with or without TLS, used again while they last.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::auth::file::FileError;
use crate::tls;

/// Where the service is, and connections that nobody uses at present.
pub(super) struct Connections {
    uri: Uri,
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    idle: Mutex<Vec<Sender>>,
}

type Sender = SendRequest<Full<Bytes>>;

/// So many are kept.
pub(super) const MAX_IDLE: usize = 16;

/// Longest answer.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Longest head of an answer.
const MAX_HEAD_BYTES: usize = 16 << 10;

impl Connections {
    /// Prepares to connect. Reads whom to trust, from a file or from the system.
    pub(super) fn prepare(url: &str, ca: Option<&Path>) -> Result<Connections, FileError> {
        let wrong = |message: &str| FileError::new(Path::new("auth.http.url"), None, message);
        let uri: Uri = url.parse().map_err(|_| wrong("is no URL"))?;
        let host = uri.host().map(|host| host.trim_matches(['[', ']']).to_owned());
        let host = host.ok_or_else(|| wrong("names no host"))?;
        let has_tls = uri.scheme_str() == Some("https");
        if !has_tls && !is_loopback(&host) {
            tracing::warn!(
                "passwords are sent in the clear to the authentication service on {host}: use https"
            );
        }
        let tls = match has_tls {
            false => None,
            true => {
                let name = ServerName::try_from(host.clone());
                let name = name.map_err(|_| wrong("names a host that no certificate can be valid for"))?;
                Some((TlsConnector::from(Arc::new(client_config(ca)?)), name))
            }
        };
        let port = uri.port_u16().unwrap_or(if has_tls { 443 } else { 80 });
        Ok(Connections { uri, host, port, tls, idle: Mutex::default() })
    }

    /// Where the service is, without what may be secret of the URL.
    pub(super) fn authority(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }

    /// Sends a question. The answer must be a success, and not too long; redirects are not followed. The error says what
    /// is wrong.
    pub(super) async fn post(&self, question: Vec<u8>) -> Result<Bytes, String> {
        let question = Bytes::from(question);
        while let Some(sender) = self.take_idle() {
            // The service may have closed it at any time, and then not seen the question.
            if let Ok(answer) = self.exchange(sender, question.clone()).await {
                return answer;
            }
        }
        let sender = self.connect().await?;
        self.exchange(sender, question).await.map_err(|error| error.to_string())?
    }

    fn take_idle(&self) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|sender| !sender.is_closed());
        idle.pop()
    }

    /// Asks on a connection. The outer error: it could not be asked there.
    async fn exchange(&self, mut sender: Sender, question: Bytes) -> hyper::Result<Result<Bytes, String>> {
        sender.ready().await?;
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let request = Request::post(path)
            .header(HOST, self.authority())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .body(Full::new(question))
            .expect("a URL that was parsed has a path and an authority that a header can hold");
        let response = sender.send_request(request).await?;
        if !response.status().is_success() {
            return Ok(Err(format!("it answers with status {}", response.status())));
        }
        let body = match Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return Ok(Err(format!("its answer cannot be read: {error}"))),
        };
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(sender);
        }
        Ok(Ok(body))
    }

    async fn connect(&self) -> Result<Sender, String> {
        let unreachable = |error: std::io::Error| format!("it cannot be reached: {error}");
        let stream = TcpStream::connect((&*self.host, self.port)).await.map_err(unreachable)?;
        // It is one small packet each way.
        let _ = stream.set_nodelay(true);
        match &self.tls {
            None => begin(stream).await,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await;
                begin(stream.map_err(|error| format!("TLS with it fails: {error}"))?).await
            }
        }
    }
}

async fn begin(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Sender, String> {
    let handshake = http1::Builder::new().max_buf_size(MAX_HEAD_BYTES).handshake(TokioIo::new(stream));
    let (sender, connection) = handshake.await.map_err(|error| error.to_string())?;
    tokio::spawn(async move {
        // What fails here fails for whoever asks.
        let _ = connection.await;
    });
    Ok(sender)
}

/// Trusts the authorities in the file, or else those of the system.
fn client_config(ca: Option<&Path>) -> Result<ClientConfig, FileError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let wrong = |message: String| FileError::new(path, None, message);
            let pem = std::fs::read(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|error| wrong(format!("is no PEM file: {error}")))?;
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(wrong("holds no certificate".into()));
            }
        }
        None => {
            // A system's store may hold certificates that cannot be read: the others still count.
            let found = rustls_native_certs::load_native_certs().certs;
            if roots.add_parsable_certificates(found).0 == 0 {
                let message = "is not given, and this system has no certificate authorities to trust";
                return Err(FileError::new(Path::new("auth.http.ca"), None, message));
            }
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(tls::provider()));
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.expect("the provider has what TLS 1.2 and 1.3 need");
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("authority", &self.authority()).finish_non_exhaustive()
    }
}
