//! Clients that are let in for a while, or for as long as their proof holds.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;

use super::observe::incidents;
use super::*;

impl Sim {
    /// Asks of all connected clients whether their proof still holds.
    fn review(&mut self, still_holds: StillHolds<'_>) {
        self.cores.iter_mut().for_each(|core| core.handle_review(self.now, still_holds));
        self.settle();
    }

    fn admit(&mut self, admission: Admission, client_id: &str, version: Version) -> Client {
        self.admission = Some(admission);
        let client = self.connect(&Hello { version, ..Hello::new(client_id) });
        self.admission = None;
        client
    }

    fn causes(&mut self, client_id: &str) -> Vec<String> {
        let told = incidents(self, &json!({"command": "why", "client_id": client_id}));
        told.into_iter().map(|(cause, _)| cause).collect()
    }
}

fn alice() -> Admission {
    Identity::User("alice".into()).into()
}

#[test]
fn a_client_is_disconnected_when_its_proof_runs_out_and_not_before() {
    with_workers(|mut sim| {
        let expires_at = Some(UNIX_EPOCH + Duration::from_millis(sim.now.0 + 5_000));
        let admission = Admission { expires_at, ..alice() };
        let client = sim.admit(admission.clone(), "c", Version::V5);
        let old = sim.admit(admission, "old", Version::V311);
        let other = sim.admit(alice(), "other", Version::V5);
        sim.advance(4_999);
        assert_eq!(sim.ping(client), [Seen::Pong]);
        sim.advance(1);
        assert_eq!(sim.see(client), [Seen::Disconnect(ReasonCode::NotAuthorized)]);
        assert_eq!(sim.see(old), []);
        assert!(!sim.is_open(client) && !sim.is_open(old) && sim.is_open(other));
        assert_eq!(sim.causes("c"), ["credentials-expired"]);
        assert_eq!(sim.causes("old"), ["credentials-expired"]);
        let expired: u64 = sim.cores.iter().map(|core| core.counters().expired_credentials).sum();
        assert_eq!(expired, 2);
    });
}

#[test]
fn a_client_is_disconnected_when_its_proof_does_not_hold_any_more() {
    with_workers(|mut sim| {
        let [first, second] =
            [1, 2].map(|proof| sim.admit(alice().proved_by(proof), &format!("c{proof}"), Version::V5));
        let unproved = sim.admit(alice(), "unproved", Version::V5);
        sim.review(&mut |_| true);
        assert!([first, second, unproved].into_iter().all(|client| sim.is_open(client)));
        let mut asked = Vec::new();
        sim.review(&mut |login| {
            assert_eq!((&*login.listener.name, login.identity), ("default", &Identity::User("alice".into())));
            asked.push(login.proof);
            login.proof != 1
        });
        asked.sort_unstable();
        assert_eq!(asked, [0, 1, 2]);
        assert_eq!(sim.see(first), [Seen::Disconnect(ReasonCode::NotAuthorized)]);
        assert!(!sim.is_open(first) && sim.is_open(second) && sim.is_open(unproved));
        assert_eq!(sim.causes("c1"), ["credentials-revoked"]);
        let revoked: u64 = sim.cores.iter().map(|core| core.counters().revoked_credentials).sum();
        assert_eq!(revoked, 1);
    });
}

#[test]
fn its_session_waits_and_its_will_is_published_as_after_any_loss() {
    let mut sim = Sim::new(1);
    let watcher = sim.connect(&Hello::new("w"));
    sim.subscribe(watcher, "will", QoS::AtMostOnce);
    sim.admission = Some(alice().proved_by(1));
    let hello = Hello { will: Some(("will", 0)), ..Hello::durable("c") };
    sim.connect(&hello);
    sim.review(&mut |login| login.proof == 0);
    assert_eq!(sim.see(watcher), [message("will", "will", 0, 0)]);
    let (_, seen) = sim.connect_and_see(&hello);
    assert_eq!(seen, [Seen::ConnAck(true, ReasonCode::Success)]);
}
