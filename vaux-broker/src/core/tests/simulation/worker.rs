//! One worker, as the shard drives it: handle, submit, hand over, write. Anything may happen between two of them.

use std::collections::{BTreeMap, VecDeque};

use super::world::{Event, World};
use super::*;

/// A worker and what surrounds its core.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) core: Core,
    pub(super) mail: VecDeque<Mail>,
    /// Links by slot.
    pub(super) slots: BTreeMap<u32, usize>,
    /// Slots whose clients have read something.
    pub(super) writable: Vec<u32>,
    phase: Phase,
    /// When its next step is.
    pub(super) wakes_at: u64,
    pub(super) is_idle: bool,
    /// Something came while it was not idle: another turn follows.
    is_woken: bool,
}

/// What is posted to a worker.
#[derive(Debug)]
pub(super) enum Mail {
    Parcel(WorkerId, Parcel),
    Handover(usize, Box<ConnectRequest>, Admission),
    Verdict(ConnectionId, Box<ConnectRequest>, Identity),
    Shutdown,
}

/// The steps of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Handle,
    Submit,
    HandOver,
    Write,
}

impl Worker {
    pub(super) fn new(core: Core) -> Worker {
        Worker {
            core,
            mail: VecDeque::new(),
            slots: BTreeMap::new(),
            writable: Vec::new(),
            phase: Phase::Handle,
            wakes_at: 0,
            is_idle: true,
            is_woken: false,
        }
    }
}

impl World {
    /// Does one step of a turn, or all of them.
    pub(super) fn turn(&mut self, worker: usize) {
        let steps = if self.rng.bool() { 4 } else { 1 };
        for _ in 0..steps {
            let next = match self.workers[worker].phase {
                Phase::Handle => {
                    self.handle(worker);
                    Phase::Submit
                }
                Phase::Submit => {
                    self.submit(worker);
                    Phase::HandOver
                }
                Phase::HandOver => {
                    self.hand_over(worker);
                    Phase::Write
                }
                Phase::Write => {
                    self.write_dirty(worker);
                    Phase::Handle
                }
            };
            self.workers[worker].phase = next;
        }
        let state = &self.workers[worker];
        if state.phase != Phase::Handle || self.has_work(worker) {
            let delay = self.delay();
            return self.sleep_until(worker, self.now.0 + delay);
        }
        let timeout = state.core.poll_timeout();
        self.workers[worker].is_idle = true;
        self.workers[worker].wakes_at = u64::MAX;
        if let Some(at) = timeout {
            self.workers[worker].wakes_at = at.0.max(self.now.0 + 1);
            self.schedule(self.workers[worker].wakes_at, Event::Turn(worker));
        }
    }

    /// Has a worker take a turn, or another one behind the present one.
    pub(super) fn wake(&mut self, worker: usize) {
        self.workers[worker].is_woken = true;
        if self.workers[worker].is_idle {
            let delay = self.delay();
            self.sleep_until(worker, self.now.0 + delay);
        }
    }

    fn sleep_until(&mut self, worker: usize, at: u64) {
        self.workers[worker].is_idle = false;
        self.workers[worker].wakes_at = at;
        self.schedule(at, Event::Turn(worker));
    }

    fn has_work(&self, worker: usize) -> bool {
        let state = &self.workers[worker];
        let is_readable = |(slot, link): (&u32, &usize)| {
            let link = &self.links[*link];
            link.is_cut || !link.to_server.is_empty() && state.core.takes_input(*slot)
        };
        state.is_woken
            || state.core.has_output()
            || state.core.has_paused()
            || !state.mail.is_empty()
            || !state.writable.is_empty()
            || state.slots.iter().any(is_readable)
    }

    fn handle(&mut self, worker: usize) {
        let now = self.now;
        self.workers[worker].is_woken = false;
        self.workers[worker].core.handle_timeout(now);
        self.run_effects(worker);
        for page in self.store.take_pages(worker) {
            self.workers[worker].core.handle_page(now, page);
            self.run_effects(worker);
        }
        let mut count = self.workers[worker].mail.len();
        if self.rng.u8(..4) == 0 {
            count = self.rng.usize(..=count);
        }
        for mail in self.workers[worker].mail.drain(..count).collect::<Vec<_>>() {
            self.handle_mail(worker, mail);
            self.run_effects(worker);
        }
        self.workers[worker].core.release_paused(now);
        self.run_effects(worker);
        for slot in std::mem::take(&mut self.workers[worker].writable) {
            self.flush(worker, slot);
        }
        for (slot, link) in self.workers[worker].slots.clone() {
            self.read(worker, slot, link);
        }
    }

    fn handle_mail(&mut self, worker: usize, mail: Mail) {
        let now = self.now;
        let core = &mut self.workers[worker].core;
        match mail {
            Mail::Parcel(from, parcel) => core.handle_parcel(now, from, parcel),
            Mail::Verdict(connection, request, identity) => {
                core.handle_verdict(now, connection, request, Ok(identity.into()));
            }
            Mail::Handover(link, ..) if self.is_stopping => self.links[link].given_up_at = Some(now),
            Mail::Handover(link, request, admission) => {
                let slot = core.handle_adoption(now, *request, admission);
                self.workers[worker].slots.insert(slot, link);
                self.links[link].place = Some((worker, slot));
            }
            Mail::Shutdown => core.handle_shutdown(now),
        }
    }

    /// Reads some of what has come, and has core use it.
    fn read(&mut self, worker: usize, slot: u32, link: usize) {
        let link = &mut self.links[link];
        // It may have closed or moved meanwhile.
        if link.place != Some((worker, slot)) {
            return;
        }
        let core = &mut self.workers[worker].core;
        if link.is_closing || !core.takes_input(slot) {
            // The end of a connection that is not read is noticed or not.
            if link.is_cut && self.rng.u8(..4) == 0 {
                self.drop_link(worker, slot);
            }
            return;
        }
        let mut count = link.to_server.len();
        if self.rng.u8(..3) == 0 {
            count = self.rng.usize(..=count);
        }
        link.unused.extend(link.to_server.drain(..count));
        let is_at_end = link.is_cut && link.to_server.is_empty();
        let bytes = std::mem::take(&mut link.unused);
        if !bytes.is_empty() {
            let used = core.handle_bytes(self.now, slot, &bytes);
            link.used_bytes += used as u64;
            link.unused = bytes[used..].to_vec();
            let (client, used_bytes) = (link.client, link.used_bytes);
            self.note_used(client, used_bytes);
        }
        self.run_effects(worker);
        let is_here = self.workers[worker].slots.contains_key(&slot);
        if is_at_end && is_here {
            self.drop_link(worker, slot);
        }
    }

    fn submit(&mut self, worker: usize) {
        let now = self.now;
        self.workers[worker].core.publish_events(now);
        self.submit_records(worker);
        let core = &mut self.workers[worker].core;
        core.handle_store_state(now, self.store.state);
        self.run_effects(worker);
        let durable = self.store.durable(worker);
        if self.workers[worker].core.is_waiting_for(durable) {
            self.workers[worker].core.handle_durable(now, durable);
            self.run_effects(worker);
        }
        if self.workers[worker].core.has_page_requests() {
            self.submit_records(worker);
            for request in self.workers[worker].core.take_page_requests() {
                self.store.request(worker, request);
            }
            self.workers[worker].is_woken = true;
        }
    }

    fn submit_records(&mut self, worker: usize) {
        if let Some(submission) = self.workers[worker].core.take_submission() {
            self.store.submit(worker, submission);
            self.wake_store();
        }
    }

    fn hand_over(&mut self, worker: usize) {
        for to in 0..self.workers.len() {
            if let Some(parcel) = self.workers[worker].core.take_parcel(WorkerId(to as u16)) {
                self.post(to, Mail::Parcel(WorkerId(worker as u16), parcel));
            }
        }
    }

    pub(super) fn post(&mut self, worker: usize, mail: Mail) {
        self.workers[worker].mail.push_back(mail);
        self.wake(worker);
    }

    fn write_dirty(&mut self, worker: usize) {
        let mut dirty = Vec::new();
        self.workers[worker].core.take_dirty(&mut dirty);
        for slot in dirty {
            self.flush(worker, slot);
        }
    }

    fn flush(&mut self, worker: usize, slot: u32) {
        let Some(&index) = self.workers[worker].slots.get(&slot) else { return };
        let link = &mut self.links[index];
        if link.is_blocked {
            return;
        }
        if link.is_cut {
            return self.drop_link(worker, slot);
        }
        let outbox = self.workers[worker].core.outbox_mut(slot);
        let had_bytes = !outbox.is_empty();
        while !outbox.is_empty() && link.to_client.len() < link.capacity {
            let first = outbox.first();
            let count = first.len().min(link.capacity - link.to_client.len());
            link.to_client.extend(&first[..count]);
            outbox.advance(count);
        }
        link.is_blocked = !outbox.is_empty();
        let client = link.client;
        if link.is_blocked {
            self.workers[worker].core.handle_blocked(self.now, slot);
        } else if link.is_closing {
            self.drop_link(worker, slot);
        } else if had_bytes {
            self.workers[worker].core.handle_written(self.now, slot);
            self.run_effects(worker);
        }
        self.wake_client(client);
    }

    fn run_effects(&mut self, worker: usize) {
        while let Some(effect) = self.workers[worker].core.poll_effect() {
            match effect {
                Effect::Authenticate { connection, request } => {
                    let identity = match &request.user_name {
                        Some(name) => Identity::User(Arc::from(&**name)),
                        None => Identity::Anonymous,
                    };
                    self.post(worker, Mail::Verdict(connection, request, identity));
                }
                Effect::Exchange { .. } => unreachable!("no client names a method"),
                Effect::Handover { slot, home, request, admission } => {
                    if let Some(link) = self.workers[worker].slots.remove(&slot) {
                        self.links[link].place = None;
                        self.post(usize::from(home.0), Mail::Handover(link, request, admission));
                    }
                }
                Effect::Resume(_) => self.workers[worker].is_woken = true,
                Effect::Close(slot) => {
                    if let Some(link) = self.workers[worker].slots.get(&slot) {
                        self.links[*link].is_closing = true;
                    }
                }
                Effect::Abort(slot) => self.drop_link(worker, slot),
                Effect::Measure(purpose) => {
                    let core = &mut self.workers[worker].core;
                    core.handle_measures(self.now, purpose, Measures::default());
                }
                Effect::Refused { .. } | Effect::Pressure(_) => {}
                Effect::Answer { .. } | Effect::Totals { .. } => unreachable!("nobody asks from outside"),
            }
        }
    }

    /// The broker gives a connection up.
    pub(super) fn drop_link(&mut self, worker: usize, slot: u32) {
        let Some(link) = self.workers[worker].slots.remove(&slot) else { return };
        self.links[link].given_up_at = Some(self.now);
        self.links[link].place = None;
        self.workers[worker].core.handle_closed(self.now, slot);
        self.wake_client(self.links[link].client);
        self.run_effects(worker);
    }
}
