//! Directives about who may connect and what they may do: of a listener, or of all.

use std::path::PathBuf;

use super::read::Directive;
use super::report::Report;
use crate::cli_error::CliError;

/// What they say.
#[derive(Debug, Default)]
pub(super) struct Security {
    pub(super) password_file: Option<PathBuf>,
    pub(super) acl_file: Option<PathBuf>,
    pub(super) allow_anonymous: Option<bool>,
    pub(super) allow_zero_length_clientid: Option<bool>,
    pub(super) auto_id_prefix: Option<String>,
}

impl Security {
    pub(super) fn read(directives: &[Directive], report: &mut Report) -> Result<Security, CliError> {
        let mut security = Security::default();
        for directive in directives {
            match directive.name.as_str() {
                "password_file" => once(&mut security.password_file, directive)?,
                "acl_file" => once(&mut security.acl_file, directive)?,
                "auto_id_prefix" => security.auto_id_prefix = Some(directive.text()?),
                "allow_anonymous" => security.allow_anonymous = Some(directive.flag()?),
                "allow_zero_length_clientid" => security.allow_zero_length_clientid = Some(directive.flag()?),
                // Without a hint no listener goes by it, and with one the listener is refused.
                _ => report.note(directive, "vaux knows no keys that are shared in advance"),
            }
        }
        Ok(security)
    }
}

/// Of two files, mosquitto takes one or none, by its version.
fn once(file: &mut Option<PathBuf>, directive: &Directive) -> Result<(), CliError> {
    match file.replace(directive.text()?.into()) {
        None => Ok(()),
        Some(_) => Err(directive.mistake("is given twice")),
    }
}
