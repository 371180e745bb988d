//! What is not offered or over a limit, and how clients are told.

use vaux_mqtt::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};

use super::*;
use crate::store::StoreState;

fn with_settings(change: impl FnOnce(&mut Settings)) -> Sim {
    let mut settings = Settings::default();
    change(&mut settings);
    Sim::with(1, settings, Recorder::discarding)
}

fn with_maximum_qos(maximum_qos: QoS) -> Sim {
    let mut sim = Sim::new(1);
    let config = ListenerConfig { maximum_qos, ..ListenerConfig::new(ListenerKind::Tcp) };
    sim.listener = Arc::new(ListenerSettings::new(&config, true));
    sim
}

impl Sim {
    /// Sends a CONNECT that the test writes itself, and returns the bytes of the answer.
    fn answer_to(&mut self, connect: &Connect<'_>) -> (Client, Vec<u8>) {
        let client = self.open(connect.version);
        let mut bytes = Vec::new();
        connect.encode(&mut bytes);
        self.send_bytes(client, &bytes);
        (client, self.received.remove(&client).unwrap_or_default())
    }
}

fn will(qos: QoS, retain: bool) -> Will<'static> {
    Will { qos, retain, properties: Properties::EMPTY, topic: "will", payload: b"" }
}

/// Shows: v5:MQTT-3.2.2-9 v5:MQTT-3.2.2-10 v5:MQTT-3.2.2-12 U5-10
#[test]
fn a_listener_without_qos_2_says_so_and_takes_none() {
    let mut sim = with_maximum_qos(AtLeastOnce);
    let (client, connack) = sim.answer_to(&Connect::new(Version::V5, "c"));
    assert!(connack.windows(2).any(|property| property == [0x24, 1]), "{connack:?}");
    assert_eq!(sim.subscribe(client, "a", ExactlyOnce), [Seen::SubAck(vec![2])]);
    sim.publish(client, "b", "x", ExactlyOnce, 1);
    assert_eq!(sim.see(client), [Seen::Disconnect(ReasonCode::QosNotSupported)]);
    assert!(!sim.is_open(client));
    let connect = Connect { will: Some(will(ExactlyOnce, false)), ..Connect::new(Version::V5, "w") };
    let (client, connack) = sim.answer_to(&connect);
    assert_eq!(connack[2..4], [0, 0x9B]);
    assert!(!sim.is_open(client));
}

/// Shows: v5:MQTT-3.2.2-13 U5-11
#[test]
fn a_server_without_retained_messages_says_so_and_takes_none() {
    let mut sim = with_settings(|settings| settings.mqtt.retain_available = false);
    let (client, connack) = sim.answer_to(&Connect::new(Version::V5, "c"));
    assert!(connack.windows(2).any(|property| property == [0x25, 0]), "{connack:?}");
    sim.send_publish(client, &Publish { retain: true, ..Publish::new("a") });
    assert_eq!(sim.see(client), [Seen::Disconnect(ReasonCode::RetainNotSupported)]);
    let connect = Connect { will: Some(will(AtMostOnce, true)), ..Connect::new(Version::V5, "w") };
    assert_eq!(sim.answer_to(&connect).1[2..4], [0, 0x9A]);
}

/// Shows: U5-13 U5-14 U5-15
#[test]
fn subscriptions_that_are_not_offered_end_the_connection() {
    let identifier = [Property::SubscriptionIdentifier(1)];
    type Switch = fn(&mut Settings);
    let cases: [(Switch, &str, &[Property<'_>], ReasonCode); 3] = [
        (
            |settings| settings.mqtt.wildcard_subscription_available = false,
            "a/+",
            &[],
            ReasonCode::WildcardSubscriptionsNotSupported,
        ),
        (
            |settings| settings.mqtt.subscription_identifier_available = false,
            "a",
            &identifier,
            ReasonCode::SubscriptionIdentifiersNotSupported,
        ),
        (
            |settings| settings.mqtt.shared_subscription_available = false,
            "$share/g/a",
            &[],
            ReasonCode::SharedSubscriptionsNotSupported,
        ),
    ];
    for (switch, filter, properties, reason) in cases {
        let mut sim = with_settings(switch);
        let client = sim.connect(&Hello::new("c"));
        let options = SubscriptionOptions::with_qos(AtMostOnce);
        assert_eq!(sim.subscribe_with(client, filter, options, properties), [Seen::Disconnect(reason)]);
    }
}

/// Shows: v311:MQTT-3.8.3-2 v31:suback
#[test]
fn older_clients_are_refused_a_filter_by_the_code_that_they_know_or_by_closing() {
    let mut sim = with_settings(|settings| settings.mqtt.wildcard_subscription_available = false);
    let client = sim.connect(&Hello { version: Version::V311, ..Hello::new("c") });
    assert_eq!(sim.subscribe(client, "a/+", AtMostOnce), [Seen::SubAck(vec![0x80])]);
    let client = sim.connect(&Hello { version: Version::V31, ..Hello::new("d") });
    assert_eq!(sim.subscribe(client, "a/+", AtMostOnce), []);
    assert!(!sim.is_open(client));
}

/// Shows: v5:MQTT-3.1.3-8 v5:MQTT-3.2.2-8
#[test]
fn a_client_identifier_that_is_too_long_is_refused() {
    let mut sim = with_settings(|settings| settings.limits.max_client_id_bytes = 30);
    let id = "i".repeat(31);
    let (client, connack) = sim.answer_to(&Connect::new(Version::V5, &id));
    assert_eq!(connack[2..4], [0, 0x85]);
    assert!(!sim.is_open(client));
    let (client, connack) = sim.answer_to(&Connect::new(Version::V311, &id));
    assert_eq!(connack, [0x20, 2, 0, 2]);
    assert!(!sim.is_open(client));
}

/// Shows: v5:MQTT-4.3.3-9
#[test]
fn the_identifier_of_a_refused_qos_2_message_is_free_at_once() {
    let mut sim = Sim::new(1);
    let client = sim.connect(&Hello::new("c"));
    sim.subscribe(client, "a", AtMostOnce);
    sim.publish(client, "$SYS/x", "x", ExactlyOnce, 5);
    assert_eq!(sim.see(client), [Seen::Ack(PacketType::PubRec, 5, ReasonCode::NotAuthorized)]);
    sim.publish(client, "a", "x", ExactlyOnce, 5);
    assert_eq!(
        sim.see(client),
        [message("a", "x", 0, 0), Seen::Ack(PacketType::PubRec, 5, ReasonCode::Success)]
    );
}

/// Shows: v311:MQTT-3.3.5-2
#[test]
fn a_publish_that_is_not_allowed_is_acknowledged_before_version_5() {
    let mut sim = Sim::new(1);
    let client = sim.connect(&Hello { version: Version::V311, ..Hello::new("c") });
    sim.publish(client, "$SYS/x", "x", AtLeastOnce, 5);
    assert_eq!(sim.see(client), [puback(5)]);
}

/// Shows: v311:MQTT-4.8.0-2
#[test]
fn a_full_store_refuses_and_before_version_5_closes() {
    let mut sim = Sim::new(1);
    sim.cores[0].handle_store_state(sim.now, StoreState::Full);
    let new = sim.connect(&Hello::new("new"));
    sim.publish(new, "a", "x", AtLeastOnce, 1);
    assert_eq!(sim.see(new), [Seen::Ack(PacketType::PubAck, 1, ReasonCode::QuotaExceeded)]);
    let old = sim.connect(&Hello { version: Version::V311, ..Hello::new("old") });
    sim.publish(old, "a", "x", AtMostOnce, 0);
    assert_eq!(sim.ping(old), [Seen::Pong]);
    sim.publish(old, "a", "x", AtLeastOnce, 1);
    assert_eq!(sim.see(old), []);
    assert!(!sim.is_open(old));
    sim.cores[0].handle_store_state(sim.now, StoreState::Good);
    sim.publish(new, "a", "x", AtLeastOnce, 2);
    assert!(matches!(
        sim.see(new)[..],
        [Seen::Ack(PacketType::PubAck, 2, ReasonCode::NoMatchingSubscribers)]
    ));
}

#[test]
fn a_failed_store_disconnects_those_whose_sessions_it_keeps() {
    let mut sim = Sim::stored(1);
    let kept = sim.open_durable("kept");
    let other = sim.connect(&Hello::new("other"));
    sim.cores[0].handle_store_state(sim.now, StoreState::Failed);
    sim.settle();
    assert_eq!(sim.see(kept), [Seen::Disconnect(ReasonCode::ImplementationSpecificError)]);
    assert!(!sim.is_open(kept));
    sim.subscribe(other, "a", AtMostOnce);
    sim.publish(other, "a", "x", AtMostOnce, 0);
    assert_eq!(sim.see(other), [message("a", "x", 0, 0)]);
    let (_, seen) = sim.connect_and_see(&Hello::durable("kept"));
    assert_eq!(seen, [Seen::ConnAck(false, ReasonCode::ServerUnavailable)]);
}

/// Shows: v5:MQTT-3.4.2-2 v5:MQTT-3.5.2-2 v5:MQTT-3.6.2-2 v5:MQTT-3.7.2-2 v5:MQTT-3.9.2-1
#[test]
fn explanations_that_would_make_a_packet_too_large_are_left_out() {
    type Provoke = dyn Fn(&mut Sim, Client);
    let len = |maximum: u32, provoke: &Provoke| {
        let mut sim = Sim::new(1);
        let properties = [Property::MaximumPacketSize(maximum)];
        let connect =
            Connect { properties: Properties::from_slice(&properties), ..Connect::new(Version::V5, "c") };
        let (client, _) = sim.answer_to(&connect);
        provoke(&mut sim, client);
        sim.received.remove(&client).unwrap_or_default().len()
    };
    let packets: [&Provoke; 5] = [
        &|sim, client| sim.publish(client, "$SYS/x", "x", AtLeastOnce, 1),
        &|sim, client| sim.publish(client, "$SYS/x", "x", ExactlyOnce, 1),
        &|sim, client| sim.ack(client, PacketType::PubRec, 9),
        &|sim, client| sim.ack(client, PacketType::PubRel, 9),
        &|sim, client| {
            let subscription =
                [Subscription { filter: "$x", options: SubscriptionOptions::with_qos(AtMostOnce) }];
            let subscribe = Subscribe {
                packet_id: id(1),
                properties: Properties::EMPTY,
                subscriptions: Subscriptions::from_slice(&subscription),
            };
            let mut bytes = Vec::new();
            subscribe.encode(Version::V5, &mut bytes);
            sim.send_bytes(client, &bytes);
        },
    ];
    for provoke in packets {
        let explained = len(1000, provoke);
        let bare = len(explained as u32 - 1, provoke);
        assert!((4..=8).contains(&bare) && bare < explained, "{bare} of {explained}");
        assert_eq!(len(explained as u32, provoke), explained);
    }
}

/// Shows: U5-29
#[test]
fn a_connection_without_connect_is_closed() {
    let mut sim = Sim::new(1);
    let client = sim.open(Version::V5);
    sim.advance(9_999);
    assert!(sim.is_open(client));
    sim.advance(1);
    assert!(!sim.is_open(client));
}

/// Shows: U5-30
#[test]
fn a_keep_alive_of_0_never_runs_out() {
    let mut sim = Sim::new(1);
    let silent = sim.connect(&Hello { keep_alive: 0, ..Hello::new("silent") });
    let watched = sim.connect(&Hello { keep_alive: 10, ..Hello::new("watched") });
    sim.advance(1_000_000_000);
    assert!(sim.is_open(silent));
    assert!(!sim.is_open(watched));
}

/// Shows: v5:MQTT-3.1.2-24
#[test]
fn a_client_that_takes_no_connack_gets_none() {
    let len = |maximum: u32| {
        let mut sim = Sim::new(1);
        let properties = [Property::MaximumPacketSize(maximum)];
        let connect =
            Connect { properties: Properties::from_slice(&properties), ..Connect::new(Version::V5, "c") };
        let (client, answer) = sim.answer_to(&connect);
        (answer.len(), sim.is_open(client))
    };
    let (whole, _) = len(1000);
    assert_eq!(len(whole as u32), (whole, true));
    // CONNACK 0x95 without a word fits.
    assert_eq!(len(whole as u32 - 1), (5, false));
    assert_eq!(len(4), (0, false));
}
