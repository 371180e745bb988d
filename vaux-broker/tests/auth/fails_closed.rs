//! A security file that cannot be used lets nobody in: the program does not start, and a reload changes nothing.

use vaux_mqtt::ReasonCode;

use super::client::{Client, named, nameless};
use super::passwords::ALICE;
use super::serving::{LISTENER, Serving};

/// What a file can be that it should not, and what is said of it.
const PASSWORD_FILES: [(Option<&str>, &str); 6] = [
    (None, "users: cannot be read: No such file or directory (os error 2)"),
    (Some(""), "users: names no user"),
    (Some("# nobody\n"), "users: names no user"),
    (Some("alice\n"), "users:1: is not of the form user:hash"),
    (
        Some("alice:secret\n"),
        "users:1: the hash of \"alice\" begins with none of $argon2id$, $7$ and $6$; `vaux passwd` makes one",
    ),
    (
        Some("alice:$6$kwXXnbibvmLh2G6b$D1Jwj"),
        "users:1: the last line does not end: the file is half written",
    ),
];

#[test]
fn a_password_file_that_cannot_be_used_is_refused_at_the_start() {
    for section in ["[auth]\npassword_file = \"users\"\n", ""] {
        let toml = match section {
            "" => format!("{LISTENER}password_file = \"users\"\n"),
            section => format!("{LISTENER}{section}"),
        };
        for (content, problem) in PASSWORD_FILES {
            let files: Vec<_> = content.map(|content| ("users", content)).into_iter().collect();
            let serving = Serving::start(&[&files[..], &[("broker.toml", &toml)]].concat());
            assert_eq!(serving.end(), (Some(2), format!("vaux-broker: {problem}")));
        }
    }
}

#[test]
fn a_password_file_that_cannot_be_used_is_not_taken_over_by_a_reload() {
    let toml = format!("{LISTENER}[auth]\npassword_file = \"users\"\n");
    let serving = Serving::start(&[("users", ALICE), ("broker.toml", &toml)]);
    let address = serving.address();
    for (content, problem) in PASSWORD_FILES {
        match content {
            Some(content) => serving.write("users", content),
            None => std::fs::remove_file(serving.path("users")).unwrap(),
        }
        let line = serving.reload();
        assert!(line.contains("not reloaded, all stays as it was: ") && line.ends_with(problem), "{line}");
        assert!(Client::connect(address, &named("a", "alice", "secret")).is_ok());
        assert!(Client::connect(address, &named("b", "alice", "Secret")).is_err());
    }
    serving.write("users", &ALICE.replace("alice", "bob"));
    assert!(!serving.reload().contains("not reloaded"));
    assert!(Client::connect(address, &named("a", "alice", "secret")).is_err());
    assert!(Client::connect(address, &named("c", "bob", "secret")).is_ok());
}

/// The same for access lists.
const ACCESS_LISTS: [(Option<&str>, &str); 6] = [
    (None, "acl: cannot be read: No such file or directory (os error 2)"),
    (Some(""), "acl: has no rule"),
    (Some("# nothing\nuser alice\n"), "acl: has no rule"),
    (Some("topic read a\nuser\n"), "acl:2: user needs a name"),
    (
        Some("topic read a\ntopic reed b/c\n"),
        "acl:2: \"reed\" is no access; it must be read, write, readwrite or deny",
    ),
    (Some("topic read a\ntopic deny a/sec"), "acl:2: the last line does not end: the file is half written"),
];

#[test]
fn an_access_list_that_cannot_be_used_is_refused_at_the_start() {
    for toml in [format!("{LISTENER}[auth]\nacl_file = \"acl\"\n"), format!("{LISTENER}acl_file = \"acl\"\n")]
    {
        for (content, problem) in ACCESS_LISTS {
            let files: Vec<_> = content.map(|content| ("acl", content)).into_iter().collect();
            let serving = Serving::start(&[&files[..], &[("broker.toml", &toml)]].concat());
            assert_eq!(serving.end(), (Some(2), format!("vaux-broker: {problem}")));
        }
    }
}

#[test]
fn an_access_list_that_cannot_be_used_is_not_taken_over_by_a_reload() {
    let toml = format!("{LISTENER}allow_anonymous = true\n[auth]\nacl_file = \"acl\"\n");
    let serving = Serving::start(&[("acl", "topic readwrite a\n"), ("broker.toml", &toml)]);
    let mut client = Client::connect(serving.address(), &nameless("c")).unwrap();
    for (content, problem) in ACCESS_LISTS {
        match content {
            Some(content) => serving.write("acl", content),
            None => std::fs::remove_file(serving.path("acl")).unwrap(),
        }
        let line = serving.reload();
        assert!(line.contains("not reloaded, all stays as it was: ") && line.ends_with(problem), "{line}");
        assert_eq!(client.publish("b", "x", false), ReasonCode::NotAuthorized);
        assert_ne!(client.publish("a", "x", false), ReasonCode::NotAuthorized);
    }
}

#[test]
fn what_is_no_file_is_refused() {
    let toml = format!("{LISTENER}[auth]\npassword_file = \".\"\n");
    let (code, line) = Serving::start(&[("broker.toml", &toml)]).end();
    assert_eq!((code, &*line), (Some(2), "vaux-broker: .: cannot be read: it is not a regular file"));
}

#[test]
fn an_address_that_others_reach_needs_a_source_of_users() {
    let open = LISTENER.replace("127.0.0.1", "0.0.0.0");
    let (code, line) = Serving::start(&[("broker.toml", &open)]).end();
    assert_eq!(code, Some(2));
    assert!(line.contains("can be reached from other machines, and there is no authentication"), "{line}");
    let with_users = format!("{open}password_file = \"users\"\n");
    Serving::start(&[("broker.toml", &with_users), ("users", ALICE)]).address();
}
