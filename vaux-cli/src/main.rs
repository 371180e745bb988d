//! The `vaux` command: publish, subscribe, decode, and the broker.

mod capture;
mod cli_error;
mod commands;
mod connection;
mod input;
mod nearest;
mod output;
mod recording;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use cli_error::{CliError, Exit};
use connection::ConnectArgs;
use nearest::with_nearest;
use output::talk::TalkArgs;

// Many small allocations of differing life are what a client and a broker are made of.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// MQTT from the command line
#[derive(Debug, Parser)]
#[command(name = "vaux", version, disable_version_flag = true, max_term_width = 100, after_help = NOTES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print version
    #[arg(long, action = clap::ArgAction::Version)]
    version: (),
}

const NOTES: &str = "\
`vaux help COMMAND` tells of one command.

Examples:
  vaux broker
  vaux sub -t 'demo/#' -v
  vaux pub -t demo/hello -m hi
  vaux decode c000";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Broker(commands::broker::BrokerArgs),
    Pub(Box<commands::pub_::PubArgs>),
    Sub(Box<commands::sub::SubArgs>),
    Rr(Box<commands::rr::RrArgs>),
    Get(Box<commands::get::GetArgs>),
    Record(Box<commands::record::RecordArgs>),
    Replay(Box<commands::replay::ReplayArgs>),
    Retained(commands::retained::RetainedArgs),
    Decode(commands::decode::DecodeArgs),
    Acl(commands::acl::AclArgs),
    Passwd(commands::passwd::PasswdArgs),
    Encode(commands::encode::EncodeArgs),
    Store(commands::store::StoreArgs),
    ImportMosquitto(commands::import_mosquitto::ImportMosquittoArgs),
    Bench(Box<commands::bench::BenchArgs>),
    Shell(Box<commands::shell::ShellArgs>),
    Top(Box<commands::top::TopArgs>),
    Test(Box<commands::test::TestArgs>),
    Why(Box<commands::why::WhyArgs>),
    Completions(commands::completions::CompletionsArgs),
    Man(commands::man::ManArgs),
}

fn main() -> ExitCode {
    let args = with_help_of_broker(std::env::args_os().collect());
    let mut command = examples_first(Cli::command());
    let matches = command.try_get_matches_from_mut(&args).map_err(|error| {
        let words: Vec<_> = args.iter().skip(1).map(|word| word.to_string_lossy()).collect();
        with_nearest(error, &command, &words)
    });
    let matches = matches.map(|matches| with_profile(&mut command, matches, args));
    // Hundreds of flags with their texts: to free them takes longer than all that many commands do.
    std::mem::forget(command);
    let matches = match matches {
        Ok(Ok(matches)) => matches,
        Ok(Err(error)) => return error.report(TalkArgs::default().talk(), false).into(),
        Err(error) => return answer(error).into(),
    };
    match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => run(cli.command),
        Err(error) => answer(error).into(),
    }
}

/// Parses again with the flags of a profile that are none of the connection, if there are any.
fn with_profile(
    command: &mut clap::Command,
    matches: ArgMatches,
    args: Vec<OsString>,
) -> Result<Result<ArgMatches, clap::Error>, CliError> {
    let (mut innermost, mut given, mut depth) = (&*command, &matches, 1);
    while let Some((name, matches)) = given.subcommand()
        && let Some(subcommand) = innermost.find_subcommand(name)
    {
        (innermost, given, depth) = (subcommand, matches, depth + 1);
    }
    let words = connection::other_flags(innermost, given)?;
    if words.is_empty() {
        return Ok(Ok(matches));
    }
    // Commands with a connection have their names in front of all flags.
    let (front, back) = args.split_at(depth);
    let all = front.iter().cloned().chain(words).chain(back.iter().cloned());
    Ok(command.try_get_matches_from_mut(all))
}

/// `vaux help broker` is answered by the broker, which knows its flags.
fn with_help_of_broker(args: Vec<OsString>) -> Vec<OsString> {
    match args.as_slice() {
        [vaux, help, broker] if help == "help" && broker == "broker" => {
            vec![vaux.clone(), broker.clone(), "--help".into()]
        }
        _ => args,
    }
}

/// Puts what stands behind `Examples:` in the help of a command in front of its flags.
pub(crate) fn examples_first(mut command: clap::Command) -> clap::Command {
    const TEMPLATE: &str =
        "{about-with-newline}\n{usage-heading} {usage}\n\n{before-help}{all-args}{after-help}";
    let notes = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    if let Some((notes, examples)) = notes.split_once("Examples:\n") {
        let notes = notes.trim_end().to_owned();
        command = command.help_template(TEMPLATE).before_help(format!("Examples:\n{examples}"));
        command = match notes.as_str() {
            "" => command.after_help(Resettable::Reset),
            _ => command.after_help(notes),
        };
    }
    command.mut_subcommands(examples_first)
}

/// What clap has to say instead of a parsed command line: help, the version, or what is wrong.
pub(crate) fn answer(error: clap::Error) -> Exit {
    let (exit, printed) = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => (Exit::Ok, error.print()),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => (Exit::Usage, error.print()),
        _ => return CliError::Arguments(error).report(TalkArgs::default().talk(), false),
    };
    match printed {
        Ok(()) => exit,
        Err(error) => CliError::Stdio(error).report(TalkArgs::default().talk(), false),
    }
}

impl Command {
    /// The flags of the connections, if the command makes its own even where one is open.
    pub(crate) fn connect_anew_mut(&mut self) -> Option<&mut ConnectArgs> {
        match self {
            Command::Bench(args) => Some(&mut args.connect),
            Command::Top(args) => Some(&mut args.connect),
            _ => None,
        }
    }

    /// The flags of the connection, if the command has messages to send or to receive.
    pub(crate) fn connect_mut(&mut self) -> Option<&mut ConnectArgs> {
        Some(match self {
            Command::Pub(args) => &mut args.connect,
            Command::Sub(args) => &mut args.connect,
            Command::Rr(args) => &mut args.connect,
            Command::Get(args) => &mut args.connect,
            Command::Record(args) => &mut args.connect,
            Command::Replay(args) => &mut args.connect,
            Command::Retained(args) => args.connect_mut(),
            Command::Why(args) => &mut args.connect,
            _ => return None,
        })
    }
}

fn run(command: Command) -> ExitCode {
    match command {
        Command::Broker(args) => commands::broker::run(args),
        Command::Shell(args) => commands::shell::run(*args),
        command => perform(command).into(),
    }
}

/// Does what a command is for, tells what goes wrong, and returns how it ended.
pub(crate) fn perform(command: Command) -> Exit {
    let (talk, json, outcome) = match command {
        // They end the program by themselves.
        Command::Broker(_) | Command::Shell(_) => return Exit::Usage,
        Command::Pub(args) => (args.talk.talk(), args.json, commands::pub_::run(*args)),
        Command::Sub(args) => (args.talk.talk(), args.output.json, commands::sub::run(*args)),
        Command::Rr(args) => (args.talk.talk(), args.output.json, commands::rr::run(*args)),
        Command::Get(args) => (args.talk.talk(), args.output.json, commands::get::run(*args)),
        Command::Acl(args) => (TalkArgs::default().talk(), args.wants_json(), commands::acl::run(&args)),
        Command::Passwd(args) => (TalkArgs::default().talk(), false, commands::passwd::run(&args)),
        Command::Store(args) => (TalkArgs::default().talk(), args.json(), commands::store::run(&args)),
        Command::ImportMosquitto(args) => {
            let talk = TalkArgs::default().talk();
            (talk, false, commands::import_mosquitto::run(&args, talk))
        }
        Command::Record(args) => (args.talk.talk(), false, commands::record::run(*args)),
        Command::Replay(args) => (args.talk.talk(), args.json, commands::replay::run(*args)),
        Command::Bench(args) => (args.talk.talk(), args.json, commands::bench::run(*args)),
        Command::Top(args) => (args.talk.talk(), false, commands::top::run(*args)),
        // Its JSON lines are packets, and nothing else.
        Command::Test(args) => (TalkArgs::default().talk(), false, commands::test::run(&args)),
        Command::Why(args) => (args.talk.talk(), args.json, commands::why::run(*args)),
        Command::Retained(args) => (args.talk(), args.json(), commands::retained::run(args)),
        Command::Completions(args) => {
            (TalkArgs::default().talk(), false, commands::completions::run(&args, Cli::command()))
        }
        Command::Man(args) => (TalkArgs::default().talk(), false, commands::man::run(&args, Cli::command())),
        Command::Encode(args) => (args.talk(), false, commands::encode::run(&args)),
        Command::Decode(args) => (args.talk(), false, commands::decode::run(&args)),
    };
    outcome.unwrap_or_else(|error| error.report(talk, json))
}
