//! The protocol versions and the levels of quality of service.

use core::fmt;

/// A version of the protocol, as the protocol level byte of CONNECT numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Version {
    /// MQTT 3.1 (2010), protocol name "MQIsdp".
    V31 = 3,
    /// MQTT 3.1.1 (OASIS, 2014).
    V311 = 4,
    /// MQTT 5.0 (OASIS, 2019).
    V5 = 5,
}

impl Version {
    /// The version that a protocol level byte stands for.
    pub const fn from_level(level: u8) -> Option<Version> {
        match level {
            3 => Some(Version::V31),
            4 => Some(Version::V311),
            5 => Some(Version::V5),
            _ => None,
        }
    }

    /// The protocol level byte of CONNECT.
    pub const fn level(self) -> u8 {
        self as u8
    }

    /// The protocol name in CONNECT.
    pub const fn protocol_name(self) -> &'static str {
        match self {
            Version::V31 => "MQIsdp",
            Version::V311 | Version::V5 => "MQTT",
        }
    }

    /// Whether packets of this version carry properties and reason codes.
    pub const fn has_properties(self) -> bool {
        matches!(self, Version::V5)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::V31 => "3.1",
            Version::V311 => "3.1.1",
            Version::V5 => "5.0",
        })
    }
}

/// Quality of service of a message or a subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum QoS {
    /// QoS 0: sent once, not acknowledged.
    #[default]
    AtMostOnce = 0,
    /// QoS 1: acknowledged by PUBACK, may arrive more than once.
    AtLeastOnce = 1,
    /// QoS 2: arrives exactly once.
    ExactlyOnce = 2,
}

impl QoS {
    /// The level that two bits of a packet stand for; 3 stands for none.
    pub const fn from_bits(bits: u8) -> Option<QoS> {
        match bits {
            0 => Some(QoS::AtMostOnce),
            1 => Some(QoS::AtLeastOnce),
            2 => Some(QoS::ExactlyOnce),
            _ => None,
        }
    }

    /// The two bits that stand for this level.
    #[inline]
    pub const fn bits(self) -> u8 {
        self as u8
    }
}
