//! Where a connection came from.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where a connection came from.
///
/// What counts as this machine ([`Peer::is_local`]) is let in more easily. Behind a proxy nobody does: that the proxy is
/// near says nothing about its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A TCP connection from this address.
    Tcp(SocketAddr),
    /// A unix socket, which only programs of this machine reach.
    Unix,
    /// A proxy that speaks the PROXY protocol, and the address that it names, if any.
    Proxied(Option<SocketAddr>),
}

impl Peer {
    /// The address of the client, as far as it is known.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Peer::Tcp(address) | Peer::Proxied(Some(address)) => Some(address.ip().to_canonical()),
            Peer::Unix | Peer::Proxied(None) => None,
        }
    }

    /// Whether it is certain that the client runs on this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Peer::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Peer::Unix => true,
            Peer::Proxied(_) => false,
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Peer {
        Peer::Tcp(address)
    }
}

/// The same in half the space, as most are.
#[derive(Clone, Debug)]
pub(crate) enum CompactPeer {
    V4(Ipv4Addr, u16),
    Unix,
    Other(Box<Peer>),
}

impl CompactPeer {
    pub(crate) fn get(&self) -> Peer {
        match self {
            CompactPeer::V4(ip, port) => Peer::Tcp(SocketAddr::from((*ip, *port))),
            CompactPeer::Unix => Peer::Unix,
            CompactPeer::Other(peer) => **peer,
        }
    }
}

impl From<Peer> for CompactPeer {
    fn from(peer: Peer) -> CompactPeer {
        match peer {
            Peer::Tcp(SocketAddr::V4(address)) => CompactPeer::V4(*address.ip(), address.port()),
            Peer::Unix => CompactPeer::Unix,
            other => CompactPeer::Other(Box::new(other)),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Tcp(address) | Peer::Proxied(Some(address)) => address.fmt(f),
            Peer::Unix => f.write_str("unix"),
            Peer::Proxied(None) => f.write_str("proxy"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_a_proxy_nobody_is_local() {
        for (address, is_local) in [
            ("127.0.0.1:1", true),
            ("127.8.9.9:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("192.0.2.1:1", false),
            ("[2001:db8::1]:1", false),
        ] {
            let address: SocketAddr = address.parse().unwrap();
            assert_eq!(Peer::Tcp(address).is_local(), is_local, "{address}");
            assert_eq!(CompactPeer::from(Peer::Tcp(address)).get(), Peer::Tcp(address));
            assert!(!Peer::Proxied(Some(address)).is_local(), "{address}");
        }
        assert!(CompactPeer::from(Peer::Unix).get().is_local());
        assert!(!Peer::Proxied(None).is_local());
    }
}
