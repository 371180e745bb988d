//! Who takes part: publishers, subscribers, clients with wills, and one that keeps changing its mind.

use fastrand::Rng;
use vaux_mqtt::{QoS, Version};

use super::crowd::{Crowd, Part};
use super::fickle::Fickle;
use super::group::Sharer;
use super::ledger::Ledger;
use super::member::{Connecting, Member};
use super::publisher::Publisher;
use super::retained::KeptTopic;
use super::subscriber::{Habit, Subscriber};
use super::testator::Testator;
use crate::Outcome;

const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;

/// How long sessions are kept, in seconds: longer than any run.
const KEPT_S: u32 = 36_000;

const PUBLISHERS: usize = 6;

/// One subscriber.
struct Row {
    name: &'static str,
    version: Version,
    /// No two of them match the same topic.
    filters: &'static [(&'static str, QoS)],
    habit: Habit,
    /// What it may have unacknowledged.
    receive_maximum: u16,
    /// How long it takes to acknowledge.
    answer_ms: u64,
}

const fn row(
    name: &'static str,
    version: Version,
    filters: &'static [(&'static str, QoS)],
    habit: Habit,
) -> Row {
    Row { name, version, filters, habit, receive_maximum: u16::MAX, answer_ms: 0 }
}

const SUBSCRIBERS: [Row; 8] = [
    row("s0", Version::V5, &[("t/#", Q2), ("will/#", Q2)], Habit::Online),
    row("s1", Version::V311, &[("t/#", Q1), ("will/#", Q1)], Habit::Online),
    row("s2", Version::V5, &[("t/+/0", Q2), ("will/#", Q2)], Habit::Restless),
    Row { answer_ms: 40, ..row("s3", Version::V311, &[("t/+/1", Q2), ("t/all", Q2)], Habit::Restless) },
    Row { receive_maximum: 20, ..row("s4", Version::V5, &[("t/all", Q1), ("t/+/1", Q1)], Habit::Restless) },
    Row { receive_maximum: 5, ..row("s5", Version::V5, &[("t/#", Q2)], Habit::Online) },
    row("s6", Version::V311, &[("t/#", Q2), ("will/#", Q2)], Habit::Seldom),
    Row { answer_ms: 100, ..row("s7", Version::V5, &[("t/#", Q2), ("will/#", Q1)], Habit::Online) },
];

/// Their names, versions, how long their session is kept, QoS and delay of their wills, and whether they are retained.
const TESTATORS: [(&str, Version, u32, QoS, u32, bool); 5] = [
    ("w0", Version::V5, KEPT_S, Q2, 0, false),
    ("w1", Version::V311, 0, Q1, 0, false),
    ("w2", Version::V5, KEPT_S, Q2, 5, false),
    (STAYS_AWAY, Version::V5, KEPT_S, Q1, 1, false),
    ("w4", Version::V311, KEPT_S, Q1, 0, true),
];

/// The client that in some rounds does not return before its will is due.
pub(super) const STAYS_AWAY: &str = "w3";

/// The client that changes its subscriptions.
pub(super) const FICKLE: &str = "fickle";

/// All clients, and the topics with retained messages.
///
/// # Errors
///
/// The system gives no `epoll`.
pub(super) fn assemble(rng: Rng) -> Outcome<(Crowd, Vec<KeptTopic>)> {
    let mut ledger = Ledger::default();
    let mut parts = Vec::new();
    let mut kept = Vec::new();
    for number in 0..PUBLISHERS {
        let name = format!("p{number}");
        let topics = [format!("t/{name}/0"), format!("t/{name}/1"), "t/all".to_owned()];
        let plain = lanes(&mut ledger, &name, &topics);
        let topics = [format!("kept/{name}/0"), format!("kept/{name}/1"), "kept/all".to_owned()];
        let own = lanes(&mut ledger, &name, &topics);
        kept.extend_from_slice(&own);
        let version = if number % 2 == 0 { Version::V5 } else { Version::V311 };
        let member = Member::new(&name, Connecting::new(version, KEPT_S));
        parts.push((member, Part::Publisher(Publisher::new(plain, own))));
    }
    for (name, version, expiry_s, qos, delay_s, is_retained) in TESTATORS {
        let lane = ledger.add_lane(name, &format!("will/{name}"), qos, true);
        kept.extend(is_retained.then_some(lane));
        let member = Member::new(name, Connecting::new(version, expiry_s));
        parts.push((member, Part::Testator(Testator::new(lane, delay_s, is_retained))));
    }
    for Row { name, version, filters, habit, receive_maximum, answer_ms } in SUBSCRIBERS {
        let settings = Connecting { receive_maximum, answer_ms, ..Connecting::new(version, KEPT_S) };
        let subscriber = Subscriber::new(name, filters, habit, &ledger);
        parts.push((Member::new(name, settings), Part::Subscriber(subscriber)));
    }
    for (name, version) in [("g0", Version::V5), ("g1", Version::V311)] {
        let settings = Connecting { answer_ms: 20, ..Connecting::new(version, KEPT_S) };
        parts.push((Member::new(name, settings), Part::Sharer(Sharer::default())));
    }
    parts.push((Member::new(FICKLE, Connecting::new(Version::V5, KEPT_S)), Part::Fickle(Fickle::new())));
    let kept = KeptTopic::of_lanes(&ledger, kept.into_iter());
    Ok((Crowd::new(parts, ledger, rng)?, kept))
}

/// A lane for each topic and QoS.
fn lanes(ledger: &mut Ledger, writer: &str, topics: &[String]) -> Vec<u32> {
    let pairs = topics.iter().flat_map(|topic| [Q1, Q2].map(|qos| (topic, qos)));
    pairs.map(|(topic, qos)| ledger.add_lane(writer, topic, qos, false)).collect()
}

/// A visitor whose session ends with its connection.
pub(super) fn inspector() -> Member {
    Member::new("inspector", Connecting::new(Version::V5, 0))
}
