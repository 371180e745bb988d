//! Every flow, played against the broker. What the specification only recommends is required here.

use vaux_broker::config::ListenerKind;
use vaux_mqtt::Version;
use vaux_test::suite::{self, Options};
use vaux_test::{Flow, bundled, play, report};

use crate::broker::TestBroker;

fn play_all(kind: ListenerKind, workers: usize) {
    let broker = TestBroker::start(kind, workers);
    let read = |(file, text): &(&str, &str)| {
        Flow::parse(file, text).expect("the flows that are built in can be read")
    };
    let flows: Vec<Flow> = bundled::FLOWS.iter().map(read).collect();
    let options = Options { strict: true, offers: vec!["enhanced-auth".to_owned()], ..Options::default() };
    let cases = suite::run(&flows, &broker.target(), &options, &|_, _| ()).expect("the broker is there");
    let failures: String = cases.iter().map(report::failure).collect();
    assert!(failures.is_empty(), "\n{failures}");
    assert_eq!(suite::totals(&cases).not_testable, 0);
}

#[test]
fn every_flow_passes_with_one_worker() {
    play_all(ListenerKind::Tcp, 1);
}

#[test]
fn every_flow_passes_with_sessions_on_several_workers() {
    play_all(ListenerKind::Tcp, 3);
}

#[test]
fn every_flow_passes_over_tls() {
    play_all(ListenerKind::Tls, 2);
}

#[test]
fn every_flow_passes_over_web_socket() {
    play_all(ListenerKind::Ws, 2);
}

#[test]
fn every_flow_passes_over_web_socket_and_tls() {
    play_all(ListenerKind::Wss, 2);
}

/// What vaux does where the specification leaves the choice.
fn play_own(steps: &str) {
    let broker = TestBroker::start(ListenerKind::Tcp, 1);
    let flow = Flow::parse("vaux", &format!("name: vaux\nversions: 5\n{steps}")).expect("the flow is right");
    let outcome = play(&flow, Version::V5, &broker.target(), true);
    assert_eq!(outcome.failure, None, "\n{}", outcome.transcript.text(""));
}

#[test]
fn topics_are_sent_once_to_clients_that_take_aliases() {
    play_own(
        r#"
        c> CONNECT topic_alias_maximum=1
        c< CONNACK reason=00
        c> SUBSCRIBE id=1 filter="{id}/+" qos=0
        c< SUBACK codes=00
        c> PUBLISH topic="{id}/a" payload="1"
        c< PUBLISH topic="{id}/a" topic_alias=1 payload="1"
        c> PUBLISH topic="{id}/a" payload="2"
        c< PUBLISH topic="" topic_alias=1 payload="2"
        "#,
    );
}

/// Shows: U5-12
#[test]
fn a_packet_that_is_announced_too_large_is_not_waited_for() {
    play_own(
        r#"
        c> CONNECT
        c< CONNACK reason=00 maximum_packet_size=2097152
        c> hex 30 ff ff ff 7f
        c< DISCONNECT reason=95
        c< close
        "#,
    );
}
