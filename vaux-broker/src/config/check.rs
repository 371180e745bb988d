//! Whether a configuration can be worked with, wherever its values came from.

use std::path::PathBuf;

use super::codec::Codec;
use super::keys::{self, Keys};
use super::{
    AuthConfig, Config, ConfigError, HttpAuthConfig, ListenerConfig, ListenerKind, ListenerTls, UsernameFrom,
};

impl Config {
    /// Checks every value against its range, and what belongs together.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, by the name of its key.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut checker = Checker { section: String::new(), problem: None };
        keys::all(&mut checker, &mut self.clone());
        let problem = checker.problem.or_else(|| auth_problem(&self.auth));
        match problem {
            Some(message) => Err(ConfigError { line: None, message }),
            None => Ok(()),
        }
    }
}

/// What is wrong with the sources of users: a service without an address would be asked nothing, unnoticed.
fn auth_problem(auth: &AuthConfig) -> Option<String> {
    let is_without_url = auth.http.url.is_none() && auth.http != HttpAuthConfig::default();
    is_without_url.then(|| "auth.http needs url".into())
}

/// What is wrong with a listener's keys taken together.
pub(super) fn listener_problem(listener: &ListenerConfig) -> Option<String> {
    let set = |path: &Option<PathBuf>| path.is_some();
    match listener.kind {
        ListenerKind::Tls | ListenerKind::Wss if set(&listener.tls.cert) != set(&listener.tls.key) => {
            Some("cert and key are given together or not at all".into())
        }
        _ if !set(&listener.tls.client_ca) && asks_clients(&listener.tls) => {
            Some("crl, require_client_cert and username_from need client_ca".into())
        }
        kind if !kind.has_tls() && listener.tls != Default::default() => {
            Some(format!("a listener of kind \"{kind}\" has no tls section"))
        }
        ListenerKind::Unix if listener.socket.as_os_str().is_empty() => {
            Some("a listener of kind \"unix\" needs bind, the path of its socket".into())
        }
        ListenerKind::Unix if listener.proxy_protocol => {
            Some("a listener of kind \"unix\" has no proxy_protocol".into())
        }
        _ if listener.proxy_protocol == listener.proxy_from.is_empty() => {
            Some("proxy_protocol = true and proxy_from go together".into())
        }
        kind if !kind.has_web_socket() && listener.ws != Default::default() => {
            Some(format!("a listener of kind \"{kind}\" has no ws section"))
        }
        _ => None,
    }
}

fn asks_clients(tls: &ListenerTls) -> bool {
    tls.crl.is_some() || tls.require_client_cert || tls.username_from != UsernameFrom::None
}

/// What is wrong with the listeners taken together; the last one is the new one.
pub(super) fn name_problem(listeners: &[ListenerConfig]) -> Option<String> {
    let (last, others) = listeners.split_last()?;
    others
        .iter()
        .any(|other| other.name == last.name)
        .then(|| format!("two listeners are called {:?}; a name is used once", last.name))
}

struct Checker {
    section: String,
    problem: Option<String>,
}

impl Keys for Checker {
    fn key<T>(&mut self, name: &'static str, value: &mut T, codec: impl Codec<T>, _comment: &'static str) {
        if let (None, Err(problem)) = (&self.problem, codec.check(value)) {
            self.problem = Some(format!("{}{name} {problem}", self.section));
        }
    }

    fn section(&mut self, name: &'static str, keys: impl FnOnce(&mut Self)) {
        let outer = self.section.clone();
        self.section = format!("{outer}{name}.");
        keys(self);
        self.section = outer;
    }

    fn listeners(&mut self, listeners: &mut Vec<ListenerConfig>) {
        for count in 1..=listeners.len() {
            self.section = format!("listener {:?}: ", listeners[count - 1].name);
            let problem =
                name_problem(&listeners[..count]).or_else(|| listener_problem(&listeners[count - 1]));
            if let (None, Some(problem)) = (&self.problem, problem) {
                self.problem = Some(format!("{}{problem}", self.section));
            }
            keys::listener(self, &mut listeners[count - 1]);
        }
        self.section.clear();
    }
}
