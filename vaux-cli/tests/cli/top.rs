//! `vaux top` where it cannot be: what is on a terminal is tested in its library.

use std::fs;

use crate::program::run;

#[test]
fn without_a_terminal_there_is_no_dashboard() {
    let run = run(&["top"]);
    assert_eq!(run.code, Some(2));
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains("needs a terminal"), "{}", run.stderr);
}

#[test]
fn a_recording_is_looked_at_before_the_terminal_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plant.rec");
    let path = path.to_str().unwrap();
    let missing = run(&["top", "--replay", path]);
    assert_eq!(missing.code, Some(1), "{}", missing.stderr);
    fs::write(path, "no recording\n").unwrap();
    let broken = run(&["top", "--replay", path]);
    assert_eq!(broken.code, Some(2));
    assert!(broken.stderr.contains("line 1: this is no recording"), "{}", broken.stderr);
    fs::write(path, "{\"us\":1,\"t\":\"a\",\"p\":\"\"}\n").unwrap();
    let right = run(&["top", "--replay", path]);
    assert!(right.stderr.contains("needs a terminal"), "{}", right.stderr);
    let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/captures/paho-5.pcapng");
    let right = run(&["top", "--replay", capture]);
    assert!(right.stderr.contains("needs a terminal"), "{}", right.stderr);
}

#[test]
fn drawings_are_neither_too_often_nor_never() {
    for interval in ["0.01", "0", "99999"] {
        let run = run(&["top", "--interval", interval]);
        assert_eq!(run.code, Some(2), "{interval}: {}", run.stderr);
        assert!(run.stderr.contains("between 0.1 and 3600"), "{interval}: {}", run.stderr);
    }
}
