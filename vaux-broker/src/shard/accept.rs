//! Taking in new connections.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Token};

use super::link::{Link, Place};
use super::{Shard, WAKER};
use crate::core::ListenerSettings;
use crate::time::Time;
use crate::transport::{Transport, WebSocketRules};

/// A listener as one worker sees it. All workers accept from the same socket.
#[derive(Debug)]
pub(crate) struct ShardListener {
    pub(crate) socket: TcpListener,
    pub(crate) settings: Arc<ListenerSettings>,
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    pub(crate) web_socket: Option<Arc<WebSocketRules>>,
    /// How many connections of it there are on all workers.
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) max_connections: usize,
    /// How many connections there are on all listeners and workers, and how many there may be.
    pub(crate) all_connections: Arc<AtomicUsize>,
    pub(crate) max_all_connections: usize,
}

/// How many connections are accepted before others get a turn.
const ACCEPTS_A_TURN: usize = 128;

impl Shard {
    pub(super) fn register_listeners(&mut self) -> io::Result<()> {
        for (index, listener) in self.listeners.iter_mut().enumerate() {
            let token = Token(WAKER.0 + 1 + index);
            self.poll.registry().register(&mut listener.socket, token, Interest::READABLE)?;
        }
        Ok(())
    }

    /// Accepts what waits at a listener, and remembers it when there may be more.
    pub(super) fn accept(&mut self, now: Time, index: usize) {
        for _ in 0..ACCEPTS_A_TURN {
            let Some(listener) = self.listeners.get(index) else { return };
            match listener.socket.accept() {
                Ok((socket, peer)) => {
                    let settings = Arc::clone(&listener.settings);
                    match listener.admit(socket) {
                        Some(link) => {
                            let slot = self.core.handle_accept(now, settings, peer);
                            self.insert_link(now, slot, link);
                        }
                        None => {
                            let text = "as many connections are open as allowed";
                            let limit = Some("max_connections");
                            self.core.handle_refused_socket(now, peer, "too-many-connections", text, limit);
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The connection that was to be accepted has failed; the next may be better.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(listener = &*listener.settings.name, %error, "cannot accept a connection");
                    return;
                }
            }
        }
        self.accepting.push(index);
    }

    /// Registers a connection under its slot.
    pub(super) fn insert_link(&mut self, now: Time, slot: u32, mut link: Link) {
        let token = Token(FIRST_CONNECTION + slot as usize);
        let both = Interest::READABLE | Interest::WRITABLE;
        let registered = self.poll.registry().register(link.transport.source(), token, both);
        link.is_queued = false;
        if self.links.len() <= slot as usize {
            self.links.resize_with(slot as usize + 1, || None);
        }
        self.links[slot as usize] = Some(link);
        if let Err(error) = registered {
            tracing::warn!(%error, "cannot watch a connection");
            self.drop_link(now, slot);
        }
    }
}

/// Tokens below belong to the waker and the listeners.
pub(super) const FIRST_CONNECTION: usize = 1 << 16;

impl ShardListener {
    /// Gives a connection its place, unless all are taken: then it is closed without a word.
    fn admit(&self, socket: TcpStream) -> Option<Link> {
        let place = Place::take(&self.connections, self.max_connections)?;
        let overall = Place::take(&self.all_connections, self.max_all_connections)?;
        let transport = Transport::new(socket, self.tls.as_ref(), self.web_socket.as_ref())
            .inspect_err(|error| tracing::warn!(%error, "cannot begin TLS"))
            .ok()?;
        Some(Link::new(transport, [place, overall]))
    }
}
