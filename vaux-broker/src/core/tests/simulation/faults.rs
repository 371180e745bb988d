//! What a schedule is made of: who takes part, with which limits, and what goes wrong when.

use super::store::Flaw;
use super::worker::Mail;
use super::world::{Event, World};
use super::*;
use crate::rights::{Action, Authorize, Subject};

/// What is decided before a schedule begins.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) workers: u16,
    pub(super) clients: Vec<Role>,
    pub(super) settings: Settings,
    pub(super) queue_memory: QueueMemory,
    /// For how long it goes on before everything is to settle.
    pub(super) duration_ms: u64,
    pub(super) longest_pause_ms: u64,
    /// How much longer than anything else the disk takes.
    pub(super) store_slowness: u64,
    pub(super) fault_interval_ms: u64,
    pub(super) flaw: Option<Flaw>,
}

/// A client, as it is from the beginning to the end.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) client_id: String,
    pub(super) version: Version,
    /// How long its sessions outlive their connections. 0 is not at all.
    pub(super) expiry_s: u32,
    pub(super) receive_maximum: u16,
    pub(super) filters: Vec<(&'static str, QoS)>,
    /// How many messages it publishes.
    pub(super) publishes: usize,
    /// The QoS of those that are retained.
    pub(super) retained_qos: QoS,
    pub(super) will: Option<WillRole>,
    /// It is somebody else, who wants the session of this client.
    pub(super) is_intruder: bool,
    /// How many bytes fit under way to it.
    pub(super) capacity: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct WillRole {
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) delay_s: u32,
}

/// Topics below `x/` are forbidden.
#[derive(Debug)]
pub(super) struct Rights;

impl Authorize for Rights {
    fn allows(&self, _: &Subject<'_>, action: Action, topic: &str) -> bool {
        action == Action::Subscribe || !topic.starts_with("x/")
    }
}

const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

impl Plan {
    pub(super) fn random(rng: &mut Rng) -> Plan {
        let workers = rng.u16(1..4);
        let mut clients: Vec<Role> = (0..2).map(|number| Role::publisher(rng, number)).collect();
        clients.extend((0..rng.usize(1..3)).map(|number| Role::subscriber(rng, number)));
        if rng.u8(..3) == 0 {
            clients.extend((0..2).map(|number| Role::member(rng, number)));
        }
        if rng.u8(..4) == 0 {
            let victim = rng.usize(..clients.len());
            let role = clients[victim].clone();
            clients.push(Role { is_intruder: true, publishes: 0, will: None, ..role });
        }
        Plan {
            workers,
            clients,
            settings: settings(rng),
            queue_memory: match rng.bool() {
                true => QueueMemory::default(),
                false => QueueMemory { connected_bytes: 300, offline_bytes: 0 },
            },
            duration_ms: 200,
            longest_pause_ms: if rng.u8(..4) == 0 { 4000 } else { 100 },
            store_slowness: rng.choice([1, 1, 5, 50]).unwrap_or(1),
            fault_interval_ms: rng.choice([20, 60, 200]).unwrap_or(60),
            flaw: None,
        }
    }
}

/// Limits that are narrow in some runs.
fn settings(rng: &mut Rng) -> Settings {
    let mut settings = Settings::default();
    let limits = &mut settings.limits;
    limits.max_inflight = rng.choice([2, 5, 256]).unwrap_or(256);
    limits.queue_qos0 = rng.bool();
    if rng.u8(..6) == 0 {
        limits.max_queued_messages = rng.usize(1..6);
    }
    if rng.u8(..4) == 0 {
        limits.max_outbox_bytes = rng.usize(1..400);
    }
    if rng.u8(..8) == 0 {
        limits.max_inflight_bytes = Some(rng.usize(1..1000));
    }
    settings
}

impl Role {
    fn new(rng: &mut Rng, client_id: String) -> Role {
        Role {
            client_id,
            version: rng.choice([Version::V5, Version::V5, Version::V311]).unwrap_or(Version::V5),
            expiry_s: rng.choice([0, 1000, 1000, 1000, 2]).unwrap_or(0),
            receive_maximum: rng.u16(1..6),
            filters: Vec::new(),
            publishes: 0,
            retained_qos: QOS[rng.usize(..3)],
            will: None,
            is_intruder: false,
            capacity: rng.choice([100, 5000]).unwrap_or(5000),
        }
    }

    fn publisher(rng: &mut Rng, number: usize) -> Role {
        let role = Role::new(rng, format!("p{number}"));
        let will = (rng.u8(..3) == 0).then(|| WillRole {
            qos: QOS[rng.usize(..3)],
            retain: rng.u8(..4) == 0,
            delay_s: rng.choice([0, 0, 1, 5]).unwrap_or(0),
        });
        Role { publishes: rng.usize(1..8), will, ..role }
    }

    fn subscriber(rng: &mut Rng, number: usize) -> Role {
        let sets: [&[&str]; 4] = [&["n/+", "r/+", "w/+"], &["#"], &["n/+", "n/0"], &["r/0", "n/#", "w/#"]];
        let filters = sets[rng.usize(..4)].iter().map(|filter| (*filter, QOS[rng.usize(..3)])).collect();
        Role { filters, ..Role::new(rng, format!("s{number}")) }
    }

    pub(super) fn member(rng: &mut Rng, number: usize) -> Role {
        let filters = vec![("$share/g/n/+", QOS[rng.usize(1..3)]), ("r/+", QOS[rng.usize(..3)])];
        Role { filters, ..Role::new(rng, format!("m{number}")) }
    }

    /// How long a session outlives its connection that began with CONNECT. In version 3.1.1 it does not if it was to
    /// be a clean one, or else for ever.
    pub(super) fn expiry_ms(&self, is_clean: bool) -> u64 {
        match (self.version, self.expiry_s) {
            (_, 0) => 0,
            (Version::V5, seconds) => u64::from(seconds) * 1000,
            _ if is_clean => 0,
            _ => u64::MAX,
        }
    }
}

impl World {
    pub(super) fn schedule_fault(&mut self) {
        let delay = self.rng.u64(1..self.plan.fault_interval_ms * 2);
        self.schedule(self.now.0 + delay, Event::Fault);
    }

    /// Something goes wrong.
    pub(super) fn strike(&mut self) {
        if self.is_settling {
            return;
        }
        match self.rng.u8(..10) {
            _ if self.must_restart() => self.crash(),
            0..=1 => self.crash(),
            2 => self.store.is_failing = true,
            3..=4 => self.fill_or_empty_disk(),
            5 => {
                let jump = self.rng.u64(..self.plan.longest_pause_ms);
                self.note(|_| format!("the clock jumps by {jump} ms"));
                self.now = self.now.plus_ms(jump);
            }
            6..=8 => self.cut_one(),
            _ => {
                self.note(|_| "shutdown".into());
                self.is_stopping = true;
                (0..self.workers.len()).for_each(|worker| self.post(worker, Mail::Shutdown));
            }
        }
        self.schedule_fault();
    }

    /// Whether only a restart helps.
    pub(super) fn must_restart(&self) -> bool {
        self.store.state == StoreState::Failed || self.is_stopping
    }

    fn fill_or_empty_disk(&mut self) {
        self.store.state = match self.store.state {
            StoreState::Good => StoreState::Full,
            _ => StoreState::Good,
        };
        self.note(|world| format!("the store is {:?}", world.store.state));
    }

    fn cut_one(&mut self) {
        let open: Vec<usize> =
            (0..self.links.len()).filter(|&link| self.links[link].given_up_at.is_none()).collect();
        if let Some(link) = self.rng.choice(open) {
            self.cut(link);
        }
    }

    /// A connection breaks: of what is under way, any part still arrives.
    pub(super) fn cut(&mut self, link: usize) {
        self.note(|world| format!("link {link} of client {} is cut", world.links[link].client));
        self.links[link].cut(&mut self.rng);
        if let Some((worker, _)) = self.links[link].place {
            self.wake(worker);
        }
        self.wake_client(self.links[link].client);
    }
}
