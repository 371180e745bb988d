//! A SOCKS5 proxy (RFC 1928) in front of the server, with a user name and password if it asks for them (RFC 1929).
//!
//! The name of the server is looked up by the proxy.

use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::error::ConnectError;
use crate::url::{parse_credentials, parse_server};

const SOCKS_VERSION: u8 = 5;
const CREDENTIALS_VERSION: u8 = 1;
const NO_AUTHENTICATION: u8 = 0;
const USER_NAME_AND_PASSWORD: u8 = 2;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;
const DEFAULT_PORT: u16 = 1080;

/// A SOCKS5 proxy, for [`ConnectOptions::proxy`](crate::ConnectOptions::proxy). It looks the server's name up.
///
/// ```
/// use vaux_client::{ConnectOptions, Socks5Proxy};
///
/// let proxy = Socks5Proxy::parse("socks5h://user:password@proxy.example:1080")?;
/// let options = ConnectOptions::from_url("mqtts://broker.example")?.proxy(proxy);
/// # Ok::<(), vaux_client::ConnectError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Socks5Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    credentials: Option<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for Socks5Proxy {
    /// Without the credentials: it may end up in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socks5Proxy")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Socks5Proxy {
    /// A proxy that asks for no credentials.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Socks5Proxy { host: host.into(), port, credentials: None }
    }

    /// Reads `socks5h://[user[:password]@]host[:port]`. `socks5://` means the same: the proxy looks names up.
    ///
    /// # Errors
    ///
    /// Text that is no such URL; the message does not show credentials.
    pub fn parse(url: &str) -> Result<Self, ConnectError> {
        let rest = url.strip_prefix("socks5h://").or_else(|| url.strip_prefix("socks5://"));
        let rest = rest.ok_or_else(|| {
            ConnectError::Options("the URL of a proxy must begin with socks5h:// or socks5://".into())
        })?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (credentials, server) = match rest.rsplit_once('@') {
            Some((credentials, server)) => (Some(parse_credentials(url, credentials)?), server),
            None => (None, rest),
        };
        let (host, port) = parse_server(url, server)?;
        let proxy = Socks5Proxy::new(host, port.unwrap_or(DEFAULT_PORT));
        match credentials {
            Some((None, None)) | None => Ok(proxy),
            Some((user_name, password)) => {
                proxy.credentials(user_name.unwrap_or_default(), password.unwrap_or_default())
            }
        }
    }

    /// Who to be for the proxy.
    ///
    /// # Errors
    ///
    /// A user name or password that is empty or longer than 255 bytes, which the proxy cannot be told.
    pub fn credentials(
        mut self,
        user_name: impl Into<Vec<u8>>,
        password: impl Into<Vec<u8>>,
    ) -> Result<Self, ConnectError> {
        let (user_name, password) = (user_name.into(), password.into());
        if [&user_name, &password].iter().any(|text| text.is_empty() || text.len() > 255) {
            let text = "the user name and the password for a proxy have 1 to 255 bytes";
            return Err(ConnectError::Options(text.into()));
        }
        self.credentials = Some((user_name, password));
        Ok(self)
    }

    /// Has the proxy connect to the server.
    pub(super) async fn connect(
        &self,
        stream: &mut TcpStream,
        host: &str,
        port: u16,
    ) -> Result<(), ConnectError> {
        let failed = |error: Failure| ConnectError::Proxy {
            proxy: format!("{}:{}", self.host, self.port),
            reason: match error {
                Failure::Io(error) => error.to_string(),
                Failure::Refused(reason) => reason,
            },
        };
        self.greet(stream).await.map_err(failed)?;
        request(stream, host, port).await.map_err(failed)
    }

    async fn greet(&self, stream: &mut TcpStream) -> Result<(), Failure> {
        let methods: &[u8] = match self.credentials {
            Some(_) => &[SOCKS_VERSION, 2, NO_AUTHENTICATION, USER_NAME_AND_PASSWORD],
            None => &[SOCKS_VERSION, 1, NO_AUTHENTICATION],
        };
        stream.write_all(methods).await?;
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).await?;
        match (answer, &self.credentials) {
            ([SOCKS_VERSION, NO_AUTHENTICATION], _) => Ok(()),
            ([SOCKS_VERSION, USER_NAME_AND_PASSWORD], Some((user_name, password))) => {
                let mut message = vec![CREDENTIALS_VERSION];
                for text in [user_name, password] {
                    message.push(u8::try_from(text.len()).expect("checked to be at most 255 when set"));
                    message.extend_from_slice(text);
                }
                stream.write_all(&message).await?;
                stream.read_exact(&mut answer).await?;
                if answer[1] == 0 {
                    Ok(())
                } else {
                    Err(refused("it does not accept the user name and password"))
                }
            }
            ([SOCKS_VERSION, _], Some(_)) => Err(refused("it asks for something else than a password")),
            ([SOCKS_VERSION, _], None) => Err(refused("it asks for a user name and password")),
            _ => Err(refused("it does not speak SOCKS5")),
        }
    }
}

async fn request(stream: &mut TcpStream, host: &str, port: u16) -> Result<(), Failure> {
    let mut message = vec![SOCKS_VERSION, CONNECT, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            message.push(IPV4);
            message.extend_from_slice(&address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            message.push(IPV6);
            message.extend_from_slice(&address.octets());
        }
        Err(_) => {
            let len =
                u8::try_from(host.len()).map_err(|_| refused("the name of the server is too long for it"))?;
            message.extend_from_slice(&[NAME, len]);
            message.extend_from_slice(host.as_bytes());
        }
    }
    message.extend_from_slice(&port.to_be_bytes());
    stream.write_all(&message).await?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await?;
    let [SOCKS_VERSION, reply, _, address_type] = answer else {
        return Err(refused("it does not speak SOCKS5"));
    };
    if reply != 0 {
        return Err(refused(reply_text(reply)));
    }
    // Where the proxy connected from: read only to get past it.
    let len = match address_type {
        IPV4 => 4,
        IPV6 => 16,
        NAME => usize::from(stream.read_u8().await?),
        _ => return Err(refused("its answer has an unknown kind of address")),
    };
    let mut address = [0; 255 + 2];
    stream.read_exact(&mut address[..len + 2]).await?;
    Ok(())
}

fn reply_text(reply: u8) -> &'static str {
    match reply {
        2 => "its rules do not allow a connection to the server",
        3 => "the network of the server cannot be reached from it",
        4 => "the server cannot be reached from it",
        5 => "the server refused its connection",
        6 => "the connection took it too long",
        _ => "it could not connect to the server",
    }
}

/// Why there is no connection through the proxy.
enum Failure {
    Io(std::io::Error),
    Refused(String),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::Io(error)
    }
}

fn refused(text: &str) -> Failure {
    Failure::Refused(text.to_owned())
}
