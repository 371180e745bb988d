//! What carries the bytes of a connection: TCP, or TLS over it, and WebSocket over either; or a unix socket.
//!
//! A transport can be moved to another worker with all its state. It never blocks, and never waits by itself: the
//! shard tells it when its socket is ready.

mod failed_tls;
mod framing;
mod handshake;
mod proxy;
mod tls;
mod web_socket;

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use rustls::pki_types::CertificateDer;

pub(crate) use failed_tls::describe as describe_failed_tls;
pub(crate) use handshake::WebSocketRules;
pub(crate) use proxy::{MAX_PROXY_HEADER_BYTES, ProxyHeader, read as read_proxy_header};
use tls::TlsStream;
use web_socket::{Below, WebSocketStream};

/// The bytes of a connection.
#[derive(Debug)]
pub(crate) enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream>),
    WebSocket(Box<WebSocketStream>),
}

impl Transport {
    /// Over TCP, or TLS when there is a configuration for it; with WebSocket when there are rules for it.
    pub(crate) fn new(
        socket: TcpStream,
        tls: Option<&Arc<rustls::ServerConfig>>,
        web_socket: Option<&Arc<WebSocketRules>>,
    ) -> io::Result<Transport> {
        // Packets are small and answers are waited for: the kernel must not hold them back. A socket that cannot do
        // this was closed by its peer, which the first read will find.
        let _ = socket.set_nodelay(true);
        let below = match tls {
            None => Below::Tcp(socket),
            Some(config) => Below::Tls(Box::new(TlsStream::new(socket, Arc::clone(config))?)),
        };
        Ok(match (web_socket, below) {
            (Some(rules), below) => {
                Transport::WebSocket(Box::new(WebSocketStream::new(below, Arc::clone(rules))))
            }
            (None, Below::Tcp(socket)) => Transport::Tcp(socket),
            (None, Below::Tls(stream)) => Transport::Tls(stream),
        })
    }

    /// Reads what has arrived; `WouldBlock` when nothing has.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Transport::Tcp(socket) => socket.read(buffer),
            Transport::Unix(socket) => socket.read(buffer),
            Transport::Tls(stream) => stream.read(buffer),
            Transport::WebSocket(stream) => stream.read(buffer),
        }
    }

    /// Takes some of the bytes; `WouldBlock` when it takes none.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Transport::Tcp(socket) => match slices {
                [slice] => socket.write(slice),
                slices => socket.write_vectored(slices),
            },
            Transport::Unix(socket) => socket.write_vectored(slices),
            Transport::Tls(stream) => stream.write(slices),
            Transport::WebSocket(stream) => stream.write(slices),
        }
    }

    /// Writes what the transport itself holds; `WouldBlock` when some is left.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match self {
            Transport::Tcp(_) | Transport::Unix(_) => Ok(()),
            Transport::Tls(stream) => stream.flush(),
            Transport::WebSocket(stream) => stream.flush(),
        }
    }

    /// Whether the transport itself holds something that is to be written.
    pub(crate) fn wants_write(&self) -> bool {
        match self {
            Transport::Tcp(_) | Transport::Unix(_) => false,
            Transport::Tls(stream) => stream.wants_write(),
            Transport::WebSocket(stream) => stream.wants_write(),
        }
    }

    /// Whether a read that does not fill the buffer has read all there is. TLS gives one record at a time, WebSocket less
    /// than was read.
    pub(crate) fn is_drained_by_short_read(&self) -> bool {
        matches!(self, Transport::Tcp(_) | Transport::Unix(_))
    }

    /// Says that nothing more will be written.
    pub(crate) fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Transport::Tcp(socket) => socket.shutdown(Shutdown::Write),
            Transport::Unix(socket) => socket.shutdown(Shutdown::Write),
            Transport::Tls(stream) => stream.shutdown(),
            Transport::WebSocket(stream) => stream.shutdown(),
        }
    }

    /// What a poll watches.
    pub(crate) fn source(&mut self) -> &mut dyn Source {
        match self {
            Transport::Tcp(socket) => socket,
            Transport::Unix(socket) => socket,
            Transport::Tls(stream) => stream.socket_mut(),
            Transport::WebSocket(stream) => stream.socket_mut(),
        }
    }

    /// Looks at what arrived first, below TLS and WebSocket, and leaves it there.
    pub(crate) fn peek(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.tcp_mut() {
            Some(socket) => socket.peek(buffer),
            None => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Takes away what [`Transport::peek`] has shown, which therefore is there.
    pub(crate) fn skip(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        match self.tcp_mut() {
            Some(socket) => socket.read_exact(buffer),
            None => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Whether it has words of its own for the end of a connection.
    pub(crate) fn has_farewell(&self) -> bool {
        matches!(self, Transport::Tls(_) | Transport::WebSocket(_))
    }

    /// The certificate of the client, if it has shown one and it was accepted, and those that it sent with it.
    pub(crate) fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        match self {
            Transport::Tcp(_) | Transport::Unix(_) => None,
            Transport::Tls(stream) => stream.peer_certificates(),
            Transport::WebSocket(stream) => stream.peer_certificates(),
        }
    }

    fn tcp_mut(&mut self) -> Option<&mut TcpStream> {
        match self {
            Transport::Tcp(socket) => Some(socket),
            Transport::Unix(_) => None,
            Transport::Tls(stream) => Some(stream.socket_mut()),
            Transport::WebSocket(stream) => Some(stream.socket_mut()),
        }
    }
}
