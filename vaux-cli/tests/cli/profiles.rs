//! Files of flags: `-o FILE` and `--profile NAME`.

use std::process::Stdio;

use crate::broker::Broker;
use crate::program::vaux;

/// A broker, and a directory with a profile that says where it is.
fn with_profile(lines: &str) -> (Broker, tempfile::TempDir) {
    let broker = Broker::plain();
    let directory = tempfile::tempdir().unwrap();
    let profiles = directory.path().join("vaux/profiles");
    std::fs::create_dir_all(&profiles).unwrap();
    let (_, port) = broker.url.rsplit_once(':').unwrap();
    let text = format!("# the broker of this test\n-h localhost\n--port {port}\n\n{lines}\n");
    std::fs::write(profiles.join("test"), text).unwrap();
    (broker, directory)
}

fn run(directory: &tempfile::TempDir, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = vaux(args);
    command.env("XDG_CONFIG_HOME", directory.path()).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_profile_says_what_the_command_line_does_not() {
    let (broker, directory) = with_profile("-t from/profile\n-q 1\n-D publish user-property k v\n-r");
    let kept = |topic| broker.run("get", &["-t", topic, "-F", "%p %q %P", "-q", "2", "-W", "60"]).stdout;
    assert_eq!(run(&directory, &["pub", "--profile", "test", "-m", "one"]).0, Some(0));
    assert_eq!(kept("from/profile"), "one 1 k:v\n");
    let args = ["pub", "--profile", "test", "-m", "two", "-t", "from/flags", "-q", "2"];
    assert_eq!(run(&directory, &args).0, Some(0));
    assert_eq!(kept("from/flags"), "two 2 k:v\n");
    let file = directory.path().join("vaux/profiles/test");
    assert_eq!(run(&directory, &["pub", "-o", file.to_str().unwrap(), "-m", "three"]).0, Some(0));
    assert_eq!(kept("from/profile"), "three 1 k:v\n");
    std::fs::write(&file, format!("-L {}\n-t from/flags\n", broker.url)).unwrap();
    assert_eq!(run(&directory, &["retained", "ls", "--profile", "test"]).1, "from/flags\n");
}

#[test]
fn a_profile_is_below_the_environment() {
    let (broker, directory) = with_profile("--username profile\n-V 311");
    let topic = ["-t", "a", "-m", "m", "-D", "publish", "content-type", "x"];
    let mut command = vaux(&[&["pub"], &topic[..]].concat());
    command.env("XDG_CONFIG_HOME", directory.path()).env("VAUX_PROFILE", "test");
    assert_eq!(command.output().unwrap().status.code(), Some(2), "version 3.1.1 has no properties");
    assert_eq!(command.env("VAUX_PROTOCOL_VERSION", "5").output().unwrap().status.code(), Some(0));
    drop(broker);
}

#[test]
fn files_that_do_not_read_are_told() {
    for (lines, text) in [
        ("--nonsense", "line 5: --nonsense is no flag of this command"),
        ("-q 3", "cannot be 3"),
        ("--plain yes", "line 5: --plain takes no value"),
        ("-V 6", "cannot be 6"),
        ("--profile other", "a file of flags cannot name another"),
        ("--plain\n--cafile x", "--plain does not go with --cafile"),
    ] {
        let (_broker, directory) = with_profile(lines);
        let (code, _, stderr) = run(&directory, &["pub", "--profile", "test", "-t", "a", "-m", "m"]);
        assert_eq!(code, Some(2), "{lines}: {stderr}");
        assert!(stderr.contains(text), "{lines}: {stderr}");
    }
    let (_broker, directory) = with_profile("");
    for (args, code) in [
        (&["--profile", "other"][..], 1),
        (&["--profile", "../test"], 2),
        (&["-o", "/no/such/file"], 1),
        (&["-o", "x", "--profile", "y"], 2),
    ] {
        let args = [&["pub", "-t", "a", "-m", "m"], args].concat();
        let (found, _, stderr) = run(&directory, &args);
        assert_eq!(found, Some(code), "{args:?}: {stderr}");
    }
}
