//! `vaux decode`: MQTT packets explained byte by byte.

mod bytes;
mod capture;
mod source;
mod stream;

use std::io::{self, BufWriter, IsTerminal, Write};

use clap::Args;
use vaux_mqtt::Version;
use vaux_mqtt::explain::{Explained, Status};

use crate::capture::{Captured, VersionFrom};
use crate::cli_error::{CliError, Exit};
use crate::input::Form;
use crate::output::color::{ColorChoice, Palette};
use crate::output::packet_json::{self, Context};
use crate::output::talk::{Talk, TalkArgs};
use crate::output::text::{PacketWriter, Placed, View};
use source::{Content, sources};

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
        value_name = "auto|hex|xxd|c|base64|tcpdump|pcap|bin",
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
    /// Begin at this byte of the input; 0x for hex [default: 0]
    #[arg(long, value_name = "BYTE", value_parser = parse_offset)]
    offset: Option<usize>,
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
and with 8 when one is cut short.

Of a capture, pcap or pcapng or what tcpdump and tshark print with -x, it reads all connections over TCP that carry MQTT, \
on whatever port, also within WebSocket.

Examples:
  vaux decode c000
  vaux decode '10 0c 00 04 4d 51 54 54 04 02 00 3c 00 00'
  vaux decode capture.bin
  xxd capture.bin | vaux decode
  vaux decode --show line capture.pcapng
  tcpdump -i any -U -w - port 1883 | vaux decode
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
    /// What tcpdump and tshark print with -x
    Tcpdump,
    /// A capture of tcpdump or Wireshark, pcap or pcapng
    Pcap,
    /// The bytes themselves
    Bin,
}

impl FormChoice {
    /// The form of bytes that it names.
    fn form(self) -> Option<Form> {
        match self {
            FormChoice::Auto | FormChoice::Tcpdump | FormChoice::Pcap => None,
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
    let sources = sources(&args.inputs, args.form)?;
    let stdout = io::stdout();
    let palette = Palette::new(!args.json && args.color.is_on(&stdout));
    let mut teller = Teller {
        args,
        palette,
        file: None,
        form: "",
        totals: Totals::default(),
        out: BufWriter::new(stdout.lock()),
    };
    let mut totals = Totals::default();
    let several = sources.len() > 1;
    for source in sources {
        let source = source.read(args.form, args.protocol_version)?;
        teller.begin(source.form, several.then_some(source.name.as_str())).map_err(CliError::Stdio)?;
        match source.content {
            Content::Bytes(bytes) => bytes::explain(&bytes, &mut teller).map_err(CliError::Stdio)?,
            Content::Capture(capture) => capture::explain(capture, &source.name, &mut teller)?,
        }
        totals.add(teller.totals);
        if args.strict && totals.malformed > 0 {
            break;
        }
    }
    teller.out.flush().map_err(CliError::Stdio)?;
    Ok(totals.exit())
}

/// What the packets of inputs came to.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    packets: usize,
    malformed: usize,
    truncated: usize,
    /// Whether the input itself ends in the middle of something.
    is_cut: bool,
}

impl Totals {
    fn add(&mut self, other: Totals) {
        self.packets += other.packets;
        self.malformed += other.malformed;
        self.truncated += other.truncated;
        self.is_cut |= other.is_cut;
    }

    fn exit(self) -> Exit {
        match self {
            Totals { malformed: 1.., .. } => Exit::Malformed,
            Totals { truncated: 1.., .. } | Totals { is_cut: true, .. } => Exit::CutShort,
            _ => Exit::Ok,
        }
    }
}

/// Tells of packets, one after the other.
struct Teller<'a, W> {
    args: &'a DecodeArgs,
    palette: Palette,
    /// The name of the input, when there are several.
    file: Option<String>,
    /// How the input is written down.
    form: &'static str,
    /// What the input came to so far.
    totals: Totals,
    out: W,
}

impl<W: Write> Teller<'_, W> {
    /// Begins another input.
    fn begin(&mut self, form: &'static str, file: Option<&str>) -> io::Result<()> {
        (self.form, self.totals) = (form, Totals::default());
        self.file = file.map(str::to_owned);
        match file {
            Some(name) if !self.args.json => {
                writeln!(self.out, "{}", self.palette.title(&format!("{name}:")))
            }
            _ => Ok(()),
        }
    }

    /// Tells of a packet, and whether the user wants more.
    fn tell(&mut self, packet: Told<'_>) -> io::Result<bool> {
        let Told { explained, .. } = packet;
        self.totals.packets += 1;
        self.totals.malformed += usize::from(explained.status == Status::Malformed);
        self.totals.truncated += usize::from(explained.status == Status::Truncated);
        let place = packet.captured.map(|captured| captured.place());
        let placed = Placed {
            number: self.totals.packets,
            at: packet.at,
            bytes: packet.bytes,
            explained,
            place: place.as_deref(),
        };
        if self.args.json {
            let context = Context {
                form: self.form,
                file: self.file.as_deref(),
                version_from: packet.version_from.name(),
                captured: packet.captured,
                secrets: self.args.secrets,
            };
            serde_json::to_writer(&mut self.out, &packet_json::packet(&placed, context))?;
            writeln!(self.out)?;
        } else {
            let writer = PacketWriter {
                view: self.args.show,
                secrets: self.args.secrets,
                offset_width: packet.offset_width,
                palette: self.palette,
            };
            writer.write(&mut self.out, &placed)?;
        }
        Ok(!self.args.strict || self.totals.malformed == 0)
    }

    /// `27 bytes, 2 packets, 0 errors (input: hex)`.
    fn tell_totals(&mut self, bytes: u64, cut: Option<&str>, more: Option<&str>) -> io::Result<()> {
        if self.args.json {
            return Ok(());
        }
        let mut line = format!(
            "{}, {}, {}",
            count(bytes, "byte"),
            count(self.totals.packets as u64, "packet"),
            count(self.totals.malformed as u64, "error")
        );
        if let Some(cut) = cut {
            line.push_str(&format!(", {cut}"));
        }
        line.push_str(&format!(" (input: {}", self.form));
        if let Some(more) = more {
            line.push_str(&format!("; {more}"));
        }
        writeln!(self.out, "{line})")
    }
}

/// A packet that is to be told of.
#[derive(Clone, Copy)]
struct Told<'a> {
    at: u64,
    bytes: &'a [u8],
    explained: &'a Explained<'a>,
    version_from: VersionFrom,
    /// How many hex digits offsets have.
    offset_width: usize,
    captured: Option<&'a Captured>,
}

/// How many hex digits show every offset up to `len`, four at least.
fn offset_width(len: u64) -> usize {
    let digits = (u64::BITS - len.leading_zeros()).div_ceil(4);
    (digits as usize).max(4)
}

fn count(number: u64, unit: &str) -> String {
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// Whether standard input is a person at a keyboard, who should be told what is waited for.
fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}
