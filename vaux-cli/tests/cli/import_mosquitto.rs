//! `vaux import-mosquitto`: small configurations and what becomes of them, and one that is served.

use std::fs;
use std::path::Path;

use insta::assert_snapshot;
use tempfile::TempDir;

use crate::broker::Broker;
use crate::program::{Run, run};

/// What becomes of a file, in a directory of its own that does not show.
fn import(text: &str) -> Run {
    let directory = tempfile::tempdir().unwrap();
    let mut run = import_in(directory.path(), text);
    for output in [&mut run.stdout, &mut run.stderr] {
        *output = output.replace(&format!("{}/", directory.path().display()), "");
    }
    run
}

fn import_in(directory: &Path, text: &str) -> Run {
    let file = directory.join("mosquitto.conf");
    fs::write(&file, text).unwrap();
    run(&["import-mosquitto", file.to_str().unwrap()])
}

fn transcripts(cases: &[(&str, &str)]) -> String {
    let transcript = |(name, text): &(&str, &str)| {
        format!("=== {name}\n{}\n--- stdout\n{}\n", text.trim_end(), import(text).transcript())
    };
    cases.iter().map(transcript).collect()
}

#[test]
fn what_has_an_equal_is_printed() {
    assert_snapshot!(transcripts(&[
        ("nothing", ""),
        ("a password file on loopback", "password_file /etc/mosquitto/pw"),
        (
            "Debian's file",
            "pid_file /run/mosquitto/mosquitto.pid\n\npersistence true\n\
             persistence_location /var/lib/mosquitto/\nlog_dest file /var/log/mosquitto/mosquitto.log\n",
        ),
        (
            "users and rights for all listeners",
            "allow_anonymous false\npassword_file /etc/mosquitto/pw\nacl_file /etc/mosquitto/my acl  \n\
             listener 1883\nlistener 8883 broker.example\ncertfile /c.pem\nkeyfile /k.pem\ntls_version tlsv1.3\n\
             listener 1883 ::1\nmax_connections 100\nmax_qos 1\n",
        ),
        (
            "users and rights for each listener",
            "per_listener_settings true\nlistener 1883 127.0.0.1\nallow_anonymous true\nauto_id_prefix a-\n\
             listener 1884\npassword_file pw\nacl_file acl\nallow_zero_length_clientid false\n",
        ),
        (
            "certificates of clients",
            "listener 8883\ncafile ca.pem\ncertfile c.pem\nkeyfile k.pem\nrequire_certificate true\n\
             crlfile crl.pem\nuse_identity_as_username true\nciphers HIGH:!aNULL\n",
        ),
        (
            "limits",
            "allow_anonymous true\nlistener 1883 0.0.0.0\nmax_inflight_messages 0\nmax_queued_messages 50\n\
             max_queued_bytes 1048576\nmax_packet_size 4096\nmessage_size_limit 1000\nmax_keepalive 600\n\
             memory_limit 1000000000\npersistent_client_expiration 2w\nqueue_qos0_messages true\n\
             retain_available false\nsys_interval 0\nupgrade_outgoing_qos true\nlog_type warning\nlog_type error\n\
             max_topic_alias 0\n",
        ),
        (
            "WebSocket, a unix socket, and what stands in front of all listeners",
            "max_connections 5\nallow_anonymous true\nsocket_domain ipv4\nlistener 9001\nprotocol websockets\n\
             websockets_origin https://example.org\nlistener 0 /run/mqtt.sock\nmount_point here/\n",
        ),
        (
            "of version 2.1",
            "listener 1883 127.0.0.1\nlistener_allow_anonymous true\naccept_protocol_versions 4, 5\n\
             enable_proxy_protocol 2\nglobal_max_clients 70\nglobal_max_connections 7\nmax_topic_alias_broker 3\n\
             plugin /usr/lib/mosquitto_persist_sqlite.so\nplugin_opt_sync normal\n",
        ),
        (
            "bridges, whose passwords are not repeated",
            "connection plant\naddress plant.example\ntopic # out 1\nremote_password geheim\n",
        ),
    ]));
}

#[test]
fn what_would_let_in_more_than_before_is_not_printed() {
    let listener = "allow_anonymous true\nlistener 1883\n";
    let tls = "allow_anonymous true\nlistener 8883\ncertfile c.pem\nkeyfile k.pem\n";
    let cases: Vec<_> = [
        (listener, "psk_hint hint\n"),
        (listener, "plugin /usr/lib/mosquitto_dynamic_security.so\nplugin_opt_config_file ds.json\n"),
        (listener, "auth_plugin /usr/lib/auth.so\nauth_opt_host localhost\n"),
        (listener, "clientid_prefixes secure-\n"),
        (listener, "use_username_as_clientid true\n"),
        (listener, "bind_interface eth0\n"),
        (listener, "acl_file acl\nmount_point site/\n"),
        (tls, "require_certificate true\ncapath /certs\n"),
        (tls, "cafile ca.pem\nrequire_certificate true\nuse_subject_as_username true\n"),
        (tls, "ciphers ECDHE-RSA-AES256-GCM-SHA384\n"),
        (tls, "ciphers_tls1.3 TLS_AES_256_GCM_SHA384\n"),
        (tls, "tls_engine pkcs11\ntls_keyform engine\n"),
        ("", "listener 1883\n"),
        ("", "listener 1883 127.0.0.1\nproxy_protocol_v2_require_tls true\nclientid_prefixes a\n"),
    ]
    .map(|(before, text)| format!("{before}{text}"))
    .into();
    let transcript: String = cases
        .iter()
        .map(|text| {
            let run = import(text);
            assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{text}");
            format!("=== {}\n{}", text.trim_end().replace('\n', " | "), run.stderr)
        })
        .collect();
    assert_snapshot!(transcript);
}

#[test]
fn mistakes_name_file_and_line() {
    let lines: String = [
        "\n# a comment\nlisteners 1883\n",
        "listener\n",
        "listener 70000\n",
        "listener 0\n",
        "listener 0 /run/s\nprotocol websockets\n",
        "listener 1883\nprotocol mqttsn\n",
        "allow_anonymous yes\n",
        "allow_anonymous\n",
        "password_file a\npassword_file b\n",
        "per_listener_settings true\nallow_anonymous true\n",
        "password_file a\nper_listener_settings true\n",
        "listener_allow_anonymous true\n",
        "plugin_opt_a b\n",
        "address a\n",
        "listener 1883\ncertfile a\n",
        "listener 1883\ncertfile a\nkeyfile b\nrequire_certificate true\n",
        "listener 1883\ncertfile a\nkeyfile b\ntls_version tlsv9\n",
        "persistent_client_expiration 2\n",
        "persistent_client_expiration 99999999999999999999y\n",
        "max_packet_size 19\n",
        "log_type loud\n",
        "include_dir nowhere\n",
        "allow_anonymous true\nlistener 1883 host:name\n",
        "allow_anonymous true\nlistener 1883\nmount_point a/#\n",
    ]
    .map(|text| {
        let run = import(text);
        assert_eq!(run.stdout, "", "{text}");
        assert_eq!(run.stderr.lines().count(), 1, "{text}: {}", run.stderr);
        format!(
            "{}\n    {} exit {}\n",
            text.trim_end().replace('\n', " | "),
            run.stderr.trim_end(),
            run.code.unwrap()
        )
    })
    .concat();
    assert_snapshot!(lines);
}

#[test]
fn an_included_file_begins_without_a_listener() {
    let directory = tempfile::tempdir().unwrap();
    let more = directory.path().join("conf.d");
    fs::create_dir(&more).unwrap();
    fs::write(more.join("b.conf"), "listener 1884\nmax_connections 2\n").unwrap();
    fs::write(more.join("a.conf"), "max_connections 3\n").unwrap();
    fs::write(more.join("c.txt"), "no directive\n").unwrap();
    let main = format!("allow_anonymous true\nlistener 1885\ninclude_dir {}\nmax_qos 1\n", more.display());
    let run = import_in(directory.path(), &main);
    let settings: Vec<_> = run
        .stdout
        .lines()
        .filter(|line| ["bind", "max_connections", "maximum_qos"].iter().any(|key| line.starts_with(key)))
        .map(|line| line.split(" #").next().unwrap().trim_end())
        .collect();
    assert_eq!(
        settings,
        [
            "bind = \"[::]:1883\"",
            "max_connections = 3",
            "bind = \"[::]:1885\"",
            "maximum_qos = 1",
            "bind = \"[::]:1884\"",
            "max_connections = 2"
        ],
        "{}",
        run.transcript()
    );
}

/// The password is `secret`, as mosquitto_passwd 2.0 hashed it.
const USERS: &str = "alice:$7$101$YQtbRlw+AyCBivFG$2THIBaVRoObbEv60q1xnxxybpOqVM0J6o2jZQOdUsod+jpJazQJQEe73+dE4o5f6TGgbQvLjCh1T027XEJfYFA==\n";

/// A broker of what was imported, with a port that the system chooses.
fn serve(home: &TempDir, text: &str) -> Broker {
    let run = import_in(home.path(), text);
    assert_eq!(run.code, Some(0), "{}", run.transcript());
    let config = home.path().join("vaux.toml");
    fs::write(&config, run.stdout.replace(":1883\"", ":0\"")).unwrap();
    let config = config.to_str().unwrap();
    let check = crate::program::run(&["broker", "--check-config", "-c", config]);
    assert_eq!(check.code, Some(0), "{}", check.transcript());
    Broker::start_in(tempfile::tempdir().unwrap(), &["-c", config], "mqtt")
}

#[test]
fn users_and_rights_are_those_of_mosquitto() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("pw"), USERS).unwrap();
    fs::write(home.path().join("acl"), "user alice\ntopic readwrite a/#\n").unwrap();
    let path = |name: &str| home.path().join(name).display().to_string();
    let text = format!("listener 1883 127.0.0.1\npassword_file {}\nacl_file {}\n", path("pw"), path("acl"));
    let broker = serve(&home, &text);
    let code = |args: &[&str]| broker.run("pub", &[&["-q", "1", "-m", "x"], args].concat()).code;
    let alice = ["-u", "alice", "-P", "secret"];
    assert_eq!(code(&[&alice[..], &["-t", "a/b"]].concat()), Some(0));
    assert_eq!(code(&[&alice[..], &["-t", "b"]].concat()), Some(7), "a topic that is not hers");
    assert_eq!(code(&["-u", "alice", "-P", "wrong", "-t", "a/b"]), Some(4));
    assert_eq!(code(&["-u", "bob", "-P", "secret", "-t", "a/b"]), Some(4));
    assert_eq!(code(&["-t", "a/b"]), Some(4), "a client without a name");
}
