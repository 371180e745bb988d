//! A terminal for the program: keys in, and a screen to be read.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::AsFd;
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{Pty, open};

/// A screen that does not show what it should after so long never will: the test has failed.
const PATIENCE: Duration = Duration::from_secs(60);

const ROWS: u16 = 24;
const COLUMNS: u16 = 80;

/// A program at a terminal of 80×24, ended when dropped.
pub(crate) struct Terminal {
    keyboard: Pty,
    child: Child,
    shown: Arc<Shown>,
}

struct Shown {
    parser: Mutex<(vt100::Parser, bool)>,
    has_changed: Condvar,
}

impl Terminal {
    pub(crate) fn start(command: Command) -> Terminal {
        let (keyboard, program) = open().unwrap();
        keyboard.resize(Size::new(ROWS, COLUMNS)).unwrap();
        let child = pty_process::blocking::Command::from(command).spawn(program).unwrap();
        let mut screen = std::fs::File::from(keyboard.as_fd().try_clone_to_owned().unwrap());
        let size = |number| NonZeroU16::new(number).unwrap();
        let parser = vt100::Parser::new(size(ROWS), size(COLUMNS), 0);
        let shown = Arc::new(Shown { parser: Mutex::new((parser, false)), has_changed: Condvar::new() });
        let drawn = shown.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Reading fails when the program has closed its end.
            while let Ok(len @ 1..) = screen.read(&mut bytes) {
                // A test that has failed looks no more.
                let Ok(mut parser) = drawn.parser.lock() else { return };
                parser.0.process(&bytes[..len]);
                drawn.has_changed.notify_all();
            }
            if let Ok(mut parser) = drawn.parser.lock() {
                parser.1 = true;
            }
            drawn.has_changed.notify_all();
        });
        Terminal { keyboard, child, shown }
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// The screen, once it is as it should be.
    pub(crate) fn wait(&self, what: &str, is_right: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        let mut drawn = self.shown.parser.lock().unwrap();
        loop {
            let (parser, is_closed) = &*drawn;
            let text = parser.screen().contents();
            if is_right(&text) {
                return text;
            }
            assert!(!is_closed, "{what} was not shown before the end:\n{text}");
            assert!(start.elapsed() < PATIENCE, "{what} is not shown:\n{text}");
            drawn = self.shown.has_changed.wait_timeout(drawn, PATIENCE).unwrap().0;
        }
    }

    /// Waits until a text is on the screen.
    pub(crate) fn see(&self, text: &str) -> String {
        self.wait(text, |screen| screen.contains(text))
    }

    /// Waits until the last line of the screen is this.
    pub(crate) fn see_line(&self, line: &str) -> String {
        self.wait(line, |screen| screen.lines().last().is_some_and(|last| last.trim_end() == line))
    }

    /// How the program ends by itself.
    pub(crate) fn end(mut self) -> Option<i32> {
        let start = Instant::now();
        let mut drawn = self.shown.parser.lock().unwrap();
        while !drawn.1 {
            assert!(start.elapsed() < PATIENCE, "it does not end:\n{}", drawn.0.screen().contents());
            drawn = self.shown.has_changed.wait_timeout(drawn, PATIENCE).unwrap().0;
        }
        drop(drawn);
        self.child.wait().unwrap().code()
    }

    /// The program.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
