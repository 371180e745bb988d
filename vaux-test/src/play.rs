//! Playing a flow against a broker.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use vaux_mqtt::Version;
use vaux_mqtt::packet::{PINGREQ, PacketType};

use crate::compose::{self, Scope};
use crate::connection::{Connection, Received};
use crate::expect::{self, Observed};
use crate::flow::{Action, Expectation, Flow, Step, Wanted};
use crate::target::Target;
use crate::transcript::{Direction, Transcript};

/// How a flow went in one version.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Where it failed, if it did.
    pub failure: Option<Failure>,
    /// What was exchanged.
    pub transcript: Transcript,
    /// How long it took.
    pub elapsed: Duration,
}

/// Where a flow and a broker disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The line of the flow, 0 for its end.
    pub line: usize,
    /// The step as it is written.
    pub step: String,
    /// What happened instead.
    pub why: String,
}

/// Plays `flow` in `version`. With `strict`, what the specification only recommends is required too.
pub fn play(flow: &Flow, version: Version, target: &Target, strict: bool) -> Outcome {
    let began = Instant::now();
    let mut player = Player {
        flow,
        target,
        version,
        strict,
        scope: Scope::new(unique_id()),
        connections: BTreeMap::new(),
        held: BTreeMap::new(),
        transcript: Transcript::default(),
        last_action: began,
    };
    let failure = player.run().err();
    Outcome { failure, transcript: player.transcript, elapsed: began.elapsed() }
}

struct Player<'a> {
    flow: &'a Flow,
    target: &'a Target,
    version: Version,
    strict: bool,
    scope: Scope,
    connections: BTreeMap<String, Connection>,
    /// What was received but not wanted yet.
    held: BTreeMap<String, Received>,
    transcript: Transcript,
    /// When the flow last sent or dropped something.
    last_action: Instant,
}

impl Player<'_> {
    fn run(&mut self) -> Result<(), Failure> {
        for step in &self.flow.steps {
            if step.versions.is_empty() || step.versions.contains(&self.version) {
                self.step(step).map_err(|why| Failure { line: step.line, step: step.text.clone(), why })?;
            }
        }
        self.end().map_err(|why| Failure { line: 0, step: "the end of the flow".to_owned(), why })
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        let name = &step.connection;
        match &step.action {
            Action::Send(packet) => {
                let default =
                    self.connections.get(name).map_or(self.version, |connection| connection.version);
                let is_connect = packet.packet_type == PacketType::Connect;
                let version = if is_connect { compose::connect_version(packet, default)? } else { default };
                for packet in compose::series(packet) {
                    let bytes = compose::packet(&packet, &self.scope, version, name)?;
                    self.send(name, &bytes, version)?;
                }
                Ok(())
            }
            Action::SendHex(parts) => {
                let version =
                    self.connections.get(name).map_or(self.version, |connection| connection.version);
                let bytes = compose::hex(parts, &self.scope);
                self.send(name, &bytes, version)
            }
            Action::Expect(expectation) => self.expect(name, expectation),
            Action::Nothing => self.expect_nothing(name),
            Action::Silence(time) => self.expect_silence(name, *time),
            Action::Drop => {
                let connection = self.connections.remove(name).ok_or_else(|| not_open(name))?;
                self.transcript.push(name, connection.version, Direction::Dropped, &[]);
                self.last_action = Instant::now();
                connection.close();
                Ok(())
            }
        }
    }

    /// Sends on an open connection, or opens it.
    fn send(&mut self, name: &str, bytes: &[u8], version: Version) -> Result<(), String> {
        if !self.connections.contains_key(name) {
            let transport = self.target.dial().map_err(|error| format!("cannot connect: {error}"))?;
            self.connections.insert(name.to_owned(), Connection::new(transport, version));
        }
        let connection = self.connections.get_mut(name).ok_or_else(|| not_open(name))?;
        connection.version = version;
        self.transcript.push(name, version, Direction::Sent, bytes);
        self.last_action = Instant::now();
        // A broker may have closed already. What the flow expects next will tell.
        let _ = connection.send(bytes, self.flow.timeout);
        Ok(())
    }

    fn receive(&mut self, name: &str, deadline: Instant) -> Result<Received, String> {
        if let Some(held) = self.held.remove(name) {
            return Ok(held);
        }
        let connection = self.connections.get_mut(name).ok_or_else(|| not_open(name))?;
        let received = connection.receive(deadline);
        match &received {
            Received::Packet(bytes) => {
                connection.is_accepted |= matches!(bytes.as_slice(), [0x20, _, _, 0, ..]);
                self.transcript.push(name, connection.version, Direction::Received, bytes);
            }
            Received::Closed => {
                let rest = connection.unread().to_vec();
                if !rest.is_empty() {
                    self.transcript.push(name, connection.version, Direction::Received, &rest);
                }
                self.transcript.push(name, connection.version, Direction::Closed, &[]);
                self.connections.remove(name);
                if !rest.is_empty() {
                    return Err("the broker closed the connection in the middle of a packet".to_owned());
                }
            }
            Received::TimedOut => {}
            Received::Broken(why) => return Err(format!("the broker sent no packet: {why}")),
        }
        Ok(received)
    }

    fn expect(&mut self, name: &str, expectation: &Expectation) -> Result<(), String> {
        let mut left: Vec<&Wanted> = expectation.wanted.iter().collect();
        let earliest = expectation.after.map(|after| self.last_action + after);
        let deadline = earliest.unwrap_or_else(Instant::now) + self.flow.timeout;
        while !left.is_empty() {
            let received = self.receive(name, deadline)?;
            let may_skip = expectation.skip.is_some() && packet_type(&received) == expectation.skip;
            if expectation.recommended && !self.strict && !may_skip && !is_of_type(&received, left[0]) {
                if !matches!(received, Received::TimedOut) {
                    self.held.insert(name.to_owned(), received);
                }
                return Ok(());
            }
            let index = match self.matching(name, &left, &received) {
                Err(_) if may_skip => continue,
                result => result?,
            };
            if earliest.is_some_and(|earliest| Instant::now() < earliest) {
                return Err(format!("{} too early", self.describe(name, &received)));
            }
            left.remove(index);
        }
        Ok(())
    }

    /// Which of the things that are still wanted this is.
    fn matching(&mut self, name: &str, wanted: &[&Wanted], received: &Received) -> Result<usize, String> {
        let mut differences = Vec::new();
        for (index, wanted) in wanted.iter().enumerate() {
            let compared = match (wanted, received) {
                (Wanted::Close, Received::Closed) => Ok(()),
                (Wanted::Packet(wanted), Received::Packet(bytes)) => {
                    let observed = Observed::read(bytes, self.version_of(name))
                        .map_err(|error| format!("the broker sent an invalid packet: {error}"))?;
                    expect::packet(wanted, &observed, &mut self.scope)
                }
                (Wanted::Hex(wanted), Received::Packet(bytes)) => expect::hex(wanted, bytes, &self.scope),
                (Wanted::Close, _) => Err("the connection was to be closed".to_owned()),
                (Wanted::Packet(wanted), _) => Err(format!("{} was wanted", wanted.packet_type.name())),
                (Wanted::Hex(_), _) => Err("a packet was wanted".to_owned()),
            };
            match compared {
                Ok(()) => return Ok(index),
                Err(difference) => differences.push(difference),
            }
        }
        Err(format!("{}: {}", self.describe(name, received), differences.join("; ")))
    }

    fn expect_nothing(&mut self, name: &str) -> Result<(), String> {
        let version = self.version_of(name);
        self.send(name, &PINGREQ, version)?;
        let received = self.receive(name, Instant::now() + self.flow.timeout)?;
        match &received {
            Received::Packet(bytes) if bytes == &[PacketType::PingResp.first_byte(), 0] => Ok(()),
            _ => Err(format!("{} instead of PINGRESP alone", self.describe(name, &received))),
        }
    }

    fn expect_silence(&mut self, name: &str, time: Duration) -> Result<(), String> {
        match self.receive(name, Instant::now() + time)? {
            Received::TimedOut => Ok(()),
            received => Err(format!("{} instead of silence", self.describe(name, &received))),
        }
    }

    /// Nothing may be left unsaid on connections that are still open.
    fn end(&mut self) -> Result<(), String> {
        let names: Vec<String> = self.connections.keys().cloned().collect();
        for name in names {
            if self.connections.get(&name).is_some_and(|connection| connection.is_accepted) {
                self.expect_nothing(&name).map_err(|why| format!("{name}: {why}"))?;
                self.send(&name, &[PacketType::Disconnect.first_byte(), 0], self.version_of(&name))?;
            }
            if let Some(connection) = self.connections.remove(&name) {
                connection.close();
            }
        }
        Ok(())
    }

    fn version_of(&self, name: &str) -> Version {
        self.connections.get(name).map_or(self.version, |connection| connection.version)
    }

    /// What was received, in words.
    fn describe(&self, name: &str, received: &Received) -> String {
        match received {
            Received::Packet(bytes) => match Observed::read(bytes, self.version_of(name)) {
                Ok(observed) => format!("{} came", observed.line()),
                Err(error) => format!("an invalid packet came ({error})"),
            },
            Received::Closed => "the broker closed the connection".to_owned(),
            Received::TimedOut => "nothing came in time".to_owned(),
            Received::Broken(why) => format!("no packet came ({why})"),
        }
    }
}

fn packet_type(received: &Received) -> Option<PacketType> {
    match received {
        Received::Packet(bytes) => PacketType::from_first_byte(bytes[0]),
        _ => None,
    }
}

fn is_of_type(received: &Received, wanted: &Wanted) -> bool {
    match wanted {
        Wanted::Packet(wanted) => packet_type(received) == Some(wanted.packet_type),
        Wanted::Hex(_) | Wanted::Close => false,
    }
}

fn not_open(name: &str) -> String {
    format!("the connection {name} is not open")
}

/// Eight letters and digits, the first a letter: with a name behind it still a client identifier that every broker
/// must take.
fn unique_id() -> String {
    const DIGITS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    // Keys of a hasher are random in each process and differ from one to the next.
    let mut rest = RandomState::new().build_hasher().finish();
    let mut id = String::from("v");
    for _ in 1..8 {
        id.push(char::from(DIGITS[(rest % 36) as usize]));
        rest /= 36;
    }
    id
}

#[cfg(test)]
mod tests;
