//! Who published retained messages: enough to ask whether they still may. Each publisher is kept once, however much it
//! published.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use hashbrown::HashMap;

use crate::rights::Grants;
use crate::session::{Identity, SessionKey};

/// Who published a retained message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The client, with what its listener puts in front of topics.
    pub key: SessionKey,
    /// The user.
    pub identity: Identity,
    /// The listener that it was connected to. `None`: it is not known any more.
    pub listener: Option<Arc<str>>,
    /// What it might do, if whoever let it in said so.
    pub grants: Option<Grants>,
}

impl Hash for Source {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Those who differ in the rest only are few.
        self.key.hash(state);
        self.identity.hash(state);
    }
}

/// All publishers of retained messages, each with how many it published.
#[derive(Debug, Default)]
pub(super) struct Sources(HashMap<Arc<Source>, usize>);

impl Sources {
    /// One more message of this publisher.
    pub(super) fn add(&mut self, source: &Source) -> Arc<Source> {
        if let Some((known, _)) = self.0.get_key_value(source) {
            let known = Arc::clone(known);
            *self.0.entry(Arc::clone(&known)).or_default() += 1;
            return known;
        }
        let new = Arc::new(source.clone());
        self.0.insert(Arc::clone(&new), 1);
        new
    }

    /// One message of it less.
    pub(super) fn remove(&mut self, source: &Source) {
        if let Some(count) = self.0.get_mut(source) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(source);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
