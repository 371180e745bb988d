//! Which routes the topics that came before belong to, so that filters are not compared again for each message.

use std::collections::HashMap;
use std::sync::Arc;

/// How many topics are remembered.
const TOPICS_MAX: usize = 1024;

/// Longer topics are not remembered.
const TOPIC_LEN_MAX: usize = 256;

/// Topics that came before.
#[derive(Debug, Default)]
pub(super) struct Topics {
    /// The topic that came last: often it comes again.
    last: Option<Known>,
    known: HashMap<Arc<str>, Known>,
}

/// What is known of a topic.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The topic, to be shared by its messages.
    pub(super) topic: Arc<str>,
    /// The indexes of the routes that match it.
    pub(super) routes: Arc<[usize]>,
}

impl Topics {
    /// What is known of a topic; `matching` finds the routes of a new one.
    pub(super) fn look_up(&mut self, topic: &str, matching: impl FnOnce() -> Arc<[usize]>) -> Known {
        if let Some(known) = self.last.as_ref().filter(|known| *known.topic == *topic) {
            return known.clone();
        }
        let known = self.find(topic, matching);
        self.last = Some(known.clone());
        known
    }

    fn find(&mut self, topic: &str, matching: impl FnOnce() -> Arc<[usize]>) -> Known {
        if let Some(known) = self.known.get(topic) {
            return known.clone();
        }
        let known = Known { topic: topic.into(), routes: matching() };
        if topic.len() <= TOPIC_LEN_MAX {
            if self.known.len() >= TOPICS_MAX {
                self.known.clear();
            }
            self.known.insert(known.topic.clone(), known.clone());
        }
        known
    }

    /// The routes have changed.
    pub(super) fn forget(&mut self) {
        self.known.clear();
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_matched_once_until_the_routes_change() {
        let mut topics = Topics::default();
        let first = topics.look_up("a", || [1].into());
        let second = topics.look_up("a", || unreachable!("it is known"));
        assert!(Arc::ptr_eq(&first.topic, &second.topic));
        assert_eq!(second.routes[..], [1]);
        topics.forget();
        assert_eq!(topics.look_up("a", || [2].into()).routes[..], [2]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut topics = Topics::default();
        for number in 0..3 * TOPICS_MAX {
            topics.look_up(&number.to_string(), || [].into());
            assert!(topics.known.len() <= TOPICS_MAX);
        }
        let long = "x".repeat(TOPIC_LEN_MAX + 1);
        topics.look_up(&long, || [].into());
        assert!(!topics.known.contains_key(&*long));
    }
}
