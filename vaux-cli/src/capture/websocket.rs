//! MQTT taken out of WebSocket: the head of HTTP, then frames.

use super::content::head;

/// One direction of a WebSocket.
#[derive(Debug, Default)]
pub(super) struct WebSocket {
    has_head: bool,
    /// What was not taken yet: a head or the header of a frame that is not whole.
    rest: Vec<u8>,
    frame: Option<Frame>,
}

/// What is left of a frame.
#[derive(Clone, Copy, Debug)]
struct Frame {
    left: u64,
    mask: [u8; 4],
    mask_at: usize,
    is_data: bool,
}

/// The longest head that is waited for.
const MAX_HEAD_BYTES: usize = 64 << 10;

impl WebSocket {
    /// Takes the next bytes and gives what is inside.
    ///
    /// # Errors
    ///
    /// Why it cannot be read on, in words.
    pub(super) fn push(&mut self, data: &[u8]) -> Result<Vec<u8>, String> {
        self.rest.extend_from_slice(data);
        if !self.has_head && !self.take_head()? {
            return Ok(Vec::new());
        }
        let mut inside = Vec::new();
        loop {
            let frame = match self.frame.take().filter(|frame| frame.left > 0) {
                Some(frame) => frame,
                None => match header(&self.rest)? {
                    Some((frame, len)) => {
                        self.rest.drain(..len);
                        frame
                    }
                    None => return Ok(inside),
                },
            };
            self.frame = Some(self.take_data(frame, &mut inside));
            if self.rest.is_empty() {
                return Ok(inside);
            }
        }
    }

    /// Takes the request or the answer; `false` while it is not whole.
    fn take_head(&mut self) -> Result<bool, String> {
        let Some((text, end)) = head(&self.rest) else {
            return match self.rest.len() > MAX_HEAD_BYTES {
                true => Err("the head of HTTP does not end".to_owned()),
                false => Ok(false),
            };
        };
        let first_line = text.lines().next().unwrap_or_default();
        if first_line.starts_with("HTTP/") && first_line.split(' ').nth(1) != Some("101") {
            return Err(format!("the server refused WebSocket: {}", first_line.escape_debug()));
        }
        self.rest.drain(..end);
        self.has_head = true;
        Ok(true)
    }

    fn take_data(&mut self, mut frame: Frame, inside: &mut Vec<u8>) -> Frame {
        let len = usize::try_from(frame.left).unwrap_or(usize::MAX).min(self.rest.len());
        let masked = self.rest.drain(..len).zip(frame.mask.iter().cycle().skip(frame.mask_at % 4));
        let data = masked.map(|(byte, mask)| byte ^ mask);
        match frame.is_data {
            true => inside.extend(data),
            false => data.for_each(drop),
        }
        frame.left -= len as u64;
        frame.mask_at += len;
        frame
    }
}

/// The header of a frame and its length, `None` while it is not whole.
fn header(bytes: &[u8]) -> Result<Option<(Frame, usize)>, String> {
    let &[first, second, ..] = bytes else { return Ok(None) };
    if first & 0x40 != 0 {
        return Err("its frames are compressed".to_owned());
    }
    let is_data = match first & 0x0f {
        0..=2 => true,
        8..=10 => false,
        _ => return Err("its frames cannot be read".to_owned()),
    };
    let length_len = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mask_len = if second & 0x80 != 0 { 4 } else { 0 };
    let Some(rest) = bytes.get(2..2 + length_len + mask_len) else { return Ok(None) };
    let left = match length_len {
        0 => u64::from(second & 0x7f),
        _ => rest[..length_len].iter().fold(0, |len, &byte| len << 8 | u64::from(byte)),
    };
    let mask = rest[length_len..].first_chunk().copied().unwrap_or_default();
    Ok(Some((Frame { left, mask, mask_at: 0, is_data }, 2 + length_len + mask_len)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_unwrapped_however_they_are_cut() {
        let mut bytes = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n".to_vec();
        // Masked and in two fragments, with a ping between them.
        bytes.extend_from_slice(&[0x02, 0x83, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2, b'c' ^ 3]);
        bytes.extend_from_slice(&[0x89, 0x01, b'p']);
        bytes.extend_from_slice(&[0x80, 0x7e, 0, 2, b'd', b'e']);
        for size in 1..bytes.len() {
            let mut web_socket = WebSocket::default();
            let inside = bytes.chunks(size).flat_map(|chunk| web_socket.push(chunk).unwrap());
            assert_eq!(inside.collect::<Vec<_>>(), b"abcde", "{size}");
        }
    }

    #[test]
    fn what_cannot_be_unwrapped_is_told() {
        for (bytes, why) in [
            (&b"HTTP/1.1 403 Forbidden\r\n\r\n"[..], "refused WebSocket: HTTP/1.1 403 Forbidden"),
            (b"HTTP/1.1 101 x\r\n\r\n\xc2\x01a", "compressed"),
            (b"HTTP/1.1 101 x\r\n\r\n\x83\x01a", "cannot be read"),
        ] {
            let error = WebSocket::default().push(bytes).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
