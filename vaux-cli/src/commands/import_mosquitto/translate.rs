//! The configuration that sorted directives make.

use vaux_broker::config::{Config, ListenerConfig};

use super::listener::{self, Surroundings};
use super::report::Report;
use super::security::Security;
use super::sort::{Listener, Sorted};
use super::{broker, plugins};
use crate::cli_error::CliError;

pub(super) fn translate(sorted: Sorted, report: &mut Report) -> Result<Config, CliError> {
    let mut config = broker::defaults();
    broker::apply(&sorted.broker, &mut config, report)?;
    plugins::plugins(&sorted.plugins, &mut config, report)?;
    plugins::bridges(&sorted.bridges, report);
    let common = Security::read(&sorted.security, report)?;
    config.auth.password_file.clone_from(&common.password_file);
    config.auth.acl_file.clone_from(&common.acl_file);
    let mut takes_empty_ids = vec![common.allow_zero_length_clientid];
    for source in &sorted.listeners {
        let own = Security::read(&source.security, report)?;
        takes_empty_ids.push(own.allow_zero_length_clientid);
        let security = if sorted.per_listener { &own } else { &common };
        let surroundings = Surroundings { auth: &config.auth, security, is_local_only: sorted.is_local_only };
        if let Some(mut made) = listener::translate(source, &surroundings, report)? {
            made.name = free_name(&config.listeners, &made);
            config.listeners.push(made);
        }
    }
    config.mqtt.allow_zero_length_client_id = !takes_empty_ids.contains(&Some(false));
    topic_aliases(&sorted.listeners, &mut config, report)?;
    if sorted.is_local_only {
        report.note_at_end(
            "without a listener mosquitto listens on 127.0.0.1 and ::1; what is printed, on 127.0.0.1",
        );
        if common.allow_anonymous.is_none() && common.password_file.is_some() {
            report.note_at_end(
                "without a listener mosquitto lets in clients of this machine that give no user name, in spite of the \
                 password file; so does what is printed: allow_anonymous = false keeps them out",
            );
        }
    }
    Ok(config)
}

/// A name that says what and where a listener is.
fn free_name(others: &[ListenerConfig], listener: &ListenerConfig) -> String {
    let name = match listener.bind.port {
        0 => listener.kind.to_string(),
        port => format!("{}-{port}", listener.kind),
    };
    let is_free = |name: &String| others.iter().all(|other| other.name != *name);
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.clone()).chain(numbered).find(is_free).unwrap_or(name)
}

/// They are for each listener in mosquitto, and for all in vaux.
fn topic_aliases(listeners: &[Listener], config: &mut Config, report: &mut Report) -> Result<(), CliError> {
    for (name, limit) in [
        ("max_topic_alias", &mut config.limits.topic_alias_maximum),
        ("max_topic_alias_broker", &mut config.limits.topic_alias_outgoing),
    ] {
        let mut largest = None;
        for directive in listeners.iter().flat_map(|listener| &listener.given) {
            if directive.name == name {
                let number = u16::try_from(directive.number(0..=65_535)?).unwrap_or(u16::MAX);
                largest = largest.max(Some(number));
                if listeners.len() > 1 {
                    report.note(directive, "one number counts for all listeners: the largest that is given");
                }
            }
        }
        *limit = largest.unwrap_or(*limit);
    }
    Ok(())
}
