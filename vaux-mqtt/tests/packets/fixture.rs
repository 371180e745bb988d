//! Reading `fixtures/packets`: its README describes the format.
//!
//! A file that does not follow the format is a mistake of ours: reading it panics with the file and the line.

use std::fs;
use std::path::{Path, PathBuf};

use vaux_mqtt::{Sender, Version};

/// One byte string and what it means.
pub(crate) struct Case {
    pub(crate) name: String,
    /// The statement or section of the specification that the case is about.
    pub(crate) requirement: String,
    pub(crate) sender: Sender,
    pub(crate) bytes: Vec<u8>,
    pub(crate) expected: Expected,
}

/// What a decoder makes of the bytes.
pub(crate) enum Expected {
    /// A packet: its meaning, and how it is encoded again.
    Packet { meaning: String, encoded: Vec<u8> },
    /// An error, such as `QosBits MQTT-3.3.1-4 at 0 0x81`.
    Error(String),
    /// Bytes that are no whole packet yet: how long it is going to be, if that can be told.
    Incomplete(Option<usize>),
}

/// The cases of one file.
pub(crate) struct File {
    pub(crate) version: Version,
    /// The name of the file without its extension, such as `publish`.
    pub(crate) name: String,
    pub(crate) cases: Vec<Case>,
}

/// The folder of a version.
pub(crate) fn folder(version: Version) -> &'static str {
    match version {
        Version::V31 => "v31",
        Version::V311 => "v311",
        Version::V5 => "v5",
    }
}

/// All files of a version, by name.
pub(crate) fn files(version: Version) -> Vec<File> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/packets").join(folder(version));
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("the folder can be listed").path()).collect();
    paths.sort();
    paths.iter().map(|path| file(version, path)).collect()
}

fn file(version: Version, path: &Path) -> File {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut cases = Vec::new();
    let mut block = Block::default();
    for (index, line) in text.lines().enumerate() {
        let at = format!("{}:{}", path.display(), index + 1);
        if line.starts_with('#') {
        } else if line.is_empty() {
            cases.extend(std::mem::take(&mut block).finish(&at));
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            block.name = Some(name.to_owned());
        } else {
            let (key, value) = line.split_once(':').unwrap_or_else(|| panic!("{at}: no key"));
            block.set(key, value.trim(), &at);
        }
    }
    cases.extend(block.finish("at the end"));
    assert!(!cases.is_empty(), "{}: no cases", path.display());
    let name = path.file_stem().expect("a file of a folder has a name").to_string_lossy().into_owned();
    File { version, name, cases }
}

/// The lines of a case while they are read.
#[derive(Default)]
struct Block {
    name: Option<String>,
    requirement: Option<String>,
    sender: Option<Sender>,
    bytes: Option<Vec<u8>>,
    packet: Option<String>,
    encodes: Option<Vec<u8>>,
    error: Option<String>,
    incomplete: Option<Option<usize>>,
}

impl Block {
    fn set(&mut self, key: &str, value: &str, at: &str) {
        let is_new = match key {
            "requirement" => self.requirement.replace(value.to_owned()).is_none(),
            "sender" => self.sender.replace(sender(value, at)).is_none(),
            "bytes" => self.bytes.replace(bytes(value, at)).is_none(),
            "packet" => self.packet.replace(value.to_owned()).is_none(),
            "encodes" => self.encodes.replace(bytes(value, at)).is_none(),
            "error" => self.error.replace(value.to_owned()).is_none(),
            "incomplete" => self.incomplete.replace(promised(value, at)).is_none(),
            _ => panic!("{at}: unknown key {key}"),
        };
        assert!(is_new, "{at}: {key} twice");
    }

    /// The case; `None` when there were no lines.
    fn finish(self, at: &str) -> Option<Case> {
        let name = self.name?;
        let bytes = self.bytes.unwrap_or_else(|| panic!("{at}: {name} has no bytes"));
        let expected = match (self.packet, self.error, self.incomplete) {
            (Some(meaning), None, None) => {
                Expected::Packet { meaning, encoded: self.encodes.unwrap_or_else(|| bytes.clone()) }
            }
            (None, Some(error), None) => Expected::Error(error),
            (None, None, Some(promised)) => Expected::Incomplete(promised),
            _ => panic!("{at}: {name} must have one of packet, error, incomplete"),
        };
        let requirement = self.requirement.unwrap_or_else(|| panic!("{at}: {name} has no requirement"));
        Some(Case { name, requirement, sender: self.sender.unwrap_or(Sender::Any), bytes, expected })
    }
}

fn sender(value: &str, at: &str) -> Sender {
    match value {
        "client" => Sender::Client,
        "server" => Sender::Server,
        _ => panic!("{at}: the sender is client or server"),
    }
}

fn promised(value: &str, at: &str) -> Option<usize> {
    if value == "unknown" {
        return None;
    }
    let count = value.strip_suffix(" bytes").and_then(|count| count.parse().ok());
    Some(count.unwrap_or_else(|| panic!("{at}: a count of bytes or unknown")))
}

/// Hexadecimal digits with spaces between fields; `61*200` is one byte 200 times.
fn bytes(value: &str, at: &str) -> Vec<u8> {
    let digits = |digits: &str| hex::decode(digits).unwrap_or_else(|error| panic!("{at}: {digits}: {error}"));
    value
        .split_whitespace()
        .flat_map(|word| match word.split_once('*') {
            Some((byte, count)) => digits(byte).repeat(count.parse().expect("a count follows *")),
            None => digits(word),
        })
        .collect()
}
