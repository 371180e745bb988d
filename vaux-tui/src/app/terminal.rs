//! The terminal: taken over, drawn on, and given back whatever happens.

use std::io::{self, Stdout, Write, stdout};
use std::sync::Once;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::Size;
use rustix::process::{Signal, getpid, kill_process};

/// The terminal while it is ours. When it is dropped the terminal is as before.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    is_suspended: bool,
}

/// Terminals cut longer ones off, or take none of it.
const MAX_COPIED_BYTES: usize = 74_000;

impl Screen {
    /// Takes the terminal over. After a panic it is given back before anything is told.
    pub(super) fn enter() -> io::Result<Screen> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let told = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                leave();
                told(panic);
            }));
        });
        // From here on an error gives back what was taken.
        let guard = Guard;
        take_over(true)?;
        let terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        std::mem::forget(guard);
        Ok(Screen { terminal, is_suspended: false })
    }

    /// Draws.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Buffer)) -> io::Result<()> {
        self.terminal.draw(|frame| draw(frame.buffer_mut())).map(drop)
    }

    /// How large it is.
    pub(super) fn size(&self) -> io::Result<Size> {
        self.terminal.size()
    }

    /// Takes the mouse, or leaves it to the terminal.
    pub(super) fn set_mouse(&mut self, is_ours: bool) -> io::Result<()> {
        match is_ours {
            true => execute!(stdout(), EnableMouseCapture),
            false => execute!(stdout(), DisableMouseCapture),
        }
    }

    /// Gives the terminal back and stops, until the shell has us go on.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        leave();
        self.is_suspended = true;
        kill_process(getpid(), Signal::STOP)?;
        Ok(())
    }

    /// Takes the terminal over again, if it was given back.
    pub(super) fn resume(&mut self, has_mouse: bool) -> io::Result<()> {
        if std::mem::take(&mut self.is_suspended) {
            take_over(has_mouse)?;
            // A new one draws everything anew. The old one would ask the terminal where its cursor is, and the answer would
            // go to who reads the keys.
            self.terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        }
        Ok(())
    }

    /// Whether the terminal is the shell's at present.
    pub(super) fn is_suspended(&self) -> bool {
        self.is_suspended
    }

    /// Puts a text into the clipboard by the terminal, which works from afar too. Says whether it was not too long.
    pub(super) fn copy(&mut self, text: &str) -> io::Result<bool> {
        if text.len() > MAX_COPIED_BYTES {
            return Ok(false);
        }
        let mut out = stdout();
        write!(out, "\x1b]52;c;{}\x07", STANDARD.encode(text))?;
        out.flush()?;
        Ok(true)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// Gives the terminal back unless it is forgotten.
struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        leave();
    }
}

fn take_over(has_mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste)?;
    if has_mouse {
        execute!(stdout(), EnableMouseCapture)?;
    }
    Ok(())
}

/// As far as it can be done: there is nobody left to tell what cannot.
fn leave() {
    let _ = execute!(stdout(), DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}
