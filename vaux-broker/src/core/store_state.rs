//! What changes when the store is full, or cannot be written any more.

use super::Core;
use super::connection::Phase;
use super::observe::Ending;
use crate::session::Stored;
use crate::store::StoreState;
use crate::time::Time;
use vaux_mqtt::ReasonCode;

/// With more than this waiting to be written, those who publish what has to be are not read.
const BACKLOG_HIGH_BYTES: usize = 64 << 20;
/// With less than this they are read again.
const BACKLOG_LOW_BYTES: usize = 32 << 20;

impl Core {
    /// How many bytes of submissions wait to be written.
    pub fn handle_store_backlog(&mut self, bytes: usize) {
        self.is_store_behind =
            bytes >= if self.is_store_behind { BACKLOG_LOW_BYTES } else { BACKLOG_HIGH_BYTES };
    }

    /// The state of the store, as it is now. After a failure nothing is acknowledged that would have to be kept: stored
    /// sessions lose their connections, so that their clients know.
    pub fn handle_store_state(&mut self, now: Time, state: StoreState) {
        if state != self.store_state {
            let text = match state {
                StoreState::Good => "the store has room again",
                StoreState::Full => "the store is full",
                StoreState::Failed => "the store failed",
            };
            self.handle_event(now, "store", text);
        }
        let has_failed = state == StoreState::Failed && self.store_state != StoreState::Failed;
        self.store_state = state;
        if !has_failed {
            return;
        }
        let connected =
            self.connections.iter().filter(|(_, connection)| connection.phase == Phase::Connected);
        let slots: Vec<u32> = connected
            .filter(|(_, connection)| self.sessions[connection.session].stored != Stored::Nothing)
            .map(|(slot, _)| slot as u32)
            .collect();
        for slot in slots {
            self.lose(now, slot, &Ending::STORE_FAILED);
            self.say_goodbye(slot, ReasonCode::ImplementationSpecificError, Some("the store failed"));
            self.close(now, slot);
        }
        self.leave_answered(now);
    }
}
