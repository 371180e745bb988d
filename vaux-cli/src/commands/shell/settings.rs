//! `set`: how the shell behaves, and what its commands do where a line says nothing.

use clap::builder::PossibleValue;
use clap::{ArgMatches, ValueEnum};

use super::grammar::{SetArgs, is_given};
use crate::cli_error::CliError;
use crate::connection::parse_qos;
use crate::output::color::ColorChoice;
use crate::output::format::Format;

/// The settings.
#[derive(Debug)]
pub(super) struct Settings {
    /// Whether a script ends with the first command that fails.
    pub(super) errexit: bool,
    /// When colours are used.
    pub(super) color: ColorChoice,
    /// What is printed of messages, if not what the flags of a command say.
    format: Option<String>,
    /// The quality of service of commands without `-q`.
    qos: Option<String>,
}

/// The flags with which `sub` ends by itself.
const SUB_ENDS: [&str; 4] = ["count", "timeout", "exit_after_subscribing", "retained_only"];

/// What can be set, and what it is about.
pub(super) const NAMES: [(&str, &str); 4] = [
    ("color", "auto, always or never"),
    ("errexit", "on or off: whether a script ends with the first command that fails; also set -e"),
    ("format", "what is printed of messages, as -F of sub; empty for none"),
    ("qos", "0, 1 or 2: the quality of service where no -q is given"),
];

impl Settings {
    pub(super) fn new(color: ColorChoice) -> Settings {
        Settings { errexit: false, color, format: None, qos: None }
    }

    /// Does what `set` asks for. Gives text to print, if there is to be any.
    pub(super) fn change(&mut self, args: &SetArgs) -> Result<Option<String>, CliError> {
        if args.errexit {
            self.errexit = true;
        }
        let Some(name) = args.name.as_deref() else {
            return Ok((!args.errexit).then(|| self.list()));
        };
        if name == "+e" {
            self.errexit = false;
            return Ok(None);
        }
        let Some(value) = args.value.as_deref() else {
            return match NAMES.iter().find(|(known, _)| *known == name) {
                Some((name, _)) => Ok(Some(format!("{}\n", self.value(name)))),
                None => Err(unknown(name)),
            };
        };
        match name {
            "color" => {
                let choice = ColorChoice::from_str(value, false);
                self.color = choice.map_err(|_| wrong(name, value, "auto, always or never"))?;
            }
            "errexit" => {
                self.errexit = match value {
                    "on" => true,
                    "off" => false,
                    _ => return Err(wrong(name, value, "on or off")),
                }
            }
            "format" if value.is_empty() => self.format = None,
            "format" => {
                let format = value.parse::<Format>();
                format.map_err(|why| CliError::usage(format!("format cannot be {value}: {why}")))?;
                self.format = Some(value.to_owned());
            }
            "qos" => {
                parse_qos(value).map_err(|_| wrong(name, value, "0, 1 or 2"))?;
                self.qos = Some(value.to_owned());
            }
            _ => return Err(unknown(name)),
        }
        Ok(None)
    }

    fn value(&self, name: &str) -> String {
        match name {
            "color" => self
                .color
                .to_possible_value()
                .as_ref()
                .map(PossibleValue::get_name)
                .unwrap_or_default()
                .to_owned(),
            "errexit" => if self.errexit { "on" } else { "off" }.to_owned(),
            "format" => self.format.clone().unwrap_or_default(),
            _ => self.qos.clone().unwrap_or_else(|| "0".to_owned()),
        }
    }

    fn list(&self) -> String {
        NAMES.iter().map(|(name, about)| format!("{name:<8} {:<10} {about}\n", self.value(name))).collect()
    }

    /// The flags of a command that the settings stand for and that were not given.
    pub(super) fn defaults(&self, command: &clap::Command, given: &ArgMatches) -> Vec<String> {
        let has = |id: &str| command.get_arguments().any(|argument| argument.get_id() == id);
        let mut words = Vec::new();
        if self.color != ColorChoice::Auto && has("color") && !is_given(given, "color") {
            words.extend(["--color".to_owned(), self.value("color")]);
        }
        let is_any_given = |ids: &[&str]| ids.iter().any(|id| is_given(given, id));
        if has("format") && !is_any_given(&["format", "json", "hex", "verbose", "pretty"]) {
            match &self.format {
                Some(format) => words.extend(["-F".to_owned(), format.clone()]),
                // Several subscriptions print in one place.
                None if command.get_name() == "sub" && !is_any_given(&SUB_ENDS) => {
                    words.push("-v".to_owned())
                }
                None => {}
            }
        }
        if let Some(qos) = &self.qos
            && ["pub", "sub", "rr", "get"].contains(&command.get_name())
            && !is_given(given, "qos")
        {
            words.extend(["-q".to_owned(), qos.clone()]);
        }
        words
    }
}

fn wrong(name: &str, value: &str, valid: &str) -> CliError {
    CliError::usage(format!("{name} cannot be {value}; it is {valid}"))
}

fn unknown(name: &str) -> CliError {
    let names: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
    CliError::usage(format!("there is no setting {name}; there are {}", names.join(", ")))
}
