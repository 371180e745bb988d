//! Plugins and bridges, of which vaux has none.

use vaux_broker::config::{Config, StoreEngine};

use super::read::Directive;
use super::report::Report;
use crate::cli_error::CliError;

/// A plugin may decide about all that clients do: left out, it would refuse nothing any more.
pub(super) fn plugins(
    directives: &[Directive],
    config: &mut Config,
    report: &mut Report,
) -> Result<(), CliError> {
    for directive in directives {
        match directive.name.as_str() {
            "auth_plugin" | "plugin" | "global_plugin" | "plugin_load" => {
                let value = directive.text()?;
                let path = value.rsplit(' ').next().unwrap_or_default();
                let file = path.rsplit('/').next().unwrap_or_default();
                match file.strip_prefix("mosquitto_").unwrap_or(file) {
                    "persist_sqlite.so" => {
                        config.store.engine = StoreEngine::Disk;
                        report.note(directive, "the store of vaux does the same; what is in the old one is not read");
                    }
                    "dynamic_security.so" => report.refuse(
                        directive,
                        "vaux has no plugins: write its clients and roles into a password_file and an acl_file",
                    ),
                    _ => report.refuse(directive, "vaux has no plugins, and this one may be what refuses clients"),
                }
            }
            _ => report.note(directive, "goes with the plugin"),
        }
    }
    Ok(())
}

pub(super) fn bridges(directives: &[Directive], report: &mut Report) {
    for directive in directives {
        match directive.name.as_str() {
            "connection" => report.note(directive, "vaux has no bridges: it connects to no other broker"),
            // Values are not repeated: there are passwords among them.
            _ => report.note(directive, "goes with the bridge"),
        }
    }
}
