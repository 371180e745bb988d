//! `vaux decode`: MQTT packets explained byte by byte.

mod source;
mod stream;

use std::io::{self, BufWriter, IsTerminal, Write};

use clap::Args;
use vaux_mqtt::Version;
use vaux_mqtt::explain::Status;

use crate::cli_error::{CliError, Exit};
use crate::input::Form;
use crate::output::color::{ColorChoice, Palette};
use crate::output::packet_json::{self, Context};
use crate::output::talk::{Talk, TalkArgs};
use crate::output::text::{PacketWriter, Placed, View};
use source::{Source, sources};
use stream::{Fit, Stream, VersionFrom};

/// Explain MQTT packets byte by byte
#[derive(Args, Debug)]
#[command(after_help = NOTES)]
pub(crate) struct DecodeArgs {
    /// Files, - for standard input, or hex; hex arguments are read as one. Without any: standard input
    #[arg(value_name = "FILE|-|HEX")]
    inputs: Vec<String>,
    /// How the input is written down
    #[arg(
        long = "in",
        value_name = "auto|hex|xxd|c|base64|bin",
        default_value = "auto",
        hide_possible_values = true
    )]
    form: FormChoice,
    /// The version of the protocol where no CONNECT says it
    #[arg(
        short = 'V',
        long,
        value_name = "auto|31|311|5",
        default_value = "auto",
        hide_possible_values = true
    )]
    protocol_version: VersionChoice,
    /// Begin at this byte of the input; 0x for hex
    #[arg(long, value_name = "BYTE", default_value = "0", value_parser = parse_offset)]
    offset: usize,
    /// Stop at the first packet that is malformed
    #[arg(long)]
    strict: bool,
    /// How much of a packet is shown
    #[arg(long, value_name = "bytes|tree|line", default_value = "bytes", hide_possible_values = true)]
    show: View,
    /// Write one JSON object a packet
    #[arg(long)]
    json: bool,
    /// Show passwords and authentication data
    #[arg(long)]
    secrets: bool,
    /// When to use colours
    #[arg(long, value_name = "auto|always|never", default_value = "auto", hide_possible_values = true)]
    color: ColorChoice,
}

const NOTES: &str = "\
Of what is wrong it shows the byte and the statement of the specification. It exits with 6 when a packet is malformed, \
and with 8 when the last is cut short.

Examples:
  vaux decode c000
  vaux decode '10 0c 00 04 4d 51 54 54 04 02 00 3c 00 00'
  vaux decode capture.bin
  xxd capture.bin | vaux decode
  vaux decode --json capture.bin | jq .type";

/// What `--in` can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum FormChoice {
    /// What it looks like
    Auto,
    /// Hex digits with any separators
    Hex,
    /// A dump with offsets, of xxd or hexdump -C
    Xxd,
    /// An array in C or a relative of it
    C,
    /// Base64 with either alphabet
    Base64,
    /// The bytes themselves
    Bin,
}

impl FormChoice {
    fn form(self) -> Option<Form> {
        match self {
            FormChoice::Auto => None,
            FormChoice::Hex => Some(Form::Hex),
            FormChoice::Xxd => Some(Form::Xxd),
            FormChoice::C => Some(Form::C),
            FormChoice::Base64 => Some(Form::Base64),
            FormChoice::Bin => Some(Form::Bin),
        }
    }
}

/// What `-V` can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum VersionChoice {
    /// What CONNECT says, else what fits
    Auto,
    /// MQTT 3.1
    #[value(name = "31", alias = "mqttv31")]
    V31,
    /// MQTT 3.1.1
    #[value(name = "311", alias = "mqttv311")]
    V311,
    /// MQTT 5.0
    #[value(name = "5", alias = "mqttv5")]
    V5,
}

impl VersionChoice {
    fn version(self) -> Option<Version> {
        match self {
            VersionChoice::Auto => None,
            VersionChoice::V31 => Some(Version::V31),
            VersionChoice::V311 => Some(Version::V311),
            VersionChoice::V5 => Some(Version::V5),
        }
    }
}

fn parse_offset(text: &str) -> Result<usize, std::num::ParseIntError> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => usize::from_str_radix(hex, 16),
        None => text.parse(),
    }
}

impl DecodeArgs {
    /// How to tell what is wrong with the input.
    pub(crate) fn talk(&self) -> Talk {
        TalkArgs::with_color(self.color).talk()
    }
}

/// Explains all inputs.
pub(crate) fn run(args: &DecodeArgs) -> Result<Exit, CliError> {
    let sources = sources(&args.inputs, args.form.form())?;
    let stdout = io::stdout();
    let palette = Palette::new(!args.json && args.color.is_on(&stdout));
    let mut out = BufWriter::new(stdout.lock());
    let mut totals = Totals::default();
    let several = sources.len() > 1;
    for source in sources {
        let source = source.read(args.form.form())?;
        let job = Job { args, palette, several, source: &source };
        totals.add(job.explain(&mut out).map_err(CliError::Stdio)?);
        if args.strict && totals.malformed > 0 {
            break;
        }
    }
    out.flush().map_err(CliError::Stdio)?;
    Ok(totals.exit())
}

/// What the packets of inputs came to.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    packets: usize,
    malformed: usize,
    truncated: usize,
}

impl Totals {
    fn add(&mut self, other: Totals) {
        self.packets += other.packets;
        self.malformed += other.malformed;
        self.truncated += other.truncated;
    }

    fn exit(self) -> Exit {
        match self {
            Totals { malformed: 1.., .. } => Exit::Malformed,
            Totals { truncated: 1.., .. } => Exit::CutShort,
            _ => Exit::Ok,
        }
    }
}

/// One input and how it is to be shown.
struct Job<'a> {
    args: &'a DecodeArgs,
    palette: Palette,
    several: bool,
    source: &'a Source,
}

impl Job<'_> {
    fn explain(&self, out: &mut impl Write) -> io::Result<Totals> {
        let bytes = &self.source.bytes;
        let stream =
            Stream::new(bytes, self.args.offset.min(bytes.len()), self.args.protocol_version.version());
        let fit = stream.fit();
        let writer = PacketWriter {
            view: self.args.show,
            secrets: self.args.secrets,
            offset_width: offset_width(bytes.len()),
            palette: self.palette,
        };
        if self.several && !self.args.json {
            writeln!(out, "{}", self.palette.title(&format!("{}:", self.source.name)))?;
        }
        let mut totals = Totals::default();
        for found in stream {
            totals.packets += 1;
            totals.malformed += usize::from(found.explained.status == Status::Malformed);
            totals.truncated += usize::from(found.explained.status == Status::Truncated);
            let placed = Placed {
                number: totals.packets,
                at: found.at,
                bytes: &bytes[found.at..found.at + found.explained.len],
                explained: &found.explained,
            };
            if self.args.json {
                self.write_json(out, &placed, found.version_from)?;
            } else {
                writer.write(out, &placed)?;
            }
            if self.args.strict && totals.malformed > 0 {
                break;
            }
        }
        if !self.args.json {
            writeln!(out, "{}", self.last_line(totals, fit))?;
        }
        Ok(totals)
    }

    fn write_json(&self, out: &mut impl Write, placed: &Placed<'_>, from: VersionFrom) -> io::Result<()> {
        let context = Context {
            form: self.source.form.name(),
            file: self.several.then_some(self.source.name.as_str()),
            version_from: from.name(),
            secrets: self.args.secrets,
        };
        serde_json::to_writer(&mut *out, &packet_json::packet(placed, context))?;
        writeln!(out)
    }

    /// `27 bytes, 2 packets, 0 errors (input: hex)`.
    fn last_line(&self, totals: Totals, fit: Option<Fit>) -> String {
        let mut line = format!(
            "{}, {}, {}",
            count(self.source.bytes.len(), "byte"),
            count(totals.packets, "packet"),
            count(totals.malformed, "error")
        );
        if totals.truncated > 0 {
            line.push_str(", the last packet is cut short");
        }
        line.push_str(&format!(" (input: {}", self.source.form.name()));
        if let Some(fit) = fit {
            line.push_str(&format!("; version: {}", fit.words()));
        }
        line.push(')');
        line
    }
}

/// How many hex digits show every offset up to `len`, four at least.
fn offset_width(len: usize) -> usize {
    let digits = (usize::BITS - len.leading_zeros()).div_ceil(4);
    (digits as usize).max(4)
}

fn count(number: usize, unit: &str) -> String {
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// Whether standard input is a person at a keyboard, who should be told what is waited for.
fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}
