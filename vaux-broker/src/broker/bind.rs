//! Opening the sockets that listeners listen on.

use std::fmt;
use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::process::umask;

use super::StartError;
use crate::config::{Bind, ListenerConfig, ListenerKind};
use crate::shard::ListenerSocket;

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoundAddress {
    /// An address, with the real port.
    Ip(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

impl BoundAddress {
    /// The address, unless it is a unix socket.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            BoundAddress::Ip(address) => Some(*address),
            BoundAddress::Unix(_) => None,
        }
    }

    /// Whether only programs of this machine reach it.
    pub fn is_local(&self) -> bool {
        self.socket_addr().is_none_or(|address| address.ip().to_canonical().is_loopback())
    }
}

impl fmt::Display for BoundAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BoundAddress::Ip(address) => address.fmt(f),
            BoundAddress::Unix(path) => path.display().fmt(f),
        }
    }
}

/// An open socket of a listener, before workers have their copies.
#[derive(Debug)]
pub(super) enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

impl Bound {
    pub(super) fn open(listener: &ListenerConfig) -> Result<Bound, StartError> {
        if listener.kind == ListenerKind::Unix {
            let failed = |source| StartError::Bind { address: listener.socket.display().to_string(), source };
            return bind_unix(&listener.socket).map_err(failed);
        }
        bind_tcp(&listener.bind).map(Bound::Tcp)
    }

    pub(super) fn address(&self) -> io::Result<BoundAddress> {
        Ok(match self {
            Bound::Tcp(socket) => BoundAddress::Ip(socket.local_addr()?),
            Bound::Unix(_, file) => BoundAddress::Unix(file.path.clone()),
        })
    }

    /// A copy for one worker: all accept from the same socket.
    pub(super) fn socket(&self) -> io::Result<ListenerSocket> {
        Ok(match self {
            Bound::Tcp(socket) => ListenerSocket::Tcp(mio::net::TcpListener::from_std(socket.try_clone()?)),
            Bound::Unix(socket, _) => {
                ListenerSocket::Unix(mio::net::UnixListener::from_std(socket.try_clone()?))
            }
        })
    }

    /// What has to be removed when the broker ends.
    pub(super) fn into_file(self) -> Option<SocketFile> {
        match self {
            Bound::Tcp(_) => None,
            Bound::Unix(_, file) => Some(file),
        }
    }
}

/// Listens on an address, without blocking.
pub(super) fn bind_tcp(bind: &Bind) -> Result<TcpListener, StartError> {
    let failed = |source| StartError::Bind { address: bind.to_string(), source };
    let addresses = (bind.host.as_str(), bind.port).to_socket_addrs().map_err(failed)?;
    let socket = TcpListener::bind(addresses.collect::<Vec<_>>().as_slice()).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    Ok(socket)
}

/// Listens on a unix socket that only its owner may use. Its directory is made, for the owner alone, when it is missing.
fn bind_unix(path: &Path) -> io::Result<Bound> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    remove_stale(path)?;
    // The socket must not be anybody's for the moment between its making and a change of its mode. For that moment, files
    // that other threads make get fewer rights, too, which harms nobody.
    let mask = umask(Mode::from_bits_retain(0o177));
    let socket = UnixListener::bind(path);
    umask(mask);
    let socket = socket?;
    socket.set_nonblocking(true)?;
    let file = SocketFile { path: path.to_owned(), identity: identity(&fs::symlink_metadata(path)?) };
    Ok(Bound::Unix(socket, file))
}

/// Removes the socket of a program that has ended. Anything else that is there stays, and is an error.
fn remove_stale(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        metadata => metadata?,
    };
    if !metadata.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket"));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another program listens there")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
    }
}

/// The file of a unix socket. It is removed at the end, unless another has taken its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|metadata| identity(&metadata) == self.identity) {
            // A file that stays is seen to be stale by the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_socket_and_the_directory_that_is_made_for_it_are_the_owners() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run/vaux/mqtt.sock");
        let bound = bind_unix(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        drop(bound);
        assert!(!path.exists(), "removed at the end");
    }

    #[test]
    fn a_stale_socket_is_replaced_and_one_in_use_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mqtt.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "the standard library leaves it");
        let bound = bind_unix(&path).unwrap();
        assert_eq!(bind_unix(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        fs::remove_file(&path).unwrap();
        let second = bind_unix(&path).unwrap();
        drop(bound);
        assert!(path.exists(), "it is the second one's");
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_no_socket_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notes");
        fs::write(&path, "precious").unwrap();
        assert_eq!(bind_unix(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
