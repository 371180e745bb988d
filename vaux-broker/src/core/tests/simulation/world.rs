//! Workers, store and clients in one thread: a heap of events, a seed, and time as a number.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::client::Client;
use super::faults::Plan;
use super::invariants::Violation;
use super::ledger::Ledger;
use super::link::Link;
use super::store::SlowStore;
use super::worker::Worker;
use super::*;

/// Everything that is simulated.
pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) now: Time,
    events: BinaryHeap<Reverse<(u64, u64, u32, Event)>>,
    /// Tells events of one moment apart, in the order in which they were planned.
    next_event: u64,
    /// How often the broker was started.
    pub(super) incarnation: u32,
    pub(super) started_at: Time,
    pub(super) plan: Plan,
    pub(super) settings: Arc<Settings>,
    pub(super) listener: Arc<ListenerSettings>,
    pub(super) shared: Arc<Shared>,
    pub(super) workers: Vec<Worker>,
    pub(super) store: SlowStore,
    is_store_awake: bool,
    pub(super) links: Vec<Link>,
    pub(super) clients: Vec<Client>,
    pub(super) ledger: Ledger,
    /// What earlier incarnations dropped.
    dropped_before: Dropped,
    /// The broker was told to stop: it is started again.
    pub(super) is_stopping: bool,
    /// No more faults, and nothing new is published: all is to settle.
    pub(super) is_settling: bool,
    pub(super) violation: Option<Violation>,
    /// What happened, for a run that is looked at.
    pub(super) trace: Option<Vec<String>>,
}

/// Something that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A worker's next step.
    Turn(usize),
    /// A client reads or does something.
    Act(usize),
    /// The store begins a batch, or ends it.
    Commit,
    /// Something goes wrong.
    Fault,
}

impl World {
    pub(super) fn new(seed: u64, plan: impl FnOnce(&mut Rng) -> Plan) -> World {
        let mut rng = Rng::with_seed(seed);
        let plan = plan(&mut rng);
        let config = ListenerConfig::new(ListenerKind::Tcp);
        let settings = Arc::new(plan.settings.clone());
        let shared = Arc::new(Shared::new(plan.workers, Arc::new(faults::Rights), 1));
        let clients = plan.clients.iter().map(|role| Client::new(role.clone())).collect();
        let mut world = World {
            rng,
            now: Time(1_000_000),
            events: BinaryHeap::new(),
            next_event: 0,
            incarnation: 0,
            started_at: Time(1_000_000),
            settings,
            listener: Arc::new(ListenerSettings::new(&config, true)),
            shared,
            workers: Vec::new(),
            store: SlowStore::new(usize::from(plan.workers), plan.flaw),
            is_store_awake: false,
            links: Vec::new(),
            clients,
            ledger: Ledger::default(),
            plan,
            dropped_before: Dropped::default(),
            is_stopping: false,
            is_settling: false,
            violation: None,
            trace: None,
        };
        world.start();
        (0..world.clients.len()).for_each(|client| world.wake_client(client));
        world.schedule_fault();
        world
    }

    /// Goes on until `until` or until something is violated.
    pub(super) fn run_until(&mut self, until: Time) {
        while self.violation.is_none() {
            let Some(&Reverse((at, _, incarnation, event))) = self.events.peek() else { break };
            if at > until.0 {
                break;
            }
            self.events.pop();
            self.now = self.now.max(Time(at));
            match event {
                Event::Turn(worker) => {
                    if incarnation == self.incarnation && self.workers[worker].wakes_at == at {
                        self.turn(worker);
                    }
                }
                Event::Act(client) => {
                    if self.clients[client].acts_at == at {
                        self.clients[client].acts_at = u64::MAX;
                        self.act(client);
                    }
                }
                Event::Commit if incarnation == self.incarnation => self.commit(),
                Event::Commit => {}
                Event::Fault => self.strike(),
            }
        }
        self.now = self.now.max(until);
    }

    pub(super) fn schedule(&mut self, at: u64, event: Event) {
        self.next_event += 1;
        self.events.push(Reverse((at, self.next_event, self.incarnation, event)));
    }

    /// How long something takes that is mostly quick.
    pub(super) fn delay(&mut self) -> u64 {
        match self.rng.u8(..) {
            0..=1 if !self.is_settling => self.rng.u64(1..self.plan.longest_pause_ms),
            0..=20 => self.rng.u64(1..20),
            _ => self.rng.u64(..2),
        }
    }

    /// Has a client act soon.
    pub(super) fn wake_client(&mut self, client: usize) {
        let at = self.now.0 + 1 + self.delay();
        if at < self.clients[client].acts_at {
            self.clients[client].acts_at = at;
            self.schedule(at, Event::Act(client));
        }
    }

    pub(super) fn wake_store(&mut self) {
        if !std::mem::replace(&mut self.is_store_awake, true) {
            let delay = self.delay();
            self.schedule(self.now.0 + delay, Event::Commit);
        }
    }

    fn commit(&mut self) {
        if self.store.writing > 0 {
            self.store.finish();
            (0..self.workers.len()).for_each(|worker| self.wake(worker));
        } else {
            let count = 1 + self.rng.usize(..4);
            self.store.begin(count, &self.shared.retained);
        }
        self.is_store_awake = false;
        if self.store.len() > 0 && self.store.state != StoreState::Failed {
            self.is_store_awake = true;
            let slowness = if self.is_settling { 1 } else { self.plan.store_slowness };
            let delay = (self.delay() * slowness).min(self.plan.longest_pause_ms);
            self.schedule(self.now.0 + delay, Event::Commit);
        }
    }

    /// The broker dies and starts again. Any number of submissions that were not durable may be on the disk.
    pub(super) fn crash(&mut self) {
        let kept = self.rng.usize(..=self.store.len());
        self.note(|world| format!("crash, {kept} of {} submissions are kept", world.store.len()));
        self.dropped_before = self.dropped();
        let (links, now) = (&mut self.links, self.now);
        for link in links.iter_mut().filter(|link| link.given_up_at.is_none()) {
            link.cut(&mut self.rng);
            link.place = None;
            link.given_up_at = Some(now);
        }
        self.store = std::mem::take(&mut self.store).crash(kept, &self.shared.retained);
        self.now = self.now.plus_ms(self.rng.u64(1..self.plan.longest_pause_ms));
        self.shared = Arc::new(Shared::new(self.plan.workers, Arc::new(faults::Rights), 1));
        self.incarnation += 1;
        self.is_stopping = false;
        self.is_store_awake = false;
        self.check_retained_after_restart();
        self.start();
        (0..self.clients.len()).for_each(|client| self.wake_client(client));
    }

    /// Starts the broker on what the disk holds.
    fn start(&mut self) {
        let contents = self.store.disk.contents();
        self.started_at = self.now;
        self.shared.continue_numbers(contents.last_sid, contents.last_mid);
        let core = |worker| {
            let (shared, settings) = (Arc::clone(&self.shared), Arc::clone(&self.settings));
            let mut core = Core::new(WorkerId(worker), shared, settings, Recorder::keeping());
            core.set_queue_memory(self.plan.queue_memory);
            Worker::new(core)
        };
        self.workers = (0..self.plan.workers).map(core).collect();
        for Kept { message, source } in contents.retained {
            let set = self.shared.retained.set(message, source.as_deref(), usize::MAX, usize::MAX);
            set.expect("there is no limit");
        }
        for session in contents.sessions {
            let home = usize::from(self.shared.home_of(&session.session.key).0);
            self.workers[home].core.restore(self.now, session);
        }
        self.workers[0].core.watch_retained(self.now);
        (0..self.workers.len()).for_each(|worker| self.wake(worker));
    }

    /// What was dropped and counted, by all incarnations of the broker.
    pub(super) fn dropped(&self) -> Dropped {
        let mut dropped = self.dropped_before;
        self.workers.iter().for_each(|worker| dropped.add(&worker.core.counters().dropped));
        dropped
    }

    pub(super) fn note(&mut self, text: impl FnOnce(&World) -> String) {
        if self.trace.is_some() {
            let line = format!("{} {}", self.now.0, text(self));
            self.trace.iter_mut().for_each(|trace| trace.push(line.clone()));
        }
    }
}
