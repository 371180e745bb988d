//! The broker as its HTTP server reaches it.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, PoisonError};

use super::ask::{control, totals};
use super::bind::bind_tcp;
use super::{Broker, StartError};
use crate::admin::{Admin, Console, MAX_CONNECTIONS, Token};
use crate::config::{Config, HttpConfig};

/// What the server needs, found before anything is started.
pub(super) struct Prepared {
    socket: TcpListener,
    token: Option<Token>,
}

/// Beside the connections: the socket that listens, and what the runtime waits with.
const OWN_DESCRIPTORS: usize = 4;

impl Prepared {
    /// Binds the address and reads the token. `None` when nothing of it is configured.
    pub(super) fn new(config: &HttpConfig) -> Result<Option<Prepared>, StartError> {
        let Some(address) = &config.bind else { return Ok(None) };
        let token = Token::configured(config).map_err(StartError::Token)?;
        Ok(Some(Prepared { socket: bind_tcp(address)?, token }))
    }
}

/// How many descriptors the server may use.
pub(super) fn descriptors(config: &HttpConfig) -> usize {
    if config.bind.is_some() { MAX_CONNECTIONS + OWN_DESCRIPTORS } else { 0 }
}

impl Broker {
    /// Where health, metrics and the API are served. `None` when `http.bind` is not set.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(Admin::address)
    }

    pub(super) fn start_http(&self, prepared: Prepared) -> Result<Admin, StartError> {
        let config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        Admin::start(prepared.socket, self.console(), &config, prepared.token).map_err(StartError::Io)
    }

    fn console(&self) -> Console {
        let config = Arc::clone(&self.config);
        let (to_ask, to_count) = (Arc::clone(&self.mailboxes[0]), Arc::clone(&self.mailboxes[0]));
        Console {
            control: Box::new(move |request| Box::pin(control(&to_ask, request))),
            totals: Box::new(move || Box::pin(totals(&to_count))),
            config: Box::new(move || config.lock().unwrap_or_else(PoisonError::into_inner).to_toml()),
        }
    }

    /// Takes over what can be changed while requests are served. Says what could not be, a sentence each.
    pub(super) fn reload_http(&self, current: &mut Config, new: &HttpConfig) -> Vec<String> {
        let mut unchanged = Vec::new();
        if new.bind != current.http.bind {
            unchanged.push("the address of [http] changes at the next start".to_owned());
        }
        match Token::configured(new) {
            Ok(token) => {
                let bind = current.http.bind.take();
                current.http = HttpConfig { bind, ..new.clone() };
                self.admin.iter().for_each(|admin| admin.reload(current, token.clone()));
            }
            Err(error) => unchanged.push(format!("[http] stays as it was: {error}")),
        }
        unchanged
    }
}
