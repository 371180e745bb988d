//! `docs/tour.md`: every command of it is run, and prints what stands there.

use std::path::Path;
use std::process::Command;

use crate::broker::Broker;

/// A line that begins with `$`, and what is to come out of it.
struct Step {
    command: String,
    expected: String,
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for block in text.split("```console\n").skip(1) {
        let (block, _) = block.split_once("```").expect("a block that begins ends");
        for line in block.lines() {
            match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step { command: command.to_owned(), expected: String::new() }),
                None => {
                    let step = steps.last_mut().expect("a block begins with a command");
                    step.expected.push_str(line);
                    step.expected.push('\n');
                }
            }
        }
    }
    steps
}

/// Whether a line is as expected; `…` at its end stands for anything.
fn fits(expected: &str, line: &str) -> bool {
    match expected.split_once('…') {
        Some((front, back)) => line.strip_prefix(front).is_some_and(|rest| rest.ends_with(back)),
        None => expected == line,
    }
}

#[test]
fn the_tour_is_true() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tour.md");
    let steps = steps(&std::fs::read_to_string(path).unwrap());
    assert!(steps.len() > 20);
    let broker = Broker::plain();
    let programs = Path::new(env!("CARGO_BIN_EXE_vaux")).parent().unwrap().to_owned();
    let paths = std::env::split_paths(&std::env::var_os("PATH").unwrap()).collect::<Vec<_>>();
    let paths = std::env::join_paths(std::iter::once(programs).chain(paths)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/captures");
    for capture in std::fs::read_dir(captures).unwrap() {
        let capture = capture.unwrap();
        std::fs::copy(capture.path(), directory.path().join(capture.file_name())).unwrap();
    }
    for Step { command, expected } in steps {
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1\n{command}")])
            .current_dir(directory.path())
            .env("PATH", &paths)
            .env("VAUX_URL", &broker.url)
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let is_same_len = printed.lines().count() == expected.lines().count();
        let is_same = expected.lines().zip(printed.lines()).all(|(expected, line)| fits(expected, line));
        assert!(is_same_len && is_same, "$ {command}\n{printed}expected:\n{expected}");
    }
}
