//! `-F FORMAT`: what mosquitto_sub prints of a message, sequence by sequence.

use std::fmt;
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

/// Why a format cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FormatError {
    /// A sequence that there is not.
    Unknown(String),
    /// A width or flag, which are not supported.
    Width(String),
    /// A date form, which are not supported.
    Date(String),
    /// A sequence that is not whole.
    Incomplete(char),
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FormatError::Unknown(sequence) => write!(f, "there is no sequence {sequence}"),
            FormatError::Width(sequence) => write!(f, "{sequence}: flags and widths are not supported"),
            FormatError::Date(sequence) => {
                write!(f, "{sequence}: date forms are not supported; %I and %U are times")
            }
            FormatError::Incomplete(start) => {
                write!(f, "it ends in the middle of a sequence, behind {start}")
            }
        }
    }
}

impl std::error::Error for FormatError {}

impl std::str::FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Format, FormatError> {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let mut next = || characters.next().ok_or(FormatError::Incomplete(character));
            match character {
                '%' => match next()? {
                    '%' => literal.push(b'%'),
                    letter => {
                        if !literal.is_empty() {
                            pieces.push(Piece::Text(std::mem::take(&mut literal)));
                        }
                        pieces.push(parameter(letter)?);
                    }
                },
                '\\' => literal.push(escape(next()?)?),
                '@' => match next()? {
                    '@' => literal.push(b'@'),
                    letter => return Err(FormatError::Date(format!("@{letter}"))),
                },
                _ => literal.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Ok(Format(pieces))
    }
}

fn parameter(letter: char) -> Result<Piece, FormatError> {
    Ok(match letter {
        'A' => Piece::TopicAlias,
        'C' => Piece::ContentType,
        'D' => Piece::CorrelationData,
        'E' => Piece::MessageExpiryInterval,
        'F' => Piece::PayloadFormatIndicator,
        'I' => Piece::DateTime,
        'j' => Piece::Json { payload_is_json: false },
        'J' => Piece::Json { payload_is_json: true },
        'l' => Piece::PayloadLength,
        'm' => Piece::PacketId,
        'P' => Piece::UserProperties,
        'p' => Piece::Payload,
        'q' => Piece::QoS,
        'R' => Piece::ResponseTopic,
        'r' => Piece::Retain,
        'S' => Piece::SubscriptionIdentifier,
        't' => Piece::Topic,
        'U' => Piece::UnixTime,
        'X' => Piece::Hex { upper: true },
        'x' => Piece::Hex { upper: false },
        '0'..='9' | '-' | '.' => return Err(FormatError::Width(format!("%{letter}"))),
        _ => return Err(FormatError::Unknown(format!("%{letter}"))),
    })
}

fn escape(letter: char) -> Result<u8, FormatError> {
    Ok(match letter {
        '\\' => b'\\',
        '0' => 0,
        'a' => 0x07,
        'e' => 0x1b,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        _ => return Err(FormatError::Unknown(format!("\\{letter}"))),
    })
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
        let properties = message.properties.list();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.write_all(text)?,
                Piece::TopicAlias => write_some(out, properties.topic_alias())?,
                Piece::ContentType => write_some(out, properties.content_type())?,
                Piece::CorrelationData => out.write_all(properties.correlation_data().unwrap_or_default())?,
                Piece::MessageExpiryInterval => write_some(out, properties.message_expiry_interval())?,
                Piece::PayloadFormatIndicator => write_some(out, properties.payload_format_indicator())?,
                Piece::DateTime => write!(out, "{}", now.strftime("%Y-%m-%dT%H:%M:%S%z"))?,
                Piece::Json { payload_is_json } => {
                    let payload = if *payload_is_json {
                        message_json::Payload::Json
                    } else {
                        message_json::Payload::Text
                    };
                    is_whole &= message_json::write_mosquitto(out, message, now, payload, pretty)?;
                }
                Piece::PayloadLength => write!(out, "{}", message.payload.len())?,
                Piece::PacketId => write!(out, "{}", message.packet_id.map_or(0, |id| id.value()))?,
                Piece::Payload => out.write_all(&message.payload)?,
                Piece::UserProperties => {
                    for (index, (name, value)) in properties.user_properties().enumerate() {
                        write!(out, "{}{name}:{value}", if index == 0 { "" } else { " " })?;
                    }
                }
                Piece::QoS => write!(out, "{}", message.qos.bits())?,
                Piece::ResponseTopic => write_some(out, properties.response_topic())?,
                Piece::Retain => write!(out, "{}", u8::from(message.retain))?,
                Piece::SubscriptionIdentifier => {
                    write_some(out, properties.subscription_identifiers().next())?;
                }
                Piece::Topic => out.write_all(message.topic.as_bytes())?,
                Piece::UnixTime => {
                    let time = now.timestamp();
                    write!(out, "{}.{:09}", time.as_second(), time.subsec_nanosecond())?;
                }
                Piece::Hex { upper } => write_hex(out, &message.payload, *upper)?,
            }
        }
        Ok(is_whole)
    }
}

fn write_some(out: &mut impl Write, value: Option<impl fmt::Display>) -> io::Result<()> {
    value.map_or(Ok(()), |value| write!(out, "{value}"))
}

fn write_hex(out: &mut impl Write, bytes: &[u8], upper: bool) -> io::Result<()> {
    let digits = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
    bytes
        .iter()
        .try_for_each(|byte| out.write_all(&[digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]))
}
