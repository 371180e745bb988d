//! `vaux passwd`: the users of a password file.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use vaux_broker::auth::{Credentials, check_user_name, remove_user, set_password};

use crate::cli_error::{CliError, Exit};
use crate::connection::password;

/// Set or remove users of a broker's password file
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct PasswdArgs {
    /// Password file
    pub(crate) file: PathBuf,
    /// User name
    #[arg(allow_hyphen_values = true)]
    pub(crate) user: String,
    /// Password, with -b
    #[arg(requires = "batch", allow_hyphen_values = true)]
    pub(crate) password: Option<String>,
    /// Remove the user
    #[arg(short = 'D', long, conflicts_with_all = ["batch", "create"])]
    pub(crate) delete: bool,
    /// Take the password from the command line, where others may see it
    #[arg(short, long, requires = "password")]
    pub(crate) batch: bool,
    /// Let the user log in by SCRAM-SHA-256, too
    #[arg(long, conflicts_with = "delete")]
    pub(crate) scram: bool,
    /// Begin a new file, without the users of an old one
    #[arg(short, long)]
    pub(crate) create: bool,
}

const AFTER_HELP: &str = "\
The password is asked for at a terminal, else it is the first line of standard input. The file is made if it is \
absent, replaced as a whole, and closed to other users. A broker that runs takes it over with SIGHUP.";

/// The longest password that the protocol can carry.
const MAX_PASSWORD_BYTES: usize = 65_535;

pub(crate) fn run(args: &PasswdArgs) -> Result<Exit, CliError> {
    check_user_name(&args.user).map_err(CliError::usage)?;
    if args.delete {
        return match remove_user(&args.file, &args.user).map_err(CliError::Security)? {
            true => Ok(Exit::Ok),
            false => Err(CliError::NoUser { path: args.file.clone(), user: args.user.clone() }),
        };
    }
    let password = match &args.password {
        Some(password) => password.as_bytes().to_vec(),
        None => read_password(&args.user)?,
    };
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(CliError::usage("the password is longer than the 65535 bytes that a packet can hold"));
    }
    if password.is_empty() {
        return Err(CliError::usage("the password is empty"));
    }
    let credentials = Credentials::new(&password, args.scram);
    set_password(&args.file, &args.user, &credentials, args.create).map_err(CliError::Security)?;
    Ok(Exit::Ok)
}

fn read_password(user: &str) -> Result<Vec<u8>, CliError> {
    if !io::stdin().is_terminal() {
        return password::first_line(io::stdin()).map_err(CliError::Stdio);
    }
    let ask = |prompt: String| rpassword::prompt_password(prompt).map_err(CliError::Stdio);
    let password = ask(format!("Password of {user}: "))?;
    if ask("Once more: ".into())? != password {
        return Err(CliError::usage("these are two passwords"));
    }
    Ok(password.into_bytes())
}
