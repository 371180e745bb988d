//! On what terms a client is let in, and what becomes of it when they are not given any more.

use std::time::{SystemTime, UNIX_EPOCH};

use vaux_mqtt::ReasonCode;

use super::Core;
use super::connection::Phase;
use super::observe::Ending;
use super::settings::ListenerSettings;
use crate::rights::Grants;
use crate::session::Identity;
use crate::time::Time;

/// On what terms a client is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Who it is.
    pub identity: Identity,
    /// What it may do, instead of what [`crate::Authorize`] says.
    pub grants: Option<Grants>,
    /// When its proof of who it is runs out: it is disconnected then.
    pub expires_at: Option<SystemTime>,
    /// Stands for what it proved that by. [`crate::Authenticate::still_holds`] is asked by it whether the client may
    /// stay. 0: nobody is asked.
    pub proof: u64,
}

impl Admission {
    /// Lets a client in for as long as it likes, with the rights that [`crate::Authorize`] gives it.
    pub fn new(identity: Identity) -> Admission {
        Admission { identity, grants: None, expires_at: None, proof: 0 }
    }

    /// The same, and whether this still holds is asked about later.
    #[must_use]
    pub fn proved_by(self, proof: u64) -> Admission {
        Admission { proof, ..self }
    }

    /// When the client is to be disconnected.
    pub(super) fn ends_at(&self) -> Time {
        self.expires_at.map_or(Time::NEVER, |at| {
            Time(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64)
        })
    }
}

impl From<Identity> for Admission {
    fn from(identity: Identity) -> Admission {
        Admission::new(identity)
    }
}

/// On what terms a connected client was let in, for those who know whether they still hold.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// Its connection.
    pub slot: u32,
    /// The listener, as it was when the connection was accepted.
    pub listener: &'a ListenerSettings,
    /// Who it is.
    pub identity: &'a Identity,
    /// As in [`Admission::proof`].
    pub proof: u64,
}

/// Whether a client could still be let in as it was.
pub type StillHolds<'a> = &'a mut dyn FnMut(Login<'_>) -> bool;

impl Core {
    /// A connected client goes on these terms, from now on.
    pub(super) fn admit(&mut self, slot: u32, admission: &Admission) {
        let connection = &mut self.connections[slot as usize];
        connection.proof = admission.proof;
        let until = admission.expires_at.is_some().then(|| admission.ends_at());
        if until.is_some() || connection.extras.is_some() {
            connection.extras_mut().admitted_until = until;
        }
    }

    /// Ends the connections of clients whose proof does not hold any more.
    pub fn handle_review(&mut self, now: Time, still_holds: StillHolds<'_>) {
        for slot in self.slots() {
            self.review(now, slot, still_holds);
        }
    }

    /// Ends the connection if its client's proof does not hold: it may have been given before something changed.
    pub fn review(&mut self, now: Time, slot: u32, still_holds: StillHolds<'_>) {
        let Some(connection) = self.connections.get(slot as usize) else { return };
        if connection.phase != Phase::Connected {
            return;
        }
        let identity = &self.sessions[connection.session].identity;
        let login = Login { slot, listener: &connection.listener, identity, proof: connection.proof };
        if !still_holds(login) {
            self.counters.revoked_credentials += 1;
            self.end_admission(now, slot, &Ending::CREDENTIALS_REVOKED);
        }
    }

    /// What a connected client proved who it is by has run out.
    pub(super) fn handle_expired_admission(&mut self, now: Time, slot: u32) {
        self.counters.expired_credentials += 1;
        self.end_admission(now, slot, &Ending::CREDENTIALS_EXPIRED);
    }

    /// Nothing proves any more who a connected client is.
    pub(super) fn end_admission(&mut self, now: Time, slot: u32, ending: &Ending) {
        self.lose(now, slot, ending);
        self.say_goodbye(slot, ReasonCode::NotAuthorized, Some(ending.text));
        self.close(now, slot);
    }
}
