//! Streams of bytes to a server: TCP, perhaps through a proxy, TLS over it, and WebSocket over either; or a unix socket.
//!
//! A [`Dialer`] is made once from the options, so that files are read and mistakes found before anything is tried.

mod private_key;
mod socks5;
mod tls;
mod web_socket;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::http::Request;

use crate::error::{ConnectError, ConnectStage};
use crate::options::ConnectOptions;

pub use socks5::Socks5Proxy;
pub use tls::TlsOptions;
pub use web_socket::WebSocketOptions;

/// A stream of bytes in both directions.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// Makes connections to one server.
#[derive(Debug)]
pub(crate) struct Dialer {
    host: String,
    port: u16,
    /// What the name that is connected to stands for, if it is not looked up each time.
    addresses: Option<Vec<SocketAddr>>,
    bind: Option<IpAddr>,
    /// Instead of host and port.
    unix_socket: Option<PathBuf>,
    proxy: Option<Socks5Proxy>,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// The request of the opening handshake.
    web_socket: Option<Request<()>>,
}

impl Dialer {
    pub(crate) fn new(options: &ConnectOptions) -> Result<Self, ConnectError> {
        if options.unix_socket.is_some() && (options.tls.is_some() || options.web_socket.is_some()) {
            let text = "there is neither TLS nor WebSocket on a unix socket";
            return Err(ConnectError::Options(text.into()));
        }
        let tls = match &options.tls {
            Some(tls) => Some((tls.build()?, tls.name_for(&options.host)?)),
            None => None,
        };
        let (host, port) = (options.host.clone(), options.port);
        let web_socket = match &options.web_socket {
            Some(web_socket) => Some(web_socket.request(&host, port, tls.is_some())?),
            None => None,
        };
        let (proxy, unix_socket) = (options.proxy.clone(), options.unix_socket.clone());
        Ok(Dialer { host, port, addresses: None, bind: options.bind, proxy, unix_socket, tls, web_socket })
    }

    /// Looks up the name of the server, or that of the proxy, once and for all.
    pub(crate) async fn resolve(&mut self) -> Result<(), ConnectError> {
        if self.unix_socket.is_none() {
            let (host, port) = match &self.proxy {
                Some(proxy) => (&proxy.host, proxy.port),
                None => (&self.host, self.port),
            };
            self.addresses = Some(look_up(host, port).await?);
        }
        Ok(())
    }

    /// Connects. `stage` always says what is being waited for, for the case that the caller stops waiting.
    pub(crate) async fn dial(&self, stage: &mut ConnectStage) -> Result<Box<dyn ByteStream>, ConnectError> {
        if let Some(path) = &self.unix_socket {
            *stage = ConnectStage::Tcp;
            let failed = |source| ConnectError::Unix { path: path.clone(), source };
            return Ok(Box::new(UnixStream::connect(path).await.map_err(failed)?));
        }
        let tcp = match &self.proxy {
            Some(proxy) => {
                let mut tcp = self.connect_to_host(&proxy.host, proxy.port, stage).await?;
                *stage = ConnectStage::Proxy;
                proxy.connect(&mut tcp, &self.host, self.port).await?;
                tcp
            }
            None => self.connect_to_host(&self.host, self.port, stage).await?,
        };
        let stream: Box<dyn ByteStream> = match &self.tls {
            Some((config, server_name)) => {
                *stage = ConnectStage::Tls;
                Self::secure(tcp, config, server_name).await?
            }
            None => Box::new(tcp),
        };
        let Some(request) = &self.web_socket else { return Ok(stream) };
        *stage = ConnectStage::WebSocket;
        web_socket::connect(stream, request.clone()).await
    }

    async fn connect_to_host(
        &self,
        host: &str,
        port: u16,
        stage: &mut ConnectStage,
    ) -> Result<TcpStream, ConnectError> {
        *stage = ConnectStage::Resolve;
        let looked_up = match &self.addresses {
            Some(_) => Vec::new(),
            None => look_up(host, port).await?,
        };
        *stage = ConnectStage::Tcp;
        self.connect_to_any(host, self.addresses.as_deref().unwrap_or(&looked_up)).await
    }

    async fn secure(
        tcp: TcpStream,
        config: &Arc<ClientConfig>,
        server_name: &ServerName<'static>,
    ) -> Result<Box<dyn ByteStream>, ConnectError> {
        let connector = TlsConnector::from(config.clone());
        let stream = connector
            .connect(server_name.clone(), tcp)
            .await
            .map_err(|source| ConnectError::Tls { server_name: server_name.to_str().into_owned(), source })?;
        Ok(Box::new(stream))
    }

    /// Tries the addresses in turn.
    async fn connect_to_any(&self, host: &str, addresses: &[SocketAddr]) -> Result<TcpStream, ConnectError> {
        let fits = |address: &&SocketAddr| self.bind.is_none_or(|bind| bind.is_ipv4() == address.is_ipv4());
        let mut last_error = None;
        for &address in addresses.iter().filter(fits) {
            match self.connect_to(address).await {
                Ok(tcp) => return Ok(tcp),
                Err(source) => last_error = Some(ConnectError::Tcp { address, source }),
            }
        }
        Err(last_error.unwrap_or_else(|| ConnectError::Resolve {
            host: host.to_owned(),
            source: std::io::Error::new(std::io::ErrorKind::NotFound, "no address of a fitting kind"),
        }))
    }

    async fn connect_to(&self, address: SocketAddr) -> std::io::Result<TcpStream> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(bind) = self.bind {
            socket.bind(SocketAddr::new(bind, 0))?;
        }
        let tcp = socket.connect(address).await?;
        // Packets are collected and written at once, so that waiting for more would only cost time.
        tcp.set_nodelay(true)?;
        Ok(tcp)
    }
}

async fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
    let resolve_error = |source| ConnectError::Resolve { host: host.to_owned(), source };
    Ok(tokio::net::lookup_host((host, port)).await.map_err(resolve_error)?.collect())
}
