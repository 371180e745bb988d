//! Every packet of `fixtures/packets` that is not valid, sent by a client: the broker answers as the specification asks, and
//! closes.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::Path;

use vaux_broker::Broker;
use vaux_mqtt::Version;
use vaux_mqtt::packet::Connect;

use crate::harness::*;
use crate::healthy::Pair;

/// A packet that cannot be read.
struct Case {
    name: String,
    version: Version,
    bytes: Vec<u8>,
    /// The rule that it breaks.
    rule: String,
    /// What version 5.0 says to it.
    reason: Option<u8>,
}

/// The cases of one file: blocks of lines, as `fixtures/packets/README.md` says.
fn cases(path: &Path, version: Version) -> Vec<Case> {
    let file = path.file_stem().unwrap().to_str().unwrap();
    let text = fs::read_to_string(path).unwrap();
    let block_of = |block: &str| {
        let line = |key: &str| block.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
        let error = line("error:")?;
        if line("sender:") == Some("server") {
            return None;
        }
        let words: Vec<_> = error.split_whitespace().collect();
        let reason = words.last().and_then(|word| word.strip_prefix("0x"));
        Some(Case {
            name: format!("{version} {file} {}", block.lines().find(|line| line.starts_with('['))?),
            version,
            bytes: line("bytes:")?.split_whitespace().flat_map(bytes_of).collect(),
            rule: words[0].to_owned(),
            reason: reason.map(|code| u8::from_str_radix(code, 16).unwrap()),
        })
    };
    text.split("\n\n").filter_map(block_of).collect()
}

/// `000a`, or `61*200`.
fn bytes_of(word: &str) -> Vec<u8> {
    let (digits, times) = word.split_once('*').unwrap_or((word, "1"));
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    let bytes: Vec<_> = (0..digits.len()).step_by(2).map(byte).collect();
    bytes.repeat(times.parse().unwrap())
}

fn all_cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/packets");
    let mut all = Vec::new();
    for (name, version) in [("v31", Version::V31), ("v311", Version::V311), ("v5", Version::V5)] {
        let mut files: Vec<_> =
            fs::read_dir(folder.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        all.extend(files.iter().flat_map(|file| cases(file, version)));
    }
    all
}

/// What the broker says to a packet before it closes.
fn answer(broker: &Broker, case: &Case) -> Vec<u8> {
    let mut stream = open(broker);
    if case.bytes[0] >> 4 != 1 {
        connect_as(&mut stream, case.version);
    }
    stream.write_all(&case.bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    said
}

pub(crate) fn connect_as(stream: &mut TcpStream, version: Version) {
    let mut bytes = Vec::new();
    Connect { clean_start: true, ..Connect::new(version, "hostile") }.encode(&mut bytes);
    stream.write_all(&bytes).unwrap();
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    let mut rest = vec![0; usize::from(head[1])];
    stream.read_exact(&mut rest).unwrap();
    assert_eq!((head[0], rest[1]), (0x20, 0));
}

/// What is right to say.
fn is_right(case: &Case, said: &[u8]) -> bool {
    const CONNACK: u8 = 0x20;
    const DISCONNECT: u8 = 0xe0;
    let is_connect = case.bytes[0] >> 4 == 1;
    // What only a server sends is wrong from a client whatever is in it: the codes for both are right.
    let has_servers_property = ["disconnect [server reference", "publish [subscription identifier"]
        .iter()
        .any(|property| case.name.contains(property));
    let is_servers = matches!(case.bytes[0] >> 4, 2 | 9 | 11 | 13) || has_servers_property;
    match (case.version, is_connect) {
        // A level that is not known may be a later one: both forms of the answer say that it is not served.
        (_, true) if case.rule == "ProtocolVersion" => {
            said == [CONNACK, 2, 0, 1] || (said.first() == Some(&CONNACK) && said.get(3) == Some(&0x84))
        }
        // Who does not say in which version he speaks is told nothing, and need not be.
        (Version::V5, true) => said.is_empty() || (said[0] == CONNACK && Some(said[3]) == case.reason),
        (Version::V5, false) if is_servers => said[0] == DISCONNECT && [0x81, 0x82].contains(&said[2]),
        (Version::V5, false) => !said.is_empty() && said[0] == DISCONNECT && Some(said[2]) == case.reason,
        _ => said.is_empty(),
    }
}

#[test]
fn each_is_answered_as_the_specification_asks() {
    let broker = start(2, |_| {});
    let healthy = Pair::begin(&broker);
    let cases = all_cases();
    assert!(cases.len() > 1000, "{} cases were found", cases.len());
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|case| {
            let said = answer(&broker, case);
            (!is_right(case, &said)).then(|| format!("{} ({}): {said:02x?}", case.name, case.rule))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    healthy.end();
}
