//! What core goes by: limits and switches, as they are until the next reload.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use vaux_mqtt::{QoS, Version};

use crate::config::{Config, Limits, ListenerConfig, Mqtt, SysConfig, UsernameFrom};
use crate::session::Mount;

/// What holds for all connections.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Limits.
    pub limits: Limits,
    /// What is offered of the protocol.
    pub mqtt: Mqtt,
    /// What the broker tells about itself.
    pub sys: SysConfig,
}

impl Settings {
    /// What a configuration means to core.
    pub fn new(config: &Config) -> Settings {
        Settings { limits: config.limits.clone(), mqtt: config.mqtt.clone(), sys: config.sys }
    }
}

/// What holds for the connections of one listener.
#[derive(Clone, Debug)]
pub struct ListenerSettings {
    /// What it is called.
    pub name: Arc<str>,
    /// Whether a client need not say who it is.
    pub allow_anonymous: bool,
    /// What in a client's certificate names the user.
    pub username_from: UsernameFrom,
    /// The versions that are served.
    pub versions: Vec<Version>,
    /// The highest QoS of messages.
    pub maximum_qos: QoS,
    /// What is put in front of topics.
    pub mount: Mount,
    /// How assigned client identifiers begin.
    pub auto_id_prefix: Box<str>,
    /// Which of those that the broker has had since its start, the newest with the highest.
    pub edition: u64,
}

impl ListenerSettings {
    /// What a listener's configuration means to core. Whether it is anonymous was decided by where it is bound.
    pub fn new(config: &ListenerConfig, allow_anonymous: bool) -> ListenerSettings {
        ListenerSettings {
            name: config.name.as_str().into(),
            allow_anonymous,
            username_from: config.tls.username_from,
            versions: config.versions.clone(),
            maximum_qos: config.maximum_qos,
            mount: config.mount.as_str().into(),
            auto_id_prefix: config.auto_id_prefix.as_str().into(),
            edition: 0,
        }
    }
}

/// A hash that is the same on all workers of one broker.
pub(super) fn stable_hash(value: &impl Hash) -> u64 {
    // Which worker a client lands on is no secret worth a key: it can be measured. Spreading is all that counts.
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
