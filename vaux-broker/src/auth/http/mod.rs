//! Asking a service by HTTP who clients are, and what they may do.
//!
//! A POST with a JSON object for each client that comes; the answer lets it in, refuses it, or leaves it to whoever is
//! asked next. What lets clients in is remembered for a while. Requests are made on a thread of their own ([`Asker`]):
//! nothing here runs on a worker but the look into what is remembered.

mod answer;
mod asker;
mod cache;
mod connection;
mod question;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::file::FileError;
use crate::config::{HttpAuthConfig, OnError};
use crate::core::ConnectRequest;

pub(super) use answer::{Answer, is_user_name};
pub(super) use asker::Asker;
pub(crate) use asker::http_descriptors;

use cache::Cache;
use connection::Connections;

/// A service that is asked.
#[derive(Debug)]
pub(super) struct Service {
    url: Box<str>,
    connections: Connections,
    timeout: Duration,
    on_error: OnError,
    cache: Cache,
    /// Whether it failed when it was last asked, and that was told.
    is_failing: AtomicBool,
}

impl Service {
    /// Prepares to ask. `None` when no service is configured.
    pub(super) fn read(config: &HttpAuthConfig) -> Result<Option<Service>, FileError> {
        let Some(url) = &config.url else { return Ok(None) };
        Ok(Some(Service {
            url: url.as_str().into(),
            connections: Connections::prepare(url, config.ca.as_deref())?,
            timeout: config.timeout,
            on_error: config.on_error,
            cache: Cache::new(config.cache),
            is_failing: AtomicBool::new(false),
        }))
    }

    /// Where it is, as it was configured.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// What the service said of this client a while ago.
    pub(super) fn remembered(&self, request: &ConnectRequest) -> Option<Answer> {
        self.cache.get(request, Instant::now())
    }

    /// Asks. `None`: the service gave no answer that could be understood, and that refuses the client.
    pub(super) async fn ask(&self, request: &ConnectRequest) -> Option<Answer> {
        let question = question::of(request);
        let problem = match tokio::time::timeout(self.timeout, self.connections.post(question)).await {
            Err(_) => format!("no answer within {:?}", self.timeout),
            Ok(Err(problem)) => problem,
            Ok(Ok(body)) => match answer::read(&body) {
                Err(problem) => format!("the answer is not understood: {problem}"),
                Ok(answer) => {
                    if self.is_failing.swap(false, Ordering::Relaxed) {
                        tracing::info!("the authentication service answers again");
                    }
                    self.cache.insert(request, &answer, Instant::now());
                    return Some(answer);
                }
            },
        };
        // Said once: with many clients there would be many lines.
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            tracing::error!(
                service = self.connections.authority(),
                "the authentication service fails: {problem}"
            );
        }
        match self.on_error {
            OnError::Deny => None,
            OnError::Ignore => Some(Answer::Ignore),
        }
    }
}
