//! The segments of one direction of a connection, put in order.
//!
//! What comes again is taken once, what comes early waits. What never came although the receiver acknowledged it was
//! not captured: it is told as a gap, and what follows goes on behind it.

use std::collections::BTreeMap;

/// The most that waits for what should come before it.
const MAX_WAITING_BYTES: usize = 4 << 20;

/// How many further segments of the connection a gap is waited for once it has been acknowledged: frames that several
/// queues of a network card received are not always captured in order.
const PATIENCE: u32 = 32;

/// A segment further away from the expected place than this belongs to another connection, or is broken.
const MAX_LEAP: u64 = 1 << 30;

/// What a direction carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The next bytes.
    Data(Vec<u8>),
    /// So many bytes are not in the capture.
    Gap(u64),
    /// The sender is done.
    End,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    /// The sequence number of what comes next; `None` before the first segment.
    next_sequence: Option<u32>,
    /// The same place, counted from the first byte.
    next: u64,
    /// What came early, by its place. Parts do not overlap.
    waiting: BTreeMap<u64, Vec<u8>>,
    waiting_bytes: usize,
    /// Up to where the receiver has it all.
    acknowledged: u64,
    patience: u32,
    end: Option<u64>,
    is_ended: bool,
    /// Segments that brought nothing new.
    pub(super) repeated: u64,
    /// Segments that came before others which precede them.
    pub(super) early: u64,
}

impl Assembly {
    /// How many bytes came early.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Whether a new connection with this first sequence number would not be this one.
    pub(super) fn is_other(&self, first_sequence: u32) -> bool {
        let first = self.next_sequence.map(|next| next.wrapping_sub(self.next as u32));
        first.is_some_and(|first| first != first_sequence)
    }

    /// Says where the direction begins: `sequence` is the number of its first byte.
    pub(super) fn begin(&mut self, sequence: u32) {
        self.next_sequence.get_or_insert(sequence);
    }

    /// Takes the data of a segment, behind which `uncaptured` bytes were left out of the capture.
    pub(super) fn push(&mut self, sequence: u32, data: &[u8], uncaptured: usize, out: &mut Vec<Piece>) {
        self.begin(sequence);
        let Some(start) = self.place(sequence) else { return };
        let end = start + data.len() as i64;
        if data.is_empty() {
            // A segment that acknowledges says where its sender is, and no more.
        } else if end <= self.next as i64 {
            self.repeated += 1;
        } else if start <= self.next as i64 {
            let new = (self.next as i64 - start) as usize;
            self.repeated += u64::from(new > 0);
            self.give(data[new..].to_vec(), out);
            self.drain(out);
        } else {
            self.early += 1;
            self.keep(start as u64, data);
        }
        // What was left out never comes, unless it is sent again.
        if uncaptured > 0 && self.next as i64 == end && self.waiting.is_empty() {
            self.skip(uncaptured as u64, out);
        }
        if self.waiting_bytes > MAX_WAITING_BYTES {
            self.give_up(out);
        }
    }

    /// Takes that the sender sends no more from `sequence` on.
    pub(super) fn finish_at(&mut self, sequence: u32, out: &mut Vec<Piece>) {
        if let Some(place) = self.place(sequence) {
            self.end.get_or_insert(place.max(0) as u64);
            self.drain(out);
        }
    }

    /// Takes that the receiver has all that stands before `sequence`.
    pub(super) fn acknowledge(&mut self, sequence: u32) {
        if let Some(place) = self.place(sequence) {
            self.acknowledged = self.acknowledged.max(place.max(0) as u64);
        }
    }

    /// Waits no longer for what the receiver has had for a while. To be called for each segment of the connection.
    pub(super) fn lose_patience(&mut self, out: &mut Vec<Piece>) {
        let is_missing = self.waiting.first_key_value().is_some_and(|(&start, _)| self.acknowledged >= start);
        self.patience = if is_missing { self.patience + 1 } else { 0 };
        if self.patience > PATIENCE {
            self.give_up(out);
        }
    }

    /// Gives what there is: nothing more will come.
    pub(super) fn close(&mut self, out: &mut Vec<Piece>) {
        while !self.waiting.is_empty() {
            self.give_up(out);
        }
        let seen = self.end.unwrap_or(0).max(self.acknowledged);
        // The number behind the end counts as one byte.
        let seen = if self.end.is_some_and(|end| seen == end + 1) { seen - 1 } else { seen };
        if seen > self.next && !self.is_ended && seen - self.next < MAX_LEAP {
            self.skip(seen - self.next, out);
        }
        self.stop(out);
    }

    /// The place of a sequence number, which may lie before the first byte; `None` far from all that is expected.
    fn place(&self, sequence: u32) -> Option<i64> {
        let next = self.next_sequence?;
        let distance = i64::from(sequence.wrapping_sub(next) as i32);
        (distance.unsigned_abs() < MAX_LEAP).then(|| self.next as i64 + distance)
    }

    fn give(&mut self, data: Vec<u8>, out: &mut Vec<Piece>) {
        self.advance(data.len() as u64);
        out.push(Piece::Data(data));
    }

    fn skip(&mut self, len: u64, out: &mut Vec<Piece>) {
        self.advance(len);
        out.push(Piece::Gap(len));
        self.drain(out);
    }

    fn advance(&mut self, len: u64) {
        self.next += len;
        self.next_sequence = self.next_sequence.map(|sequence| sequence.wrapping_add(len as u32));
    }

    /// Keeps of `data` what is not there yet.
    fn keep(&mut self, start: u64, data: &[u8]) {
        let end = start + data.len() as u64;
        let mut at = start;
        while at < end {
            let before = self.waiting.range(..=at).next_back();
            if let Some(covered) = before.map(|(start, part)| start + part.len() as u64).filter(|&to| to > at)
            {
                at = covered;
                continue;
            }
            let next = self.waiting.range(at..).next().map_or(end, |(&next, _)| next.min(end));
            let part = data[(at - start) as usize..(next - start) as usize].to_vec();
            self.waiting_bytes += part.len();
            self.waiting.insert(at, part);
            at = next;
        }
    }

    /// Gives what waited for what is there now.
    fn drain(&mut self, out: &mut Vec<Piece>) {
        while let Some(entry) = self.waiting.first_entry()
            && *entry.key() <= self.next
        {
            let (start, part) = entry.remove_entry();
            self.waiting_bytes -= part.len();
            let old = (self.next - start) as usize;
            if let Some(new) = part.get(old..).filter(|new| !new.is_empty()) {
                self.give(new.to_vec(), out);
            }
        }
        if self.end.is_some_and(|end| self.next >= end) {
            self.stop(out);
        }
    }

    /// Goes on behind what is missing.
    fn give_up(&mut self, out: &mut Vec<Piece>) {
        self.patience = 0;
        if let Some((&start, _)) = self.waiting.first_key_value() {
            self.skip(start.saturating_sub(self.next), out);
        }
    }

    fn stop(&mut self, out: &mut Vec<Piece>) {
        if !self.is_ended {
            self.is_ended = true;
            out.push(Piece::End);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Begins right before the sequence numbers start over.
    const FIRST: u32 = u32::MAX - 2;

    fn pushed(segments: &[(u32, &str)]) -> (Assembly, Vec<Piece>) {
        let (mut assembly, mut out) = (Assembly::default(), Vec::new());
        assembly.begin(FIRST);
        for &(at, data) in segments {
            assembly.push(FIRST.wrapping_add(at), data.as_bytes(), 0, &mut out);
        }
        (assembly, out)
    }

    fn text(out: &[Piece]) -> String {
        let text = out.iter().map(|piece| match piece {
            Piece::Data(data) => String::from_utf8_lossy(data).into_owned(),
            Piece::Gap(len) => format!("[{len}]"),
            Piece::End => ".".to_owned(),
        });
        text.collect()
    }

    #[test]
    fn what_comes_early_again_or_overlapping_is_put_in_order() {
        for segments in [
            &[(0, "ab"), (2, "cd"), (4, "ef")][..],
            &[(4, "ef"), (2, "cd"), (0, "ab")],
            &[(0, "ab"), (0, "ab"), (2, "cd"), (1, "bcd"), (4, "ef"), (0, "abcdef")],
            &[(2, "cd"), (1, "bcde"), (4, "ef"), (0, "a")],
            &[(1, "b"), (3, "d"), (5, "f"), (1, "bcdef"), (0, "abc")],
        ] {
            let (mut assembly, mut out) = pushed(segments);
            assert_eq!(text(&out), "abcdef", "{segments:?}");
            assembly.finish_at(FIRST.wrapping_add(6), &mut out);
            assembly.close(&mut out);
            assert_eq!(text(&out), "abcdef.", "{segments:?}");
        }
    }

    #[test]
    fn the_first_that_came_counts_where_two_differ() {
        let (_, out) = pushed(&[(2, "CD"), (1, "bxxe"), (0, "a")]);
        assert_eq!(text(&out), "abCDe");
    }

    #[test]
    fn what_was_acknowledged_and_never_came_is_a_gap() {
        let (mut assembly, mut out) = pushed(&[(0, "ab"), (4, "ef")]);
        for _ in 0..100 {
            assembly.lose_patience(&mut out);
        }
        assert_eq!(text(&out), "ab", "nobody said that it arrived");
        assembly.acknowledge(FIRST.wrapping_add(6));
        for _ in 0..=PATIENCE {
            assembly.lose_patience(&mut out);
        }
        assert_eq!(text(&out), "ab[2]ef");
        assembly.acknowledge(FIRST.wrapping_add(9));
        assembly.close(&mut out);
        assert_eq!(text(&out), "ab[2]ef[3].");
    }

    #[test]
    fn what_the_capture_left_out_is_a_gap_at_once() {
        let (mut assembly, mut out) = (Assembly::default(), Vec::new());
        assembly.push(7, b"ab", 3, &mut out);
        assembly.push(12, b"f", 0, &mut out);
        assert_eq!(text(&out), "ab[3]f");
    }

    #[test]
    fn what_waits_is_limited() {
        let (mut assembly, mut out) = (Assembly::default(), Vec::new());
        assembly.begin(0);
        for index in 0..(MAX_WAITING_BYTES as u32 / 1000 + 2) {
            assembly.push(10 + index * 1000, &[b'x'; 1000], 0, &mut out);
        }
        assert_eq!(out.first(), Some(&Piece::Gap(10)));
        assert_eq!(assembly.waiting_bytes, 0);
    }
}
