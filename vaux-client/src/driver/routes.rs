//! Which stream a message belongs to, and messages that wait because a stream is full.

use std::collections::VecDeque;
use std::sync::Arc;

use vaux_mqtt::ReasonCode;
use vaux_mqtt::packet::{Publish, SubscriptionOptions};
use vaux_mqtt::topic::{TopicFilter, TopicName};

use super::by_hand::ByHand;
use super::payloads::Payloads;
use super::topics::{Known, Topics};
use crate::acknowledgement::{GivenQueue, Receipt};
use crate::message::Message;
use crate::stream::{NotTaken, StreamSender};
use crate::subscription::Subscribe;

/// The subscriptions of the application, and its streams.
#[derive(Debug)]
pub(super) struct Routes {
    routes: Vec<Route>,
    default_stream: Outlet,
    next_key: u64,
    parked: Parked,
    by_hand: ByHand,
    topics: Topics,
    payloads: Payloads,
}

/// Names a route.
pub(super) type RouteKey = u64;

#[derive(Debug)]
struct Route {
    key: RouteKey,
    request: Subscribe,
    identifier: Option<u32>,
    /// The stream of its own, unless its messages go to the default stream.
    outlet: Option<Outlet>,
}

/// The way into a stream.
#[derive(Debug)]
struct Outlet {
    stream: StreamSender,
    /// Whether the application acknowledges what comes out.
    is_manual: bool,
    /// Whether there is something in it of which its reader was not told.
    is_fed: bool,
}

/// A message that waits until streams have room for it.
#[derive(Debug, Default)]
struct Parked {
    deliveries: VecDeque<(StreamSender, Message)>,
    /// What the server is to be told once the message is not parked any more.
    receipt: Option<Receipt>,
}

impl Routes {
    pub(super) fn new(default_stream: StreamSender, default_is_manual: bool) -> Self {
        Routes {
            routes: Vec::new(),
            default_stream: Outlet::new(default_stream, default_is_manual),
            next_key: 0,
            parked: Parked::default(),
            by_hand: ByHand::default(),
            topics: Topics::default(),
            payloads: Payloads::default(),
        }
    }

    /// Adds a subscription, whose messages may come before the server's answer.
    pub(super) fn add(&mut self, request: Subscribe, stream: Option<StreamSender>) -> RouteKey {
        let key = self.next_key;
        self.next_key += 1;
        let identifier = request.properties.list().subscription_identifiers().next();
        let outlet = stream.map(|stream| Outlet::new(stream, request.is_manual));
        self.routes.push(Route { key, request, identifier, outlet });
        self.topics.forget();
        key
    }

    /// Takes a subscription back that was not answered.
    pub(super) fn remove(&mut self, key: RouteKey) -> Option<(Subscribe, Option<StreamSender>)> {
        let index = self.routes.iter().position(|route| route.key == key)?;
        self.topics.forget();
        let route = self.routes.remove(index);
        Some((route.request, route.outlet.map(|outlet| outlet.stream)))
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
        self.replace_earlier(key);
        self.drop_empty();
        refused
    }

    /// A subscription of the default stream replaces earlier ones of it with the same filters, as it does at the
    /// server. Streams of their own keep what they asked for: they may want the same messages.
    fn replace_earlier(&mut self, key: RouteKey) {
        let Some(index) = self.routes.iter().position(|route| route.key == key) else { return };
        let (earlier, route) = self.routes.split_at_mut(index);
        if route[0].outlet.is_some() {
            return;
        }
        let filters = &route[0].request.filters;
        for replaced in earlier.iter_mut().filter(|route| route.outlet.is_none()) {
            replaced.request.filters.retain(|(filter, _)| !filters.iter().any(|(new, _)| new == filter));
        }
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
        self.topics.forget();
    }

    /// The subscriptions to be made again when the server has lost them. Those whose stream was dropped are not.
    pub(super) fn live_subscriptions(&mut self) -> Vec<RouteKey> {
        self.routes.retain(|route| !route.outlet.as_ref().is_some_and(|outlet| outlet.stream.is_closed()));
        self.topics.forget();
        self.routes.iter().map(|route| route.key).collect()
    }

    /// What a subscription asked for, as far as it was not ended since.
    pub(super) fn request(&self, key: RouteKey) -> Option<&Subscribe> {
        // Keys ascend.
        let index = self.routes.binary_search_by_key(&key, |route| route.key).ok()?;
        Some(&self.routes[index].request)
    }

    /// Hands a message to the streams that it belongs to. Where one of them is full, the message is parked. Readers do
    /// not notice before [`Routes::wake`].
    pub(super) fn deliver(&mut self, publish: &Publish<'_>, receipt: Option<Receipt>) {
        let known = self.look_up(publish);
        let mut message = Message::arrived(publish, known.topic, self.payloads.copy(publish.payload));
        let Routes { routes, default_stream, parked, by_hand, .. } = self;
        let mut delivery = Delivery { parked, by_hand, receipt, streams: 0, by_hand_streams: 0 };
        let is_for_default = known.routes.iter().any(|&index| routes[index].outlet.is_none());
        let last_own = known.routes.iter().rposition(|&index| routes[index].outlet.is_some());
        for (position, &index) in known.routes.iter().enumerate() {
            let Some(outlet) = &mut routes[index].outlet else { continue };
            // The last stream gets the message itself.
            if Some(position) == last_own && !is_for_default {
                match delivery.offer(outlet, message) {
                    Some(returned) => message = returned,
                    None => return delivery.finish(),
                }
            } else {
                delivery.offer(outlet, message.clone());
            }
        }
        // What only the default stream wants goes there, and so does what nobody wants.
        if is_for_default || delivery.streams == 0 {
            delivery.offer(default_stream, message);
        }
        delivery.finish();
    }

    /// The topic of a message, and the routes that it belongs to.
    fn look_up(&mut self, publish: &Publish<'_>) -> Known {
        let routes = &self.routes;
        let matching = |is_wanted: &dyn Fn(&Route) -> bool| {
            let indexes = routes.iter().enumerate().filter(|(_, route)| is_wanted(route));
            indexes.map(|(index, _)| index).collect()
        };
        let topic = || TopicName::new(publish.topic).expect("decoding refused what is no topic name");
        let known = self.topics.look_up(publish.topic, || {
            let topic = topic();
            matching(&|route: &Route| route.matches(topic))
        });
        let identifiers = || publish.properties.subscription_identifiers();
        if publish.properties.is_empty() || identifiers().next().is_none() {
            return known;
        }
        let is_wanted = |route: &Route| match route.identifier {
            Some(own) => identifiers().any(|id| id == own),
            None => route.matches(topic()),
        };
        Known { routes: matching(&is_wanted), ..known }
    }

    /// Wakes the readers of streams that messages were handed to.
    pub(super) fn wake(&mut self) {
        let own = self.routes.iter_mut().filter_map(|route| route.outlet.as_mut());
        for outlet in own.chain([&mut self.default_stream]).filter(|outlet| outlet.is_fed) {
            outlet.is_fed = false;
            outlet.stream.wake();
        }
    }

    /// Where the application says what it acknowledges by hand, if it ever had such a message.
    pub(super) fn given(&self) -> Option<Arc<GivenQueue>> {
        self.by_hand.given()
    }

    /// What the application acknowledged by hand.
    pub(super) fn take_acknowledged(&mut self) -> Vec<(Receipt, ReasonCode)> {
        self.by_hand.take()
    }

    /// The connection is over. What the application has, or will find in its streams, counts as acknowledged; handles
    /// of the rest are stale from now on, and what is parked of that is dropped: it comes again.
    pub(super) fn end_connection(&mut self) -> Vec<(Receipt, ReasonCode)> {
        self.parked.deliveries.retain(|(_, message)| message.acknowledgement.0.is_none());
        let mut acknowledged = self.by_hand.end_connection();
        acknowledged.extend(self.parked.receipt.take().map(|receipt| (receipt, ReasonCode::Success)));
        acknowledged
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
        stream.room().await;
        if let Some((stream, message)) = self.parked.deliveries.pop_front() {
            // There is room, unless the stream was dropped and wants nothing any more.
            if stream.push(message).is_ok() {
                stream.wake();
            }
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

impl Outlet {
    fn new(stream: StreamSender, is_manual: bool) -> Self {
        Outlet { stream, is_manual, is_fed: false }
    }
}

/// One message on its way into streams.
struct Delivery<'a> {
    parked: &'a mut Parked,
    by_hand: &'a mut ByHand,
    receipt: Option<Receipt>,
    /// How many streams have it, or will have it.
    streams: usize,
    /// How many of them acknowledge it by hand.
    by_hand_streams: usize,
}

impl Delivery<'_> {
    /// Hands the message to a stream, or parks it. Gives it back when the stream wants nothing any more.
    fn offer(&mut self, outlet: &mut Outlet, mut message: Message) -> Option<Message> {
        let by_hand = self.receipt.filter(|_| outlet.is_manual);
        message.acknowledgement.0 = by_hand.map(|receipt| self.by_hand.handle(receipt));
        match outlet.stream.push(message) {
            Ok(()) => outlet.is_fed = true,
            Err(NotTaken::Full(message)) => {
                self.parked.deliveries.push_back((outlet.stream.clone(), message));
            }
            Err(NotTaken::Closed(message)) => return Some(message),
        }
        self.streams += 1;
        self.by_hand_streams += usize::from(by_hand.is_some());
        None
    }

    /// Says who acknowledges it: the application, or else this client as soon as nothing is parked.
    fn finish(self) {
        match self.receipt {
            Some(receipt) if self.by_hand_streams > 0 => {
                self.by_hand.expect(receipt, self.by_hand_streams);
                self.parked.receipt = None;
            }
            receipt => self.parked.receipt = receipt,
        }
    }
}
