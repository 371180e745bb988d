//! Payloads of Sparkplug B, metric by metric.
//!
//! A payload is a protocol buffer, which stands under topics such as `spBv1.0/plant/DDATA/line/motor`. [`read`] says what
//! each part of it is and where it stands, and of one that is broken where. Times are numbers, milliseconds since 1970:
//! nothing here knows a calendar.
//!
//! ```
//! use vaux_mqtt::explain::sparkplug::read;
//!
//! // Sequence 2, and a metric `on` of type Boolean (11), which is true.
//! let payload = b"\x18\x02\x12\x08\x0a\x02on\x20\x0b\x70\x01";
//! let read = read("spBv1.0/plant/DDATA/line/motor", payload).expect("it is a topic of Sparkplug").unwrap();
//! assert_eq!(read.sequence, Some(2));
//! assert_eq!(read.metrics[0].text(), "on = true (Boolean)");
//! assert_eq!(read.metrics[0].range(), 2..12);
//! ```

mod metric;
mod wire;

use alloc::vec::Vec;
use core::ops::Range;

pub use metric::{Metric, MetricValue, datatype_name};
pub use wire::Broken;

use wire::{Field, Message};

/// What all topics of Sparkplug B begin with.
const NAMESPACE: &str = "spBv1.0";

/// More metrics than this are counted and not kept: each takes many times the two bytes that one needs in a payload.
const MAX_METRICS: usize = 10_000;

/// A payload of Sparkplug B.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Payload<'a> {
    /// When it was sent, in milliseconds since 1970.
    pub timestamp: Option<u64>,
    /// The sequence number, from 0 to 255.
    pub sequence: Option<u64>,
    /// What kind of body it has.
    pub uuid: Option<&'a str>,
    /// The metrics in their order.
    pub metrics: Vec<Metric<'a>>,
    /// How many metrics there are besides.
    pub more_metrics: usize,
    /// The parts in the order of the wire. They tile the payload.
    pub parts: Vec<Part>,
}

/// A part of a payload: what it is, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// Its first byte.
    pub at: usize,
    /// How many bytes it has.
    pub len: usize,
}

/// What a part of a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// [`Payload::timestamp`].
    Timestamp,
    /// The metric of this index.
    Metric(usize),
    /// [`Payload::sequence`].
    Sequence,
    /// [`Payload::uuid`].
    Uuid,
    /// A body of another form.
    Body,
    /// Something that is not known here, or a metric beyond those that are kept.
    Other,
}

impl Part {
    /// Where it stands.
    pub fn range(&self) -> Range<usize> {
        self.at..self.at + self.len
    }
}

/// What a topic of Sparkplug B carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicKind<'a> {
    /// Metrics, such as NBIRTH or DDATA.
    Metrics(&'a str),
    /// The state of a host application: JSON, before version 3 a word.
    State,
}

/// What a topic carries, when it is one of Sparkplug B.
pub fn topic_kind(topic: &str) -> Option<TopicKind<'_>> {
    const MESSAGES: [&str; 8] = ["NBIRTH", "NDEATH", "NDATA", "NCMD", "DBIRTH", "DDEATH", "DDATA", "DCMD"];
    let mut levels = topic.split('/');
    if levels.next() != Some(NAMESPACE) {
        return None;
    }
    let second = levels.next()?;
    let third = levels.next()?;
    if second == "STATE" {
        return Some(TopicKind::State);
    }
    // A node stands behind the message, a device behind the node.
    let behind = levels.count();
    (MESSAGES.contains(&third) && (1..=2).contains(&behind)).then_some(TopicKind::Metrics(third))
}

/// Reads the payload of a message; `None` when its topic carries no metrics.
pub fn read<'a>(topic: &str, payload: &'a [u8]) -> Option<Result<Payload<'a>, Broken>> {
    matches!(topic_kind(topic)?, TopicKind::Metrics(_)).then(|| read_payload(payload))
}

fn read_payload(bytes: &[u8]) -> Result<Payload<'_>, Broken> {
    let mut payload = Payload::default();
    let mut message = Message::new(bytes, 0);
    while let Some((number, field, range)) = message.next()? {
        let kind = match (number, field) {
            (1, Field::Number(timestamp)) => {
                payload.timestamp = Some(timestamp);
                PartKind::Timestamp
            }
            (2, Field::Bytes(inside, at)) if payload.metrics.len() < MAX_METRICS => {
                payload.metrics.push(Metric::read(inside, at, range.clone())?);
                PartKind::Metric(payload.metrics.len() - 1)
            }
            (2, Field::Bytes(..)) => {
                payload.more_metrics += 1;
                PartKind::Other
            }
            (3, Field::Number(sequence)) => {
                payload.sequence = Some(sequence);
                PartKind::Sequence
            }
            (4, Field::Bytes(inside, at)) => {
                payload.uuid = Some(wire::text(inside, at)?);
                PartKind::Uuid
            }
            (5, Field::Bytes(..)) => PartKind::Body,
            _ => PartKind::Other,
        };
        payload.parts.push(Part { kind, at: range.start, len: range.len() });
    }
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    const TOPIC: &str = "spBv1.0/plant/DDATA/line/motor";

    /// Timestamp 1000, sequence 2, and metrics: `temp` = 21.5 (float), alias 7 = -2 (Int16), `on` = true.
    const PAYLOAD: &[u8] = b"\x08\xe8\x07\
        \x12\x0d\x0a\x04temp\x20\x09\x65\x00\x00\xac\x41\
        \x12\x08\x10\x07\x20\x02\x50\xfe\xff\x03\
        \x12\x08\x0a\x02on\x20\x0b\x70\x01\
        \x18\x02";

    fn texts(payload: &[u8]) -> Vec<alloc::string::String> {
        read(TOPIC, payload).unwrap().unwrap().metrics.iter().map(Metric::text).collect()
    }

    #[test]
    fn metrics_have_names_types_and_values() {
        let payload = read(TOPIC, PAYLOAD).unwrap().unwrap();
        assert_eq!((payload.timestamp, payload.sequence), (Some(1000), Some(2)));
        assert_eq!(texts(PAYLOAD), ["temp = 21.5 (Float)", "alias 7 = -2 (Int16)", "on = true (Boolean)"]);
        let numbers: Vec<_> = payload.metrics.iter().filter_map(Metric::number).collect();
        assert_eq!(numbers, [21.5, -2.0]);
    }

    #[test]
    fn parts_tile_the_payload() {
        let payload = read(TOPIC, PAYLOAD).unwrap().unwrap();
        let ends: Vec<_> = payload.parts.iter().map(|part| (part.at, part.range().end)).collect();
        assert_eq!(ends, [(0, 3), (3, 18), (18, 28), (28, 38), (38, 40)]);
        assert_eq!(payload.parts[2].kind, PartKind::Metric(1));
    }

    #[test]
    fn numbers_are_signed_by_their_type() {
        let metric = |datatype: u8, value: &[u8]| {
            let mut inside = alloc::vec![0x0a, 1, b'm', 0x20, datatype];
            inside.extend_from_slice(value);
            texts(&[&[0x12, inside.len() as u8][..], &inside].concat()).remove(0)
        };
        let all_ones = b"\x58\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        for (datatype, value, text) in [
            (1, &b"\x50\xff\xff\xff\xff\x0f"[..], "m = -1 (Int8)"),
            (1, b"\x50\xff\x01", "m = -1 (Int8)"),
            (5, b"\x50\xff\x01", "m = 255 (UInt8)"),
            (3, b"\x50\xff\xff\xff\xff\x0f", "m = -1 (Int32)"),
            (4, all_ones, "m = -1 (Int64)"),
            (8, all_ones, "m = 18446744073709551615 (UInt64)"),
            (12, b"\x7a\x02hi", "m = \"hi\" (String)"),
            (17, b"\x82\x01\x02\x00\xff", "m = 0x00ff (Bytes)"),
            (10, b"\x38\x01", "m = null (Double)"),
            (99, b"\x50\x01", "m = 1 (type 99)"),
            (16, b"\x8a\x01\x02\x08\x03", "m = data set, 3 columns, 0 rows (DataSet)"),
            (9, b"", "m (Float)"),
        ] {
            assert_eq!(metric(datatype, value), text);
        }
    }

    #[test]
    fn what_is_broken_names_its_byte() {
        let broken = |payload: &[u8]| {
            let error = read(TOPIC, payload).unwrap().unwrap_err();
            (error.at, error.text)
        };
        assert_eq!(broken(b"\x08"), (1, "a number is cut short"));
        assert_eq!(broken(b"\x12\x05\x0a\x04te"), (1, "a length runs past the end"));
        assert_eq!(broken(b"\x12\x03\x0a\x04te"), (3, "a length runs past the end"));
        assert_eq!(broken(b"\x12\x04\x0a\x02\xff\xfe"), (4, "a text is not UTF-8"));
        assert_eq!(broken(b"\x0b"), (0, "a field of a kind that is not in use"));
        assert_eq!(broken(b"ONLINE"), (0, "a field of a kind that is not in use"));
        let overlong = [&[0x08][..], &[0xff; 10]].concat();
        assert_eq!(broken(&overlong), (1, "a number has more than ten bytes"));
    }

    #[test]
    fn topics_say_whether_there_are_metrics() {
        assert_eq!(topic_kind("spBv1.0/g/NBIRTH/n"), Some(TopicKind::Metrics("NBIRTH")));
        assert_eq!(topic_kind("spBv1.0/STATE/host"), Some(TopicKind::State));
        for other in
            ["plant/motor", "spBv1.0/g/DATA/n", "spBv1.0/g/NDATA", "spBv1.0", "spBv1.0/g/NDATA/n/d/x"]
        {
            assert_eq!(topic_kind(other), None, "{other}");
            assert!(read(other, PAYLOAD).is_none());
        }
    }

    proptest! {
        #[test]
        fn no_payload_panics_and_parts_always_tile(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(Ok(payload)) = read(TOPIC, &bytes) {
                let mut at = 0;
                for part in &payload.parts {
                    prop_assert_eq!(part.at, at);
                    at += part.len;
                }
                prop_assert_eq!(at, bytes.len());
                payload.metrics.iter().for_each(|metric| drop(metric.text()));
            }
        }
    }
}
