//! What the broker tells about itself.

use std::time::Duration;

/// What the broker tells about itself below `$SYS/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SysConfig {
    /// How often the figures below `$SYS/broker/` are published. Zero: never.
    pub interval: Duration,
    /// What is told of clients below `$SYS/broker/vaux/`.
    pub sessions: SysSessions,
}

impl Default for SysConfig {
    fn default() -> SysConfig {
        SysConfig { interval: Duration::from_secs(10), sessions: SysSessions::Full }
    }
}

/// What is told of clients below `$SYS/broker/vaux/`, to those who may read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SysSessions {
    /// Nothing.
    Off,
    /// Events.
    Events,
    /// Events, and the state of each session.
    #[default]
    Full,
}
