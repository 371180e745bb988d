//! What a flow is, and its text form.
//!
//! A flow begins with a header of `key: value` lines and goes on with steps, one a line. Blank lines and lines that
//! begin with `#` are left out.
//!
//! ```text
//! name: a message with QoS 1 reaches a subscriber
//! versions: 3.1.1 5
//! requires: v311:MQTT-4.3.2-2 v5:MQTT-4.3.2-4
//!
//! sub> CONNECT
//! sub< CONNACK reason=00
//! sub> SUBSCRIBE id=1 filter="{id}/a" qos=1
//! sub< SUBACK id=1 codes=01
//! pub> CONNECT
//! pub< CONNACK reason=00
//! pub> PUBLISH topic="{id}/a" qos=1 id=7 payload="hello"
//! pub< PUBACK id=7
//! sub< PUBLISH topic="{id}/a" qos=1 id=$message payload="hello"
//! sub> PUBACK id=$message
//! ```
//!
//! # Header
//!
//! `name` says the fact that is shown, `versions` the protocol versions to play it in, `requires` the statements of the
//! specification (`v5:`, `v311:`, `v31:`, or `U5-…` for rules without a number). `needs` names what a broker must offer:
//! `shared`, `topic-alias`, `subscription-identifiers`, `retain`, `wildcards` and `qos2` are learnt from its CONNACK,
//! `enhanced-auth` is a method `vaux-test`: the server sends `challenge`, the client answers it backwards. `timeout: 10s` replaces the five
//! seconds that each step has; a step that takes longer has failed.
//!
//! # Steps
//!
//! A step names a connection, which is opened by the first thing sent on it and opened anew by the first thing sent
//! after it was closed.
//!
//! | Step | Meaning |
//! |---|---|
//! | `c> PACKET field=value …` | send a packet |
//! | `c> hex 30 05 00 01 "a" ff` | send these bytes; text stands in quotes |
//! | `c< PACKET field=value …` | the next packet is this one; fields that are not named may be anything |
//! | `c< hex 40 02 00 ..` | the next packet is these bytes; `..` is any byte |
//! | `c< A … & B …` | the next packets are these, in any order |
//! | `c<? PACKET …` | the specification only recommends it: when a packet of that type comes next, it is this one |
//! | `c< close` | the broker closes the connection |
//! | `c< nothing` | nothing arrives before the answer to a PINGREQ sent now |
//! | `c< silence 1.2s` | nothing arrives for so long; for rules about time only |
//! | `c drop` | close the connection without DISCONNECT |
//!
//! `[5]` or `[3.1 3.1.1]` before a step keeps it to those versions. `after=1.5s` on an expectation says that it must
//! not come sooner than that after the last thing that the flow sent or dropped, `skip=PUBACK` passes over other packets
//! of that type. When a flow ends, each connection that is still open must have nothing left to say.
//!
//! # Fields
//!
//! Fields and properties bear the specification's names. `reason`, `codes` and `first` are hexadecimal, other numbers
//! decimal. `{id}` in a text stands for eight letters and digits that are new in each run. `"x"*1000` repeats,
//! `hex:00ff` is bytes. `$name` takes the value when it is first expected and stands for it from then on. `\u{308}` in
//! a text is a code point. PUBLISH with `id=1..300` is sent 300 times. Expectations also know `81|82`, `1..9`, `none`,
//! and `1..9?` for a field that may be missing. A flag such as `retain` is the same as `retain=1`.
//!
//! CONNECT is sent with the flow's version, client identifier `{id}` and the connection's name, Clean Start and a keep
//! alive of 60 seconds, unless it says otherwise. In SUBSCRIBE and UNSUBSCRIBE each `filter` begins a new entry.
//! `first` replaces the first byte of what is sent, `version` the version of the connection.

mod field;
mod parse;

use std::fmt;
use std::time::Duration;

use vaux_mqtt::Version;
use vaux_mqtt::packet::PacketType;

pub(crate) use field::{Kind, kind, property, will_property};

/// A script to be played against a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The file it was read from, without folder and ending.
    pub file: String,
    /// The fact that it shows.
    pub name: String,
    /// The versions it is played in.
    pub versions: Vec<Version>,
    /// The statements of the specification that it shows.
    pub requires: Vec<String>,
    /// What a broker must offer, so that the flow can show anything.
    pub needs: Vec<String>,
    /// How long a step may take.
    pub timeout: Duration,
    /// What happens, in order.
    pub(crate) steps: Vec<Step>,
}

impl Flow {
    /// Reads the text of a flow.
    ///
    /// # Errors
    ///
    /// The first line that cannot be understood.
    pub fn parse(file: &str, text: &str) -> Result<Flow, FlowError> {
        parse::parse(file, text)
    }
}

/// A line of a flow that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowError {
    /// The file, as it was named to [`Flow::parse`].
    pub file: String,
    /// Counted from 1; 0 for the flow as a whole.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for FlowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

impl std::error::Error for FlowError {}

/// One line of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) line: usize,
    pub(crate) text: String,
    /// The versions it is kept to, empty for all.
    pub(crate) versions: Vec<Version>,
    pub(crate) connection: String,
    pub(crate) action: Action,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Send(PacketText),
    SendHex(Vec<HexPart>),
    Expect(Expectation),
    Nothing,
    Silence(Duration),
    Drop,
}

/// What must arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expectation {
    /// In any order.
    pub(crate) wanted: Vec<Wanted>,
    /// Whether the specification recommends it only.
    pub(crate) recommended: bool,
    /// How long it must not come.
    pub(crate) after: Option<Duration>,
    /// Packets of this type may come before and are passed over.
    pub(crate) skip: Option<PacketType>,
}

/// One thing that must arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Packet(PacketText),
    Hex(Vec<HexPart>),
    Close,
}

/// A packet as a flow writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PacketText {
    pub(crate) packet_type: PacketType,
    pub(crate) fields: Vec<(String, Pattern)>,
}

/// Bytes as a flow writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HexPart {
    Bytes(Vec<u8>),
    AnyByte,
}

/// What a field is set to, or must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    Is(Value),
    OneOf(Vec<u64>),
    Range(u64, u64),
    Absent,
    Variable(String),
    /// The field may be missing; else it is like this.
    IfThere(Box<Pattern>),
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Number(u64),
    /// Text or bytes. In a flow, `{id}` stands for the run's own letters.
    Text(Vec<u8>),
    /// In the order of the packet.
    Codes(Vec<u64>),
    /// In ascending order, since their order on the wire means nothing.
    Identifiers(Vec<u64>),
    /// Each user property as `name:value`.
    Texts(Vec<Vec<u8>>),
}
