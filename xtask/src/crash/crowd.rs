//! All clients of a run, around one `epoll`: what comes in goes to the part that each plays.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use fastrand::Rng;
use mio::{Events, Poll};

use super::fickle::Fickle;
use super::group::{Group, Sharer};
use super::ledger::{Ledger, State};
use super::member::{Heard, Member, Presence};
use super::publisher::Publisher;
use super::report::{Check, Report, Violation};
use super::subscriber::{Habit, Subscriber};
use super::testator::Testator;
use crate::Outcome;
use crate::load::connection::READ_BUFFER_BYTES;

/// All clients, and the books about them.
#[derive(Debug)]
pub(super) struct Crowd {
    poll: Poll,
    buffer: Vec<u8>,
    begun: Instant,
    pub(super) broker: SocketAddr,
    /// When the broker was told to end, in milliseconds; `None` while it runs. Then connections end.
    ended_ms: Option<u64>,
    pub(super) clients: Vec<Client>,
    group: Group,
    pub(super) ledger: Ledger,
    pub(super) report: Report,
    pub(super) rng: Rng,
    /// When [`Crowd::act`] was last called.
    acted_ms: u64,
    /// Messages and answers that came, to see whether anything still happens.
    heard_count: u64,
}

/// A client and the part that it plays.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) member: Member,
    pub(super) part: Part,
    /// When a client that lost its connection on purpose returns.
    returns_ms: Option<u64>,
}

/// What a client is there for.
#[derive(Debug)]
pub(super) enum Part {
    Publisher(Publisher),
    Subscriber(Subscriber),
    Testator(Testator),
    Fickle(Fickle),
    Sharer(Sharer),
}

/// How long nothing has to come until what is owed counts as lost.
const QUIET_MS: u64 = 8000;

/// How long it is waited at most while something still comes: the same connection may break again and again.
const SETTLE_MS: u64 = 30_000;

/// How long a client stays away that lost its connection on purpose, at most.
const AWAY_MS: u64 = 250;

impl Crowd {
    /// These clients, none of which is connected.
    ///
    /// # Errors
    ///
    /// There is no `epoll`.
    pub(super) fn new(parts: Vec<(Member, Part)>, ledger: Ledger, rng: Rng) -> Outcome<Self> {
        let clients =
            parts.into_iter().map(|(member, part)| Client { member, part, returns_ms: None }).collect();
        Ok(Crowd {
            poll: Poll::new()?,
            buffer: vec![0; READ_BUFFER_BYTES],
            begun: Instant::now(),
            broker: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            ended_ms: None,
            clients,
            group: Group::new(&ledger),
            ledger,
            report: Report::default(),
            rng,
            acted_ms: 0,
            heard_count: 0,
        })
    }

    /// The time since the beginning.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).expect("no run takes so long")
    }

    /// The broker runs, and listens there. Clients stay as they are.
    pub(super) fn broker_started(&mut self, broker: SocketAddr) {
        let now_ms = self.now_ms();
        self.broker = broker;
        self.ended_ms = None;
        for client in &mut self.clients {
            if let Part::Testator(testator) = &mut client.part {
                testator.broker_started(now_ms);
            }
        }
    }

    /// From now on the broker may end connections: it is told to end.
    pub(super) fn broker_ends(&mut self) {
        let now_ms = self.now_ms();
        self.ended_ms = Some(now_ms);
        // What follows from the end of one connection may come before that end is seen.
        for client in &mut self.clients {
            if let Part::Testator(testator) = &mut client.part {
                testator.lose(&mut self.ledger, now_ms);
            }
        }
    }

    /// Connects a client that is not.
    ///
    /// # Errors
    ///
    /// The broker accepts no connection.
    pub(super) fn connect(&mut self, index: usize) -> Outcome {
        let now_ms = self.now_ms();
        let Client { member, part, returns_ms } = &mut self.clients[index];
        *returns_ms = None;
        if member.is_linked() {
            return Ok(());
        }
        if let Part::Testator(testator) = part {
            testator.write_will(member, &mut self.ledger);
        }
        member.connect(self.broker, self.poll.registry(), index, now_ms)
    }

    /// Connects all clients that `wanted` picks.
    ///
    /// # Errors
    ///
    /// The broker accepts no connection.
    pub(super) fn connect_all(&mut self, wanted: impl Fn(&Client) -> bool) -> Outcome {
        for index in 0..self.clients.len() {
            if wanted(&self.clients[index]) {
                self.connect(index)?;
            }
        }
        Ok(())
    }

    /// Waits for something to come, for so long, and takes it in.
    ///
    /// # Errors
    ///
    /// `epoll` fails.
    pub(super) fn turn(&mut self, wait: Duration) -> Outcome {
        let mut events = Events::with_capacity(64);
        match self.poll.poll(&mut events, Some(wait)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for event in &events {
            self.receive(event.token().0);
        }
        // Answers that clients took their time for.
        let now_ms = self.now_ms();
        for index in 0..self.clients.len() {
            if self.clients[index].member.flush(now_ms).is_err() {
                self.receive(index);
            }
        }
        Ok(())
    }

    /// Publishes, and has clients lose their connections, say goodbye and return.
    ///
    /// # Errors
    ///
    /// The broker accepts no connection.
    pub(super) fn act(&mut self) -> Outcome {
        let now_ms = self.now_ms();
        // After a pause nothing is made up for.
        let passed_ms = (now_ms - self.acted_ms).min(100);
        self.acted_ms = now_ms;
        for index in 0..self.clients.len() {
            if self.clients[index].returns_ms.is_some_and(|returns_ms| returns_ms <= now_ms) {
                self.connect(index)?;
            }
            self.act_one(index, passed_ms, now_ms);
        }
        Ok(())
    }

    fn act_one(&mut self, index: usize, passed_ms: u64, now_ms: u64) {
        let Client { member, part, .. } = &mut self.clients[index];
        if !member.is_connected() {
            return;
        }
        // Once in so many milliseconds on average.
        let mut happens = |every_ms: u64| self.rng.u64(..every_ms) < passed_ms;
        let leaves = match part {
            Part::Publisher(_) => happens(2000),
            Part::Subscriber(subscriber) => subscriber.habit == Habit::Restless && happens(400),
            Part::Testator(_) => happens(800),
            Part::Fickle(_) => happens(1000),
            Part::Sharer(_) => happens(300),
        };
        match part {
            Part::Publisher(publisher) => {
                publisher.publish(member, &mut self.ledger, &mut self.rng, passed_ms)
            }
            Part::Fickle(fickle) if happens(10) => fickle.change(member, &mut self.rng),
            _ => {}
        }
        let broke = member.flush(now_ms).is_err();
        if leaves {
            let says_goodbye = !matches!(part, Part::Publisher(_)) && self.rng.u8(..3) == 0;
            self.leave(index, says_goodbye);
        } else if broke {
            self.lose(index);
        }
    }

    /// Ends a client's connection, which returns later.
    fn leave(&mut self, index: usize, says_goodbye: bool) {
        let now_ms = self.now_ms();
        let returns_ms = now_ms + self.rng.u64(..AWAY_MS);
        if says_goodbye {
            self.say_goodbye(index);
        } else {
            self.lose(index);
        }
        self.clients[index].returns_ms = Some(returns_ms);
    }

    /// Ends a client's connection in good order.
    pub(super) fn say_goodbye(&mut self, index: usize) {
        let now_ms = self.now_ms();
        let Client { member, part, .. } = &mut self.clients[index];
        member.disconnect(now_ms);
        if let Part::Testator(testator) = part {
            testator.revoke(&mut self.ledger);
        }
    }

    fn lose(&mut self, index: usize) {
        let now_ms = self.now_ms();
        let Client { member, part, .. } = &mut self.clients[index];
        member.cut();
        if let Part::Testator(testator) = part {
            testator.lose(&mut self.ledger, self.ended_ms.map_or(now_ms, |ended_ms| ended_ms.min(now_ms)));
        }
    }

    fn receive(&mut self, index: usize) {
        let now_ms = self.now_ms();
        let mut heard = Vec::new();
        let member = &mut self.clients[index].member;
        let received = member.receive(&mut self.buffer, now_ms, &mut heard);
        self.heard_count += heard.len() as u64;
        heard.into_iter().for_each(|heard| self.hear(index, heard, now_ms));
        // What was heard may have led to requests.
        let received = received.and_then(|()| self.clients[index].member.flush(now_ms));
        let Err(error) = received else { return };
        if self.ended_ms.is_none() {
            let what = format!("the connection of {} ended: {error}", self.clients[index].member.name);
            self.report.add(Violation::new(Check::Protocol, what));
            self.clients[index].returns_ms = Some(now_ms + self.rng.u64(..AWAY_MS));
        }
        self.lose(index);
    }

    fn hear(&mut self, index: usize, heard: Heard, now_ms: u64) {
        let Client { member, part, .. } = &mut self.clients[index];
        let (ledger, report) = (&mut self.ledger, &mut self.report);
        if let Heard::Connected { session_present } = heard {
            report.judge(Check::Protocol, 1);
            judge_presence(member, session_present, report);
        }
        match part {
            Part::Publisher(publisher) => publisher.hear(member, heard, ledger, report),
            Part::Subscriber(subscriber) => subscriber.hear(member, heard, ledger, report, now_ms),
            Part::Testator(testator) => {
                if let Heard::Connected { .. } = heard {
                    report.judge(Check::Wills, 1);
                }
                testator.hear(&heard, ledger, now_ms);
                if let Some(ended_ms) = self.ended_ms {
                    testator.lose(ledger, ended_ms);
                }
            }
            Part::Fickle(fickle) => fickle.hear(&heard),
            Part::Sharer(sharer) => sharer.hear(member, &heard, &mut self.group, ledger, report),
        }
    }

    /// The broker has ended: takes in what it said before, and closes all connections.
    ///
    /// # Errors
    ///
    /// `epoll` fails.
    pub(super) fn drain(&mut self) -> Outcome {
        // The kernel has all that the broker sent, or has thrown it away. Not all of it may fit one buffer.
        for index in 0..self.clients.len() {
            while self.clients[index].member.is_linked() {
                let before = self.heard_count;
                self.receive(index);
                if self.heard_count == before {
                    break;
                }
            }
            self.lose(index);
            self.clients[index].returns_ms = None;
        }
        Ok(())
    }

    /// Lets everything come that is owed to the clients that are connected. What does not come is lost.
    ///
    /// # Errors
    ///
    /// The broker accepts no connection.
    pub(super) fn settle(&mut self) -> Outcome {
        let begun_ms = self.now_ms();
        let mut quiet_since_ms = begun_ms;
        let mut before = (u64::MAX, 0);
        loop {
            self.turn(Duration::from_millis(20))?;
            let now_ms = self.now_ms();
            let returning =
                |client: &Client| client.returns_ms.is_some_and(|returns_ms| returns_ms <= now_ms);
            let due: Vec<usize> =
                (0..self.clients.len()).filter(|&index| returning(&self.clients[index])).collect();
            due.into_iter().try_for_each(|index| self.connect(index))?;
            let open = self.open();
            if open == 0 {
                return Ok(());
            }
            let is_endless = now_ms - begun_ms > SETTLE_MS;
            if (open, self.heard_count) != before && !is_endless {
                before = (open, self.heard_count);
                quiet_since_ms = now_ms;
            } else if is_endless || now_ms - quiet_since_ms > QUIET_MS {
                self.give_up();
                return Ok(());
            }
        }
    }

    /// How much is under way or owed.
    fn open(&mut self) -> u64 {
        let mut open = 0;
        for Client { member, part, returns_ms } in &mut self.clients {
            if !member.is_linked() {
                open += u64::from(returns_ms.is_some());
                continue;
            }
            open += u64::from(!member.is_connected());
            open += match part {
                Part::Publisher(_) => member.in_flight() as u64,
                Part::Subscriber(subscriber) => {
                    subscriber.owed(&self.ledger) + u64::from(!subscriber.is_subscribed())
                }
                Part::Fickle(fickle) => u64::from(fickle.is_waiting()),
                Part::Sharer(sharer) => u64::from(!sharer.is_subscribed()),
                Part::Testator(_) => 0,
            };
        }
        open + if self.is_group_complete() { self.group.owed(&self.ledger) } else { 0 }
    }

    /// Whether all who share the subscription are there.
    fn is_group_complete(&self) -> bool {
        let is_there =
            |client: &Client| !matches!(client.part, Part::Sharer(_)) || client.member.is_connected();
        self.clients.iter().all(is_there)
    }

    fn give_up(&mut self) {
        if self.is_group_complete() {
            self.group.declare_lost(&self.ledger, &mut self.report);
        }
        for Client { member, part, .. } in &mut self.clients {
            let name = &member.name;
            if member.is_linked() && !member.is_connected() {
                let what = format!("CONNECT of {name} was not answered");
                self.report.add(Violation::new(Check::Protocol, what));
            } else if member.is_linked() && matches!(part, Part::Publisher(_)) && member.in_flight() > 0 {
                let what = format!("{} messages of {name} were not acknowledged", member.in_flight());
                self.report.add(Violation::new(Check::Protocol, what));
            }
            match part {
                Part::Subscriber(subscriber) if member.is_connected() => {
                    subscriber.declare_lost(&self.ledger, &mut self.report);
                }
                _ => {}
            }
        }
    }

    /// All has settled: wills that were taken back must not come any more.
    pub(super) fn conclude(&mut self) {
        let (subscribers, others): (Vec<_>, Vec<_>) = self
            .clients
            .iter_mut()
            .map(|client| &mut client.part)
            .partition(|part| matches!(part, Part::Subscriber(_)));
        let has_come = |lane, number| {
            subscribers.iter().any(|part| matches!(part, Part::Subscriber(one) if one.has_come(lane, number)))
        };
        for part in others {
            if let Part::Testator(testator) = part {
                testator.conclude(&mut self.ledger, has_come);
            }
        }
    }

    /// How many messages were acknowledged so far.
    pub(super) fn acknowledged_count(&self) -> usize {
        let lanes = self.ledger.lanes().iter().filter(|lane| !lane.is_will);
        lanes.flat_map(|lane| lane.notes()).filter(|note| note.state == State::Owed).count()
    }
}

/// Judges what the broker said about a session.
pub(super) fn judge_presence(member: &mut Member, session_present: bool, report: &mut Report) {
    match member.presence {
        Presence::Present => {
            report.judge(Check::SessionKept, 1);
            if !session_present {
                let what = format!("the session of {} is gone", member.name);
                report.add(Violation::new(Check::SessionKept, what));
            }
        }
        Presence::Absent if session_present => {
            let what = format!("{} was said to have a session, which cannot be", member.name);
            report.add(Violation::new(Check::SessionExpired, what));
        }
        Presence::Absent | Presence::Unknown => {}
    }
    if member.settings.expiry_s > 0 {
        member.presence = Presence::Present;
    }
}
