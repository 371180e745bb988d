//! Help, and command lines that make no sense.

use insta::assert_snapshot;

use crate::program::run;

/// Help without the spaces that fill its empty lines.
fn help(args: &[&str]) -> String {
    let run = run(args);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    run.stdout.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[test]
fn help_lists_the_commands() {
    assert_snapshot!(help(&["--help"]));
}

#[test]
fn help_of_decode() {
    assert_snapshot!(help(&["decode", "--help"]));
    assert_eq!(run(&["help", "decode"]), run(&["decode", "--help"]));
}

#[test]
fn version_is_told() {
    let version = run(&["--version"]);
    assert_eq!(version.stdout, format!("vaux {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(version.code, Some(0));
}

#[test]
fn mistakes_are_one_line_and_exit_2() {
    let lines = [
        &["deocde"][..],
        &["decode", "--sho", "tree"],
        &["decode", "--show", "byts"],
        &["decode", "--show"],
        &["decode", "--offset", "x"],
        &["decode", "--in", "pcapp", "x"],
        &["decode", "--json", "--json"],
        &["decode", "-", "-"],
        &["pbu"],
        &["tpo", "-t", "a"],
        &["retained", "sl"],
        &["zzz"],
        &["sub", "-t", "a", "-C", "0"],
        &["pub", "-p", "99999"],
        &["passwd"],
        &["replay", "x", "--from", "5", "--to", "1"],
    ]
    .map(|args| {
        let run = run(args);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert_eq!(run.stderr.lines().count(), 1, "{args:?}: {}", run.stderr);
        format!("vaux {}\n  {}", args.join(" "), run.stderr)
    });
    assert_snapshot!(lines.concat());
}

#[test]
fn a_hint_says_what_to_write_instead() {
    let lines = [
        &["sub", "-t", "a", "-h", "localhost:1883"][..],
        &["sub", "-t", "a", "-h", "mqtt://localhost"],
        &["sub", "-t", "a", "-h", "[::1]"],
        &["encode", "{\"type\":\"PINGREQ\"}"],
    ]
    .map(|args| {
        let run = run(args);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{args:?}");
        format!("vaux {}\n{}", args.join(" "), run.stderr)
    });
    assert_snapshot!(lines.concat());
}
