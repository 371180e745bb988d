//! A non-blocking connection: packets come in whole, bytes go out in large writes.

use std::io::{ErrorKind, Read, Write};
use std::net;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use vaux_mqtt::frame::Frame;
use vaux_mqtt::{Packet, Sender, Version};

use super::stream::Stream;
use crate::Outcome;

/// The size of the buffer that all connections read into. Larger than any packet of any scenario.
pub(crate) const READ_BUFFER_BYTES: usize = 256 << 10;

/// A connection that has been accepted by the broker.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream<TcpStream>,
    version: Version,
    /// The beginning of a packet whose rest is still to come.
    partial: Vec<u8>,
    /// Encoded packets, the first `written` bytes of which have been sent.
    outgoing: Vec<u8>,
    written: usize,
}

impl Connection {
    /// Takes over a connection and has it report to `registry` as `token`.
    ///
    /// # Errors
    ///
    /// The socket cannot be registered.
    pub(crate) fn new(
        stream: impl Into<Stream<net::TcpStream>>,
        version: Version,
        registry: &Registry,
        token: usize,
    ) -> Outcome<Self> {
        let mut stream = stream.into().into_nonblocking()?;
        registry.register(stream.socket_mut(), Token(token), Interest::READABLE | Interest::WRITABLE)?;
        Ok(Connection { stream, version, partial: Vec::new(), outgoing: Vec::new(), written: 0 })
    }

    /// Reads all there is and hands each whole packet to `handle`, with the buffer for answers.
    ///
    /// # Errors
    ///
    /// The connection has ended, the broker sent something that cannot be read, or `handle` failed.
    pub(crate) fn receive(
        &mut self,
        buffer: &mut [u8],
        mut handle: impl FnMut(Packet<'_>, &mut Vec<u8>) -> Outcome,
    ) -> Outcome {
        let version = self.version;
        self.receive_frames(buffer, |frame, outgoing| {
            handle(Packet::decode(&frame, version, Sender::Server)?, outgoing)
        })
    }

    /// As [`Connection::receive`], for those who decode packets themselves.
    ///
    /// # Errors
    ///
    /// The connection has ended, or `handle` failed.
    pub(crate) fn receive_frames(
        &mut self,
        buffer: &mut [u8],
        mut handle: impl FnMut(Frame<'_>, &mut Vec<u8>) -> Outcome,
    ) -> Outcome {
        loop {
            let kept = self.partial.len();
            buffer[..kept].copy_from_slice(&self.partial);
            let count = match self.stream.read(&mut buffer[kept..]) {
                Ok(0) => return Err("the broker closed a connection".into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(format!("a connection broke: {error}").into()),
            };
            let mut rest = &buffer[..kept + count];
            while let Some(frame) = Frame::split(rest)? {
                rest = &rest[frame.bytes().len()..];
                handle(frame, &mut self.outgoing)?;
            }
            self.partial.clear();
            self.partial.extend_from_slice(rest);
            // A short read from a socket means that there was no more; later bytes are a new event (epoll(7)).
            if self.stream.is_plain() && kept + count < buffer.len() {
                return Ok(());
            }
        }
    }

    /// The buffer to append packets to; [`Connection::flush`] sends them.
    pub(crate) fn outgoing_mut(&mut self) -> &mut Vec<u8> {
        &mut self.outgoing
    }

    /// Whether everything appended so far has been handed to the kernel.
    pub(crate) fn is_flushed(&self) -> bool {
        self.outgoing.is_empty() && !self.stream.has_pending()
    }

    /// Sends as much as the socket takes. What is left goes when the socket reports that it is writable.
    ///
    /// # Errors
    ///
    /// The connection has ended.
    pub(crate) fn flush(&mut self) -> Outcome {
        while self.written < self.outgoing.len() {
            match self.stream.write(&self.outgoing[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("a connection broke: {error}").into()),
            }
        }
        self.outgoing.clear();
        self.written = 0;
        match self.stream.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => {
                Err(format!("a connection broke: {error}").into())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use mio::{Events, Poll};

    use super::*;

    #[test]
    fn a_packet_in_two_parts_is_handed_over_once_and_whole() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut broker, _) = listener.accept().unwrap();
        let mut poll = Poll::new().unwrap();
        let mut connection = Connection::new(client, Version::V311, poll.registry(), 0).unwrap();
        let mut buffer = vec![0; 1024];
        let mut payloads = Vec::new();
        // One and a half packets, then the other half.
        let packet = [0x30, 5, 0, 1, b'a', b'x', b'y'];
        let bytes = [packet, packet].concat();
        for (part, whole_packets) in [(&bytes[..10], 1), (&bytes[10..], 2)] {
            broker.write_all(part).unwrap();
            let mut events = Events::with_capacity(4);
            let handled = payloads.len();
            while payloads.len() == handled {
                poll.poll(&mut events, None).unwrap();
                connection
                    .receive(&mut buffer, |packet, _| {
                        let Packet::Publish(publish) = packet else { panic!("no PUBLISH") };
                        payloads.push(publish.payload.to_vec());
                        Ok(())
                    })
                    .unwrap();
            }
            assert_eq!(payloads.len(), whole_packets);
        }
        assert_eq!(payloads, [b"xy", b"xy"]);
        drop(broker);
        while connection.receive(&mut buffer, |_, _| Ok(())).is_ok() {}
    }
}
