//! WebSocket over TCP or TLS.

use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::pki_types::CertificateDer;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use super::framing::{self, Event, Incoming, MAX_HEAD_BYTES};
use super::handshake::{self, MAX_REQUEST_BYTES, WebSocketRules};
use super::tls::TlsStream;

/// A WebSocket connection, or one that is to become one.
#[derive(Debug)]
pub(crate) struct WebSocketStream {
    below: Below,
    state: State,
    /// What the socket has not taken: frames, or the answer to the request.
    out: Vec<u8>,
}

/// What carries the frames.
#[derive(Debug)]
pub(super) enum Below {
    Tcp(TcpStream),
    Tls(Box<TlsStream>),
}

#[derive(Debug)]
enum State {
    /// The request has not come in full.
    Handshake {
        received: Vec<u8>,
        rules: Arc<WebSocketRules>,
    },
    Open(Incoming),
    /// This side closed: what arrives is thrown away until the client closes, too.
    Closing,
    /// No frame follows, in either direction.
    Closed,
}

/// So much payload is put into one frame.
const FRAME_BYTES: usize = 16 << 10;

/// A client that sends pings and does not read the answers gets no more of them.
const MAX_PONG_BYTES: usize = 4 << 10;

impl WebSocketStream {
    pub(super) fn new(below: Below, rules: Arc<WebSocketRules>) -> WebSocketStream {
        WebSocketStream { below, state: State::Handshake { received: Vec::new(), rules }, out: Vec::new() }
    }

    pub(super) fn socket_mut(&mut self) -> &mut TcpStream {
        match &mut self.below {
            Below::Tcp(socket) => socket,
            Below::Tls(stream) => stream.socket_mut(),
        }
    }

    pub(super) fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        match &self.below {
            Below::Tcp(_) => None,
            Below::Tls(stream) => stream.peer_certificates(),
        }
    }

    /// Reads the payload of frames.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = match &mut self.state {
                State::Handshake { .. } => {
                    self.shake_hands(buffer)?;
                    continue;
                }
                State::Closed => return Ok(0),
                State::Closing => match self.below.read(buffer)? {
                    0 => return Ok(0),
                    _ => continue,
                },
                State::Open(incoming) => {
                    let head = incoming.take_head();
                    buffer[..head.len()].copy_from_slice(&head);
                    match self.below.read(&mut buffer[head.len()..]) {
                        Ok(0) => return Ok(0),
                        Ok(count) => head.len() + count,
                        Err(error) => {
                            // What was taken out is needed again.
                            let kept = incoming.unwrap(&mut buffer[..head.len()], &mut Vec::new());
                            debug_assert_eq!(kept, Ok(0));
                            return Err(error);
                        }
                    }
                }
            };
            let payload = self.unwrap(&mut buffer[..count])?;
            if payload > 0 {
                return Ok(payload);
            }
        }
    }

    /// Reads some of the request, and answers it when all of it is there.
    fn shake_hands(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let State::Handshake { received, rules } = &mut self.state else { return Ok(()) };
        let room = (MAX_REQUEST_BYTES - received.len()).min(buffer.len());
        let count = self.below.read(&mut buffer[..room])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        received.extend_from_slice(&buffer[..count]);
        let Some(answer) = handshake::answer(received, rules) else { return Ok(()) };
        self.out = answer.bytes;
        self.state = if answer.is_accepted { State::Open(Incoming::default()) } else { State::Closed };
        let result = self.flush_unless_blocked();
        match answer.is_accepted {
            true => result,
            // The answer is short: a socket that was never written to takes it at once.
            false => Err(io::Error::new(io::ErrorKind::InvalidData, "not a request for MQTT over WebSocket")),
        }
    }

    fn unwrap(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let State::Open(incoming) = &mut self.state else { return Ok(0) };
        let mut events = Vec::new();
        let result = incoming.unwrap(bytes, &mut events);
        for event in events {
            match event {
                Event::Ping(payload) if self.out.len() < MAX_PONG_BYTES => {
                    framing::begin_frame(OpCode::Control(Control::Pong), payload.len(), &mut self.out);
                    self.out.extend_from_slice(&payload);
                }
                Event::Ping(_) => {}
                Event::Close => {
                    framing::close_frame(CloseCode::Normal, &mut self.out);
                    self.state = State::Closed;
                }
            }
        }
        if let Err(violation) = &result {
            framing::close_frame(violation.code, &mut self.out);
            self.state = State::Closed;
        }
        self.flush_unless_blocked()?;
        result.map_err(|violation| io::Error::new(io::ErrorKind::InvalidData, violation.text))
    }

    /// Puts some of the bytes into a frame. Nothing more is taken while a frame waits for the socket.
    pub(super) fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if !matches!(self.state, State::Open(_)) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.flush()?;
        let len = slices.iter().map(|slice| slice.len()).sum::<usize>().min(FRAME_BYTES);
        framing::begin_frame(OpCode::Data(Data::Binary), len, &mut self.out);
        let end = self.out.len() + len;
        for slice in slices {
            let room = end - self.out.len();
            self.out.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        self.flush_unless_blocked()?;
        Ok(len)
    }

    pub(super) fn wants_write(&self) -> bool {
        let below = match &self.below {
            Below::Tcp(_) => false,
            Below::Tls(stream) => stream.wants_write(),
        };
        below || !self.out.is_empty()
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        while !self.out.is_empty() {
            let written = self.below.write(&self.out)?;
            self.out.drain(..written);
        }
        // Connections are mostly idle.
        self.out = Vec::new();
        match &mut self.below {
            Below::Tcp(_) => Ok(()),
            Below::Tls(stream) => stream.flush(),
        }
    }

    /// What cannot be written now waits for the socket.
    fn flush_unless_blocked(&mut self) -> io::Result<()> {
        match self.flush() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            result => result,
        }
    }

    pub(super) fn shutdown(&mut self) -> io::Result<()> {
        if matches!(self.state, State::Open(_)) {
            framing::close_frame(CloseCode::Normal, &mut self.out);
            self.state = State::Closing;
        }
        self.flush()?;
        match &mut self.below {
            Below::Tcp(socket) => socket.shutdown(std::net::Shutdown::Write),
            Below::Tls(stream) => stream.shutdown(),
        }
    }
}

impl Below {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        debug_assert!(buffer.len() > MAX_HEAD_BYTES);
        match self {
            Below::Tcp(socket) => socket.read(buffer),
            Below::Tls(stream) => stream.read(buffer),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Below::Tcp(socket) => socket.write(bytes),
            Below::Tls(stream) => stream.write(&[IoSlice::new(bytes)]),
        }
    }
}
