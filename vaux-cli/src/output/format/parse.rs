//! Reading a format: `%-10t`, `@Y-@m-@d`, `\n`.

use std::fmt;
use std::iter::Peekable;
use std::str::{Chars, FromStr};

use super::{Format, Layout, Piece, Sequence};

/// The widest field. Nobody has a terminal that is wider.
const MAX_WIDTH: usize = 65_535;

/// Why a format cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FormatError {
    /// A sequence that there is not.
    Unknown(String),
    /// A width that is out of all proportion.
    Width,
    /// A sequence that is not whole.
    Incomplete(char),
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FormatError::Unknown(sequence) => write!(f, "there is no sequence {sequence}"),
            FormatError::Width => write!(f, "a width or precision is larger than {MAX_WIDTH}"),
            FormatError::Incomplete(start) => {
                write!(f, "it ends in the middle of a sequence, behind {start}")
            }
        }
    }
}

impl std::error::Error for FormatError {}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Format, FormatError> {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let piece = match character {
                '%' => {
                    let layout = layout(&mut characters)?;
                    match characters.next().ok_or(FormatError::Incomplete('%'))? {
                        '%' => {
                            literal.push(b'%');
                            continue;
                        }
                        letter => Piece::Sequence(sequence(letter)?, layout),
                    }
                }
                '@' => match characters.next().ok_or(FormatError::Incomplete('@'))? {
                    '@' => {
                        literal.push(b'@');
                        continue;
                    }
                    letter => Piece::Time(time(letter)?),
                },
                '\\' => {
                    literal.push(escape(characters.next().ok_or(FormatError::Incomplete('\\'))?)?);
                    continue;
                }
                _ => {
                    literal.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
            };
            if !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
            }
            pieces.push(piece);
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Ok(Format(pieces))
    }
}

/// `-`, then `0`, then a width, then a precision behind a point; all may be absent.
fn layout(characters: &mut Peekable<Chars<'_>>) -> Result<Layout, FormatError> {
    let is_left = characters.next_if_eq(&'-').is_some();
    let has_zeros = characters.next_if_eq(&'0').is_some();
    let width = number(characters)?.unwrap_or(0);
    let precision = match characters.next_if_eq(&'.') {
        Some(_) => Some(number(characters)?.unwrap_or(0)),
        None => None,
    };
    Ok(Layout { is_left, has_zeros, width, precision })
}

fn number(characters: &mut Peekable<Chars<'_>>) -> Result<Option<usize>, FormatError> {
    let mut number = None;
    while let Some(digit) = characters.peek().and_then(|character| character.to_digit(10)) {
        characters.next();
        let next = number.unwrap_or(0) * 10 + digit as usize;
        if next > MAX_WIDTH {
            return Err(FormatError::Width);
        }
        number = Some(next);
    }
    Ok(number)
}

fn sequence(letter: char) -> Result<Sequence, FormatError> {
    Ok(match letter {
        'A' => Sequence::TopicAlias,
        'C' => Sequence::ContentType,
        'D' => Sequence::CorrelationData,
        'E' => Sequence::MessageExpiryInterval,
        'F' => Sequence::PayloadFormatIndicator,
        'I' => Sequence::DateTime,
        'j' => Sequence::Json { payload_is_json: false },
        'J' => Sequence::Json { payload_is_json: true },
        'l' => Sequence::PayloadLength,
        'm' => Sequence::PacketId,
        'P' => Sequence::UserProperties,
        'p' => Sequence::Payload,
        'q' => Sequence::QoS,
        'R' => Sequence::ResponseTopic,
        'r' => Sequence::Retain,
        'S' => Sequence::SubscriptionIdentifier,
        't' => Sequence::Topic,
        'U' => Sequence::UnixTime,
        'X' => Sequence::Hex { upper: true },
        'x' => Sequence::Hex { upper: false },
        _ => return Err(FormatError::Unknown(format!("%{letter}"))),
    })
}

/// The form of a time as `strftime` takes it. Forms that depend on the language are those of C.
fn time(letter: char) -> Result<String, FormatError> {
    Ok(match letter {
        'c' => "%a %b %e %H:%M:%S %Y".to_owned(),
        'r' => "%I:%M:%S %p".to_owned(),
        'x' => "%m/%d/%y".to_owned(),
        'X' => "%H:%M:%S".to_owned(),
        // mosquitto's own: nanoseconds.
        'N' => "%9f".to_owned(),
        'a' | 'A' | 'b' | 'B' | 'C' | 'd' | 'D' | 'e' | 'F' | 'g' | 'G' | 'h' | 'H' | 'I' | 'j' | 'k'
        | 'l' | 'm' | 'M' | 'n' | 'p' | 'P' | 'R' | 's' | 'S' | 't' | 'T' | 'u' | 'U' | 'V' | 'w' | 'W'
        | 'y' | 'Y' | 'z' | 'Z' => format!("%{letter}"),
        _ => return Err(FormatError::Unknown(format!("@{letter}"))),
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
