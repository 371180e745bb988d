//! Reading and writing sockets.
//!
//! Sockets are watched for edges: after a readiness they are read until nothing is left, one round a turn, so that a
//! busy connection does not keep others waiting.
//!
//! What is read counts as received after the read, however long others in the same turn took before: nobody's keep alive
//! ends early because the broker was busy.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mio::event::Event;

use super::accept::{FIRST_CONNECTION, NotAdmitted};
use super::link::Stage;
use super::{READ_BYTES, READ_LARGE_BYTES, Shard, WAKER};
use crate::time::Time;
use crate::transport::{MAX_PROXY_HEADER_BYTES, ProxyHeader, describe_failed_tls, read_proxy_header};

/// Unused bytes up to here are copied in front of what is read next; more are read behind.
const COPY_BYTES: usize = READ_LARGE_BYTES / 4;

/// Unused bytes from here on are the beginning of a large packet, and others like it may follow.
const LARGE_BYTES: usize = 1024;

// However much is copied, there is room behind it: a WebSocket wants some for the head of a frame.
const _: () = assert!(LARGE_BYTES <= READ_BYTES / 2 && COPY_BYTES <= READ_LARGE_BYTES / 2);

impl Shard {
    pub(super) fn handle_event(&mut self, event: &Event) {
        let token = event.token().0;
        if token == WAKER.0 {
            return;
        }
        let Some(slot) = token.checked_sub(FIRST_CONNECTION) else {
            return self.accept(self.clock.now(), token - WAKER.0 - 1);
        };
        let slot = slot as u32;
        let Some(link) = self.link_mut(slot) else { return };
        link.is_read_closed |= event.is_read_closed() || event.is_error();
        link.is_readable |= event.is_readable() || link.is_read_closed;
        let wants_write = !link.is_writable || link.transport.wants_write();
        if event.is_writable() && wants_write {
            link.is_writable = true;
            self.flush(self.clock.now(), slot);
        }
        self.read(slot);
    }

    /// Reads again what could not be read to its end, one round each.
    pub(super) fn read_queued(&mut self) {
        for index in std::mem::take(&mut self.accepting) {
            self.accept(self.clock.now(), index);
        }
        for slot in std::mem::take(&mut self.readable) {
            if let Some(link) = self.link_mut(slot) {
                link.is_queued = false;
                self.read(slot);
            }
        }
    }

    /// Has a connection read before the worker sleeps again, its unused bytes first.
    pub(super) fn queue_read(&mut self, slot: u32) {
        let Some(link) = self.link_mut(slot) else { return };
        // A readiness that came while nothing was read may have been forgotten: try.
        link.is_readable = true;
        if !std::mem::replace(&mut link.is_queued, true) {
            self.readable.push(slot);
        }
    }

    fn read(&mut self, slot: u32) {
        let Some(link) = self.links.get_mut(slot) else { return };
        match link.stage {
            Stage::Open if link.is_readable && self.core.takes_input(slot) => {}
            Stage::Lingering if link.is_readable => return self.discard(slot),
            Stage::Proxy(listener) if link.is_readable => return self.read_proxy_header(slot, listener),
            _ => return,
        }
        match link.unused.len() {
            0..=COPY_BYTES => self.read_and_use(slot),
            _ => self.read_behind_and_use(slot),
        }
    }

    /// Reads into the worker's buffer, behind what was not used before.
    fn read_and_use(&mut self, slot: u32) {
        let Some(link) = self.links.get_mut(slot) else { return };
        let kept = link.unused.len();
        self.buffer[..kept].copy_from_slice(&link.unused);
        let is_large = link.has_large_packets || kept >= LARGE_BYTES;
        let end = if is_large { READ_LARGE_BYTES } else { READ_BYTES };
        let result = ReadResult::of(link.transport.read(&mut self.buffer[kept..end]), end - kept);
        let now = self.clock.now();
        let len = kept + ReadResult::count(&result);
        let used = if len > 0 { self.core.handle_bytes(now, slot, &self.buffer[..len]) } else { 0 };
        let rest = &self.buffer[used..len];
        if len == end {
            link.has_large_packets = rest.len() >= LARGE_BYTES;
        }
        if kept > 0 || !rest.is_empty() {
            link.unused = rest.to_vec();
        }
        self.after_read(now, slot, result);
    }

    /// Reads behind what was not used before, which grows as a large packet arrives.
    fn read_behind_and_use(&mut self, slot: u32) {
        let Some(link) = self.links.get_mut(slot) else { return };
        let mut bytes = std::mem::take(&mut link.unused);
        let kept = bytes.len();
        bytes.resize(kept + READ_BYTES, 0);
        let result = ReadResult::of(link.transport.read(&mut bytes[kept..]), READ_BYTES);
        let now = self.clock.now();
        bytes.truncate(kept + ReadResult::count(&result));
        let used = self.core.handle_bytes(now, slot, &bytes);
        bytes.drain(..used);
        if bytes.len() <= COPY_BYTES {
            bytes.shrink_to_fit();
        }
        link.unused = bytes;
        self.after_read(now, slot, result);
    }

    /// Learns from a proxy whose connection it is. Nothing of it is read before all of the header is there.
    fn read_proxy_header(&mut self, slot: u32, listener: u16) {
        let Some(link) = self.links.get_mut(slot) else { return };
        let now = self.clock.now();
        let head = &mut self.buffer[..MAX_PROXY_HEADER_BYTES];
        let count = match link.transport.peek(head) {
            Ok(0) => return self.drop_link(now, slot),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                link.is_readable = false;
                return;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return self.queue_read(slot),
            Err(_) => return self.drop_link(now, slot),
        };
        match read_proxy_header(&head[..count]) {
            Ok(Some(ProxyHeader { len, client })) => {
                if link.transport.skip(&mut head[..len]).is_err() {
                    return self.drop_link(now, slot);
                }
                self.core.handle_proxied(slot, client);
                self.admit_proxied(now, slot, listener, client);
            }
            // More of it comes with another readiness, unless the proxy has closed.
            Ok(None) if link.is_read_closed => self.drop_link(now, slot),
            Ok(None) => link.is_readable = false,
            Err(text) => {
                self.core.handle_refusal(now, slot, "proxy-header", text, None);
                self.drop_link(now, slot);
            }
        }
    }

    /// The limits on one address hold for the client, not for its proxy.
    fn admit_proxied(&mut self, now: Time, slot: u32, index: u16, client: Option<SocketAddr>) {
        let index = usize::from(index);
        let Some(listener) = self.listeners.get(index) else { return self.drop_link(now, slot) };
        let gate = Arc::clone(&listener.gate);
        let limits = self.gate_limits(index);
        match gate.enter_from(now, &limits, client.map(|client| client.ip())) {
            Ok((overrun, seat)) => {
                self.core.handle_overrun(slot, overrun);
                if let Some(link) = self.link_mut(slot) {
                    link.seat = seat;
                    link.stage = Stage::Open;
                }
                self.queue_read(slot);
            }
            Err(NotAdmitted { cause, text, limit }) => {
                self.core.handle_refusal(now, slot, cause, text, limit);
                self.drop_link(now, slot);
            }
        }
    }

    fn after_read(&mut self, now: Time, slot: u32, result: io::Result<ReadResult>) {
        // First what was read: it may have closed or moved the connection.
        self.run_effects(now);
        let Some(link) = self.links.get_mut(slot) else { return };
        match result {
            Ok(ReadResult::Full(_)) => self.queue_read(slot),
            Ok(ReadResult::Short(_)) if link.is_read_closed || !link.transport.is_drained_by_short_read() => {
                self.queue_read(slot);
            }
            Ok(ReadResult::Short(_) | ReadResult::Drained) => link.is_readable = false,
            Ok(ReadResult::End) => self.drop_link(now, slot),
            Err(error) => {
                tracing::debug!(%error, "connection lost");
                if let Some((cause, text)) = describe_failed_tls(&error) {
                    self.core.handle_failed_transport(now, slot, cause, text);
                }
                self.drop_link(now, slot);
            }
        }
    }

    /// Throws away what arrives after the last packet was written.
    fn discard(&mut self, slot: u32) {
        let Some(link) = self.links.get_mut(slot) else { return };
        match ReadResult::of(link.transport.read(&mut self.buffer), READ_LARGE_BYTES) {
            Ok(ReadResult::Full(_) | ReadResult::Short(_)) => self.queue_read(slot),
            Ok(ReadResult::Drained) => link.is_readable = false,
            Ok(ReadResult::End) | Err(_) => self.drop_link(self.clock.now(), slot),
        }
    }

    /// Writes each connection that has something new, once.
    pub(super) fn flush_dirty(&mut self, now: Time) {
        let mut dirty = std::mem::take(&mut self.dirty);
        self.core.take_dirty(&mut dirty);
        for &slot in &dirty {
            self.flush(now, slot);
        }
        self.dirty = dirty;
    }

    fn flush(&mut self, now: Time, slot: u32) {
        let Some(link) = self.links.get_mut(slot) else { return };
        if !link.is_writable || link.stage == Stage::Lingering {
            return;
        }
        let outbox = self.core.outbox_mut(slot);
        let had_bytes = !outbox.is_empty();
        let mut buffer = None;
        let mut written = 0;
        let result = loop {
            if outbox.is_empty() {
                break link.transport.flush();
            }
            match link.write_some(outbox) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    written += count;
                    buffer = outbox.advance(count);
                }
                Err(error) => break Err(error),
            }
        };
        let is_empty = outbox.is_empty();
        self.core.count_written(slot, written);
        if let Some(buffer) = buffer {
            self.core.recycle(buffer);
        }
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                link.is_writable = false;
                self.core.handle_blocked(now, slot);
            }
            Err(error) => {
                tracing::debug!(%error, "connection lost");
                return self.drop_link(now, slot);
            }
            Ok(()) if link.stage == Stage::Closing => return self.finish(now, slot, had_bytes),
            Ok(()) => {}
        }
        if had_bytes && is_empty {
            self.core.handle_written(now, slot);
            self.run_effects(now);
        }
    }

    /// All is written. A peer that was sent something last gets to read it before its unread bytes reset the
    /// connection.
    fn finish(&mut self, now: Time, slot: u32, had_bytes: bool) {
        let Some(link) = self.links.get_mut(slot) else { return };
        let is_told = (had_bytes || link.transport.has_farewell()) && link.transport.shutdown().is_ok();
        if !had_bytes || !is_told {
            return self.drop_link(now, slot);
        }
        link.stage = Stage::Lingering;
        link.unused = Vec::new();
        self.core.handle_last_written(now, slot);
        self.queue_read(slot);
    }
}

/// What a read came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadResult {
    /// As much as there was room for.
    Full(usize),
    /// Less.
    Short(usize),
    /// Nothing for now.
    Drained,
    /// The peer has closed.
    End,
}

impl ReadResult {
    fn of(result: io::Result<usize>, room: usize) -> io::Result<ReadResult> {
        match result {
            Ok(0) => Ok(ReadResult::End),
            Ok(count) if count == room => Ok(ReadResult::Full(count)),
            Ok(count) => Ok(ReadResult::Short(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(ReadResult::Drained),
            // The socket is as readable as before: the next round tries again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(ReadResult::Full(0)),
            Err(error) => Err(error),
        }
    }

    fn count(result: &io::Result<ReadResult>) -> usize {
        match result {
            Ok(ReadResult::Full(count) | ReadResult::Short(count)) => *count,
            Ok(ReadResult::Drained | ReadResult::End) | Err(_) => 0,
        }
    }
}
