//! `watch`: the present values of topics, in place.
//!
//! ```text
//! room/1/temperature  21.5
//! room/2/temperature  19
//! 2 topics, 17 messages; a key ends
//! ```

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write, stdin, stdout};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use tokio::sync::oneshot;
use tokio::time::Instant;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
use vaux_client::{Message, QoS, ReconnectPolicy, RequestError, Subscribe};

use crate::cli_error::{CliError, Exit};
use crate::connection::{ConnectArgs, Interrupt, Place, Session, block_on, check_filter, close, subscribe};
use crate::output::color::Palette;
use crate::output::hex::is_text;
use crate::output::screen;
use crate::output::talk::Talk;

/// How long a drawing stands at least.
const PAUSE: Duration = Duration::from_millis(100);

/// Shows topics until a key is pressed.
pub(super) fn run(filters: &[String], connect: ConnectArgs, talk: Talk) -> Result<Exit, CliError> {
    if !stdin().is_terminal() || !stdout().is_terminal() {
        return Err(CliError::usage_with_hint(
            "watch needs a terminal",
            "sub prints messages one after the other",
        ));
    }
    filters.iter().try_for_each(|filter| check_filter("watch", filter))?;
    let plan = connect.plan(&[Place::Subscribe], talk)?;
    let _hold = screen::hold();
    block_on(async {
        let mut session = Session::open(&plan, ReconnectPolicy::NEVER, talk).await?;
        let outcome = show(&mut session, filters, talk).await;
        close(&session.client, Default::default(), talk).await;
        outcome
    })
}

async fn show(session: &mut Session, filters: &[String], talk: Talk) -> Result<Exit, CliError> {
    let mut interrupt = Interrupt::listen()?;
    let mut keys = Keys::listen().map_err(CliError::Stdio)?;
    let request = filters
        .iter()
        .fold(Subscribe::default(), |request, filter| request.and(filter.as_str(), QoS::AtMostOnce));
    let link = session.client.clone();
    let mut asking = std::pin::pin!(subscribe(&link, request, filters, talk));
    let mut is_asking = true;
    let mut board = Board { palette: talk.palette(), ..Board::default() };
    let mut due = None;
    board.draw().map_err(CliError::Stdio)?;
    loop {
        tokio::select! {
            message = session.messages.next() => match message {
                Some(message) => {
                    board.note(&message);
                    due.get_or_insert_with(|| Instant::now() + board.pause());
                }
                None => return Err(session.lost().await),
            },
            answer = &mut asking, if is_asking => {
                is_asking = false;
                match answer {
                    Ok(_) | Err((_, RequestError::Disconnected | RequestError::Ended)) => {}
                    Err((what, source)) => return Err(CliError::Request { what, source }),
                }
            }
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                due = None;
                board.draw().map_err(CliError::Stdio)?;
            }
            // Without a keyboard nobody can end it otherwise.
            _ = &mut keys.pressed => break,
            exit = interrupt.wait() => match exit {
                Exit::Interrupted => break,
                exit => return Ok(exit),
            },
        }
    }
    board.draw().map_err(CliError::Stdio)?;
    Ok(Exit::Ok)
}

/// The values, in the order in which their topics came.
#[derive(Default)]
struct Board {
    topics: Vec<(Arc<str>, String)>,
    places: HashMap<Arc<str>, usize>,
    /// Topics for which there is no room.
    others: u64,
    messages: u64,
    /// How many lines were drawn last.
    drawn: usize,
    last_draw: Option<Instant>,
    palette: Palette,
}

impl Board {
    fn note(&mut self, message: &Message) {
        self.messages += 1;
        let value = one_line(&message.payload);
        match self.places.get(&message.topic) {
            Some(&place) => self.topics[place].1 = value,
            None if self.topics.len() + 3 > size().0 => self.others += 1,
            None => {
                self.places.insert(message.topic.clone(), self.topics.len());
                self.topics.push((message.topic.clone(), value));
            }
        }
    }

    fn pause(&self) -> Duration {
        self.last_draw.map_or(Duration::ZERO, |drawn| PAUSE.saturating_sub(drawn.elapsed()))
    }

    fn draw(&mut self) -> io::Result<()> {
        let columns = size().1;
        let widest = self.topics.iter().map(|(topic, _)| topic.width()).max().unwrap_or(0).min(columns / 2);
        let mut text = match self.drawn {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\r"),
        };
        for (topic, value) in &self.topics {
            let name = cut(&one_line(topic.as_bytes()), widest);
            let gap = " ".repeat(widest.saturating_sub(name.width()) + 2);
            let value = cut(value, columns.saturating_sub(widest + 3));
            text.push_str(&format!("{}{gap}{value}\x1b[K\n", self.palette.title(&name)));
        }
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        let count = self.topics.len();
        let others = match self.others {
            0 => String::new(),
            _ => ", more than there is room for".to_owned(),
        };
        let status = format!(
            "{count} topic{}, {} message{}{others}; a key ends",
            plural(count),
            self.messages,
            plural(usize::try_from(self.messages).unwrap_or(2))
        );
        text.push_str(&format!("{}\x1b[K\n", self.palette.dim(&cut(&status, columns - 1))));
        let mut out = stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        self.drawn = count + 1;
        self.last_draw = Some(Instant::now());
        Ok(())
    }
}

/// Rows and columns of the terminal.
fn size() -> (usize, usize) {
    let size = rustix::termios::tcgetwinsize(stdout()).ok().filter(|size| size.ws_row > 0 && size.ws_col > 0);
    size.map_or((24, 80), |size| (size.ws_row.into(), size.ws_col.into()))
}

/// A payload on one line: bytes that are no text in hex.
fn one_line(payload: &[u8]) -> String {
    /// More than any line shows.
    const MAX_BYTES: usize = 1024;
    let payload = &payload[..payload.len().min(MAX_BYTES)];
    let text = str::from_utf8(payload).ok().filter(|_| is_text(payload));
    match text {
        Some(text) => text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
        None => payload.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// As much of a text as has room.
fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut width = 1;
    let fits = |character: &char| {
        width += character.width().unwrap_or(0);
        width <= columns
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.push('…');
    cut
}

/// Keys come one by one and are not shown, as long as this lives.
struct Keys {
    /// Comes with the first one.
    pressed: oneshot::Receiver<()>,
    /// Dropped, it ends the thread that waits for them.
    wake: Option<io::PipeWriter>,
    thread: Option<std::thread::JoinHandle<()>>,
    before: Termios,
}

impl Keys {
    fn listen() -> io::Result<Keys> {
        let before = tcgetattr(stdin())?;
        let mut modes = before.clone();
        // Ctrl-C stays a signal.
        modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        modes.special_codes[SpecialCodeIndex::VMIN] = 0;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        let (woken, wake) = io::pipe()?;
        let (press, pressed) = oneshot::channel();
        tcsetattr(stdin(), OptionalActions::Now, &modes)?;
        let thread = std::thread::spawn(move || {
            if is_pressed(&woken) {
                // The rest of what one key sends is none.
                let _ = rustix::io::read(stdin(), &mut [0; 64]);
                let _ = press.send(());
            }
        });
        Ok(Keys { pressed, wake: Some(wake), thread: Some(thread), before })
    }
}

/// Waits for a key, or for the other end of the pipe to be closed.
fn is_pressed(woken: &io::PipeReader) -> bool {
    let stdin = stdin();
    let mut waiting = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(woken, PollFlags::IN)];
    loop {
        match poll(&mut waiting, None) {
            Ok(_) => return waiting[1].revents().is_empty(),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return true,
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // No key that is meant for what comes next is taken.
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // A terminal that is gone needs nothing back.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_one_line_that_has_room() {
        assert_eq!(one_line(b"{\n\t\"a\": 1 }"), "{  \"a\": 1 }");
        assert_eq!(one_line(b"\x1b[2J"), "1b5b324a");
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("日本語", 5), "日本…");
    }
}
