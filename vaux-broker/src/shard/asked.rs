//! Those outside who asked a worker something and wait for the answer.

use std::collections::HashMap;

use super::mailbox::AnswerTo;
use crate::core::Totals;

/// Who waits for what, by the number that core knows them by.
#[derive(Debug, Default)]
pub(super) struct Asked {
    next_token: u64,
    requests: HashMap<u64, AnswerTo<serde_json::Value>>,
    totals: HashMap<u64, AnswerTo<Totals>>,
}

impl Asked {
    pub(super) fn insert_request(&mut self, to: AnswerTo<serde_json::Value>) -> u64 {
        let token = self.token();
        self.requests.retain(|_, to| !to.is_closed());
        self.requests.insert(token, to);
        token
    }

    pub(super) fn insert_totals(&mut self, to: AnswerTo<Totals>) -> u64 {
        let token = self.token();
        self.totals.retain(|_, to| !to.is_closed());
        self.totals.insert(token, to);
        token
    }

    pub(super) fn answer(&mut self, token: u64, answer: serde_json::Value) {
        if let Some(to) = self.requests.remove(&token) {
            // Nobody waits any more: then nobody needs it.
            let _ = to.send(answer);
        }
    }

    pub(super) fn give(&mut self, token: u64, totals: Totals) {
        if let Some(to) = self.totals.remove(&token) {
            // Nobody waits any more: then nobody needs them.
            let _ = to.send(totals);
        }
    }

    fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }
}
