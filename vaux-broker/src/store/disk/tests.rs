//! What is written is read again; what is damaged is set aside.

mod damage;
mod queues;
mod room;

use std::fs;
use std::sync::mpsc::channel;
use std::time::Duration;

use tempfile::TempDir;
use vaux_mqtt::packet::SubscriptionOptions;
use vaux_mqtt::topic::TopicFilter;
use vaux_mqtt::{PacketId, QoS};

use super::*;
use crate::message::{Content, Message};
use crate::retained::Source;
use crate::rights::{Grants, Rule};
use crate::router::interest::GroupKey;
use crate::session::{Delivery, Identifiers, Identity, SessionKey, SessionSubscription, Will};
use crate::store::{Record, SessionRecord};
use crate::time::Time;

fn message(mid: u64, topic: &str, payload: &[u8]) -> Message {
    let content = Content {
        publisher: 9,
        qos: QoS::AtLeastOnce,
        retain: true,
        expires_at: Time::NEVER,
        topic,
        properties: &[1, 1],
        payload,
    };
    Message::new(mid, &content)
}

fn delivery(mid: u64, qos: QoS) -> Delivery {
    let group = GroupKey { share_name: "g".into(), filter: "a/+".into() };
    Delivery {
        message: message(mid, "a/b", b"payload"),
        qos,
        retain: false,
        identifiers: Identifiers::new([1, 268_435_455].into_iter()),
        group: Some(Arc::new(group)),
    }
}

fn grants() -> Grants {
    let rule = Rule { topic: "a/\"b\"/#".into(), publish: true, subscribe: false, is_denial: false };
    Grants::new(vec![rule]).unwrap()
}

fn session(sid: u64, will: Option<Will>) -> Record {
    Record::Session(Box::new(SessionRecord {
        sid,
        key: SessionKey { mount: "m/".into(), client_id: format!("c{sid}").into() },
        identity: Identity::User("u".into()),
        grants: Some(grants()),
        expiry_ms: u64::MAX,
        ends_at: Time::NEVER,
        is_connected: true,
        will: will.map(Box::new),
    }))
}

fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

/// Writes each list of records as a submission and ends. Retained messages are those of `tree`.
fn write_with(directory: &Path, tree: &Arc<Retained>, submissions: Vec<Vec<Record>>) {
    write_and(directory, tree, submissions, |_| ());
}

/// The same, with something to be done when everything is on the disk and the store is open.
fn write_and(
    directory: &Path,
    tree: &Arc<Retained>,
    submissions: Vec<Vec<Record>>,
    then: impl FnOnce(&Path),
) {
    let store = DiskStore::open(directory).unwrap();
    let options = DiskOptions {
        durability: Durability::Commit,
        interval: Duration::ZERO,
        company: Duration::ZERO,
        max_bytes: u64::MAX,
    };
    let (woken, wakes) = channel();
    let wake: Wake = Arc::new(move || woken.send(()).unwrap());
    let (mut handles, thread) = store.start(options, Arc::clone(tree), vec![wake]).unwrap();
    let last = Sequence(submissions.len() as u64);
    for (number, records) in submissions.into_iter().enumerate() {
        handles[0].submit(Submission { sequence: Sequence(number as u64 + 1), records });
    }
    while handles[0].durable() < last {
        wakes.recv().unwrap();
    }
    then(directory);
    drop(handles);
    thread.join().unwrap();
}

fn write(directory: &Path, submissions: Vec<Vec<Record>>) {
    write_with(directory, &Arc::default(), submissions);
}

fn contents(directory: &Path) -> Contents {
    let store = DiskStore::open(directory).unwrap();
    assert_eq!(store.damage, Vec::<String>::new());
    store.contents
}

#[test]
fn a_session_is_read_as_it_was_written() {
    let directory = TempDir::new().unwrap();
    let will = Will {
        topic: "will".into(),
        properties: vec![1, 0],
        payload: vec![0xFF],
        qos: QoS::ExactlyOnce,
        retain: true,
        delay_s: 7,
        expiry_s: Some(8),
        due_at: Time::NEVER,
    };
    let options = SubscriptionOptions::from_bits(0b10_1110).unwrap();
    let subscription = SessionSubscription::new(TopicFilter::new("$share/g/a/+").unwrap(), "m/", options, 42);
    let records = vec![
        session(1, Some(will)),
        Record::Subscribed { sid: 1, subscription: Box::new(subscription.clone()) },
        Record::Delivery { sid: 1, delivery: delivery(10, QoS::AtLeastOnce), packet_id: None },
        Record::Delivery { sid: 1, delivery: delivery(11, QoS::ExactlyOnce), packet_id: Some(id(5)) },
        Record::Received { sid: 1, packet_id: id(65_535) },
    ];
    let later = vec![
        Record::Sent { sid: 1, mid: 10, packet_id: id(4) },
        Record::Arrived { sid: 1, mid: 11, packet_id: id(5) },
        Record::Absent { sid: 1, expiry_ms: 60_000, ends_at: Time(70_000), will_due_at: Time(17_000) },
    ];
    write(directory.path(), vec![records, later]);
    let contents = contents(directory.path());
    assert_eq!((contents.last_sid, contents.last_mid), (1, 11), "a number is never used again");
    let [stored] = &contents.sessions[..] else { panic!("{:?}", contents.sessions) };
    assert_eq!(&*stored.session.key.client_id, "c1");
    assert_eq!(&*stored.session.key.mount, "m/");
    assert_eq!(stored.session.identity, Identity::User("u".into()));
    assert_eq!(stored.session.grants, Some(grants()));
    assert_eq!((stored.session.expiry_ms, stored.session.ends_at), (60_000, Time(70_000)));
    assert!(!stored.session.is_connected);
    let will = stored.session.will.as_ref().unwrap();
    assert_eq!(
        (&*will.topic, &will.payload[..], will.qos, will.retain),
        ("will", &[0xFF][..], QoS::ExactlyOnce, true)
    );
    assert_eq!((will.delay_s, will.expiry_s, will.due_at), (7, Some(8), Time(17_000)));
    assert_eq!(stored.subscriptions, [subscription]);
    let [(kept, packet_id)] = &stored.deliveries[..] else { panic!("{:?}", stored.deliveries) };
    assert_eq!((kept.message.mid, kept.qos, *packet_id), (10, QoS::AtLeastOnce, Some(id(4))));
    assert_eq!((kept.message.content().topic, kept.message.payload()), ("a/b", &b"payload"[..]));
    assert_eq!(kept.identifiers.as_slice(), [1, 268_435_455]);
    assert_eq!(&*kept.group.as_ref().unwrap().filter, "a/+");
    assert_eq!((&stored.releasing[..], &stored.received[..]), (&[id(5)][..], &[id(65_535)][..]));
}

#[test]
fn a_message_stays_until_its_last_delivery_is_gone() {
    let directory = TempDir::new().unwrap();
    let put = |sid| Record::Delivery { sid, delivery: delivery(10, QoS::AtLeastOnce), packet_id: None };
    write(directory.path(), vec![vec![session(1, None), session(2, None), put(1), put(2)]]);
    write(directory.path(), vec![vec![Record::Delivered { sid: 1, mid: 10 }]]);
    assert_eq!(contents(directory.path()).sessions[1].deliveries.len(), 1);
    // Twice is once; then another session takes the last one over, and ends.
    let moved = vec![
        Record::Delivered { sid: 1, mid: 10 },
        put(1),
        Record::Delivered { sid: 2, mid: 10 },
        Record::SessionEnded { sid: 2 },
    ];
    write(directory.path(), vec![moved]);
    let after = contents(directory.path());
    assert_eq!((after.sessions.len(), after.sessions[0].deliveries.len()), (1, 1));
    write(directory.path(), vec![vec![Record::SessionEnded { sid: 1 }]]);
    assert!(contents(directory.path()).sessions.is_empty());
    let connection = Connection::open(directory.path().join(FILE)).unwrap();
    let messages: i64 = connection.query_row("SELECT count(*) FROM message", [], |row| row.get(0)).unwrap();
    assert_eq!(messages, 0);
}

#[test]
fn retained_messages_are_written_as_the_tree_holds_them() {
    let directory = TempDir::new().unwrap();
    let tree = Arc::new(Retained::default());
    let source = Source {
        key: SessionKey { mount: "m/".into(), client_id: "c".into() },
        identity: Identity::User("u".into()),
        listener: Some("l".into()),
        grants: Some(grants()),
    };
    tree.set(message(1, "a", b"new"), Some(&source), 9, usize::MAX).unwrap();
    let nobody = Source { identity: Identity::Anonymous, listener: None, grants: None, ..source.clone() };
    tree.set(message(3, "n", b"x"), Some(&nobody), 9, usize::MAX).unwrap();
    tree.set(message(4, "o", b"x"), None, 9, usize::MAX).unwrap();
    let dirty = |topic: &str| Record::Retained { topic: topic.into() };
    write_with(
        directory.path(),
        &tree,
        vec![vec![dirty("a"), dirty("b"), dirty("n"), dirty("o")], vec![dirty("a")]],
    );
    let mut found = contents(directory.path()).retained;
    found.sort_by_key(|kept| kept.message.mid);
    let [kept, by_nobody, by_broker] = &found[..] else { panic!("three were retained") };
    let sources = [kept, by_nobody, by_broker].map(|kept| kept.source.as_deref());
    assert_eq!(sources, [Some(&source), Some(&nobody), None]);
    let kept = &kept.message;
    assert_eq!(
        (kept.content().topic, kept.payload(), kept.content().properties),
        ("a", &b"new"[..], &[1, 1][..])
    );
    for topic in ["a", "n", "o"] {
        tree.set(message(5, topic, b""), None, 9, usize::MAX).unwrap();
    }
    write_with(directory.path(), &tree, vec![vec![dirty("a"), dirty("n"), dirty("o")]]);
    assert!(contents(directory.path()).retained.is_empty());
}

#[test]
fn a_damaged_row_is_left_out_reported_and_kept_aside() {
    let directory = TempDir::new().unwrap();
    let put = |mid| Record::Delivery { sid: 1, delivery: delivery(mid, QoS::AtLeastOnce), packet_id: None };
    write(directory.path(), vec![vec![session(1, None), put(10), put(11)]]);
    let connection = Connection::open(directory.path().join(FILE)).unwrap();
    connection.execute("UPDATE message SET payload = x'00' WHERE mid = 10", []).unwrap();
    drop(connection);
    let store = DiskStore::open(directory.path()).unwrap();
    let mids: Vec<u64> =
        store.contents.sessions[0].deliveries.iter().map(|(delivery, _)| delivery.message.mid).collect();
    assert_eq!(mids, [11]);
    assert!(store.damage[0].contains("1 row of delivery"), "{:?}", store.damage);
    drop(store);
    assert_eq!(fs::read_dir(directory.path().join("quarantine")).unwrap().count(), 1);
    // What was carried over is whole.
    assert_eq!(contents(directory.path()).sessions[0].deliveries.len(), 1);
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let directory = TempDir::new().unwrap();
    let connection = Connection::open(directory.path().join(FILE)).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let error = DiskStore::open(directory.path()).unwrap_err();
    assert!(error.to_string().contains("format 99"), "{error}");
}

#[test]
fn what_nobody_waits_for_is_written_with_what_comes_next_or_at_the_end() {
    let directory = TempDir::new().unwrap();
    let store = DiskStore::open(directory.path()).unwrap();
    let hour = Duration::from_secs(3600);
    let options =
        DiskOptions { durability: Durability::Commit, interval: hour, company: hour, max_bytes: u64::MAX };
    let (woken, wakes) = channel();
    let wake: Wake = Arc::new(move || woken.send(()).unwrap());
    let (mut handles, thread) = store.start(options, Arc::default(), vec![wake]).unwrap();
    let mut submit = |number, records| {
        handles[0].submit(Submission { sequence: Sequence(number), records });
        handles[0].durable()
    };
    let put = |mid| Record::Delivery { sid: 1, delivery: delivery(mid, QoS::AtLeastOnce), packet_id: None };
    submit(1, vec![session(1, None), put(1), put(2)]);
    wakes.recv().unwrap();
    let before = SideFile::look(directory.path());
    assert_eq!(submit(2, vec![Record::Delivered { sid: 1, mid: 1 }]), Sequence(1));
    submit(3, vec![put(3)]);
    wakes.recv().unwrap();
    assert_eq!(submit(4, vec![Record::Delivered { sid: 1, mid: 2 }]), Sequence(3));
    assert_eq!(SideFile::look(directory.path()), before + 1, "both in one transaction");
    drop(handles);
    thread.join().unwrap();
    let left = contents(directory.path());
    let left: Vec<_> = left.sessions[0].deliveries.iter().map(|(delivery, _)| delivery.message.mid).collect();
    assert_eq!(left, [3]);
}
