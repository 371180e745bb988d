//! One connection to the broker: bytes out, whole packets in, each with a deadline.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};
use vaux_mqtt::Version;
use vaux_mqtt::frame::Frame;

/// A socket, with or without TLS.
#[derive(Debug)]
pub(crate) enum Transport {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Transport {
    fn socket(&self) -> &TcpStream {
        match self {
            Transport::Plain(socket) => socket,
            Transport::Tls(stream) => &stream.sock,
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Transport::Plain(socket) => socket.read(buffer),
            Transport::Tls(stream) => stream.read(buffer),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Transport::Plain(socket) => socket.write_all(bytes),
            Transport::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }
}

/// What came from the broker.
#[derive(Debug)]
pub(crate) enum Received {
    Packet(Vec<u8>),
    Closed,
    TimedOut,
    /// Bytes that begin no packet.
    Broken(String),
}

/// A connection of a flow.
#[derive(Debug)]
pub(crate) struct Connection {
    transport: Transport,
    unread: Vec<u8>,
    /// The version that its CONNECT named.
    pub(crate) version: Version,
    /// Whether the broker accepted it.
    pub(crate) is_accepted: bool,
}

/// No flow makes a broker send more than this in one packet.
const MAX_PACKET: usize = 16 << 20;

impl Connection {
    pub(crate) fn new(transport: Transport, version: Version) -> Self {
        Connection { transport, unread: Vec::new(), version, is_accepted: false }
    }

    /// Sends `bytes`. A broker may close while it still reads, so that an error here is not yet a failure.
    pub(crate) fn send(&mut self, bytes: &[u8], timeout: Duration) -> io::Result<()> {
        self.transport.socket().set_write_timeout(Some(timeout))?;
        self.transport.write_all(bytes)
    }

    /// The next packet or the end of the connection, whichever comes first.
    pub(crate) fn receive(&mut self, deadline: Instant) -> Received {
        loop {
            match Frame::split(&self.unread) {
                Ok(Some(frame)) => {
                    let len = frame.bytes().len();
                    return Received::Packet(self.unread.drain(..len).collect());
                }
                Ok(None) => {}
                Err(error) => return Received::Broken(error.to_string()),
            }
            if let Ok(Some(len)) = Frame::promised_len(&self.unread)
                && len > MAX_PACKET
            {
                return Received::Broken(format!("a packet of {len} bytes was announced"));
            }
            match self.read_more(deadline) {
                Ok(0) => return Received::Closed,
                Ok(_) => {}
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Received::TimedOut,
                    io::ErrorKind::Interrupted => {}
                    // However a broker closes, it has closed: some reset, and TLS ones may leave out the farewell.
                    _ => return Received::Closed,
                },
            }
        }
    }

    /// Bytes that were received but make no whole packet.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.unread
    }

    /// Closes without DISCONNECT.
    pub(crate) fn close(self) {
        // Whether the broker was faster does not matter.
        let _ = self.transport.socket().shutdown(Shutdown::Both);
    }

    fn read_more(&mut self, deadline: Instant) -> io::Result<usize> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.transport.socket().set_read_timeout(Some(left))?;
        let mut buffer = [0; 16 << 10];
        let len = self.transport.read(&mut buffer)?;
        self.unread.extend_from_slice(&buffer[..len]);
        Ok(len)
    }
}
