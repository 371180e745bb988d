//! One attempt to connect: dial, CONNECT, enhanced authentication, CONNACK.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vaux_mqtt::protocol::client::{Event, Lost, Session, Settings};
use vaux_mqtt::{ReasonCode, packet::ConnAck};

use super::connect;
use super::first_session;
use super::link::Link;
use super::{Clock, Machine};
use crate::authenticator::Authenticator;
use crate::client::PublishRequest;
use crate::error::{ConnectError, ConnectStage, Refusal};
use crate::event::Connected;
use crate::options::ConnectOptions;
use crate::transport::Dialer;

/// What attempts have in common.
pub(super) struct Server {
    pub(super) options: ConnectOptions,
    pub(super) dialer: Dialer,
    pub(super) clock: Clock,
}

/// A connection that the server accepted.
pub(super) struct Established {
    pub(super) link: Link,
    pub(super) machine: Machine,
    pub(super) authenticator: Option<Box<dyn Authenticator>>,
    pub(super) connected: Arc<Connected>,
    /// How long it took until the stream stood.
    pub(super) dial_time: Duration,
    /// How long the server then took for its answer to CONNECT.
    pub(super) answer_time: Duration,
}

/// An attempt that failed, with what is to be kept for the next one.
pub(super) struct Failed {
    pub(super) error: ConnectError,
    pub(super) session: Session<PublishRequest>,
    pub(super) lost: Vec<Lost<PublishRequest>>,
}

impl Server {
    /// Reads the files that the options name.
    pub(super) fn new(options: ConnectOptions) -> Result<Self, ConnectError> {
        let dialer = Dialer::new(&options)?;
        Ok(Server { options, dialer, clock: Clock(Instant::now()) })
    }

    /// Connects without anything under way.
    pub(super) async fn connect_first(&self, client_id: &str) -> Result<Established, ConnectError> {
        let clean_start = self.options.clean_start;
        let session = first_session(&self.options);
        self.connect(client_id, clean_start, session).await.map_err(|failed| failed.error)
    }

    /// Connects once. `client_id` is the one in force, if there was a connection before.
    pub(super) async fn connect(
        &self,
        client_id: &str,
        clean_start: bool,
        session: Session<PublishRequest>,
    ) -> Result<Established, Failed> {
        let options = &self.options;
        let mut authenticator = options.authenticator.as_ref().map(|make| make());
        let begun = match &mut authenticator {
            Some(authenticator) => connect::connect_properties(options, Some(&mut **authenticator)),
            None => connect::connect_properties(options, None),
        };
        let properties = match begun {
            Ok(properties) => properties,
            Err(error) => return Err(Failed { error, session, lost: Vec::new() }),
        };
        let packet = connect::packet(options, client_id, clean_start, &properties);
        let settings = Settings {
            inflight_maximum: options.window(),
            outgoing_topic_aliases: options.outgoing_topic_aliases,
            maximum_packet_size: options.maximum_packet_size.unwrap_or(u32::MAX),
        };
        let mut machine = Machine::new(&packet, settings, session, self.clock.now_ms());
        let mut stage = ConnectStage::Resolve;
        let began = Instant::now();
        let attempt = async {
            let mut link = Link::new(self.dialer.dial(&mut stage).await?);
            stage = ConnectStage::ConnAck;
            let dial_time = began.elapsed();
            let connected = self.shake_hands(&mut link, &mut machine, &mut authenticator, client_id).await?;
            Ok((link, connected, dial_time))
        };
        let result = tokio::time::timeout(options.connect_timeout, attempt).await;
        match result.unwrap_or_else(|_| Err(ConnectError::Timeout(stage))) {
            Ok((link, connected, dial_time)) => {
                let answer_time = began.elapsed() - dial_time;
                Ok(Established { link, machine, authenticator, connected, dial_time, answer_time })
            }
            Err(error) => {
                let lost = machine.take_lost();
                Err(Failed { error, session: machine.into_session(), lost })
            }
        }
    }

    async fn shake_hands(
        &self,
        link: &mut Link,
        machine: &mut Machine,
        authenticator: &mut Option<Box<dyn Authenticator>>,
        client_id: &str,
    ) -> Result<Arc<Connected>, ConnectError> {
        loop {
            link.write_all(machine.poll_output(self.clock.now_ms())).await.map_err(ConnectError::Lost)?;
            match self.step(link, machine, authenticator, client_id) {
                Ok(Some(connected)) => return Ok(connected),
                Ok(None) => {}
                Err(error) => {
                    // What the server did wrong is said if it can be: the error itself is what matters.
                    let _ = link.write_all(machine.poll_output(self.clock.now_ms())).await;
                    return Err(if is_tls_alert(link.incoming()) {
                        ConnectError::AnswersWithTls
                    } else {
                        error
                    });
                }
            }
            if machine.output_len() > 0 {
                continue;
            }
            match link.read().await {
                Ok(0) => return Err(ConnectError::ClosedByServer),
                Ok(_) => {}
                // A server that refuses may close before it has read everything, which shows as a reset.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Err(ConnectError::ClosedByServer);
                }
                Err(error) => return Err(ConnectError::Lost(error)),
            }
        }
    }

    /// Handles what was read. Packets behind CONNACK stay where they are.
    fn step(
        &self,
        link: &mut Link,
        machine: &mut Machine,
        authenticator: &mut Option<Box<dyn Authenticator>>,
        client_id: &str,
    ) -> Result<Option<Arc<Connected>>, ConnectError> {
        let version = machine.version();
        while let Some(frame) = machine.next_frame(link.incoming()).map_err(ConnectError::Protocol)? {
            let len = frame.bytes().len();
            let event = machine.handle_frame(&frame, self.clock.now_ms()).map_err(ConnectError::Protocol)?;
            match event {
                Some(Event::Connected(connack)) => {
                    let mut connected = Connected {
                        version,
                        session_present: connack.session_present,
                        client_id: assigned_client_id(&connack, client_id),
                        keep_alive: 0,
                        properties: connack.properties.into(),
                    };
                    if let Some(authenticator) = authenticator {
                        let data = connack.properties.authentication_data();
                        authenticator.finish(data).map_err(ConnectError::Authentication)?;
                    }
                    link.consume(len);
                    connected.keep_alive = machine.keep_alive();
                    return Ok(Some(Arc::new(connected)));
                }
                Some(Event::Refused(connack)) => {
                    let properties = connack.properties.into();
                    return Err(ConnectError::Refused(Refusal { reason: connack.reason, properties }));
                }
                Some(Event::Auth(auth)) => {
                    let data = auth.properties.authentication_data();
                    let answer = answer(authenticator, data).map_err(ConnectError::Authentication)?;
                    link.consume(len);
                    machine
                        .authenticate(ReasonCode::ContinueAuthentication, answer.as_deref())
                        .map_err(|not_sent| ConnectError::Authentication(format!("{not_sent:?}")))?;
                }
                // Before CONNACK nothing else is an event.
                _ => link.consume(len),
            }
        }
        Ok(None)
    }
}

/// What a TLS server says to a CONNECT in the clear: a record of an alert, of version 3.x. As MQTT it would be a packet of
/// the reserved type 1 with flags that it does not have.
fn is_tls_alert(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x15, 0x03])
}

fn assigned_client_id(connack: &ConnAck<'_>, client_id: &str) -> Box<str> {
    connack.properties.assigned_client_identifier().unwrap_or(client_id).into()
}

/// The authenticator's answer to the server's data.
pub(super) fn answer(
    authenticator: &mut Option<Box<dyn Authenticator>>,
    data: Option<&[u8]>,
) -> Result<Option<bytes::Bytes>, String> {
    match authenticator {
        Some(authenticator) => authenticator.step(data),
        None => Err("the server wants to go on with authentication, but there is no authenticator".into()),
    }
}
