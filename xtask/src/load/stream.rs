//! A connection's bytes, with TLS or without.

use std::io::{self, ErrorKind, Read, Write};
use std::net;

use mio::net::TcpStream;
use rustls::ClientConnection;

/// What carries the bytes of a connection. `S` is a socket that blocks, or one that does not.
#[derive(Debug)]
pub(crate) enum Stream<S> {
    /// The socket itself.
    Plain(S),
    /// TLS, whose handshake is over.
    Tls(Box<ClientConnection>, S),
}

impl From<net::TcpStream> for Stream<net::TcpStream> {
    fn from(socket: net::TcpStream) -> Self {
        Stream::Plain(socket)
    }
}

impl<S: Read + Write> Stream<S> {
    /// Whether something has been taken that the socket has not.
    pub(super) fn has_pending(&self) -> bool {
        match self {
            Stream::Plain(_) => false,
            Stream::Tls(session, _) => session.wants_write(),
        }
    }

    /// Whether a read that does not fill the buffer has emptied the socket.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Stream::Plain(_))
    }

    /// The socket.
    pub(super) fn socket_mut(&mut self) -> &mut S {
        match self {
            Stream::Plain(socket) | Stream::Tls(_, socket) => socket,
        }
    }
}

impl Stream<net::TcpStream> {
    /// The same connection, which from now on never waits.
    ///
    /// # Errors
    ///
    /// The socket cannot be set.
    pub(super) fn into_nonblocking(self) -> io::Result<Stream<TcpStream>> {
        Ok(match self {
            Stream::Plain(socket) => Stream::Plain(nonblocking(socket)?),
            Stream::Tls(session, socket) => Stream::Tls(session, nonblocking(socket)?),
        })
    }
}

fn nonblocking(socket: net::TcpStream) -> io::Result<TcpStream> {
    socket.set_nonblocking(true)?;
    Ok(TcpStream::from_std(socket))
}

impl<S: Read + Write> Read for Stream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (session, socket) = match self {
            Stream::Plain(socket) => return socket.read(buffer),
            Stream::Tls(session, socket) => (session, socket),
        };
        loop {
            match session.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return result,
            }
            if session.read_tls(socket)? == 0 {
                return Ok(0);
            }
            session.process_new_packets().map_err(io::Error::other)?;
        }
    }
}

impl<S: Read + Write> Write for Stream<S> {
    /// Takes at most what the session can keep, and only once the socket has taken all before.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        let (session, socket) = match self {
            Stream::Plain(socket) => return socket.write(bytes),
            Stream::Tls(session, socket) => (session, socket),
        };
        let taken = session.writer().write(bytes)?;
        match send(session, socket) {
            // It goes when the socket has room.
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(taken),
            result => result.map(|()| taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(_) => Ok(()),
            Stream::Tls(session, socket) => send(session, socket),
        }
    }
}

fn send(session: &mut ClientConnection, socket: &mut impl Write) -> io::Result<()> {
    while session.wants_write() {
        session.write_tls(socket)?;
    }
    Ok(())
}
