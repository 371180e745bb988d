//! The line editor: prompt, completion, hints, and whether a line is finished.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::{Hinter, HistoryHinter};
use rustyline::history::{FileHistory, History};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{
    ColorMode, CompletionType, Config, Context, Editor, ExternalPrinter, Helper, config::BellStyle,
};

use super::complete::{Completion, Known, complete};
use super::connections::{OFFLINE, ONLINE};
use super::grammar::Grammar;
use super::history;
use super::words::{Fault, parse};
use crate::cli_error::CliError;
use crate::connection::{SharedConnection, State};
use crate::output::color::Palette;
use crate::output::screen;

/// Reads lines at a terminal.
pub(super) struct LineEditor {
    editor: Editor<Assistant, FileHistory>,
    assistant: Arc<Mutex<Assistance>>,
    history_path: Option<std::path::PathBuf>,
}

/// What a person did.
pub(super) enum Typed {
    /// Entered this.
    Line(String),
    /// Pressed Ctrl-C.
    Nothing,
    /// Pressed Ctrl-D.
    End,
}

/// What the editor needs to know to help.
pub(super) struct Assistance {
    /// The connection in use, if it is open.
    pub(super) connection: Option<SharedConnection>,
    /// What is known for completion.
    pub(super) known: Known,
    /// The colours.
    pub(super) palette: Palette,
    /// Whether there are any.
    pub(super) has_colors: bool,
}

impl LineEditor {
    /// Takes the terminal's lines over. What comes meanwhile is printed above the line from now on.
    pub(super) fn new(grammar: Arc<Grammar>, assistance: Assistance) -> Result<LineEditor, CliError> {
        let config = Config::builder()
            .history_ignore_dups(true)
            .and_then(|config| config.max_history_size(history::MAX_LINES))
            .map_err(internal)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .completion_show_all_if_ambiguous(true)
            .bell_style(BellStyle::None)
            // The sign in the prompt changes as colours would; whether there are any is decided here.
            .color_mode(ColorMode::Forced)
            .build();
        let mut editor = Editor::with_config(config).map_err(internal)?;
        let assistant = Arc::new(Mutex::new(assistance));
        editor.set_helper(Some(Assistant {
            shared: assistant.clone(),
            grammar,
            hints: HistoryHinter::new(),
        }));
        let history_path = history::path();
        if let Some(path) = &history_path {
            // The first time there is none; one that cannot be read is begun anew.
            let _ = editor.load_history(path);
        }
        // Terminals on which nothing can be printed above a line have it printed where the cursor is.
        if let Ok(mut printer) = editor.create_external_printer() {
            screen::install(move |text| {
                // The terminal is gone: so will be the program.
                let _ = printer.print(text);
            });
        }
        Ok(LineEditor { editor, assistant, history_path })
    }

    /// What the editor knows.
    pub(super) fn assistance(&self) -> MutexGuard<'_, Assistance> {
        lock(&self.assistant)
    }

    /// Reads one input, which may have several lines.
    pub(super) fn read(&mut self, name: &str) -> Result<Typed, CliError> {
        let prompt = format!("{} {name}> ", glyph(&self.assistance()));
        match self.editor.readline(&prompt) {
            Ok(line) => Ok(Typed::Line(line)),
            Err(ReadlineError::Interrupted) => Ok(Typed::Nothing),
            Err(ReadlineError::Eof) => Ok(Typed::End),
            Err(error) => Err(internal(error)),
        }
    }

    /// Keeps an input for later, unless it may hold a password.
    pub(super) fn remember(&mut self, line: &str) {
        let words: Vec<_> = match parse(line) {
            Ok(lines) => lines.into_iter().flat_map(|line| line.words).collect(),
            Err(_) => line.split_whitespace().map(str::to_owned).collect(),
        };
        if !history::keeps(line, &words) {
            return;
        }
        // Lines that cannot be written are still there while the shell runs.
        let is_new = self.editor.add_history_entry(line).unwrap_or(false);
        if let Some(path) = self.history_path.as_ref().filter(|_| is_new) {
            let _ = self.editor.append_history(path);
        }
    }

    /// The lines of before.
    pub(super) fn history(&self) -> Vec<String> {
        self.editor.history().iter().cloned().collect()
    }

    /// Forgets the lines of before, on the disk, too.
    pub(super) fn forget(&mut self) -> Result<(), CliError> {
        self.editor.clear_history().map_err(internal)?;
        match &self.history_path {
            Some(path) => self.editor.history_mut().save(path).map_err(internal),
            None => Ok(()),
        }
    }
}

fn internal(error: ReadlineError) -> CliError {
    CliError::Stdio(match error {
        ReadlineError::Io(error) => error,
        error => std::io::Error::other(error.to_string()),
    })
}

fn lock(assistant: &Mutex<Assistance>) -> MutexGuard<'_, Assistance> {
    assistant.lock().unwrap_or_else(PoisonError::into_inner)
}

fn glyph(assistance: &Assistance) -> char {
    let state = assistance.connection.as_ref().map(SharedConnection::state);
    if matches!(state, Some(State::Online)) { ONLINE } else { OFFLINE }
}

/// What rustyline asks while a line is edited.
struct Assistant {
    shared: Arc<Mutex<Assistance>>,
    grammar: Arc<Grammar>,
    hints: HistoryHinter,
}

impl Helper for Assistant {}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> Result<(usize, Vec<Pair>), ReadlineError> {
        let completion = complete(&line[..pos], &self.grammar, &lock(&self.shared).known);
        match completion {
            Completion::File => FilenameCompleter::new().complete_path(line, pos),
            Completion::Words(start, candidates) => {
                let pairs = candidates.into_iter();
                let pairs = pairs.map(|one| Pair { display: one.shown, replacement: one.replacement });
                Ok((start, pairs.collect()))
            }
        }
    }
}

impl Hinter for Assistant {
    type Hint = String;

    /// The rest of a line of before, up to its end. Without colours it would look like what was typed.
    fn hint(&self, line: &str, pos: usize, context: &Context<'_>) -> Option<String> {
        if !lock(&self.shared).has_colors {
            return None;
        }
        self.hints.hint(line, pos, context).filter(|hint| !hint.contains('\n'))
    }
}

impl Highlighter for Assistant {
    /// The sign at the beginning tells how the connection is now, not how it was when the line was begun.
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, is_default: bool) -> Cow<'b, str> {
        let assistance = lock(&self.shared);
        let rest = prompt.strip_prefix([ONLINE, OFFLINE]).filter(|_| is_default);
        let Some(rest) = rest else { return Cow::Borrowed(prompt) };
        let glyph = glyph(&assistance);
        let sign = match glyph {
            ONLINE => assistance.palette.field(3, &glyph.to_string()),
            _ => assistance.palette.error(&glyph.to_string()),
        };
        Cow::Owned(format!("{sign}{}", assistance.palette.title(rest)))
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(lock(&self.shared).palette.dim(hint))
    }
}

impl Validator for Assistant {
    /// A quote that is open, or an input that is announced, wants more lines.
    fn validate(&self, context: &mut ValidationContext<'_>) -> Result<ValidationResult, ReadlineError> {
        Ok(match parse(context.input()) {
            Err(Fault::Unfinished(_)) => ValidationResult::Incomplete,
            _ => ValidationResult::Valid(None),
        })
    }
}
