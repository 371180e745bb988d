//! The program around the broker: what `vaux-broker` and `vaux broker` do from the command line to the exit code.
//!
//! Everything that can be wrong before the broker serves ends here as one line on standard error.

mod args;
mod banner;
mod data_dir;
mod environment;
mod error;
mod file_watch;
mod listeners;
mod logging;
mod serve;
mod settings;

use std::ffi::OsString;
use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use clap::Parser as _;

use crate::auth::{AccessLists, Sources, Users};
use crate::tls::Authority;
use crate::{Broker, Hooks};

use args::Flags;
use banner::Facts;
use data_dir::DataDir;
use environment::Environment;
use error::ProgramError;
use logging::Log;
use serve::{Running, Signals};
use settings::Settings;

pub use data_dir::default_data_dir;

/// Runs the program until the broker ends. The first of `args` is the name of the program, as in
/// [`std::env::args_os`].
///
/// Exit codes: 0 when it ended as it was told, 2 usage or configuration, 3 an address cannot be bound, 4 the data
/// directory, 5 internal failure.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let flags = match Flags::try_parse_from(args) {
        Ok(flags) => flags,
        Err(error) => return args::report(&error),
    };
    keep_pages_small();
    // The panic itself has been printed; what is left is the exit code that is promised for it.
    match std::panic::catch_unwind(AssertUnwindSafe(|| start(flags))) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => error.report(),
        Err(_) => ProgramError::Internal(std::io::Error::other("the broker failed")).report(),
    }
}

/// The allocator asks for huge pages, of which each thread then holds one at least, mostly empty: 11 MB of an idle
/// broker. See docs/performance.md. A system that knows no such setting is as it was.
fn keep_pages_small() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

fn start(flags: Flags) -> Result<(), ProgramError> {
    let environment = Environment::read(std::env::vars_os())?;
    let settings = Settings { flags, environment };
    let config = settings.load()?;
    if settings.flags.print_config {
        return print(&config.to_toml());
    }
    if settings.flags.check_config {
        listeners::check(config)?;
        return print("The configuration is good.\n");
    }
    let log = Log::start(&config.log)?;
    for ignored in &settings.environment.ignored {
        tracing::info!("ignored {ignored}: it is not a setting but an address that Kubernetes passes on");
    }
    let data_dir = DataDir::open(config.data_dir.clone().ok_or(ProgramError::NoDataDir)?)?;
    let authority = Authority::new(data_dir.path());
    let prepared = listeners::prepare(config.clone(), &authority, SystemTime::now())?;
    let sources = Sources::read(&prepared.config).map_err(ProgramError::Security)?;
    let access = AccessLists::read(&prepared.config).map_err(ProgramError::Security)?;
    // Before the first line is printed, after which a signal may come.
    let signals = Signals::listen()?;
    let mut config_in_force = prepared.config.clone();
    config_in_force.data_dir = Some(data_dir.path().to_owned());
    let users = Arc::new(Users::start(sources).map_err(ProgramError::Internal)?);
    let hooks = Hooks { authenticate: Arc::clone(&users) as _, authorize: Arc::new(access), observe: None };
    let broker = Broker::start_with_hooks(config_in_force, prepared.tls, hooks)?;
    for sentence in &broker.recovered().damage {
        tracing::error!("{sentence}");
    }
    banner::print(&Facts {
        addresses: broker.addresses(),
        http_address: broker.http_address(),
        config: &prepared.config,
        data_dir: data_dir.path(),
        authority: &authority,
        connection_limit: broker.connection_limit(),
        recovered: broker.recovered(),
    });
    signals.serve(Running { broker: Arc::new(broker), users, settings, config, authority, log })
}

fn print(text: &str) -> Result<(), ProgramError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(ProgramError::Internal),
    }
}
