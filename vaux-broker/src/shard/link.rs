//! A connection as the shard sees it: its transport and what was read but not used.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::gate::Seat;
use crate::core::Outbox;
use crate::transport::Transport;

/// The outside of one connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(super) transport: Transport,
    /// What was read and not used: part of a packet, or packets that wait.
    pub(super) unused: Vec<u8>,
    /// Whether the socket may have something to read.
    pub(super) is_readable: bool,
    /// Whether the peer has closed its side: what is readable must be read to its end.
    pub(super) is_read_closed: bool,
    /// Whether the socket may take something.
    pub(super) is_writable: bool,
    /// Whether it is on the list of those to be read again this turn.
    pub(super) is_queued: bool,
    /// Whether much was read last that turned out to be part of a large packet.
    pub(super) has_large_packets: bool,
    pub(super) stage: Stage,
    /// Counts it among the connections of its listener and of the broker while it lives.
    pub(super) _place: Place,
    /// Counts it among the connections of its address, where these are limited.
    pub(super) seat: Option<Box<Seat>>,
}

/// What the link is still for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// A proxy has to say whose connection it is, to the listener with this index.
    Proxy(u16),
    /// Bytes go both ways.
    Open,
    /// What is in the outbox is written; nothing is read.
    Closing,
    /// All is written: what arrives is thrown away until the peer closes, so that it gets to read the last packet.
    Lingering,
}

/// How many connections a listener has on all workers, and how many the broker has.
#[derive(Debug)]
pub(crate) struct Places {
    here: AtomicUsize,
    all: Arc<AtomicUsize>,
}

impl Places {
    /// Those of a listener, of a broker that counts all its connections in `all`.
    pub(crate) fn new(all: &Arc<AtomicUsize>) -> Places {
        Places { here: AtomicUsize::new(0), all: Arc::clone(all) }
    }
}

/// A place among the connections of a listener, given back when dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Places>);

impl Place {
    /// Takes a place, if fewer than `max` are taken at the listener and fewer than `max_all` at the broker.
    pub(super) fn take(places: &Arc<Places>, max: usize, max_all: usize) -> Option<Place> {
        let place = Place(Arc::clone(places));
        let taken = places.here.fetch_add(1, Ordering::Relaxed);
        let all_taken = places.all.fetch_add(1, Ordering::Relaxed);
        (taken < max && all_taken < max_all).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.here.fetch_sub(1, Ordering::Relaxed);
        self.0.all.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Link {
    pub(super) fn new(transport: Transport, stage: Stage, place: Place) -> Link {
        Link {
            transport,
            unused: Vec::new(),
            has_large_packets: false,
            is_readable: false,
            is_read_closed: false,
            is_writable: true,
            is_queued: false,
            stage,
            _place: place,
            seat: None,
        }
    }

    /// Writes some of the outbox; how much. `WouldBlock` when the socket takes nothing.
    pub(super) fn write_some(&mut self, outbox: &Outbox) -> io::Result<usize> {
        const MAX_SLICES: usize = 64;
        if outbox.is_single() {
            return self.transport.write(&[IoSlice::new(outbox.first())]);
        }
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let count = outbox.fill(&mut slices);
        self.transport.write(&slices[..count])
    }
}
