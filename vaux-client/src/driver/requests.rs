//! Who waits for what: publishes that are held back or under way, subscriptions that were not answered.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use tokio::sync::oneshot;
use vaux_mqtt::error::Rule;
use vaux_mqtt::packet::{Ack, PacketId, SubAck, Subscription, UnsubAck};
use vaux_mqtt::property::PropertyBuffer;
use vaux_mqtt::protocol::client::{Lost, LostReason, NotSent, Session};
use vaux_mqtt::{QoS, Version};

use super::Machine;
use super::held::Held;
use super::routes::{RouteKey, Routes};
use crate::client::{Control, PublishRequest, Published};
use crate::error::RequestError;
use crate::offline_queue::OfflineQueue;
use crate::subscription::{Answer, Subscribe};

/// How many SUBSCRIBE and UNSUBSCRIBE may wait for a connection.
const WAITING_MAX: usize = 1024;

type Outcome = oneshot::Sender<Result<Published, RequestError>>;
type AnswerTo = oneshot::Sender<Result<Answer, RequestError>>;

/// Who waits for what.
pub(super) struct Requests {
    version: Version,
    /// Publishes that cannot be sent yet.
    held: Held,
    /// Messages with QoS 0, by the number of bytes that have to be written until they are.
    unwritten: VecDeque<(u64, Outcome)>,
    /// Messages with QoS 2 that the server has, until PUBCOMP.
    completing: HashMap<PacketId, Outcome>,
    /// SUBSCRIBE and UNSUBSCRIBE that were sent.
    asked: HashMap<PacketId, Asked>,
    /// SUBSCRIBE and UNSUBSCRIBE that wait for a connection.
    waiting: VecDeque<Control>,
    /// Subscriptions that the server lost and that were not made again yet. There may be more of them than requests may be
    /// unanswered.
    lost: VecDeque<RouteKey>,
}

enum Asked {
    Subscribe { key: RouteKey, answer: AnswerTo },
    Resubscribe { key: RouteKey },
    Unsubscribe { filters: Vec<Box<str>>, properties: PropertyBuffer, answer: AnswerTo },
}

impl Requests {
    pub(super) fn new(version: Version, offline_queue: OfflineQueue) -> Self {
        Requests {
            version,
            held: Held::new(offline_queue),
            unwritten: VecDeque::new(),
            completing: HashMap::new(),
            asked: HashMap::new(),
            waiting: VecDeque::new(),
            lost: VecDeque::new(),
        }
    }

    /// Whether another publish may be taken out of the channel.
    pub(super) fn wants_publish(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether everything that was accepted is done.
    pub(super) fn is_idle(&self) -> bool {
        self.held.is_empty() && self.unwritten.is_empty() && self.completing.is_empty()
    }

    /// Holds a publish back.
    pub(super) fn hold(&mut self, request: PublishRequest) {
        self.held.push_back(request);
    }

    /// Whether another publish may be taken out of the channel while there is no connection.
    pub(super) fn wants_offline(&self) -> bool {
        self.held.wants_offline()
    }

    /// Takes a publish while there is no connection, as far as the offline queue allows.
    pub(super) fn take_offline(&mut self, request: PublishRequest) {
        self.held.take_offline(request);
    }

    /// Sends what is held back, as far as the send window allows and while the output is below `output_max`.
    /// `written_before` is the number of bytes that are to be written in front of the machine's output.
    pub(super) fn send_held(&mut self, machine: &mut Machine, written_before: u64, output_max: usize) {
        while machine.output_len() < output_max {
            let Some(request) = self.held.pop_front() else { break };
            if !machine.has_room(request.message.qos) {
                self.held.push_front(request);
                break;
            }
            self.publish(machine, request, written_before);
        }
    }

    /// Sends a message, or holds it back.
    pub(super) fn publish(
        &mut self,
        machine: &mut Machine,
        mut request: PublishRequest,
        written_before: u64,
    ) {
        if request.expires() {
            let now = Instant::now();
            if request.has_expired(now) {
                return request.fail(RequestError::Expired);
            }
            request.age(now);
        }
        // Nobody asks for the outcome of a message with QoS 0 later than this.
        let outcome = if request.message.qos == QoS::AtMostOnce { request.outcome.take() } else { None };
        match machine.publish(request) {
            Ok(_) => {
                if let Some(outcome) = outcome {
                    self.unwritten.push_back((written_before + machine.output_len() as u64, outcome));
                }
            }
            Err((mut request, not_sent)) => {
                request.outcome = request.outcome.or(outcome);
                match not_sent {
                    NotSent::Invalid(rule) => self.refuse(request.outcome, rule),
                    NotSent::NoRoom | NotSent::NotConnected => self.held.push_front(request),
                }
            }
        }
    }

    fn refuse(&self, outcome: Option<Outcome>, rule: Rule) {
        resolve(outcome, Err(RequestError::invalid(rule, self.version)));
    }

    /// So many bytes were written.
    pub(super) fn handle_written(&mut self, written: u64) {
        while self.unwritten.front().is_some_and(|(position, _)| *position <= written) {
            let outcome = self.unwritten.pop_front().map(|(_, outcome)| outcome);
            resolve(outcome, Ok(crate::client::SENT));
        }
    }

    /// PUBACK, or a PUBREC that refuses.
    pub(super) fn handle_acknowledged(request: PublishRequest, ack: &Ack<'_>) {
        resolve(request.outcome, published(ack));
    }

    /// PUBREC.
    pub(super) fn handle_received(&mut self, packet_id: PacketId, request: PublishRequest) {
        if let Some(outcome) = request.outcome {
            self.completing.insert(packet_id, outcome);
        }
    }

    /// PUBCOMP.
    pub(super) fn handle_completed(&mut self, ack: &Ack<'_>) {
        // The server had the message at PUBREC: that it no longer knows the identifier does not undo that.
        let ack = Ack { reason: vaux_mqtt::ReasonCode::Success, ..ack.clone() };
        resolve(self.completing.remove(&ack.packet_id), published(&ack));
    }

    /// Messages that the machine gave up. Those with QoS 1 are published anew when their session is gone: arriving
    /// twice is within their promise. Nobody knows whether those with QoS 2 arrived.
    pub(super) fn handle_lost(&mut self, lost: Vec<Lost<PublishRequest>>) {
        for lost in lost.into_iter().rev() {
            let outcome = match (lost.message, lost.reason) {
                (Some(request), LostReason::Session) if request.message.qos == QoS::AtLeastOnce => {
                    self.held.push_front(request);
                    continue;
                }
                (Some(request), LostReason::NotTaken(rule)) => {
                    self.refuse(request.outcome, rule);
                    continue;
                }
                (Some(request), LostReason::Session) => request.outcome,
                (None, _) => self.completing.remove(&lost.packet_id),
            };
            resolve(outcome, Err(RequestError::SessionLost));
        }
    }

    /// Sends SUBSCRIBE or UNSUBSCRIBE, or lets it wait.
    pub(super) fn ask(&mut self, machine: &mut Machine, routes: &mut Routes, control: Control) {
        match control {
            Control::Subscribe { request, stream, answer } => {
                let result = subscribe(machine, &request);
                match result {
                    Ok(packet_id) => {
                        let key = routes.add(request, stream);
                        self.asked.insert(packet_id, Asked::Subscribe { key, answer });
                    }
                    Err(NotSent::Invalid(rule)) => {
                        let _ = answer.send(Err(RequestError::invalid(rule, self.version)));
                    }
                    Err(_) => self.wait(Control::Subscribe { request, stream, answer }),
                }
            }
            Control::Unsubscribe { filters, properties, answer } => {
                let list: Vec<_> = filters.iter().map(|filter| &**filter).collect();
                match machine.unsubscribe(&list, properties.list()) {
                    Ok(packet_id) => {
                        self.asked.insert(packet_id, Asked::Unsubscribe { filters, properties, answer });
                    }
                    Err(NotSent::Invalid(rule)) => {
                        let _ = answer.send(Err(RequestError::invalid(rule, self.version)));
                    }
                    Err(_) => self.wait(Control::Unsubscribe { filters, properties, answer }),
                }
            }
            Control::ReAuthenticate | Control::Disconnect { .. } => {}
        }
    }

    /// Lets SUBSCRIBE or UNSUBSCRIBE wait for a connection.
    pub(super) fn wait(&mut self, control: Control) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(control);
            return;
        }
        fail(control, RequestError::Disconnected);
    }

    /// Sends what waited for a connection.
    pub(super) fn send_waiting(&mut self, machine: &mut Machine, routes: &mut Routes) {
        for control in std::mem::take(&mut self.waiting) {
            self.ask(machine, routes, control);
        }
    }

    /// Notes that the server lost these subscriptions.
    pub(super) fn note_lost(&mut self, keys: Vec<RouteKey>) {
        self.lost = keys.into();
    }

    /// Makes subscriptions again that the server lost, as many as may be unanswered. Gives back the filters for which this
    /// server does not offer what they need.
    pub(super) fn resubscribe(&mut self, machine: &mut Machine, routes: &mut Routes) -> Vec<Box<str>> {
        let mut refused = Vec::new();
        while let Some(key) = self.lost.pop_front() {
            // Nobody may want it any more.
            let Some(request) = routes.request(key) else { continue };
            match subscribe(machine, request) {
                Ok(packet_id) => {
                    self.asked.insert(packet_id, Asked::Resubscribe { key });
                }
                Err(NotSent::Invalid(_)) => refused.append(&mut routes.handle_answer(key, &[])),
                Err(NotSent::NoRoom | NotSent::NotConnected) => {
                    self.lost.push_front(key);
                    break;
                }
            }
        }
        refused
    }

    /// SUBACK. Gives back the filters that were lost, when they were subscribed to again.
    pub(super) fn handle_subscribed(&mut self, suback: &SubAck<'_>, routes: &mut Routes) -> Vec<Box<str>> {
        let reasons: Vec<_> = suback.reasons().collect();
        match self.asked.remove(&suback.packet_id) {
            Some(Asked::Subscribe { key, answer }) => {
                routes.handle_answer(key, &reasons);
                let _ = answer.send(answered(Answer { reasons, properties: suback.properties.into() }));
                Vec::new()
            }
            Some(Asked::Resubscribe { key }) => routes.handle_answer(key, &reasons),
            Some(Asked::Unsubscribe { .. }) | None => Vec::new(),
        }
    }

    /// UNSUBACK.
    pub(super) fn handle_unsubscribed(&mut self, unsuback: &UnsubAck<'_>, routes: &mut Routes) {
        let Some(Asked::Unsubscribe { filters, answer, .. }) = self.asked.remove(&unsuback.packet_id) else {
            return;
        };
        let mut reasons: Vec<_> = unsuback.reasons().collect();
        // Before version 5.0 the answer means that all went well.
        reasons.resize(filters.len(), vaux_mqtt::ReasonCode::Success);
        let ended = filters.iter().zip(&reasons).filter(|(_, reason)| !reason.is_error());
        routes.unsubscribe(ended.map(|(filter, _)| &**filter));
        let _ = answer.send(answered(Answer { reasons, properties: unsuback.properties.into() }));
    }

    /// The connection is gone. What was not answered waits for the next one, and messages with QoS 0 that were not
    /// written are lost.
    pub(super) fn handle_disconnected(&mut self, routes: &mut Routes) {
        for (_, outcome) in self.unwritten.drain(..) {
            resolve(Some(outcome), Err(RequestError::Disconnected));
        }
        self.lost.clear();
        let mut asked: Vec<_> = self.asked.drain().collect();
        // Identifiers were given in order.
        asked.sort_by_key(|(packet_id, _)| *packet_id);
        for (_, asked) in asked.into_iter().rev() {
            match asked {
                Asked::Subscribe { key, answer } => {
                    if let Some((request, stream)) = routes.remove(key) {
                        self.waiting.push_front(Control::Subscribe { request, stream, answer });
                    }
                }
                Asked::Unsubscribe { filters, properties, answer } => {
                    self.waiting.push_front(Control::Unsubscribe { filters, properties, answer });
                }
                // Its route is still there, and will be asked for again.
                Asked::Resubscribe { .. } => {}
            }
        }
    }

    /// The client ends: whoever still waits is told.
    pub(super) fn end(&mut self, mut session: Session<PublishRequest>) {
        let in_flight = session.discard().into_iter().filter_map(|lost| lost.message?.outcome);
        let completing = self.completing.drain().map(|(_, outcome)| outcome);
        let unwritten = self.unwritten.drain(..).map(|(_, outcome)| outcome);
        for outcome in in_flight.chain(completing).chain(unwritten) {
            resolve(Some(outcome), Err(RequestError::Disconnected));
        }
        while let Some(request) = self.held.pop_front() {
            request.fail(RequestError::Ended);
        }
        for (_, asked) in self.asked.drain() {
            if let Asked::Subscribe { answer, .. } | Asked::Unsubscribe { answer, .. } = asked {
                let _ = answer.send(Err(RequestError::Disconnected));
            }
        }
        self.waiting.drain(..).for_each(|control| fail(control, RequestError::Ended));
    }
}

/// Whoever dropped the ticket does not want to know.
fn resolve(outcome: Option<Outcome>, result: Result<Published, RequestError>) {
    if let Some(outcome) = outcome {
        let _ = outcome.send(result);
    }
}

fn fail(control: Control, error: RequestError) {
    if let Control::Subscribe { answer, .. } | Control::Unsubscribe { answer, .. } = control {
        let _ = answer.send(Err(error));
    }
}

fn published(ack: &Ack<'_>) -> Result<Published, RequestError> {
    let properties = ack.properties.into();
    if ack.reason.is_error() {
        return Err(RequestError::Refused { reasons: vec![ack.reason], properties });
    }
    Ok(Published { packet_id: Some(ack.packet_id), reason: ack.reason, properties })
}

/// An answer that grants nothing is an error.
fn answered(answer: Answer) -> Result<Answer, RequestError> {
    if answer.reasons.iter().all(|reason| reason.is_error()) {
        return Err(RequestError::Refused { reasons: answer.reasons, properties: answer.properties });
    }
    Ok(answer)
}

fn subscribe(machine: &mut Machine, request: &Subscribe) -> Result<PacketId, NotSent> {
    let subscriptions: Vec<_> =
        request.filters.iter().map(|(filter, options)| Subscription { filter, options: *options }).collect();
    machine.subscribe(&subscriptions, request.properties.list())
}
