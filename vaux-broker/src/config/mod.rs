//! What can be set, with its defaults: the contents of the configuration file as plain data.
//!
//! [`Config::default`] holds the defaults and no listener. A program that embeds the broker changes the fields and
//! adds listeners; `vaux-broker` reads them from TOML with [`Config::from_toml`] and prints them with
//! [`Config::to_toml`]. One list of keys, in `keys`, serves reading, printing and checking, so that the three cannot
//! disagree. Nothing here opens a file, resolves a name or reads the environment.
//!
//! ```
//! use vaux_broker::config::{Config, ListenerConfig, ListenerKind};
//!
//! let mut config = Config::default();
//! config.listeners.push(ListenerConfig::new(ListenerKind::Tcp));
//! config.limits.max_sessions = 100;
//! assert_eq!(config.check(), Ok(()));
//! ```

mod auth;
mod check;
mod codec;
mod http;
mod keys;
mod limits;
mod listener;
mod log;
mod mqtt;
mod network;
mod read;
mod sys;
mod units;
mod write;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use auth::{AuthConfig, HttpAuthConfig, JwtAlgorithm, JwtConfig, OnError};
pub use http::HttpConfig;
pub use limits::Limits;
pub use listener::{
    Bind, CertAndKey, ListenerConfig, ListenerKind, ListenerTls, ListenerWs, TlsVersion, UsernameFrom,
};
pub use log::{LogConfig, LogFormat};
pub use mqtt::{Mqtt, SharedStrategy};
pub use network::Network;
pub use sys::{SysConfig, SysSessions};

/// Everything that can be set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Where keys and certificates are kept. `None`: the platform's data directory.
    pub data_dir: Option<PathBuf>,
    /// How many worker threads; 0 means one per core.
    pub workers: usize,
    /// Where clients connect. A broker without listeners starts and serves nobody.
    pub listeners: Vec<ListenerConfig>,
    /// How much of everything clients may use.
    pub limits: Limits,
    /// What the broker offers of the protocol.
    pub mqtt: Mqtt,
    /// Where sessions and messages are kept.
    pub store: StoreConfig,
    /// What the broker tells about itself.
    pub sys: SysConfig,
    /// Who clients are, and what they may do.
    pub auth: AuthConfig,
    /// Where operators and their tools look into the broker by HTTP.
    pub http: HttpConfig,
    /// What is logged, and how.
    pub log: LogConfig,
}

/// Where sessions and messages are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// The engine.
    pub engine: StoreEngine,
    /// What an acknowledgement means. Of the engine `disk` only.
    pub durability: Durability,
    /// How often what is not synced at once is.
    pub interval: Duration,
}

impl Default for StoreConfig {
    fn default() -> StoreConfig {
        StoreConfig {
            engine: StoreEngine::default(),
            durability: Durability::default(),
            interval: Duration::from_millis(100),
        }
    }
}

/// The engines of the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreEngine {
    /// In a file of the data directory.
    #[default]
    Disk,
    /// In memory: everything ends with the broker.
    Memory,
}

/// What an acknowledgement means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// It is on the disk: nothing acknowledged is lost when the power fails.
    #[default]
    Commit,
    /// The system has it: what was acknowledged in the last interval is lost when the power fails, nothing when only
    /// the broker does.
    Interval,
    /// The broker has it: what was acknowledged in the last interval is lost when the broker is killed.
    None,
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The line of the file, from 1. `None` when the mistake is in no single line.
    pub line: Option<usize>,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for ConfigError {}
