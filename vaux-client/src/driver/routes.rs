//! Which stream a message belongs to, and messages that wait because a stream is full.

use std::collections::VecDeque;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use vaux_mqtt::packet::{PacketId, SubscriptionOptions};
use vaux_mqtt::topic::{TopicFilter, TopicName};
use vaux_mqtt::{QoS, ReasonCode};

use crate::message::Message;
use crate::subscription::Subscribe;

/// The subscriptions of the application, and its streams.
#[derive(Debug)]
pub(super) struct Routes {
    routes: Vec<Route>,
    default_stream: mpsc::Sender<Message>,
    next_key: u64,
    parked: Parked,
    /// Indexes of routes, kept for its memory.
    matched: Vec<usize>,
}

/// Names a route.
pub(super) type RouteKey = u64;

#[derive(Debug)]
struct Route {
    key: RouteKey,
    request: Subscribe,
    identifier: Option<u32>,
    stream: Stream,
}

/// Where the messages of a subscription go.
#[derive(Debug)]
enum Stream {
    Own(mpsc::Sender<Message>),
    Default,
}

/// A message that waits until streams have room for it.
#[derive(Debug, Default)]
struct Parked {
    deliveries: VecDeque<(mpsc::Sender<Message>, Message)>,
    receipt: Option<Receipt>,
}

/// What the server is to be told once the application has a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) qos: QoS,
    pub(super) packet_id: PacketId,
}

impl Routes {
    pub(super) fn new(default_stream: mpsc::Sender<Message>) -> Self {
        Routes {
            routes: Vec::new(),
            default_stream,
            next_key: 0,
            parked: Parked::default(),
            matched: Vec::new(),
        }
    }

    /// Adds a subscription, whose messages may come before the server's answer.
    pub(super) fn add(&mut self, request: Subscribe, stream: Option<mpsc::Sender<Message>>) -> RouteKey {
        let key = self.next_key;
        self.next_key += 1;
        let identifier = request.properties.list().subscription_identifiers().next();
        let stream = stream.map_or(Stream::Default, Stream::Own);
        self.routes.push(Route { key, request, identifier, stream });
        key
    }

    /// Takes a subscription back that was not answered.
    pub(super) fn remove(&mut self, key: RouteKey) -> Option<(Subscribe, Option<mpsc::Sender<Message>>)> {
        let index = self.routes.iter().position(|route| route.key == key)?;
        let route = self.routes.remove(index);
        let stream = match route.stream {
            Stream::Own(stream) => Some(stream),
            Stream::Default => None,
        };
        Some((route.request, stream))
    }

    /// Keeps the filters that the server granted, and gives back the others.
    pub(super) fn handle_answer(&mut self, key: RouteKey, reasons: &[ReasonCode]) -> Vec<Box<str>> {
        let Some(route) = self.routes.iter_mut().find(|route| route.key == key) else { return Vec::new() };
        let mut refused = Vec::new();
        let mut reasons = reasons.iter();
        route.request.filters.retain(|(filter, _)| {
            let is_granted = reasons.next().is_some_and(|reason| !reason.is_error());
            if !is_granted {
                refused.push(filter.clone());
            }
            is_granted
        });
        self.drop_empty();
        refused
    }

    /// Ends the subscriptions with these filters.
    pub(super) fn unsubscribe<'a>(&mut self, filters: impl Iterator<Item = &'a str>) {
        for ended in filters {
            for route in &mut self.routes {
                route.request.filters.retain(|(filter, _)| **filter != *ended);
            }
        }
        self.drop_empty();
    }

    fn drop_empty(&mut self) {
        self.routes.retain(|route| !route.request.filters.is_empty());
    }

    /// The subscriptions to be made again when the server has lost them. Those whose stream was dropped are not.
    pub(super) fn live_subscriptions(&mut self) -> Vec<(RouteKey, Subscribe)> {
        self.routes.retain(|route| !route.stream.is_closed());
        self.routes.iter().map(|route| (route.key, route.request.clone())).collect()
    }

    /// Hands a message to the streams that it belongs to. Where one of them is full, the message is parked.
    pub(super) fn deliver(&mut self, message: Message, receipt: Option<Receipt>) {
        self.parked.receipt = receipt;
        let topic = TopicName::new(&message.topic).expect("decoding refused what is no topic name");
        let identifiers = message.properties.list();
        let has_identifiers = identifiers.subscription_identifiers().next().is_some();
        let is_wanted = |route: &Route| match route.identifier {
            Some(own) if has_identifiers => identifiers.subscription_identifiers().any(|id| id == own),
            _ => route.matches(topic),
        };
        self.matched.clear();
        let mut is_for_default = false;
        for (index, route) in self.routes.iter().enumerate().filter(|(_, route)| is_wanted(route)) {
            match &route.stream {
                Stream::Own(stream) if !stream.is_closed() => self.matched.push(index),
                Stream::Own(_) => {}
                Stream::Default => is_for_default = true,
            }
        }
        // What only the default stream wants goes there, and so does what nobody wants.
        let default_stream = (is_for_default || self.matched.is_empty()).then_some(&self.default_stream);
        let own_streams = self.matched.iter().filter_map(|&index| match &self.routes[index].stream {
            Stream::Own(stream) => Some(stream),
            Stream::Default => None,
        });
        let mut streams = own_streams.chain(default_stream).peekable();
        while let Some(stream) = streams.next() {
            // The last stream gets the message itself.
            if streams.peek().is_none() {
                self.parked.offer(stream, message);
                break;
            }
            self.parked.offer(stream, message.clone());
        }
    }

    /// Whether a message is parked.
    pub(super) fn is_parked(&self) -> bool {
        !self.parked.deliveries.is_empty()
    }

    /// What to tell the server about the last message, once it is not parked any more.
    pub(super) fn take_receipt(&mut self) -> Option<Receipt> {
        if self.is_parked() { None } else { self.parked.receipt.take() }
    }

    /// The connection that the parked message came from is gone: nobody is to be told about it.
    pub(super) fn forget_receipt(&mut self) {
        self.parked.receipt = None;
    }

    /// Waits until a stream has room for its parked message, and hands it over. Cancelling loses nothing.
    pub(super) async fn unpark(&mut self) {
        let Some((stream, _)) = self.parked.deliveries.front() else { return std::future::pending().await };
        // A stream that was dropped wants nothing any more.
        if let Ok(permit) = stream.clone().reserve_owned().await
            && let Some((_, message)) = self.parked.deliveries.pop_front()
        {
            permit.send(message);
        } else {
            self.parked.deliveries.pop_front();
        }
    }
}

impl Route {
    fn matches(&self, topic: TopicName<'_>) -> bool {
        self.request.filters.iter().any(|(filter, _): &(Box<str>, SubscriptionOptions)| {
            TopicFilter::new(filter).is_ok_and(|filter| filter.matches(topic))
        })
    }
}

impl Stream {
    fn is_closed(&self) -> bool {
        matches!(self, Stream::Own(stream) if stream.is_closed())
    }
}

impl Parked {
    fn offer(&mut self, stream: &mpsc::Sender<Message>, message: Message) {
        if let Err(TrySendError::Full(message)) = stream.try_send(message) {
            self.deliveries.push_back((stream.clone(), message));
        }
    }
}
