//! What operators and their tools ask by HTTP: health, metrics and the API of `docs/openapi.json`.
//!
//! Requests come in through sockets of its own, on a thread of its own that is only there when `[http]` is configured.
//! What they ask goes to the broker through a [`Console`], the same requests that `$CONTROL/vaux/v1` takes, and what the
//! broker answers goes out. Nothing here touches a session, and nothing is counted here: what `/metrics` tells is made
//! when somebody looks.

mod arguments;
mod hosts;
mod metrics;
mod reply;
mod respond;
mod routes;
mod server;
mod token;

#[cfg(test)]
mod tests;

use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::{fmt, io};

use serde_json::Value;
use tokio::sync::watch;

use crate::config::Config;
use crate::core::Totals;
use hosts::Hosts;
use server::Pace;

pub(crate) use server::MAX_CONNECTIONS;
pub(crate) use token::Token;
pub use token::TokenError;

/// What the broker will say.
pub(crate) type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Carries out a request of `docs/monitoring/control.md`. Null when the broker ends before there is an answer.
pub(crate) type Control = dyn Fn(&Value) -> Answer<Value> + Send + Sync;

/// The broker, as far as it can be reached from here.
pub(crate) struct Console {
    /// What operators ask.
    pub(crate) control: Box<Control>,
    /// What all workers come to. `None` when they have ended.
    pub(crate) totals: Box<dyn Fn() -> Answer<Option<Totals>> + Send + Sync>,
    /// The configuration in force, as its file.
    pub(crate) config: Box<dyn Fn() -> String + Send + Sync>,
}

/// What requests are measured by, until the next reload.
#[derive(Debug)]
struct Terms {
    /// `None`: there is no API.
    token: Option<Token>,
    hosts: Hosts,
    max_body_bytes: usize,
}

/// What all requests share.
struct Desk {
    console: Console,
    terms: Mutex<Arc<Terms>>,
    /// Whether the broker takes leave of its clients.
    is_ending: AtomicBool,
}

/// The running server. Dropping it stops it.
pub(crate) struct Admin {
    address: SocketAddr,
    desk: Arc<Desk>,
    /// Requests are served until this is dropped.
    running: Mutex<Option<Running>>,
}

struct Running {
    _stop: watch::Sender<()>,
    thread: JoinHandle<()>,
}

impl Admin {
    /// Serves requests on `socket`.
    pub(crate) fn start(
        socket: TcpListener,
        console: Console,
        config: &Config,
        token: Option<Token>,
    ) -> io::Result<Admin> {
        Admin::start_at(Pace::default(), socket, console, config, token)
    }

    fn start_at(
        pace: Pace,
        socket: TcpListener,
        console: Console,
        config: &Config,
        token: Option<Token>,
    ) -> io::Result<Admin> {
        let address = socket.local_addr()?;
        socket.set_nonblocking(true)?;
        let terms = Mutex::new(Arc::new(Terms::new(config, token)));
        let desk = Arc::new(Desk { console, terms, is_ending: AtomicBool::new(false) });
        let (stop, stopped) = watch::channel(());
        let runtime = server::runtime()?;
        let served = Arc::clone(&desk);
        let thread = thread::Builder::new()
            .name("http".to_owned())
            .spawn(move || runtime.block_on(server::serve(socket, served, pace, stopped)))?;
        Ok(Admin { address, desk, running: Mutex::new(Some(Running { _stop: stop, thread })) })
    }

    /// Where it listens, with the real port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes over names, limits and token of another configuration.
    pub(crate) fn reload(&self, config: &Config, token: Option<Token>) {
        let terms = Arc::new(Terms::new(config, token));
        *self.desk.terms.lock().unwrap_or_else(PoisonError::into_inner) = terms;
    }

    /// Says from now on that the broker is not ready.
    pub(crate) fn begin_end(&self) {
        self.desk.is_ending.store(true, Ordering::Relaxed);
    }

    /// Takes no more requests, and waits a moment for those that are being answered.
    pub(crate) fn end(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { _stop: stop, thread }) = running else { return };
        drop(stop);
        if thread.join().is_err() {
            tracing::error!("the thread that answers HTTP requests ended in a panic");
        }
    }
}

impl Desk {
    fn terms(&self) -> Arc<Terms> {
        Arc::clone(&self.terms.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Terms {
    fn new(config: &Config, token: Option<Token>) -> Terms {
        Terms { token, hosts: Hosts::new(&config.http), max_body_bytes: config.limits.max_packet_size }
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("address", &self.address).finish_non_exhaustive()
    }
}
