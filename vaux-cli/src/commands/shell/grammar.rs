//! What the shell understands: the commands of the program without the flags that say where to connect to, and a few of
//! its own. Parsing, help and completion all come from clap's definitions.

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Subcommand};

use super::settings::Settings;
use super::words::Line;
use crate::cli_error::{CliError, Exit};
use crate::connection::{ConnectArgs, ReconnectArgs, parse_seconds};
use crate::nearest::with_nearest;

/// Commands of the program that the shell does not have, since they run on and on, connect by other flags, or are for
/// other shells; and what to do instead.
const ABSENT: [(&str, &str); 5] = [
    ("broker", "in another terminal: `vaux broker`"),
    ("completions", "in a shell of the system: `vaux completions SHELL`"),
    ("man", "in another terminal: `vaux man`; here `help COMMAND` tells of a command"),
    ("shell", "this is it; `connect` opens another connection"),
    ("test", "in another terminal: `vaux test`"),
];

/// Commands of the shell itself.
#[derive(Debug, Subcommand)]
pub(super) enum Builtin {
    Connect(Box<OpenArgs>),
    Disconnect(DisconnectArgs),
    Use(UseArgs),
    Ls(LsArgs),
    Unsub(UnsubArgs),
    Watch(WatchArgs),
    Wait(WaitArgs),
    Set(SetArgs),
    History(HistoryArgs),
    Help(HelpArgs),
    #[command(visible_alias = "quit")]
    Exit(ExitArgs),
}

/// Open a connection and use it
///
/// Without flags a connection of this name is opened again.
#[derive(Args, Debug)]
#[command(disable_help_flag = true, after_help = CONNECT_NOTES)]
pub(super) struct OpenArgs {
    /// What to call it [default: the host]
    #[arg(value_name = "CONNECTION")]
    pub(super) name: Option<String>,
    #[command(flatten)]
    pub(super) reconnect: ReconnectArgs,
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
    /// Whether one of the flags stands on the line.
    #[arg(skip)]
    pub(super) has_flags: bool,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help, help_heading = "Output")]
    help: (),
}

const CONNECT_NOTES: &str = "\
Examples:
  connect
  connect plant -h plant.example -u reader -P
  connect old -L mqtt://localhost:1884 -V 311";

/// Close a connection
#[derive(Args, Debug)]
pub(super) struct DisconnectArgs {
    /// Its name [default: the one in use]
    #[arg(value_name = "CONNECTION")]
    pub(super) name: Option<String>,
}

/// Use another connection from now on
#[derive(Args, Debug)]
pub(super) struct UseArgs {
    /// Its name
    #[arg(value_name = "CONNECTION")]
    pub(super) name: String,
}

/// List connections and what is subscribed to
#[derive(Args, Debug)]
pub(super) struct LsArgs {
    /// Print one JSON object a connection
    #[arg(long)]
    pub(super) json: bool,
}

/// End subscriptions of the connection in use
#[derive(Args, Debug)]
pub(super) struct UnsubArgs {
    /// Topic filters [default: all]
    #[arg(value_name = "SUBSCRIPTION")]
    pub(super) filters: Vec<String>,
}

/// Show what topics have at present, until a key is pressed
#[derive(Args, Debug)]
#[command(after_help = WATCH_NOTES)]
pub(super) struct WatchArgs {
    /// Topic filters
    #[arg(value_name = "FILTER", required = true)]
    pub(super) filters: Vec<String>,
}

const WATCH_NOTES: &str = "\
Examples:
  watch room/1/temperature
  watch 'room/+/temperature'";

/// Wait for messages of what was subscribed to
///
/// Every message of a subscription in the background is waited for once.
#[derive(Args, Debug)]
#[command(after_help = WAIT_NOTES)]
pub(super) struct WaitArgs {
    /// How many
    #[arg(short = 'C', value_name = "COUNT", default_value = "1")]
    pub(super) count: u64,
    /// Give up after so many seconds, with exit code 27
    #[arg(short = 'W', value_name = "SECONDS", value_parser = parse_seconds)]
    pub(super) timeout: Option<std::time::Duration>,
}

const WAIT_NOTES: &str = "\
Examples:
  sub -t answers; pub -t questions -m x; wait -W 5";

/// Change how the shell behaves; alone it lists all settings
#[derive(Args, Debug)]
#[command(after_help = SET_NOTES)]
pub(super) struct SetArgs {
    /// End a script with the first command that fails
    #[arg(short = 'e')]
    pub(super) errexit: bool,
    /// What to set
    #[arg(value_name = "SETTING")]
    pub(super) name: Option<String>,
    /// Its value
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    pub(super) value: Option<String>,
}

const SET_NOTES: &str = "\
Examples:
  set qos 1
  set format '%I %t %p'
  set color never
  set -e";

/// List the lines that were typed
#[derive(Args, Debug)]
pub(super) struct HistoryArgs {
    /// Only so many, the last ones
    #[arg(value_name = "N")]
    pub(super) count: Option<usize>,
    /// Forget all of them
    #[arg(long, conflicts_with = "count")]
    pub(super) clear: bool,
}

/// Tell what there is, or of one command
#[derive(Args, Debug)]
pub(super) struct HelpArgs {
    /// The command
    #[arg(value_name = "COMMAND")]
    pub(super) command: Vec<String>,
}

/// Leave
#[derive(Args, Debug)]
pub(super) struct ExitArgs {
    /// With this exit code [default: that of the last command]
    #[arg(value_name = "CODE")]
    pub(super) code: Option<u8>,
}

/// What a line asks for.
pub(super) enum Request {
    /// Something of the shell.
    Builtin(Builtin),
    /// A command of the program.
    Program(crate::Command),
}

/// The definition of all commands.
pub(super) struct Grammar {
    command: clap::Command,
}

impl Grammar {
    pub(super) fn new() -> Grammar {
        let program = crate::Cli::command();
        let flags = connection_flags();
        let of_program =
            program.get_subcommands().filter(|command| hint_for_absent(command.get_name()).is_none());
        let of_program =
            of_program.map(|command| crate::examples_first(without_flags(command.clone(), &flags)));
        let own = clap::Command::new("own");
        let own = crate::examples_first(Builtin::augment_subcommands(own));
        let own = own.get_subcommands().cloned();
        let command = clap::Command::new("shell")
            .no_binary_name(true)
            .disable_help_flag(true)
            .disable_help_subcommand(true)
            .max_term_width(100)
            .subcommand_required(true)
            .subcommands(of_program)
            .subcommands(own);
        Grammar { command }
    }

    /// The names of all commands.
    pub(super) fn names(&self) -> Vec<String> {
        self.command.get_subcommands().map(|command| command.get_name().to_owned()).collect()
    }

    /// The definition of a command, by its name and those of its subcommands.
    pub(super) fn find(&self, words: &[String]) -> Option<&clap::Command> {
        let mut found = &self.command;
        for word in words {
            found = found.find_subcommand(word)?;
        }
        Some(found)
    }

    /// The command that a line begins with, and how many words name it.
    pub(super) fn innermost(&self, words: &[String]) -> (&clap::Command, usize) {
        let (mut found, mut depth) = (&self.command, 0);
        while let Some(next) = words.get(depth).and_then(|word| found.find_subcommand(word)) {
            (found, depth) = (next, depth + 1);
        }
        (found, depth)
    }

    /// Parses a line, with what the settings say where it says nothing.
    pub(super) fn parse(&self, line: &Line, settings: &Settings) -> Result<Request, CliError> {
        // Lines that are copied from elsewhere begin with the name of the program.
        let said = line.words.strip_prefix(&["vaux".to_owned()]).unwrap_or(&line.words);
        let mut words = said.to_vec();
        let mut matches = self.matches(&words)?;
        let Some((name, given)) = matches.subcommand() else {
            return Err(CliError::usage("a command is missing"));
        };
        if Builtin::has_subcommand(name) {
            let mut builtin = Builtin::from_arg_matches(&matches).map_err(CliError::Arguments)?;
            if let Builtin::Connect(args) = &mut builtin {
                args.has_flags = is_given(given, "property") || flags_of(given).next().is_some();
            }
            return Ok(Request::Builtin(builtin));
        }
        self.refuse_connection_flags(said, given)?;
        let (command, depth) = self.innermost(&words);
        let mut defaults = settings.defaults(command, innermost_matches(given));
        if line.input.is_some() && takes_payload(command) && !has_payload(given) {
            defaults.push("-s".to_owned());
        }
        if line.input.is_none() && (is_given(given, "stdin_file") || is_given(given, "stdin_line")) {
            return Err(CliError::usage_with_hint(
                "standard input is the shell's own",
                "end the line with <<EOF; what stands between it and a line EOF is read",
            ));
        }
        if !defaults.is_empty() {
            words.splice(depth..depth, defaults);
            matches = self.matches(&words)?;
        }
        crate::Command::from_arg_matches(&matches).map(Request::Program).map_err(CliError::Arguments)
    }

    fn matches(&self, words: &[String]) -> Result<ArgMatches, CliError> {
        if let Some((name, hint)) = words.first().and_then(|name| Some((name, hint_for_absent(name)?))) {
            return Err(CliError::usage_with_hint(format!("{name} is no command of the shell"), hint));
        }
        let matches = self.command.clone().try_get_matches_from(words);
        matches.map_err(|error| CliError::Arguments(with_nearest(error, &self.command, words)))
    }

    fn refuse_connection_flags(&self, words: &[String], given: &ArgMatches) -> Result<(), CliError> {
        let (command, _) = self.innermost(words);
        if !command.get_arguments().any(|argument| argument.get_id() == "profile") {
            return Ok(());
        }
        let Some(id) = flags_of(innermost_matches(given)).next() else { return Ok(()) };
        let argument = command.get_arguments().find(|argument| argument.get_id().as_str() == id);
        let name = match argument.and_then(|argument| argument.get_long()) {
            Some(long) => format!("--{long}"),
            None => format!("-{}", argument.and_then(|argument| argument.get_short()).unwrap_or('?')),
        };
        Err(CliError::usage_with_hint(
            format!("{name} says how to connect, and the shell is connected"),
            "`connect` opens another connection, `use` goes back to one",
        ))
    }

    /// Prints what there is, or what there is to one command.
    pub(super) fn help(&self, words: &[String]) -> Result<String, CliError> {
        if words.is_empty() {
            return Ok(self.overview());
        }
        match self.find(words) {
            Some(command) => {
                let name = words.join(" ");
                Ok(command.clone().bin_name(name).render_help().to_string())
            }
            None => Err(self.unknown(words)),
        }
    }

    /// clap knows the nearest name.
    fn unknown(&self, words: &[String]) -> CliError {
        let nothing = |_| CliError::usage(format!("there is no command {}", words.join(" ")));
        self.matches(words).map_or_else(|error| error, nothing)
    }

    fn overview(&self) -> String {
        let mut text = String::new();
        let is_own = |command: &&clap::Command| Builtin::has_subcommand(command.get_name());
        let (own, others): (Vec<_>, Vec<_>) = self.command.get_subcommands().partition(is_own);
        for (title, commands) in [("Commands:", others), ("The shell itself:", own)] {
            text.push_str(&format!("{title}\n"));
            for command in commands {
                let about = command.get_about().map(ToString::to_string).unwrap_or_default();
                text.push_str(&format!("  {:<11} {about}\n", command.get_name()));
            }
            text.push('\n');
        }
        text.push_str(OVERVIEW_NOTES);
        text
    }
}

const OVERVIEW_NOTES: &str = "\
`sub` goes on in the background, and so does every subscription without -C, -W or -E. `help COMMAND` tells of one
command. Words are quoted as in other shells, commands are separated by ; and ends of lines. A line that ends with
<<EOF gives a command the lines up to EOF as its input, or as its message.
";

/// The flags that the shell's connection stands for, by their names in clap.
fn connection_flags() -> Vec<String> {
    let command = ReconnectArgs::augment_args(ConnectArgs::augment_args(clap::Command::new("flags")));
    let ids = command.get_arguments().map(|argument| argument.get_id().to_string());
    // Properties are for what is sent.
    ids.filter(|id| id != "property").collect()
}

/// Those of them that stand on a line.
fn flags_of(given: &ArgMatches) -> impl Iterator<Item = String> {
    connection_flags().into_iter().filter(move |id| is_given(given, id))
}

/// The command with the flags of the connection hidden, in its subcommands, too.
fn without_flags(mut command: clap::Command, flags: &[String]) -> clap::Command {
    let is_connecting = command.get_arguments().any(|argument| argument.get_id() == "profile");
    for flag in flags.iter().filter(|_| is_connecting) {
        if command.get_arguments().any(|argument| argument.get_id().as_str() == flag) {
            command = command.mut_arg(flag, |argument| argument.hide(true));
        }
    }
    if let Some(notes) = command.get_after_help().map(ToString::to_string) {
        command = command.after_help(without_program(&notes));
    }
    command.mut_subcommands(|command| without_flags(command, flags))
}

/// Notes and examples as they are in the shell: without the name of the program, and without pipes and connections.
fn without_program(notes: &str) -> String {
    let (notes, examples) = notes.split_once("Examples:\n").unwrap_or((notes, ""));
    let is_possible =
        |example: &&str| ![" | ", " -h ", " -L ", " > "].iter().any(|part| example.contains(part));
    let examples: String = examples
        .lines()
        .filter(is_possible)
        .map(|line| format!("{}\n", line.replacen("  vaux ", "  ", 1)))
        .collect();
    let notes = notes.split("\n\n").filter(|paragraph| !paragraph.contains("VAUX_"));
    let notes = notes.collect::<Vec<_>>().join("\n\n");
    if examples.is_empty() { notes } else { format!("{notes}Examples:\n{}", examples.trim_end_matches('\n')) }
}

fn hint_for_absent(name: &str) -> Option<&'static str> {
    ABSENT.iter().find(|(absent, _)| *absent == name).map(|(_, hint)| *hint)
}

fn innermost_matches(mut matches: &ArgMatches) -> &ArgMatches {
    while let Some((_, inner)) = matches.subcommand() {
        matches = inner;
    }
    matches
}

/// Whether a flag stands on the line.
pub(super) fn is_given(matches: &ArgMatches, id: &str) -> bool {
    let is_known = matches.try_contains_id(id).is_ok();
    is_known && matches.value_source(id) == Some(ValueSource::CommandLine)
}

fn takes_payload(command: &clap::Command) -> bool {
    command.get_arguments().any(|argument| argument.get_id() == "stdin_file")
}

fn has_payload(given: &ArgMatches) -> bool {
    ["message", "file", "stdin_file", "null_message", "stdin_line"].iter().any(|id| is_given(given, id))
}

/// How the program ends, as a number.
pub(super) fn code(exit: Exit) -> u8 {
    exit as u8
}
