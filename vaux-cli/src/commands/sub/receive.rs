//! Receiving: subscribe, print what arrives, tell what happens to the connection, and know when to end.

use std::io::{self, BufWriter, Write, stdout};
use std::num::NonZeroU64;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::watch;
use vaux_client::{ConnectionEvent, Disconnected, Message, ReconnectPolicy, RequestError};

use super::remove::Remover;
use super::{Condition, Requests, Selection, SubArgs};
use crate::cli_error::{CliError, Exit};
use crate::connection::{
    Events, Inbox, Interrupt, Link, Place, Plan, PropertyLists, Session, any_matches, close, subscribe, tell,
};
use crate::output::message::MessageWriter;
use crate::output::talk::Talk;

/// How many messages are printed before anything else is looked at.
const BATCH: usize = 1024;

/// How much output is collected while messages keep coming.
const BUFFER_BYTES: usize = 64 * 1024;

/// What receiving happens in: the program by itself, or the background of the shell.
pub(crate) struct Stage {
    /// What ends it.
    pub(crate) interrupt: Interrupt,
    /// Where messages are written to.
    pub(crate) out: Box<dyn Write + Send>,
    /// What stands in front of each message.
    pub(crate) label: Box<dyn Fn() -> String + Send>,
    /// Is told how far it is.
    pub(crate) progress: watch::Sender<Progress>,
    /// Says what happens.
    pub(crate) talk: Talk,
}

/// How far receiving is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Whether the server has answered.
    pub(crate) is_subscribed: bool,
    /// How many messages were printed.
    pub(crate) printed: u64,
}

impl Stage {
    /// The program by itself: standard output, until a signal comes.
    pub(super) fn program(talk: Talk) -> Result<Stage, CliError> {
        Ok(Stage {
            interrupt: Interrupt::listen()?,
            out: Box::new(stdout()),
            label: Box::new(String::new),
            progress: watch::Sender::default(),
            talk,
        })
    }
}

/// What the flags ask for.
#[derive(Debug)]
pub(super) struct Receiver {
    writer: MessageWriter,
    filter_out: Vec<String>,
    conditions: Vec<Condition>,
    only_changes: bool,
    count: Option<NonZeroU64>,
    no_retained: bool,
    retained_only: bool,
    remove_retained: bool,
}

/// Whether to go on after a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    GoOn,
    End,
}

impl Receiver {
    pub(super) fn new(args: &SubArgs, writer: MessageWriter) -> Receiver {
        Receiver {
            writer,
            filter_out: args.filter_out.clone(),
            conditions: args.conditions.clone(),
            only_changes: args.changed,
            count: args.count,
            no_retained: args.no_retained,
            retained_only: args.retained_only,
            remove_retained: args.remove_retained,
        }
    }

    /// Connects, receives until something ends it, disconnects.
    pub(super) async fn run(
        self,
        plan: Plan,
        requests: Requests,
        reconnect: ReconnectPolicy,
        timeout: Option<Duration>,
        stage: Stage,
    ) -> Result<Exit, CliError> {
        let Stage { mut interrupt, out, label, progress, talk } = stage;
        let session = tokio::select! {
            session = Session::open(&plan, reconnect, talk) => session?,
            exit = interrupt.wait() => return Ok(exit),
        };
        let mut receiving = Receiving {
            receiver: &self,
            out: BufWriter::with_capacity(BUFFER_BYTES, out),
            label,
            progress,
            remover: self.remove_retained.then(|| Remover::start(session.client.clone(), talk)),
            selection: Selection::new(self.conditions.clone(), self.only_changes),
            printed: 0,
            refused: None,
            ended: None,
            talk,
        };
        let outcome = receiving.receive(session, &plan, requests, interrupt, timeout).await;
        let refused = receiving.refused.take();
        match (outcome, refused) {
            (Ok(Exit::Ok), Some(error)) => Err(error),
            (outcome, _) => outcome,
        }
    }
}

/// The state of receiving.
struct Receiving<'a> {
    receiver: &'a Receiver,
    out: BufWriter<Box<dyn Write + Send>>,
    label: Box<dyn Fn() -> String + Send>,
    progress: watch::Sender<Progress>,
    remover: Option<Remover>,
    selection: Selection,
    printed: u64,
    /// A subscription that the server refused while it granted others.
    refused: Option<CliError>,
    /// Why the connection ended last.
    ended: Option<Disconnected>,
    talk: Talk,
}

impl Receiving<'_> {
    async fn receive(
        &mut self,
        session: Session,
        plan: &Plan,
        requests: Requests,
        mut interrupt: Interrupt,
        timeout: Option<Duration>,
    ) -> Result<Exit, CliError> {
        let Session { client, mut events, mut messages } = session;
        let ends_after_asking = requests.ends_after;
        // Messages of a session of before may come in front of the answers, so that both are waited for at once.
        let mut asking = pin!(ask(client.clone(), requests, plan.properties.clone(), self.talk));
        let mut is_asking = true;
        let mut time_is_over = pin!(tokio::time::sleep(timeout.unwrap_or_default()));
        let exit = loop {
            match self.print_waiting(&mut messages).and_then(|next| self.flush().map(|()| next)) {
                Ok(Next::GoOn) => {}
                Ok(Next::End) => break Ok(Exit::Ok),
                Err(error) => break Err(CliError::Stdio(error)),
            }
            tokio::select! {
                message = messages.next() => match message.map(|message| self.take(&message)) {
                    Some(Ok(Next::GoOn)) => {}
                    Some(Ok(Next::End)) => break Ok(Exit::Ok),
                    Some(Err(error)) => break Err(CliError::Stdio(error)),
                    None => return Err(self.lost(&mut events).await),
                },
                answer = &mut asking, if is_asking => {
                    is_asking = false;
                    match answer {
                        Ok(refused) => self.refused = refused,
                        // Why the connection ended is told by its events.
                        Err((_, RequestError::Disconnected | RequestError::Ended)) => {}
                        Err((what, source)) => break Err(CliError::Request { what, source }),
                    }
                    self.progress.send_modify(|progress| progress.is_subscribed = true);
                    if ends_after_asking {
                        break Ok(Exit::Ok);
                    }
                }
                Some(event) = events.next() => self.tell(event),
                () = &mut time_is_over, if timeout.is_some() => {
                    self.talk.note("timed out");
                    break Ok(Exit::TimedOut);
                }
                exit = interrupt.wait() => break Ok(exit),
            }
        };
        let flushed = self.flush();
        if let Some(remover) = self.remover.take() {
            remover.finish().await;
        }
        close(&client, plan.properties.of(Place::Disconnect), self.talk).await;
        flushed.map_err(CliError::Stdio).and(exit)
    }

    /// Shows what was printed, and tells how much it is.
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()?;
        let printed = self.printed;
        self.progress
            .send_if_modified(|progress| std::mem::replace(&mut progress.printed, printed) != printed);
        Ok(())
    }

    /// Prints messages that are there already, but not for ever.
    fn print_waiting(&mut self, messages: &mut Inbox) -> io::Result<Next> {
        for _ in 0..BATCH {
            let Some(message) = messages.try_next() else { break };
            if self.take(&message)? == Next::End {
                return Ok(Next::End);
            }
        }
        Ok(Next::GoOn)
    }

    fn take(&mut self, message: &Message) -> io::Result<Next> {
        let flags = self.receiver;
        if flags.retained_only && !message.retain {
            return Ok(Next::End);
        }
        if any_matches(&flags.filter_out, &message.topic) {
            return Ok(Next::GoOn);
        }
        if message.retain {
            if let Some(remover) = &self.remover {
                remover.remove(message);
            }
            if flags.no_retained {
                return Ok(Next::GoOn);
            }
        }
        if !self.selection.takes(message) {
            return Ok(Next::GoOn);
        }
        self.out.write_all((self.label)().as_bytes())?;
        if !flags.writer.write(&mut self.out, message)? {
            self.talk.error(format_args!("the payload is not valid JSON on topic {:?}", message.topic));
        }
        self.printed += 1;
        let is_last = flags.count.is_some_and(|count| self.printed >= count.get());
        Ok(if is_last { Next::End } else { Next::GoOn })
    }

    /// Tells what happened to the connection.
    fn tell(&mut self, event: ConnectionEvent) {
        tell(&event, self.talk);
        if let ConnectionEvent::Disconnected(why) = event {
            self.ended = Some(why);
        }
    }

    /// Why there will be no more messages.
    async fn lost(&mut self, events: &mut Events) -> CliError {
        let flushed = self.flush();
        while let Some(event) = events.next().await {
            match event {
                ConnectionEvent::Ended => break,
                // The error that is returned says it.
                ConnectionEvent::Disconnected(why) => self.ended = Some(why),
                event => self.tell(event),
            }
        }
        let why = match self.ended.take() {
            Some(why) => Some(why),
            None => events.end().await,
        };
        match (flushed, why) {
            (Err(error), _) => CliError::Stdio(error),
            (Ok(()), Some(why)) => CliError::Lost(why),
            (Ok(()), None) => CliError::Lost(Disconnected::Closed),
        }
    }
}

/// Subscribes and then unsubscribes. Returns the first filter that was refused while others were granted.
async fn ask(
    link: Link,
    requests: Requests,
    properties: PropertyLists,
    talk: Talk,
) -> Result<Option<CliError>, (String, RequestError)> {
    let mut refused = None;
    if let Some(request) = requests.subscribe {
        refused = subscribe(&link, request, &requests.filters, talk).await?;
    }
    if !requests.unsubscribe.is_empty() {
        let what = format!("not unsubscribed from {}", requests.unsubscribe.join(", "));
        let properties = properties.of(Place::Unsubscribe);
        let answer = link.unsubscribe(&requests.unsubscribe, properties).await;
        let answer = answer.map_err(|error| (what, error))?;
        for (filter, reason) in requests.unsubscribe.iter().zip(&answer.reasons) {
            talk.debug(format_args!("unsubscribed from {filter}: {}", reason.name()));
        }
    }
    Ok(refused)
}
