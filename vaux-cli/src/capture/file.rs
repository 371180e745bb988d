//! The files of tcpdump and Wireshark, pcap and pcapng, frame by frame.

use std::io::{self, Cursor, Read};

use jiff::Timestamp;
use pcap_parser::traits::{PcapNGPacketBlock, PcapReaderIterator};
use pcap_parser::{Block, LegacyPcapReader, PcapBlockOwned, PcapError, PcapNGReader};

use super::link::Link;
use super::time::Time;

/// What the reader begins with, and the most it takes for one frame.
const BUFFER_BYTES: usize = 64 << 10;
const MAX_BUFFER_BYTES: usize = 16 << 20;

/// The first four bytes of pcapng.
const NEXT_GENERATION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// The header of pcap.
const HEADER_BYTES: usize = 24;
/// The longest first block of pcapng that is believed.
const MAX_SECTION_BYTES: usize = 1 << 20;

/// Whether a file that begins with these bytes, four at least, is a capture. No packet of MQTT begins like one.
pub(crate) fn is_capture(start: &[u8]) -> bool {
    let Some(magic) = start.first_chunk::<4>() else { return false };
    *magic == NEXT_GENERATION
        || matches!(
            magic,
            [0xd4, 0xc3, 0xb2, 0xa1]
                | [0xa1, 0xb2, 0xc3, 0xd4]
                | [0x4d, 0x3c, 0xb2, 0xa1]
                | [0xa1, 0xb2, 0x3c, 0x4d]
        )
}

/// A frame of the network.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) time: Time,
    pub(super) link: Link,
    pub(super) bytes: Vec<u8>,
}

/// A capture that is being read.
pub(super) struct File {
    reader: Box<dyn PcapReaderIterator + Send>,
    interfaces: Vec<Interface>,
    buffer_bytes: usize,
    frames: u64,
    is_cut: bool,
    unread_link: Option<i32>,
}

/// Where frames were captured.
#[derive(Clone, Copy, Debug)]
struct Interface {
    /// The number of the kind of frames.
    link: i32,
    ticks_a_second: u64,
    offset_seconds: i64,
}

impl File {
    /// Begins to read.
    ///
    /// # Errors
    ///
    /// What is wrong with the beginning, in words.
    pub(super) fn open(mut input: Box<dyn Read + Send>) -> Result<File, String> {
        let mut start = vec![0; HEADER_BYTES];
        read_all(&mut input, &mut start[..4])?;
        if !is_capture(&start) {
            return Err("this is no capture: neither pcap nor pcapng".to_owned());
        }
        read_all(&mut input, &mut start[4..])?;
        let is_next_generation = start.starts_with(&NEXT_GENERATION);
        if is_next_generation {
            // The reader wants its first block at once, which a pipe may not give.
            let len = section_len(&start).ok_or("the first block of the capture is broken")?;
            start.resize(len, 0);
            read_all(&mut input, &mut start[HEADER_BYTES..])?;
        }
        let input = Cursor::new(start).chain(input);
        let wrong = |error: PcapError<&[u8]>| format!("this is no capture: {error:?}");
        let reader: Box<dyn PcapReaderIterator + Send> = match is_next_generation {
            true => Box::new(PcapNGReader::new(BUFFER_BYTES, input).map_err(wrong)?),
            false => Box::new(LegacyPcapReader::new(BUFFER_BYTES, input).map_err(wrong)?),
        };
        Ok(File {
            reader,
            interfaces: Vec::new(),
            buffer_bytes: BUFFER_BYTES,
            frames: 0,
            is_cut: false,
            unread_link: None,
        })
    }

    /// The next frame, `None` behind the last.
    ///
    /// # Errors
    ///
    /// What is wrong, in words.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, String> {
        loop {
            let File { reader, interfaces, frames, unread_link, .. } = self;
            match reader.next() {
                Ok((len, block)) => {
                    let found = take(block, interfaces);
                    reader.consume(len);
                    let Some((time, link, bytes)) = found? else { continue };
                    *frames += 1;
                    match Link::from_number(link) {
                        Some(link) => return Ok(Some(Frame { time, link, bytes })),
                        None => *unread_link = Some(link),
                    }
                }
                Err(PcapError::Eof) => return Ok(None),
                Err(PcapError::UnexpectedEof) => {
                    self.is_cut = true;
                    return Ok(None);
                }
                Err(PcapError::Incomplete(_)) => self.refill()?,
                Err(PcapError::BufferTooSmall) => {
                    self.buffer_bytes *= 2;
                    if self.buffer_bytes > MAX_BUFFER_BYTES {
                        return Err(format!("frame {} is longer than any frame", self.frames + 1));
                    }
                    self.reader.grow(self.buffer_bytes);
                    self.refill()?;
                }
                Err(_) => return Err(format!("behind frame {} it does not read", self.frames)),
            }
        }
    }

    /// Whether the file ends in the middle of a frame.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The number of a kind of frames that is in the file and is not known here.
    pub(super) fn unread_link(&self) -> Option<i32> {
        self.unread_link
    }

    fn refill(&mut self) -> Result<(), String> {
        self.reader.refill().map_err(|_| "reading failed".to_owned())
    }
}

/// When the frame of a block was captured, the number of its kind, and its bytes; if it is a block that holds a frame.
type Found = Option<(Time, i32, Vec<u8>)>;

fn take(block: PcapBlockOwned<'_>, interfaces: &mut Vec<Interface>) -> Result<Found, String> {
    match block {
        PcapBlockOwned::LegacyHeader(header) => {
            let ticks_a_second = if header.is_nanosecond_precision() { 1_000_000_000 } else { 1_000_000 };
            interfaces.push(Interface { link: header.network.0, ticks_a_second, offset_seconds: 0 });
            Ok(None)
        }
        PcapBlockOwned::Legacy(block) => {
            let interface = interfaces.first().ok_or("the header is missing")?;
            let ticks = u64::from(block.ts_usec) * 1_000_000 / interface.ticks_a_second;
            let us = i64::from(block.ts_sec) * 1_000_000 + i64::try_from(ticks).unwrap_or_default();
            let bytes = block.data.get(..block.caplen as usize).unwrap_or(block.data);
            Ok(Some((known(us), interface.link, bytes.to_vec())))
        }
        PcapBlockOwned::NG(Block::SectionHeader(_)) => {
            interfaces.clear();
            Ok(None)
        }
        PcapBlockOwned::NG(Block::InterfaceDescription(description)) => {
            interfaces.push(Interface {
                link: description.linktype.0,
                ticks_a_second: ticks_a_second(description.if_tsresol),
                offset_seconds: description.if_tsoffset,
            });
            Ok(None)
        }
        PcapBlockOwned::NG(Block::EnhancedPacket(block)) => {
            let interface = interfaces.get(block.if_id as usize).ok_or("a frame names no interface")?;
            let ticks = u64::from(block.ts_high) << 32 | u64::from(block.ts_low);
            Ok(Some((interface.time(ticks), interface.link, block.packet_data().to_vec())))
        }
        PcapBlockOwned::NG(Block::SimplePacket(block)) => {
            let interface = interfaces.first().ok_or("a frame names no interface")?;
            Ok(Some((Time::Unknown, interface.link, block.packet_data().to_vec())))
        }
        PcapBlockOwned::NG(_) => Ok(None),
    }
}

impl Interface {
    fn time(&self, ticks: u64) -> Time {
        let us = u128::from(ticks) * 1_000_000 / u128::from(self.ticks_a_second);
        let us = i64::try_from(us).unwrap_or(i64::MAX);
        known(us.saturating_add(self.offset_seconds.saturating_mul(1_000_000)))
    }
}

fn known(us: i64) -> Time {
    Timestamp::from_microsecond(us).map_or(Time::Unknown, Time::Known)
}

/// `if_tsresol`: a power of ten, or with the highest bit a power of two. Microseconds when it makes no sense.
fn ticks_a_second(resolution: u8) -> u64 {
    let exponent = u32::from(resolution & 0x7f);
    let ticks = if resolution & 0x80 != 0 { 2u64.checked_pow(exponent) } else { 10u64.checked_pow(exponent) };
    ticks.unwrap_or(1_000_000)
}

/// How long the first block of pcapng is, by its length in the byte order that it names.
fn section_len(start: &[u8]) -> Option<usize> {
    let len: [u8; 4] = start.get(4..8)?.try_into().ok()?;
    let len = match start.get(8..12)? {
        [0x4d, 0x3c, 0x2b, 0x1a] => u32::from_le_bytes(len),
        [0x1a, 0x2b, 0x3c, 0x4d] => u32::from_be_bytes(len),
        _ => return None,
    };
    Some(len as usize).filter(|len| (HEADER_BYTES..=MAX_SECTION_BYTES).contains(len))
}

fn read_all(input: &mut impl Read, bytes: &mut [u8]) -> Result<(), String> {
    input.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => "the capture ends within its header".to_owned(),
        _ => format!("reading failed: {error}"),
    })
}
