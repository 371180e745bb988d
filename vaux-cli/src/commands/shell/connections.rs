//! The connections of the shell, by name: how each was opened, how it is, and telling people what becomes of it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use vaux_client::{ConnectionEvent, Message};

use super::topics::Topics;
use crate::cli_error::CliError;
use crate::connection::{
    ConnectArgs, Observer, Place, ReconnectArgs, SharedConnection, State, connect_as_operator,
};
use crate::output::screen;
use crate::output::talk::Talk;

/// Topics that were seen, on any connection.
pub(super) type SeenTopics = Arc<Mutex<Topics>>;

/// Remembers a topic.
pub(super) fn see(topics: &SeenTopics, topic: &str) {
    topics.lock().unwrap_or_else(PoisonError::into_inner).note(topic);
}

/// A connection, open or not.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: Arc<str>,
    args: ConnectArgs,
    reconnect: ReconnectArgs,
    open: Option<SharedConnection>,
}

/// All connections.
#[derive(Debug)]
pub(super) struct Connections {
    list: Vec<Named>,
    current: usize,
    pub(super) topics: SeenTopics,
    /// How many there are, for those who print.
    pub(super) count: Arc<AtomicUsize>,
    talk: Talk,
}

impl Connections {
    /// One connection, that is not open yet. Its flags are complete.
    pub(super) fn new(args: ConnectArgs, reconnect: ReconnectArgs, talk: Talk) -> Connections {
        let name = args.short_name().into();
        Connections {
            list: vec![Named { name, args, reconnect, open: None }],
            current: 0,
            topics: SeenTopics::default(),
            count: Arc::new(AtomicUsize::new(1)),
            talk,
        }
    }

    /// The connection in use.
    pub(super) fn current(&self) -> &Named {
        &self.list[self.current]
    }

    /// All names.
    pub(super) fn names(&self) -> Vec<String> {
        self.list.iter().map(|named| named.name.to_string()).collect()
    }

    /// Uses the connection with this name.
    pub(super) fn use_named(&mut self, name: &str) -> Result<(), CliError> {
        self.current = self.index(name)?;
        Ok(())
    }

    fn index(&self, name: &str) -> Result<usize, CliError> {
        self.list.iter().position(|named| *named.name == *name).ok_or_else(|| {
            let hint = format!("there are {}; `connect {name} …` opens one", self.names().join(", "));
            CliError::usage_with_hint(format!("there is no connection {name}"), hint)
        })
    }

    /// Notes another connection, or other flags for one, and uses it. Gives back what is to be closed.
    pub(super) fn define(
        &mut self,
        name: Option<String>,
        args: ConnectArgs,
        reconnect: ReconnectArgs,
    ) -> Option<SharedConnection> {
        let name: Arc<str> = name.unwrap_or_else(|| args.short_name()).into();
        let named = Named { name: name.clone(), args, reconnect, open: None };
        let replaced = match self.list.iter().position(|known| known.name == name) {
            Some(index) => {
                self.current = index;
                std::mem::replace(&mut self.list[index], named).open
            }
            None => {
                self.list.push(named);
                self.current = self.list.len() - 1;
                None
            }
        };
        self.count.store(self.list.len(), Ordering::Relaxed);
        replaced
    }

    /// Takes the open connection with this name away, if it is open.
    pub(super) fn take(&mut self, name: Option<&str>) -> Result<Option<SharedConnection>, CliError> {
        let index = name.map_or(Ok(self.current), |name| self.index(name))?;
        Ok(self.list[index].open.take())
    }

    /// All that are open.
    pub(super) fn open_ones(&self) -> Vec<SharedConnection> {
        self.list.iter().filter_map(|named| named.open.clone()).collect()
    }

    /// Opens the connection in use, unless it is open or is being opened again by itself. Says what has been opened.
    pub(super) async fn open_current(&mut self) -> Result<Option<SharedConnection>, CliError> {
        let named = &self.list[self.current];
        if named.open.as_ref().is_some_and(|open| !matches!(open.state(), State::Ended(_))) {
            return Ok(None);
        }
        let watcher = Arc::new(Watcher {
            name: named.name.clone(),
            topics: self.topics.clone(),
            count: self.count.clone(),
            talk: self.talk.in_background(),
            has_failed: AtomicBool::new(false),
        });
        let (places, policy) = ([Place::Connect, Place::Will], named.reconnect.policy());
        let opened = connect_as_operator(named.args.clone(), &places, policy, self.talk).await?;
        let (plan, client, connection) = opened;
        let open = SharedConnection::new(plan, client, connection, watcher);
        self.list[self.current].open = Some(open.clone());
        Ok(Some(open))
    }

    /// A line for each connection, or a JSON object.
    pub(super) fn list(&self, as_json: bool, jobs: &dyn Fn(&str) -> Vec<(String, u64)>) -> String {
        let mut text = String::new();
        for (index, named) in self.list.iter().enumerate() {
            let (is_current, subscriptions) = (index == self.current, jobs(&named.name));
            match as_json {
                true => text.push_str(&named.to_json(is_current, &subscriptions)),
                false => text.push_str(&named.to_line(is_current, &subscriptions)),
            }
        }
        text
    }
}

impl Named {
    /// The open connection.
    pub(super) fn open(&self) -> Option<&SharedConnection> {
        self.open.as_ref()
    }

    /// How it was opened, or is to be.
    pub(super) fn args(&self) -> &ConnectArgs {
        &self.args
    }

    /// How it is, in a word.
    fn state(&self) -> &'static str {
        match self.open.as_ref().map(SharedConnection::state) {
            Some(State::Online) => "connected",
            Some(State::Lost(_)) => "connecting again",
            Some(State::Ended(_)) => "ended",
            None => "not connected",
        }
    }

    fn server(&self) -> String {
        self.open.as_ref().map(|open| open.plan().server()).unwrap_or_default()
    }

    fn to_line(&self, is_current: bool, subscriptions: &[(String, u64)]) -> String {
        let mark = if is_current { '*' } else { ' ' };
        let glyph = if self.state() == "connected" { ONLINE } else { OFFLINE };
        let mut text = format!("{mark} {glyph} {:<12} {}", self.name, self.state());
        if let Some(open) = &self.open {
            let client = &open.connected().client_id;
            text.push_str(&format!("  {}  MQTT {}  client {client}", self.server(), open.plan().version));
        }
        text.push('\n');
        for (filter, printed) in subscriptions {
            let messages = if *printed == 1 { "message" } else { "messages" };
            text.push_str(&format!("      {filter}  {printed} {messages}\n"));
        }
        text
    }

    fn to_json(&self, is_current: bool, subscriptions: &[(String, u64)]) -> String {
        let subscriptions: Vec<_> = subscriptions
            .iter()
            .map(|(filters, printed)| json!({ "filters": filters, "printed": printed }))
            .collect();
        let object = json!({
            "name": &*self.name,
            "in_use": is_current,
            "state": self.state(),
            "server": self.open.as_ref().map(|open| open.plan().server()),
            "client_id": self.open.as_ref().map(|open| open.connected().client_id.to_string()),
            "subscriptions": subscriptions,
        });
        format!("{object}\n")
    }
}

/// The sign of a connection that is there.
pub(super) const ONLINE: char = '●';

/// The sign of one that is not.
pub(super) const OFFLINE: char = '○';

/// Looks at what comes over a connection, and tells people how it fares.
struct Watcher {
    name: Arc<str>,
    topics: SeenTopics,
    count: Arc<AtomicUsize>,
    talk: Talk,
    /// Whether an attempt to connect again has failed, and that was told.
    has_failed: AtomicBool,
}

impl Observer for Watcher {
    fn message(&self, message: &Message, is_unasked: bool) {
        see(&self.topics, &message.topic);
        if is_unasked {
            let payload = String::from_utf8_lossy(&message.payload);
            let line = format!("{}{} {payload}\n", label(&self.name, &self.count), message.topic);
            let safe: String =
                line.chars().filter(|character| !character.is_control() || *character == '\n').collect();
            // There is nobody to tell when standard output is closed; the next command finds out.
            let _ = screen::print(safe.as_bytes());
        }
    }

    /// An outage is told by its beginning, its first failed attempt and its end.
    fn event(&self, event: &ConnectionEvent) {
        let name = &self.name;
        match event {
            ConnectionEvent::Disconnected(vaux_client::Disconnected::ByClient) => {}
            ConnectionEvent::Disconnected(why) => {
                self.has_failed.store(false, Ordering::Relaxed);
                self.talk.note(format_args!("{name}: {why}"));
            }
            ConnectionEvent::Reconnecting { attempt: 1, .. } => {
                self.talk.note(format_args!("{name}: connecting again"));
            }
            ConnectionEvent::Reconnecting { .. } => {}
            ConnectionEvent::ReconnectFailed(error) if !self.has_failed.swap(true, Ordering::Relaxed) => {
                self.talk.note(format_args!("{name}: {error}; trying on"));
            }
            ConnectionEvent::Connected(connected) => {
                let session = if connected.session_present { ", with the session of before" } else { "" };
                self.talk.note(format_args!("{name}: connected again{session}"));
            }
            ConnectionEvent::SubscriptionsLost(filters) => {
                self.talk.warning(format_args!("{name}: not subscribed again to {}", filters.join(", ")));
            }
            ConnectionEvent::Ended => self.talk.debug(format_args!("{name}: the connection has ended")),
            _ => {}
        }
    }
}

/// What stands in front of a message, while there are several connections that it could be from.
pub(super) fn label(name: &str, count: &AtomicUsize) -> String {
    if count.load(Ordering::Relaxed) > 1 { format!("{name}: ") } else { String::new() }
}
