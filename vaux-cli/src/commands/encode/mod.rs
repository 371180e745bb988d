//! `vaux encode`: packets in JSON, as `vaux decode --json --secrets` prints them, as bytes again.

mod contents;
mod fields;

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use clap::Args;
use serde_json::Value as Json;
use vaux_mqtt::explain::{Status, explain};
use vaux_mqtt::{Sender, Version};

use crate::cli_error::{CliError, Exit};
use crate::output::color::ColorChoice;
use crate::output::packet_json::{self, Context};
use crate::output::talk::{Talk, TalkArgs};
use crate::output::text::Placed;

/// Make packets of JSON
#[derive(Args, Debug)]
#[command(after_help = NOTES)]
pub(crate) struct EncodeArgs {
    /// Files of JSON, - for standard input [default: standard input]
    #[arg(value_name = "FILE|-")]
    inputs: Vec<PathBuf>,
    /// How the packets are written: hex has a line for each
    #[arg(long, value_name = "hex|base64|bin", default_value = "hex", hide_possible_values = true)]
    out: Form,
    /// When to use colours
    #[arg(long, value_name = "auto|always|never", default_value = "auto", hide_possible_values = true)]
    color: ColorChoice,
}

const NOTES: &str = "\
It reads what vaux decode --json --secrets prints of valid packets, and gives the same bytes. What a line says of the \
packet can be changed, and `fields` left out; then the packet is encoded anew, as short as possible. Without a version \
it is 5. It exits with 6 when what is asked for would be malformed.

Examples:
  vaux encode <<< '{\"type\":\"PUBLISH\",\"topic\":\"a/b\",\"payload\":\"hi\"}'
  vaux decode --json --secrets capture.bin | vaux encode --out bin > same.bin
  vaux decode --json c000 | jq -c '.type = \"PINGRESP\"' | vaux encode";

/// What `--out` can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// Hex digits, a line for each packet
    Hex,
    /// Base64 of all packets together
    Base64,
    /// The bytes themselves
    Bin,
}

impl EncodeArgs {
    /// How to tell what is wrong with the input.
    pub(crate) fn talk(&self) -> Talk {
        TalkArgs::with_color(self.color).talk()
    }
}

/// Encodes all inputs.
pub(crate) fn run(args: &EncodeArgs) -> Result<Exit, CliError> {
    let mut out = BufWriter::new(io::stdout().lock());
    let inputs = if args.inputs.is_empty() { vec![PathBuf::from("-")] } else { args.inputs.clone() };
    match args.out {
        Form::Hex => encode_all(&inputs, |packet| {
            packet.iter().try_for_each(|byte| write!(out, "{byte:02x}"))?;
            writeln!(out)
        })?,
        Form::Bin => encode_all(&inputs, |packet| out.write_all(packet))?,
        Form::Base64 => {
            let mut encoder = EncoderWriter::new(&mut out, &STANDARD);
            encode_all(&inputs, |packet| encoder.write_all(packet))?;
            encoder.finish().and_then(|out| writeln!(out)).map_err(CliError::Stdio)?;
        }
    }
    out.flush().map_err(CliError::Stdio)?;
    Ok(Exit::Ok)
}

fn encode_all(inputs: &[PathBuf], mut write: impl FnMut(&[u8]) -> io::Result<()>) -> Result<(), CliError> {
    for path in inputs {
        let is_stdin = path.as_os_str() == "-";
        let reader: Box<dyn Read> = if is_stdin {
            Box::new(io::stdin().lock())
        } else {
            let file = std::fs::File::open(path);
            Box::new(file.map_err(|source| no_file(path, source))?)
        };
        let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
        let objects = serde_json::Deserializer::from_reader(BufReader::new(reader)).into_iter::<Json>();
        for (index, object) in objects.enumerate() {
            let at = format!("{name}, packet {}", index + 1);
            let object = object.map_err(|error| match error.classify() {
                serde_json::error::Category::Io => CliError::Stdio(error.into()),
                serde_json::error::Category::Eof => CliError::JsonCutShort(at.clone()),
                _ => CliError::usage(format!("{at}: {error}")),
            })?;
            write(&packet(&object, &at)?).map_err(CliError::Stdio)?;
        }
    }
    Ok(())
}

/// An argument that is JSON itself is a mistake that bytes of `vaux decode` lead to.
fn no_file(path: &Path, source: io::Error) -> CliError {
    match path.to_string_lossy().starts_with('{') {
        true => CliError::usage_with_hint(
            "packets are read from files and standard input, not from arguments",
            "echo '{…}' | vaux encode",
        ),
        false => CliError::File { path: path.to_owned(), source },
    }
}

/// The bytes of a packet: those of its fields, if they say what the packet says, else of what it says.
fn packet(object: &Json, at: &str) -> Result<Vec<u8>, CliError> {
    let wrong = |why: String| CliError::usage(format!("{at}: {why}"));
    if object.get("status").is_some_and(|status| status != "ok") {
        return Err(wrong("it is no valid packet, says its status".to_owned()));
    }
    let version = version(object).map_err(wrong)?;
    if let Some(bytes) = object.get("fields").and_then(fields::bytes)
        && says_the_same(&bytes, version, object)
    {
        return Ok(bytes);
    }
    let bytes = contents::encode(object, version).map_err(wrong)?;
    let explained = explain(&bytes, version, Sender::Any);
    match (explained.status, &explained.fault) {
        (Status::Ok, _) => Ok(bytes),
        (_, Some(fault)) => Err(CliError::NoPacket(format!(
            "{at}: {} ({})",
            fault.error.rule().text(),
            fault.error.requirement()
        ))),
        (_, None) => Err(CliError::NoPacket(format!("{at}: it is longer than a packet can be"))),
    }
}

/// Whether bytes are a packet with the same contents.
fn says_the_same(bytes: &[u8], version: Version, object: &Json) -> bool {
    let explained = explain(bytes, version, Sender::Any);
    if explained.status != Status::Ok || explained.len != bytes.len() {
        return false;
    }
    let placed = Placed { number: 1, at: 0, bytes, explained: &explained, place: None };
    let context = Context { form: "bin", file: None, version_from: "flag", captured: None, secrets: true };
    contents_of(packet_json::packet(&placed, context)) == contents_of(object.clone())
}

/// What an object says of the packet, without where it was found, and without words for numbers.
fn contents_of(mut object: Json) -> Json {
    if let Some(object) = object.as_object_mut() {
        for key in ["n", "at", "len", "have", "status", "version_from", "input", "file", "fields", "reason"] {
            object.remove(key);
        }
    }
    object
}

fn version(object: &Json) -> Result<Version, String> {
    match object.get("version").and_then(Json::as_str) {
        None if object.get("version").is_none() => Ok(Version::V5),
        Some("5") => Ok(Version::V5),
        Some("3.1.1") => Ok(Version::V311),
        Some("3.1") => Ok(Version::V31),
        _ => Err("the version is none of \"5\", \"3.1.1\" and \"3.1\"".to_owned()),
    }
}
