//! Reading bytes that people wrote down: hex in its usual dresses, dumps with offsets, C arrays, base64, or the bytes
//! themselves.
//!
//! Text goes in, bytes come out, with the name of the form they stood in. Nothing here knows MQTT.

mod base64;
mod c_array;
mod detect;
mod error;
mod hex;
pub(crate) mod json;
pub(crate) mod payload;
mod xxd;

pub(crate) use detect::read;
pub(crate) use error::InputError;
pub(crate) use hex::is_wholly_hex;

/// The most bytes that an input may hold, so that no file and no `*` in a dump takes all the memory there is. Explaining
/// a packet takes up to some fifty times its bytes.
pub(crate) const MAX_INPUT_BYTES: usize = 16 * 1024 * 1024;

/// How bytes are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Hex digits, with or without separators and prefixes.
    Hex,
    /// Lines of an offset, hex digits and perhaps a column of text, as `xxd` and `hexdump -C` print them.
    Xxd,
    /// The numbers between the braces of an array in C and its relatives.
    C,
    /// Base64, with either alphabet.
    Base64,
    /// The bytes themselves.
    Bin,
}

impl Form {
    /// Its name on the command line and in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Form::Hex => "hex",
            Form::Xxd => "xxd",
            Form::C => "c",
            Form::Base64 => "base64",
            Form::Bin => "bin",
        }
    }
}

#[cfg(test)]
mod tests;
