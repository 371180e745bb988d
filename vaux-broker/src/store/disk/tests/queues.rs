//! Long queues: what waits stays in the store until it is asked for.

use tempfile::TempDir;

use super::*;
use crate::store::Waiting;

fn queued(mid: u64) -> Record {
    let delivery = Delivery { group: None, ..delivery(mid, QoS::ExactlyOnce) };
    Record::Delivery { sid: 1, delivery, packet_id: None }
}

#[test]
fn what_waits_is_read_by_number_only() {
    let directory = TempDir::new().unwrap();
    let sent = Record::Sent { sid: 1, mid: 12, packet_id: id(7) };
    write(directory.path(), vec![vec![session(1, None), queued(10), queued(11), queued(12), sent]]);
    let contents = contents(directory.path());
    let [stored] = &contents.sessions[..] else { panic!("{:?}", contents.sessions) };
    let size_bytes = message(10, "a/b", b"payload").size_bytes();
    assert_eq!(stored.waiting, [10, 11].map(|mid| Waiting { mid, size_bytes }));
    let [(delivery, packet_id)] = &stored.deliveries[..] else { panic!("{:?}", stored.deliveries) };
    assert_eq!((delivery.message.mid, *packet_id), (12, Some(id(7))));
}

#[test]
fn pages_have_what_was_submitted_before_they_were_asked_for() {
    for durability in [Durability::Commit, Durability::Interval, Durability::None] {
        let directory = TempDir::new().unwrap();
        let store = DiskStore::open(directory.path()).unwrap();
        // Longer than any test: what is wanted now is not left for later.
        let options = DiskOptions {
            durability,
            interval: Duration::from_secs(3600),
            company: Duration::ZERO,
            max_bytes: u64::MAX,
        };
        let (woken, wakes) = channel();
        let wake: Wake = Arc::new(move || woken.send(()).unwrap_or(()));
        let (mut handles, thread) = store.start(options, Arc::default(), vec![wake]).unwrap();
        let mut handle = handles.remove(0);
        let mut read = Vec::new();
        for round in 0..20 {
            let mids: Vec<u64> = (round * 10..round * 10 + 10).collect();
            let mut records = vec![session(1, None)];
            records.extend(mids.iter().copied().map(queued));
            handle.submit(Submission { sequence: Sequence(round + 1), records });
            handle.request_page(PageRequest { sid: 1, mids });
        }
        handle.request_page(PageRequest { sid: 1, mids: vec![5000] });
        while read.len() < 21 {
            wakes.recv().unwrap();
            read.extend(handle.take_pages());
        }
        let missing = read.pop().unwrap();
        assert!(matches!(missing.deliveries[..], [(5000, None)]));
        let read: Vec<(u64, Option<Delivery>)> = read.into_iter().flat_map(|page| page.deliveries).collect();
        for (mid, (wanted, delivery)) in (0..200).zip(read) {
            let delivery = delivery.unwrap();
            assert_eq!((wanted, delivery.message.mid, delivery.qos), (mid, mid, QoS::ExactlyOnce));
            assert_eq!((delivery.message.payload(), delivery.group), (&b"payload"[..], None));
            assert_eq!(delivery.identifiers.as_slice(), [1, 268_435_455]);
        }
        drop(handle);
        thread.join().unwrap();
        assert!(!directory.path().join("store.db-wal").exists(), "the log was carried over at the end");
    }
}

#[test]
fn a_damaged_message_that_waits_is_told_and_the_others_are_kept() {
    let directory = TempDir::new().unwrap();
    write(directory.path(), vec![vec![session(1, None), queued(10), queued(11), queued(12)]]);
    let connection = Connection::open(directory.path().join(FILE)).unwrap();
    connection.execute("UPDATE message SET payload = x'00' WHERE mid = 11", []).unwrap();
    drop(connection);
    let store = DiskStore::open(directory.path()).unwrap();
    assert!(store.damage.contains(&"1 row of message could not be read".to_owned()), "{:?}", store.damage);
    let mids = |contents: &Contents| -> Vec<u64> {
        contents.sessions[0].waiting.iter().map(|waiting| waiting.mid).collect()
    };
    assert_eq!(mids(&store.contents), [10, 12]);
    drop(store);
    assert_eq!(mids(&contents(directory.path())), [10, 12]);
}
