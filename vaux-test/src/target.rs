//! The broker under test: where it is and how to reach it.

use std::fmt;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::http::HeaderValue;
use tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;

use crate::connection::{Below, Transport};

const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// The address of a broker.
#[derive(Clone, Debug)]
pub struct Target {
    host: String,
    port: u16,
    tls: Option<Tls>,
    /// The path of the request, when MQTT travels over WebSocket.
    web_socket: Option<String>,
}

#[derive(Clone, Debug)]
struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// What is wrong with an address.
#[derive(Debug)]
pub enum TargetError {
    /// The URL cannot be read.
    Url(String),
    /// The certificates cannot be read.
    Certificates(String),
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TargetError::Url(what) | TargetError::Certificates(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for TargetError {}

impl Target {
    /// Reads `mqtt://HOST[:PORT]` or `mqtts://HOST[:PORT]`, or with WebSocket `ws://HOST[:PORT][/PATH]` or
    /// `wss://HOST[:PORT][/PATH]`. The certificates in `cafile` are trusted for TLS;
    /// `insecure` trusts any.
    ///
    /// # Errors
    ///
    /// Another scheme, a port that is no number, a TLS address that nothing says how to trust, certificates that
    /// cannot be read.
    pub fn parse(url: &str, cafile: Option<&Path>, insecure: bool) -> Result<Target, TargetError> {
        let wrong = |what: &str| TargetError::Url(format!("{url}: {what}"));
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("write mqtt://HOST:PORT"))?;
        let (is_tls, default_port) = match scheme {
            "mqtt" => (false, 1883),
            "mqtts" => (true, 8883),
            "ws" => (false, 80),
            "wss" => (true, 443),
            _ => return Err(wrong("the scheme is mqtt, mqtts, ws or wss")),
        };
        let is_web_socket = scheme.starts_with("ws");
        let (rest, path) = match rest.find('/').filter(|_| is_web_socket) {
            Some(slash) => rest.split_at(slash),
            None => (rest.strip_suffix('/').unwrap_or(rest), "/"),
        };
        let web_socket = is_web_socket.then(|| path.to_owned());
        let (host, port) = split_port(rest).ok_or_else(|| wrong("the port is no number"))?;
        if host.is_empty() || host.contains(['/', '@']) {
            return Err(wrong("write the host and the port alone"));
        }
        let tls = if is_tls { Some(Tls::new(host, cafile, insecure)?) } else { None };
        Ok(Target { host: host.to_owned(), port: port.unwrap_or(default_port), tls, web_socket })
    }

    pub(crate) fn dial(&self) -> io::Result<Transport> {
        let mut last = io::Error::other("the host has no address");
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, DIAL_TIMEOUT) {
                Ok(socket) => return self.greet(socket),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn greet(&self, socket: TcpStream) -> io::Result<Transport> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(DIAL_TIMEOUT))?;
        let below = self.encrypt(socket)?;
        if self.web_socket.is_none() {
            return Ok(Transport::Bytes(below));
        }
        let mut request = self.to_string().into_client_request().map_err(io::Error::other)?;
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("mqtt"));
        let (socket, response) = tungstenite::client(request, below).map_err(io::Error::other)?;
        if response.headers().get(SEC_WEBSOCKET_PROTOCOL).is_none_or(|selected| selected != "mqtt") {
            return Err(io::Error::other("the broker does not select the subprotocol mqtt"));
        }
        Ok(Transport::WebSocket(Box::new(socket)))
    }

    fn encrypt(&self, mut socket: TcpStream) -> io::Result<Below> {
        let Some(tls) = &self.tls else { return Ok(Below::Plain(socket)) };
        let mut session =
            ClientConnection::new(Arc::clone(&tls.config), tls.name.clone()).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(Below::Tls(Box::new(rustls::StreamOwned::new(session, socket))))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (self.tls.is_some(), self.web_socket.is_some()) {
            (false, false) => "mqtt",
            (true, false) => "mqtts",
            (false, true) => "ws",
            (true, true) => "wss",
        };
        let path = self.web_socket.as_deref().unwrap_or_default();
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{}{close}:{}{path}", self.host, self.port)
    }
}

/// The host without brackets, and the port when there is one; `None` when the port is no number.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, Some(port.parse().ok()?))),
            None => rest.is_empty().then_some((host, None)),
        };
    }
    match text.rsplit_once(':') {
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
        None => Some((text, None)),
    }
}

impl Tls {
    fn new(host: &str, cafile: Option<&Path>, insecure: bool) -> Result<Tls, TargetError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TargetError::Certificates(error.to_string()))?;
        let config = if insecure {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(TrustAll(provider)))
        } else {
            let cafile = cafile.ok_or_else(|| {
                TargetError::Url("mqtts needs --cafile FILE, or --insecure to trust any broker".to_owned())
            })?;
            builder.with_root_certificates(roots(cafile)?)
        };
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| TargetError::Url(format!("`{host}` is no host name")))?;
        Ok(Tls { config: Arc::new(config.with_no_client_auth()), name })
    }
}

fn roots(cafile: &Path) -> Result<RootCertStore, TargetError> {
    let wrong = |what: String| TargetError::Certificates(format!("{}: {what}", cafile.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(cafile).map_err(|error| wrong(error.to_string()))? {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() { Err(wrong("there is no certificate in it".to_owned())) } else { Ok(roots) }
}

/// Believes every certificate: what `--insecure` asks for. Signatures are still checked.
#[derive(Debug)]
struct TrustAll(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        Target::parse(url, None, true).map_or_else(|error| error.to_string(), |target| target.to_string())
    }

    #[test]
    fn the_port_follows_the_scheme() {
        assert_eq!(shown("mqtt://localhost"), "mqtt://localhost:1883");
        assert_eq!(shown("mqtts://localhost/"), "mqtts://localhost:8883");
        assert_eq!(shown("mqtt://127.0.0.1:18"), "mqtt://127.0.0.1:18");
        assert_eq!(shown("mqtt://[::1]:18"), "mqtt://[::1]:18");
        assert_eq!(shown("mqtts://[::1]"), "mqtts://[::1]:8883");
    }

    #[test]
    fn a_path_belongs_to_web_socket() {
        assert_eq!(shown("ws://localhost:8083/mqtt"), "ws://localhost:8083/mqtt");
        assert_eq!(shown("wss://localhost"), "wss://localhost:443/");
        assert!(shown("mqtt://localhost/mqtt").contains("alone"));
    }

    #[test]
    fn other_addresses_are_refused() {
        assert!(shown("localhost:1883").contains("write mqtt://"));
        assert!(shown("http://localhost").contains("scheme"));
        assert!(shown("mqtt://localhost:x").contains("port"));
        assert!(shown("mqtt://user@localhost").contains("alone"));
        assert!(shown("mqtt://").contains("alone"));
    }

    #[test]
    fn tls_says_whom_to_trust() {
        let error = Target::parse("mqtts://localhost", None, false).expect_err("nobody is trusted");
        assert!(error.to_string().contains("--cafile"));
        let missing = Path::new("no such file");
        let error = Target::parse("mqtts://localhost", Some(missing), false).expect_err("it is not there");
        assert!(error.to_string().contains("no such file"));
    }
}
