//! `$CONTROL/vaux/v1`: what an operator can ask of a running broker, over MQTT or from outside.
//!
//! A request goes where the answer is: to the home of one session, or to all workers in turn. What it changes is durable
//! before it is answered.

mod answer;
mod list;
mod request;

use std::sync::Arc;

use serde_json::{Value, json};
use vaux_mqtt::packet::Publish;
use vaux_mqtt::property::Property;
use vaux_mqtt::topic::TopicName;
use vaux_mqtt::{QoS, ReasonCode};

use super::deliver::Publication;
use super::json::read_base64;
use super::observe::Ending;
use super::permission::allows;
use super::tour::Errand;
use super::{Core, Effect};
use crate::message::Content;
use crate::retained::Source;
use crate::rights::{Action, Grants, Subject};
use crate::session::{Identity, Mount, SessionKey, SessionSlot};
use crate::store::{Sequence, StoreState};
use crate::time::Time;

use answer::{Answer, Fault};
use request::Request;

/// Where requests are published.
pub(super) const TOPIC: &str = "$CONTROL/vaux/v1";

/// A request on its way.
#[derive(Debug)]
pub(super) struct Ask {
    request: Request,
    asker: Asker,
    /// What lists have gathered, each item with the time that it is sorted by.
    items: Vec<(Time, Value)>,
    /// Where the list goes on.
    next: Option<Value>,
    answer: Option<Answer>,
}

/// Who asked.
#[derive(Debug)]
enum Asker {
    /// Somebody outside, who is known by this number.
    Outside(u64),
    /// A client, which wants the answer published.
    Client(Box<Requester>),
}

#[derive(Debug)]
struct Requester {
    identity: Identity,
    grants: Option<Grants>,
    client_id: Arc<str>,
    listener: Arc<str>,
    /// What its listener puts in front of topics.
    mount: Mount,
    response_topic: Option<Box<str>>,
    correlation_data: Option<Box<[u8]>>,
    qos: QoS,
}

impl Ask {
    fn new(request: Request, asker: Asker) -> Ask {
        Ask { request, asker, items: Vec::new(), next: None, answer: None }
    }

    /// Whether nobody else needs to be asked.
    pub(super) fn is_satisfied(&self) -> bool {
        self.answer.is_some() || self.next.is_some()
    }
}

impl Core {
    /// A request from outside. The answer comes as [`Effect::Answer`] with the same token.
    pub fn handle_request(&mut self, now: Time, token: u64, request: &[u8]) {
        self.begin_ask(now, request, Asker::Outside(token));
    }

    /// A request that a client published, and may publish.
    pub(super) fn handle_control(&mut self, now: Time, slot: u32, publish: &Publish<'_>) {
        let connection = &self.connections[slot as usize];
        let state = &self.sessions[connection.session];
        let requester = Requester {
            identity: state.identity.clone(),
            grants: state.grants.clone(),
            client_id: Arc::clone(&state.key.client_id),
            listener: Arc::clone(&connection.listener.name),
            mount: connection.listener.mount.clone(),
            response_topic: publish.properties.response_topic().map(Into::into),
            correlation_data: publish.properties.correlation_data().map(Into::into),
            qos: publish.qos,
        };
        self.begin_ask(now, publish.payload, Asker::Client(Box::new(requester)));
    }

    fn begin_ask(&mut self, now: Time, payload: &[u8], asker: Asker) {
        match Request::read(payload) {
            Ok(request) => {
                let workers = match (request.session(), &request) {
                    (Some((mount, client_id)), _) => {
                        let home = self.shared.home_of(&key_of(mount, client_id)).0;
                        home..home + 1
                    }
                    (None, Request::Sessions { cursor, .. } | Request::Subscriptions { cursor, .. }) => {
                        cursor.unwrap_or_default().worker.min(self.shared.workers)..self.shared.workers
                    }
                    (None, Request::Why { .. }) => 0..self.shared.workers,
                    _ => self.worker.0..self.worker.0 + 1,
                };
                self.send_on_tour(now, workers, Errand::Ask(Box::new(Ask::new(request, asker))));
            }
            Err(answer) => self.answer(now, asker, answer),
        }
    }

    /// Does this worker's part of a request.
    pub(super) fn serve_ask(&mut self, now: Time, ask: &mut Ask) -> Sequence {
        let session = ask.request.session().map(|(mount, client_id)| {
            let session = self.sessions.of_key(&key_of(mount, client_id));
            session.ok_or_else(|| {
                let text = "there is no session of this client";
                Answer::fault(ask.request.command(), Fault::NotFound, text)
            })
        });
        let session = match session {
            Some(Err(answer)) => {
                ask.answer = Some(answer);
                return Sequence::NONE;
            }
            Some(Ok(session)) => Some(session),
            None => None,
        };
        match (&ask.request, session) {
            (Request::Sessions { .. }, _) => self.list_sessions(ask),
            (Request::Subscriptions { .. }, session) => self.list_subscriptions(ask, session),
            (Request::Retained { .. }, _) => self.list_retained(now, ask),
            (Request::Why { .. }, _) => self.list_incidents(ask),
            (Request::DeleteRetained { .. } | Request::Publish { .. }, _) => {
                return self.publish_for(now, ask);
            }
            (_, Some(session)) => return self.serve_one(now, ask, session),
            (_, None) => {}
        }
        Sequence::NONE
    }

    /// What concerns one session, which lives here.
    fn serve_one(&mut self, now: Time, ask: &mut Ask, session: SessionSlot) -> Sequence {
        let done = Answer::done(ask.request.command());
        let connection = self.sessions[session].connection();
        let mut answer = done;
        match &ask.request {
            Request::Session { .. } => {
                let subscriptions = self.sessions[session].subscriptions.iter();
                let filters = subscriptions.map(|one| self.full_subscription(session, one).text);
                let filters = json!(filters.collect::<Vec<_>>());
                let mut report = self.session_report(session);
                report.insert("filters".to_owned(), filters);
                answer = answer.with("session", Value::Object(report));
            }
            Request::Kick { .. } => match connection {
                Some(slot) => self.kick(now, slot, &Ending::KICKED),
                None => {
                    let text = "the client is not connected";
                    answer = Answer::fault(ask.request.command(), Fault::NotFound, text);
                }
            },
            Request::DeleteSession { .. } => {
                if let Some(slot) = connection {
                    // It ends with its connection then.
                    self.sessions[session].expiry_ms = 0;
                    self.kick(now, slot, &Ending::DELETED);
                } else {
                    self.end_session(now, session);
                }
            }
            Request::Trace { on, .. } => match connection {
                Some(slot) => self.connections[slot as usize].extras_mut().is_traced = *on,
                None => {
                    let text = "the client is not connected";
                    answer = Answer::fault(ask.request.command(), Fault::NotFound, text);
                }
            },
            _ => {}
        }
        ask.answer = Some(answer);
        match ask.request {
            Request::Kick { .. } | Request::DeleteSession { .. } => self.recorder.latest(),
            _ => Sequence::NONE,
        }
    }

    fn kick(&mut self, now: Time, slot: u32, ending: &Ending) {
        self.lose(now, slot, ending);
        self.say_goodbye(slot, ReasonCode::AdministrativeAction, Some(ending.text));
        self.close(now, slot);
    }

    /// Publishes for an operator, or takes a retained message away.
    fn publish_for(&mut self, now: Time, ask: &mut Ask) -> Sequence {
        let (answer, needs) = self.try_publish_for(now, ask);
        ask.answer = Some(answer);
        needs
    }

    fn try_publish_for(&mut self, now: Time, ask: &Ask) -> (Answer, Sequence) {
        let command = ask.request.command();
        let refused = |fault, text: &str| (Answer::fault(command, fault, text), Sequence::NONE);
        let (topic, payload, qos, retain) = match &ask.request {
            Request::Publish { topic, payload, payload_base64, qos, retain } => {
                let payload = match payload_base64.as_deref().and_then(read_base64) {
                    Some(payload) => payload,
                    None => payload.clone().unwrap_or_default().into_bytes(),
                };
                (topic, payload, QoS::from_bits(*qos).unwrap_or_default(), *retain)
            }
            Request::DeleteRetained { topic } => {
                if self.shared.retained.message(topic).is_none() {
                    return refused(Fault::NotFound, "there is no retained message of this topic");
                }
                (topic, Vec::new(), QoS::AtMostOnce, true)
            }
            _ => return (Answer::done(command), Sequence::NONE),
        };
        if !ask.asker.may_publish(self, topic) {
            return refused(Fault::NotAuthorized, "this client may not publish under this topic");
        }
        if self.store_state != StoreState::Good && (qos > QoS::AtMostOnce || retain) && !payload.is_empty() {
            return refused(Fault::QuotaExceeded, "there is no room in the store");
        }
        let mut publication = Publication::new(Content {
            publisher: 0,
            qos,
            retain,
            expires_at: Time::NEVER,
            topic,
            properties: &[],
            payload: &payload,
        });
        let mut needs = Sequence::NONE;
        if retain {
            match self.retain(&mut publication, ask.asker.source().as_ref()) {
                Ok(retained) => needs = retained,
                Err(_) => {
                    return refused(Fault::QuotaExceeded, "there is no room among the retained messages");
                }
            }
        }
        let routed = self.route(now, &mut publication);
        let answer = match ask.request {
            Request::Publish { .. } => Answer::done(command).with("matched", json!(routed.is_matched)),
            _ => Answer::done(command),
        };
        (answer, needs.max(routed.needs))
    }

    /// The request has been everywhere.
    pub(super) fn finish_ask(&mut self, now: Time, mut ask: Ask) {
        let answer = match ask.answer.take() {
            Some(answer) => answer,
            None => self.list_answer(&mut ask),
        };
        self.answer(now, ask.asker, answer);
    }

    fn answer(&mut self, now: Time, asker: Asker, answer: Answer) {
        let answer = answer.into_json();
        match asker {
            Asker::Outside(token) => self.effects.push_back(Effect::Answer { token, answer }),
            Asker::Client(requester) => self.publish_answer(now, &requester, &answer),
        }
    }

    fn publish_answer(&mut self, now: Time, requester: &Requester, answer: &Value) {
        let Some(response_topic) = &requester.response_topic else { return };
        if TopicName::new(response_topic).is_err() || !requester.may_publish(self, response_topic) {
            return;
        }
        let mut properties = Vec::new();
        Property::PayloadFormatIndicator(1).encode(&mut properties);
        Property::ContentType("application/json").encode(&mut properties);
        if let Some(data) = &requester.correlation_data {
            Property::CorrelationData(data).encode(&mut properties);
        }
        let topic = format!("{}{response_topic}", requester.mount);
        let payload = answer.to_string();
        let mut publication = Publication::new(Content {
            publisher: 0,
            qos: requester.qos,
            retain: false,
            expires_at: Time::NEVER,
            topic: &topic,
            properties: &properties,
            payload: payload.as_bytes(),
        });
        self.route(now, &mut publication);
    }
}

impl Asker {
    /// Who publishes, to be asked about later. `None`: whoever has the broker in hand.
    fn source(&self) -> Option<Source> {
        match self {
            Asker::Outside(_) => None,
            Asker::Client(requester) => Some(requester.source()),
        }
    }

    /// Whether who asked could publish this without the broker's help.
    fn may_publish(&self, core: &Core, topic: &str) -> bool {
        match self {
            Asker::Outside(_) => true,
            Asker::Client(requester) => requester.may_publish(core, topic),
        }
    }
}

impl Requester {
    fn source(&self) -> Source {
        Source {
            key: SessionKey { mount: self.mount.clone(), client_id: Arc::clone(&self.client_id) },
            identity: self.identity.clone(),
            listener: Some(Arc::clone(&self.listener)),
            grants: self.grants.clone(),
        }
    }

    fn may_publish(&self, core: &Core, topic: &str) -> bool {
        let Requester { identity, grants, client_id, listener, .. } = self;
        let subject = Subject { identity, client_id, listener: Some(listener) };
        allows(&*core.rights, grants.as_ref(), &subject, Action::Publish, topic)
    }
}

fn key_of(mount: &str, client_id: &str) -> SessionKey {
    SessionKey { mount: mount.into(), client_id: client_id.into() }
}
