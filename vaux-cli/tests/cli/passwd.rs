//! `vaux passwd`.

use std::fs;

use insta::assert_snapshot;
use vaux_broker::auth::PasswordFile;

use crate::program::{run, run_with_input};

#[test]
fn users_are_set_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users");
    let file = path.to_str().unwrap();
    let content = || fs::read_to_string(&path).unwrap();
    let names =
        || content().lines().map(|line| line.split(':').next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(run_with_input(&["passwd", file, "alice"], b"se cret\n").code, Some(0));
    assert_eq!(run(&["passwd", "-b", file, "bob", "pw"]).code, Some(0));
    assert_eq!(
        (names(), PasswordFile::read(&path).unwrap().len()),
        (vec!["alice".to_owned(), "bob".to_owned()], 2)
    );
    assert!(content().starts_with("alice:$argon2id$v=19$m=19456,t=2,p=1$"));
    let before = content();
    assert_eq!(run_with_input(&["passwd", file, "alice"], b"other").code, Some(0));
    assert!(content() != before && names() == ["alice", "bob"]);
    assert_eq!(run(&["passwd", "-D", file, "alice"]).code, Some(0));
    assert_eq!(names(), ["bob"]);
    assert_eq!(run(&["passwd", "-c", "-b", file, "carol", "pw"]).code, Some(0));
    assert_eq!(names(), ["carol"]);
}

#[test]
fn what_cannot_be_done_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("users");
    fs::write(&file, "Dear Bob\n").unwrap();
    let file = file.to_str().unwrap();
    let absent = "/nowhere/users";
    let lines = [
        &["passwd", file, "alice"][..],
        &["passwd", "-D", file, "alice"],
        &["passwd", absent, "alice"],
        &["passwd", "-D", absent, "alice"],
        &["passwd", file, "$operator"],
        &["passwd", file, "a:b"],
        &["passwd", file, ""],
        &["passwd", file, "alice", "pw"],
        &["passwd", "-b", file, "alice"],
        &["passwd", "-b", file, "alice", ""],
        &["passwd", "-D", "-c", file, "alice"],
        &["passwd", file],
    ]
    .map(|args| {
        let run = run_with_input(args, b"pw\n");
        format!("vaux {}\n{}", args.join(" "), run.transcript())
            .replace(directory.path().to_str().unwrap(), "")
    });
    assert_snapshot!(lines.concat());
    assert_eq!(fs::read_to_string(file).unwrap(), "Dear Bob\n");
}
