//! Settings from the environment: `VAUX_` and the name of a flag, such as `VAUX_HOST=broker.example`.
//!
//! Kubernetes gives every container variables about the services beside it. For a service called `vaux` one has the
//! name of a flag (`VAUX_PORT=tcp://10.0.0.1:8883`): such a value is ignored.

use std::ffi::{OsStr, OsString};

use clap::{Arg, ArgAction, Args, Command, FromArgMatches};

use super::args::ConnectArgs;
use crate::cli_error::{CliError, arguments_message};

/// The flags that the environment stands for; `variable` looks one up. Empty variables count as absent.
pub(super) fn read(variable: impl Fn(&str) -> Option<OsString>) -> Result<ConnectArgs, CliError> {
    let command = Command::new("vaux").no_binary_name(true).disable_help_flag(true);
    let command = ConnectArgs::augment_args(command);
    let mut flags = ConnectArgs::default();
    for flag in command.get_arguments() {
        let Some((name, long)) = names(flag) else { continue };
        let Some(value) = variable(&name).filter(|value| !value.is_empty() && !is_injected(value)) else {
            continue;
        };
        let mut argument = OsString::from(format!("--{long}"));
        if matches!(flag.get_action(), ArgAction::SetTrue) {
            match value.to_str() {
                Some("1" | "true" | "yes") => {}
                Some("0" | "false" | "no") => continue,
                _ => return Err(CliError::usage(format!("{name} must be true or false"))),
            }
        } else {
            argument.push("=");
            argument.push(value);
        }
        // One at a time, so that a mistake is told with the name of its variable.
        let matches = command.clone().try_get_matches_from([argument]);
        let single = matches.and_then(|matches| ConnectArgs::from_arg_matches(&matches));
        let single = single.map_err(|error| {
            CliError::usage(format!("environment variable {name}: {}", arguments_message(&error)))
        })?;
        flags = single.over(flags);
    }
    Ok(flags)
}

/// The variable of a flag, and the flag. Properties are lists, which a variable cannot hold.
fn names(flag: &Arg) -> Option<(String, &str)> {
    let long = flag.get_long().filter(|&long| long != super::property::LONG)?;
    Some((format!("VAUX_{}", long.replace('-', "_").to_uppercase()), long))
}

fn is_injected(value: &OsStr) -> bool {
    value.to_str().is_some_and(|value| value.starts_with("tcp://") || value.starts_with("udp://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(variables: &[(&str, &str)]) -> Result<ConnectArgs, CliError> {
        read(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn a_variable_is_a_flag() {
        let flags = read_from(&[
            ("VAUX_HOST", "broker.example"),
            ("VAUX_PORT", "2000"),
            ("VAUX_PASSWORD", "-secret"),
            ("VAUX_PLAIN", "1"),
            ("VAUX_KEEP_SESSION", "no"),
            ("VAUX_DATA_DIR", "/data"),
            ("VAUX_WILL_TOPIC", "gone"),
            ("VAUX_WILL_PAYLOAD", "yes"),
            ("VAUX_USERNAME", ""),
        ])
        .unwrap();
        assert_eq!(flags.host.as_deref(), Some("broker.example"));
        assert_eq!(flags.port, Some(2000));
        assert_eq!(flags.password, Some(Some("-secret".into())));
        assert!(flags.plain && !flags.keep_session);
        assert_eq!(flags.data_dir, Some("/data".into()));
        assert_eq!(flags.will.will_topic.as_deref(), Some("gone"));
        assert_eq!(flags.will.will_payload.as_deref(), Some("yes"));
        assert_eq!(flags.username, None);
    }

    #[test]
    fn what_kubernetes_injects_is_no_port() {
        assert_eq!(read_from(&[("VAUX_PORT", "tcp://10.0.0.1:8883")]).unwrap().port, None);
    }

    #[test]
    fn a_mistake_names_its_variable() {
        let message = |variables| format!("{:?}", read_from(variables).unwrap_err());
        assert!(message(&[("VAUX_PORT", "no")]).contains("environment variable VAUX_PORT: "));
        assert!(message(&[("VAUX_PLAIN", "maybe")]).contains("VAUX_PLAIN must be true or false"));
    }
}
