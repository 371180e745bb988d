//! The scenarios, in the order of the report.

use vaux_mqtt::QoS;

use super::growth::{Axis, Place};
use super::scenario::{Filters, Homes, Load, Scenario, Sessions, Slow, Traffic};

/// 16 pairs, from which the others differ.
const PAIRS: Traffic = Traffic {
    topics: 16,
    divisions: 1,
    publishers: 16,
    subscribers: 16,
    filters: Filters::Topic,
    qos: QoS::AtMostOnce,
    payload_bytes: 64,
    properties: false,
    ahead: 1000,
    in_flight: 100,
    homes: Homes::Any,
    sessions: Sessions::End,
    idle: 0,
};

const PAIRS_QOS1: Traffic = Traffic { qos: QoS::AtLeastOnce, ..PAIRS };

const ONE_PAIR: Traffic = Traffic { topics: 1, publishers: 1, subscribers: 1, ..PAIRS };

/// Many publishers meet in one subscriber, whose queue at the broker must hold what all of them are ahead.
const FAN_IN: Traffic = Traffic { topics: 1, publishers: 100, subscribers: 1, ahead: 200, ..PAIRS };

const FAN_OUT: Traffic = Traffic { topics: 1, publishers: 1, subscribers: 100, ..PAIRS };

/// Messages that a broker has to keep, for one connected subscriber of each topic. Each publisher has one message
/// unacknowledged.
const DURABLE: Traffic = Traffic { payload_bytes: 136, in_flight: 1, sessions: Sessions::Kept, ..PAIRS_QOS1 };

/// By default vaux-broker lets a client have 1,000 subscriptions.
const MANY_SUBSCRIPTIONS: &str = "[limits]\nmax_subscriptions_per_client = 1000000\n";

/// By default vaux-broker keeps 10,000 messages and 16 MiB for a session.
const LONG_QUEUES: &str = "[limits]\nmax_queued_messages = 2000000\nmax_queued_bytes = \"2GiB\"\n";

const fn plain(name: &'static str, about: &'static str, load: Load) -> Scenario {
    Scenario { name, about, load, tls: false, limits: "", growth: None }
}

const fn traffic(name: &'static str, about: &'static str, traffic: Traffic) -> Scenario {
    plain(name, about, Load::Traffic(traffic))
}

const fn tls(name: &'static str, about: &'static str, load: Load) -> Scenario {
    Scenario { tls: true, ..plain(name, about, load) }
}

/// Every scenario of the report.
pub(crate) const ALL: [Scenario; 29] = [
    traffic("pairs-qos0", "16 publishers, 16 subscribers, QoS 0", PAIRS),
    traffic("pairs-qos1", "16 publishers, 16 subscribers, QoS 1", PAIRS_QOS1),
    traffic("pairs-qos2", "16 publishers, 16 subscribers, QoS 2", Traffic { qos: QoS::ExactlyOnce, ..PAIRS }),
    traffic("pair-qos0", "1 publisher, 1 subscriber, QoS 0", ONE_PAIR),
    traffic(
        "pairs-1-in-flight",
        "64 pairs, one message under way each, QoS 0",
        Traffic { topics: 64, publishers: 64, subscribers: 64, ahead: 1, in_flight: 1, ..PAIRS },
    ),
    traffic(
        "pairs-16k",
        "16 pairs, QoS 0, 16 KiB of payload",
        Traffic { payload_bytes: 16 << 10, ahead: 100, ..PAIRS },
    ),
    traffic(
        "pairs-v5-properties",
        "16 pairs, QoS 0, version 5.0 with two user properties and a content type",
        Traffic { properties: true, ..PAIRS },
    ),
    tls("pairs-tls-qos0", "16 pairs, QoS 0, TLS", Load::Traffic(PAIRS)),
    tls("pairs-tls-qos1", "16 pairs, QoS 1, TLS", Load::Traffic(PAIRS_QOS1)),
    traffic("fanout", "1 publisher, 100 subscribers, QoS 0", FAN_OUT),
    traffic(
        "fanout-1000",
        "1 publisher, 1,000 subscribers, QoS 0",
        Traffic { subscribers: 1000, ahead: 100, ..FAN_OUT },
    ),
    traffic("fanin-qos0", "100 publishers, 1 subscriber, QoS 0", FAN_IN),
    traffic(
        "fanin-qos1",
        "100 publishers, 1 subscriber, QoS 1",
        Traffic { qos: QoS::AtLeastOnce, ahead: 50, in_flight: 50, ..FAN_IN },
    ),
    traffic(
        "shared-qos1",
        "16 publishers, 4 members of a shared subscription, QoS 1",
        Traffic { topics: 1, subscribers: 4, filters: Filters::Shared, ..PAIRS_QOS1 },
    ),
    traffic(
        "wildcards",
        "50 pairs, 1,000 filters with wildcards each, topics that one of the 50,000 matches, QoS 0",
        Traffic {
            topics: 50,
            divisions: 1000,
            publishers: 50,
            subscribers: 50,
            filters: Filters::Wildcards,
            ahead: 200,
            ..PAIRS
        },
    ),
    traffic(
        "pairs-cross",
        "16 pairs, QoS 0, publisher and subscriber on different workers",
        Traffic { homes: Homes::Crossing, ..PAIRS },
    ),
    traffic(
        "pairs-cross-qos1",
        "16 pairs, QoS 1, publisher and subscriber on different workers",
        Traffic { homes: Homes::Crossing, ..PAIRS_QOS1 },
    ),
    plain(
        "paced",
        "16 pairs, QoS 1, 5,000 messages due in a second: latency from when each was due",
        Load::Paced { traffic: PAIRS_QOS1, rate: 5000 },
    ),
    plain(
        "many",
        "1 pair, QoS 0, without and with a fast publisher, a slow subscriber and 10,000 idle connections",
        Load::Disturbed {
            traffic: ONE_PAIR,
            idle: 10_000,
            slow: Slow { published: 20_000, payload_bytes: 256, read_bytes: 64 << 10 },
        },
    ),
    traffic(
        "durable-qos1-1",
        "1 pair, 1 message unacknowledged, QoS 1, the subscriber's session is kept",
        Traffic { topics: 1, publishers: 1, subscribers: 1, ..DURABLE },
    ),
    traffic(
        "durable-qos1-16",
        "16 pairs, 1 message of each unacknowledged, QoS 1, sessions of subscribers are kept",
        DURABLE,
    ),
    traffic(
        "durable-qos1-256",
        "16 pairs, 16 messages of each unacknowledged, QoS 1, sessions of subscribers are kept",
        Traffic { in_flight: 16, ..DURABLE },
    ),
    plain("connects", "connect, be accepted, disconnect; 64 at once", Load::Connects { at_once: 64 }),
    plain("idle", "10,000 idle connections, one subscription each", Load::Idle { connections: 10_000 }),
    tls("idle-tls", "2,000 idle connections, one subscription each, TLS", Load::Idle { connections: 2000 }),
    plain(
        "memory-retained",
        "100,000 retained messages, 64 bytes of payload each",
        Load::RetainedMemory { messages: 100_000 },
    ),
    plain(
        "memory-filters",
        "100 clients, 1,000 filters with wildcards each",
        Load::FilterMemory { connections: 100, filters_each: 1000 },
    ),
    plain("retained", "50,000 retained messages to a new subscriber", Load::Retained { messages: 50_000 }),
    queue("drain", "1,000,000 messages, QoS 1, to a subscriber that comes back", 1_000_000, None),
];

/// How the cost of a message grows with what there is beside it.
pub(crate) const GROWTH: [Scenario; 15] = [
    filters("growth-filters-1", 1),
    filters("growth-filters-1k", 1_000),
    filters("growth-filters-100k", 100_000),
    filters("growth-filters-1m", 1_000_000),
    topics("growth-topics-1", 1),
    topics("growth-topics-1k", 1_000),
    topics("growth-topics-100k", 100_000),
    topics("growth-topics-1m", 1_000_000),
    connections("growth-connections-10", 10),
    connections("growth-connections-1k", 1_000),
    connections("growth-connections-10k", 10_000),
    queued("growth-queued-1k", 1_000),
    queued("growth-queued-10k", 10_000),
    queued("growth-queued-100k", 100_000),
    queued("growth-queued-1m", 1_000_000),
];

const fn queue(name: &'static str, about: &'static str, messages: usize, growth: Option<Place>) -> Scenario {
    Scenario { limits: LONG_QUEUES, growth, ..plain(name, about, Load::Drain { messages }) }
}

const fn queued(name: &'static str, at: usize) -> Scenario {
    let about = "messages of a queue, to a subscriber that comes back, QoS 1";
    queue(name, about, at, Some(Place { axis: Axis::Queued, at }))
}

const fn filters(name: &'static str, at: usize) -> Scenario {
    let load = Traffic { divisions: at, filters: Filters::Wildcards, ..ONE_PAIR };
    let about = "1 pair, all filters are the subscriber's, one matches each message, QoS 0";
    let scenario = traffic(name, about, load);
    Scenario { limits: MANY_SUBSCRIPTIONS, growth: Some(Place { axis: Axis::Filters, at }), ..scenario }
}

const fn topics(name: &'static str, at: usize) -> Scenario {
    let load = Traffic { divisions: at, filters: Filters::Everything, ..ONE_PAIR };
    let about = "1 pair, each message of the next topic, one filter for all, QoS 0";
    Scenario { growth: Some(Place { axis: Axis::Topics, at }), ..traffic(name, about, load) }
}

const fn connections(name: &'static str, at: usize) -> Scenario {
    let load = Traffic { topics: 5, publishers: 5, subscribers: 5, idle: at - 10, ..PAIRS };
    let about = "5 pairs, QoS 0, all other connections are idle";
    Scenario { growth: Some(Place { axis: Axis::Connections, at }), ..traffic(name, about, load) }
}
