//! `vaux why`, and being the operator of the broker on this machine.

use serde_json::Value;

use crate::broker::Broker;

#[test]
fn what_happened_to_a_client_is_told_with_its_cause() {
    let broker = Broker::plain();
    let refused = broker.run("pub", &["-i", "nosy", "-t", "$SYS/broker/uptime", "-m", "x", "-q", "1"]);
    assert_eq!(refused.code, Some(7), "{}", refused.stderr);
    let why = broker.run("why", &["nosy"]);
    assert_eq!((why.code, &*why.stderr), (Some(0), ""));
    let lines: Vec<&str> = why.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{}", why.stdout);
    let drop = "drop nosy: this client may not publish under this topic (not-authorized) \
                · topic $SYS/broker/uptime";
    assert!(lines[0].ends_with(drop), "{}", lines[0]);
    assert!(lines[1].contains("disconnect nosy: the client disconnected (client, 0x00)"), "{}", lines[1]);

    let json = broker.run("why", &["--topic", "$SYS/broker/uptime", "--json"]);
    let incident: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        (incident["cause"].as_str(), incident["client_id"].as_str()),
        (Some("not-authorized"), Some("nosy"))
    );

    let nothing = broker.run("why", &["nobody"]);
    assert_eq!((nothing.code, &*nothing.stdout), (Some(0), ""));
    assert!(nothing.stderr.contains("nothing is remembered"), "{}", nothing.stderr);
}

#[test]
fn the_operator_is_who_can_read_the_token() {
    let broker = Broker::plain();
    let sessions = ["-i", "me", "-t", "$SYS/broker/vaux/sessions/#", "-C", "1", "-F", "%t"];
    let seen = broker.run("sub", &sessions);
    assert_eq!((seen.code, &*seen.stdout), (Some(0), "$SYS/broker/vaux/sessions/me\n"), "{}", seen.stderr);
    let elsewhere = tempfile::tempdir().unwrap();
    let elsewhere = ["--data-dir", elsewhere.path().to_str().unwrap()];
    let refused = broker.run("sub", &[&sessions[..], &elsewhere].concat());
    assert_eq!(refused.code, Some(7), "{}", refused.stderr);
    let refused = broker.run("why", &elsewhere);
    assert_eq!(refused.code, Some(7), "{}", refused.stderr);
    let liar = broker.run("why", &["-u", "$operator", "-P", "guess"]);
    assert_eq!(liar.code, Some(4), "{}", liar.stderr);
}
