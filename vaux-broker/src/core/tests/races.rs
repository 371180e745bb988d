//! Races inside one input of two workers, which the simulation cannot see: it handles one input after the other.

use std::sync::Mutex;

use shuttle::sync::mpsc::channel;
use shuttle::thread;

use super::*;
use crate::message::{Content, Message};
use crate::router::local::{LocalSubscription, LocalTable};
use crate::store::Record;
use crate::sync::race;

/// A worker with one client, whose session lives there.
struct Single {
    core: Core,
    slot: u32,
}

fn shared() -> Arc<Shared> {
    Arc::new(Shared::new(2, Arc::new(DefaultRights), 1))
}

impl Single {
    fn connect(worker: u16, shared: &Arc<Shared>) -> Single {
        let lives_here = |client_id: &String| {
            let key = SessionKey { mount: "".into(), client_id: client_id.as_str().into() };
            shared.home_of(&key) == WorkerId(worker)
        };
        let client_id = (0..).map(|number| format!("c{number}")).find(lives_here).unwrap();
        let mut core = Core::new(WorkerId(worker), Arc::clone(shared), Arc::default(), Recorder::keeping());
        let listener = ListenerSettings::new(&ListenerConfig::new(ListenerKind::Tcp), true);
        let slot = core.handle_accept(Time(0), Arc::new(listener), crate::peer::Peer::Unix);
        let mut bytes = Vec::new();
        Connect::new(Version::V5, &client_id).encode(&mut bytes);
        core.handle_bytes(Time(0), slot, &bytes);
        let Some(Effect::Authenticate { connection, request }) = core.poll_effect() else { unreachable!() };
        core.handle_verdict(Time(0), connection, request, Ok(Identity::Anonymous.into()));
        Single { core, slot }
    }

    fn subscribe(&mut self, filter: &str) {
        let subscriptions = [Subscription { filter, options: SubscriptionOptions::default() }];
        let subscribe = Subscribe {
            packet_id: id(1),
            properties: Properties::EMPTY,
            subscriptions: Subscriptions::from_slice(&subscriptions),
        };
        let mut bytes = Vec::new();
        subscribe.encode(Version::V5, &mut bytes);
        self.core.handle_bytes(Time(0), self.slot, &bytes);
    }

    fn retain(&mut self, topic: &str, payload: &str) {
        let publish = Publish { retain: true, payload: payload.as_bytes(), ..Publish::new(topic) };
        let mut bytes = Vec::new();
        publish.encode(Version::V5, &mut bytes);
        self.core.handle_bytes(Time(0), self.slot, &bytes);
    }

    /// Whether a message was sent to the client.
    fn has_sent(&mut self, payload: &str) -> bool {
        let bytes = self.core.outbox_mut(self.slot).first();
        bytes.windows(payload.len()).any(|window| window == payload.as_bytes())
    }
}

#[test]
fn a_message_is_seen_live_or_retained_by_one_who_subscribes_meanwhile() {
    race(|| {
        let shared = shared();
        let (sender, parcels) = channel();
        let for_publisher = Arc::clone(&shared);
        let publisher = thread::spawn(move || {
            let mut publisher = Single::connect(1, &for_publisher);
            // What the topic matches is in the cache then.
            publisher.retain("a", "first");
            publisher.retain("a", "second");
            sender.send(publisher.core.take_parcel(WorkerId(0))).unwrap();
        });
        let mut subscriber = Single::connect(0, &shared);
        subscriber.subscribe("a");
        if let Some(parcel) = parcels.recv().unwrap() {
            subscriber.core.handle_parcel(Time(0), WorkerId(1), parcel);
        }
        assert!(subscriber.has_sent("second"));
        publisher.join().unwrap();
    });
}

fn retained_message(mid: u64) -> Message {
    let content = Content {
        publisher: 0,
        qos: QoS::AtMostOnce,
        retain: true,
        expires_at: Time::NEVER,
        topic: "a",
        properties: &[],
        payload: b"x",
    };
    Message::new(mid, &content)
}

/// The order that a publisher or a subscriber must not have. That it is noticed shows that the orders are tried.
#[test]
#[should_panic(expected = "seen neither live nor retained")]
fn the_wrong_order_is_noticed() {
    race(|| {
        let shared = shared();
        let for_publisher = Arc::clone(&shared);
        let publisher = thread::spawn(move || {
            for_publisher.retained.set(retained_message(1), None, usize::MAX, usize::MAX).unwrap();
            !for_publisher.interest.matches(vaux_mqtt::topic::TopicName::new("a").unwrap()).workers.is_empty()
        });
        // The tree must be read behind this.
        let is_retained = shared.retained.message("a").is_some();
        let mut table = LocalTable::default();
        let options = SubscriptionOptions::default();
        let subscription = LocalSubscription { session: SessionSlot(0), options, identifier: 0 };
        table.add_filter(subscription, |slot| shared.interest.add("a", WorkerId(0), slot));
        let is_live = publisher.join().unwrap();
        assert!(is_retained || is_live, "seen neither live nor retained");
    });
}

/// A retained message, if there is one.
type Kept = Option<Message>;

/// Two workers set the retained message of one topic, and a store writes what they submit. Returns what is in the tree
/// and on the disk in the end, as `written` chooses from what was submitted and what the tree holds.
fn race_for_a_topic(written: fn(Kept, Kept) -> Kept) {
    race(move || {
        let shared = shared();
        let on_disk = Arc::new(Mutex::new(None));
        let (sender, submissions) = channel();
        let publishers = [0, 1].map(|worker| {
            let (shared, sender) = (Arc::clone(&shared), sender.clone());
            thread::spawn(move || {
                let mut publisher = Single::connect(worker, &shared);
                publisher.retain("a", &format!("from {worker}"));
                let submission = publisher.core.take_submission().unwrap();
                let held = shared.retained.message("a");
                sender.send((submission, held)).unwrap();
            })
        });
        drop(sender);
        for (submission, held) in submissions.iter() {
            let is_of_topic = |record: &Record| matches!(record, Record::Retained { .. });
            assert!(submission.records.iter().any(is_of_topic));
            *on_disk.lock().unwrap() = written(held, shared.retained.message("a"));
        }
        publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
        let payload = |message: Option<Message>| message.map(|message| message.payload().to_vec());
        let on_disk = payload(on_disk.lock().unwrap().clone());
        assert_eq!(on_disk, payload(shared.retained.message("a")), "the disk holds another message");
    });
}

#[test]
fn the_disk_holds_what_the_tree_holds_whoever_was_first() {
    race_for_a_topic(|_, in_the_tree| in_the_tree);
}

#[test]
#[should_panic(expected = "the disk holds another message")]
fn a_store_that_writes_what_was_submitted_is_noticed() {
    race_for_a_topic(|submitted, _| submitted);
}
