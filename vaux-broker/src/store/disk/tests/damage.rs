//! What a damaged store does: it opens, and tells of everything that is not as it was.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;

/// Something of every kind, over several pages.
fn records(sid: u64) -> Vec<Record> {
    let will = Will {
        topic: "will".into(),
        properties: vec![1, 0],
        payload: vec![7; 40],
        qos: QoS::AtLeastOnce,
        retain: false,
        delay_s: 0,
        expiry_s: None,
        due_at: Time::NEVER,
    };
    let options = SubscriptionOptions::from_bits(1).unwrap();
    let subscription = |number: u64| {
        SessionSubscription::new(TopicFilter::new(&format!("a/{number}")).unwrap(), "", options, 0)
    };
    let mut records = vec![session(sid, Some(will))];
    for number in 0..40 {
        let mid = sid * 1000 + number;
        let subscription = Box::new(subscription(number));
        records.push(Record::Subscribed { sid, subscription });
        // Half of them may stay in the store.
        let group = delivery(mid, QoS::ExactlyOnce).group.filter(|_| number % 2 == 0);
        let delivery = Delivery { group, ..delivery(mid, QoS::ExactlyOnce) };
        records.push(Record::Delivery { sid, delivery, packet_id: None });
        records.push(Record::Received { sid, packet_id: id(number as u16 + 1) });
        records.push(Record::Retained { topic: format!("r/{sid}/{number}").into() });
    }
    records
}

/// A store that holds all that, closed, and a copy of it as a crash would leave it.
fn original(crashed: &Path) -> TempDir {
    let directory = TempDir::new().unwrap();
    let tree = Arc::new(Retained::default());
    for (sid, number) in (1..=6_u64).flat_map(|sid| (0..40).map(move |number| (sid, number))) {
        let message = message(sid * 1000 + 500 + number, &format!("r/{sid}/{number}"), &[9; 30]);
        tree.set(message, None, usize::MAX, usize::MAX).unwrap();
    }
    let copy = |directory: &Path| {
        for name in ["store.db", "store.db-wal", "store.seq"] {
            fs::copy(directory.join(name), crashed.join(name)).unwrap();
        }
    };
    write_and(directory.path(), &tree, (1..=6).map(records).collect(), copy);
    directory
}

fn copy_store(from: &Path) -> TempDir {
    let directory = TempDir::new().unwrap();
    for file in fs::read_dir(from).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), directory.path().join(file.file_name())).unwrap();
    }
    directory
}

/// Opens what a test has damaged. What is not told of has to be as it was; and what is told once is good then.
fn open_damaged(directory: &Path, whole: &str, what: &str) -> usize {
    let store = match DiskStore::open(directory) {
        Ok(store) => store,
        // The flipped bit made it the format of another version, which is not touched.
        Err(StoreError::Format { .. }) => return 1,
        Err(error) => panic!("{what}: {error}"),
    };
    if store.damage.is_empty() {
        assert_eq!(format!("{:?}", store.contents), whole, "{what}: something is missing without a word");
    }
    let damage = store.damage.len();
    drop(store);
    assert_eq!(DiskStore::open(directory).unwrap().damage, Vec::<String>::new(), "{what}");
    damage
}

#[test]
fn flipped_bits_and_cut_files_never_keep_the_store_from_opening_and_are_told() {
    let crashed = TempDir::new().unwrap();
    let closed = original(crashed.path());
    let whole = format!("{:?}", contents(copy_store(closed.path()).path()));
    assert_eq!(format!("{:?}", contents(copy_store(crashed.path()).path())), whole);
    let mut random = fastrand::Rng::with_seed(7);
    let mut told = 0;
    for round in 0..300 {
        let file = *random.choice(&["store.db", "store.db-wal"]).unwrap();
        let from = if file == "store.db" { closed.path() } else { crashed.path() };
        let directory = copy_store(from);
        let path = directory.path().join(file);
        let mut bytes = fs::read(&path).unwrap();
        let what = match random.u8(..4) {
            0 => {
                bytes.truncate(random.usize(..bytes.len()));
                format!("round {round}: {file} cut at {}", bytes.len())
            }
            1 => {
                let page = random.usize(..bytes.len() / 4096) * 4096;
                bytes[page..page + 4096].fill(0);
                format!("round {round}: {file} without the page at {page}")
            }
            _ => {
                let (at, bit) = (random.usize(..bytes.len()), random.u8(..8));
                bytes[at] ^= 1 << bit;
                format!("round {round}: {file} with bit {bit} of byte {at} flipped")
            }
        };
        fs::write(&path, &bytes).unwrap();
        told += usize::from(open_damaged(directory.path(), &whole, &what) > 0);
    }
    // The rest hit bytes that mean nothing.
    assert!(told > 150, "{told}");
}

#[test]
fn a_store_that_is_gone_or_older_than_it_was_is_told() {
    let crashed = TempDir::new().unwrap();
    let closed = original(crashed.path());
    fs::remove_file(closed.path().join(FILE)).unwrap();
    let store = DiskStore::open(closed.path()).unwrap();
    assert!(store.damage[0].contains("transactions that were on the disk are missing"), "{:?}", store.damage);
    drop(store);
    // What comes after it counts from there.
    write(closed.path(), vec![vec![session(1, None)]]);
    assert_eq!(contents(closed.path()).sessions.len(), 1);
}

#[test]
fn a_crash_while_a_store_is_set_aside_loses_nothing() {
    let crashed = TempDir::new().unwrap();
    let closed = original(crashed.path());
    let directory = copy_store(closed.path());
    let connection = Connection::open(directory.path().join(FILE)).unwrap();
    connection.execute("UPDATE retained SET payload = x'00' WHERE topic = 'r/1/1'", []).unwrap();
    drop(connection);
    DiskStore::open(directory.path()).unwrap();
    // As if it had ended before the new store took the place of the old one, or while that was half moved.
    for old in [Some(FILE), None] {
        let interrupted = TempDir::new().unwrap();
        fs::copy(directory.path().join(FILE), interrupted.path().join("store.db.finished")).unwrap();
        if let Some(old) = old {
            fs::copy(closed.path().join(old), interrupted.path().join(old)).unwrap();
        }
        let store = DiskStore::open(interrupted.path()).unwrap();
        assert!(store.damage[0].starts_with("a damaged store was set aside before"), "{:?}", store.damage);
        assert_eq!((store.contents.sessions.len(), store.contents.retained.len()), (6, 239));
        assert!(!interrupted.path().join("store.db.finished").exists());
    }
}
