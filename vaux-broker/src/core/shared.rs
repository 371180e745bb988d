//! What the workers share.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

use crossbeam_utils::CachePadded;

use super::WorkerId;
use super::letter::SpareParcels;
use super::settings::stable_hash;
use super::user_sessions::UserSessions;
use crate::retained::Retained;
use crate::rights::Authorize;
use crate::router::interest::Interest;
use crate::session::SessionKey;

/// What the workers share. Everything in it is read-mostly or a counter. What is written while messages flow has cache lines
/// of its own: the others are read for each message.
#[derive(Debug)]
pub struct Shared {
    /// Where subscribers are.
    pub interest: Interest,
    /// Retained messages.
    pub retained: Arc<Retained>,
    /// Who may do what at the start. What is in force each worker has for itself.
    pub(super) first_rights: Arc<dyn Authorize>,
    /// How many workers there are.
    pub workers: u16,
    /// Sessions of all workers.
    pub sessions: AtomicUsize,
    /// Connected sessions of all workers.
    pub active_sessions: AtomicUsize,
    /// Sessions of each user, on all workers.
    pub(super) user_sessions: UserSessions,
    /// How short memory is.
    pub(super) pressure: AtomicU8,
    /// Subscriptions below `$SYS/` of all workers: while there is none, nobody watches.
    pub(super) sys_watchers: AtomicUsize,
    /// Bytes under way between each two workers, by sender and then receiver.
    lanes: Box<[CachePadded<AtomicUsize>]>,
    pub(super) spare_parcels: CachePadded<SpareParcels>,
    next_sid: AtomicU64,
    next_mid: CachePadded<AtomicU64>,
    /// Tells assigned client identifiers of different runs apart.
    pub(super) id_seed: u64,
}

impl Shared {
    /// What `workers` workers share at the start. `id_seed` should differ from run to run: client identifiers that
    /// are assigned contain it.
    pub fn new(workers: u16, rights: Arc<dyn Authorize>, id_seed: u64) -> Shared {
        let lanes = usize::from(workers) * usize::from(workers);
        Shared {
            interest: Interest::default(),
            retained: Arc::default(),
            first_rights: rights,
            workers,
            sessions: AtomicUsize::new(0),
            active_sessions: AtomicUsize::new(0),
            user_sessions: UserSessions::default(),
            pressure: AtomicU8::new(0),
            sys_watchers: AtomicUsize::new(0),
            lanes: (0..lanes).map(|_| CachePadded::default()).collect(),
            spare_parcels: CachePadded::default(),
            next_sid: AtomicU64::new(1),
            next_mid: CachePadded::new(AtomicU64::new(1)),
            id_seed,
        }
    }

    /// Goes on counting sessions and messages where the last run ended.
    pub fn continue_numbers(&self, last_sid: u64, last_mid: u64) {
        self.next_sid.fetch_max(last_sid + 1, Ordering::Relaxed);
        self.next_mid.fetch_max(last_mid + 1, Ordering::Relaxed);
    }

    /// Where the session of a key lives.
    pub fn home_of(&self, key: &SessionKey) -> WorkerId {
        WorkerId((stable_hash(key) % u64::from(self.workers)) as u16)
    }

    /// The bytes under way from one worker to another.
    pub(super) fn lane(&self, from: WorkerId, to: WorkerId) -> &AtomicUsize {
        &self.lanes[usize::from(from.0) * usize::from(self.workers) + usize::from(to.0)]
    }

    pub(super) fn next_sid(&self) -> u64 {
        self.next_sid.fetch_add(1, Ordering::Relaxed)
    }

    /// So many numbers of messages, never given again.
    pub(super) fn take_mids(&self, count: u64) -> Range<u64> {
        let first = self.next_mid.fetch_add(count, Ordering::Relaxed);
        first..first + count
    }
}
