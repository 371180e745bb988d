//! `vaux retained`.

use crate::broker::Broker;
use crate::program::Run;

fn retained(broker: &Broker, command: &str, args: &[&str]) -> Run {
    let url = broker.url.clone();
    let args = [&[command, "-L", url.as_str()], args].concat();
    let output = crate::program::vaux(&[&["retained"], &args[..]].concat()).output().unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn keep(broker: &Broker, flags: &[&str]) {
    let run = broker.run("pub", &[&["-r", "-q", "1"], flags].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
}

fn sorted(run: &Run) -> Vec<&str> {
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let mut lines: Vec<_> = run.stdout.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn retained_messages_are_listed_and_removed() {
    let broker = Broker::plain();
    for topic in ["a/1", "a/2", "b/1"] {
        keep(&broker, &["-t", topic, "-m", topic]);
    }
    assert_eq!(sorted(&retained(&broker, "ls", &[])), ["a/1", "a/2", "b/1"]);
    assert_eq!(sorted(&retained(&broker, "ls", &["-t", "a/+", "-T", "a/2", "-l"])), ["        3 1 a/1"]);
    let json = retained(&broker, "ls", &["-t", "b/1", "--json"]).stdout;
    assert_eq!(json, "{\"topic\":\"b/1\",\"qos\":1,\"payload_bytes\":3,\"properties\":[]}\n");

    assert_eq!(sorted(&retained(&broker, "rm", &["-t", "a/#", "--dry-run"])), ["a/1", "a/2"]);
    let removed = retained(&broker, "rm", &["-t", "a/#"]);
    assert_eq!((removed.code, removed.stderr.as_str()), (Some(0), "removed 2\n"));
    assert_eq!(sorted(&retained(&broker, "ls", &[])), ["b/1"]);
    let all = retained(&broker, "rm", &["-t", "#"]);
    assert_eq!(all.code, Some(2), "{}", all.stderr);
    assert_eq!(retained(&broker, "rm", &[]).code, Some(2));
    assert_eq!(retained(&broker, "rm", &["-t", "#", "--yes"]).code, Some(0));
    assert_eq!(sorted(&retained(&broker, "ls", &[])), [""; 0]);
}

#[test]
fn what_was_exported_can_be_imported_elsewhere() {
    let broker = Broker::plain();
    keep(&broker, &["-t", "a/1", "-m", "°C", "-D", "publish", "content-type", "text/plain"]);
    let binary = broker.data_dir.path().join("binary");
    std::fs::write(&binary, b"\0\xff").unwrap();
    keep(&broker, &["-t", "a/2", "-f", binary.to_str().unwrap()]);
    let file = broker.data_dir.path().join("saved");
    let exported = retained(&broker, "export", &["-O", file.to_str().unwrap()]);
    assert_eq!((exported.code, exported.stdout.as_str()), (Some(0), ""), "{}", exported.stderr);

    let other = Broker::plain();
    let imported = retained(&other, "import", &[file.to_str().unwrap()]);
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    assert!(imported.stderr.starts_with("imported 2 messages in "), "{}", imported.stderr);
    let got = other.run("get", &["-t", "a/1", "-F", "%p %C %r", "-q", "2", "-W", "60"]);
    assert_eq!(got.stdout, "°C text/plain 1\n");
    assert_eq!(other.run("get", &["-t", "a/2", "-F", "%x", "-W", "60"]).stdout, "00ff\n");
}

#[test]
fn what_cannot_be_done_is_told() {
    let broker = Broker::plain();
    for (command, args, code) in [
        ("ls", &["-t", "a/#/b"][..], 2),
        ("ls", &["-t", "$CONTROL/#"], 7),
        ("ls", &["--idle", "never"], 2),
        ("import", &["/no/such/file"], 1),
        ("import", &[], 2),
        ("export", &["-O", "/no/such/directory/file"], 1),
    ] {
        let run = retained(&broker, command, args);
        assert_eq!(run.code, Some(code), "{command} {args:?}: {}", run.stderr);
    }
}
