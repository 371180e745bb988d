//! Taking in new connections.

use std::io;
use std::sync::Arc;

use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mio::{Interest, Token};

use super::gate::{Gate, GateLimits};
use super::link::{Link, Place, Places, Stage};
use super::{Shard, WAKER};
use crate::config::Network;
use crate::core::{ListenerSettings, Overrun, Pressure};
use crate::peer::Peer;
use crate::time::Time;
use crate::tls::ServerTls;
use crate::transport::{Transport, WebSocketRules};

/// A listener as one worker sees it. All workers accept from the same socket.
#[derive(Debug)]
pub(crate) struct ShardListener {
    pub(crate) socket: ListenerSocket,
    pub(crate) settings: Arc<ListenerSettings>,
    pub(crate) tls: Option<ServerTls>,
    pub(crate) web_socket: Option<Arc<WebSocketRules>>,
    /// Whence the PROXY protocol is spoken, and must be.
    pub(crate) proxies: Option<Arc<[Network]>>,
    /// How many connections of it, and of the broker, there are on all workers.
    pub(crate) places: Arc<Places>,
    pub(crate) max_connections: usize,
    pub(crate) max_all_connections: usize,
    /// What is remembered of connections, on all workers.
    pub(crate) gate: Arc<Gate>,
    pub(crate) max_connections_per_ip: usize,
}

/// The socket of a listener.
#[derive(Debug)]
pub(crate) enum ListenerSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection that was accepted.
#[derive(Debug)]
pub(super) enum Accepted {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl ListenerSocket {
    fn accept(&self) -> io::Result<(Accepted, Peer)> {
        match self {
            ListenerSocket::Tcp(socket) => {
                socket.accept().map(|(socket, address)| (Accepted::Tcp(socket), Peer::Tcp(address)))
            }
            ListenerSocket::Unix(socket) => {
                socket.accept().map(|(socket, _)| (Accepted::Unix(socket), Peer::Unix))
            }
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            ListenerSocket::Tcp(socket) => socket,
            ListenerSocket::Unix(socket) => socket,
        }
    }
}

/// How many connections are accepted before others get a turn.
const ACCEPTS_A_TURN: usize = 128;

impl Shard {
    pub(super) fn register_listeners(&mut self) -> io::Result<()> {
        for (index, listener) in self.listeners.iter_mut().enumerate() {
            let token = Token(WAKER.0 + 1 + index);
            self.poll.registry().register(listener.socket.source(), token, Interest::READABLE)?;
        }
        Ok(())
    }

    /// Accepts what waits at a listener, and remembers it when there may be more.
    pub(super) fn accept(&mut self, now: Time, index: usize) {
        for _ in 0..ACCEPTS_A_TURN {
            let Some(listener) = self.listeners.get(index) else { return };
            match listener.socket.accept() {
                Ok((socket, peer)) => {
                    self.failing.retain(|failing| *failing != index);
                    let settings = Arc::clone(&listener.settings);
                    let limits = self.gate_limits(index);
                    let admitted = match self.core.pressure() {
                        Pressure::None => listener.admit(now, index as u16, socket, peer, &limits),
                        Pressure::Refuse | Pressure::Shed => Err(NotAdmitted::MEMORY),
                    };
                    match admitted {
                        Ok((link, overrun)) => {
                            let slot = self.core.handle_accept(now, settings, peer);
                            self.core.handle_overrun(slot, overrun);
                            self.insert_link(now, slot, link);
                        }
                        Err(NotAdmitted { cause, text, limit }) => {
                            self.core.handle_refused_socket(now, peer, cause, text, limit);
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The connection that was to be accepted has failed; the next may be better.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                // Such as too many open files. Those who wait make no new event: the broker has to come back by itself.
                Err(error) => {
                    if !self.failing.contains(&index) {
                        tracing::warn!(listener = &*listener.settings.name, %error, "cannot accept a connection");
                        self.failing.push(index);
                    }
                    self.failed_accepts.push(index);
                    return;
                }
            }
        }
        self.accepting.push(index);
    }

    /// How many connections a listener takes at present, and how fast.
    pub(super) fn gate_limits(&self, index: usize) -> GateLimits {
        let limits = &self.core.settings().limits;
        GateLimits {
            connect_rate: limits.connect_rate,
            connect_rate_per_ip: limits.connect_rate_per_ip,
            max_connections_per_ip: self.listeners.get(index).map_or(0, |one| one.max_connections_per_ip),
        }
    }

    /// Registers a connection under its slot.
    pub(super) fn insert_link(&mut self, now: Time, slot: u32, mut link: Link) {
        let token = Token(FIRST_CONNECTION + slot as usize);
        let both = Interest::READABLE | Interest::WRITABLE;
        let registered = self.poll.registry().register(link.transport.source(), token, both);
        link.is_queued = false;
        self.links.insert(slot, link);
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
    fn admit(
        &self,
        now: Time,
        index: u16,
        socket: Accepted,
        peer: Peer,
        limits: &GateLimits,
    ) -> Result<(Link, Overrun), NotAdmitted> {
        let place = Place::take(&self.places, self.max_connections, self.max_all_connections);
        let place = place.ok_or(NotAdmitted::FULL)?;
        let mut overrun = self.gate.enter(now, limits)?;
        let is_proxy = |proxies: &Arc<[Network]>| {
            peer.ip().is_some_and(|ip| proxies.iter().any(|network| network.contains(ip)))
        };
        let mut seat = None;
        let stage = match &self.proxies {
            None => {
                let (overrun_here, taken) = self.gate.enter_from(now, limits, peer.ip())?;
                seat = taken;
                if overrun == Overrun::None {
                    overrun = overrun_here;
                }
                Stage::Open
            }
            // Whose connection it is will be known when the proxy has said it.
            Some(proxies) if is_proxy(proxies) => Stage::Proxy(index),
            Some(_) => return Err(NotAdmitted::NO_PROXY),
        };
        let transport = match socket {
            Accepted::Unix(socket) => Transport::Unix(socket),
            Accepted::Tcp(socket) => {
                let tls = self.tls.as_ref().map(|tls| &tls.config);
                Transport::new(socket, tls, self.web_socket.as_ref()).map_err(|error| {
                    tracing::warn!(%error, "cannot begin TLS");
                    NotAdmitted::NO_TLS
                })?
            }
        };
        let mut link = Link::new(transport, stage, place);
        link.seat = seat;
        Ok((link, overrun))
    }
}

/// Why a connection is closed as soon as it was accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotAdmitted {
    pub(super) cause: &'static str,
    pub(super) text: &'static str,
    pub(super) limit: Option<&'static str>,
}

impl NotAdmitted {
    const FULL: NotAdmitted = NotAdmitted {
        cause: "too-many-connections",
        text: "as many connections are open as allowed",
        limit: Some("max_connections"),
    };
    const MEMORY: NotAdmitted =
        NotAdmitted { cause: "memory-full", text: "memory is short", limit: Some("memory_limit") };
    pub(super) const CONNECT_RATE: NotAdmitted = NotAdmitted {
        cause: "connect-rate",
        text: "clients connect much faster than allowed",
        limit: Some("connect_rate"),
    };
    pub(super) const CONNECT_RATE_PER_IP: NotAdmitted = NotAdmitted {
        cause: "connect-rate",
        text: "clients connect much faster than allowed from this address",
        limit: Some("connect_rate_per_ip"),
    };
    pub(super) const TOO_MANY_PER_IP: NotAdmitted = NotAdmitted {
        cause: "too-many-connections",
        text: "as many connections are open from this address as allowed",
        limit: Some("max_connections_per_ip"),
    };
    const NO_PROXY: NotAdmitted = NotAdmitted {
        cause: "no-proxy",
        text: "this listener takes connections of its proxies only (proxy_from)",
        limit: None,
    };
    const NO_TLS: NotAdmitted =
        NotAdmitted { cause: "tls-failed", text: "the broker could not begin TLS", limit: None };
}
