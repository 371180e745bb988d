//! Figures of the whole broker: gathered on a tour of the workers, and told below `$SYS/`.
//!
//! The first worker begins a tour at each interval for mosquitto's tree, and every second while somebody is subscribed to
//! what vaux tells more. In between nothing is done: workers count, and that is all.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use vaux_mqtt::topic::TopicName;

use super::letter::Letter;
use super::timeout::Timer;
use super::top::Sketch;
use super::tour::Errand;
use super::{Core, Counters, Effect, Gauges, Measures, Totals, WorkerId, metrics, sys_tree};
use crate::time::Time;

/// What the first worker knows of the tours before.
#[derive(Debug, Default)]
pub(super) struct Surveyor {
    started_at: Time,
    /// When the tree is published next.
    tree_at: Time,
    /// When the tour for those who watch begins. `Time::NEVER`: nobody does.
    metrics_at: Time,
    loads: sys_tree::Loads,
    loads_at: Time,
    /// What the tree says at present.
    published: HashMap<&'static str, String>,
    clients_maximum: u64,
    /// The counters as they were when metrics were published last, and when that was.
    metrics_before: Option<(Time, Counters)>,
}

/// Figures on their way.
#[derive(Debug)]
pub(super) struct Survey {
    purpose: Purpose,
    totals: Totals,
    /// Whether the workers are to count topics and clients until the next tour.
    is_top_wanted: bool,
    topics: Sketch,
    clients: Sketch,
}

/// What figures are gathered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be published.
    Sys,
    /// To see whether memory is short.
    Memory,
    /// Somebody outside asked, who is known by this number.
    Outside(u64),
}

/// How often metrics are published while somebody is subscribed.
const METRICS_MS: u64 = 1000;

const METRICS: &str = "$SYS/broker/vaux/metrics";
const TOP_TOPICS: &str = "$SYS/broker/vaux/top/topics";
const TOP_CLIENTS: &str = "$SYS/broker/vaux/top/clients";

impl Core {
    /// Begins to tell about the broker. For the first worker, once all is restored.
    pub fn begin_surveys(&mut self, now: Time) {
        self.surveyor.started_at = now;
        self.surveyor.loads_at = now;
        self.surveyor.metrics_at = Time::NEVER;
        self.plan_tree(now, 0);
        self.watch_memory(now);
        if self.is_watched() {
            self.handle_watcher(now);
        }
    }

    /// Sets when the tree is published next.
    fn plan_tree(&mut self, now: Time, after_ms: u64) {
        self.surveyor.tree_at = match self.settings.sys.interval.is_zero() {
            true => Time::NEVER,
            false => now.plus_ms(after_ms),
        };
        self.set_timer(self.surveyor.tree_at, Timer::Survey);
    }

    /// The interval may have changed.
    pub(super) fn replan_surveys(&mut self, now: Time) {
        if self.worker == WorkerId(0) {
            self.plan_tree(now, self.settings.sys.interval.as_millis() as u64);
        }
    }

    /// Tells all workers that somebody has subscribed below `$SYS/`.
    pub(super) fn announce_watcher(&mut self, now: Time) {
        let here = self.worker;
        for worker in (0..self.shared.workers).map(WorkerId).filter(|worker| *worker != here) {
            self.post(worker, Letter::Watcher);
        }
        self.handle_watcher(now);
    }

    /// Somebody may be interested in what changes all the time.
    pub(super) fn handle_watcher(&mut self, now: Time) {
        self.begin_refresh(now);
        if self.worker == WorkerId(0) && self.surveyor.metrics_at == Time::NEVER {
            self.surveyor.metrics_at = now.plus_ms(METRICS_MS);
            self.set_timer(self.surveyor.metrics_at, Timer::Survey);
        }
    }

    pub(super) fn handle_survey_timer(&mut self, now: Time) {
        if self.surveyor.tree_at <= now || self.surveyor.metrics_at <= now {
            self.effects.push_back(Effect::Measure(Purpose::Sys));
        }
    }

    /// Somebody outside wants figures. They come as [`Effect::Totals`] with the same token. For the first worker.
    pub fn handle_totals_request(&mut self, token: u64) {
        self.effects.push_back(Effect::Measure(Purpose::Outside(token)));
    }

    /// What is measured outside: the tour can begin.
    pub fn handle_measures(&mut self, now: Time, purpose: Purpose, measures: Measures) {
        if purpose == Purpose::Memory {
            return self.handle_memory(now, measures.resident_bytes);
        }
        let totals = Totals {
            measures,
            workers: u64::from(self.shared.workers),
            uptime_ms: now.ms_since(self.surveyor.started_at),
            ..Totals::default()
        };
        let is_top_wanted = purpose == Purpose::Sys
            && self.surveyor.metrics_at <= now
            && (self.is_wanted(TOP_TOPICS) || self.is_wanted(TOP_CLIENTS));
        let survey =
            Survey { purpose, totals, is_top_wanted, topics: Sketch::default(), clients: Sketch::default() };
        self.send_on_tour(now, 0..self.shared.workers, Errand::Survey(Box::new(survey)));
    }

    fn is_wanted(&self, topic: &'static str) -> bool {
        TopicName::new(topic).is_ok_and(|name| {
            let interested = self.shared.interest.matches(name);
            !interested.workers.is_empty() || !interested.groups.is_empty()
        })
    }

    /// Adds this worker's figures.
    pub(super) fn serve_survey(&mut self, _now: Time, survey: &mut Survey) {
        survey.totals.counters.add(&self.counters);
        survey.totals.gauges.add(&self.gauges());
        if survey.purpose != Purpose::Sys {
            return;
        }
        if let Some(top) = &mut self.top {
            top.move_into(&mut survey.topics, &mut survey.clients);
        }
        match survey.is_top_wanted {
            true => drop(self.top.get_or_insert_default()),
            false => self.top = None,
        }
    }

    /// What this worker has at present.
    fn gauges(&mut self) -> Gauges {
        let sessions = &mut self.sessions;
        let (mut queued_messages, mut queued_bytes) = (0, 0);
        self.backlogged.retain(|slot| {
            let state = &mut sessions[*slot];
            state.is_backlogged = !state.queue.is_empty();
            queued_messages += state.queue.len() as u64;
            queued_bytes += state.queue.bytes() as u64;
            state.is_backlogged
        });
        let connections = &mut self.connections;
        let (mut outbox_packets, mut outbox_bytes) = (0, 0);
        self.blocked.retain(|id| {
            let connection = connections.get_mut(id.slot as usize);
            let Some(connection) = connection.filter(|connection| connection.generation == id.generation)
            else {
                return false;
            };
            connection.is_blocked = !connection.outbox.is_empty();
            outbox_packets += u64::from(connection.outbox.packets());
            outbox_bytes += connection.outbox.len() as u64;
            connection.is_blocked
        });
        Gauges {
            connections: self.connections.len() as u64,
            sessions: self.sessions.len() as u64,
            connected: self.connected as u64,
            subscriptions: self.subscriptions as u64,
            shared_subscriptions: self.shared_subscriptions as u64,
            queued_messages,
            queued_bytes,
            outbox_packets,
            outbox_bytes,
        }
    }

    /// All workers have been visited.
    pub(super) fn finish_survey(&mut self, now: Time, mut survey: Survey) {
        let totals = &mut survey.totals;
        let retained = self.shared.retained.counts();
        (totals.retained_messages, totals.retained_bytes) = (retained.messages as u64, retained.bytes as u64);
        let surveyor = &mut self.surveyor;
        surveyor.clients_maximum = surveyor.clients_maximum.max(totals.gauges.sessions);
        totals.clients_maximum = surveyor.clients_maximum;
        match survey.purpose {
            Purpose::Outside(token) => {
                let totals = Box::new(survey.totals);
                self.effects.push_back(Effect::Totals { token, totals });
            }
            Purpose::Sys => self.publish_survey(now, &survey),
            // It needs no tour.
            Purpose::Memory => {}
        }
    }

    fn publish_survey(&mut self, now: Time, survey: &Survey) {
        if self.surveyor.tree_at <= now {
            self.publish_tree(now, &survey.totals);
            self.plan_tree(now, self.settings.sys.interval.as_millis() as u64);
        }
        if self.surveyor.metrics_at <= now {
            self.publish_metrics(now, survey);
            let is_watched = self.shared.sys_watchers.load(Ordering::Relaxed) > 0;
            self.surveyor.metrics_at = if is_watched { now.plus_ms(METRICS_MS) } else { Time::NEVER };
            self.set_timer(self.surveyor.metrics_at, Timer::Survey);
        }
    }

    /// Publishes what of mosquitto's tree has changed.
    fn publish_tree(&mut self, now: Time, totals: &Totals) {
        let elapsed_ms = now.ms_since(self.surveyor.loads_at);
        if elapsed_ms > 0 {
            self.surveyor.loads.update(totals, elapsed_ms as f64 / 1000.0);
            self.surveyor.loads_at = now;
        }
        let own = self.shared.retained.counts().own as u64;
        for (topic, value) in sys_tree::entries(totals, own, &self.surveyor.loads) {
            if self.surveyor.published.get(topic) != Some(&value) {
                self.publish_own(now, topic, value.as_bytes(), true);
                self.surveyor.published.insert(topic, value);
            }
        }
    }

    fn publish_metrics(&mut self, now: Time, survey: &Survey) {
        let totals = &survey.totals;
        let before = self.surveyor.metrics_before.replace((now, totals.counters));
        // After a pause the rates of the pause are of no use to anybody.
        let before = before.filter(|(at, _)| now.ms_since(*at) < 10 * METRICS_MS);
        if self.is_wanted(METRICS) {
            let metrics = metrics::to_json(now, totals, before.as_ref());
            self.publish_own(now, METRICS, metrics.to_string().as_bytes(), false);
        }
        let elapsed_s = before.map_or(1.0, |(at, _)| now.ms_since(at).max(1) as f64 / 1000.0);
        if survey.is_top_wanted {
            let topics = metrics::top_json("topic", &survey.topics, elapsed_s);
            self.publish_own(now, TOP_TOPICS, topics.to_string().as_bytes(), false);
            let clients = metrics::top_json("client_id", &survey.clients, elapsed_s);
            self.publish_own(now, TOP_CLIENTS, clients.to_string().as_bytes(), false);
        }
    }
}
