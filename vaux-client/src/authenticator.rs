//! Enhanced authentication of version 5.0, from the client's side.

use bytes::Bytes;

/// One exchange of enhanced authentication, such as SCRAM.
///
/// An error ends the connection; its text is what the application sees.
pub trait Authenticator: Send {
    /// The name of the method.
    fn method(&self) -> &str;

    /// The data to begin with, in CONNECT or when authenticating anew.
    ///
    /// # Errors
    ///
    /// The exchange cannot begin.
    fn begin(&mut self) -> Result<Option<Bytes>, String>;

    /// Answers the server's data.
    ///
    /// # Errors
    ///
    /// The server's data is not acceptable.
    fn step(&mut self, data: Option<&[u8]>) -> Result<Option<Bytes>, String>;

    /// The server says that the client is authenticated. Methods that authenticate the server too check its last
    /// data here.
    ///
    /// # Errors
    ///
    /// The server's data is not acceptable.
    fn finish(&mut self, data: Option<&[u8]>) -> Result<(), String>;
}
