//! WebSocket frames as they arrive and leave, without I/O.
//!
//! A packet may be spread over frames and a frame may hold several packets, so that the payloads of binary frames are
//! simply a stream of bytes. It is taken out of what was received in place: nothing is gathered but the header of a
//! frame and the payload of a control frame, which are small.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

/// Frames from a client.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    /// The beginning of a header whose end has not arrived.
    head: Vec<u8>,
    /// The frame whose payload arrives.
    frame: Option<Frame>,
    /// Whether a message was begun whose last frame has not come.
    is_in_message: bool,
    /// The payload of a control frame.
    control: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    control: Option<Control>,
    left: u64,
    mask: [u8; 4],
    /// How far into the payload it is, for the mask.
    at: usize,
}

/// What frames led to beside payload.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Answer with the same payload.
    Ping(Vec<u8>),
    /// The client closes.
    Close,
}

/// What a client must not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    /// What it is told.
    pub(super) code: CloseCode,
    /// For the log.
    pub(super) text: &'static str,
}

const fn violation(text: &'static str) -> Violation {
    Violation { code: CloseCode::Protocol, text }
}

/// Longest header of a frame.
pub(super) const MAX_HEAD_BYTES: usize = 14;

/// Longest payload of a control frame.
const MAX_CONTROL_BYTES: u64 = 125;

impl Incoming {
    /// Bytes that were received and not understood yet. They belong in front of what is received next.
    pub(super) fn take_head(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.head)
    }

    /// Puts the payload of binary frames at the front of `bytes`, and says how much it is.
    pub(super) fn unwrap(&mut self, bytes: &mut [u8], events: &mut Vec<Event>) -> Result<usize, Violation> {
        let (mut from, mut to) = (0, 0);
        while from < bytes.len() {
            let Some(frame) = &mut self.frame else {
                let mut cursor = Cursor::new(&bytes[from..]);
                let parsed =
                    FrameHeader::parse(&mut cursor).map_err(|_| violation("the frame is unknown"))?;
                let Some((header, len)) = parsed else {
                    self.head = bytes[from..].to_vec();
                    break;
                };
                from += cursor.position() as usize;
                self.begin(&header, len, events)?;
                continue;
            };
            let count = usize::try_from(frame.left).unwrap_or(usize::MAX).min(bytes.len() - from);
            let payload = &mut bytes[from..from + count];
            for (index, byte) in payload.iter_mut().enumerate() {
                *byte ^= frame.mask[(frame.at + index) % 4];
            }
            frame.at = (frame.at + count) % 4;
            frame.left -= count as u64;
            let (is_done, control) = (frame.left == 0, frame.control);
            if control.is_some() {
                self.control.extend_from_slice(payload);
            } else {
                bytes.copy_within(from..from + count, to);
                to += count;
            }
            from += count;
            if is_done {
                self.end(control, events);
            }
        }
        Ok(to)
    }

    fn begin(&mut self, header: &FrameHeader, len: u64, events: &mut Vec<Event>) -> Result<(), Violation> {
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(violation("reserved bits are set"));
        }
        let mask = header.mask.ok_or(violation("a client must mask its frames"))?;
        let control = match header.opcode {
            OpCode::Data(Data::Text) => {
                return Err(Violation {
                    code: CloseCode::Unsupported,
                    text: "MQTT travels in binary frames",
                });
            }
            OpCode::Data(Data::Binary) if self.is_in_message => {
                return Err(violation("a message began inside another"));
            }
            OpCode::Data(Data::Continue) if !self.is_in_message => {
                return Err(violation("there is no message to go on with"));
            }
            OpCode::Data(_) => {
                self.is_in_message = !header.is_final;
                None
            }
            OpCode::Control(_) if len > MAX_CONTROL_BYTES || !header.is_final => {
                return Err(violation("a control frame must be short and whole"));
            }
            OpCode::Control(control) => Some(control),
        };
        if len == 0 {
            self.end(control, events);
        } else {
            self.frame = Some(Frame { control, left: len, mask, at: 0 });
        }
        Ok(())
    }

    fn end(&mut self, control: Option<Control>, events: &mut Vec<Event>) {
        self.frame = None;
        let payload = std::mem::take(&mut self.control);
        match control {
            Some(Control::Ping) => events.push(Event::Ping(payload)),
            Some(Control::Close) => events.push(Event::Close),
            _ => {}
        }
    }
}

/// Begins a frame towards the client.
pub(super) fn begin_frame(opcode: OpCode, len: usize, out: &mut Vec<u8>) {
    let header = FrameHeader { is_final: true, rsv1: false, rsv2: false, rsv3: false, opcode, mask: None };
    header.format(len as u64, out).expect("a Vec takes everything");
}

/// A frame that closes.
pub(super) fn close_frame(code: CloseCode, out: &mut Vec<u8>) {
    begin_frame(OpCode::Control(Control::Close), 2, out);
    out.extend_from_slice(&u16::from(code).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: [u8; 4] = [1, 2, 3, 4];

    fn frame(opcode: OpCode, is_final: bool, payload: &[u8]) -> Vec<u8> {
        let header =
            FrameHeader { is_final, rsv1: false, rsv2: false, rsv3: false, opcode, mask: Some(MASK) };
        let mut bytes = Vec::new();
        header.format(payload.len() as u64, &mut bytes).unwrap();
        bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    const BINARY: OpCode = OpCode::Data(Data::Binary);
    const MORE: OpCode = OpCode::Data(Data::Continue);
    const PING: OpCode = OpCode::Control(Control::Ping);

    /// Feeds `wire` in pieces of `step` bytes, as a socket would.
    fn receive(wire: &[u8], step: usize) -> Result<(Vec<u8>, Vec<Event>), Violation> {
        let mut incoming = Incoming::default();
        let (mut payload, mut events) = (Vec::new(), Vec::new());
        for piece in wire.chunks(step) {
            let mut bytes = incoming.take_head();
            bytes.extend_from_slice(piece);
            let len = incoming.unwrap(&mut bytes, &mut events)?;
            payload.extend_from_slice(&bytes[..len]);
        }
        Ok((payload, events))
    }

    #[test]
    fn payloads_are_one_stream_wherever_frames_and_reads_are_cut() {
        let long = vec![7; 70_000];
        let mut wire = frame(BINARY, false, b"one");
        wire.extend(frame(PING, true, b"?"));
        wire.extend(frame(MORE, false, b""));
        wire.extend(frame(MORE, true, b"two"));
        wire.extend(frame(BINARY, true, &long));
        wire.extend(frame(OpCode::Control(Control::Pong), true, b"!"));
        wire.extend(frame(OpCode::Control(Control::Close), true, b""));
        for step in [1, 2, 3, 5, 7, 13, 100, wire.len()] {
            let (payload, events) = receive(&wire, step).unwrap();
            assert_eq!(payload[..6], *b"onetwo");
            assert_eq!(payload[6..], long);
            assert_eq!(events, [Event::Ping(b"?".to_vec()), Event::Close]);
        }
    }

    #[test]
    fn what_a_client_must_not_send_is_refused() {
        let unmasked = vec![0x82, 1, 0];
        let text = frame(OpCode::Data(Data::Text), true, b"x");
        let twice = [frame(BINARY, false, b"a"), frame(BINARY, true, b"b")].concat();
        let alone = frame(MORE, true, b"a");
        let long_ping = frame(PING, true, &[0; 126]);
        let split_ping = frame(PING, false, b"");
        let mut reserved = frame(BINARY, true, b"a");
        reserved[0] |= 0x40;
        let unknown = vec![0x83, 0x80, 0, 0, 0, 0];
        for wire in [unmasked, twice, alone, long_ping, split_ping, reserved, unknown] {
            assert_eq!(receive(&wire, wire.len()).unwrap_err().code, CloseCode::Protocol, "{wire:?}");
        }
        assert_eq!(receive(&text, 99).unwrap_err().code, CloseCode::Unsupported);
    }

    #[test]
    fn nothing_is_kept_of_a_frame_that_promises_much() {
        let mut incoming = Incoming::default();
        let mut wire = vec![0x82, 0xFF, 0, 0, 0, 0xFF, 0, 0, 0, 0, 1, 2, 3, 4, 9];
        assert_eq!(incoming.unwrap(&mut wire, &mut Vec::new()), Ok(1));
        assert_eq!((incoming.head.capacity(), incoming.control.capacity()), (0, 0));
    }
}
