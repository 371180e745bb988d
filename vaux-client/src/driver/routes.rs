//! Which stream a message belongs to, and messages that wait because a stream is full.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use vaux_mqtt::ReasonCode;
use vaux_mqtt::packet::SubscriptionOptions;
use vaux_mqtt::topic::{TopicFilter, TopicName};

use crate::acknowledgement::{GivenQueue, Receipt};
use crate::message::Message;
use crate::subscription::Subscribe;

/// The subscriptions of the application, and its streams.
#[derive(Debug)]
pub(super) struct Routes {
    routes: Vec<Route>,
    default_stream: mpsc::Sender<Message>,
    /// Whether the application acknowledges the messages of the default stream.
    default_is_manual: bool,
    next_key: u64,
    parked: Parked,
    by_hand: ByHand,
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

/// Messages that the application acknowledges itself.
#[derive(Debug, Default)]
struct ByHand {
    given: Arc<GivenQueue>,
    /// Whether there ever was one.
    is_used: bool,
    /// Messages of several such subscriptions: how many have not acknowledged, and what to say.
    shared: HashMap<Receipt, (usize, ReasonCode)>,
}

impl Routes {
    pub(super) fn new(default_stream: mpsc::Sender<Message>, default_is_manual: bool) -> Self {
        Routes {
            routes: Vec::new(),
            default_stream,
            default_is_manual,
            next_key: 0,
            parked: Parked::default(),
            by_hand: ByHand::default(),
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
    pub(super) fn deliver(&mut self, mut message: Message, receipt: Option<Receipt>) {
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
        let default_stream = (is_for_default || self.matched.is_empty())
            .then_some((&self.default_stream, self.default_is_manual && !self.default_stream.is_closed()));
        let own_streams = self.matched.iter().filter_map(|&index| {
            let route = &self.routes[index];
            match &route.stream {
                Stream::Own(stream) => Some((stream, route.request.is_manual)),
                Stream::Default => None,
            }
        });
        let mut streams = own_streams.chain(default_stream).peekable();
        let mut by_hand = 0;
        while let Some((stream, is_manual)) = streams.next() {
            // The last stream gets the message itself.
            let is_last = streams.peek().is_none();
            let mut offered = if is_last { std::mem::take(&mut message) } else { message.clone() };
            if let Some(receipt) = receipt.filter(|_| is_manual) {
                offered.acknowledgement.0 = Some(self.by_hand.given.handle(receipt));
                by_hand += 1;
            }
            self.parked.offer(stream, offered);
        }
        self.parked.receipt = receipt.filter(|_| by_hand == 0);
        self.by_hand.is_used |= by_hand > 0;
        if let (Some(receipt), 2..) = (receipt, by_hand) {
            self.by_hand.shared.insert(receipt, (by_hand, ReasonCode::Success));
        }
    }

    /// Where the application says what it acknowledges by hand, if it ever had such a message.
    pub(super) fn given(&self) -> Option<Arc<GivenQueue>> {
        self.by_hand.is_used.then(|| self.by_hand.given.clone())
    }

    /// What the application acknowledged by hand.
    pub(super) fn take_acknowledged(&mut self) -> impl Iterator<Item = (Receipt, ReasonCode)> {
        self.by_hand.settle(self.by_hand.given.take())
    }

    /// The connection is over. What the application has, or will find in its streams, counts as acknowledged; handles
    /// of the rest are stale from now on, and what is parked of that is dropped: it comes again.
    pub(super) fn end_connection(&mut self) -> impl Iterator<Item = (Receipt, ReasonCode)> {
        let parked = self.parked.receipt.take().map(|receipt| (receipt, ReasonCode::Success));
        self.parked.deliveries.retain(|(_, message)| message.acknowledgement.0.is_none());
        let settled: Vec<_> = self.by_hand.settle(self.by_hand.given.end_connection()).collect();
        self.by_hand.shared.clear();
        parked.into_iter().chain(settled)
    }

    /// Whether a message is parked.
    pub(super) fn is_parked(&self) -> bool {
        !self.parked.deliveries.is_empty()
    }

    /// What to tell the server about the last message, once it is not parked any more.
    pub(super) fn take_receipt(&mut self) -> Option<Receipt> {
        if self.is_parked() { None } else { self.parked.receipt.take() }
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

impl ByHand {
    /// The messages that all their streams have acknowledged now. One that refuses decides what is said.
    fn settle(&mut self, given: Vec<(Receipt, ReasonCode)>) -> impl Iterator<Item = (Receipt, ReasonCode)> {
        given.into_iter().filter_map(|(receipt, reason)| {
            let Some((missing, said)) = self.shared.get_mut(&receipt) else { return Some((receipt, reason)) };
            *missing -= 1;
            if reason.is_error() {
                *said = reason;
            }
            if *missing > 0 {
                return None;
            }
            self.shared.remove(&receipt).map(|(_, said)| (receipt, said))
        })
    }
}

impl Parked {
    fn offer(&mut self, stream: &mpsc::Sender<Message>, message: Message) {
        if let Err(TrySendError::Full(message)) = stream.try_send(message) {
            self.deliveries.push_back((stream.clone(), message));
        }
    }
}
