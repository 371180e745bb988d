//! Whether the files that TLS is made of have changed on the disk.
//!
//! They are looked at from time to time: that works on every file system, and for files that are replaced, written over,
//! or reached through links that are changed.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::config::Config;

/// The files, and what they were like.
#[derive(Debug)]
pub(super) struct FileWatch {
    files: Vec<PathBuf>,
    in_use: Vec<Look>,
    last: Vec<Look>,
}

/// What tells a file from its successor. `None`: it cannot be looked at.
type Look = Option<[i64; 4]>;

impl FileWatch {
    /// Watches what the listeners of a configuration name, beginning with what is there now.
    pub(super) fn new(config: &Config) -> FileWatch {
        let named = |listener: &crate::config::ListenerConfig| {
            let tls = &listener.tls;
            let own = [&tls.cert, &tls.key, &tls.client_ca, &tls.crl].into_iter().flatten();
            own.chain(tls.sni.iter().flat_map(|pair| [&pair.cert, &pair.key])).cloned().collect::<Vec<_>>()
        };
        let files: Vec<_> = config.listeners.iter().flat_map(named).collect();
        let now: Vec<_> = files.iter().map(|path| look(path)).collect();
        FileWatch { files, in_use: now.clone(), last: now }
    }

    /// Whether they have changed since this last said so. Two looks have to agree: certificate and key are replaced one
    /// after the other, and neither is to be read while it is written.
    pub(super) fn has_changed(&mut self) -> bool {
        let now: Vec<_> = self.files.iter().map(|path| look(path)).collect();
        let is_settled = now == self.last;
        self.last = now;
        if !is_settled || self.last == self.in_use {
            return false;
        }
        self.in_use.clone_from(&self.last);
        true
    }
}

fn look(path: &Path) -> Look {
    let metadata = fs::metadata(path).ok()?;
    Some([metadata.mtime(), metadata.mtime_nsec(), metadata.size() as i64, metadata.ino() as i64])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ListenerConfig, ListenerKind};

    #[test]
    fn a_change_is_told_once_when_it_is_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let mut listener = ListenerConfig::new(ListenerKind::Tls);
        listener.tls.cert = Some(path("cert.pem"));
        listener.tls.crl = Some(path("crl.pem"));
        fs::write(path("cert.pem"), "1").unwrap();
        let mut watch = FileWatch::new(&Config { listeners: vec![listener], ..Config::default() });
        assert!(!watch.has_changed());
        fs::write(path("cert.pem"), "22").unwrap();
        assert!(!watch.has_changed(), "it may not be all");
        fs::write(path("crl.pem"), "new").unwrap();
        assert!(!watch.has_changed(), "it was not");
        assert!(watch.has_changed());
        assert!(!watch.has_changed());
        fs::remove_file(path("crl.pem")).unwrap();
        assert!(!watch.has_changed());
        assert!(watch.has_changed());
    }
}
