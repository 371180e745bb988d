//! The header of the PROXY protocol, versions 1 and 2, by which a proxy tells where its client comes from.
//!
//! It comes before everything else, TLS included. Whom to believe is decided elsewhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProxyHeader {
    /// How many bytes it takes.
    pub(crate) len: usize,
    /// Where the client is. `None`: the proxy speaks for itself, or does not say.
    pub(crate) client: Option<SocketAddr>,
}

/// The longest line of version 1, with its end.
const MAX_LINE_BYTES: usize = 107;
/// The longest header of version 2: addresses, and what proxies add to them.
pub(crate) const MAX_PROXY_HEADER_BYTES: usize = 16 + 4096;

const LINE_START: &[u8] = b"PROXY ";
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Reads the header that `bytes` begin with; `None` while some of it is missing.
pub(crate) fn read(bytes: &[u8]) -> Result<Option<ProxyHeader>, &'static str> {
    if begins_like(bytes, SIGNATURE) {
        read_binary(bytes)
    } else if begins_like(bytes, LINE_START) {
        read_line(bytes)
    } else {
        Err("the connection does not begin with a header of the PROXY protocol")
    }
}

/// Whether `bytes` begin with `start`, as far as there are any.
fn begins_like(bytes: &[u8], start: &[u8]) -> bool {
    bytes.iter().zip(start).all(|(byte, wanted)| byte == wanted)
}

fn read_line(bytes: &[u8]) -> Result<Option<ProxyHeader>, &'static str> {
    const BROKEN: &str = "the line of the PROXY protocol is malformed";
    let line = &bytes[..bytes.len().min(MAX_LINE_BYTES)];
    let Some(end) = line.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < MAX_LINE_BYTES { Ok(None) } else { Err(BROKEN) };
    };
    let text = str::from_utf8(&line[LINE_START.len()..end]).map_err(|_| BROKEN)?;
    let len = end + 2;
    let mut words = text.split(' ');
    let family = words.next().unwrap_or_default();
    if family == "UNKNOWN" {
        return Ok(Some(ProxyHeader { len, client: None }));
    }
    let mut ip = || words.next().and_then(|word| word.parse::<IpAddr>().ok()).ok_or(BROKEN);
    let (source, destination) = (ip()?, ip()?);
    let mut port = || words.next().and_then(|word| word.parse::<u16>().ok()).ok_or(BROKEN);
    let (source_port, _) = (port()?, port()?);
    let fits = match family {
        "TCP4" => source.is_ipv4() && destination.is_ipv4(),
        "TCP6" => source.is_ipv6() && destination.is_ipv6(),
        _ => false,
    };
    match fits && words.next().is_none() {
        true => Ok(Some(ProxyHeader { len, client: Some(SocketAddr::new(source, source_port)) })),
        false => Err(BROKEN),
    }
}

fn read_binary(bytes: &[u8]) -> Result<Option<ProxyHeader>, &'static str> {
    const BROKEN: &str = "the header of the PROXY protocol is malformed";
    const HEAD_BYTES: usize = 16;
    let Some(&[version_and_command, family, len_high, len_low]) = bytes.get(SIGNATURE.len()..HEAD_BYTES)
    else {
        return Ok(None);
    };
    let len = HEAD_BYTES + usize::from(u16::from_be_bytes([len_high, len_low]));
    if len > MAX_PROXY_HEADER_BYTES {
        return Err("the header of the PROXY protocol is too long");
    }
    let is_local = match version_and_command {
        0x20 => true,
        0x21 => false,
        _ => return Err(BROKEN),
    };
    let Some(body) = bytes.get(HEAD_BYTES..len) else { return Ok(None) };
    let port = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    let client = match family {
        _ if is_local => None,
        // Unspecified, and unix sockets, which have no address that means anything here.
        0x00 | 0x31 => None,
        0x11 => {
            let address = body.get(..12).and_then(|body| body.first_chunk::<4>()).ok_or(BROKEN)?;
            Some(SocketAddr::new(Ipv4Addr::from(*address).into(), port(8)))
        }
        0x21 => {
            let address = body.get(..36).and_then(|body| body.first_chunk::<16>()).ok_or(BROKEN)?;
            Some(SocketAddr::new(Ipv6Addr::from(*address).into(), port(32)))
        }
        _ => return Err("the PROXY protocol is spoken about something else than a stream"),
    };
    Ok(Some(ProxyHeader { len, client }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(bytes: &[u8]) -> Result<Option<SocketAddr>, &'static str> {
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end]), Ok(None), "the first {end} bytes");
        }
        let mut followed = bytes.to_vec();
        followed.extend([0x10, 0x20]);
        let header = read(&followed)?.expect("all of it is there");
        assert_eq!(header.len, bytes.len());
        Ok(header.client)
    }

    fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let len = (body.len() as u16).to_be_bytes();
        [&SIGNATURE[..], &[command, family], &len, body].concat()
    }

    #[test]
    fn lines_of_version_1() {
        let v4 = client(b"PROXY TCP4 192.0.2.7 10.0.0.1 51000 1883\r\n").unwrap();
        assert_eq!(v4, Some("192.0.2.7:51000".parse().unwrap()));
        let v6 = client(b"PROXY TCP6 2001:db8::7 ::1 51000 8883\r\n").unwrap();
        assert_eq!(v6, Some("[2001:db8::7]:51000".parse().unwrap()));
        assert_eq!(client(b"PROXY UNKNOWN\r\n"), Ok(None));
        assert_eq!(client(b"PROXY UNKNOWN ffff:: ffff:: 65535 65535\r\n"), Ok(None));
    }

    #[test]
    fn headers_of_version_2() {
        let v4 = [192, 0, 2, 7, 10, 0, 0, 1, 0xC7, 0x38, 0x07, 0x5B];
        assert_eq!(client(&binary(0x21, 0x11, &v4)), Ok(Some("192.0.2.7:51000".parse().unwrap())));
        let with_more = [&v4[..], &[0x03, 0, 4, 1, 2, 3, 4]].concat();
        assert_eq!(client(&binary(0x21, 0x11, &with_more)), Ok(Some("192.0.2.7:51000".parse().unwrap())));
        let mut v6 = [0; 36];
        (v6[15], v6[32], v6[33]) = (9, 0xC7, 0x38);
        assert_eq!(client(&binary(0x21, 0x21, &v6)), Ok(Some("[::9]:51000".parse().unwrap())));
        assert_eq!(client(&binary(0x20, 0x00, &[])), Ok(None));
        assert_eq!(client(&binary(0x21, 0x00, &[])), Ok(None));
        assert_eq!(client(&binary(0x21, 0x31, &[0; 216])), Ok(None));
    }

    #[test]
    fn what_is_no_header_is_refused_at_its_first_wrong_byte() {
        for bytes in [
            &b"\x10"[..],
            b"\x16\x03\x01",
            b"PROXX",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 51000\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 51000 1883 1\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 70000 1883\r\n",
            b"PROXY TCP4 ::1 ::1 1 2\r\n",
            b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
            b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
            b"PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
            b"PROXY \r\n",
            b"PROXY \xff\r\n",
            &[b"PROXY UNKNOWN".as_slice(), &[b' '; 200]].concat(),
            &binary(0x11, 0x11, &[0; 12]),
            &binary(0x22, 0x11, &[0; 12]),
            &binary(0x21, 0x12, &[0; 12]),
            &binary(0x21, 0x11, &[0; 11]),
            &binary(0x21, 0x21, &[0; 35]),
            &binary(0x21, 0x11, &[0; 5000])[..16],
        ] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
    }
}
