//! SIGTERM, and for scripts Ctrl-C: the shell leaves in order also while it reads lines, where nothing else looks at
//! signals. Commands look themselves.

use std::io::{IsTerminal, Write, stdin, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli_error::{CliError, Exit};
use crate::connection::SharedConnection;

/// A server that does not take the good-bye is not waited for.
const GOOD_BYE: Duration = Duration::from_secs(1);

/// Whether the shell is to end.
pub(super) struct Ending {
    is_wanted: AtomicBool,
    /// What is open, while lines are read.
    prompting: Mutex<Option<Vec<SharedConnection>>>,
    /// How the terminal was.
    terminal: Option<Termios>,
}

/// Lines are read, as long as this lives.
pub(super) struct Prompting(Arc<Ending>);

impl Ending {
    /// Watches for signals from now on. Ctrl-C no longer ends the program by itself.
    pub(super) fn watch(runtime: &Runtime, is_script: bool) -> Result<Arc<Ending>, CliError> {
        let ending = Arc::new(Ending {
            is_wanted: AtomicBool::new(false),
            prompting: Mutex::new(None),
            terminal: tcgetattr(stdin()).ok(),
        });
        let _inside = runtime.enter();
        let mut terminate = signal(SignalKind::terminate()).map_err(CliError::Internal)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::Internal)?;
        let watched = ending.clone();
        runtime.spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => watched.terminate().await,
                    // At a terminal it is a key, which the line editor knows.
                    _ = interrupt.recv(), if is_script => {
                        let open = watched.lock().take();
                        if let Some(open) = open {
                            watched.leave(open, Exit::Interrupted).await;
                        }
                    }
                }
            }
        });
        Ok(ending)
    }

    async fn terminate(&self) {
        if self.is_wanted.swap(true, Ordering::Relaxed) {
            // Who says it twice does not want to wait for a command.
            self.leave(Vec::new(), Exit::Terminated).await;
        }
        let open = self.lock().take();
        if let Some(open) = open {
            self.leave(open, Exit::Terminated).await;
        }
    }

    /// Whether the signal came.
    pub(super) fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::Relaxed)
    }

    /// Lines are read from now on, with these connections open.
    pub(super) fn prompting(self: &Arc<Ending>, open: Vec<SharedConnection>) -> Prompting {
        *self.lock() = Some(open);
        Prompting(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<SharedConnection>>> {
        // It is set as a whole.
        self.prompting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the program while its main thread waits for lines.
    async fn leave(&self, open: Vec<SharedConnection>, exit: Exit) {
        let good_bye = async {
            for connection in open {
                connection.close().await;
            }
        };
        // Whoever is not told in time finds out.
        let _ = tokio::time::timeout(GOOD_BYE, good_bye).await;
        if let Some(terminal) = self.terminal.as_ref().filter(|_| stdout().is_terminal()) {
            // Out of bracketed paste, which the line editor has asked for.
            let _ = stdout().write_all(b"\x1b[?2004l\r\n");
            let _ = tcsetattr(stdin(), OptionalActions::Now, terminal);
        }
        std::process::exit(exit as i32);
    }
}

impl Drop for Prompting {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}
