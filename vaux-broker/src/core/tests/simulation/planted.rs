//! Bugs that are planted, to see that each is noticed, and as what.

use std::collections::BTreeSet;

use super::faults::Role;
use super::ledger::Outcome;
use super::store::Flaw;
use super::*;
use crate::message::Content;
use crate::message::Message;
use crate::session::{Delivery, Identifiers};
use crate::store::Record;
use crate::time::Time;
use vaux_mqtt::protocol::SendState;

/// The invariants that are violated in the first schedules when something is wrong with the store.
fn found_with(flaw: Flaw) -> BTreeSet<u8> {
    let plan = |rng: &mut Rng| Plan { flaw: Some(flaw), ..Plan::random(rng) };
    let violations = (0..200).filter_map(|seed| run(seed, plan, false).1.err());
    violations.map(|violation| violation.invariant).collect()
}

/// Runs schedules, each until `plant` finds something to spoil in one, and says what was violated then.
fn found_after(schedules: u64, plant: impl Fn(&mut World) -> bool) -> BTreeSet<u8> {
    found_among(schedules, Plan::random, plant)
}

/// The same, in schedules of some kind.
fn found_among(
    schedules: u64,
    plan: impl Fn(&mut Rng) -> Plan,
    plant: impl Fn(&mut World) -> bool,
) -> BTreeSet<u8> {
    violations_among(schedules, plan, plant).into_iter().map(|violation| violation.invariant).collect()
}

fn violations_among(
    schedules: u64,
    plan: impl Fn(&mut Rng) -> Plan,
    plant: impl Fn(&mut World) -> bool,
) -> Vec<Violation> {
    let mut found = Vec::new();
    for seed in 0..schedules {
        let mut world = World::new(seed, &plan);
        let mut is_planted = false;
        let end = world.now.plus_ms(world.plan.duration_ms);
        while world.violation.is_none() && world.now < end {
            world.run_until(world.now.plus_ms(5));
            is_planted = is_planted || plant(&mut world);
        }
        world.settle();
        found.extend(world.violation.filter(|_| is_planted));
    }
    found
}

/// Spoils the first session that `spoil` finds something to spoil in.
fn spoil(world: &mut World, spoil: impl FnMut(&mut Session) -> bool) -> bool {
    let cores = world.workers.iter_mut().map(|worker| &mut worker.core);
    cores.flat_map(|core| core.sessions.iter_mut().map(|(_, session)| session)).any(spoil)
}

/// Takes the first message that waits in a session, and puts another one in its place.
fn replace(session: &mut Session, change: impl Fn(Content<'_>) -> Option<Content<'_>>) -> bool {
    let Some(mut delivery) = session.queue.pop() else { return false };
    let changed =
        change(delivery.message.content()).map(|content| Message::new(delivery.message.mid, &content));
    let is_changed = changed.is_some();
    delivery.message = changed.unwrap_or(delivery.message);
    session.queue.push_front(delivery);
    is_changed
}

/// Schedules with two members of a shared subscription to QoS 2, whose sessions stay.
fn with_members(rng: &mut Rng) -> Plan {
    let mut plan = Plan::random(rng);
    plan.clients.retain(|role| !role.client_id.starts_with('m'));
    plan.clients.extend((0..2).map(|number| Role {
        filters: vec![("$share/g/n/+", QoS::ExactlyOnce)],
        expiry_s: 1000,
        ..Role::member(rng, number)
    }));
    plan
}

/// A message for a shared subscription that waits, and the session where it does.
fn waiting_for_member(world: &World, is_online: bool) -> Option<(u64, Delivery)> {
    let sessions = world.workers.iter().flat_map(|worker| worker.core.sessions.iter());
    let mut holders = sessions.filter(|(_, session)| session.connection().is_some() == is_online);
    holders.find_map(|(_, session)| {
        let mut waiting = session.queue.iter();
        Some((session.sid, waiting.find(|delivery| delivery.group.is_some())?.clone()))
    })
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
    assert_found(&found_with(Flaw::SpeaksTooSoon), &[9]);
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
        spoil(world, |session| replace(session, |content| Some(Content { payload: b"0:changed", ..content })))
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

#[test]
fn a_message_that_is_sent_again_on_one_connection_is_noticed() {
    let found = found_after(200, |world| {
        spoil(world, |session| {
            let is_connected = session.connection().is_some() && !session.outbound.is_empty();
            if is_connected {
                session.outbound.begin_connection(session.outbound.window());
            }
            is_connected
        })
    });
    assert_found(&found, &[3]);
}

#[test]
fn a_message_that_is_sent_again_as_if_it_were_new_is_noticed() {
    let found = found_after(500, |world| {
        spoil(world, |session| {
            let is_away = session.connection().is_none();
            let sent = session.outbound.extract(|entry| is_away && entry.state == SendState::AwaitPubAck);
            let sent: Vec<_> = sent.into_iter().filter_map(|entry| entry.message.flatten()).collect();
            let is_spoilt = !sent.is_empty();
            sent.into_iter().rev().for_each(|delivery| session.queue.push_front(delivery));
            is_spoilt
        })
    });
    assert_found(&found, &[3]);
}

#[test]
fn a_replay_of_retained_messages_that_is_lost_is_noticed() {
    let found = found_after(2_000, |world| {
        let cores = world.workers.iter_mut().map(|worker| &mut worker.core);
        let mut connections = cores.flat_map(|core| core.connections.iter_mut());
        let replaying = connections.find(|(_, connection)| connection.has_replays());
        replaying.map(|(_, connection)| connection.extras_mut().replays.clear()).is_some()
    });
    assert_found(&found, &[6]);
}

#[test]
fn a_worker_that_does_not_wait_for_the_store_is_noticed() {
    type IsWanted = fn(&Record) -> bool;
    let kinds: [(&str, IsWanted); 7] = [
        ("ConnAck", |record| matches!(record, Record::Session(_))),
        ("SubAck", |record| matches!(record, Record::Subscribed { .. })),
        ("PubAck", |record| matches!(record, Record::Delivery { .. })),
        ("PubRec", |record| matches!(record, Record::Received { .. })),
        ("PubComp", |record| matches!(record, Record::Released { .. })),
        ("PubRel", |record| matches!(record, Record::Arrived { .. })),
        ("Publish", |record| matches!(record, Record::Sent { .. } | Record::Delivery { .. })),
    ];
    for (packet, is_wanted) in kinds {
        let violations = violations_among(300, Plan::random, |world| {
            let waiting = || world.store.waiting_records();
            // Nothing that clients get can be early before CONNACK.
            let is_first = |record: &Record| matches!(record, Record::Session(_)) && !is_wanted(record);
            if waiting().any(is_first) || !waiting().any(is_wanted) {
                return false;
            }
            let now = world.now;
            let cores = world.workers.iter_mut().map(|worker| &mut worker.core);
            let waiting = cores.filter(|core| core.is_waiting_for(core.recorder.latest()));
            waiting.map(|core| core.handle_durable(now, core.recorder.latest())).count() > 0
        });
        let is_early = |one: &Violation| one.invariant == 9 && one.text.contains(&format!("got {packet}("));
        assert!(violations.iter().any(is_early), "{packet}");
    }
}

#[test]
fn a_client_that_is_refused_and_takes_a_session_over_is_noticed() {
    let found = found_after(500, |world| {
        let Some(intruder) = world.plan.clients.iter().find(|role| role.is_intruder) else { return false };
        let is_victim = |session: &Session| *session.key.client_id == *intruder.client_id;
        let cores = world.workers.iter_mut().map(|worker| &mut worker.core);
        let mut taken = cores.filter_map(|core| {
            let (slot, session) = core.sessions.iter().find(|(_, session)| is_victim(session))?;
            let connection = session.connection()?;
            core.take_over(world.now, connection, slot);
            Some(connection)
        });
        taken.next().is_some()
    });
    assert_found(&found, &[11]);
}

#[test]
fn a_message_that_is_refused_and_delivered_is_noticed() {
    let found = found_after(1_000, |world| {
        let mut refused = world.ledger.publications.iter().filter(|one| {
            one.outcome == Outcome::Refused && !one.topic.starts_with("x/") && !one.has_property
        });
        let Some(refused) = refused.next().cloned() else { return false };
        let content = Content {
            publisher: 0,
            qos: refused.qos,
            retain: false,
            expires_at: Time::NEVER,
            topic: &refused.topic,
            properties: &[],
            payload: refused.payload.as_bytes(),
        };
        let delivery = Delivery {
            message: Message::new(u64::MAX, &content),
            qos: QoS::AtMostOnce,
            retain: false,
            identifiers: Identifiers::default(),
            group: None,
        };
        let clients = world.clients.iter().filter(|client| {
            let mut subscriptions = client.session.iter().flat_map(|session| &session.subscriptions);
            subscriptions.any(|one| one.matches(&refused.topic) && one.granted_at.is_some())
        });
        let receivers: Vec<String> = clients.map(|client| client.role.client_id.clone()).collect();
        spoil(world, |session| {
            let gets_it = receivers.iter().any(|receiver| **receiver == *session.key.client_id);
            if gets_it {
                session.queue.restore(delivery.clone());
            }
            gets_it
        })
    });
    assert_found(&found, &[11]);
}

#[test]
fn a_message_that_expires_early_is_noticed() {
    let found = found_after(200, |world| {
        let now = world.now;
        spoil(world, |session| {
            replace(session, |content| {
                let is_lasting = content.qos > QoS::AtMostOnce && content.expires_at == Time::NEVER;
                is_lasting.then_some(Content { expires_at: now, ..content })
            })
        })
    });
    assert_found(&found, &[13]);
}

#[test]
fn a_message_that_does_not_expire_is_noticed() {
    let found = found_after(500, |world| {
        spoil(world, |session| {
            replace(session, |content| {
                let is_expiring = content.expires_at != Time::NEVER;
                is_expiring.then_some(Content { expires_at: Time::NEVER, ..content })
            })
        })
    });
    assert_found(&found, &[13]);
}

#[test]
fn a_session_that_does_not_expire_is_noticed() {
    let found = found_after(1_000, |world| {
        spoil(world, |session| {
            let is_ending = session.connection().is_none() && session.ends_at != Time::NEVER;
            if is_ending {
                session.ends_at = Time::NEVER;
            }
            is_ending
        })
    });
    assert_found(&found, &[13]);
}

#[test]
fn a_message_that_goes_to_two_members_is_noticed() {
    let found = found_among(500, with_members, |world| {
        let Some((holder, delivery)) = waiting_for_member(world, true) else { return false };
        spoil(world, |session| {
            let is_other_member = session.member().is_some() && session.sid != holder;
            if is_other_member {
                session.queue.restore(delivery.clone());
            }
            is_other_member
        })
    });
    assert_found(&found, &[14]);
}

#[test]
fn a_message_that_waits_for_a_member_that_is_away_is_noticed() {
    let found = found_among(1_000, with_members, |world| {
        let Some((holder, delivery)) = waiting_for_member(world, true) else { return false };
        let is_moved = spoil(world, |session| {
            let is_away = session.member().is_some() && session.connection().is_none();
            if is_away {
                session.queue.restore(delivery.clone());
            }
            is_away
        });
        let is_it = |other: &Delivery| other.message.mid == delivery.message.mid;
        is_moved && spoil(world, |session| session.sid == holder && !session.queue.extract(is_it).is_empty())
    });
    assert_found(&found, &[14]);
}

#[test]
fn a_message_that_no_member_gets_is_noticed() {
    let found = found_among(200, with_members, |world| {
        let Some((holder, delivery)) = waiting_for_member(world, true) else { return false };
        let is_it = |other: &Delivery| other.message.mid == delivery.message.mid;
        spoil(world, |session| session.sid == holder && !session.queue.extract(is_it).is_empty())
    });
    assert_found(&found, &[14]);
}
