//! What each directive is about: the broker, one of its listeners, who may do what, plugins, or bridges.

use super::broker;
use super::read::Directive;
use crate::cli_error::CliError;

/// All directives, by what they are about.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    pub(super) broker: Vec<Directive>,
    /// Who may do what, for all listeners.
    pub(super) security: Vec<Directive>,
    pub(super) plugins: Vec<Directive>,
    pub(super) bridges: Vec<Directive>,
    pub(super) listeners: Vec<Listener>,
    /// Whether each listener says for itself who may do what.
    pub(super) per_listener: bool,
    /// Whether no listener is named: mosquitto then listens on loopback only.
    pub(super) is_local_only: bool,
}

/// The directives of a listener.
#[derive(Debug, Default)]
pub(super) struct Listener {
    /// What makes it: `listener`, or what stands in front of all others. `None`: there is none in the file.
    pub(super) head: Option<Directive>,
    pub(super) given: Vec<Directive>,
    pub(super) security: Vec<Directive>,
}

const LISTENER: &[&str] = &[
    "accept_protocol_versions",
    "bind_interface",
    "cafile",
    "capath",
    "certfile",
    "ciphers",
    "ciphers_tls1.3",
    "crlfile",
    "dhparamfile",
    "disable_client_cert_date_checks",
    "enable_proxy_protocol",
    "http_dir",
    "keyfile",
    "listener_allow_anonymous",
    "listener_auto_id_prefix",
    "max_connections",
    "max_qos",
    "max_topic_alias",
    "max_topic_alias_broker",
    "maximum_qos",
    "mount_point",
    "protocol",
    "proxy_protocol_v2_require_tls",
    "psk_hint",
    "require_certificate",
    "socket_domain",
    "tls_engine",
    "tls_engine_kpass_sha1",
    "tls_keyform",
    "tls_version",
    "use_identity_as_username",
    "use_subject_as_username",
    "use_username_as_clientid",
    "websockets_origin",
];

const SECURITY: &[&str] = &[
    "acl_file",
    "allow_anonymous",
    "allow_zero_length_clientid",
    "auto_id_prefix",
    "password_file",
    "psk_file",
];

const PLUGIN: &[&str] = &[
    "auth_plugin",
    "auth_plugin_deny_special_chars",
    "global_plugin",
    "plugin",
    "plugin_load",
    "plugin_use",
];

const BRIDGE: &[&str] = &[
    "address",
    "addresses",
    "bridge_alpn",
    "bridge_attempt_unsubscribe",
    "bridge_bind_address",
    "bridge_cafile",
    "bridge_capath",
    "bridge_certfile",
    "bridge_ciphers",
    "bridge_ciphers_tls1.3",
    "bridge_identity",
    "bridge_insecure",
    "bridge_keyfile",
    "bridge_max_packet_size",
    "bridge_max_topic_alias",
    "bridge_outgoing_retain",
    "bridge_protocol_version",
    "bridge_psk",
    "bridge_receive_maximum",
    "bridge_reload_type",
    "bridge_require_ocsp",
    "bridge_session_expiry_interval",
    "bridge_tcp_keepalive",
    "bridge_tcp_user_timeout",
    "bridge_tls_use_os_certs",
    "bridge_tls_version",
    "cleansession",
    "clientid",
    "connection",
    "idle_timeout",
    "keepalive_interval",
    "local_cleansession",
    "local_clientid",
    "local_password",
    "local_username",
    "notification_topic",
    "notifications",
    "notifications_local_only",
    "password",
    "remote_clientid",
    "remote_password",
    "remote_username",
    "restart_timeout",
    "round_robin",
    "start_type",
    "threshold",
    "topic",
    "try_private",
    "username",
];

/// Sorts directives, which must be in order: some are about the listener that stands in front of them.
pub(super) fn sort(directives: Vec<Directive>) -> Result<Sorted, CliError> {
    let mut sorter = Sorter {
        sorted: Sorted { is_local_only: true, ..Sorted::default() },
        default_listener: None,
        present: Present::default(),
        main: Present::default(),
    };
    for directive in directives {
        sorter.enter_file(directive.place.file);
        sorter.sort(directive)?;
    }
    let mut sorted = sorter.sorted;
    sorted.listeners.splice(0..0, sorter.default_listener);
    if sorted.listeners.is_empty() {
        sorted.listeners.push(Listener::default());
    }
    Ok(sorted)
}

struct Sorter {
    sorted: Sorted,
    /// What stands in front of all listeners makes one on port 1883.
    default_listener: Option<Listener>,
    present: Present,
    /// That of the first file, while another is read that it includes.
    main: Present,
}

/// What the next directive of a file is about.
#[derive(Clone, Debug, Default)]
struct Present {
    file: usize,
    /// Its index.
    listener: Option<usize>,
    has_bridge: bool,
    has_plugin: bool,
}

impl Sorter {
    fn enter_file(&mut self, file: usize) {
        if file == self.present.file {
            return;
        }
        let present = if file == 0 { self.main.clone() } else { Present { file, ..Present::default() } };
        let left = std::mem::replace(&mut self.present, present);
        if left.file == 0 {
            self.main = left;
        }
    }

    fn sort(&mut self, directive: Directive) -> Result<(), CliError> {
        match directive.name.as_str() {
            "listener" => {
                self.sorted.is_local_only = false;
                self.present.listener = Some(self.sorted.listeners.len());
                self.sorted.listeners.push(Listener { head: Some(directive), ..Listener::default() });
            }
            "port" | "bind_address" => {
                self.sorted.is_local_only = false;
                self.present.listener = None;
                self.listener(&directive).given.push(directive);
            }
            "per_listener_settings" => self.per_listener_settings(&directive)?,
            name if SECURITY.contains(&name) => self.security(directive)?,
            name if LISTENER.contains(&name) => {
                if name.starts_with("listener_") && self.present.listener.is_none() {
                    return Err(directive.mistake("needs a listener in front of it"));
                }
                self.listener(&directive).given.push(directive);
            }
            name if PLUGIN.contains(&name)
                || name.starts_with("auth_opt_")
                || name.starts_with("plugin_opt_") =>
            {
                let is_option = name.contains("_opt_") || name == "auth_plugin_deny_special_chars";
                if is_option && !self.present.has_plugin {
                    return Err(directive.mistake("needs a plugin in front of it"));
                }
                self.present.has_plugin = true;
                self.sorted.plugins.push(directive);
            }
            name if BRIDGE.contains(&name) => {
                if name != "connection" && !self.present.has_bridge {
                    return Err(directive.mistake("needs a connection, which is a bridge, in front of it"));
                }
                self.present.has_bridge = true;
                self.sorted.bridges.push(directive);
            }
            name if broker::is_known(name) => self.sorted.broker.push(directive),
            name => {
                return Err(CliError::usage(format!("{}: unknown directive {name:?}", directive.place)));
            }
        }
        Ok(())
    }

    fn per_listener_settings(&mut self, directive: &Directive) -> Result<(), CliError> {
        let is_on = directive.flag()?;
        if is_on && !(self.sorted.security.is_empty() && self.sorted.plugins.is_empty()) {
            return Err(directive.mistake("must stand in front of all that it is about"));
        }
        // mosquitto never turns it off again.
        self.sorted.per_listener |= is_on;
        Ok(())
    }

    fn security(&mut self, directive: Directive) -> Result<(), CliError> {
        if !self.sorted.per_listener {
            self.sorted.security.push(directive);
        } else if self.present.listener.is_some() || self.default_listener.is_some() {
            self.listener(&directive).security.push(directive);
        } else {
            // mosquitto 2.0 takes it for a listener that it may not even open; from 2.1 on it is an error there, too.
            return Err(directive.mistake("needs a listener in front of it: per_listener_settings is true"));
        }
        Ok(())
    }

    /// The listener that a directive is about.
    fn listener(&mut self, directive: &Directive) -> &mut Listener {
        match self.present.listener {
            Some(index) => &mut self.sorted.listeners[index],
            None => self
                .default_listener
                .get_or_insert_with(|| Listener { head: Some(directive.clone()), ..Listener::default() }),
        }
    }
}
