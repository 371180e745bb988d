//! What tcpdump prints with `-x`, `-xx` and `-X`, and tshark with `-x`: for each frame a line about it and a dump.
//!
//! ```text
//! 21:00:00.123456 IP 127.0.0.1.50422 > 127.0.0.1.1883: Flags [P.], seq 1:3, ack 1, win 512, length 2
//!         0x0000:  4500 0036 1f2c 4000 4006 1d94 7f00 0001  E..6.,@.@.......
//! ```

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time as TimeOfDay};
use jiff::tz::TimeZone;

use super::file::Frame;
use super::link::{guess, segment};
use super::time::Time;

/// Whether a text holds a dump in which a segment of TCP is found, as tcpdump and tshark print them.
pub(crate) fn looks_like_frames(text: &str) -> bool {
    let mut dumps = Dumps::new(text);
    // A dump of packets of MQTT is one dump, and no segment of TCP.
    match dumps.next() {
        Some(Ok(dump)) => guess(&dump.bytes).is_some(),
        Some(Err(_)) | None => false,
    }
}

/// The frames of a text. What holds no segment of TCP is left out.
pub(super) fn frames(text: &str) -> Result<Vec<Frame>, String> {
    let mut frames = Vec::new();
    let mut known = None;
    for dump in Dumps::new(text) {
        let Dump { heading, bytes } = dump?;
        // One program prints all frames with the same kind of header, so that the last one is tried first.
        let link = known.filter(|&link| segment(link, &bytes).is_some()).or_else(|| guess(&bytes));
        if let Some(link) = link {
            known = Some(link);
            frames.push(Frame { time: heading.map_or(Time::Unknown, time), link, bytes });
        }
    }
    Ok(frames)
}

/// A dump, and the line in front of it.
struct Dump<'a> {
    heading: Option<&'a str>,
    bytes: Vec<u8>,
}

struct Dumps<'a> {
    lines: std::iter::Peekable<std::iter::Enumerate<std::str::Lines<'a>>>,
    heading: Option<&'a str>,
    /// Whether the dump that follows is a copy of what stands in frames.
    is_copy: bool,
}

impl<'a> Dumps<'a> {
    fn new(text: &'a str) -> Dumps<'a> {
        Dumps { lines: text.lines().enumerate().peekable(), heading: None, is_copy: false }
    }

    /// The lines of a dump from its first, whose offset is 0, on.
    fn take_dump(&mut self) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        while let Some(&(number, line)) = self.lines.peek()
            && let Some((offset, groups)) = row(line)
        {
            if offset == 0 && !bytes.is_empty() {
                break;
            }
            if offset != bytes.len() {
                return Err(format!("line {}: the offset does not follow from the line before", number + 1));
            }
            push_groups(&mut bytes, groups)
                .ok_or_else(|| format!("line {}: this is no row of a dump", number + 1))?;
            self.lines.next();
        }
        Ok(bytes)
    }
}

impl<'a> Iterator for Dumps<'a> {
    type Item = Result<Dump<'a>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let &(_, line) = self.lines.peek()?;
            if row(line).is_some() {
                let bytes = match self.take_dump() {
                    Ok(bytes) => bytes,
                    Err(why) => {
                        self.lines.next();
                        return Some(Err(why));
                    }
                };
                if !std::mem::take(&mut self.is_copy) {
                    return Some(Ok(Dump { heading: self.heading.take(), bytes }));
                }
                continue;
            }
            self.lines.next();
            let line = line.trim();
            // tshark: `Frame (93 bytes):` says nothing, `Reassembled TCP (27 bytes):` stands in front of a copy.
            match line.strip_suffix(" bytes):").and_then(|front| front.rsplit_once(" (")) {
                Some((what, _)) => self.is_copy = what != "Frame" && what != "Packet",
                None if !line.is_empty() => self.heading = Some(line),
                None => {}
            }
        }
    }
}

/// The offset of a row and what follows it: `0x0000:  4500 …`, `0000  45 00 …`.
fn row(line: &str) -> Option<(usize, &str)> {
    let line = line.trim_start();
    let digits = line.strip_prefix("0x").unwrap_or(line);
    let len = digits.bytes().take_while(u8::is_ascii_hexdigit).count();
    let rest = &digits[len..];
    let rest = rest.strip_prefix(':').unwrap_or(rest).strip_prefix("  ")?;
    (4..=8).contains(&len).then_some(())?;
    Some((usize::from_str_radix(&digits[..len], 16).ok()?, rest))
}

/// Adds the bytes of groups of digits; two spaces begin the column of text.
fn push_groups(bytes: &mut Vec<u8>, groups: &str) -> Option<()> {
    let groups = groups.split("  ").next()?;
    for group in groups.split_ascii_whitespace() {
        if !group.len().is_multiple_of(2) || !group.is_ascii() {
            return None;
        }
        for at in (0..group.len()).step_by(2) {
            bytes.push(u8::from_str_radix(&group[at..at + 2], 16).ok()?);
        }
    }
    Some(())
}

/// The time in the line about a frame: of day, with the day (`-tttt`), or in seconds since 1970 (`-tt`). tshark counts
/// from the first frame: `5 1.000250 127.0.0.1 → 127.0.0.1 …`.
fn time(heading: &str) -> Time {
    let mut words = heading.split_ascii_whitespace();
    let first = words.next().unwrap_or_default();
    if first.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds =
            words.next().filter(|word| word.contains('.')).and_then(|word| word.parse::<f64>().ok());
        let us = seconds.filter(|seconds| (0.0..1e9).contains(seconds)).map(|seconds| seconds * 1e6);
        return us.map_or(Time::Unknown, |us| Time::OfDay(us.round() as i64));
    }
    if let Ok(time) = first.parse::<TimeOfDay>() {
        return Time::OfDay(since_midnight_us(time));
    }
    if let Ok(date) = first.parse::<Date>()
        && let Some(Ok(time)) = words.next().map(str::parse::<TimeOfDay>)
    {
        let moment = DateTime::from_parts(date, time).to_zoned(TimeZone::system());
        return moment.map_or(Time::Unknown, |moment| Time::Known(moment.timestamp()));
    }
    match first.split_once('.') {
        Some((seconds, fraction)) if fraction.len() == 6 => {
            let us = format!("{seconds}{fraction}").parse().ok();
            us.and_then(|us| Timestamp::from_microsecond(us).ok()).map_or(Time::Unknown, Time::Known)
        }
        _ => Time::Unknown,
    }
}

fn since_midnight_us(time: TimeOfDay) -> i64 {
    let seconds = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    seconds * 1_000_000 + i64::from(time.subsec_nanosecond()) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_tcpdump_prints_them() {
        assert_eq!(time("21:00:00.123456 IP a > b"), Time::OfDay(75_600_123_456));
        let moment = Timestamp::from_microsecond(1_795_381_200_123_456).unwrap();
        assert_eq!(time("1795381200.123456 IP a > b"), Time::Known(moment));
        assert!(matches!(time("2026-11-22 21:00:00.123456 IP a > b"), Time::Known(_)));
        assert_eq!(time("   12   1.000250    127.0.0.1 → 127.0.0.1    TCP 80"), Time::OfDay(1_000_250));
        assert_eq!(time("12 frames"), Time::Unknown);
        assert_eq!(time("IP a > b"), Time::Unknown);
    }

    #[test]
    fn rows_are_told_from_other_lines() {
        assert_eq!(row("\t0x0010:  4500 0036  E..6"), Some((16, "4500 0036  E..6")));
        assert_eq!(row("0010  45 00 00 36   E..6"), Some((16, "45 00 00 36   E..6")));
        assert_eq!(row("21:00:00.123456 IP 127.0.0.1.50422 > 127.0.0.1.1883: length 2"), None);
        assert_eq!(row("Frame (93 bytes):"), None);
    }
}
