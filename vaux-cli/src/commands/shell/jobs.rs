//! Subscriptions in the background: their messages are printed while other commands run and lines are typed.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use vaux_client::Disconnected;

use super::connections::label;
use crate::cli_error::{CliError, Exit};
use crate::commands::sub::{Progress, Reception, Stage};
use crate::connection::Interrupt;
use crate::output::screen::Above;
use crate::output::talk::Talk;

/// A subscription that goes on.
struct Job {
    connection: Arc<str>,
    filters: Vec<String>,
    progress: watch::Receiver<Progress>,
    /// Dropped, it ends the job, too.
    stop: oneshot::Sender<()>,
    task: JoinHandle<Option<CliError>>,
}

/// All of them.
#[derive(Default)]
pub(super) struct Jobs {
    list: Vec<Job>,
    /// How many messages were printed by jobs that have ended.
    ended: u64,
    /// How many were waited for.
    awaited: u64,
}

impl Jobs {
    /// Begins a subscription, and waits until the server has answered, or somebody interrupts.
    pub(super) async fn start(
        &mut self,
        reception: Reception,
        connection: Arc<str>,
        count: Arc<AtomicUsize>,
        talk: Talk,
        runtime: &Handle,
    ) -> Result<Exit, CliError> {
        let filters = reception.filters().to_vec();
        let (stop, wish) = oneshot::channel();
        let sender = watch::Sender::new(Progress::default());
        let mut progress = sender.subscribe();
        let name = connection.clone();
        let stage = Stage {
            interrupt: Interrupt::Wish(wish),
            out: Box::<Above>::default(),
            label: Box::new(move || label(&name, &count)),
            progress: sender,
            talk: talk.in_background(),
        };
        // Of an end before the answer the caller tells, of a later one the task itself.
        let mut task = runtime.spawn(run(reception, stage, talk.in_background()));
        let mut interrupt = Interrupt::listen()?;
        let is_subscribed = async {
            // When the job ends first, its task says so.
            if progress.wait_for(|progress| progress.is_subscribed).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = is_subscribed => {}
            ended = &mut task => {
                return ended.ok().flatten().map_or(Ok(Exit::Ok), Err);
            }
            exit = interrupt.wait() => return Ok(exit),
        }
        self.replace(&connection, &filters).await;
        self.list.push(Job { connection, filters, progress, stop, task });
        Ok(Exit::Ok)
    }

    /// The same filters subscribed to again: the server has one subscription, and so has the shell.
    async fn replace(&mut self, connection: &str, filters: &[String]) {
        let is_same = |job: &Job| *job.connection == *connection && job.filters == filters;
        self.end(is_same).await;
    }

    /// Ends those subscriptions of a connection that have one of the filters, or all of them. Gives back the filters
    /// that there is nothing to.
    pub(super) async fn unsubscribe(&mut self, connection: &str, filters: &[String]) -> Vec<String> {
        self.forget_ended();
        let of_connection = |job: &Job| *job.connection == *connection;
        let has =
            |filter: &String| self.list.iter().any(|job| of_connection(job) && job.filters.contains(filter));
        let missing = filters.iter().filter(|filter| !has(filter)).cloned().collect();
        let is_meant = |job: &Job| {
            of_connection(job)
                && (filters.is_empty() || filters.iter().any(|filter| job.filters.contains(filter)))
        };
        self.end(is_meant).await;
        missing
    }

    async fn end(&mut self, is_meant: impl Fn(&Job) -> bool) {
        let (meant, others) = std::mem::take(&mut self.list).into_iter().partition(is_meant);
        self.list = others;
        for Job { stop, task, progress, .. } in meant {
            // It may have ended by itself.
            let _ = stop.send(());
            let _ = task.await;
            self.ended += progress.borrow().printed;
        }
    }

    /// What a connection is subscribed to, and how many messages each has printed.
    pub(super) fn of(&self, connection: &str) -> Vec<(String, u64)> {
        let jobs = self.list.iter().filter(|job| *job.connection == *connection && !job.task.is_finished());
        jobs.map(|job| (job.filters.join(", "), job.progress.borrow().printed)).collect()
    }

    /// The filters of a connection.
    pub(super) fn filters(&self, connection: &str) -> Vec<String> {
        let jobs = self.list.iter().filter(|job| *job.connection == *connection && !job.task.is_finished());
        jobs.flat_map(|job| job.filters.clone()).collect()
    }

    /// Waits until so many messages more were printed than have been waited for.
    pub(super) async fn wait(
        &mut self,
        count: u64,
        timeout: Option<Duration>,
        talk: Talk,
    ) -> Result<Exit, CliError> {
        self.forget_ended();
        let wanted = self.awaited + count;
        if self.printed() < wanted && self.list.is_empty() {
            return Err(CliError::usage_with_hint("there is nothing to wait for", "`sub` comes first"));
        }
        let mut interrupt = Interrupt::listen()?;
        let arrived = async {
            while self.printed() < wanted {
                let changes = self.list.iter_mut().map(|job| Box::pin(job.progress.changed()));
                // Jobs that end print nothing more: when all have, nothing can come.
                if first(changes.collect()).await.is_err() {
                    self.forget_ended();
                    if self.list.is_empty() {
                        return Err(CliError::usage("all subscriptions have ended"));
                    }
                }
            }
            Ok(())
        };
        let exit = tokio::select! {
            outcome = arrived => outcome.map(|()| Exit::Ok)?,
            exit = interrupt.wait() => exit,
            () = tokio::time::sleep(timeout.unwrap_or_default()), if timeout.is_some() => {
                talk.note("timed out");
                Exit::TimedOut
            }
        };
        self.awaited = wanted.min(self.printed());
        Ok(exit)
    }

    fn printed(&self) -> u64 {
        self.ended + self.list.iter().map(|job| job.progress.borrow().printed).sum::<u64>()
    }

    fn forget_ended(&mut self) {
        let Jobs { list, ended, .. } = self;
        list.retain(|job| {
            let goes_on = !job.task.is_finished();
            if !goes_on {
                *ended += job.progress.borrow().printed;
            }
            goes_on
        });
    }
}

/// Waits for the first of several changes.
async fn first<F: Future<Output = Result<(), watch::error::RecvError>> + Unpin>(
    mut changes: Vec<F>,
) -> Result<(), watch::error::RecvError> {
    std::future::poll_fn(|context| {
        for change in &mut changes {
            let polled = std::pin::Pin::new(change).poll(context);
            if polled.is_ready() {
                return polled;
            }
        }
        std::task::Poll::Pending
    })
    .await
}

/// Runs a subscription. An error before the answer is given back, a later one is told.
async fn run(reception: Reception, stage: Stage, talk: Talk) -> Option<CliError> {
    let progress = stage.progress.clone();
    let filters = reception.filters().join(", ");
    let error = reception.run(stage).await.err()?;
    if !progress.borrow().is_subscribed {
        return Some(error);
    }
    match error {
        CliError::Lost(Disconnected::ByClient) => {}
        CliError::Lost(_) => talk.note(format_args!("the subscription to {filters} has ended")),
        // Another filter was refused, which was told.
        _ => {}
    }
    None
}
