//! MQTT in WebSocket messages: the opening handshake, and the stream of bytes that the binary messages carry.
//!
//! Packets and messages need not begin together (`MQTT-6.0.0-2`), so a message is nothing but a piece of the stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_core::Stream;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, Request};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::ByteStream;
use crate::error::ConnectError;

/// The largest message to accept. The largest packet fits; a server that sends less at a time is not held up by it.
const MAXIMUM_MESSAGE_SIZE: usize = 268_435_460;

/// How the WebSocket connection is asked for. A `ws://` or `wss://` URL needs none of it; see
/// [`ConnectOptions::web_socket`](crate::ConnectOptions::web_socket).
///
/// ```
/// use vaux_client::{ConnectOptions, TlsOptions, WebSocketOptions};
///
/// let web_socket = WebSocketOptions::new().path("/mqtt?tenant=7").header("Authorization", "Bearer 0123");
/// let options = ConnectOptions::new("broker.example", 443).tls(TlsOptions::new()).web_socket(web_socket);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct WebSocketOptions {
    path: String,
    headers: Vec<(String, String)>,
}

impl std::fmt::Debug for WebSocketOptions {
    /// Without the values of headers: they may be credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("WebSocketOptions").field("path", &self.path).field("headers", &names).finish()
    }
}

impl Default for WebSocketOptions {
    fn default() -> Self {
        WebSocketOptions { path: "/mqtt".to_owned(), headers: Vec::new() }
    }
}

impl WebSocketOptions {
    /// The path `/mqtt`, and no headers beyond those that WebSocket needs.
    pub fn new() -> Self {
        WebSocketOptions::default()
    }

    /// The path to ask for, and perhaps a query. A slash in front may be left out.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        if !self.path.starts_with('/') {
            self.path.insert(0, '/');
        }
        self
    }

    /// Sends one more header. May be called more than once.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The request of the opening handshake. It offers the subprotocol `mqtt` (`MQTT-6.0.0-3`).
    pub(super) fn request(&self, host: &str, port: u16, tls: bool) -> Result<Request<()>, ConnectError> {
        let scheme = if tls { "wss" } else { "ws" };
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let url = format!("{scheme}://{host}:{port}{}", self.path);
        let mut request = url
            .as_str()
            .into_client_request()
            .map_err(|error| ConnectError::Options(format!("{url} cannot be asked for: {error}")))?;
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("mqtt"));
        for (name, value) in &self.headers {
            let wrong = || ConnectError::Options(format!("{name:?} cannot be a header with this value"));
            let header = HeaderName::try_from(name.as_str()).map_err(|_| wrong())?;
            let value = HeaderValue::try_from(value.as_str()).map_err(|_| wrong())?;
            request.headers_mut().append(header, value);
        }
        Ok(request)
    }
}

/// The opening handshake over a stream that is connected.
pub(super) async fn connect(
    stream: Box<dyn ByteStream>,
    request: Request<()>,
) -> Result<Box<dyn ByteStream>, ConnectError> {
    let path = request.uri().path().to_owned();
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAXIMUM_MESSAGE_SIZE))
        .max_frame_size(Some(MAXIMUM_MESSAGE_SIZE));
    match client_async_with_config(request, stream, Some(config)).await {
        Ok((stream, _)) => Ok(Box::new(Messages { stream, unread: Bytes::new() })),
        Err(Error::Io(error)) => Err(ConnectError::Lost(error)),
        Err(error) => Err(ConnectError::WebSocket { path, reason: explain(&error) }),
    }
}

fn explain(error: &Error) -> String {
    match error {
        Error::Http(response) => format!("the server answered {}", response.status()),
        _ => error.to_string(),
    }
}

/// The bytes in binary messages.
struct Messages {
    stream: WebSocketStream<Box<dyn ByteStream>>,
    /// What is left of the message that was read last.
    unread: Bytes,
}

impl AsyncRead for Messages {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_next(context)) {
                Some(Ok(Message::Binary(bytes))) => self.unread = bytes,
                Some(Ok(Message::Text(_))) => {
                    // MQTT-6.0.0-1
                    let text = "a WebSocket message holds text, where MQTT has binary messages";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
                }
                // Pings are answered by the stream.
                Some(Ok(_)) => {}
                None => return Poll::Ready(Ok(())),
                Some(Err(error)) => return Poll::Ready(end(error)),
            }
        }
        let len = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread[..len]);
        self.unread.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Messages {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.stream).poll_ready(context)).map_err(into_io)?;
        let message = Message::Binary(Bytes::copy_from_slice(bytes));
        Pin::new(&mut self.stream).start_send(message).map_err(into_io)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context).map_err(into_io)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.stream).poll_close(context)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(end(error)),
        }
    }
}

/// What an error of the stream means when only its end was left to come.
fn end(error: Error) -> io::Result<()> {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => Ok(()),
        error => Err(into_io(error)),
    }
}

fn into_io(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        error => io::Error::new(io::ErrorKind::InvalidData, error),
    }
}
