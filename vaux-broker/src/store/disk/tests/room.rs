//! Room: the store says when there is none left, goes on deleting, and gives back what it no longer needs.

use std::fs;
use std::sync::mpsc::Receiver;

use tempfile::TempDir;

use super::*;

const MIB: u64 = 1 << 20;

/// A store that is being written, and its only worker.
struct Open {
    directory: TempDir,
    handle: DiskHandle,
    woken: Receiver<()>,
    thread: JoinHandle<()>,
    submitted: u64,
}

impl Open {
    fn new(max_bytes: u64) -> Open {
        let directory = TempDir::new().unwrap();
        let store = DiskStore::open(directory.path()).unwrap();
        let options = DiskOptions {
            durability: Durability::Commit,
            interval: Duration::ZERO,
            company: Duration::ZERO,
            max_bytes,
        };
        let (wake, woken) = channel();
        // The test may have ended.
        let wake: Wake = Arc::new(move || wake.send(()).unwrap_or(()));
        let (mut handles, thread) = store.start(options, Arc::default(), vec![wake]).unwrap();
        Open { directory, handle: handles.remove(0), woken, thread, submitted: 0 }
    }

    fn write(&mut self, records: Vec<Record>) {
        self.submitted += 1;
        self.handle.submit(Submission { sequence: Sequence(self.submitted), records });
        let last = Sequence(self.submitted);
        self.until(|handle| handle.durable() >= last);
    }

    /// Waits until the writer has done something that makes it so.
    fn until(&self, is_so: impl Fn(&DiskHandle) -> bool) {
        while !is_so(&self.handle) {
            self.woken.recv().unwrap();
        }
    }

    fn size(&self) -> u64 {
        fs::metadata(self.directory.path().join(FILE)).unwrap().len()
    }
}

fn large(mid: u64) -> Record {
    let delivery = Delivery { message: message(mid, "a", &[7; 60_000]), ..delivery(mid, QoS::AtLeastOnce) };
    Record::Delivery { sid: 1, delivery, packet_id: None }
}

#[test]
fn a_store_over_its_limit_is_full_until_messages_are_consumed() {
    let mut store = Open::new(2 * MIB);
    store.write(vec![session(1, None)]);
    assert_eq!(store.handle.state(), StoreState::Good);
    store.write((0..40).map(large).collect());
    store.until(|handle| handle.state() == StoreState::Full);
    // What makes room goes on, and so does what is small.
    store.write((0..20).map(|mid| Record::Delivered { sid: 1, mid }).collect());
    store.until(|handle| handle.state() == StoreState::Good);
    let Open { directory, handle, thread, .. } = store;
    drop(handle);
    thread.join().unwrap();
    assert_eq!(contents(directory.path()).sessions[0].deliveries.len(), 20);
}

#[test]
fn room_of_consumed_messages_goes_back_to_the_file_system_by_itself() {
    let mut store = Open::new(u64::MAX);
    store.write(vec![session(1, None)]);
    store.write((0..500).map(large).collect());
    assert!(store.size() > 20 * MIB, "the log was carried over");
    store.write((0..500).map(|mid| Record::Delivered { sid: 1, mid }).collect());
    // Nothing more is submitted. The time limit only keeps a failing test from hanging.
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while store.size() > 5 * MIB {
        assert!(std::time::Instant::now() < deadline, "{} bytes are left", store.size());
        std::thread::yield_now();
    }
    assert!(store.size() < 5 * MIB);
}
