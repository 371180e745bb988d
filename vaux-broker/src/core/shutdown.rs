//! The end of the broker: clients get the wills of those who leave, and the answers that they wait for, then are told
//! goodbye.

use vaux_mqtt::ReasonCode;

use super::connection::Phase;
use super::letter::Letter;
use super::observe::Ending;
use super::{Core, WorkerId};
use crate::session::Stored;
use crate::store::StoreState;
use crate::time::Time;

/// How long a closing connection may take to read its last bytes.
const CLOSING_MS: u64 = 5_000;

/// How long the broker waits at its end for peers that have been sent everything and do not close.
const LINGER_AT_END_MS: u64 = 300;

impl Core {
    /// Ends the connections of this worker because the broker stops. Nothing more is read. They end once all workers have
    /// published the wills of those who leave, so that these reach whoever is connected.
    pub fn handle_shutdown(&mut self, now: Time) {
        self.leaving = Some(Vec::new());
        for slot in self.slots() {
            let connection = &self.connections[slot as usize];
            let session = connection.session;
            match connection.phase {
                Phase::Connected if self.sessions[session].stored == Stored::Nothing => {
                    self.publish_will(now, session);
                }
                // Wills that are stored wait for the next start.
                Phase::Connected => {}
                Phase::AwaitConnect | Phase::AwaitAuth | Phase::Authenticating => self.abort(slot),
                // It has less time from now on.
                Phase::Closing => self.watch(slot),
            }
        }
        for worker in (0..self.shared.workers).map(WorkerId) {
            if worker != self.worker {
                self.post(worker, Letter::NothingMore);
            }
        }
        self.leave_if_silent(now);
    }

    /// Another worker has published all that it had to.
    pub(super) fn handle_nothing_more(&mut self, now: Time) {
        self.silent_workers += 1;
        self.leave_if_silent(now);
    }

    /// Clients whose answers wait for the store are told goodbye behind these: else they would send again what was accepted.
    fn leave_if_silent(&mut self, now: Time) {
        if !self.is_ending() || self.silent_workers + 1 < self.shared.workers {
            return;
        }
        for slot in self.slots() {
            if self.connections[slot as usize].phase == Phase::Connected {
                self.leave_or_wait(now, slot);
            }
        }
    }

    /// Whether the broker stops.
    pub(super) fn is_ending(&self) -> bool {
        self.leaving.is_some()
    }

    /// The store got further, or will not any more: who waited for that can leave.
    pub(super) fn leave_answered(&mut self, now: Time) {
        let Some(leaving) = &mut self.leaving else { return };
        for id in std::mem::take(leaving) {
            if let Some(slot) = self.slot_of(id)
                && self.connections[slot as usize].phase == Phase::Connected
            {
                self.leave_or_wait(now, slot);
            }
        }
    }

    /// All that the peer of a closing connection is sent was written: now it gets some time to read it.
    pub fn handle_last_written(&mut self, now: Time, slot: u32) {
        self.connections[slot as usize].last_progress = now;
        self.watch(slot);
    }

    /// How long a closing connection may take.
    pub(super) fn closing_ms(&self, slot: u32) -> u64 {
        match self.is_ending() && self.connections[slot as usize].outbox.is_empty() {
            true => LINGER_AT_END_MS,
            false => CLOSING_MS,
        }
    }

    fn leave_or_wait(&mut self, now: Time, slot: u32) {
        let connection = &self.connections[slot as usize];
        // Nothing is said before CONNACK, and nobody was let in who has not got it.
        let is_owed = connection.held().is_some() && !connection.awaits_connack();
        if is_owed && self.store_state != StoreState::Failed {
            let id = self.connection_id(slot);
            self.leaving.get_or_insert_default().push(id);
            return;
        }
        let session = connection.session;
        self.note_disconnect(now, slot, &Ending::SHUTDOWN);
        self.unbind(slot, session);
        if self.sessions[session].stored != Stored::Nothing {
            self.record_absence(now, session);
        }
        self.say_goodbye(slot, ReasonCode::ServerShuttingDown, None);
        self.close(now, slot);
    }
}
