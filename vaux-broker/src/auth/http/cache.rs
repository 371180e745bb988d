//! Answers that are good for a while, so that clients that come back do not trouble the service.
//!
//! What is kept of a client is a digest of all that the service was told of it. Refusals are not kept: who was let in a moment later should not have to wait.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hashbrown::HashMap;

use super::Answer;
use crate::auth::digest::{Digest, Digester};
use crate::core::ConnectRequest;

/// What the service said lately.
#[derive(Debug)]
pub(super) struct Cache {
    digester: Digester,
    keep: Duration,
    generations: Mutex<Generations>,
}

/// When the new is full it becomes the old, and what was the old is forgotten.
#[derive(Debug, Default)]
struct Generations {
    new: HashMap<Digest, (Answer, Instant)>,
    old: HashMap<Digest, (Answer, Instant)>,
    /// What the new takes, roughly.
    new_bytes: usize,
}

/// The new is full with so many answers,
const MAX_ANSWERS: usize = 1 << 15;
/// or so many bytes.
const MAX_BYTES: usize = 8 << 20;

impl Cache {
    /// Keeps answers for so long. 0: not at all.
    pub(super) fn new(keep: Duration) -> Cache {
        Cache { digester: Digester::new(), keep, generations: Mutex::default() }
    }

    pub(super) fn get(&self, request: &ConnectRequest, now: Instant) -> Option<Answer> {
        if self.keep.is_zero() {
            return None;
        }
        let digest = self.digest(request);
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let Generations { new, old, .. } = &*generations;
        let (answer, until) = new.get(&digest).or_else(|| old.get(&digest))?;
        (*until > now).then(|| answer.clone())
    }

    pub(super) fn insert(&self, request: &ConnectRequest, answer: &Answer, now: Instant) {
        if !self.keep.is_zero() && *answer != Answer::Deny {
            let digest = self.digest(request);
            let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
            generations.insert(digest, answer.clone(), now + self.keep);
        }
    }

    /// Of all that the service was told, except the port that the client happened to have.
    fn digest(&self, request: &ConnectRequest) -> Digest {
        let ip = request.peer.ip().map(|ip| ip.to_string());
        let parts: [Option<&[u8]>; 6] = [
            Some(request.client_id.as_bytes()),
            request.user_name.as_deref().map(str::as_bytes),
            request.password.as_deref(),
            ip.as_deref().map(str::as_bytes),
            Some(request.listener.name.as_bytes()),
            request.certificate_common_name.as_deref().map(str::as_bytes),
        ];
        self.digester.digest(parts)
    }
}

impl Generations {
    fn insert(&mut self, digest: Digest, answer: Answer, until: Instant) {
        if self.new.len() >= MAX_ANSWERS || self.new_bytes >= MAX_BYTES {
            self.old = std::mem::take(&mut self.new);
            self.new_bytes = 0;
        }
        self.new_bytes += size_bytes(&answer);
        self.new.insert(digest, (answer, until));
    }
}

fn size_bytes(answer: &Answer) -> usize {
    let more = match answer {
        Answer::Allow { user, grants, .. } => {
            user.as_ref().map_or(0, |user| user.len())
                + grants.as_ref().map_or(0, |grants| grants.size_bytes())
        }
        Answer::Deny | Answer::Ignore => 0,
    };
    size_of::<(Digest, Answer, Instant)>() + more
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rights::{Grants, Rule};

    const ALLOW: Answer = Answer::Allow { user: None, grants: None, expires_at: None };

    #[test]
    fn it_stays_within_its_bounds_and_keeps_the_last() {
        let mut generations = Generations::default();
        let until = Instant::now();
        for number in 0..(3 * MAX_ANSWERS as u128) {
            generations.insert(number.to_be_bytes(), ALLOW, until);
        }
        assert!(generations.new.len() + generations.old.len() <= 2 * MAX_ANSWERS);
        let rule =
            Rule { topic: "x".repeat(60_000).into(), publish: true, subscribe: true, is_denial: false };
        let grants = Some(Grants::new(vec![rule]).unwrap());
        let large = Answer::Allow { user: None, grants, expires_at: None };
        for number in 0..1000_u128 {
            generations.insert(number.to_be_bytes(), large.clone(), until);
            assert!(generations.new_bytes <= MAX_BYTES + 130_000);
            assert!(generations.new.contains_key(&number.to_be_bytes()));
        }
        assert!(generations.new.len() + generations.old.len() < 300);
    }
}
