//! From a frame of a network to the TCP segment in it.

use std::net::SocketAddr;

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TransportSlice};

/// What a frame begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// Ethernet, with any VLAN tags.
    Ethernet,
    /// IP, version 4 or 6.
    Ip,
    /// The header that Linux writes in captures of all interfaces.
    LinuxCooked,
    /// Its second version.
    LinuxCooked2,
    /// The four bytes of loopback interfaces elsewhere.
    Null,
}

impl Link {
    /// What text can stand for, in the order in which it is tried.
    pub(super) const ALL: [Link; 5] =
        [Link::Ip, Link::Ethernet, Link::LinuxCooked2, Link::LinuxCooked, Link::Null];

    /// By the number in captures.
    pub(super) fn from_number(number: i32) -> Option<Link> {
        Some(match number {
            0 | 108 => Link::Null,
            1 => Link::Ethernet,
            12 | 14 | 101 | 228 | 229 => Link::Ip,
            113 => Link::LinuxCooked,
            276 => Link::LinuxCooked2,
            _ => return None,
        })
    }
}

/// A segment of TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment<'a> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) sequence: u32,
    /// What the sender has of the other direction.
    pub(super) acknowledged: Option<u32>,
    pub(super) is_syn: bool,
    pub(super) is_fin: bool,
    pub(super) is_reset: bool,
    pub(super) data: &'a [u8],
    /// How many bytes of data follow on the wire that were not captured.
    pub(super) uncaptured: usize,
}

/// The segment of a frame; `None` when it holds another protocol, or a part of a packet of IP.
pub(super) fn segment(link: Link, frame: &[u8]) -> Option<Segment<'_>> {
    let packet = match link {
        Link::Ethernet => LaxSlicedPacket::from_ethernet(frame).ok()?,
        Link::Ip => LaxSlicedPacket::from_ip(frame).ok()?,
        Link::LinuxCooked => cooked(frame, 14, 16)?,
        Link::LinuxCooked2 => cooked(frame, 0, 20)?,
        Link::Null => LaxSlicedPacket::from_ip(frame.get(4..)?).ok()?,
    };
    let Some(TransportSlice::Tcp(tcp)) = &packet.transport else { return None };
    let (from, to, uncaptured) = match packet.net.as_ref()? {
        LaxNetSlice::Ipv4(ip) => {
            let have = ip.header().slice().len() + ip.payload().payload.len();
            let uncaptured = usize::from(ip.header().total_len()).saturating_sub(have);
            (ip.header().source_addr().into(), ip.header().destination_addr().into(), uncaptured)
        }
        LaxNetSlice::Ipv6(ip) => {
            let have = ip.extensions().slice().len() + ip.payload().payload.len();
            let uncaptured = usize::from(ip.header().payload_length()).saturating_sub(have);
            (ip.header().source_addr().into(), ip.header().destination_addr().into(), uncaptured)
        }
        LaxNetSlice::Arp(_) => return None,
    };
    let data_start = tcp.header_slice().len();
    Some(Segment {
        from: SocketAddr::new(from, tcp.source_port()),
        to: SocketAddr::new(to, tcp.destination_port()),
        sequence: tcp.sequence_number(),
        acknowledged: tcp.ack().then(|| tcp.acknowledgment_number()),
        is_syn: tcp.syn(),
        is_fin: tcp.fin(),
        is_reset: tcp.rst(),
        data: tcp.slice().get(data_start..).unwrap_or_default(),
        uncaptured,
    })
}

/// What a frame that was written down without its kind begins with: that with which a segment of TCP is found in it.
pub(super) fn guess(frame: &[u8]) -> Option<Link> {
    Link::ALL.into_iter().find(|&link| segment(link, frame).is_some())
}

/// A cooked frame: the kind of what follows stands at `kind_at`.
fn cooked(frame: &[u8], kind_at: usize, header_len: usize) -> Option<LaxSlicedPacket<'_>> {
    let kind = frame.get(kind_at..kind_at + 2)?;
    let kind = EtherType(u16::from_be_bytes([kind[0], kind[1]]));
    Some(LaxSlicedPacket::from_ether_type(kind, frame.get(header_len..)?))
}
