//! The life of the running broker: signals, reload, renewal of the server certificate, new certificates on the disk, and
//! the end.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::runtime::{self, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{Instant, interval_at};

use super::error::ProgramError;
use super::file_watch::FileWatch;
use super::listeners;
use super::logging::Log;
use super::settings::Settings;
use crate::auth::{AccessLists, Sources, Users};
use crate::config::Config;
use crate::core::Counters;
use crate::rights::Authorize;
use crate::tls::Authority;
use crate::{Broker, Recovered};

/// How long clients are given to leave.
const DRAIN: Duration = Duration::from_secs(10);
/// How often the server certificate is looked at. It is renewed a month before its end; that this is so often is for
/// machines that start with a wrong clock.
const RENEWAL: Duration = Duration::from_secs(3600);

/// How often it is looked whether certificates have changed on the disk.
const LOOK: Duration = Duration::from_secs(2);

/// The signals that the program answers, caught from the moment that this exists.
pub(super) struct Signals {
    runtime: Runtime,
    caught: Caught,
}

struct Caught {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

/// A running broker and what is needed to change it.
pub(super) struct Running {
    pub(super) broker: Arc<Broker>,
    pub(super) users: Arc<Users>,
    pub(super) settings: Settings,
    /// As it was last loaded, with the names of hosts.
    pub(super) config: Config,
    pub(super) authority: Authority,
    pub(super) log: Log,
}

impl Signals {
    /// Catches the signals.
    pub(super) fn listen() -> Result<Signals, ProgramError> {
        let listen = || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            let context = runtime.enter();
            let caught = Caught {
                hangup: signal(SignalKind::hangup())?,
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
            };
            drop(context);
            Ok(Signals { runtime, caught })
        };
        listen().map_err(ProgramError::Internal)
    }

    /// Lets the broker serve until a signal ends it.
    pub(super) fn serve(mut self, mut running: Running) -> Result<(), ProgramError> {
        self.runtime.block_on(async {
            let broker = Arc::clone(&running.broker);
            tokio::select! {
                () = running.until_ended(&mut self.caught) => drain(running.broker, &mut self.caught).await,
                () = broker.failed() => Err(ProgramError::Internal(io::Error::other("a worker failed"))),
            }
        })
    }
}

impl Caught {
    /// Waits for a signal that ends the broker.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl Running {
    async fn until_ended(&mut self, caught: &mut Caught) {
        let mut renewal = interval_at(Instant::now() + RENEWAL, RENEWAL);
        let mut look = interval_at(Instant::now() + LOOK, LOOK);
        let mut watch = FileWatch::new(&self.config);
        loop {
            tokio::select! {
                _ = caught.terminate.recv() => return,
                _ = caught.interrupt.recv() => return,
                _ = caught.hangup.recv() => match self.reload() {
                    Ok(()) => {
                        watch = FileWatch::new(&self.config);
                        tracing::info!("reloaded");
                    }
                    Err(error) => tracing::error!("not reloaded, all stays as it was: {}", error.message()),
                },
                _ = look.tick() => if watch.has_changed() {
                    self.reload_certificates();
                },
                _ = renewal.tick() => {
                    let renewed = renew(&self.broker, &self.config, &self.authority, SystemTime::now());
                    if let Err(error) = renewed {
                        tracing::error!("the server certificate could not be renewed: {}", error.message());
                    }
                }
            }
        }
    }

    /// Reads the file and the certificates again. Nothing is changed before everything has been found good.
    fn reload(&mut self) -> Result<(), ProgramError> {
        let mut config = self.settings.load()?;
        listeners::check_token(&config)?;
        let prepared = listeners::prepare(config.clone(), &self.authority, SystemTime::now())?;
        let sources = Sources::read(&prepared.config).map_err(ProgramError::Security)?;
        let access: Arc<dyn Authorize> =
            Arc::new(AccessLists::read(&prepared.config).map_err(ProgramError::Security)?);
        self.users.change(sources);
        self.broker.change_rights(&access);
        let mut unchanged = self.broker.reload(prepared.config, prepared.tls);
        self.broker.review_admissions();
        unchanged.extend(self.log.reload(&config.log)?);
        if config.data_dir != self.config.data_dir {
            unchanged.push("data_dir changes with the next start".into());
            config.data_dir = self.config.data_dir.take();
        }
        for sentence in unchanged {
            tracing::warn!("{sentence}");
        }
        self.config = config;
        Ok(())
    }

    /// Gives the broker the certificates, keys and lists that have changed on the disk.
    fn reload_certificates(&mut self) {
        match listeners::prepare(self.config.clone(), &self.authority, SystemTime::now()) {
            Ok(prepared) => {
                self.broker.reload(prepared.config, prepared.tls);
                self.broker.review_admissions();
                tracing::info!("certificates have changed, and were read again");
            }
            Err(error) => {
                tracing::error!("certificates have changed, and are not used: {}", error.message());
            }
        }
    }
}

/// Gives the broker a new certificate when the local authority had to issue one.
fn renew(
    broker: &Broker,
    config: &Config,
    authority: &Authority,
    now: SystemTime,
) -> Result<(), ProgramError> {
    let prepared = listeners::prepare(config.clone(), authority, now)?;
    if prepared.has_new_certificate {
        tracing::info!("renewed the server certificate");
        for sentence in broker.reload(prepared.config, prepared.tls) {
            tracing::warn!("{sentence}");
        }
    }
    Ok(())
}

/// Lets the broker take leave of its clients; another signal ends it at once.
async fn drain(broker: Arc<Broker>, caught: &mut Caught) -> Result<(), ProgramError> {
    tracing::info!("ending; a second signal ends at once");
    let (done, drained) = oneshot::channel();
    let recovered = broker.recovered().clone();
    std::thread::spawn(move || {
        // The receiver is gone when a second signal came.
        let _ = done.send(broker.shutdown(DRAIN));
    });
    tokio::select! {
        result = drained => {
            let failed = |_| ProgramError::Internal(io::Error::other("the broker failed while ending"));
            summarize(&result.map_err(failed)?, &recovered);
        }
        () = caught.end() => {}
    }
    Ok(())
}

/// Says what the broker did while it ran, and once more what it had to start without.
fn summarize(counters: &Counters, recovered: &Recovered) {
    tracing::info!(
        received = counters.messages_received,
        sent = counters.messages_sent,
        dropped = counters.dropped.total(),
        "messages"
    );
    if counters.dropped.total() > 0 {
        tracing::info!("dropped: {:?}", counters.dropped);
    }
    for sentence in &recovered.damage {
        tracing::warn!("damage found at the start: {sentence}");
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpStream};
    use std::path::Path;

    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

    use super::*;
    use crate::config::{ListenerConfig, ListenerKind, StoreEngine};
    use crate::tls::provider;

    const DAY: Duration = Duration::from_secs(86_400);

    /// A client of version 3.1.1 that has connected, and the certificate that it was shown.
    fn connect(
        address: SocketAddr,
        ca: &Path,
    ) -> (StreamOwned<ClientConnection, TcpStream>, CertificateDer<'static>) {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let mut stream = StreamOwned::new(tls, TcpStream::connect(address).unwrap());
        stream.write_all(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00").unwrap();
        let mut connack = [0; 4];
        stream.read_exact(&mut connack).unwrap();
        assert_eq!(connack, [0x20, 2, 0, 0]);
        let shown = stream.conn.peer_certificates().unwrap()[0].clone().into_owned();
        (stream, shown)
    }

    #[test]
    fn a_running_broker_renews_its_certificate_and_keeps_its_clients() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::new(directory.path());
        let mut listener = ListenerConfig::new(ListenerKind::Tls);
        listener.bind = "127.0.0.1:0".parse().unwrap();
        let mut config = Config { workers: 1, listeners: vec![listener], ..Config::default() };
        config.store.engine = StoreEngine::Memory;
        let now = SystemTime::now();
        let prepared = listeners::prepare(config.clone(), &authority, now - 61 * DAY).unwrap();
        let broker = Broker::start(prepared.config, prepared.tls).unwrap();
        let address = broker.addresses()[0].address.socket_addr().unwrap();
        let ca = authority.certificate();

        let (mut old_client, first) = connect(address, &ca);
        renew(&broker, &config, &authority, now - 2 * DAY).unwrap();
        assert_eq!(connect(address, &ca).1, first, "it is not due yet");
        renew(&broker, &config, &authority, now).unwrap();
        let (_new_client, second) = connect(address, &ca);
        assert_ne!(second, first);
        old_client.write_all(&[0xc0, 0]).unwrap();
        let mut answer = [0; 2];
        old_client.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0xd0, 0], "it is still connected");
        broker.shutdown(DRAIN);
        assert_eq!(old_client.read(&mut answer).unwrap(), 0, "TLS says that this is the end");
    }
}
