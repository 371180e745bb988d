//! Mosquitto's tree below `$SYS/broker/`, name for name, with the same meaning.

use super::Totals;
use super::load::Load;

/// The moving averages of the tree.
#[derive(Debug, Default)]
pub(super) struct Loads {
    loads: [Load; 9],
}

/// The three topics of an average.
macro_rules! load_topics {
    ($name:literal) => {
        [
            concat!("$SYS/broker/load/", $name, "/1min"),
            concat!("$SYS/broker/load/", $name, "/5min"),
            concat!("$SYS/broker/load/", $name, "/15min"),
        ]
    };
}
/// The averages' topics, in the order in which [`Loads::update`] counts.
const LOAD_TOPICS: [[&str; 3]; 9] = [
    load_topics!("connections"),
    load_topics!("sockets"),
    load_topics!("bytes/received"),
    load_topics!("bytes/sent"),
    load_topics!("messages/received"),
    load_topics!("messages/sent"),
    load_topics!("publish/received"),
    load_topics!("publish/sent"),
    load_topics!("publish/dropped"),
];

impl Loads {
    /// Takes the counters into the averages, so long after the last time.
    pub(super) fn update(&mut self, totals: &Totals, elapsed_s: f64) {
        let counters = &totals.counters;
        let counts = [
            counters.connects,
            counters.sockets,
            counters.bytes_received,
            counters.bytes_sent,
            counters.packets_received,
            counters.packets_sent,
            counters.messages_received,
            counters.messages_sent,
            counters.dropped.total(),
        ];
        self.loads.iter_mut().zip(counts).for_each(|(load, count)| load.update(count, elapsed_s));
    }
}

/// All topics with their values. `own_retained` are the messages of the tree itself, which mosquitto counts, too.
pub(super) fn entries(totals: &Totals, own_retained: u64, loads: &Loads) -> Vec<(&'static str, String)> {
    let Totals { counters, gauges, measures, .. } = totals;
    let disconnected = gauges.sessions.saturating_sub(gauges.connected);
    let retained = totals.retained_messages + own_retained;
    let stored = retained + gauges.queued_messages;
    let numbers = [
        ("$SYS/broker/clients/total", gauges.sessions),
        ("$SYS/broker/clients/maximum", totals.clients_maximum),
        ("$SYS/broker/clients/connected", gauges.connected),
        ("$SYS/broker/clients/active", gauges.connected),
        ("$SYS/broker/clients/disconnected", disconnected),
        ("$SYS/broker/clients/inactive", disconnected),
        ("$SYS/broker/clients/expired", counters.expired_sessions),
        ("$SYS/broker/connections/socket/count", gauges.connections),
        ("$SYS/broker/messages/received", counters.packets_received),
        ("$SYS/broker/messages/sent", counters.packets_sent),
        ("$SYS/broker/publish/messages/received", counters.messages_received),
        ("$SYS/broker/publish/messages/sent", counters.messages_sent),
        ("$SYS/broker/publish/messages/dropped", counters.dropped.total()),
        ("$SYS/broker/bytes/received", counters.bytes_received),
        ("$SYS/broker/bytes/sent", counters.bytes_sent),
        ("$SYS/broker/publish/bytes/received", counters.payload_bytes_received),
        ("$SYS/broker/publish/bytes/sent", counters.payload_bytes_sent),
        ("$SYS/broker/packet/out/count", gauges.outbox_packets),
        ("$SYS/broker/packet/out/bytes", gauges.outbox_bytes),
        ("$SYS/broker/store/messages/count", stored),
        ("$SYS/broker/messages/stored", stored),
        ("$SYS/broker/store/messages/bytes", totals.retained_bytes + gauges.queued_bytes),
        ("$SYS/broker/retained messages/count", retained),
        ("$SYS/broker/subscriptions/count", gauges.subscriptions),
        ("$SYS/broker/shared_subscriptions/count", gauges.shared_subscriptions),
        ("$SYS/broker/heap/current", measures.resident_bytes),
        ("$SYS/broker/heap/maximum", measures.peak_resident_bytes),
    ];
    let texts = [
        ("$SYS/broker/version", format!("vaux version {}", env!("CARGO_PKG_VERSION"))),
        ("$SYS/broker/uptime", format!("{} seconds", totals.uptime_ms / 1000)),
    ];
    let averages = LOAD_TOPICS.iter().zip(&loads.loads).flat_map(|(topics, load)| {
        topics.iter().zip(load.averages()).map(|(topic, average)| (*topic, format!("{average:.2}")))
    });
    let numbers = numbers.into_iter().map(|(topic, number)| (topic, number.to_string()));
    texts.into_iter().chain(numbers).chain(averages).collect()
}
