//! The password of an encrypted private key: from a file, from the environment, or asked for. Never from the command
//! line, where others may see it.

use std::os::unix::ffi::OsStringExt as _;

use vaux_client::TlsOptions;

use super::args::TlsArgs;
use super::password;
use crate::cli_error::CliError;

const VARIABLE: &str = "VAUX_KEY_PASSWORD";

/// Gives the options the password, if the key needs one.
pub(super) fn unlock(options: TlsOptions, args: &TlsArgs) -> Result<TlsOptions, CliError> {
    let Some(key) = args.key.as_ref().filter(|_| options.needs_client_key_password()) else {
        return Ok(options);
    };
    if let Some(path) = &args.key_password_file {
        let read = password::read(path).map_err(|source| CliError::File { path: path.clone(), source })?;
        return Ok(options.client_key_password(read));
    }
    if let Some(given) = std::env::var_os(VARIABLE) {
        return Ok(options.client_key_password(given.into_vec()));
    }
    let asked = rpassword::prompt_password(format!("Password of {}: ", key.display())).map_err(|_| {
        CliError::usage_with_hint(
            format!("{} is encrypted, and there is no terminal to ask for its password", key.display()),
            format!("--key-password-file FILE or {VARIABLE} gives it"),
        )
    })?;
    Ok(options.client_key_password(asked.into_bytes()))
}
