//! The JSON of `$SYS/broker/vaux/metrics` and `$SYS/broker/vaux/top/…`.

use serde_json::{Map, Value, json};

use super::histogram::Histogram;
use super::json::timestamp;
use super::top::Sketch;
use super::{Counters, Totals};
use crate::store::StoreState;
use crate::time::Time;

/// Every counter, what it comes to in a second, and what there is at present.
pub(super) fn to_json(now: Time, totals: &Totals, before: Option<&(Time, Counters)>) -> Value {
    let Totals { counters, gauges, measures, .. } = totals;
    let store = match measures.store_state {
        StoreState::Good => "good",
        StoreState::Full => "full",
        StoreState::Failed => "failed",
    };
    json!({
        "at": timestamp(now),
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": totals.uptime_ms / 1000,
        "workers": totals.workers,
        "counters": counters,
        "rates": rates(now, counters, before),
        "gauges": gauges,
        "clients_maximum": totals.clients_maximum,
        "retained_messages": totals.retained_messages,
        "retained_bytes": totals.retained_bytes,
        "resident_bytes": measures.resident_bytes,
        "peak_resident_bytes": measures.peak_resident_bytes,
        "store": store,
        "delivery_us": histogram(&counters.delivery),
        "commit_us": histogram(&measures.commit),
    })
}

/// What each counter gained in a second since the last time.
fn rates(now: Time, counters: &Counters, before: Option<&(Time, Counters)>) -> Value {
    let (at, old) = match before {
        Some((at, old)) => (*at, *old),
        None => (now, *counters),
    };
    let elapsed_s = now.ms_since(at).max(1) as f64 / 1000.0;
    subtract(&json!(counters), &json!(old), elapsed_s)
}

fn subtract(new: &Value, old: &Value, elapsed_s: f64) -> Value {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            Value::Object(Map::from_iter(new.iter().map(|(name, value)| {
                (name.clone(), subtract(value, old.get(name).unwrap_or(&Value::Null), elapsed_s))
            })))
        }
        (new, old) => {
            let gained = new.as_u64().unwrap_or(0).saturating_sub(old.as_u64().unwrap_or(0));
            json!((gained as f64 / elapsed_s * 10.0).round() / 10.0)
        }
    }
}

/// Durations in microseconds; `buckets` are pairs of the end of a bucket and its count, empty ones left out.
fn histogram(histogram: &Histogram) -> Value {
    let buckets = histogram.buckets().filter(|(_, count)| *count > 0);
    json!({
        "count": histogram.count(),
        "sum": histogram.sum_us(),
        "p50": histogram.quantile_us(0.5),
        "p99": histogram.quantile_us(0.99),
        "p999": histogram.quantile_us(0.999),
        "buckets": buckets.map(|(end, count)| json!([end, count])).collect::<Vec<_>>(),
    })
}

/// The busiest, with what they came to in a second.
pub(super) fn top_json(key_name: &str, sketch: &Sketch, elapsed_s: f64) -> Value {
    let rate = |count: u64| (count as f64 / elapsed_s * 10.0).round() / 10.0;
    let one = |(key, count): (&str, super::top::Count)| json!({ key_name: key, "messages_per_s": rate(count.messages), "bytes_per_s": rate(count.bytes) });
    Value::Array(sketch.busiest().into_iter().map(one).collect())
}
