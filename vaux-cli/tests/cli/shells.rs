//! What the program does for shells and pagers: completions, manual pages, pipes that close.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::program::{run, vaux};

#[test]
fn completions_name_every_command_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = run(&["completions", shell]);
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{shell}");
        for word in ["decode", "retained", "will-topic"] {
            assert!(run.stdout.contains(word), "{shell}: {word}");
        }
    }
    let unknown = run(&["completions", "bsh"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("did you mean bash?"), "{}", unknown.stderr);
}

#[test]
fn every_command_has_a_manual_page() {
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man1");
    assert_eq!(run(&["man", "-O", pages.to_str().unwrap()]).code, Some(0));
    let commands = run(&["help"]).stdout;
    let commands = commands.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands: Vec<_> =
        commands.map_while(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect();
    assert!(commands.contains(&"pub") && commands.contains(&"man"));
    for command in commands {
        let page = std::fs::read_to_string(pages.join(format!("vaux-{command}.1"))).unwrap();
        let called = command.replace('-', "\\-");
        assert!(page.contains(&format!("\\fBvaux {called}\\fR")), "{page}");
        assert_eq!(run(&["man", command]).stdout, page);
    }
    let page = run(&["man", "retained", "ls"]);
    assert!(page.stdout.contains(".TH VAUX-RETAINED-LS"), "{}", page.stdout);
    assert_eq!(run(&["man", "nothing"]).code, Some(2));
}

#[test]
fn help_leads_with_examples() {
    for command in ["pub", "sub", "rr", "get", "record", "replay", "retained", "decode", "encode"] {
        let help = run(&["help", command]).stdout;
        let examples = help.find("Examples:\n  vaux").unwrap_or_else(|| panic!("{help}"));
        assert!(examples < help.find("Options:").unwrap(), "{help}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_program_quietly() {
    let directory = tempfile::tempdir().unwrap();
    let packets = directory.path().join("packets");
    std::fs::write(&packets, [0xc0, 0x00].repeat(100_000)).unwrap();
    let mut child = vaux(&["decode", packets.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("PINGREQ"));
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

#[test]
fn no_color_is_honoured_and_color_always_wins() {
    let colours = |args: &[&str], no_color| {
        let output = vaux(&[&["decode", "c000"], args].concat()).env("NO_COLOR", no_color).output().unwrap();
        output.stdout.contains(&0x1b)
    };
    assert!(!colours(&[], "1"));
    assert!(colours(&["--color", "always"], "1"));
    assert!(!colours(&["--color", "never"], ""));
}
