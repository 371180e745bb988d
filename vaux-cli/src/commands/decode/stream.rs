//! Packets one after the other, and which version they are of.

use vaux_mqtt::explain::{Explained, Status, explain};
use vaux_mqtt::packet::PacketType;
use vaux_mqtt::{Sender, Version};

use crate::capture::VersionFrom;

/// The packets of a stream of bytes, in one or both directions.
///
/// CONNECT says the version of what follows. What stands before the first CONNECT is read as the version that the
/// user named, else as the one of 5.0 and 3.1.1 in which fewer packets are malformed.
#[derive(Clone, Debug)]
pub(super) struct Stream<'a> {
    bytes: &'a [u8],
    at: usize,
    version: Version,
    version_from: VersionFrom,
    fit: Option<Fit>,
}

/// How the packets without a CONNECT in front of them read in the two versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fit {
    malformed_v5: usize,
    malformed_v311: usize,
}

/// A packet of a stream.
#[derive(Debug)]
pub(super) struct Found<'a> {
    /// Its first byte in the stream.
    pub(super) at: usize,
    /// What it is.
    pub(super) explained: Explained<'a>,
    /// Where its version is known from.
    pub(super) version_from: VersionFrom,
}

impl<'a> Stream<'a> {
    /// The packets from byte `at` on, in `version` if the user named one.
    pub(super) fn new(bytes: &'a [u8], at: usize, version: Option<Version>) -> Self {
        let read_as = |version, version_from| Stream { bytes, at, version, version_from, fit: None };
        if let Some(version) = version {
            return read_as(version, VersionFrom::Flag);
        }
        let malformed = |version| read_as(version, VersionFrom::Trial).malformed_before_connect();
        let (Some(malformed_v5), Some(malformed_v311)) = (malformed(Version::V5), malformed(Version::V311))
        else {
            return read_as(Version::V5, VersionFrom::Trial);
        };
        let fit = Fit { malformed_v5, malformed_v311 };
        Stream { fit: Some(fit), ..read_as(fit.version(), VersionFrom::Trial) }
    }

    /// How the versions fit, when both had to be tried.
    pub(super) fn fit(&self) -> Option<Fit> {
        self.fit
    }

    /// How many packets before the first CONNECT are malformed; `None` when there is no packet before it.
    fn malformed_before_connect(self) -> Option<usize> {
        let mut before =
            self.take_while(|found| found.explained.packet_type != Some(PacketType::Connect)).peekable();
        before.peek()?;
        Some(before.filter(|found| found.explained.status == Status::Malformed).count())
    }
}

impl<'a> Iterator for Stream<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        let at = self.at;
        let rest = self.bytes.get(at..).filter(|rest| !rest.is_empty())?;
        let explained = explain(rest, self.version, Sender::Any);
        self.at += explained.len;
        if explained.packet_type == Some(PacketType::Connect) && self.version_from != VersionFrom::Flag {
            self.version = explained.version;
            self.version_from = VersionFrom::Connect;
        }
        Some(Found { at, explained, version_from: self.version_from })
    }
}

impl Fit {
    /// The version that fits better; 5.0 when both do as well.
    fn version(self) -> Version {
        if self.malformed_v311 < self.malformed_v5 { Version::V311 } else { Version::V5 }
    }

    /// Which versions fit, in words.
    pub(super) fn words(self) -> &'static str {
        match (self.malformed_v5, self.malformed_v311) {
            (0, 0) => "v5 and v3.1.1 both fit, read as v5",
            (0, _) => "v5 fits, v3.1.1 does not",
            (_, 0) => "v3.1.1 fits, v5 does not",
            (v5, v311) if v5 < v311 => "neither fits, read as v5, which fits better than v3.1.1",
            (v5, v311) if v5 > v311 => "neither fits, read as v3.1.1, which fits better than v5",
            _ => "neither v5 nor v3.1.1 fits, read as v5",
        }
    }
}
