//! How many sessions each user has, on all workers together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::session::Identity;

/// Counts by user. Those who are anonymous are nobody in particular, and not counted.
#[derive(Debug, Default)]
pub(super) struct UserSessions(Mutex<HashMap<Arc<str>, usize>>);

impl UserSessions {
    pub(super) fn of(&self, identity: &Identity) -> usize {
        let Identity::User(name) = identity else { return 0 };
        let users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        users.get(name).copied().unwrap_or(0)
    }

    pub(super) fn add(&self, identity: &Identity) {
        let Identity::User(name) = identity else { return };
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *users.entry(Arc::clone(name)).or_default() += 1;
    }

    pub(super) fn remove(&self, identity: &Identity) {
        let Identity::User(name) = identity else { return };
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = users.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                users.remove(name);
            }
        }
    }
}
