//! Bugs that are planted, to see that each is noticed, and as what.

use std::collections::BTreeSet;

use super::store::Flaw;
use super::*;
use crate::message::Content;
use crate::message::Message;

/// The invariants that are violated in the first schedules when something is wrong with the store.
fn found_with(flaw: Flaw) -> BTreeSet<u8> {
    let plan = |rng: &mut Rng| Plan { flaw: Some(flaw), ..Plan::random(rng) };
    let violations = (0..200).filter_map(|seed| run(seed, plan, false).1.err());
    violations.map(|violation| violation.invariant).collect()
}

/// Runs schedules, each until `plant` finds something to spoil in one, and says what was violated then.
fn found_after(schedules: u64, plant: impl Fn(&mut World) -> bool) -> BTreeSet<u8> {
    let mut found = BTreeSet::new();
    for seed in 0..schedules {
        let mut world = World::new(seed, Plan::random);
        let mut is_planted = false;
        let end = world.now.plus_ms(world.plan.duration_ms);
        while world.violation.is_none() && world.now < end {
            world.run_until(world.now.plus_ms(5));
            is_planted = is_planted || plant(&mut world);
        }
        world.settle();
        if let Some(violation) = world.violation.filter(|_| is_planted) {
            found.insert(violation.invariant);
        }
    }
    found
}

/// Spoils the first session that `spoil` finds something to spoil in.
fn spoil(world: &mut World, spoil: impl FnMut(&mut Session) -> bool) -> bool {
    let cores = world.workers.iter_mut().map(|worker| &mut worker.core);
    cores.flat_map(|core| core.sessions.iter_mut().map(|(_, session)| session)).any(spoil)
}

fn assert_found(found: &BTreeSet<u8>, expected: &[u8]) {
    assert!(expected.iter().all(|invariant| found.contains(invariant)), "{found:?}");
}

#[test]
fn a_store_that_loses_a_batch_is_noticed() {
    assert_found(&found_with(Flaw::LosesBatch), &[1, 15]);
}

#[test]
fn a_store_that_speaks_too_soon_is_noticed() {
    assert_found(&found_with(Flaw::SpeaksTooSoon), &[1]);
}

#[test]
fn a_queue_that_loses_a_message_is_noticed() {
    let found = found_after(200, |world| {
        spoil(world, |session| session.queue.pop().is_some_and(|delivery| delivery.qos > QoS::AtMostOnce))
    });
    assert_found(&found, &[1, 15]);
}

#[test]
fn a_delivery_that_is_doubled_is_noticed() {
    let found = found_after(200, |world| {
        spoil(world, |session| {
            let doubled = session.queue.iter().find(|delivery| delivery.qos == QoS::ExactlyOnce).cloned();
            doubled.map(|delivery| session.queue.restore(delivery)).is_some()
        })
    });
    assert_found(&found, &[2]);
}

#[test]
fn a_queue_that_is_turned_round_is_noticed() {
    let found = found_after(200, |world| {
        spoil(world, |session| {
            let first = session.queue.pop();
            let is_turned = !session.queue.is_empty();
            first.into_iter().for_each(|delivery| session.queue.restore(delivery));
            is_turned
        })
    });
    assert_found(&found, &[4]);
}

#[test]
fn a_message_that_is_changed_is_noticed() {
    let found = found_after(200, |world| {
        spoil(world, |session| {
            let Some(mut delivery) = session.queue.pop() else { return false };
            let content = Content { payload: b"0:changed", ..delivery.message.content() };
            delivery.message = Message::new(delivery.message.mid, &content);
            session.queue.push_front(delivery);
            true
        })
    });
    assert_found(&found, &[5]);
}

#[test]
fn a_window_that_is_too_wide_is_noticed() {
    let found = found_after(200, |world| {
        spoil(world, |session| {
            let is_full = session.outbound.window() > 0 && !session.queue.is_empty();
            if is_full {
                session.outbound.begin_connection(100);
            }
            is_full
        })
    });
    assert_found(&found, &[8]);
}

#[test]
fn a_retained_message_that_is_stale_after_a_crash_is_noticed() {
    assert_found(&found_with(Flaw::KeepsOldRetained), &[7]);
}

#[test]
fn a_session_that_is_at_two_homes_is_noticed() {
    let found = found_after(200, |world| {
        let first = world.workers[0].core.sessions.iter().next();
        let key = first.map(|(_, session)| session.key.clone());
        let Some(key) = key.filter(|_| world.workers.len() > 1) else { return false };
        let identity = Identity::Anonymous;
        world.workers[1].core.insert_session_with(1_000_000, key, identity);
        true
    });
    assert_found(&found, &[10]);
}

#[test]
fn a_will_that_is_forgotten_is_noticed() {
    let found = found_after(2_000, |world| {
        spoil(world, |session| session.connection().is_some() && session.will.take().is_some())
    });
    assert_found(&found, &[12]);
}

#[test]
fn a_session_that_ends_early_is_noticed() {
    let found = found_after(200, |world| {
        let now = world.now;
        let cores = world.workers.iter_mut().map(|worker| &mut worker.core);
        let mut all = cores.flat_map(|core| {
            let away = core.sessions.iter().find(|(_, session)| session.connection().is_none());
            let away = away.map(|(slot, _)| slot);
            away.map(|away| core.end_session(now, away))
        });
        all.next().is_some()
    });
    assert_found(&found, &[1]);
}
