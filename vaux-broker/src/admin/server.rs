//! Sockets: who is let in, how long they may take, and the end.
//!
//! Each connection is for one request. Clients here are few and on the same network, and what they can hold on to is
//! bounded by one time limit.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::runtime::{self, Runtime};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Desk;
use super::respond::respond;

/// Connections at one time; others wait until they are accepted.
pub(crate) const MAX_CONNECTIONS: usize = 64;

/// How long requests may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// From the connection to the end of the headers.
    pub(super) headers: Duration,
    /// From the connection to the last byte of the answer.
    pub(super) connection: Duration,
    /// What is left at the end for those that are being answered.
    pub(super) end: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            headers: Duration::from_secs(10),
            connection: Duration::from_secs(60),
            end: Duration::from_millis(300),
        }
    }
}

/// Longest head of a request.
const MAX_HEAD_BYTES: usize = 32 << 10;

/// How long to wait when there is no descriptor for another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// What drives the thread.
pub(super) fn runtime() -> io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_io().enable_time().build()
}

/// Answers requests until `stopped` has no sender any more.
pub(super) async fn serve(
    socket: TcpListener,
    desk: Arc<Desk>,
    pace: Pace,
    mut stopped: watch::Receiver<()>,
) {
    let listener = match tokio::net::TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "HTTP requests cannot be waited for");
            return;
        }
    };
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // That a connection panicked has been printed by the panic hook; it is closed, and the others go on.
        while connections.try_join_next().is_some() {}
        let accepted = async {
            let place = Arc::clone(&room).acquire_owned().await;
            (listener.accept().await, place)
        };
        tokio::select! {
            _ = stopped.changed() => break,
            (accepted, place) = accepted => match accepted {
                Ok((stream, _)) => {
                    let (desk, stopped) = (Arc::clone(&desk), stopped.clone());
                    connections.spawn(async move {
                        answer(stream, desk, pace, stopped).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "an HTTP connection could not be accepted");
                    sleep(PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    // Those that are left are closed with the runtime.
    let _ = timeout(pace.end, ended).await;
}

/// Takes one request and answers it. At the end who has not begun to ask is not waited for.
async fn answer(stream: TcpStream, desk: Arc<Desk>, pace: Pace, mut stopped: watch::Receiver<()>) {
    let service = service_fn(move |request| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(respond(desk, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .header_read_timeout(pace.headers)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let answered = async {
        tokio::select! {
            result = connection.as_mut() => return result,
            _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    };
    match timeout(pace.connection, answered).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an HTTP connection failed"),
        Err(_) => tracing::debug!("an HTTP request took too long"),
    }
}
