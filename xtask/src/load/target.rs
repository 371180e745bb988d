//! The broker under test as clients see it: where it is, whether with TLS, in which version.

use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use vaux_mqtt::{QoS, Version};

use super::Arguments;
use super::handshake::{self, Accepted};
use super::stream::Stream;
use crate::Outcome;
use crate::bench::scenario::Sessions;

/// How long an answer may take.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How many of those who do nothing connect at one time.
const CONNECTING_AT_ONCE: usize = 16;

/// What clients connect to.
#[derive(Clone, Debug)]
pub(super) struct Target {
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    pub(super) version: Version,
}

impl Target {
    /// The target of a run.
    ///
    /// # Errors
    ///
    /// The certificate that is to be trusted cannot be read.
    pub(super) fn of(arguments: &Arguments) -> Outcome<Target> {
        let tls = arguments.cafile.as_deref().map(tls_config).transpose()?;
        let needs_v5 = arguments.settings.v5 || arguments.scenario.needs_v5();
        let version = if needs_v5 { Version::V5 } else { Version::V311 };
        Ok(Target { address: arguments.broker, tls, version })
    }

    /// A connection that is ready for CONNECT.
    ///
    /// # Errors
    ///
    /// The network's, or that of TLS.
    pub(super) fn open(&self) -> Outcome<Stream<TcpStream>> {
        let mut socket = TcpStream::connect(self.address)
            .map_err(|error| format!("cannot connect to {}: {error}", self.address))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        let Some(config) = &self.tls else { return Ok(Stream::Plain(socket)) };
        let mut session = ClientConnection::new(Arc::clone(config), ServerName::from(self.address.ip()))?;
        while session.is_handshaking() {
            session.complete_io(&mut socket).map_err(|error| format!("no TLS: {error}"))?;
        }
        Ok(Stream::Tls(Box::new(session), socket))
    }

    /// Connects and is accepted.
    ///
    /// # Errors
    ///
    /// The network's, or the broker refused.
    pub(super) fn connect(&self, client_id: &str, sessions: Sessions) -> Outcome<Accepted> {
        let mut stream = self.open()?;
        let receive_maximum = handshake::greet(&mut stream, self.version, client_id, sessions)?;
        Ok(Accepted { stream, receive_maximum })
    }

    /// Connects clients with these numbers, each of which subscribes to a topic of its own and then does nothing.
    ///
    /// # Errors
    ///
    /// As [`Target::connect`].
    pub(super) fn idle(&self, numbers: Range<usize>) -> Outcome<Vec<Accepted>> {
        let share = numbers.len().div_ceil(CONNECTING_AT_ONCE).max(1);
        let shares = numbers.clone().step_by(share).map(|first| first..numbers.end.min(first + share));
        let connect_all = |share: Range<usize>| -> Result<Vec<Accepted>, String> {
            share.map(|number| self.connect_idle(number).map_err(|error| error.to_string())).collect()
        };
        // A handshake of TLS is several ways there and back, of which some brokers delay one.
        thread::scope(|scope| {
            let connecting: Vec<_> = shares.map(|share| scope.spawn(move || connect_all(share))).collect();
            let mut connected = Vec::with_capacity(numbers.len());
            for share in connecting {
                connected.extend(share.join().map_err(|_| "connecting panicked")??);
            }
            Ok(connected)
        })
    }

    fn connect_idle(&self, number: usize) -> Outcome<Accepted> {
        let mut accepted = self.connect(&format!("idle-{number:05}"), Sessions::End)?;
        let filters = [format!("idle/{number:05}")];
        handshake::subscribe(&mut accepted.stream, self.version, &filters, QoS::AtMostOnce)?;
        Ok(accepted)
    }
}

fn tls_config(cafile: &Path) -> Outcome<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(cafile)?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // Each begins anew, as clients of their own do.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}
