//! The broker: starting its workers, reaching them, stopping them.

mod ask;
mod bind;
mod http;
mod open_store;
mod reload;

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::{Poll, Waker};
use tokio::sync::Notify;
use vaux_mqtt::ReasonCode;

use crate::admin::{Admin, TokenError};
use crate::auth;
use crate::authenticate::{AnonymousOnly, Authenticate, CertificateOr};
use crate::clock::Clock;
use crate::config::{Config, ListenerConfig, ListenerKind, Network};
use crate::core::{Counters, ListenerSettings, Settings, Shared, WorkerId};
use crate::observe::{Observe, Observer};
use crate::operator::{self, OperatorOr};
use crate::rights::{Authorize, DefaultRights};
use crate::shard::{CommitTimes, Gate, Mail, Mailbox, Places, Shard, ShardListener, ShardParts, WAKER};
use crate::store::StoredSession;
use crate::tls::ServerTls;
use crate::transport::WebSocketRules;

use bind::{Bound, SocketFile};
use open_store::Stores;

pub use bind::BoundAddress;

/// A running broker. Dropping it stops it at once; [`Broker::shutdown`] says goodbye first.
#[derive(Debug)]
pub struct Broker {
    config: Arc<Mutex<Config>>,
    addresses: Vec<ListenerAddress>,
    mailboxes: Arc<[Arc<Mailbox>]>,
    /// How many editions of settings listeners have had.
    editions: AtomicU64,
    connection_limit: usize,
    recovered: Recovered,
    state: Arc<State>,
    store: Mutex<Option<JoinHandle<()>>>,
    /// Removed with the broker.
    _socket_files: Vec<SocketFile>,
    /// What serves `[http]`.
    admin: Option<Admin>,
    observer: Option<Observer>,
}

/// What was found of the last run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Sessions.
    pub sessions: usize,
    /// Messages on their way to them, counted once for each session.
    pub messages: usize,
    /// Retained messages.
    pub retained: usize,
    /// What could not be read, a sentence each. Empty: nothing is lost.
    pub damage: Vec<String>,
}

/// What the workers tell the broker as they end.
#[derive(Debug, Default)]
struct State {
    ended: Mutex<Ended>,
    changed: Condvar,
    failed: Notify,
}

#[derive(Debug, Default)]
struct Ended {
    workers: usize,
    counters: Counters,
}

/// Where a listener listens.
#[derive(Clone, Debug)]
pub struct ListenerAddress {
    /// Its name in the configuration.
    pub name: String,
    /// What it speaks.
    pub kind: ListenerKind,
    /// The address.
    pub address: BoundAddress,
}

/// Why the broker did not start.
#[derive(Debug)]
pub enum StartError {
    /// The address of a listener or of `[http]` could not be bound.
    Bind {
        /// The address as configured.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The `nofile` limit leaves too few connections.
    TooFewDescriptors {
        /// The limit.
        limit: u64,
    },
    /// The store cannot be used.
    Store {
        /// The data directory. `None`: none is configured.
        data_dir: Option<PathBuf>,
        /// What is wrong.
        problem: String,
    },
    /// The token of the API cannot be read.
    Token(TokenError),
    /// Something else that the system refused.
    Io(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Bind { address, source } => write!(f, "cannot listen on {address}: {source}"),
            StartError::TooFewDescriptors { limit } => {
                write!(f, "only {limit} files may be open (ulimit -n); at least {MIN_DESCRIPTORS} are needed")
            }
            StartError::Store { data_dir: Some(path), problem } => {
                write!(f, "the store in {} cannot be used: {problem}", path.display())
            }
            StartError::Store { data_dir: None, problem } => write!(f, "the store cannot be used: {problem}"),
            StartError::Token(error) => write!(f, "{error}"),
            StartError::Io(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// Who may connect, what they may do, and who is told of it, for programs that embed the broker.
#[derive(Clone, Debug)]
pub struct Hooks {
    /// Finds out who clients are.
    pub authenticate: Arc<dyn Authenticate>,
    /// Decides what they may do.
    pub authorize: Arc<dyn Authorize>,
    /// Is told what happens.
    pub observe: Option<Arc<dyn Observe>>,
}

impl Hooks {
    /// The same, and whom a certificate names is that user.
    fn with_certificates(self) -> Hooks {
        Hooks { authenticate: Arc::new(CertificateOr { others: self.authenticate }), ..self }
    }

    /// The same, and who has the token of the data directory is the operator.
    fn with_operator(self, data_dir: Option<&Path>) -> Result<Hooks, StartError> {
        let Some(data_dir) = data_dir else { return Ok(self) };
        let token = operator::token(data_dir).map_err(|problem| StartError::Store {
            data_dir: Some(data_dir.to_owned()),
            problem: format!("{} cannot be used: {problem}", operator::FILE),
        })?;
        let authenticate = Arc::new(OperatorOr { token, others: self.authenticate });
        Ok(Hooks { authenticate, ..self })
    }
}

impl Default for Hooks {
    /// Anonymous clients where the listener allows it, and the rights of [`DefaultRights`].
    fn default() -> Self {
        Hooks { authenticate: Arc::new(AnonymousOnly), authorize: Arc::new(DefaultRights), observe: None }
    }
}

/// Under so many descriptors the broker does not start.
const MIN_DESCRIPTORS: u64 = 64;

/// Descriptors that a worker needs for itself: its poll and its waker.
const DESCRIPTORS_PER_WORKER: usize = 2;

/// Descriptors for standard streams, locks, the store and its readers, files that are read again, and what libraries open.
const SPARE_DESCRIPTORS: usize = 26;

impl Broker {
    /// Binds every listener of `config`, reads what the last run left in the store, and starts the workers. With the
    /// engine `disk` there has to be a data directory, which no other broker may use. `tls` holds what each listener of kind TLS serves.
    ///
    /// # Errors
    ///
    /// An address cannot be bound, the store cannot be used, or the system refuses something else.
    pub fn start(config: Config, tls: Vec<Option<ServerTls>>) -> Result<Broker, StartError> {
        Broker::start_with_hooks(config, tls, Hooks::default())
    }

    /// The same, with who may connect and what they may do decided by the caller.
    ///
    /// # Errors
    ///
    /// An address cannot be bound, the store cannot be used, or the system refuses something else.
    pub fn start_with_hooks(
        config: Config,
        tls: Vec<Option<ServerTls>>,
        hooks: Hooks,
    ) -> Result<Broker, StartError> {
        let hooks = hooks.with_certificates().with_operator(config.data_dir.as_deref())?;
        let workers = worker_count(config.workers);
        let others = http::descriptors(&config.http) + auth::http_descriptors(&config.auth.http);
        let connection_limit = connection_limit(workers, config.listeners.len(), others)?;
        let sockets = config.listeners.iter().map(Bound::open).collect::<Result<Vec<_>, _>>()?;
        let http = http::Prepared::new(&config.http)?;
        let mut addresses = Vec::new();
        for (listener, socket) in config.listeners.iter().zip(&sockets) {
            let address = socket.address().map_err(StartError::Io)?;
            addresses.push(ListenerAddress { name: listener.name.clone(), kind: listener.kind, address });
        }
        let mut polls = Vec::new();
        let mut mailboxes = Vec::new();
        for _ in 0..workers {
            let poll = Poll::new().map_err(StartError::Io)?;
            let waker = Waker::new(poll.registry(), WAKER).map_err(StartError::Io)?;
            mailboxes.push(Arc::new(Mailbox::new(waker)));
            polls.push(poll);
        }
        let mut stores = Stores::open(&config, mailboxes.into())?;
        for sentence in &stores.recovered.damage {
            stores.mailboxes[0].post(Mail::Event("damage", sentence.as_str().into()));
        }
        let mut broker = Broker {
            addresses,
            mailboxes: Arc::clone(&stores.mailboxes),
            editions: AtomicU64::new(0),
            connection_limit,
            recovered: std::mem::take(&mut stores.recovered),
            state: Arc::default(),
            store: Mutex::new(stores.thread.take()),
            config: Arc::new(Mutex::new(config)),
            admin: None,
            observer: None,
            _socket_files: Vec::new(),
        };
        let listeners = broker.shard_listeners(&sockets, &tls)?;
        let observer = hooks.observe.as_ref().map(|observe| Observer::start(Arc::clone(observe)));
        broker.observer = observer.transpose().map_err(StartError::Io)?;
        broker.start_workers(polls, listeners, &hooks, stores)?;
        broker.admin = http.map(|http| broker.start_http(http)).transpose()?;
        broker._socket_files = sockets.into_iter().filter_map(Bound::into_file).collect();
        Ok(broker)
    }

    /// What was found of the last run.
    pub fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// Where it listens, in the order of the configuration.
    pub fn addresses(&self) -> Vec<ListenerAddress> {
        self.addresses.clone()
    }

    /// How many connections there can be at one time: what the `nofile` limit leaves.
    pub fn connection_limit(&self) -> usize {
        self.connection_limit
    }

    /// Puts other rights in force: for connected clients, for what waits for them, and for wills that are to come.
    pub fn change_rights(&self, rights: &Arc<dyn Authorize>) {
        self.post_all(|| Mail::Rights(Arc::clone(rights)));
    }

    /// Disconnects clients that proved who they are by what does not count any more: [`Authenticate::still_holds`] says
    /// of each whether it still does, and certificates are held against the [`ServerTls`] of the last reload, a few at a
    /// time.
    pub fn review_admissions(&self) {
        self.post_all(|| Mail::Review);
    }

    /// Sends all connected clients to another server, for now or for good. `server_reference` is a list of `host` or
    /// `host:port`, separated by blanks; only clients of version 5.0 are told, the others are disconnected. Those who
    /// connect later are told by [`Authenticate`], with [`crate::core::Refusal::redirect`].
    pub fn redirect(&self, server_reference: &str, is_permanent: bool) {
        let server_reference: Arc<str> = server_reference.into();
        let reason = if is_permanent { ReasonCode::ServerMoved } else { ReasonCode::UseAnotherServer };
        self.post_all(|| Mail::Redirect(reason, Arc::clone(&server_reference)));
    }

    /// Says goodbye to all connections and waits until they are closed, or `limit` has passed. Returns what happened
    /// since the start, on the workers that have ended.
    pub fn shutdown(&self, limit: Duration) -> Counters {
        self.admin.iter().for_each(Admin::begin_end);
        self.post_all(|| Mail::Shutdown);
        let deadline = Instant::now() + limit;
        let is_running = |ended: &mut Ended| ended.workers < self.mailboxes.len();
        let ended = self.state.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = self.state.changed.wait_timeout_while(ended, left, is_running);
        let counters = waited.unwrap_or_else(PoisonError::into_inner).0.counters;
        self.post_all(|| Mail::Stop);
        // The store ends when the last worker has, with everything written.
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner).take();
        if store.is_some_and(|store| store.join().is_err()) {
            tracing::error!("the store ended in a panic");
        }
        self.admin.iter().for_each(Admin::end);
        self.observer.iter().for_each(|observer| observer.finish(deadline));
        counters
    }

    /// Waits until a worker has failed, which is a bug. The broker cannot go on then.
    pub async fn failed(&self) {
        self.state.failed.notified().await;
    }

    fn post_all(&self, mail: impl Fn() -> Mail) {
        self.mailboxes.iter().for_each(|mailbox| mailbox.post(mail()));
    }

    /// What each worker has of each listener.
    fn shard_listeners(
        &self,
        sockets: &[Bound],
        tls: &[Option<ServerTls>],
    ) -> Result<Vec<Vec<ShardListener>>, StartError> {
        let config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        let all_connections = Arc::new(AtomicUsize::new(0));
        let mut shards: Vec<Vec<ShardListener>> = self.mailboxes.iter().map(|_| Vec::new()).collect();
        for (index, (listener, socket)) in config.listeners.iter().zip(sockets).enumerate() {
            let settings = self.listener_settings(&config, index, index);
            let places = Arc::new(Places::new(&all_connections));
            let gate = Arc::new(Gate::default());
            for shard in &mut shards {
                shard.push(ShardListener {
                    socket: socket.socket().map_err(StartError::Io)?,
                    settings: Arc::clone(&settings),
                    tls: tls.get(index).cloned().flatten(),
                    web_socket: web_socket_rules(listener),
                    proxies: proxies(listener),
                    places: Arc::clone(&places),
                    max_connections: listener.max_connections,
                    max_all_connections: self.connection_limit,
                    gate: Arc::clone(&gate),
                    max_connections_per_ip: listener.max_connections_per_ip,
                });
            }
        }
        Ok(shards)
    }

    /// Of a listener by its place in the configuration, and its place among those that are open.
    fn listener_settings(&self, config: &Config, configured: usize, open: usize) -> Arc<ListenerSettings> {
        let listener = &config.listeners[configured];
        let is_local = self.addresses[open].address.is_local();
        let allow_anonymous = listener.allows_anonymous(is_local, config.auth.authenticates(listener));
        Arc::new(ListenerSettings {
            edition: self.next_edition(),
            ..ListenerSettings::new(listener, allow_anonymous)
        })
    }

    fn next_edition(&self) -> u64 {
        self.editions.fetch_add(1, Ordering::Relaxed)
    }

    fn start_workers(
        &self,
        polls: Vec<Poll>,
        listeners: Vec<Vec<ShardListener>>,
        hooks: &Hooks,
        stores: Stores,
    ) -> Result<(), StartError> {
        let config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        let settings = Arc::new(Settings::new(&config));
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut shared = Shared::new(
            self.mailboxes.len() as u16,
            Arc::clone(&hooks.authorize),
            since_epoch.as_micros() as u64,
        );
        shared.retained = stores.retained;
        shared.continue_numbers(stores.last_sid, stores.last_mid);
        let shared = Arc::new(shared);
        let clock = Clock::new();
        let mut restored: Vec<Vec<StoredSession>> = polls.iter().map(|_| Vec::new()).collect();
        for session in stores.sessions {
            restored[usize::from(shared.home_of(&session.session.key).0)].push(session);
        }
        let commit_times = CommitTimes::default();
        let all_restored = Arc::new(Barrier::new(polls.len()));
        let parts = polls.into_iter().zip(listeners).zip(stores.handles).zip(restored);
        for (index, (((poll, listeners), store), restored)) in parts.enumerate() {
            let worker = WorkerId(index as u16);
            let parts = ShardParts {
                worker,
                shared: Arc::clone(&shared),
                settings: Arc::clone(&settings),
                poll,
                clock,
                listeners,
                mailboxes: Arc::clone(&self.mailboxes),
                authenticate: Arc::clone(&hooks.authenticate),
                store,
                commit_times: Arc::clone(&commit_times),
                restored,
                all_restored: Arc::clone(&all_restored),
                observer: self.observer.as_ref().map(Observer::queue),
                wants_publishes: hooks.observe.as_ref().is_some_and(|observe| observe.wants_publishes()),
            };
            let state = Arc::clone(&self.state);
            thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || state.run(parts))
                .map_err(StartError::Io)?;
        }
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.post_all(|| Mail::Stop);
    }
}

impl State {
    /// Runs a worker to its end. One that panics, or whose poll fails, leaves its sessions in an unknown state.
    fn run(&self, parts: ShardParts) {
        let result = catch_unwind(AssertUnwindSafe(|| Shard::new(parts).run()));
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.workers += 1;
        match result {
            Ok(Ok(counters)) => ended.counters.add(&counters),
            Ok(Err(error)) => {
                tracing::error!(%error, "a worker cannot wait for events");
                self.failed.notify_one();
            }
            // The panic hook has printed what happened.
            Err(_) => self.failed.notify_one(),
        }
        self.changed.notify_all();
    }
}

fn worker_count(configured: usize) -> usize {
    match configured {
        0 => thread::available_parallelism().map_or(1, usize::from),
        count => count.min(usize::from(u16::MAX)),
    }
}

/// What a WebSocket listener lets in; `None` for others.
fn web_socket_rules(listener: &ListenerConfig) -> Option<Arc<WebSocketRules>> {
    listener.kind.has_web_socket().then(|| {
        Arc::new(WebSocketRules {
            path: listener.ws.path.as_str().into(),
            allowed_origins: listener.ws.allowed_origins.clone(),
            has_tls: listener.kind.has_tls(),
        })
    })
}

/// Whence the PROXY protocol is spoken to a listener; `None` for one that nobody speaks it to.
fn proxies(listener: &ListenerConfig) -> Option<Arc<[Network]>> {
    listener.proxy_protocol.then(|| listener.proxy_from.as_slice().into())
}

/// What the `nofile` limit leaves for connections, when `others` are kept for something else.
fn connection_limit(workers: usize, listeners: usize, others: usize) -> Result<usize, StartError> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    if limit < MIN_DESCRIPTORS {
        return Err(StartError::TooFewDescriptors { limit });
    }
    let needed = workers * (DESCRIPTORS_PER_WORKER + listeners) + listeners + SPARE_DESCRIPTORS + others;
    Ok(usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(needed))
}
