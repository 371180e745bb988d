//! Whether clients that were let in still would be: asked after a reload, and about each client once it is let in, as there
//! may have been a reload meanwhile.
//!
//! What somebody logged in with is asked about at once. A certificate takes some signatures to judge: there, all who have
//! one are looked at over several turns, and only those whose listener goes by something else than when they came.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use super::{Shard, ShardListener};
use crate::authenticate::Authenticate;
use crate::core::Login;
use crate::session::Identity;
use crate::time::Time;
use crate::tls;

/// How many certificates are judged before others get a turn. One takes about a tenth of a millisecond.
const CERTIFICATES_A_TURN: usize = 16;

impl Shard {
    /// Looks at everybody, at certificates in the turns that follow.
    pub(super) fn review_all(&mut self, now: Time) {
        let authenticate = Arc::clone(&self.authenticate);
        self.core.handle_review(now, &mut |login| still_counts(&*authenticate, login));
        self.unreviewed = self.links.slots();
    }

    /// Looks at a client that was let in.
    pub(super) fn review(&mut self, now: Time, slot: Option<u32>) {
        let Some(slot) = slot else { return };
        let authenticate = Arc::clone(&self.authenticate);
        self.core.review(now, slot, &mut |login| still_counts(&*authenticate, login));
        self.review_certificate(now, slot);
    }

    /// Looks at some of those whose certificates have not been looked at since the last reload.
    pub(super) fn review_certificates(&mut self, now: Time) {
        let mut judged = 0;
        while judged < CERTIFICATES_A_TURN
            && let Some(slot) = self.unreviewed.next()
        {
            judged += usize::from(self.review_certificate(now, slot));
            self.run_effects(now);
        }
    }

    /// Ends the connection of a client that could not come by its certificate now. True when it was judged.
    fn review_certificate(&mut self, now: Time, slot: u32) -> bool {
        let Some(link) = self.links.get_mut(slot) else { return false };
        let Some(chain) = link.transport.peer_certificates() else { return false };
        let mut is_judged = false;
        self.core.review(now, slot, &mut |login| {
            let listener = self.listeners.iter().find(|now| now.settings.name == login.listener.name);
            match listener.filter(|now| now.settings.edition > login.listener.edition) {
                Some(listener) => {
                    is_judged = true;
                    still_admits(listener, chain, login)
                }
                // It came by what still counts; or the broker stops, and has closed its listeners.
                None => true,
            }
        });
        is_judged
    }
}

/// Whether what a client logged in with counts, as far as anybody is asked about it again.
fn still_counts(authenticate: &dyn Authenticate, login: Login<'_>) -> bool {
    login.proof == 0 || authenticate.still_holds(&login.listener.name, login.identity, login.proof)
}

/// Whether a client with these certificates could connect to the listener and be who it is.
fn still_admits(listener: &ShardListener, chain: &[CertificateDer<'_>], login: Login<'_>) -> bool {
    let names_it = |from| match tls::user_name(&chain[0], from) {
        Ok(Some(name)) => *login.identity == Identity::User((*name).into()),
        _ => false,
    };
    // Nobody else was asked about it then.
    let came_by_certificate = login.proof == 0 && names_it(login.listener.username_from);
    if came_by_certificate && !names_it(listener.settings.username_from) {
        return false;
    }
    match listener.tls.as_ref().and_then(|tls| tls.client_verifier.as_deref()) {
        Some(verifier) => tls::is_accepted(verifier, chain),
        // Certificates are not asked for any more.
        None => !came_by_certificate,
    }
}
