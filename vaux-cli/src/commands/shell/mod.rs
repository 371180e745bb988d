//! `vaux shell`: the commands of the program over connections that stay open, typed line by line or from a script.
//!
//! `words` reads lines and `grammar` knows what they can say; `connections` are open, `jobs` are subscriptions that go on
//! in the background; `editor`, `complete` and `history` help whoever types. What a command does is not here: it is the
//! same as outside.

mod complete;
mod connections;
mod editor;
mod grammar;
mod history;
mod interactive;
mod jobs;
mod script;
mod settings;
mod signals;
mod stdin;
mod topics;
mod watch;
mod words;

use std::io::{self, IsTerminal, Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use tokio::runtime::Runtime;

use crate::cli_error::{CliError, Exit};
use crate::connection::{ConnectArgs, Interrupt, ReconnectArgs, SharedConnection};
use crate::output::screen;
use crate::output::talk::{Talk, TalkArgs};
use connections::Connections;
use editor::LineEditor;
use grammar::{Builtin, Grammar, Request, code};
use jobs::Jobs;
use script::Script;
use settings::Settings;
use signals::Ending;
use stdin::Redirected;
use words::Line;

/// Type commands over a connection that stays open
#[derive(Args, Debug)]
#[command(disable_help_flag = true, after_help = NOTES)]
pub(crate) struct ShellArgs {
    /// Read commands from this file [default: from the terminal, or standard input]
    #[arg(value_name = "FILE|-")]
    file: Option<PathBuf>,
    /// Run these commands; may be repeated
    #[arg(short = 'e', long, value_name = "COMMANDS", conflicts_with = "file", allow_hyphen_values = true)]
    execute: Vec<String>,
    #[command(flatten)]
    reconnect: ReconnectArgs,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help, help_heading = "Output")]
    help: (),
}

const NOTES: &str = "\
Commands are those of vaux without the flags of the connection; `help` lists them. Tab completes commands, flags and \
topics that were seen, messages are printed above the line that is being typed, and a lost connection is made again.

A script goes on after a command that fails, unless it says `set -e`; its exit code is that of the last command.

Examples:
  vaux shell
  vaux shell -h broker.example -u me -P
  vaux shell -e 'get -t config; pub -t seen -m yes'
  vaux shell check.vaux";

/// Runs the shell, in one of its ways.
pub(crate) fn run(args: ShellArgs) -> ExitCode {
    let talk = args.talk.talk();
    match Shell::start(args, talk) {
        Ok(code) => ExitCode::from(code),
        Err(error) => error.report(talk, false).into(),
    }
}

/// The shell.
struct Shell {
    runtime: Runtime,
    grammar: Arc<Grammar>,
    connections: Connections,
    jobs: Jobs,
    settings: Settings,
    ending: Arc<Ending>,
    /// At a terminal.
    editor: Option<LineEditor>,
    /// How the last command ended.
    last: u8,
    talk: Talk,
}

/// Whether another command follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    GoOn,
    Leave,
}

impl Shell {
    fn start(args: ShellArgs, talk: Talk) -> Result<u8, CliError> {
        let script = match (&args.file, args.execute.as_slice()) {
            (Some(path), _) => Some(Script::open(path)?),
            (None, [_, ..]) => Some(Script::text(args.execute.join("\n"))),
            (None, []) if io::stdin().is_terminal() && stdout().is_terminal() => None,
            (None, []) => Some(Script::stdin()?),
        };
        let connect = args.connect.with_environment()?.with_password()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(CliError::Internal)?;
        let ending = Ending::watch(&runtime, script.is_some())?;
        let mut shell = Shell {
            runtime,
            grammar: Arc::new(Grammar::new()),
            connections: Connections::new(connect, args.reconnect, talk),
            jobs: Jobs::default(),
            settings: Settings::new(args.talk.color),
            ending,
            editor: None,
            last: 0,
            talk,
        };
        let outcome = match script {
            Some(script) => shell.run_script(script).map(|()| shell.last),
            None => shell.converse(),
        };
        shell.close();
        // A name that is still being looked up does not keep the program from ending.
        shell.runtime.shutdown_background();
        outcome
    }

    /// Ends all connections in order.
    fn close(&mut self) {
        let open = self.connections.open_ones();
        self.runtime.block_on(async {
            for connection in open {
                connection.close().await;
            }
        });
    }

    fn run_script(&mut self, mut script: Script) -> Result<(), CliError> {
        loop {
            let reading = self.ending.prompting(self.connections.open_ones());
            let Some(passage) = script.next()? else { return Ok(()) };
            drop(reading);
            let place = format!("in {}, line {}", script.name, passage.line);
            let commands = passage.commands.unwrap_or_else(|fault| {
                self.last = code(CliError::usage(fault.to_string()).report(self.talk, false));
                self.talk.hint(&place);
                Vec::new()
            });
            for line in commands {
                let before = std::mem::replace(&mut self.last, 0);
                if self.run_line(&line, before) == Next::Leave {
                    return Ok(());
                }
                // What was waited for in vain, or broken off, is no mistake of the script.
                if !matches!(self.last, 0 | 27 | 130 | 143) {
                    self.talk.hint(&place);
                }
                if self.ends_script() {
                    return Ok(());
                }
            }
            if self.ends_script() {
                return Ok(());
            }
        }
    }

    /// Whether the last command was broken off, or failed where nothing may.
    fn ends_script(&mut self) -> bool {
        if self.ending.is_wanted() {
            self.last = code(Exit::Terminated);
        }
        let is_broken_off = [Exit::Interrupted, Exit::Terminated].map(code).contains(&self.last);
        is_broken_off || (self.settings.errexit && self.last != 0)
    }

    /// Runs one command. How it ended is in `last`; `before` is how the one before did.
    fn run_line(&mut self, line: &Line, before: u8) -> Next {
        let outcome = match self.grammar.parse(line, &self.settings) {
            Ok(Request::Builtin(Builtin::Exit(args))) => {
                self.last = args.code.unwrap_or(before);
                return Next::Leave;
            }
            Ok(Request::Builtin(builtin)) => self.run_builtin(builtin),
            Ok(Request::Program(command)) => self.run_program(command, line),
            Err(CliError::Arguments(error)) => Ok(crate::answer(error)),
            Err(error) => Err(error),
        };
        self.last = code(outcome.unwrap_or_else(|error| error.report(self.talk, false)));
        Next::GoOn
    }

    /// Runs a command of the program, over the connection in use if it needs one.
    fn run_program(&mut self, mut command: crate::Command, line: &Line) -> Result<Exit, CliError> {
        if let Some(connect) = command.connect_mut() {
            connect.use_open(self.opened()?);
        } else if let Some(connect) = command.connect_anew_mut() {
            connect.connect_like(self.connections.current().args());
        }
        self.note_topics(line);
        if let crate::Command::Sub(args) = &command
            && !args.ends_by_itself()
        {
            return self.subscribe(args);
        }
        if let crate::Command::Top(args) = &mut command {
            args.is_guest = true;
        }
        // The terminal is theirs for a while: one asks for a password, the other is all over it.
        let takes_terminal = matches!(command, crate::Command::Passwd(_) | crate::Command::Top(_));
        let takes_terminal = takes_terminal && line.input.is_none();
        let _redirected = if takes_terminal { None } else { Some(Redirected::to(line.input.clone())?) };
        let _hold = takes_terminal.then(screen::hold);
        Ok(crate::perform(command))
    }

    /// Subscribes in the background.
    fn subscribe(&mut self, args: &crate::commands::sub::SubArgs) -> Result<Exit, CliError> {
        let reception = crate::commands::sub::Reception::new(args)?;
        let (name, count) = (self.connections.current().name.clone(), self.connections.count.clone());
        let handle = self.runtime.handle().clone();
        self.runtime.block_on(self.jobs.start(reception, name, count, args.talk.talk(), &handle))
    }

    /// Sees to it that the connection in use is open. Ctrl-C gives up.
    fn open(&mut self) -> Result<Option<SharedConnection>, CliError> {
        let Shell { runtime, connections, .. } = self;
        interruptible(runtime, connections.open_current())?.unwrap_or_else(|| {
            Err(CliError::NotConnected { why: "not connected: broken off".to_owned(), hint: None })
        })
    }

    /// The connection in use, which is open.
    fn opened(&mut self) -> Result<SharedConnection, CliError> {
        self.open()?;
        let open = self.connections.current().open().cloned();
        open.ok_or_else(|| CliError::NotConnected { why: "not connected".to_owned(), hint: None })
    }

    /// What a person writes is worth completing, too.
    fn note_topics(&self, line: &Line) {
        let words = line.words.iter().zip(line.words.iter().skip(1));
        let topics = words.filter(|(flag, topic)| *flag == "-t" && !topic.contains(['+', '#']));
        topics.for_each(|(_, topic)| connections::see(&self.connections.topics, topic));
    }

    fn run_builtin(&mut self, builtin: Builtin) -> Result<Exit, CliError> {
        match builtin {
            Builtin::Connect(args) => self.connect(*args),
            Builtin::Disconnect(args) => {
                let open = self.connections.take(args.name.as_deref())?;
                let open = open.ok_or_else(|| CliError::usage("it is not connected"))?;
                self.runtime.block_on(open.close());
                Ok(Exit::Ok)
            }
            Builtin::Use(args) => self.connections.use_named(&args.name).map(|()| Exit::Ok),
            Builtin::Ls(args) => {
                let text = self.connections.list(args.json, &|name| self.jobs.of(name));
                print(&text)
            }
            Builtin::Unsub(args) => self.unsubscribe(args.filters),
            Builtin::Watch(args) => {
                let mut connect = ConnectArgs::default();
                connect.use_open(self.opened()?);
                watch::run(&args.filters, connect, self.talk)
            }
            Builtin::Wait(args) => self.runtime.block_on(self.jobs.wait(args.count, args.timeout, self.talk)),
            Builtin::Set(args) => match self.settings.change(&args)? {
                Some(text) => print(&text),
                None => {
                    self.recolor();
                    Ok(Exit::Ok)
                }
            },
            Builtin::History(args) => self.history(args.count, args.clear),
            Builtin::Help(args) => print(&self.grammar.help(&args.command)?),
            Builtin::Exit(_) => Ok(Exit::Ok),
        }
    }

    fn connect(&mut self, args: grammar::OpenArgs) -> Result<Exit, CliError> {
        let is_known = args.name.as_ref().is_none_or(|name| self.connections.names().contains(name));
        if is_known && !args.has_flags {
            if let Some(name) = &args.name {
                self.connections.use_named(name)?;
            }
        } else {
            let connect = args.connect.with_environment()?.with_password()?;
            let replaced = self.connections.define(args.name, connect, args.reconnect);
            if let Some(replaced) = replaced {
                self.runtime.block_on(replaced.close());
            }
        }
        if let Some(open) = self.open()? {
            self.greet(&open);
        }
        Ok(Exit::Ok)
    }

    /// Says what there is a connection to now.
    fn greet(&self, open: &SharedConnection) {
        if self.editor.is_some() {
            let (plan, connected) = (open.plan(), open.connected());
            let session = if connected.session_present { ", with the session of before" } else { "" };
            let (server, version, client) = (plan.server(), plan.version, &connected.client_id);
            self.talk.note(format_args!("connected to {server}, MQTT {version}, client {client}{session}"));
        }
    }

    fn unsubscribe(&mut self, filters: Vec<String>) -> Result<Exit, CliError> {
        let name = self.connections.current().name.clone();
        let missing = self.runtime.block_on(self.jobs.unsubscribe(&name, &filters));
        if missing.is_empty() {
            return Ok(Exit::Ok);
        }
        // A session of before may have more than the shell knows of.
        let open = self.opened()?;
        missing.iter().try_for_each(|filter| crate::connection::check_filter("unsub", filter))?;
        let asking = open.unsubscribe(&missing, Default::default());
        let Some(answer) = interruptible(&self.runtime, asking)? else { return Ok(Exit::Interrupted) };
        let what = format!("not unsubscribed from {}", missing.join(", "));
        let answer = answer.map_err(|source| CliError::Request { what, source })?;
        for (filter, reason) in missing.iter().zip(&answer.reasons) {
            if *reason == vaux_client::ReasonCode::NoSubscriptionExisted {
                self.talk.warning(format_args!("there was no subscription to {filter}"));
            }
        }
        Ok(Exit::Ok)
    }

    fn history(&mut self, count: Option<usize>, clear: bool) -> Result<Exit, CliError> {
        let editor = self.editor.as_mut();
        let editor = editor.ok_or_else(|| CliError::usage("scripts have no history"))?;
        if clear {
            editor.forget()?;
            return Ok(Exit::Ok);
        }
        let lines = editor.history();
        let skipped = lines.len() - count.unwrap_or(lines.len()).min(lines.len());
        let numbered = lines.iter().enumerate().skip(skipped);
        print(&numbered.map(|(index, line)| format!("{:>5}  {line}\n", index + 1)).collect::<String>())
    }
}

/// Does something that Ctrl-C can break off.
fn interruptible<T>(runtime: &Runtime, work: impl Future<Output = T>) -> Result<Option<T>, CliError> {
    runtime.block_on(async {
        let mut interrupt = Interrupt::listen()?;
        tokio::select! {
            done = work => Ok(Some(done)),
            _ = interrupt.wait() => Ok(None),
        }
    })
}

fn print(text: &str) -> Result<Exit, CliError> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(CliError::Stdio)?;
    Ok(Exit::Ok)
}
