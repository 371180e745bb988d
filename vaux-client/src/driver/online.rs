//! The loop while connected.
//!
//! Each turn handles what was read, takes what the application asks for, and hands all output to the stream at once;
//! then it waits until something can go on. A full stream stops reading; a full send window or output stops taking
//! publishes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::time::Sleep;
use vaux_mqtt::ReasonCode;
use vaux_mqtt::property::Properties;
use vaux_mqtt::protocol::client::{Event, NotSent, PingTimeout, Session};

use super::attempt::{Established, answer};
use super::link::{BATCH_BYTES, Link, Transfer};
use super::requests::Requests;
use super::{Driver, End, Machine};
use crate::acknowledgement::Receipt;
use crate::authenticator::Authenticator;
use crate::client::{Control, PublishRequest};
use crate::error::{Disconnected, RequestError};
use crate::event::ConnectionEvent;

/// A connection, while there is one.
struct Online {
    link: Link,
    machine: Machine,
    authenticator: Option<Box<dyn Authenticator>>,
    /// All handles are gone: end once everything accepted is done.
    is_abandoned: bool,
    /// Set to a deadline of the machine, or to one that it had before it moved: what is sent moves it all the time.
    timer: Pin<Box<Sleep>>,
    /// The timer woke this task, and there was nothing to be read.
    is_time_up: bool,
}

/// How much may wait to be written before the client stops reading. Far more than what stops it taking publishes, so
/// that two sides which both send do not wait for each other.
const UNWRITTEN_MAX: usize = 16 * 1024 * 1024;

/// How much the answers to packets may take before they are sent, in the middle of what was read.
const ANSWERS_BYTES: usize = 512;

/// How many publishes are taken out of their channel at once.
const TAKEN_MAX: usize = 64;

/// How long to look for the last words of a server whose connection broke.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(1);

/// Why the loop goes on.
enum Wake {
    Transfer(Transfer),
    /// There are packets to be handled.
    More,
    Unparked,
    Acknowledged,
    Control(Option<Control>),
    Publish(Option<PublishRequest>),
    Timer,
}

impl Driver {
    /// Runs one connection to its end.
    pub(super) async fn go_online(&mut self, established: Established) -> (End, Session<PublishRequest>) {
        let Established { link, machine, authenticator, .. } = established;
        let timer = Box::pin(tokio::time::sleep_until(self.server.clock.at(0)));
        let mut online =
            Online { link, machine, authenticator, is_abandoned: false, timer, is_time_up: false };
        let end = loop {
            if let Some(end) = self.turn(&mut online).await {
                break end;
            }
        };
        let Online { mut link, mut machine, .. } = online;
        // A server that was told off, or that we leave, gets the last words; one that left gets none.
        if matches!(end, End::Lost(Disconnected::Protocol(_) | Disconnected::Authentication(_))) {
            let _ = link.close(machine.poll_output(self.server.clock.now_ms())).await;
        }
        for (Receipt { qos, packet_id }, reason) in self.routes.end_connection() {
            machine.acknowledge(qos, packet_id, reason);
        }
        self.requests.handle_disconnected(&mut self.routes);
        (end, machine.into_session())
    }

    async fn turn(&mut self, online: &mut Online) -> Option<End> {
        let handled = self.handle_incoming(online);
        // Readers find all of what was read at once: waking one costs as much as dozens of messages.
        if !matches!(handled, Ok(true)) {
            self.routes.wake();
        }
        let has_more = match handled {
            Ok(has_more) => has_more,
            Err(disconnected) => return Some(End::Lost(disconnected)),
        };
        if self.routes.is_parked() {
            // The answer to a ping may wait unread.
            online.machine.excuse_ping();
        }
        let now_ms = self.server.clock.now_ms();
        // An application may have kept this task from running for long, and the answer to a ping may be there unread.
        let may_end = std::mem::take(&mut online.is_time_up) || !online.machine.is_ping_overdue(now_ms);
        if may_end && online.machine.handle_timeout(now_ms) == Err(PingTimeout) {
            return Some(End::Lost(Disconnected::KeepAliveTimeout));
        }
        if let Some(end) = self.take_requests(online).await {
            return Some(end);
        }
        if online.is_abandoned && self.requests.is_idle() && online.machine.in_flight_count() == 0 {
            return Some(self.leave(online).await);
        }
        online.link.load(online.machine.poll_output(now_ms));
        match self.wait(online, has_more).await {
            Wake::Transfer(Transfer::Written(Ok(()))) => {
                self.requests.handle_written(online.link.written());
                None
            }
            Wake::Transfer(Transfer::Read(Ok(1..))) | Wake::More => None,
            Wake::Timer => {
                online.is_time_up = true;
                None
            }
            Wake::Transfer(Transfer::Read(Ok(0))) => Some(End::Lost(Disconnected::Closed)),
            Wake::Transfer(Transfer::Read(Err(error)) | Transfer::Written(Err(error))) => {
                Some(End::Lost(self.lost(online, error).await))
            }
            Wake::Unparked => {
                self.acknowledge(online);
                online.machine.excuse_ping();
                None
            }
            Wake::Acknowledged => {
                self.acknowledge_by_hand(online);
                None
            }
            Wake::Control(control) => self.handle_control(online, control).await,
            Wake::Publish(request) => {
                self.handle_publish(online, request);
                None
            }
        }
    }

    /// Waits until something can go on. With `has_more` it only writes what can be written.
    async fn wait(&mut self, online: &mut Online, has_more: bool) -> Wake {
        let is_parked = self.routes.is_parked();
        let unwritten = online.link.unwritten() + online.machine.output_len();
        // What is read has to be answered: a server that does not take the answers is not read from either.
        let may_read = !is_parked && !has_more && unwritten < UNWRITTEN_MAX;
        let wants_publish = self.wants_publish(online);
        let given = self.routes.given();
        let deadline = online.machine.deadline_ms().map(|deadline_ms| self.server.clock.at(deadline_ms));
        if let Some(deadline) = deadline
            && (online.timer.is_elapsed() || deadline < online.timer.deadline())
        {
            online.timer.as_mut().reset(deadline);
        }
        let acknowledged = async {
            match &given {
                Some(given) => given.given().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            transfer = online.link.transfer(may_read) => Wake::Transfer(transfer),
            () = std::future::ready(()), if has_more => Wake::More,
            () = self.routes.unpark(), if is_parked => Wake::Unparked,
            () = acknowledged, if given.is_some() => Wake::Acknowledged,
            control = self.controls.recv(), if !online.is_abandoned => Wake::Control(control),
            request = self.publishes.recv(), if wants_publish => Wake::Publish(request),
            () = &mut online.timer, if deadline.is_some() => Wake::Timer,
        }
    }

    fn wants_publish(&self, online: &Online) -> bool {
        !online.is_abandoned
            && self.requests.wants_publish()
            && online.link.unwritten() + online.machine.output_len() < BATCH_BYTES
    }

    /// Handles the packets that were read, until none is whole, a stream is full, or there are answers enough to be
    /// sent: a server whose send window is full can go on with the first of them. True when there may be more. Readers of streams are not woken
    /// yet: they find all of it at once.
    fn handle_incoming(&mut self, online: &mut Online) -> Result<bool, Disconnected> {
        let output_max = online.machine.output_len() + ANSWERS_BYTES;
        let now_ms = self.server.clock.now_ms();
        while !self.routes.is_parked() {
            if online.machine.output_len() >= output_max {
                return Ok(true);
            }
            let Online { link, machine, authenticator, .. } = online;
            let frame = match machine.next_frame(link.incoming()) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => return Err(Disconnected::Protocol(error)),
            };
            let len = frame.bytes().len();
            let event = machine.handle_frame(&frame, now_ms).map_err(Disconnected::Protocol)?;
            let step = match event {
                Some(event) => self.handle_event(event, authenticator)?,
                None => Step::None,
            };
            link.consume(len);
            match step {
                Step::None => {}
                Step::Delivered => self.acknowledge(online),
                Step::Authenticate(data) => {
                    // It fails only for data that is larger than the server takes, which the server then misses.
                    let reason = ReasonCode::ContinueAuthentication;
                    if let Err(not_sent) = machine.authenticate(reason, data.as_deref()) {
                        return Err(give_up(machine, format!("the answer cannot be sent: {not_sent:?}")));
                    }
                }
                Step::GiveUp(text) => return Err(give_up(machine, text)),
            }
        }
        Ok(false)
    }

    fn handle_event(
        &mut self,
        event: Event<'_, PublishRequest>,
        authenticator: &mut Option<Box<dyn Authenticator>>,
    ) -> Result<Step, Disconnected> {
        match event {
            Event::Message(publish) => {
                let qos = publish.qos;
                let receipt = publish.packet_id.map(|packet_id| Receipt { qos, packet_id });
                self.routes.deliver(&publish, receipt);
                return Ok(Step::Delivered);
            }
            Event::Acknowledged { message, ack } => Requests::handle_acknowledged(message, &ack),
            Event::Received { packet_id, message } => self.requests.handle_received(packet_id, message),
            Event::Completed(ack) => self.requests.handle_completed(&ack),
            Event::Subscribed(suback) => {
                let lost = self.requests.handle_subscribed(&suback, &mut self.routes);
                if !lost.is_empty() {
                    self.tell(ConnectionEvent::SubscriptionsLost(lost));
                }
            }
            Event::Unsubscribed(unsuback) => self.requests.handle_unsubscribed(&unsuback, &mut self.routes),
            Event::Auth(auth) => {
                let data = auth.properties.authentication_data();
                if auth.reason == ReasonCode::ContinueAuthentication {
                    return Ok(answer(authenticator, data).map_or_else(Step::GiveUp, Step::Authenticate));
                }
                let finished =
                    authenticator.as_mut().map_or(Ok(()), |authenticator| authenticator.finish(data));
                return Ok(finished.map_or_else(Step::GiveUp, |()| Step::None));
            }
            Event::Disconnected(disconnect) => {
                let properties = disconnect.properties.into();
                return Err(Disconnected::ByServer { reason: disconnect.reason, properties });
            }
            // The machine lets CONNACK through once, in the attempt.
            Event::Connected(_) | Event::Refused(_) => {}
        }
        Ok(Step::None)
    }

    /// Tells the server that the application has the last message, if it has.
    fn acknowledge(&mut self, online: &mut Online) {
        if let Some(Receipt { qos, packet_id }) = self.routes.take_receipt() {
            online.machine.acknowledge(qos, packet_id, ReasonCode::Success);
        }
    }

    /// Tells the server what the application acknowledged by hand.
    fn acknowledge_by_hand(&mut self, online: &mut Online) {
        for (Receipt { qos, packet_id }, reason) in self.routes.take_acknowledged() {
            online.machine.acknowledge(qos, packet_id, reason);
        }
    }

    /// Takes what the application asks for, without waiting.
    async fn take_requests(&mut self, online: &mut Online) -> Option<End> {
        while let Ok(control) = self.controls.try_recv() {
            if let Some(end) = self.handle_control(online, Some(control)).await {
                return Some(end);
            }
        }
        self.resubscribe(&mut online.machine);
        self.requests.send_waiting(&mut online.machine, &mut self.routes);
        let written_before = written_before(&online.link);
        let output_max = BATCH_BYTES.saturating_sub(online.link.unwritten());
        self.requests.send_held(&mut online.machine, written_before, output_max);
        while self.wants_publish(online) {
            let mut taken = std::mem::take(&mut self.taken);
            self.take_publishes(&mut taken);
            let is_last = taken.len() < TAKEN_MAX;
            for request in taken.drain(..) {
                if self.wants_publish(online) {
                    self.handle_publish(online, Some(request));
                } else {
                    self.requests.hold(request);
                }
            }
            self.taken = taken;
            if is_last {
                break;
            }
        }
        None
    }

    /// Takes publishes out of their channel, without waiting and many at once: whoever waits for room in it is woken
    /// once, not for each.
    fn take_publishes(&mut self, taken: &mut Vec<PublishRequest>) {
        // When there are none, `wait` waits for them.
        let mut context = Context::from_waker(Waker::noop());
        let _ = self.publishes.poll_recv_many(&mut context, taken, TAKEN_MAX);
    }

    fn handle_publish(&mut self, online: &mut Online, request: Option<PublishRequest>) {
        match request {
            Some(request) => {
                self.requests.publish(&mut online.machine, request, written_before(&online.link));
            }
            None => online.is_abandoned = true,
        }
    }

    async fn handle_control(&mut self, online: &mut Online, control: Option<Control>) -> Option<End> {
        match control {
            None => {
                // The publishes' channel is closed too: what is in it comes first.
                while let Ok(request) = self.publishes.try_recv() {
                    self.requests.hold(request);
                }
                online.is_abandoned = true;
                None
            }
            Some(Control::ReAuthenticate) => self.re_authenticate(online),
            Some(Control::Disconnect { reason, properties, answer }) => {
                self.acknowledge_by_hand(online);
                self.send_what_can_be_sent(online);
                match online.machine.disconnect(reason, properties.list()) {
                    Ok(()) => {
                        let closed = self.close(online).await;
                        let _ = answer.send(closed.map_err(|_| RequestError::Disconnected));
                        // Whatever became of it: the application wanted the end.
                        Some(End::Final(Disconnected::ByClient))
                    }
                    Err(not_sent) => {
                        let error = match not_sent {
                            NotSent::Invalid(rule) => RequestError::invalid(rule, online.machine.version()),
                            NotSent::NotConnected | NotSent::NoRoom => RequestError::Disconnected,
                        };
                        let _ = answer.send(Err(error));
                        None
                    }
                }
            }
            Some(control) => {
                self.requests.ask(&mut online.machine, &mut self.routes, control);
                None
            }
        }
    }

    fn re_authenticate(&mut self, online: &mut Online) -> Option<End> {
        let begun = match &mut online.authenticator {
            Some(authenticator) => authenticator.begin(),
            None => return None,
        };
        let text = match begun {
            Ok(data) => match online.machine.authenticate(ReasonCode::ReAuthenticate, data.as_deref()) {
                Ok(()) => return None,
                Err(not_sent) => format!("re-authentication cannot begin: {not_sent:?}"),
            },
            Err(text) => text,
        };
        Some(End::Lost(give_up(&mut online.machine, text)))
    }

    /// Before leaving: whatever the send window lets through.
    fn send_what_can_be_sent(&mut self, online: &mut Online) {
        let written_before = written_before(&online.link);
        self.requests.send_held(&mut online.machine, written_before, usize::MAX);
        while self.requests.wants_publish() {
            match self.publishes.try_recv() {
                Ok(request) => self.requests.publish(&mut online.machine, request, written_before),
                Err(_) => break,
            }
        }
    }

    /// All handles are gone and everything is done.
    async fn leave(&mut self, online: &mut Online) -> End {
        self.acknowledge_by_hand(online);
        // This cannot be invalid, and when the connection is over there is nobody to say it to.
        let _ = online.machine.disconnect(ReasonCode::Success, Properties::EMPTY);
        let _ = self.close(online).await;
        End::Final(Disconnected::ByClient)
    }

    async fn close(&mut self, online: &mut Online) -> io::Result<()> {
        self.routes.wake();
        let result = online.link.close(online.machine.poll_output(self.server.clock.now_ms())).await;
        self.requests.handle_written(online.link.written());
        result
    }

    /// Why the connection broke: the server may have said so before.
    async fn lost(&mut self, online: &mut Online, error: io::Error) -> Disconnected {
        let last_words = async { while matches!(online.link.read().await, Ok(1..)) {} };
        let _ = tokio::time::timeout(LAST_WORDS_TIMEOUT, last_words).await;
        let handled = loop {
            match self.handle_incoming(online) {
                Ok(true) => {}
                handled => break handled,
            }
        };
        self.routes.wake();
        match handled {
            Err(disconnected) => disconnected,
            // TLS servers that close without saying so.
            Ok(_) if error.kind() == io::ErrorKind::UnexpectedEof => Disconnected::Closed,
            Ok(_) => Disconnected::Lost(Arc::new(error)),
        }
    }
}

/// What an event leads to.
enum Step {
    None,
    /// A message was handed over, or parked.
    Delivered,
    Authenticate(Option<bytes::Bytes>),
    GiveUp(String),
}

fn written_before(link: &Link) -> u64 {
    link.written() + link.unwritten() as u64
}

/// Ends the connection because authentication failed (`MQTT-4.12.1-2`).
fn give_up(machine: &mut Machine, text: String) -> Disconnected {
    let _ = machine.disconnect(ReasonCode::UnspecifiedError, Properties::EMPTY);
    Disconnected::Authentication(text)
}
