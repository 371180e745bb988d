//! `/metrics`: what the workers counted, as OpenMetrics text.
//!
//! Everything is made from [`Totals`] at the moment of the scrape. A count that is added there does not compile here
//! until it has a name.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use crate::core::{Counters, Dropped, Gauges, Histogram, Measures, Reached, Totals};
use crate::store::StoreState;

/// What [`render`] writes.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics.
pub(super) fn render(totals: &Totals) -> String {
    let mut registry = Registry::with_prefix("vaux");
    registry.register_collector(Box::new(Scrape(*totals)));
    let mut page = String::new();
    text::encode(&mut page, &registry).expect("a String takes any text");
    page
}

/// One look at the broker.
#[derive(Debug)]
struct Scrape(Totals);

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Totals {
            counters,
            gauges,
            measures,
            retained_messages,
            retained_bytes,
            clients_maximum,
            uptime_ms,
            workers,
        } = &self.0;
        let mut page = Page(encoder);
        page.build()?;
        page.seconds("uptime", "How long the broker has been running", *uptime_ms)?;
        page.gauge("workers", "Worker threads", *workers)?;
        page.counters(counters)?;
        page.gauges(gauges)?;
        page.gauge("sessions_maximum", "Most sessions at one time", *clients_maximum)?;
        page.gauge("retained_messages", "Retained messages of clients", *retained_messages)?;
        page.bytes("retained", "What retained messages of clients take", *retained_bytes)?;
        page.measures(measures)
    }
}

/// The page that is being written.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn counters(&mut self, counters: &Counters) -> fmt::Result {
        let Counters {
            bytes_received,
            bytes_sent,
            packets_received,
            packets_sent,
            messages_received,
            messages_sent,
            payload_bytes_received,
            payload_bytes_sent,
            sockets,
            connects,
            refused_connects,
            expired_sessions,
            expired_credentials,
            revoked_credentials,
            paced,
            reached,
            forgotten_events,
            dropped,
            delivery,
        } = counters;
        self.bytes_counter("received", "Bytes of packets from clients", *bytes_received)?;
        self.bytes_counter("sent", "Bytes that sockets of clients took", *bytes_sent)?;
        self.counter("packets_received", "Packets from clients, of all types", *packets_received)?;
        self.counter("packets_sent", "Packets to clients, of all types", *packets_sent)?;
        self.counter("messages_received", "Messages from clients", *messages_received)?;
        self.counter("messages_sent", "Messages to clients, one for each receiver", *messages_sent)?;
        self.bytes_counter("payload_received", "Payload of messages from clients", *payload_bytes_received)?;
        self.bytes_counter("payload_sent", "Payload of messages to clients", *payload_bytes_sent)?;
        self.counter("connections_accepted", "Connections that were accepted", *sockets)?;
        self.counter("connects", "CONNECT packets that were accepted", *connects)?;
        self.counter("connects_refused", "CONNECT packets that were refused", *refused_connects)?;
        self.counter("sessions_expired", "Sessions that nobody came back for in time", *expired_sessions)?;
        let help = "Connections that ended because a token, or another proof of who the client is, ran out";
        self.counter("credentials_expired", help, *expired_credentials)?;
        let help = "Connections that ended because the user was removed or has another password, or the certificate is not taken any more";
        self.counter("credentials_revoked", help, *revoked_credentials)?;
        self.counter("paced", "Times that a client published too fast and was read more slowly", *paced)?;
        self.reached(reached)?;
        self.counter("events_forgotten", "Events and incidents that found no room", *forgotten_events)?;
        self.dropped(dropped)?;
        self.histogram("delivery", "From the socket of a publisher to those of its subscribers", delivery)
    }

    fn reached(&mut self, reached: &Reached) -> fmt::Result {
        let help = "Clients that were not let in, by the limit that was reached";
        let mut family = self.0.encode_descriptor("limit_reached", help, None, MetricType::Counter)?;
        for (limit, count) in reached.by_limit() {
            ConstCounter::new(count).encode(family.encode_family(&[("limit", limit)])?)?;
        }
        Ok(())
    }

    fn dropped(&mut self, dropped: &Dropped) -> fmt::Result {
        let help = "Messages that were not delivered to one session, by cause";
        let mut family = self.0.encode_descriptor("messages_dropped", help, None, MetricType::Counter)?;
        for (cause, count) in dropped.by_cause() {
            ConstCounter::new(count).encode(family.encode_family(&[("cause", cause)])?)?;
        }
        Ok(())
    }

    fn gauges(&mut self, gauges: &Gauges) -> fmt::Result {
        let Gauges {
            connections,
            sessions,
            connected,
            subscriptions,
            shared_subscriptions,
            queued_messages,
            queued_bytes,
            outbox_packets,
            outbox_bytes,
        } = gauges;
        self.gauge("connections", "Connections, with those that have not sent CONNECT", *connections)?;
        self.gauge("sessions", "Sessions, with and without a connection", *sessions)?;
        self.gauge("sessions_connected", "Sessions with a connection", *connected)?;
        self.gauge("subscriptions", "Subscriptions, with the shared ones", *subscriptions)?;
        self.gauge("shared_subscriptions", "Shared subscriptions", *shared_subscriptions)?;
        self.gauge("queued_messages", "Messages that wait to be sent", *queued_messages)?;
        self.bytes("queued", "What messages take that wait to be sent", *queued_bytes)?;
        self.gauge("outbox_packets", "Packets that sockets did not take yet", *outbox_packets)?;
        self.bytes("outbox", "What packets take that sockets did not take yet", *outbox_bytes)
    }

    fn measures(&mut self, measures: &Measures) -> fmt::Result {
        let Measures { resident_bytes, peak_resident_bytes, store_state, commit } = measures;
        self.bytes("memory_resident", "Memory that the process holds", *resident_bytes)?;
        self.bytes("memory_resident_peak", "Most memory that the process ever held", *peak_resident_bytes)?;
        let help = "1 for the state of the store: good, full (QoS 1 and 2 are refused) or failed";
        let mut family = self.0.encode_descriptor("store_state", help, None, MetricType::Gauge)?;
        for (name, state) in
            [("good", StoreState::Good), ("full", StoreState::Full), ("failed", StoreState::Failed)]
        {
            let is_it = u64::from(*store_state == state);
            ConstGauge::new(is_it).encode(family.encode_family(&[("state", name)])?)?;
        }
        self.histogram("commit", "How long changes waited until they were on the disk", commit)
    }

    fn build(&mut self) -> fmt::Result {
        let mut info = self.0.encode_descriptor("build", "What is running", None, MetricType::Info)?;
        info.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
    }

    fn counter(&mut self, name: &str, help: &str, count: u64) -> fmt::Result {
        ConstCounter::new(count).encode(self.0.encode_descriptor(name, help, None, MetricType::Counter)?)
    }

    fn bytes_counter(&mut self, name: &str, help: &str, bytes: u64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, Some(&Unit::Bytes), MetricType::Counter)?;
        ConstCounter::new(bytes).encode(encoder)
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        ConstGauge::new(value).encode(self.0.encode_descriptor(name, help, None, MetricType::Gauge)?)
    }

    fn bytes(&mut self, name: &str, help: &str, bytes: u64) -> fmt::Result {
        ConstGauge::new(bytes).encode(self.0.encode_descriptor(
            name,
            help,
            Some(&Unit::Bytes),
            MetricType::Gauge,
        )?)
    }

    fn seconds(&mut self, name: &str, help: &str, duration_ms: u64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)?;
        ConstGauge::new(duration_ms as f64 / 1e3).encode(encoder)
    }

    fn histogram(&mut self, name: &str, help: &str, durations: &Histogram) -> fmt::Result {
        let mut encoder =
            self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        let buckets =
            durations.buckets().map(|(end_us, count)| (end_us.map_or(f64::INFINITY, seconds), count));
        let buckets: Vec<(f64, u64)> = buckets.collect();
        encoder.encode_histogram::<NoLabelSet>(seconds(durations.sum_us()), durations.count(), &buckets, None)
    }
}

fn seconds(duration_us: u64) -> f64 {
    duration_us as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page() {
        let mut totals = Totals { retained_messages: 3, uptime_ms: 12_345, workers: 2, ..Totals::default() };
        totals.counters.messages_received = 7;
        totals.counters.bytes_sent = u64::MAX;
        totals.counters.dropped.queue_full = 5;
        totals.counters.delivery.record(10, 2);
        totals.counters.delivery.record(10_000_000, 1);
        totals.gauges.connected = 4;
        totals.measures.store_state = StoreState::Full;
        let page = render(&totals).replace(env!("CARGO_PKG_VERSION"), "VERSION");
        insta::assert_snapshot!(page);
    }

    #[test]
    fn every_count_has_its_own_line() {
        // Each count with another value: two names for one count would show.
        let mut totals = Totals::default();
        let Counters { bytes_received, bytes_sent, payload_bytes_received, payload_bytes_sent, .. } =
            &mut totals.counters;
        (*bytes_received, *bytes_sent, *payload_bytes_received, *payload_bytes_sent) = (101, 102, 103, 104);
        let page = render(&totals);
        for line in [
            "vaux_received_bytes_total 101\n",
            "vaux_sent_bytes_total 102\n",
            "vaux_payload_received_bytes_total 103\n",
            "vaux_payload_sent_bytes_total 104\n",
        ] {
            assert!(page.contains(line), "{line}{page}");
        }
    }
}
