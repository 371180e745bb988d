//! Inputs that are captures of a network.

use std::io::{self, Write};

use vaux_mqtt::explain;

use super::{Teller, Told, count, offset_width};
use crate::capture::{Capture, Captured, Counts, Event, Note, Time};
use crate::cli_error::CliError;

/// Explains the packets of a capture, in the order in which they became whole.
pub(super) fn explain(
    mut capture: Box<Capture>,
    name: &str,
    teller: &mut Teller<'_, impl Write>,
) -> Result<(), CliError> {
    if teller.args.offset.is_some() {
        return Err(CliError::usage(format!("{name} is a capture: --offset has no meaning in it")));
    }
    let mut bytes = 0;
    let wrong = |why| CliError::Capture { name: name.to_owned(), why };
    while let Some(event) = capture.next().map_err(wrong)? {
        match event {
            Event::Packet(captured) => {
                bytes += captured.bytes.len() as u64;
                if !tell(&captured, teller).map_err(CliError::Stdio)? {
                    break;
                }
            }
            Event::Note(note) => tell_note(&note, teller).map_err(CliError::Stdio)?,
        }
        // A capture may still be going on.
        teller.out.flush().map_err(CliError::Stdio)?;
    }
    teller.totals.is_cut = capture.is_cut();
    tell_rest(&capture, bytes, teller).map_err(CliError::Stdio)
}

fn tell(captured: &Captured, teller: &mut Teller<'_, impl Write>) -> io::Result<bool> {
    let explained = explain::explain(&captured.bytes, captured.version, captured.route.known_sender());
    teller.tell(Told {
        at: captured.at,
        bytes: &captured.bytes[..explained.len],
        explained: &explained,
        version_from: captured.version_from,
        offset_width: offset_width(captured.at + captured.bytes.len() as u64),
        captured: Some(captured),
    })
}

/// A line beside the packets. JSON is packets only, so that it goes to standard error.
fn tell_note(note: &Note, teller: &mut Teller<'_, impl Write>) -> io::Result<()> {
    let place = place(note.time, &note.route.text());
    let line = format!("{place} · {}", note.text);
    match teller.args.json {
        true => teller.args.talk().note(line),
        false => writeln!(teller.out, "-- {}", teller.palette.dim(&line))?,
    }
    Ok(())
}

fn tell_rest(capture: &Capture, bytes: u64, teller: &mut Teller<'_, impl Write>) -> io::Result<()> {
    if let Some(number) = capture.unread_link() {
        teller.args.talk().warning(format_args!("frames of link type {number} are not read"));
    }
    if capture.is_cut() {
        teller.args.talk().warning("the capture ends in the middle of a frame");
    }
    let truncated = teller.totals.truncated as u64;
    let cut = (truncated > 0).then(|| format!("{} cut short", count(truncated, "packet")));
    let counts = capture.counts().map(counts_text);
    let start = capture.start().text().map(|start| format!("from {start}"));
    let more: Vec<String> = counts.into_iter().chain(start).collect();
    teller.tell_totals(
        bytes,
        cut.as_deref(),
        Some(more.join("; ")).as_deref().filter(|more| !more.is_empty()),
    )
}

fn counts_text(counts: Counts) -> String {
    let Counts { connections, mqtt, repeated, early } = counts;
    let mut text = format!("{}, {mqtt} with MQTT", count(connections as u64, "connection"));
    if repeated > 0 {
        text.push_str(&format!(", {}", count(repeated, "retransmission")));
    }
    if early > 0 {
        text.push_str(&format!(", {} out of order", count(early, "segment")));
    }
    text
}

impl Captured {
    /// When and on which connection: `21:00:00.123456 127.0.0.1:50422 → :1883`.
    pub(super) fn place(&self) -> String {
        place(self.time, &self.route.text())
    }
}

fn place(time: Time, route: &str) -> String {
    match time.of_day() {
        Some(time) => format!("{time} {route}"),
        None => route.to_owned(),
    }
}
