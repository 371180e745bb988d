//! `vaux store`: what an operator sees of a store that is good, damaged, in use or not there.

use std::path::Path;
use std::process::{Child, Stdio};

use std::io::{BufRead as _, BufReader};

use crate::program::{Run, run, vaux};

/// A broker that has its data here. It is killed, as if the power had failed.
struct Broker {
    child: Child,
    port: u16,
}

impl Broker {
    fn start(directory: &Path) -> Broker {
        let mut command = vaux(&["broker", "--plain", "-p", "0", "--workers", "1", "--data-dir"]);
        let mut child = command
            .arg(directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it was built");
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        let line = out.lines().map_while(Result::ok).find(|line| line.starts_with("listening"));
        let port = line.and_then(|line| line.rsplit(':').next()?.parse().ok()).expect("it says where");
        Broker { child, port }
    }

    fn retain(&self, topic: &str) {
        let port = self.port.to_string();
        let run = run(&["pub", "--plain", "-p", &port, "-q", "1", "-r", "-t", topic, "-m", "kept"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn store(action: &str, directory: &Path, more: &[&str]) -> Run {
    let directory = directory.to_str().expect("it is UTF-8");
    run(&[&["store", action, directory], more].concat())
}

#[test]
fn a_store_that_is_good_is_checked_counted_and_compacted() {
    let directory = tempfile::tempdir().expect("there is room");
    let broker = Broker::start(directory.path());
    broker.retain("a");
    broker.retain("b");
    let in_use = store("check", directory.path(), &[]);
    assert_eq!(in_use.code, Some(1));
    assert!(in_use.stderr.ends_with("a broker is using it; stop it first\n"), "{}", in_use.stderr);
    drop(broker);
    let path = directory.path().join("store.db");
    let good = store("check", directory.path(), &[]);
    assert_eq!((good.code, good.stdout), (Some(0), format!("{} is good\n", path.display())));
    let stats = store("stats", directory.path(), &["--json"]);
    let stats: serde_json::Value = serde_json::from_str(&stats.stdout).expect("it is JSON");
    assert_eq!((&stats["retained"], &stats["sessions"]), (&2.into(), &0.into()));
    let compacted = store("compact", directory.path(), &["--json"]);
    let compacted: serde_json::Value = serde_json::from_str(&compacted.stdout).expect("it is JSON");
    let bytes = path.metadata().expect("it is there").len();
    assert_eq!(compacted["after_bytes"], bytes);
    assert!(
        compacted["before_bytes"].as_u64() > Some(bytes),
        "the log had not been carried over: {compacted}"
    );
    assert_eq!(store("check", directory.path(), &[]).code, Some(0));
    assert!(store("stats", directory.path(), &[]).stdout.contains("retained      2\n"));
}

#[test]
fn damage_is_listed() {
    let directory = tempfile::tempdir().expect("there is room");
    let broker = Broker::start(directory.path());
    broker.retain("some/topic");
    drop(broker);
    assert_eq!(store("compact", directory.path(), &[]).code, Some(0));
    let path = directory.path().join("store.db");
    let mut bytes = std::fs::read(&path).expect("it is there");
    let at = bytes.windows(4).position(|window| window == b"kept").expect("it is kept");
    bytes[at] ^= 1;
    std::fs::write(&path, &bytes).expect("it can be written");
    let damaged = store("check", directory.path(), &[]);
    assert_eq!(damaged.code, Some(1));
    assert!(damaged.stdout.contains("1 row of retained could not be read\n"), "{}", damaged.stdout);
    assert!(damaged.stdout.contains("row some/topic of retained is damaged\n"), "{}", damaged.stdout);
    let json = store("check", directory.path(), &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("it is JSON");
    assert_eq!(json["ok"], false);
    std::fs::write(&path, b"no store").expect("it can be written");
    let unreadable = store("check", directory.path(), &[]);
    assert!(unreadable.stdout.contains("the store could not be read at all"), "{}", unreadable.stdout);
    assert_eq!((unreadable.code, store("compact", directory.path(), &[]).code), (Some(1), Some(1)));
}

#[test]
fn no_store_is_said() {
    let directory = tempfile::tempdir().expect("there is room");
    for action in ["check", "stats", "compact"] {
        let none = store(action, &directory.path().join("none"), &["--json"]);
        assert_eq!(none.code, Some(1));
        assert!(none.stderr.ends_with("none: there is no store (store.db)\n"), "{}", none.stderr);
        assert!(none.stdout.contains("\"exit_code\":1"), "{}", none.stdout);
    }
    assert_eq!(run(&["store", "mend"]).code, Some(2));
    assert!(!directory.path().join("none").exists());
}
