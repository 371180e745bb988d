//! CONNECT: a client asks for a session.

#[cfg(feature = "server")]
mod decode;
#[cfg(feature = "client")]
mod encode;

use crate::property::Properties;
use crate::version::{QoS, Version};

/// CONNECT.
///
/// ```
/// # #[cfg(all(feature = "client", feature = "alloc"))] {
/// use vaux_mqtt::{Version, packet::Connect};
///
/// let mut bytes = Vec::new();
/// Connect { clean_start: true, keep_alive: 60, ..Connect::new(Version::V311, "") }.encode(&mut bytes);
/// assert_eq!(bytes, [0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 0]);
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect<'a> {
    /// The version that the client speaks.
    pub version: Version,
    /// Clean Start in version 5.0, Clean Session before.
    pub clean_start: bool,
    /// The longest silence in seconds, 0 for any.
    pub keep_alive: u16,
    /// Properties of the connection.
    pub properties: Properties<'a>,
    /// The client identifier, empty to have one assigned.
    pub client_id: &'a str,
    /// The message to publish when the connection is lost.
    pub will: Option<Will<'a>>,
    /// The user name.
    pub user_name: Option<&'a str>,
    /// The password.
    pub password: Option<&'a [u8]>,
}

/// The will in a CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will<'a> {
    /// The QoS of the message.
    pub qos: QoS,
    /// Whether the message is to be retained.
    pub retain: bool,
    /// The message's properties and the will delay.
    pub properties: Properties<'a>,
    /// The topic name, checked to be valid when decoded.
    pub topic: &'a str,
    /// The payload.
    pub payload: &'a [u8],
}

impl<'a> Connect<'a> {
    /// A CONNECT without a will, credentials and properties, with clean start off and keep alive 0.
    pub const fn new(version: Version, client_id: &'a str) -> Self {
        Connect {
            version,
            clean_start: false,
            keep_alive: 0,
            properties: Properties::EMPTY,
            client_id,
            will: None,
            user_name: None,
            password: None,
        }
    }
}

/// The bits of the connect flags.
#[cfg(any(feature = "client", feature = "server"))]
mod flags {
    pub(super) const CLEAN_START: u8 = 1 << 1;
    pub(super) const WILL: u8 = 1 << 2;
    /// Where the two bits of the will's QoS begin.
    pub(super) const WILL_QOS_SHIFT: u8 = 3;
    pub(super) const WILL_RETAIN: u8 = 1 << 5;
    pub(super) const PASSWORD: u8 = 1 << 6;
    pub(super) const USER_NAME: u8 = 1 << 7;
}
