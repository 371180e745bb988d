//! `vaux shell`: scripts, and a person at a terminal.

use std::process::Command;

use crate::broker::Broker;
use crate::program::{Run, run, run_with_input, vaux};
use crate::terminal::Terminal;

/// Runs a script over a connection to the broker.
fn script(broker: &Broker, commands: &str) -> Run {
    let data_dir = broker.data_dir.path().to_str().unwrap();
    run_with_input(&["shell", "-L", &broker.url, "--data-dir", data_dir], commands.as_bytes())
}

#[test]
fn a_script_runs_in_order_over_one_connection() {
    let broker = Broker::plain();
    let run = script(
        &broker,
        "# a comment
pub -t a/b -m 'two  words' -r -q 1; vaux get -t a/b
pub -t a/c -r -q 1 <<EOF
{\"x\":
  1}
EOF
get -t a/c -F '%t %p'
retained ls -t 'a/#' --idle 0.2
decode --show line c000
sub -t # -C 1 -v -T a/c
why nobody --quiet
pub -t a/b -m again -r -q 1; sub -t # -C 1 -T a/c
",
    );
    assert_eq!((run.code, &*run.stderr), (Some(0), ""));
    let lines: Vec<_> = run.stdout.lines().filter(|line| !line.starts_with("2 bytes")).collect();
    let retained = ["two  words", "a/c {\"x\":", "  1}", "a/b", "a/c", "#1 PINGREQ · 2 bytes"];
    assert_eq!(lines[..6], retained, "{}", run.stdout);
    assert_eq!(lines[6..], ["a/b two  words", "again"], "{}", run.stdout);
}

#[test]
fn messages_of_the_background_are_waited_for() {
    let broker = Broker::plain();
    let run = script(
        &broker,
        "sub -t 'a/+'
pub -t a/1 -m one
pub -t a/2 -m two
wait -C 2
# What others do with the same filter leaves it alone.
pub -t a/3 -m three -r -q 1
wait
get -t 'a/+'
pub -t a/4 -m four
wait
ls --json
unsub 'a/+'
pub -t a/5 -m five
wait -W 0.2
",
    );
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    let (ls, messages): (Vec<_>, Vec<_>) = run.stdout.lines().partition(|line| line.starts_with('{'));
    assert_eq!(messages, ["a/1 one", "a/2 two", "a/3 three", "three", "a/4 four"]);
    assert!(ls[0].contains(r#""subscriptions":[{"filters":"a/+","printed":4}]"#), "{ls:?}");
    assert!(run.stderr.contains("there is nothing to wait for"), "{}", run.stderr);
}

#[test]
fn a_script_goes_on_after_an_error_unless_it_says_otherwise() {
    let broker = Broker::plain();
    let failing =
        "pub -t a/# -m x\npubb -t a\nget -t none -W 0.1 --prety\nsl\nhelp sbu\nget -t none -W 0.1\n";
    let run = script(&broker, &format!("{failing}decode --show line c000\n"));
    assert_eq!(run.code, Some(0));
    assert!(run.stdout.starts_with("#1 PINGREQ"), "{}", run.stdout);
    let meant = ["did you mean pub?", "did you mean --pretty?", "did you mean ls?", "did you mean sub?"];
    for text in meant.into_iter().chain(["in standard input, line 2", "timed out"]) {
        assert!(run.stderr.contains(text), "{text}: {}", run.stderr);
    }
    for (script_text, code) in [
        (format!("set -e\n{failing}decode c000"), 2),
        ("set -e\npub -t '$x' -m x -q 1\ndecode c000".to_owned(), 7),
        ("set -e\nset +e\npub -t a/# -m x\nexit".to_owned(), 2),
        ("get -t none -W 0.1".to_owned(), 27),
        ("exit 9; decode c000".to_owned(), 9),
        ("pub -m 'open".to_owned(), 2),
        ("pub -t a -m x | cat".to_owned(), 2),
        ("pub -t a -l".to_owned(), 2),
        ("pub -h other -t a -m x".to_owned(), 2),
        ("watch a".to_owned(), 2),
        ("top".to_owned(), 2),
        ("test --list".to_owned(), 2),
        ("help man".to_owned(), 2),
        ("use nobody".to_owned(), 2),
        (String::new(), 0),
    ] {
        let run = script(&broker, &script_text);
        assert_eq!((run.code, &*run.stdout), (Some(code), ""), "{script_text}: {}", run.stderr);
    }
}

#[test]
fn commands_come_from_files_and_arguments_too() {
    let broker = Broker::plain();
    let file = broker.data_dir.path().join("script");
    std::fs::write(&file, "pub -t a -m file -r -q 1\nget -t a\n").unwrap();
    let run = run(&["shell", "-L", &broker.url, file.to_str().unwrap()]);
    assert_eq!((run.code, &*run.stdout), (Some(0), "file\n"), "{}", run.stderr);
    let run = crate::program::run(&["shell", "-L", &broker.url, "-e", "get -t a", "-e", "get -t a -v"]);
    assert_eq!((run.code, &*run.stdout), (Some(0), "file\na file\n"), "{}", run.stderr);
    let run = crate::program::run(&["shell", "no/such/file"]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
}

#[test]
fn several_connections_are_open_at_the_same_time() {
    let (one, two) = (Broker::plain(), Broker::plain());
    let run = script(
        &one,
        &format!(
            "sub -t x
connect two -L {} -V 311
sub -t x
pub -t x -m there
wait
use localhost
pub -t x -m here
wait
ls
disconnect two
use two
disconnect
",
            two.url
        ),
    );
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    let lines: Vec<_> = run.stdout.lines().collect();
    assert_eq!(lines[..2], ["two: x there", "localhost: x here"]);
    assert!(lines[2].starts_with("* ● localhost    connected  mqtt://localhost:"), "{}", run.stdout);
    assert!(lines[4].starts_with("  ● two          connected"), "{}", run.stdout);
    assert_eq!(run.stderr, "error: it is not connected\nhint: in standard input, line 12\n");
}

#[test]
fn a_script_without_a_broker_says_so_at_each_command() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://localhost:{}", listener.local_addr().unwrap().port());
    drop(listener);
    let run = run_with_input(&["shell", "-L", &url], b"decode --show line c000\npub -t a -m x\n");
    assert_eq!(run.code, Some(3));
    assert!(run.stdout.starts_with("#1 PINGREQ"), "{}", run.stdout);
    assert!(run.stderr.contains("cannot connect"), "{}", run.stderr);
}

/// The shell at a terminal, with a history of its own.
fn shell(broker: &Broker, state: &std::path::Path) -> Command {
    let mut command = vaux(&["shell", "-L", &broker.url]);
    command.env("XDG_STATE_HOME", state).env("TERM", "xterm").env("VAUX_DATA_DIR", broker.data_dir.path());
    command
}

#[test]
fn a_person_types_completes_and_is_not_disturbed_by_messages() {
    let broker = Broker::plain();
    let state = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(shell(&broker, state.path()));
    terminal.see("connected to mqtt://localhost");
    terminal.see_line("● localhost>");
    terminal.press("su\t-t 'room/#'\r");
    terminal.see_line("● localhost>");
    // A message comes while a line is half typed.
    terminal.press("pub -t half/ty");
    terminal.see_line("● localhost> pub -t half/ty");
    broker.run("pub", &["-t", "room/1/temperature", "-m", "21.5", "-q", "1"]);
    let screen = terminal.wait("the message and the line", |screen| {
        screen.contains("room/1/temperature 21.5") && screen.trim_end().ends_with("pub -t half/ty")
    });
    assert_eq!(screen.matches("pub -t half/ty").count(), 1, "{screen}");
    // Ctrl-C clears the line.
    terminal.press("\x03");
    terminal.see_line("● localhost>");
    // The topic was seen: it is completed level by level.
    terminal.press("get -t ro\t");
    terminal.see_line("● localhost> get -t room/");
    terminal.press("\t");
    terminal.see_line("● localhost> get -t room/1/");
    terminal.press("\t-W 0.1\r");
    terminal.see("timed out");
    // Mistakes do not end it.
    terminal.press("pubb\r");
    terminal.see("did you mean pub?");
    // A quote goes on in the next line, and history brings all of it back.
    terminal.press("pub -t room/2 -m 'a\rb'\r");
    terminal.see("room/2 a\nb\n");
    terminal.press("\x1b[A");
    terminal.wait("the last command", |screen| screen.trim_end().ends_with("pub -t room/2 -m 'a\nb'"));
    terminal.press("\x03");
    terminal.see_line("● localhost>");
    // A password is not kept; a connection that fails is there, and not in the way.
    terminal.press("connect x -u me -P secret --unix /no/socket\r");
    terminal.see_line("○ x>");
    terminal.press("use lo\t\r");
    terminal.see_line("● localhost>");
    terminal.press("history\r");
    terminal.see("  get -t room/1/temperature -W 0.1\n");
    // While a command runs, the terminal itself makes of Ctrl-D what it will.
    terminal.see_line("● localhost>");
    terminal.press("\x04");
    assert_eq!(terminal.end(), Some(0));
    let history = state.path().join("vaux/shell-history");
    let lines = std::fs::read_to_string(&history).unwrap();
    assert!(lines.contains("room/2") && !lines.contains("secret"), "{lines}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&history).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // The next one knows the lines of this one.
    let mut terminal = Terminal::start(shell(&broker, state.path()));
    terminal.see_line("● localhost>");
    terminal.press("su");
    terminal.see_line("● localhost> sub -t 'room/#'");
    terminal.press("\x1b[C");
    terminal.press(" -C 1\r");
    broker.run("pub", &["-t", "room/3", "-m", "again", "-q", "1"]);
    terminal.press("\x03");
    terminal.see_line("● localhost>");
}

#[test]
fn the_dashboard_is_of_the_connection_in_use_and_gives_the_terminal_back() {
    let broker = Broker::plain();
    let state = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(shell(&broker, state.path()));
    terminal.see_line("● localhost>");
    terminal.press("sub -t room/1\r");
    terminal.see_line("● localhost>");
    terminal.press("top -t 'room/#'\r");
    terminal.see("Busiest topics");
    terminal.press("2");
    terminal.see("Subscribed to room/#");
    broker.run("pub", &["-t", "room/1", "-m", "meanwhile", "-q", "1"]);
    terminal.see("1 topic");
    terminal.press("q");
    // What came for the shell waited until the dashboard was gone, and the keys are the shell's again.
    terminal.see("room/1 meanwhile");
    terminal.see_line("● localhost>");
    terminal.press("pub -t room/1 -m again\r");
    terminal.see("room/1 again");
    terminal.see_line("● localhost>");
    terminal.press("\x04");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn a_bench_goes_where_the_shell_is_connected_with_clients_of_its_own() {
    let broker = Broker::plain();
    let lines = b"sub -t x\nbench conn --clients 2 --duration 0\npub -t x -m there\nwait\n";
    let run = run_with_input(&["shell", "-L", &broker.url, "-i", "me"], lines);
    assert_eq!((run.code, &*run.stderr), (Some(0), ""));
    assert!(run.stdout.contains(&format!("{}, MQTT 5.0", broker.url)), "{}", run.stdout);
    assert!(run.stdout.contains("2 connected in") && run.stdout.ends_with("x there\n"), "{}", run.stdout);
}

#[test]
fn an_outage_is_told_above_the_line_and_shown_in_the_prompt() {
    let mut broker = Broker::plain();
    let state = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(shell(&broker, state.path()));
    terminal.see_line("● localhost>");
    terminal.press("sub -t back\r");
    terminal.see_line("● localhost>");
    terminal.press("pub -t back");
    terminal.see_line("● localhost> pub -t back");
    broker.stop();
    terminal.see("connecting again");
    terminal.see_line("○ localhost> pub -t back");
    broker.start_again(&["--plain"]);
    terminal.see("connected again");
    terminal.see_line("● localhost> pub -t back");
    terminal.press(" -m here\r");
    terminal.see("back here");
    terminal.press("watch back\r");
    terminal.see("a key ends");
    broker.run("pub", &["-t", "back", "-m", "watched", "-q", "1"]);
    terminal.see("back  watched");
    terminal.press("q");
    terminal.see_line("● localhost>");
    // SIGTERM leaves the terminal as it was.
    let kill = Command::new("kill").arg(terminal.id().to_string()).status().unwrap();
    assert!(kill.success());
    assert_eq!(terminal.end(), Some(143));
}
