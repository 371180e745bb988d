//! The shell at a terminal: a line is read, run and kept, until somebody leaves.

use std::io::stdout;
use std::sync::Arc;

use super::editor::{Assistance, LineEditor, Typed};
use super::grammar::code;
use super::words::parse;
use super::{Next, Shell, complete};
use crate::cli_error::CliError;
use crate::output::color::Palette;

impl Shell {
    /// Talks with a person. Returns how the program ends.
    pub(super) fn converse(&mut self) -> Result<u8, CliError> {
        let assistance = self.assistance();
        self.editor = Some(LineEditor::new(self.grammar.clone(), assistance)?);
        match self.open() {
            Ok(Some(open)) => self.greet(&open),
            Ok(None) => {}
            Err(error) => drop(error.report(self.talk, false)),
        }
        self.talk.note("`help` lists commands, Tab completes, Ctrl-D leaves");
        loop {
            match self.read()? {
                Typed::Nothing => {}
                Typed::End => return Ok(0),
                Typed::Line(text) => {
                    if self.run_text(&text) == Next::Leave {
                        return Ok(self.last);
                    }
                }
            }
            if self.ending.is_wanted() {
                return Ok(code(crate::cli_error::Exit::Terminated));
            }
        }
    }

    fn read(&mut self) -> Result<Typed, CliError> {
        let assistance = self.assistance();
        let name = self.connections.current().name.clone();
        let open = self.connections.open_ones();
        let Some(editor) = &mut self.editor else { return Ok(Typed::End) };
        *editor.assistance() = assistance;
        let _prompting = self.ending.prompting(open);
        editor.read(&name)
    }

    fn run_text(&mut self, text: &str) -> Next {
        if text.trim().is_empty() {
            return Next::GoOn;
        }
        if let Some(editor) = &mut self.editor {
            editor.remember(text);
        }
        let lines = match parse(text) {
            Ok(lines) => lines,
            Err(fault) => {
                self.last = code(CliError::usage(fault.to_string()).report(self.talk, false));
                return Next::GoOn;
            }
        };
        for line in lines {
            let before = std::mem::replace(&mut self.last, 0);
            if self.run_line(&line, before) == Next::Leave {
                return Next::Leave;
            }
            // Ctrl-C is for the rest of the line, too.
            if self.last == code(crate::cli_error::Exit::Interrupted) {
                break;
            }
        }
        Next::GoOn
    }

    fn assistance(&self) -> Assistance {
        let has_colors = self.settings.color.is_on(&stdout());
        let current = self.connections.current();
        Assistance {
            connection: current.open().cloned(),
            known: complete::Known {
                topics: Arc::clone(&self.connections.topics),
                commands: self.grammar.names(),
                connections: self.connections.names(),
                subscriptions: self.jobs.filters(&current.name),
            },
            palette: Palette::new(has_colors),
            has_colors,
        }
    }

    /// The colours of what the shell says follow the setting.
    pub(super) fn recolor(&mut self) {
        self.talk = self.talk.with_color(self.settings.color);
    }
}
