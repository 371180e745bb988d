//! `-F FORMAT`: what mosquitto_sub prints of a message, sequence by sequence.

mod parse;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use jiff::Zoned;
use vaux_client::Message;

use super::message_json;

/// A format that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format(Vec<Piece>);

/// What stands in a format.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Sequence(Sequence, Layout),
    /// A part of the time of arrival, as a form for `strftime`.
    Time(String),
}

/// What of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sequence {
    TopicAlias,
    ContentType,
    CorrelationData,
    MessageExpiryInterval,
    PayloadFormatIndicator,
    /// Date and time as in ISO 8601.
    DateTime,
    /// JSON with the payload as a string, or as what it is in JSON.
    Json {
        payload_is_json: bool,
    },
    PayloadLength,
    PacketId,
    Payload,
    UserProperties,
    QoS,
    ResponseTopic,
    Retain,
    SubscriptionIdentifier,
    Topic,
    /// Seconds since 1970, with nanoseconds.
    UnixTime,
    Hex {
        upper: bool,
    },
}

/// How wide a sequence is. Binary data, lists and JSON are as wide as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Layout {
    /// Spaces stand behind it, and not in front.
    is_left: bool,
    /// Zeros stand in front, where that makes sense.
    has_zeros: bool,
    /// At least so many characters.
    width: usize,
    /// At most so many characters, of text.
    precision: Option<usize>,
}

impl Format {
    /// Writes what the format says of a message that arrived at `now`. What the message does not have is empty.
    /// Returns whether all sequences could be written: `%J` cannot when the payload is not JSON.
    pub(crate) fn write(
        &self,
        out: &mut impl Write,
        message: &Message,
        now: &Zoned,
        pretty: bool,
    ) -> io::Result<bool> {
        let mut is_whole = true;
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.write_all(text)?,
                Piece::Time(form) => write!(out, "{}", now.strftime(form))?,
                Piece::Sequence(Sequence::Json { payload_is_json }, _) => {
                    let payload = if *payload_is_json {
                        message_json::Payload::Json
                    } else {
                        message_json::Payload::Text
                    };
                    is_whole &= message_json::write_mosquitto(out, message, now, payload, pretty)?;
                }
                Piece::Sequence(sequence, layout) => sequence.write(out, *layout, message, now)?,
            }
        }
        Ok(is_whole)
    }
}

impl Sequence {
    fn write(self, out: &mut impl Write, layout: Layout, message: &Message, now: &Zoned) -> io::Result<()> {
        let properties = message.properties.list();
        match self {
            Sequence::TopicAlias => layout.number(out, properties.topic_alias()),
            Sequence::ContentType => layout.text(out, properties.content_type().unwrap_or_default()),
            Sequence::CorrelationData => out.write_all(properties.correlation_data().unwrap_or_default()),
            Sequence::MessageExpiryInterval => layout.number(out, properties.message_expiry_interval()),
            Sequence::PayloadFormatIndicator => layout.number(out, properties.payload_format_indicator()),
            Sequence::DateTime => layout.text(out, &now.strftime("%Y-%m-%dT%H:%M:%S%z").to_string()),
            // Written by whoever can tell that it could not be written.
            Sequence::Json { .. } => Ok(()),
            Sequence::PayloadLength => layout.number(out, Some(message.payload.len())),
            Sequence::PacketId => layout.number(out, Some(message.packet_id.map_or(0, |id| id.value()))),
            Sequence::Payload => layout.payload(out, &message.payload),
            Sequence::UserProperties => {
                for (index, (name, value)) in properties.user_properties().enumerate() {
                    write!(out, "{}{name}:{value}", if index == 0 { "" } else { " " })?;
                }
                Ok(())
            }
            Sequence::QoS => write!(out, "{}", message.qos.bits()),
            Sequence::ResponseTopic => layout.text(out, properties.response_topic().unwrap_or_default()),
            Sequence::Retain => write!(out, "{}", u8::from(message.retain)),
            Sequence::SubscriptionIdentifier => {
                layout.number(out, properties.subscription_identifiers().next())
            }
            Sequence::Topic => layout.text(out, &message.topic),
            Sequence::UnixTime => {
                let time = now.timestamp();
                let text = format!("{}.{:09}", time.as_second(), time.subsec_nanosecond());
                Layout { precision: None, ..layout }.text(out, &text)
            }
            Sequence::Hex { upper } => layout.payload(out, &hex(&message.payload, upper)),
        }
    }
}

impl Layout {
    /// Text; zeros are for numbers and payloads.
    fn text(self, out: &mut impl Write, text: &str) -> io::Result<()> {
        let end =
            self.precision.and_then(|most| text.char_indices().nth(most)).map_or(text.len(), |(at, _)| at);
        let text = &text[..end];
        let plain = Layout { has_zeros: false, ..self };
        plain.padded(out, text.as_bytes(), text.chars().count())
    }

    /// A number, or as much empty space when there is none.
    fn number(self, out: &mut impl Write, number: Option<impl ToString>) -> io::Result<()> {
        let digits = number.map(|number| number.to_string()).unwrap_or_default();
        self.padded(out, digits.as_bytes(), digits.len())
    }

    fn payload(self, out: &mut impl Write, payload: &[u8]) -> io::Result<()> {
        let len = str::from_utf8(payload).map_or(payload.len(), |text| text.chars().count());
        self.padded(out, payload, len)
    }

    fn padded(self, out: &mut impl Write, bytes: &[u8], len: usize) -> io::Result<()> {
        let missing = self.width.saturating_sub(len);
        if self.is_left {
            out.write_all(bytes)?;
            return write!(out, "{:missing$}", "");
        }
        if self.has_zeros {
            write!(out, "{:0<missing$}", "")?;
        } else {
            write!(out, "{:missing$}", "")?;
        }
        out.write_all(bytes)
    }
}

fn hex(bytes: &[u8], upper: bool) -> Vec<u8> {
    let digits = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
    bytes.iter().flat_map(|byte| [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]).collect()
}
