//! Enhanced authentication: an exchange of AUTH packets, before CONNACK and again whenever the client wants.
//!
//! What is in the packets is the plug-in's business. Here it is seen to that they come in turn, name one method, and
//! end in time. While a connected client proves itself anew, everything else goes on.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use vaux_mqtt::error::Rule;
use vaux_mqtt::packet::Auth;
use vaux_mqtt::property::{Properties, Property};
use vaux_mqtt::{Error, Packet, ReasonCode, Version};

use super::admission::Admission;
use super::connect_request::{ConnectRequest, Refusal};
use super::connection::Phase;
use super::observe::Ending;
use super::{ConnectionId, Core, Effect};
use crate::peer::Peer;
use crate::session::Identity;
use crate::time::Time;

/// One step of an exchange, for the plug-in to answer.
#[derive(Debug)]
pub struct Step {
    /// The method that the client named in CONNECT.
    pub method: Box<str>,
    /// What the client sent.
    pub data: Option<Box<[u8]>>,
    /// What the plug-in left with its last answer. `None` in the first step.
    pub state: Option<ExchangeState>,
    /// The name of the listener.
    pub listener: Arc<str>,
    /// The client identifier.
    pub client_id: Arc<str>,
    /// The user name of CONNECT. `None` when the client is connected already.
    pub user_name: Option<Box<str>>,
    /// Where the client is.
    pub peer: Peer,
    /// Who it is already, when it proves itself anew.
    pub identity: Option<Identity>,
}

/// What a plug-in answers to a step.
#[derive(Debug)]
pub enum StepAnswer {
    /// The client is asked for more.
    Continue {
        /// What it is sent.
        data: Option<Box<[u8]>>,
        /// What the plug-in wants to have again with the next step.
        state: ExchangeState,
    },
    /// The client is who it says.
    Accept {
        /// Who it is, and on what terms. One that proves itself anew must stay the same.
        admission: Admission,
        /// What it is sent.
        data: Option<Box<[u8]>>,
    },
    /// It is not.
    Refuse(Refusal),
}

/// Whatever a plug-in remembers between two steps.
pub struct ExchangeState(pub Box<dyn Any + Send>);

impl fmt::Debug for ExchangeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It may hold secrets.
        f.write_str("ExchangeState")
    }
}

/// The exchange of one connection.
#[derive(Debug)]
pub(super) struct Exchange {
    method: Box<str>,
    /// What CONNECT asked for, until it is answered.
    request: Option<Box<ConnectRequest>>,
    turn: Turn,
    began_at: Time,
}

/// Whose turn it is.
#[derive(Debug)]
enum Turn {
    /// Nobody's: the client has proved who it is.
    Rest,
    Server,
    Client(ExchangeState),
}

impl Exchange {
    /// The method of a client that has proved who it is.
    pub(super) fn done(method: Box<str>) -> Exchange {
        Exchange { method, request: None, turn: Turn::Rest, began_at: Time::NEVER }
    }

    /// When the client must have proved who it is.
    pub(super) fn deadline(&self, timeout_ms: u64) -> Time {
        match self.turn {
            Turn::Rest => Time::NEVER,
            Turn::Server | Turn::Client(_) => self.began_at.plus_ms(timeout_ms),
        }
    }
}

impl Core {
    /// Begins the exchange of a CONNECT that names a method.
    pub(super) fn begin_exchange(&mut self, now: Time, slot: u32, mut request: ConnectRequest) {
        let Some(method) = request.authentication_method.clone() else { return };
        let data = request.authentication_data.take();
        let request = Box::new(request);
        let step = Step {
            method: method.clone(),
            data,
            state: None,
            listener: Arc::clone(&request.listener.name),
            client_id: Arc::clone(&request.client_id),
            user_name: request.user_name.clone(),
            peer: request.peer,
            identity: None,
        };
        let exchange = Exchange { method, request: Some(request), turn: Turn::Server, began_at: now };
        self.connections[slot as usize].phase = Phase::Authenticating;
        self.connections[slot as usize].extras_mut().exchange = Some(Box::new(exchange));
        self.ask(slot, step);
    }

    /// AUTH of a client that is connected: it proves itself anew, or goes on with it.
    pub(super) fn handle_auth(&mut self, now: Time, slot: u32, auth: &Auth<'_>) -> Result<(), Error> {
        let violation = |rule| Error::new(rule, Version::V5, 0);
        let session = &self.sessions[self.connections[slot as usize].session];
        let (client_id, identity) = (Arc::clone(&session.key.client_id), session.identity.clone());
        let connection = &mut self.connections[slot as usize];
        let (peer, listener) = (connection.peer.get(), Arc::clone(&connection.listener.name));
        let exchange = connection.extras.as_mut().and_then(|extras| extras.exchange.as_mut());
        let exchange = exchange.ok_or(violation(Rule::AuthWithoutMethod))?;
        let state = exchange.take_turn(auth).map_err(violation)?;
        if state.is_none() {
            exchange.began_at = now;
        }
        let step = Step {
            method: exchange.method.clone(),
            data: auth.properties.authentication_data().map(Into::into),
            state,
            listener,
            client_id,
            user_name: None,
            peer,
            identity: Some(identity),
        };
        self.watch(slot);
        self.ask(slot, step);
        Ok(())
    }

    /// A packet that comes before CONNACK: AUTH, or DISCONNECT.
    pub(super) fn handle_early_packet(&mut self, now: Time, slot: u32, packet: &Packet<'_>) {
        let extras = self.connections[slot as usize].extras.as_mut();
        let Some(exchange) = extras.and_then(|extras| extras.exchange.as_mut()) else {
            return self.abort(slot);
        };
        let result = match packet {
            Packet::Auth(auth) => exchange.take_turn(auth).map(|state| (auth, state)),
            Packet::Disconnect(_) => return self.abort(slot),
            _ => Err(Rule::UnexpectedPacket),
        };
        match (result, &exchange.request) {
            (Ok((auth, state @ Some(_))), Some(request)) => {
                let step = Step {
                    method: exchange.method.clone(),
                    data: auth.properties.authentication_data().map(Into::into),
                    state,
                    listener: Arc::clone(&request.listener.name),
                    client_id: Arc::clone(&request.client_id),
                    user_name: request.user_name.clone(),
                    peer: request.peer,
                    identity: None,
                };
                self.connections[slot as usize].phase = Phase::Authenticating;
                self.ask(slot, step);
            }
            (Err(rule), _) => {
                self.refuse(now, slot, None, Refusal::new(rule.reason_code(), rule.text()));
            }
            (Ok(_), _) => {
                let rule = Rule::UnexpectedPacket;
                self.refuse(now, slot, None, Refusal::new(rule.reason_code(), rule.text()));
            }
        }
    }

    fn ask(&mut self, slot: u32, step: Step) {
        let connection = self.connection_id(slot);
        self.effects.push_back(Effect::Exchange { connection, step: Box::new(step) });
    }

    /// What the plug-in answers to a step.
    pub fn handle_step_answer(&mut self, now: Time, connection: ConnectionId, answer: StepAnswer) {
        let Some(slot) = self.slot_of(connection) else { return };
        let connection = &mut self.connections[slot as usize];
        let exchange = connection.extras.as_mut().and_then(|extras| extras.exchange.as_mut());
        let Some(exchange) = exchange.filter(|exchange| matches!(exchange.turn, Turn::Server)) else {
            return;
        };
        match (connection.phase, answer) {
            (Phase::Authenticating | Phase::Connected, StepAnswer::Continue { data, state }) => {
                exchange.turn = Turn::Client(state);
                if connection.phase == Phase::Authenticating {
                    connection.phase = Phase::AwaitAuth;
                    self.effects.push_back(Effect::Resume(slot));
                }
                self.send_auth(slot, ReasonCode::ContinueAuthentication, data.as_deref());
            }
            (Phase::Authenticating, StepAnswer::Accept { admission, data }) => {
                let Some(mut request) = exchange.request.take() else { return };
                request.authentication_data = data;
                self.accept(now, slot, request, admission);
            }
            (Phase::Authenticating, StepAnswer::Refuse(refusal)) => {
                let client_id = exchange.request.as_ref().map(|request| Arc::clone(&request.client_id));
                self.refuse(now, slot, client_id.as_deref(), refusal);
            }
            (Phase::Connected, StepAnswer::Accept { admission, data }) => {
                exchange.turn = Turn::Rest;
                let session = connection.session;
                if self.sessions[session].identity == admission.identity {
                    self.renew(slot, admission);
                    self.send_auth(slot, ReasonCode::Success, data.as_deref());
                } else {
                    self.end_unproved(now, slot, "this is another user than before");
                }
            }
            (Phase::Connected, StepAnswer::Refuse(refusal)) => self.end_unproved(now, slot, refusal.text),
            _ => {}
        }
    }

    /// A connected client could not prove who it is.
    pub(super) fn end_unproved(&mut self, now: Time, slot: u32, text: &'static str) {
        let ending = Ending::of("not-authorized", text, Some(ReasonCode::NotAuthorized));
        self.end_admission(now, slot, &ending);
    }

    /// A connected client goes on, on terms that may be other ones.
    fn renew(&mut self, slot: u32, admission: Admission) {
        self.admit(slot, &admission);
        let session = self.connections[slot as usize].session;
        let state = &mut self.sessions[session];
        if state.grants != admission.grants {
            state.grants = admission.grants;
            self.table.bump();
            self.record_session(session);
        }
        self.watch(slot);
    }

    fn send_auth(&mut self, slot: u32, reason: ReasonCode, data: Option<&[u8]>) {
        let extras = self.connections[slot as usize].extras.as_ref();
        let Some(exchange) = extras.and_then(|extras| extras.exchange.as_ref()) else { return };
        let method = exchange.method.clone();
        let mut properties = vec![Property::AuthenticationMethod(&method)];
        properties.extend(data.map(Property::AuthenticationData));
        let auth = Auth { reason, properties: Properties::from_slice(&properties) };
        self.write(slot, |out| auth.encode(out));
    }
}

impl Exchange {
    /// The client's AUTH, if it may send one now: what the plug-in left, or `None` when it begins anew.
    fn take_turn(&mut self, auth: &Auth<'_>) -> Result<Option<ExchangeState>, Rule> {
        if auth.properties.authentication_method() != Some(&*self.method) {
            return Err(Rule::AuthMethodChanged);
        }
        match (std::mem::replace(&mut self.turn, Turn::Server), auth.reason) {
            (Turn::Client(state), ReasonCode::ContinueAuthentication) => Ok(Some(state)),
            (Turn::Rest, ReasonCode::ReAuthenticate) => Ok(None),
            (turn, _) => {
                self.turn = turn;
                Err(Rule::UnexpectedPacket)
            }
        }
    }
}
