//! TLS over TCP, with the protocol by rustls and the I/O here, so that a connection can move between workers.
//!
//! The buffers are here, too, and are given back as soon as they are empty: most connections are idle, and rustls's own
//! would hold 4 KiB for each of them.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};

pub(crate) struct TlsStream {
    socket: TcpStream,
    tls: UnbufferedServerConnection,
    /// Received and not decrypted: part of a record.
    incoming: Vec<u8>,
    /// Decrypted and not read.
    plain: Vec<u8>,
    /// Encrypted and not taken by the socket.
    out: Vec<u8>,
    /// Whether the peer has said that nothing follows.
    is_end: bool,
}

/// So much plain text is put into one record.
const RECORD_BYTES: usize = 16 << 10;
/// A record with all that surrounds it, and a handshake message in parts, are shorter.
const MAX_INCOMING_BYTES: usize = 128 << 10;

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl TlsStream {
    pub(super) fn new(socket: TcpStream, config: Arc<ServerConfig>) -> io::Result<TlsStream> {
        let tls = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
        Ok(TlsStream { socket, tls, incoming: Vec::new(), plain: Vec::new(), out: Vec::new(), is_end: false })
    }

    pub(super) fn socket_mut(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    pub(super) fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.tls.peer_certificates()
    }

    /// Reads plain text, taking in as many records as it needs.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.plain.is_empty() {
                return Ok(self.take_plain(buffer));
            }
            // A peer that closes without close_notify has gone all the same.
            if self.is_end {
                return Ok(0);
            }
            let count = self.socket.read(buffer)?;
            self.is_end = count == 0;
            self.incoming.extend_from_slice(&buffer[..count]);
            if let Err(error) = self.process() {
                // The peer is told by an alert, if it still listens.
                let _ = self.encode_alert();
                let _ = self.flush();
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            if self.incoming.len() > MAX_INCOMING_BYTES {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the client's TLS records never end"));
            }
            // The handshake answers by itself. What cannot be written now waits for the socket.
            self.flush_unless_blocked()?;
        }
    }

    fn take_plain(&mut self, buffer: &mut [u8]) -> usize {
        let count = self.plain.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.plain[..count]);
        if count == self.plain.len() {
            self.plain = Vec::new();
        } else {
            self.plain.drain(..count);
        }
        count
    }

    /// Goes on with the protocol as far as what was received allows.
    fn process(&mut self) -> Result<(), rustls::Error> {
        loop {
            let UnbufferedStatus { mut discard, state } = self.tls.process_tls_records(&mut self.incoming);
            let state = match state {
                Ok(state) => state,
                Err(error) => {
                    self.incoming.drain(..discard);
                    return Err(error);
                }
            };
            let goes_on = match state {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        self.plain.extend_from_slice(record.payload);
                    }
                    true
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    append(&mut self.out, |room| data.encode(room).map_err(needed_to_encode))?;
                    true
                }
                ConnectionState::TransmitTlsData(data) => {
                    data.done();
                    true
                }
                ConnectionState::PeerClosed => {
                    self.is_end = true;
                    true
                }
                // The handshake needs more, or there is nothing more to read.
                _ => false,
            };
            self.incoming.drain(..discard);
            if !goes_on {
                break;
            }
        }
        if self.incoming.is_empty() {
            self.incoming = Vec::new();
        }
        Ok(())
    }

    /// After an error: what the peer is told, behind what it was to be told before. Records are not looked at again: the
    /// error is still in them, and must not be found twice.
    fn encode_alert(&mut self) -> Result<(), rustls::Error> {
        while self.tls.wants_write() {
            let UnbufferedStatus { state, .. } = self.tls.process_tls_records(&mut self.incoming);
            match state? {
                ConnectionState::EncodeTlsData(mut data) => {
                    append(&mut self.out, |room| data.encode(room).map_err(needed_to_encode))?;
                }
                // What came before the error is of no use to anybody any more.
                ConnectionState::ReadTraffic(mut traffic) => while traffic.next_record().is_some() {},
                _ => break,
            }
        }
        Ok(())
    }

    /// Encrypts and writes. Nothing more is taken while records wait for the socket.
    pub(super) fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.flush()?;
        let mut count = 0;
        match slices {
            [slice] => {
                count = slice.len().min(RECORD_BYTES);
                self.encrypt(&slice[..count])?;
            }
            slices => {
                let mut joined = Vec::new();
                for slice in slices {
                    let room = RECORD_BYTES - joined.len();
                    joined.extend_from_slice(&slice[..slice.len().min(room)]);
                }
                count += joined.len();
                self.encrypt(&joined)?;
            }
        }
        // Records that wait count as taken: they go out first when the socket is ready.
        self.flush_unless_blocked()?;
        Ok(count)
    }

    fn encrypt(&mut self, plain: &[u8]) -> io::Result<()> {
        // All that can be has been decrypted before; what is left is part of something.
        let UnbufferedStatus { discard, state } = self.tls.process_tls_records(&mut self.incoming);
        let result = match state {
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                append(&mut self.out, |room| traffic.encrypt(plain, room).map_err(needed_to_encrypt))
                    .map_err(io::Error::other)
            }
            Ok(_) => Err(io::ErrorKind::NotConnected.into()),
            Err(error) => Err(io::Error::other(error)),
        };
        self.incoming.drain(..discard);
        result
    }

    pub(super) fn wants_write(&self) -> bool {
        !self.out.is_empty()
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        let mut written = 0;
        let result = loop {
            if written == self.out.len() {
                break Ok(());
            }
            match self.socket.write(&self.out[written..]) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) => break Err(error),
            }
        };
        if written == self.out.len() {
            self.out = Vec::new();
        } else {
            self.out.drain(..written);
        }
        result
    }

    /// What cannot be written now waits for the socket.
    fn flush_unless_blocked(&mut self) -> io::Result<()> {
        match self.flush() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            result => result,
        }
    }

    pub(super) fn shutdown(&mut self) -> io::Result<()> {
        let UnbufferedStatus { discard, state } = self.tls.process_tls_records(&mut self.incoming);
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = state {
            append(&mut self.out, |room| traffic.queue_close_notify(room).map_err(needed_to_encrypt))
                .map_err(io::Error::other)?;
        }
        self.incoming.drain(..discard);
        self.flush()?;
        self.socket.shutdown(Shutdown::Write)
    }
}

/// How much room is needed, or why there will be nothing.
type Needed = Result<usize, rustls::Error>;

/// Has `fill` write behind what is in `out`, with as much room as it says that it needs.
fn append(
    out: &mut Vec<u8>,
    mut fill: impl FnMut(&mut [u8]) -> Result<usize, Needed>,
) -> Result<(), rustls::Error> {
    let start = out.len();
    loop {
        match fill(&mut out[start..]) {
            Ok(count) => {
                out.truncate(start + count);
                return Ok(());
            }
            Err(needed) => out.resize(start + needed?, 0),
        }
    }
}

fn needed_to_encode(error: EncodeError) -> Needed {
    match error {
        EncodeError::InsufficientSize(size) => Ok(size.required_size),
        EncodeError::AlreadyEncoded => Err(rustls::Error::General("it was encoded before".into())),
    }
}

fn needed_to_encrypt(error: EncryptError) -> Needed {
    match error {
        EncryptError::InsufficientSize(size) => Ok(size.required_size),
        EncryptError::EncryptExhausted => Err(rustls::Error::EncryptError),
    }
}
