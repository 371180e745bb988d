//! The log on standard error. The filter can be changed while the broker runs, the format cannot.

use std::io;

use tracing::Subscriber;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload;
use tracing_subscriber::{Layer, Registry};

use super::error::ProgramError;
use crate::config::{LogConfig, LogFormat};

/// The running log.
#[derive(Debug)]
pub(super) struct Log {
    filter: reload::Handle<Targets, Registry>,
    format: LogFormat,
}

impl Log {
    /// Starts to log.
    pub(super) fn start(config: &LogConfig) -> Result<Log, ProgramError> {
        let (filter, handle) = reload::Layer::new(targets(config)?);
        let lines: Box<dyn Layer<Registry> + Send + Sync> = match config.format {
            LogFormat::Text => Box::new(fmt::layer().with_writer(io::stderr).with_filter(filter)),
            LogFormat::Json => {
                Box::new(fmt::layer().json().flatten_event(true).with_writer(io::stderr).with_filter(filter))
            }
        };
        install(Registry::default().with(lines))?;
        Ok(Log { filter: handle, format: config.format })
    }

    /// Takes over a changed configuration. Returns what could not be changed.
    pub(super) fn reload(&self, config: &LogConfig) -> Result<Option<String>, ProgramError> {
        let targets = targets(config)?;
        self.filter.reload(targets).map_err(|error| ProgramError::Internal(io::Error::other(error)))?;
        Ok((config.format != self.format).then(|| "log.format changes with the next start".into()))
    }
}

fn targets(config: &LogConfig) -> Result<Targets, ProgramError> {
    config
        .filter
        .parse()
        .map_err(|error| ProgramError::Usage(format!("log filter {:?}: {error}", config.filter)))
}

fn install(subscriber: impl Subscriber + Send + Sync) -> Result<(), ProgramError> {
    tracing::subscriber::set_global_default(subscriber)
        .map_err(|error| ProgramError::Internal(io::Error::other(error)))
}
