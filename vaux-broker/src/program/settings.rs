//! From flags, environment and file to one configuration.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::args::Flags;
use super::data_dir;
use super::environment::Environment;
use super::error::ProgramError;
use crate::config::{Bind, Config, ConfigError, ListenerConfig, ListenerKind, UsernameFrom};

/// Where the configuration comes from. It can be loaded more than once: SIGHUP reads the file again.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) flags: Flags,
    pub(super) environment: Environment,
}

impl Settings {
    /// Reads the file and puts the environment and the command line over it.
    pub(super) fn load(&self) -> Result<Config, ProgramError> {
        let (flags, environment) = (&self.flags, &self.environment.flags);
        let mut config = match flags.config.as_ref().or(environment.config.as_ref()) {
            Some(path) => read_file(path)?,
            None => Config::default(),
        };
        if config.listeners.is_empty() {
            config.listeners.push(self.listener()?);
        } else if let Some(flag) = self.listener_flag() {
            let message = format!("{flag} cannot be given together with a file that has a [[listener]]");
            return Err(ProgramError::Usage(message));
        }
        set(&mut config.limits.max_sessions, flags.max_sessions.or(environment.max_sessions));
        let max_active_sessions = flags.max_active_sessions.or(environment.max_active_sessions);
        set(&mut config.limits.max_active_sessions, max_active_sessions);
        set(&mut config.workers, flags.workers.or(environment.workers));
        set(&mut config.store.durability, flags.durability.or(environment.durability));
        set(&mut config.log.filter, flags.log.clone().or_else(|| environment.log.clone()));
        set(&mut config.log.format, flags.log_format.or(environment.log_format));
        config.data_dir = self.data_dir(config.data_dir.take());
        config.check().map_err(ProgramError::Config)?;
        Ok(config)
    }

    /// The listener that the flags describe.
    fn listener(&self) -> Result<ListenerConfig, ProgramError> {
        let (flags, environment) = (&self.flags, &self.environment.flags);
        let tls_cert = flags.tls_cert.clone().or_else(|| environment.tls_cert.clone());
        let tls_key = flags.tls_key.clone().or_else(|| environment.tls_key.clone());
        let tls_client_ca = flags.tls_client_ca.clone().or_else(|| environment.tls_client_ca.clone());
        let plain = flags.plain || environment.plain;
        if plain && tls_client_ca.is_some() {
            return Err(ProgramError::Usage(
                "--plain asks for no certificates: leave --tls-client-ca away".into(),
            ));
        }
        if plain && (tls_cert.is_some() || tls_key.is_some()) {
            return Err(ProgramError::Usage(
                "--plain has no certificate: leave --tls-cert and --tls-key away".into(),
            ));
        }
        if tls_cert.is_some() != tls_key.is_some() {
            return Err(ProgramError::Usage(
                "--tls-cert and --tls-key are given together or not at all".into(),
            ));
        }
        let mut listener = ListenerConfig::new(if plain { ListenerKind::Tcp } else { ListenerKind::Tls });
        if let Some(host) = flags.listen_addr.as_ref().or(environment.listen_addr.as_ref()) {
            listener.bind.host = read_host(host)?;
        }
        set(&mut listener.bind.port, flags.port.or(environment.port));
        if flags.allow_anonymous || environment.allow_anonymous {
            listener.allow_anonymous = Some(true);
        }
        listener.tls.cert = tls_cert;
        listener.tls.key = tls_key;
        if tls_client_ca.is_some() {
            listener.tls.client_ca = tls_client_ca;
            listener.tls.require_client_cert = true;
            listener.tls.username_from = UsernameFrom::Cn;
        }
        Ok(listener)
    }

    /// A flag that describes a listener, if one is given.
    fn listener_flag(&self) -> Option<&'static str> {
        [&self.flags, &self.environment.flags].into_iter().find_map(|flags| {
            let given = [
                ("--listen-addr", flags.listen_addr.is_some()),
                ("--port", flags.port.is_some()),
                ("--plain", flags.plain),
                ("--tls-cert", flags.tls_cert.is_some()),
                ("--tls-key", flags.tls_key.is_some()),
                ("--tls-client-ca", flags.tls_client_ca.is_some()),
                ("--allow-anonymous", flags.allow_anonymous),
            ];
            given.into_iter().find(|(_, is_given)| *is_given).map(|(flag, _)| flag)
        })
    }

    fn data_dir(&self, file: Option<PathBuf>) -> Option<PathBuf> {
        let told = self.flags.data_dir.as_ref();
        let told = told.or(self.environment.flags.data_dir.as_ref());
        let told = told.or(self.environment.shared_data_dir.as_ref());
        told.cloned().or(file).or_else(data_dir::platform_data_dir)
    }
}

fn set<T>(setting: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *setting = value;
    }
}

fn read_file(path: &Path) -> Result<Config, ProgramError> {
    let error =
        |line, message| ProgramError::File { path: path.to_owned(), error: ConfigError { line, message } };
    let bytes = std::fs::read(path).map_err(|problem| error(None, format!("cannot be read: {problem}")))?;
    let text = String::from_utf8(bytes).map_err(|problem| {
        let good = &problem.as_bytes()[..problem.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        error(Some(line), "is not UTF-8 text".into())
    })?;
    Config::from_toml(&text).map_err(|problem| ProgramError::File { path: path.to_owned(), error: problem })
}

/// Takes an address or a name, an IPv6 address with or without brackets.
fn read_host(text: &str) -> Result<String, ProgramError> {
    if text.parse::<IpAddr>().is_ok() {
        return Ok(text.to_owned());
    }
    let bind: Result<Bind, _> = format!("{text}:0").parse();
    bind.map(|bind| bind.host).map_err(|_| {
        ProgramError::Usage(format!(
            "--listen-addr takes an IP address or a host name, not {text:?}; the port is given with --port"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::args;

    fn load(command_line: &[&str], environment: &[&str], file: Option<&str>) -> Result<Config, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("broker.toml");
        let mut flags = args::parse(command_line.iter().map(Into::into).collect()).unwrap();
        if let Some(text) = file {
            std::fs::write(&path, text).unwrap();
            flags.config = Some(path);
        }
        let environment = Environment {
            flags: args::parse(environment.iter().map(Into::into).collect()).unwrap(),
            shared_data_dir: Some("/shared".into()),
            ignored: Vec::new(),
        };
        Settings { flags, environment }.load().map_err(|error| error.message())
    }

    #[test]
    fn flags_come_before_environment_before_file_before_defaults() {
        let file = "workers = 3\ndata_dir = \"/file\"\n[limits]\nmax_sessions = 30\nmax_active_sessions = 31\n\
                    [log]\nfilter = \"error\"";
        let environment = ["--workers=2", "--max-sessions=20", "--port=2000"];
        let config = load(&["-p", "1000", "--workers", "1"], &environment, Some(file)).unwrap();
        assert_eq!(config.listeners[0].bind.to_string(), "127.0.0.1:1000");
        assert_eq!(config.workers, 1);
        assert_eq!(config.limits.max_sessions, 20);
        assert_eq!(config.limits.max_active_sessions, 31);
        assert_eq!(config.log.filter, "error");
        assert_eq!(config.limits.receive_maximum, 256);
        assert_eq!(config.data_dir, Some("/shared".into()));

        let config = load(&[], &environment, Some(file)).unwrap();
        assert_eq!((config.workers, config.listeners[0].bind.port), (2, 2000));
        let config = load(&[], &["--data-dir=/environment"], Some(file)).unwrap();
        assert_eq!((config.workers, config.data_dir), (3, Some("/environment".into())));
        let config = load(&["--data-dir=/flag"], &["--data-dir=/environment"], Some(file)).unwrap();
        assert_eq!(config.data_dir, Some("/flag".into()));
    }

    #[test]
    fn without_a_listener_in_the_file_the_flags_describe_one() {
        let listener = |flags: &[&str]| load(flags, &[], None).unwrap().listeners.remove(0);
        assert_eq!(listener(&[]), ListenerConfig::new(ListenerKind::Tls));
        assert_eq!(listener(&["--plain"]), ListenerConfig::new(ListenerKind::Tcp));
        let own = listener(&["-l", "::1", "--tls-cert", "c.pem", "--tls-key", "k.pem", "--allow-anonymous"]);
        assert_eq!(own.bind.to_string(), "[::1]:8883");
        assert_eq!(own.allow_anonymous, Some(true));
        assert_eq!((own.tls.cert, own.tls.key), (Some("c.pem".into()), Some("k.pem".into())));
        assert_eq!(listener(&["-l", "[::1]"]).bind.host, "::1");
        assert_eq!(listener(&["-l", "localhost", "-p", "0"]).bind.to_string(), "localhost:0");
    }

    #[test]
    fn flags_of_a_listener_and_a_file_with_listeners_exclude_each_other() {
        let file = "[[listener]]\nkind = \"tcp\"";
        load(&["-s", "3", "--workers", "1"], &[], Some(file)).unwrap();
        for flag in [
            "-l=::1",
            "-p=1",
            "--plain",
            "--tls-cert=a",
            "--tls-key=a",
            "--tls-client-ca=a",
            "--allow-anonymous",
        ] {
            let on_command_line = load(&[flag], &[], Some(file)).unwrap_err();
            assert!(
                on_command_line.ends_with("together with a file that has a [[listener]]"),
                "{on_command_line}"
            );
            assert_eq!(load(&[], &[flag], Some(file)), Err(on_command_line));
        }
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        for flags in [&["--plain", "--tls-cert=a", "--tls-key=b"][..], &["--tls-cert=a"], &["--tls-key=a"]] {
            assert!(load(flags, &[], None).unwrap_err().contains("--tls-cert and --tls-key"));
        }
        let error = load(&["-l", "127.0.0.1:1883"], &[], None).unwrap_err();
        assert!(error.ends_with("the port is given with --port"), "{error}");
    }

    #[test]
    fn flags_are_checked_like_the_file() {
        let error = load(&["-s", "0"], &[], None).unwrap_err();
        assert_eq!(error, "limits.max_sessions must be from 1 to 4294967295, not 0");
        let error = load(&["--log", "loud"], &[], None).unwrap_err();
        assert!(error.starts_with("log.filter has the level \"loud\""), "{error}");
    }
}
