//! `vaux acl check`.

use insta::assert_snapshot;

use crate::program::run;

#[test]
fn the_deciding_line_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("acl");
    std::fs::write(&file, "topic read public/#\nuser alice\n  topic sensors/#\ntopic deny sensors/attic\npattern write up/%u/%c\n").unwrap();
    let broken = directory.path().join("broken");
    std::fs::write(&broken, "topic reed a/b\n").unwrap();
    let (file, broken) = (file.to_str().unwrap(), broken.to_str().unwrap());
    let lines = [
        &["--file", file, "read", "public/a"][..],
        &["--file", file, "write", "public/a"],
        &["--file", file, "--user", "alice", "write", "sensors/a"],
        &["--file", file, "--user", "alice", "--json", "write", "sensors/attic"],
        &["--file", file, "--user", "alice", "--client", "c", "write", "up/alice/c"],
        &["--file", file, "--user", "alice", "subscribe", "#"],
        &["--file", file, "--user", "alice", "subscribe", "$share/g/sensors/attic"],
        &["--file", file, "--user", "bob", "subscribe", "sensors/#"],
        &["--file", file, "--user", "bob", "read", "public/a", "--json"],
        &["write", "a"],
        &["read", "$CONTROL/vaux/v1"],
        &["--file", file, "read", "public/#"],
        &["--file", file, "subscribe", "a/#/b"],
        &["--file", file, "reed", "a"],
        &["--file", broken, "read", "a"],
        &["--file", "/nowhere/acl", "read", "a"],
    ]
    .map(|args| {
        let run = run(&[&["acl", "check"], args].concat());
        format!("{}\n{}", args.join(" "), run.transcript()).replace(directory.path().to_str().unwrap(), "")
    });
    assert_snapshot!(lines.concat());
}
