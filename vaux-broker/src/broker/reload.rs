//! Another configuration for a broker that is running.

use std::sync::{Arc, PoisonError};

use super::{Broker, proxies, web_socket_rules, worker_count};
use crate::config::{Config, ListenerConfig, UsernameFrom};
use crate::core::{ListenerSettings, Settings};
use crate::shard::{ListenerTerms, Mail};
use crate::tls::ServerTls;

impl Broker {
    /// Takes over what can be changed while clients are connected: limits, what is offered of the protocol, and what
    /// listeners offer and prove themselves with. Says what could not be changed, a sentence each. Connections keep
    /// what was negotiated with them.
    pub fn reload(&self, config: Config, tls: Vec<Option<ServerTls>>) -> Vec<String> {
        let mut current = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        let mut unchanged = Vec::new();
        if config.store != current.store {
            unchanged.push("the store changes at the next start".to_owned());
        }
        if worker_count(config.workers) != self.mailboxes.len() {
            unchanged.push("the number of workers changes at the next start".to_owned());
        }
        for (index, old) in current.listeners.iter_mut().enumerate() {
            let new = config.listeners.iter().position(|new| new.name == old.name);
            let Some(new) = new else {
                let settings = self.closed_listener_settings(old);
                self.post_all(|| Mail::ListenerGone(index, Arc::clone(&settings)));
                unchanged.push(format!("the listener {} is closed at the next start", old.name));
                continue;
            };
            unchanged.extend(fixed_differences(old, &config.listeners[new]));
            let terms = Box::new(ListenerTerms {
                settings: self.listener_settings(&config, new, index),
                tls: tls.get(new).cloned().flatten(),
                web_socket: web_socket_rules(&config.listeners[new]),
                proxies: proxies(&config.listeners[new]),
                max_connections_per_ip: config.listeners[new].max_connections_per_ip,
            });
            self.post_all(|| Mail::Listener(index, terms.clone()));
            take_over(old, &config.listeners[new]);
        }
        for new in &config.listeners {
            if !current.listeners.iter().any(|old| old.name == new.name) {
                unchanged.push(format!("the listener {} is opened at the next start", new.name));
            }
        }
        let settings = Arc::new(Settings::new(&config));
        self.post_all(|| Mail::Settings(Arc::clone(&settings)));
        current.limits = config.limits;
        current.mqtt = config.mqtt;
        current.sys = config.sys;
        current.log.filter = config.log.filter;
        unchanged.extend(self.reload_http(&mut current, &config.http));
        unchanged
    }

    /// Of a listener that is open and not in the configuration any more: nobody is let in by what it says.
    fn closed_listener_settings(&self, listener: &ListenerConfig) -> Arc<ListenerSettings> {
        Arc::new(ListenerSettings {
            edition: self.next_edition(),
            username_from: UsernameFrom::None,
            ..ListenerSettings::new(listener, false)
        })
    }
}

/// Makes of `listener` what is in force after a reload with `new`.
fn take_over(listener: &mut ListenerConfig, new: &ListenerConfig) {
    let old = std::mem::replace(listener, new.clone());
    listener.bind = old.bind;
    listener.kind = old.kind;
    listener.mount = old.mount;
    listener.max_connections = old.max_connections;
}

/// What of a listener stays as it was until the next start.
fn fixed_differences(old: &ListenerConfig, new: &ListenerConfig) -> Vec<String> {
    let name = &old.name;
    let differences = [
        (old.bind != new.bind || old.socket != new.socket, "address"),
        (old.kind != new.kind, "kind"),
        (old.mount != new.mount, "mount"),
        (old.max_connections != new.max_connections, "max_connections"),
    ];
    let changed = differences.into_iter().filter(|(differs, _)| *differs);
    changed.map(|(_, what)| format!("the {what} of the listener {name} changes at the next start")).collect()
}
