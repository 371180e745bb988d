//! Every flow, played against the broker. What the specification only recommends is required here.

use vaux_broker::config::ListenerKind;
use vaux_test::{Flow, bundled, play, report};

use crate::broker::TestBroker;

fn play_all(kind: ListenerKind, workers: usize) {
    let broker = TestBroker::start(kind, workers);
    let target = broker.target();
    let mut failures = String::new();
    for (file, text) in bundled::FLOWS {
        let flow = Flow::parse(file, text).expect("the flows that are built in can be read");
        for &version in &flow.versions {
            let outcome = play(&flow, version, &target, true);
            if outcome.failure.is_some() {
                failures.push_str(&report::text(&flow, version, &outcome));
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
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
