//! One connection: packets come in whole, bytes go out in large writes, and nobody waits.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use vaux_client::{Accepted, ByteStream, Disconnected, PropertyBuffer, ReasonCode, Version};
use vaux_mqtt::frame::Frame;
use vaux_mqtt::packet::{Disconnect, PINGREQ};
use vaux_mqtt::protocol::{ClientKeepAlive, KeepAliveAction};
use vaux_mqtt::{Packet, Sender};

use super::clock::Clock;
use super::ready::Bell;

/// The size of the buffer that all connections read into.
pub(super) const READ_BUFFER_BYTES: usize = 256 << 10;

/// A packet of which less than this has come is put in front of what is read next; a longer one is put together apart.
const SHORT_BYTES: usize = 16 << 10;

/// How often one connection is read before it is another one's turn.
const MAX_READS: usize = 8;

/// A connection that the server has accepted.
pub(super) struct Link {
    stream: Box<dyn ByteStream>,
    bell: Arc<Bell>,
    waker: Waker,
    version: Version,
    /// The beginning of a packet whose rest is still to come.
    partial: Vec<u8>,
    /// Whether `partial` is what was read behind CONNACK, which may be whole packets.
    is_new: bool,
    /// Encoded packets, the first `written` bytes of which have been handed over.
    outgoing: Vec<u8>,
    written: usize,
    /// Whether the stream may hold back some of what it was handed, as TLS does.
    is_unflushed: bool,
    keep_alive: ClientKeepAlive,
    /// Whether anything was handed over since the keep alive was last looked at.
    has_written: bool,
}

impl Link {
    /// Takes over a connection. What was read behind CONNACK is handed over with the first packets.
    pub(super) fn new(accepted: Accepted, bell: Arc<Bell>, now_ms: u64) -> Link {
        // There may be packets that no waker will tell of.
        bell.wake_by_ref();
        Link {
            stream: accepted.stream,
            waker: Waker::from(Arc::clone(&bell)),
            bell,
            version: accepted.connected.version,
            partial: accepted.unread.to_vec(),
            is_new: true,
            outgoing: Vec::new(),
            written: 0,
            is_unflushed: false,
            keep_alive: ClientKeepAlive::new(accepted.connected.keep_alive, now_ms),
            has_written: false,
        }
    }

    /// The version spoken.
    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// From now on the connection tells again when it has something.
    pub(super) fn reset_bell(&self) {
        self.bell.reset();
    }

    /// Reads all there is and hands each packet to `handle`, with the time at which it was there and the buffer for
    /// answers.
    pub(super) fn receive(
        &mut self,
        buffer: &mut [u8],
        clock: Clock,
        mut handle: impl FnMut(Packet<'_>, u64, &mut Vec<u8>) -> Result<(), Disconnected>,
    ) -> Result<(), Disconnected> {
        if std::mem::take(&mut self.is_new) {
            let unread = std::mem::take(&mut self.partial);
            self.split(&unread, clock.now(), &mut handle)?;
        }
        for _ in 0..MAX_READS {
            let kept = if self.partial.len() < SHORT_BYTES { self.partial.len() } else { 0 };
            buffer[..kept].copy_from_slice(&self.partial[..kept]);
            let Some(count) = self.read(&mut buffer[kept..])? else { return Ok(()) };
            let now = clock.now();
            if kept == self.partial.len() {
                self.partial.clear();
                self.split(&buffer[..kept + count], now, &mut handle)?;
            } else {
                let mut long = std::mem::take(&mut self.partial);
                long.extend_from_slice(&buffer[..count]);
                self.split(&long, now, &mut handle)?;
            }
        }
        self.waker.wake_by_ref();
        Ok(())
    }

    /// Hands over the packets in `bytes` and keeps what is left.
    fn split(
        &mut self,
        bytes: &[u8],
        now: u64,
        handle: &mut impl FnMut(Packet<'_>, u64, &mut Vec<u8>) -> Result<(), Disconnected>,
    ) -> Result<(), Disconnected> {
        let mut rest = bytes;
        while let Some(frame) = Frame::split(rest).map_err(Disconnected::Protocol)? {
            rest = &rest[frame.bytes().len()..];
            match Packet::decode(&frame, self.version, Sender::Server).map_err(Disconnected::Protocol)? {
                Packet::PingResp => self.keep_alive.handle_pingresp(),
                Packet::Disconnect(disconnect) => {
                    let (reason, properties) = (disconnect.reason, disconnect.properties.into());
                    return Err(Disconnected::ByServer { reason, properties });
                }
                packet => handle(packet, now, &mut self.outgoing)?,
            }
        }
        self.partial.extend_from_slice(rest);
        Ok(())
    }

    /// How much was read, `None` when there is nothing more for now.
    fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Disconnected> {
        let mut buffer = ReadBuf::new(buffer);
        let mut context = Context::from_waker(&self.waker);
        match Pin::new(&mut self.stream).poll_read(&mut context, &mut buffer) {
            Poll::Pending => Ok(None),
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => Err(Disconnected::Closed),
            Poll::Ready(Ok(())) => Ok(Some(buffer.filled().len())),
            Poll::Ready(Err(error)) => Err(lost(error)),
        }
    }

    /// The buffer to append packets to; [`Link::flush`] sends them.
    pub(super) fn outgoing_mut(&mut self) -> &mut Vec<u8> {
        &mut self.outgoing
    }

    /// Whether everything appended so far has been handed to the kernel.
    pub(super) fn is_flushed(&self) -> bool {
        self.outgoing.is_empty() && !self.is_unflushed
    }

    /// Sends as much as the stream takes. The connection tells when it takes more.
    pub(super) fn flush(&mut self) -> Result<(), Disconnected> {
        let mut context = Context::from_waker(&self.waker);
        while self.written < self.outgoing.len() {
            match Pin::new(&mut self.stream).poll_write(&mut context, &self.outgoing[self.written..]) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => return Err(lost(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => self.written += count,
                Poll::Ready(Err(error)) => return Err(lost(error)),
            }
            self.is_unflushed = true;
            self.has_written = true;
        }
        self.outgoing.clear();
        self.written = 0;
        if self.is_unflushed && Pin::new(&mut self.stream).poll_flush(&mut context).map_err(lost)?.is_ready()
        {
            self.is_unflushed = false;
        }
        Ok(())
    }

    /// Sends PINGREQ when it is time.
    pub(super) fn keep_alive(&mut self, now_ms: u64) -> Result<(), Disconnected> {
        if std::mem::take(&mut self.has_written) {
            self.keep_alive.handle_sent(now_ms);
        }
        match self.keep_alive.poll(now_ms) {
            Some(KeepAliveAction::Ping) => {
                self.outgoing.extend_from_slice(&PINGREQ);
                self.flush()
            }
            Some(KeepAliveAction::Close) => Err(Disconnected::KeepAliveTimeout),
            None => Ok(()),
        }
    }

    /// Says good-bye, and that nothing more will come. The server then closes the connection.
    pub(super) fn disconnect(&mut self, properties: &PropertyBuffer) -> Result<(), Disconnected> {
        let disconnect = Disconnect { reason: ReasonCode::Success, properties: properties.list() };
        disconnect.encode(self.version, &mut self.outgoing);
        self.flush()?;
        let mut context = Context::from_waker(&self.waker);
        match Pin::new(&mut self.stream).poll_shutdown(&mut context) {
            Poll::Ready(Err(error)) => Err(lost(error)),
            _ => Ok(()),
        }
    }
}

fn lost(error: io::Error) -> Disconnected {
    match error.kind() {
        // What a server leaves behind that closes while there is something for it to read.
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Disconnected::Closed,
        _ => Disconnected::Lost(Arc::new(error)),
    }
}
