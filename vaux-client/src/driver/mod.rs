//! The task behind a client.

use crate::client::{Client, Connection};
use crate::error::ConnectError;
use crate::options::ConnectOptions;
use crate::transport::Dialer;

/// Connects and starts the task.
pub(crate) async fn start(options: ConnectOptions) -> Result<(Client, Connection), ConnectError> {
    Dialer::new(&options)?;
    Err(ConnectError::Options("the protocol task is being built".into()))
}
