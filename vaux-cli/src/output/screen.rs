//! Text that comes while a person types: it is printed above the line that is being edited, which stays as it is.
//!
//! There is one terminal. While nobody edits lines on it, and where there is no terminal, the text goes to standard
//! output and standard error at once. On a terminal nothing here ever waits: what comes faster than it can be shown is
//! left out, and how much that was is said.

use std::io::{self, Write, stderr, stdout};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

/// So much may wait to be shown.
const MAX_WAITING_BYTES: usize = 256 * 1024;

/// The terminal on which lines are edited.
static SCREEN: OnceLock<Screen> = OnceLock::new();

#[derive(Default)]
struct Screen {
    waiting: Mutex<Waiting>,
    has_changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    text: String,
    left_out: u64,
    /// How many want nothing to be shown at present.
    holds: u32,
}

/// From now on texts are shown by `show`, in a thread of its own, one after the other.
pub(crate) fn install(mut show: impl FnMut(String) + Send + 'static) {
    let screen = SCREEN.get_or_init(Screen::default);
    std::thread::spawn(move || {
        loop {
            show(screen.next());
        }
    });
}

/// Writes data that nobody at the keyboard has just asked for.
pub(crate) fn print(data: &[u8]) -> io::Result<()> {
    match SCREEN.get() {
        Some(screen) => screen.add(&String::from_utf8_lossy(data)),
        None => {
            let mut out = stdout().lock();
            out.write_all(data)?;
            out.flush()?;
        }
    }
    Ok(())
}

/// Says a line about what has happened meanwhile.
pub(crate) fn tell(line: &str) {
    match SCREEN.get() {
        Some(screen) => screen.add(line),
        // Nobody is left to tell when standard error is closed.
        None => drop(stderr().write_all(line.as_bytes())),
    }
}

/// Has texts wait, as long as what is returned lives: the terminal is somebody else's.
pub(crate) fn hold() -> Hold {
    if let Some(screen) = SCREEN.get() {
        screen.waiting().holds += 1;
    }
    Hold
}

/// Texts wait.
#[derive(Debug)]
pub(crate) struct Hold;

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(screen) = SCREEN.get() {
            let mut waiting = screen.waiting();
            waiting.holds = waiting.holds.saturating_sub(1);
            screen.has_changed.notify_one();
        }
    }
}

/// Collects what is written, and prints it as a whole when it is flushed.
#[derive(Debug, Default)]
pub(crate) struct Above(Vec<u8>);

impl Write for Above {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let printed = print(&self.0);
        self.0.clear();
        printed
    }
}

impl Screen {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // It is a text and numbers, which are right at any time.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, text: &str) {
        let mut waiting = self.waiting();
        if waiting.text.len() + text.len() > MAX_WAITING_BYTES {
            waiting.left_out += text.lines().count() as u64;
            return;
        }
        waiting.text.push_str(text);
        if !text.ends_with('\n') {
            waiting.text.push('\n');
        }
        self.has_changed.notify_one();
    }

    /// Waits for text.
    fn next(&self) -> String {
        let waiting = self.waiting();
        let idle = |waiting: &mut Waiting| waiting.text.is_empty() || waiting.holds > 0;
        let mut waiting = self.has_changed.wait_while(waiting, idle).unwrap_or_else(PoisonError::into_inner);
        let mut text = std::mem::take(&mut waiting.text);
        let left_out = std::mem::take(&mut waiting.left_out);
        if left_out > 0 {
            let lines = if left_out == 1 { "line" } else { "lines" };
            text.push_str(&format!("… {left_out} {lines} left out: they came faster than can be shown\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_counted_and_lines_end() {
        let screen = Screen::default();
        screen.add("one");
        screen.add(&"x".repeat(MAX_WAITING_BYTES));
        screen.add("two\nthree\n");
        screen.add(&"y\n".repeat(MAX_WAITING_BYTES / 2));
        let text = screen.next();
        assert_eq!(
            text,
            format!(
                "one\ntwo\nthree\n… {} lines left out: they came faster than can be shown\n",
                1 + MAX_WAITING_BYTES / 2
            )
        );
    }
}
