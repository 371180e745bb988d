//! A byte stream with its buffers.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use crate::transport::ByteStream;

/// How much is read at once, and how much may wait to be written before publishers wait.
pub(super) const BATCH_BYTES: usize = 64 * 1024;

/// Buffers that grew larger than this for a large message are given back once they are empty.
const KEPT_BYTES: usize = 4 * BATCH_BYTES;

/// How long writing what is left may take when closing.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long to wait for the server to close, too.
const LINGER: Duration = Duration::from_secs(1);

/// A byte stream with its buffers.
pub(super) struct Link {
    reader: ReadHalf<Box<dyn ByteStream>>,
    writer: WriteHalf<Box<dyn ByteStream>>,
    incoming: BytesMut,
    /// How much of `incoming` was consumed.
    incoming_at: usize,
    outgoing: Vec<u8>,
    /// How much of `outgoing` was written.
    outgoing_at: usize,
    /// How much was written in all.
    written: u64,
    /// Whether something was written that the stream may still hold back, as TLS does.
    is_unflushed: bool,
}

/// What a link did.
pub(super) enum Transfer {
    /// So much was read, 0 at the end of the stream.
    Read(io::Result<usize>),
    /// Something was written.
    Written(io::Result<()>),
}

impl Link {
    pub(super) fn new(stream: Box<dyn ByteStream>) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Link {
            reader,
            writer,
            incoming: BytesMut::new(),
            incoming_at: 0,
            outgoing: Vec::new(),
            outgoing_at: 0,
            written: 0,
            is_unflushed: false,
        }
    }

    /// The stream, and what was read and not consumed.
    pub(super) fn into_parts(mut self) -> (Box<dyn ByteStream>, BytesMut) {
        self.incoming.advance(self.incoming_at);
        (self.reader.unsplit(self.writer), self.incoming)
    }

    /// What was read and not consumed.
    pub(super) fn incoming(&self) -> &[u8] {
        &self.incoming[self.incoming_at..]
    }

    /// Takes `len` bytes off what was read.
    pub(super) fn consume(&mut self, len: usize) {
        self.incoming_at += len;
    }

    /// Gets ready to read more.
    fn make_room(&mut self) {
        self.incoming.advance(std::mem::take(&mut self.incoming_at));
        if self.incoming.is_empty() && self.incoming.capacity() > KEPT_BYTES {
            self.incoming = BytesMut::new();
        }
        self.incoming.reserve(BATCH_BYTES);
    }

    /// Takes over `output` if nothing waits to be written.
    pub(super) fn load(&mut self, output: &mut Vec<u8>) {
        if self.outgoing_at == self.outgoing.len() {
            self.outgoing.clear();
            self.outgoing_at = 0;
            if self.outgoing.capacity() > KEPT_BYTES {
                self.outgoing = Vec::new();
            }
            std::mem::swap(&mut self.outgoing, output);
        }
    }

    /// How much waits to be written.
    pub(super) fn unwritten(&self) -> usize {
        self.outgoing.len() - self.outgoing_at
    }

    /// How much was written in all.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Reads once. 0 at the end of the stream. Cancelling loses nothing.
    pub(super) async fn read(&mut self) -> io::Result<usize> {
        self.make_room();
        self.reader.read_buf(&mut self.incoming).await
    }

    /// Writes what waits, or reads if `may_read`, whatever is possible first. Cancelling loses nothing.
    pub(super) async fn transfer(&mut self, may_read: bool) -> Transfer {
        if may_read {
            self.make_room();
        }
        let Link { reader, writer, incoming, outgoing, outgoing_at, written, is_unflushed, .. } = self;
        let unwritten = &outgoing[*outgoing_at..];
        let may_write = !unwritten.is_empty() || *is_unflushed;
        let write = async {
            if !unwritten.is_empty() {
                let count = writer.write(unwritten).await?;
                *outgoing_at += count;
                *written += count as u64;
                *is_unflushed = true;
                if count == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                if count < unwritten.len() {
                    return Ok(());
                }
            }
            writer.flush().await?;
            *is_unflushed = false;
            Ok(())
        };
        tokio::select! {
            biased;
            result = write, if may_write => Transfer::Written(result),
            result = reader.read_buf(incoming), if may_read => Transfer::Read(result),
            else => std::future::pending().await,
        }
    }

    /// Writes all of `output`.
    pub(super) async fn write_all(&mut self, output: &mut Vec<u8>) -> io::Result<()> {
        self.load(output);
        while self.unwritten() > 0 || self.is_unflushed {
            if let Transfer::Written(result) = self.transfer(false).await {
                result?;
            }
            self.load(output);
        }
        Ok(())
    }

    /// Writes what is left, ends the stream and waits a little for the server to close it too: closing with unread
    /// bytes would reset the connection, and the server might never see the last packets.
    pub(super) async fn close(&mut self, output: &mut Vec<u8>) -> io::Result<()> {
        let write = async {
            self.write_all(output).await?;
            self.writer.shutdown().await
        };
        tokio::time::timeout(CLOSE_TIMEOUT, write).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))?;
        // What still comes is of no interest, nor how it ends.
        let read = async {
            (self.incoming_at, self.incoming) = (0, BytesMut::new());
            while matches!(self.reader.read_buf(&mut self.incoming).await, Ok(1..)) {
                self.incoming.clear();
            }
        };
        let _ = tokio::time::timeout(LINGER, read).await;
        Ok(())
    }
}
