//! Playing many flows against one broker, several at a time, and what came of it for each statement.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use vaux_mqtt::frame::Frame;
use vaux_mqtt::packet::{ConnAck, Connect, Sender};
use vaux_mqtt::{Packet, Version};

use crate::connection::{Connection, Received};
use crate::flow::Flow;
use crate::play::{Failure, play};
use crate::target::Target;
use crate::transcript::Transcript;

/// How a suite is played.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether what the specification only recommends is required.
    pub strict: bool,
    /// Only this version.
    pub only: Option<Version>,
    /// What the broker offers that it does not say by itself, such as `enhanced-auth`.
    pub offers: Vec<String>,
    /// How many flows are played at a time.
    pub jobs: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { strict: false, only: None, offers: Vec::new(), jobs: 8 }
    }
}

/// A flow in one version, and how it went.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// The flow.
    pub flow: &'a Flow,
    /// The version it was played in.
    pub version: Version,
    /// How it went.
    pub verdict: Verdict,
    /// What was exchanged.
    pub transcript: Transcript,
    /// How long it took.
    pub elapsed: Duration,
}

/// How a case went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The broker does what is demanded.
    Pass,
    /// It does not.
    Fail(Failure),
    /// It does not offer what the case is about; the sentence says what.
    NotTestable(String),
}

/// What a broker offers.
#[derive(Clone, Debug, Default)]
pub struct Offers {
    versions: Vec<Version>,
    words: BTreeSet<String>,
}

impl Offers {
    /// Connects in each version and reads what CONNACK says.
    ///
    /// # Errors
    ///
    /// The broker cannot be reached, or accepts no connection.
    pub fn probe(target: &Target, declared: &[String]) -> io::Result<Offers> {
        let mut offers = Offers { versions: Vec::new(), words: declared.iter().cloned().collect() };
        for version in [Version::V31, Version::V311, Version::V5] {
            let Some(bytes) = greet(target, version)? else { continue };
            let Ok(Some(frame)) = Frame::split(&bytes) else { continue };
            let Ok(Packet::ConnAck(connack)) = Packet::decode(&frame, version, Sender::Server) else {
                continue;
            };
            if connack.reason.is_error() {
                continue;
            }
            offers.versions.push(version);
            if version == Version::V5 {
                offers.learn(&connack);
            }
        }
        if offers.versions.is_empty() {
            return Err(io::Error::other("it lets nobody connect, in any version"));
        }
        Ok(offers)
    }

    fn learn(&mut self, connack: &ConnAck<'_>) {
        let properties = &connack.properties;
        let offered = [
            ("shared", properties.shared_subscription_available() != Some(0)),
            ("wildcards", properties.wildcard_subscription_available() != Some(0)),
            ("subscription-identifiers", properties.subscription_identifier_available() != Some(0)),
            ("retain", properties.retain_available() != Some(0)),
            ("qos2", properties.maximum_qos().is_none()),
            // Of one that takes more, it takes too long to show that it counts.
            ("receive-maximum", properties.receive_maximum().is_some_and(|maximum| maximum < 300)),
            ("topic-alias", properties.topic_alias_maximum().unwrap_or(0) >= 2),
        ];
        let words = offered.into_iter().filter(|(_, is_offered)| *is_offered);
        self.words.extend(words.map(|(word, _)| word.to_owned()));
    }

    /// Why a flow cannot show anything here.
    fn lacks(&self, flow: &Flow, version: Version) -> Option<String> {
        if !self.versions.contains(&version) {
            return Some(format!("version {version} is not served"));
        }
        let missing = flow.needs.iter().find(|word| !self.words.contains(*word))?;
        Some(format!("{missing} is not offered"))
    }
}

/// The answer to a CONNECT, `None` when there is none.
fn greet(target: &Target, version: Version) -> io::Result<Option<Vec<u8>>> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let mut connection = Connection::new(target.dial()?, version);
    let mut bytes = Vec::new();
    // Some refuse a keep alive of 0.
    Connect { clean_start: true, keep_alive: 60, ..Connect::new(version, "vauxtestprobe") }
        .encode(&mut bytes);
    let _ = connection.send(&bytes, PATIENCE);
    let answer = match connection.receive(Instant::now() + PATIENCE) {
        Received::Packet(bytes) => Some(bytes),
        Received::Closed | Received::TimedOut | Received::Broken(_) => None,
    };
    connection.close();
    Ok(answer)
}

/// Plays all flows, each in all its versions. `progress` is told how many of how many cases are done.
///
/// # Errors
///
/// The broker cannot be reached.
pub fn run<'a>(
    flows: &'a [Flow],
    target: &Target,
    options: &Options,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> io::Result<Vec<Case<'a>>> {
    let offers = Offers::probe(target, &options.offers)?;
    let versions = |flow: &'a Flow| flow.versions.iter().map(move |version| (flow, *version));
    let is_wanted = |(_, version): &(&Flow, Version)| options.only.is_none_or(|only| only == *version);
    let todo: Vec<(&Flow, Version)> = flows.iter().flat_map(versions).filter(is_wanted).collect();
    let done = Mutex::new(BTreeMap::new());
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(&(flow, version)) = todo.get(index) else { return };
            let case = play_case(flow, version, target, options, &offers);
            let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            done.insert(index, case);
            progress(done.len(), todo.len());
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(work);
        }
    });
    Ok(done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).into_values().collect())
}

fn play_case<'a>(
    flow: &'a Flow,
    version: Version,
    target: &Target,
    options: &Options,
    offers: &Offers,
) -> Case<'a> {
    if let Some(why) = offers.lacks(flow, version) {
        let verdict = Verdict::NotTestable(why);
        return Case { flow, version, verdict, transcript: Transcript::default(), elapsed: Duration::ZERO };
    }
    let outcome = play(flow, version, target, options.strict);
    let verdict = outcome.failure.map_or(Verdict::Pass, Verdict::Fail);
    Case { flow, version, verdict, transcript: outcome.transcript, elapsed: outcome.elapsed }
}

/// How many cases went how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Cases that passed.
    pub passed: usize,
    /// Cases that failed.
    pub failed: usize,
    /// Cases that could not show anything.
    pub not_testable: usize,
}

/// Counts the cases.
pub fn totals(cases: &[Case<'_>]) -> Totals {
    let mut totals = Totals::default();
    for case in cases {
        *match case.verdict {
            Verdict::Pass => &mut totals.passed,
            Verdict::Fail(_) => &mut totals.failed,
            Verdict::NotTestable(_) => &mut totals.not_testable,
        } += 1;
    }
    totals
}
