//! Settings from the environment: `VAUX_BROKER_` and the name of a flag, such as `VAUX_BROKER_MAX_SESSIONS=10`.
//!
//! Kubernetes gives every container variables about the services beside it. For a service called `vaux-broker` they
//! have the names of flags (`VAUX_BROKER_PORT=tcp://10.0.0.1:8883`): such values are ignored, and that is logged.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::args::{self, Flags};
use super::error::ProgramError;

/// The settings of the environment.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// As flags.
    pub(super) flags: Flags,
    /// `VAUX_DATA_DIR`, which the client commands also read. `VAUX_BROKER_DATA_DIR` comes before it.
    pub(super) shared_data_dir: Option<PathBuf>,
    /// Variables that were ignored, with their values.
    pub(super) ignored: Vec<String>,
}

/// Variables with a value, and their flags.
const VALUES: [(&str, &str); 13] = [
    ("VAUX_BROKER_LISTEN_ADDR", "--listen-addr"),
    ("VAUX_BROKER_PORT", "--port"),
    ("VAUX_BROKER_MAX_SESSIONS", "--max-sessions"),
    ("VAUX_BROKER_MAX_ACTIVE_SESSIONS", "--max-active-sessions"),
    ("VAUX_BROKER_CONFIG", "--config"),
    ("VAUX_BROKER_DATA_DIR", "--data-dir"),
    ("VAUX_BROKER_TLS_CERT", "--tls-cert"),
    ("VAUX_BROKER_TLS_KEY", "--tls-key"),
    ("VAUX_BROKER_TLS_CLIENT_CA", "--tls-client-ca"),
    ("VAUX_BROKER_WORKERS", "--workers"),
    ("VAUX_BROKER_DURABILITY", "--durability"),
    ("VAUX_BROKER_LOG", "--log"),
    ("VAUX_BROKER_LOG_FORMAT", "--log-format"),
];

/// Variables that are true or false, and their flags.
const SWITCHES: [(&str, &str); 2] =
    [("VAUX_BROKER_PLAIN", "--plain"), ("VAUX_BROKER_ALLOW_ANONYMOUS", "--allow-anonymous")];

impl Environment {
    /// Picks the settings out of all variables. Empty ones count as absent.
    pub(super) fn read(
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Environment, ProgramError> {
        let mut environment = Environment::default();
        let mut flags = Vec::new();
        for (name, value) in variables.filter(|(_, value)| !value.is_empty()) {
            let Some(name) = name.to_str() else { continue };
            if name == "VAUX_DATA_DIR" {
                environment.shared_data_dir = Some(value.into());
                continue;
            }
            let flag = match (find(&VALUES, name), find(&SWITCHES, name)) {
                (None, None) => continue,
                _ if is_injected(&value) => {
                    environment.ignored.push(format!("{name}={}", value.display()));
                    continue;
                }
                (Some(flag), _) => joined(flag, &value),
                (None, Some(flag)) => match value.to_str() {
                    Some("1" | "true" | "yes") => flag.into(),
                    Some("0" | "false" | "no") => continue,
                    _ => return Err(wrong(name, &format!("must be true or false, not {value:?}"))),
                },
            };
            // Each alone first, so that a mistake is reported with the name of its variable.
            args::parse(vec![flag.clone()]).map_err(|problem| wrong(name, &problem))?;
            flags.push(flag);
        }
        environment.flags = args::parse(flags).map_err(ProgramError::Usage)?;
        Ok(environment)
    }
}

fn find(flags: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    flags.iter().find(|(variable, _)| *variable == name).map(|(_, flag)| *flag)
}

fn is_injected(value: &OsStr) -> bool {
    value.to_str().is_some_and(|value| value.starts_with("tcp://") || value.starts_with("udp://"))
}

fn joined(flag: &str, value: &OsStr) -> OsString {
    let mut joined = OsString::from(flag);
    joined.push("=");
    joined.push(value);
    joined
}

fn wrong(name: &str, problem: &str) -> ProgramError {
    ProgramError::Usage(format!("environment variable {name}: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Environment, String> {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        Environment::read(variables).map_err(|error| error.message())
    }

    #[test]
    fn a_variable_is_a_flag() {
        let environment = read(&[
            ("VAUX_BROKER_PORT", "1884"),
            ("VAUX_BROKER_PLAIN", "true"),
            ("VAUX_BROKER_ALLOW_ANONYMOUS", "0"),
            ("VAUX_BROKER_LOG", ""),
            ("VAUX_DATA_DIR", "/data"),
            ("PATH", "/bin"),
        ])
        .unwrap();
        assert_eq!(environment.flags.port, Some(1884));
        assert!(environment.flags.plain);
        assert!(!environment.flags.allow_anonymous);
        assert_eq!(environment.flags.log, None);
        assert_eq!(environment.shared_data_dir, Some("/data".into()));
    }

    #[test]
    fn every_setting_has_a_variable() {
        use clap::CommandFactory as _;
        for flag in Flags::command().get_arguments() {
            let flag = format!("--{}", flag.get_long().unwrap());
            let is_action =
                ["--check-config", "--print-config", "--help", "--version"].contains(&flag.as_str());
            let variable = format!("VAUX_BROKER_{}", flag[2..].replace('-', "_").to_uppercase());
            let known = find(&VALUES, &variable).or(find(&SWITCHES, &variable));
            assert_eq!(known.is_some(), !is_action, "{flag}");
            assert!(known.is_none_or(|known| known == flag));
        }
    }

    #[test]
    fn what_kubernetes_injects_is_ignored_and_told() {
        let environment = read(&[
            ("VAUX_BROKER_PORT", "tcp://10.96.0.7:8883"),
            ("VAUX_BROKER_PORT_8883_TCP", "tcp://10.96.0.7:8883"),
            ("VAUX_BROKER_SERVICE_HOST", "10.96.0.7"),
        ])
        .unwrap();
        assert_eq!(environment.flags.port, None);
        assert_eq!(environment.ignored, ["VAUX_BROKER_PORT=tcp://10.96.0.7:8883"]);
    }

    #[test]
    fn a_mistake_names_the_variable() {
        let number = read(&[("VAUX_BROKER_PORT", "eighty")]).unwrap_err();
        assert!(
            number.starts_with("environment variable VAUX_BROKER_PORT: invalid value 'eighty'"),
            "{number}"
        );
        let switch = read(&[("VAUX_BROKER_PLAIN", "maybe")]).unwrap_err();
        assert_eq!(switch, "environment variable VAUX_BROKER_PLAIN: must be true or false, not \"maybe\"");
    }
}
