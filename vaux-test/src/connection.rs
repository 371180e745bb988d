//! One connection to the broker: bytes out, whole packets in, each with a deadline.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};
use tungstenite::{Error, Message, WebSocket};
use vaux_mqtt::Version;
use vaux_mqtt::frame::Frame;

/// A socket, with or without TLS.
#[derive(Debug)]
pub(crate) enum Below {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Below {
    fn socket(&self) -> &TcpStream {
        match self {
            Below::Plain(socket) => socket,
            Below::Tls(stream) => &stream.sock,
        }
    }
}

impl Read for Below {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Below::Plain(socket) => socket.read(buffer),
            Below::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Below {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Below::Plain(socket) => socket.write(bytes),
            Below::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Below::Plain(socket) => socket.flush(),
            Below::Tls(stream) => stream.flush(),
        }
    }
}

/// What carries packets.
#[derive(Debug)]
pub(crate) enum Transport {
    Bytes(Below),
    WebSocket(Box<WebSocket<Below>>),
}

impl Transport {
    fn socket(&self) -> &TcpStream {
        match self {
            Transport::Bytes(below) => below.socket(),
            Transport::WebSocket(stream) => stream.get_ref().socket(),
        }
    }

    /// Appends what arrives next to `unread`, and says how much it was; 0 at the end.
    fn read(&mut self, unread: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Transport::Bytes(below) => {
                let mut buffer = [0; 16 << 10];
                let len = below.read(&mut buffer)?;
                unread.extend_from_slice(&buffer[..len]);
                Ok(len)
            }
            Transport::WebSocket(stream) => loop {
                match stream.read() {
                    Ok(Message::Binary(bytes)) if !bytes.is_empty() => {
                        unread.extend_from_slice(&bytes);
                        return Ok(bytes.len());
                    }
                    Ok(Message::Close(_)) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => {
                        return Ok(0);
                    }
                    Ok(Message::Text(_)) => return Err(io::Error::other("the broker sent a text frame")),
                    Ok(_) => {}
                    Err(Error::Io(error)) => return Err(error),
                    Err(error) => return Err(io::Error::other(error)),
                }
            },
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Transport::Bytes(below) => below.write_all(bytes).and_then(|()| below.flush()),
            Transport::WebSocket(stream) => {
                stream.send(Message::binary(bytes.to_vec())).map_err(io::Error::other)
            }
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
        self.transport.read(&mut self.unread)
    }
}
