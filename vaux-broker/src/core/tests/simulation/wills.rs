//! Wills: what a client leaves with the broker, and whether it has to be published.

use super::ledger::{Outcome, Publication};
use super::world::World;
use super::*;

impl World {
    /// Makes the will that a client connects with, if it has one.
    pub(super) fn arm_will(&mut self, client: usize) -> Option<usize> {
        let role = &self.clients[client].role;
        let will = role.will?;
        let publication = Publication {
            publisher: client,
            topic: format!("w/{client}"),
            qos: will.qos,
            retain: will.retain,
            payload: "will".into(),
            has_property: false,
            expiry_s: None,
            is_will: true,
            sent_at: Time::NEVER,
            end: (0, 0),
            handled_at: None,
            sends: 1,
            outcome: Outcome::Open,
        };
        let number = self.ledger.add(publication, &mut self.rng);
        self.clients[client].will = Some(number);
        self.clients[client].will_link = self.clients[client].link.unwrap_or_default();
        Some(number)
    }

    /// The broker has the will.
    pub(super) fn confirm_will(&mut self, client: usize) {
        if let Some(will) = self.clients[client].will {
            self.ledger.publications[will].sent_at = self.now;
        }
    }

    /// A client connects again, or never will: what the will of its last connection has come to.
    pub(super) fn judge_will(&mut self, client: usize) {
        let Some(will) = self.clients[client].will.take() else { return };
        let publication = &mut self.ledger.publications[will];
        let is_armed = publication.sent_at != Time::NEVER && publication.outcome == Outcome::Open;
        // One of QoS 0 goes the way of its client's session when the broker dies.
        if !is_armed || publication.qos == QoS::AtMostOnce {
            return;
        }
        let role = &self.clients[client].role;
        let delay_s = match (role.version, role.will) {
            (Version::V5, Some(will)) => will.delay_s,
            _ => 0,
        };
        let lost_at = self.links[self.clients[client].will_link].given_up_at;
        let due_at = lost_at.map(|at| at.max(self.started_at).plus_seconds(delay_s));
        if delay_s == 0 || due_at.is_some_and(|due_at| due_at < self.now) {
            publication.outcome = Outcome::Acknowledged;
        }
    }
}
