//! Subscriptions in all the tables that know of them: the session's, the worker's, and the index that workers share.
//!
//! The index has the text of a filter, and where the filter stands in the table of each worker; the worker's table has
//! the subscribers; the session has the places of its subscriptions.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use vaux_mqtt::packet::SubscriptionOptions;
use vaux_mqtt::topic::TopicFilter;

use super::Core;
use crate::router::interest::{GroupKey, StoredSubscriber};
use crate::router::local::{LocalSlot, LocalSubscription};
use crate::session::{KeptSubscription, Place, SessionSlot, SessionSubscription};
use crate::store::{Record, Sequence};
use crate::time::Time;

/// What watchers subscribe below.
const SYS: &str = "$SYS/";

impl Core {
    /// Puts a subscription into all tables, or changes it there. True when it is new.
    pub(super) fn link_subscription(
        &mut self,
        session: SessionSlot,
        subscription: &SessionSubscription,
    ) -> bool {
        let (place, is_new) = match &subscription.share_name {
            Some(share_name) => {
                let place = Place::Group(self.join_group(session, share_name, subscription));
                let is_new = !self.sessions[session].subscriptions.contains(&place);
                (place, is_new)
            }
            None => self.enter_table(session, subscription),
        };
        let SessionSubscription { options, identifier, .. } = *subscription;
        let subscriptions = &mut self.sessions[session].subscriptions;
        let kept = KeptSubscription { place, options, identifier };
        if is_new {
            subscriptions.add(kept)
        } else {
            subscriptions.replace(kept)
        }
        is_new
    }

    /// Where the subscription stands now, and whether it is new there.
    fn enter_table(&mut self, session: SessionSlot, subscription: &SessionSubscription) -> (Place, bool) {
        let SessionSubscription { filter, options, identifier, .. } = subscription;
        let local = LocalSubscription { session, options: *options, identifier: *identifier };
        let (interest, worker) = (&self.shared.interest, self.worker);
        let known = interest.local_slot(filter, worker);
        let is_new = known.is_none_or(|slot| !self.is_subscribed(session, slot));
        let slot = match known {
            None => self.table.add_filter(local, |slot| interest.add(filter, worker, slot)),
            Some(slot) if is_new => {
                self.table.add(slot, local);
                slot
            }
            Some(slot) => {
                self.table.replace(slot, local);
                slot
            }
        };
        self.remember_stored(slot, &local);
        (Place::Local(slot), is_new)
    }

    /// Whether a session has a subscription at this place. Either may have very many: who has fewer is asked.
    fn is_subscribed(&self, session: SessionSlot, slot: LocalSlot) -> bool {
        let subscriptions = &self.sessions[session].subscriptions;
        match subscriptions.len() < self.table.subscriber_count(slot) {
            true => subscriptions.contains(&Place::Local(slot)),
            false => self.table.is_subscribed(slot, session),
        }
    }

    /// Tells other workers of a subscription whose deliveries they have to record.
    fn remember_stored(&self, slot: LocalSlot, subscription: &LocalSubscription) {
        let state = &self.sessions[subscription.session];
        if self.shared.workers == 1 || !state.is_stored() {
            return;
        }
        let subscriber = StoredSubscriber {
            sid: state.sid,
            home: self.worker,
            options: subscription.options,
            identifier: subscription.identifier,
        };
        self.shared.interest.remember(self.table.filter_id(slot), subscriber);
    }

    /// Counts a subscription that is new.
    pub(super) fn count_subscription(&mut self, now: Time, subscription: &SessionSubscription) {
        self.subscriptions += 1;
        self.shared_subscriptions += usize::from(subscription.share_name.is_some());
        if subscription.filter.starts_with(SYS) {
            self.shared.sys_watchers.fetch_add(1, Ordering::Relaxed);
            self.announce_watcher(now);
        }
    }

    /// Where the subscription of a session stands that has this filter, as the client wrote it.
    pub(super) fn place_of(&self, session: SessionSlot, filter: TopicFilter<'_>) -> Option<Place> {
        let state = &self.sessions[session];
        let options = SubscriptionOptions::default();
        let SessionSubscription { filter, share_name, .. } =
            SessionSubscription::new(filter, &state.key.mount, options, 0);
        let place = match share_name {
            Some(share_name) => Place::Group(Arc::new(GroupKey { share_name, filter })),
            None => Place::Local(self.shared.interest.local_slot(&filter, self.worker)?),
        };
        let is_subscribed = match &place {
            Place::Local(slot) => self.is_subscribed(session, *slot),
            Place::Group(_) => state.subscriptions.contains(&place),
        };
        is_subscribed.then_some(place)
    }

    /// Takes a subscription out of all tables. `None` when the session has none with this filter.
    pub(super) fn remove_subscription(&mut self, session: SessionSlot, text: &str) -> Option<Sequence> {
        let place = self.place_of(session, TopicFilter::new(text).ok()?)?;
        let state = &mut self.sessions[session];
        let removed = state.subscriptions.remove(&place)?;
        let needs = match state.is_stored() {
            true => {
                let sid = state.sid;
                self.recorder.record(|| Record::Unsubscribed { sid, filter: text.into() })
            }
            false => Sequence::NONE,
        };
        self.unlink_subscription(session, &removed);
        Some(needs)
    }

    /// Takes a subscription that its session has no longer out of the other tables.
    pub(super) fn unlink_subscription(&mut self, session: SessionSlot, removed: &KeptSubscription) {
        let sid = self.sessions[session].sid;
        let interest = &self.shared.interest;
        let is_below_sys = match &removed.place {
            Place::Group(key) => {
                self.shared_subscriptions -= 1;
                interest.leave(key, sid);
                key.filter.starts_with(SYS)
            }
            Place::Local(slot) => {
                let filter = self.table.filter_id(*slot);
                let is_below_sys = interest.starts_with(filter, SYS);
                if self.shared.workers > 1 && self.recorder.is_keeping() {
                    interest.forget(filter, sid);
                }
                if let Some(filter) = self.table.remove(*slot, session) {
                    interest.remove(filter, self.worker);
                }
                is_below_sys
            }
        };
        self.subscriptions -= 1;
        if is_below_sys {
            self.shared.sys_watchers.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A subscription with its texts.
    pub(super) fn full_subscription(
        &self,
        session: SessionSlot,
        subscription: &KeptSubscription,
    ) -> SessionSubscription {
        let mount_len = self.sessions[session].key.mount.len();
        let (filter, share_name) = match &subscription.place {
            Place::Local(slot) => (self.shared.interest.text(self.table.filter_id(*slot)), None),
            Place::Group(key) => (key.filter.clone(), Some(key.share_name.clone())),
        };
        let plain = &filter[mount_len..];
        let text = match &share_name {
            Some(share_name) => format!("$share/{share_name}/{plain}").into_boxed_str(),
            None => plain.into(),
        };
        let KeptSubscription { options, identifier, .. } = *subscription;
        SessionSubscription { text, filter, share_name, options, identifier }
    }
}
