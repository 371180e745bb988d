//! Reason codes of version 5.0, where each may stand, and the return codes of 3.1.1 that they become.

use core::fmt;

use crate::packet::{PacketType, Sender};

macro_rules! reason_codes {
    ($($value:literal $code:ident $name:literal [$($place:ident)*];)*) => {
        /// The outcome of a request, or why a connection ends.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum ReasonCode {
            $(
                #[doc = concat!($name, " (", stringify!($value), ")")]
                $code = $value,
            )*
        }

        impl ReasonCode {
            /// All codes, ascending.
            pub const ALL: &'static [ReasonCode] = &[$(ReasonCode::$code,)*];

            /// The code of a byte.
            pub const fn from_u8(value: u8) -> Option<ReasonCode> {
                match value {
                    $($value => Some(ReasonCode::$code),)*
                    _ => None,
                }
            }

            /// The name that the specification gives it. 0x00 is "Success" here; see [`ReasonCode::name_in`].
            pub const fn name(self) -> &'static str {
                match self {
                    $(ReasonCode::$code => $name,)*
                }
            }

            const fn places(self) -> u32 {
                match self {
                    $(ReasonCode::$code => 0 $(| $place)*,)*
                }
            }
        }
    };
}

const CONNACK: u32 = 1 << 0;
const PUBACK: u32 = 1 << 1;
const PUBREC: u32 = 1 << 2;
const PUBREL: u32 = 1 << 3;
const PUBCOMP: u32 = 1 << 4;
const SUBACK: u32 = 1 << 5;
const UNSUBACK: u32 = 1 << 6;
const DISCONNECT_CLIENT: u32 = 1 << 7;
const DISCONNECT_SERVER: u32 = 1 << 8;
const AUTH_CLIENT: u32 = 1 << 9;
const AUTH_SERVER: u32 = 1 << 10;

reason_codes! {
    0x00 Success "Success" [CONNACK PUBACK PUBREC PUBREL PUBCOMP SUBACK UNSUBACK DISCONNECT_CLIENT DISCONNECT_SERVER AUTH_SERVER];
    0x01 GrantedQos1 "Granted QoS 1" [SUBACK];
    0x02 GrantedQos2 "Granted QoS 2" [SUBACK];
    0x04 DisconnectWithWill "Disconnect with Will Message" [DISCONNECT_CLIENT];
    0x10 NoMatchingSubscribers "No matching subscribers" [PUBACK PUBREC];
    0x11 NoSubscriptionExisted "No subscription existed" [UNSUBACK];
    0x18 ContinueAuthentication "Continue authentication" [AUTH_CLIENT AUTH_SERVER];
    0x19 ReAuthenticate "Re-authenticate" [AUTH_CLIENT];
    0x80 UnspecifiedError "Unspecified error" [CONNACK PUBACK PUBREC SUBACK UNSUBACK DISCONNECT_CLIENT DISCONNECT_SERVER];
    0x81 MalformedPacket "Malformed Packet" [CONNACK DISCONNECT_CLIENT DISCONNECT_SERVER];
    0x82 ProtocolError "Protocol Error" [CONNACK DISCONNECT_CLIENT DISCONNECT_SERVER];
    0x83 ImplementationSpecificError "Implementation specific error" [CONNACK PUBACK PUBREC SUBACK UNSUBACK DISCONNECT_CLIENT DISCONNECT_SERVER];
    0x84 UnsupportedProtocolVersion "Unsupported Protocol Version" [CONNACK];
    0x85 ClientIdentifierNotValid "Client Identifier not valid" [CONNACK];
    0x86 BadUserNameOrPassword "Bad User Name or Password" [CONNACK];
    0x87 NotAuthorized "Not authorized" [CONNACK PUBACK PUBREC SUBACK UNSUBACK DISCONNECT_SERVER];
    0x88 ServerUnavailable "Server unavailable" [CONNACK];
    0x89 ServerBusy "Server busy" [CONNACK DISCONNECT_SERVER];
    0x8a Banned "Banned" [CONNACK];
    0x8b ServerShuttingDown "Server shutting down" [DISCONNECT_SERVER];
    0x8c BadAuthenticationMethod "Bad authentication method" [CONNACK];
    0x8d KeepAliveTimeout "Keep Alive timeout" [DISCONNECT_SERVER];
    0x8e SessionTakenOver "Session taken over" [DISCONNECT_SERVER];
    0x8f TopicFilterInvalid "Topic Filter invalid" [SUBACK UNSUBACK DISCONNECT_SERVER];
    0x90 TopicNameInvalid "Topic Name invalid" [CONNACK PUBACK PUBREC DISCONNECT_CLIENT DISCONNECT_SERVER];
    0x91 PacketIdentifierInUse "Packet Identifier in use" [PUBACK PUBREC SUBACK UNSUBACK];
    0x92 PacketIdentifierNotFound "Packet Identifier not found" [PUBREL PUBCOMP];
    0x93 ReceiveMaximumExceeded "Receive Maximum exceeded" [DISCONNECT_CLIENT DISCONNECT_SERVER];
    0x94 TopicAliasInvalid "Topic Alias invalid" [DISCONNECT_CLIENT DISCONNECT_SERVER];
    0x95 PacketTooLarge "Packet too large" [CONNACK DISCONNECT_CLIENT DISCONNECT_SERVER];
    0x96 MessageRateTooHigh "Message rate too high" [DISCONNECT_CLIENT DISCONNECT_SERVER];
    0x97 QuotaExceeded "Quota exceeded" [CONNACK PUBACK PUBREC SUBACK DISCONNECT_CLIENT DISCONNECT_SERVER];
    0x98 AdministrativeAction "Administrative action" [DISCONNECT_CLIENT DISCONNECT_SERVER];
    0x99 PayloadFormatInvalid "Payload format invalid" [CONNACK PUBACK PUBREC DISCONNECT_CLIENT DISCONNECT_SERVER];
    0x9a RetainNotSupported "Retain not supported" [CONNACK DISCONNECT_SERVER];
    0x9b QosNotSupported "QoS not supported" [CONNACK DISCONNECT_CLIENT DISCONNECT_SERVER];
    0x9c UseAnotherServer "Use another server" [CONNACK DISCONNECT_SERVER];
    0x9d ServerMoved "Server moved" [CONNACK DISCONNECT_SERVER];
    0x9e SharedSubscriptionsNotSupported "Shared Subscriptions not supported" [SUBACK DISCONNECT_SERVER];
    0x9f ConnectionRateExceeded "Connection rate exceeded" [CONNACK DISCONNECT_SERVER];
    0xa0 MaximumConnectTime "Maximum connect time" [DISCONNECT_SERVER];
    0xa1 SubscriptionIdentifiersNotSupported "Subscription Identifiers not supported" [SUBACK DISCONNECT_SERVER];
    0xa2 WildcardSubscriptionsNotSupported "Wildcard Subscriptions not supported" [SUBACK DISCONNECT_SERVER];
}

impl Default for ReasonCode {
    /// Success, which is what an absent reason code means.
    fn default() -> Self {
        ReasonCode::Success
    }
}

impl ReasonCode {
    /// Whether the code says that something failed: 0x80 and above.
    pub const fn is_error(self) -> bool {
        self as u8 >= 0x80
    }

    /// The byte on the wire.
    pub const fn value(self) -> u8 {
        self as u8
    }

    /// The name in a packet of the given type: 0x00 is "Granted QoS 0" in SUBACK and "Normal disconnection" in
    /// DISCONNECT.
    pub const fn name_in(self, packet: PacketType) -> &'static str {
        match (self, packet) {
            (ReasonCode::Success, PacketType::SubAck) => "Granted QoS 0",
            (ReasonCode::Success, PacketType::Disconnect) => "Normal disconnection",
            _ => self.name(),
        }
    }

    /// Whether `sender` may put the code into a packet of the given type.
    pub const fn is_allowed_in(self, packet: PacketType, sender: Sender) -> bool {
        let place = match packet {
            PacketType::ConnAck => CONNACK,
            PacketType::PubAck => PUBACK,
            PacketType::PubRec => PUBREC,
            PacketType::PubRel => PUBREL,
            PacketType::PubComp => PUBCOMP,
            PacketType::SubAck => SUBACK,
            PacketType::UnsubAck => UNSUBACK,
            PacketType::Disconnect => sender.choose(DISCONNECT_CLIENT, DISCONNECT_SERVER),
            PacketType::Auth => sender.choose(AUTH_CLIENT, AUTH_SERVER),
            _ => 0,
        };
        self.places() & place != 0
    }

    /// The CONNACK return code of versions 3.1 and 3.1.1 that says the same, `None` when none fits: then the
    /// connection is closed without CONNACK (`MQTT-3.2.2-6`).
    pub const fn connect_return_code(self) -> Option<u8> {
        match self {
            ReasonCode::Success => Some(0),
            ReasonCode::UnsupportedProtocolVersion => Some(1),
            ReasonCode::ClientIdentifierNotValid => Some(2),
            ReasonCode::ServerUnavailable
            | ReasonCode::ServerBusy
            | ReasonCode::QuotaExceeded
            | ReasonCode::ConnectionRateExceeded => Some(3),
            ReasonCode::BadUserNameOrPassword => Some(4),
            ReasonCode::NotAuthorized | ReasonCode::Banned | ReasonCode::BadAuthenticationMethod => Some(5),
            _ => None,
        }
    }

    /// The reason code that a CONNACK return code of versions 3.1 and 3.1.1 says, `None` for reserved ones.
    pub const fn from_connect_return_code(code: u8) -> Option<ReasonCode> {
        match code {
            0 => Some(ReasonCode::Success),
            1 => Some(ReasonCode::UnsupportedProtocolVersion),
            2 => Some(ReasonCode::ClientIdentifierNotValid),
            3 => Some(ReasonCode::ServerUnavailable),
            4 => Some(ReasonCode::BadUserNameOrPassword),
            5 => Some(ReasonCode::NotAuthorized),
            _ => None,
        }
    }

    /// What SUBACK of version 3.1.1 says for the code: the granted QoS, or 0x80.
    pub const fn suback_return_code(self) -> u8 {
        if self.is_error() { 0x80 } else { self as u8 }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:02X} {}", self.value(), self.name())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// The codes that `sender` may put into a packet of the given type, out of all 256 bytes.
    fn allowed(packet: PacketType, sender: Sender) -> Vec<u8> {
        let is_allowed = |byte: &u8| {
            ReasonCode::from_u8(*byte).is_some_and(|reason| {
                assert_eq!(reason.value(), *byte);
                reason.is_allowed_in(packet, sender)
            })
        };
        (0..=u8::MAX).filter(is_allowed).collect()
    }

    #[test]
    fn each_packet_has_the_codes_of_its_table() {
        let connack = [
            0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97,
            0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
        ];
        let puback = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
        let suback = [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2];
        let disconnect = [
            0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95,
            0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
        ];
        for (packet, codes) in [
            (PacketType::ConnAck, &connack[..]),
            (PacketType::PubAck, &puback),
            (PacketType::PubRec, &puback),
            (PacketType::PubRel, &[0x00, 0x92]),
            (PacketType::PubComp, &[0x00, 0x92]),
            (PacketType::SubAck, &suback),
            (PacketType::UnsubAck, &[0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91]),
            (PacketType::Disconnect, &disconnect),
            (PacketType::Auth, &[0x00, 0x18, 0x19]),
            (PacketType::Publish, &[]),
        ] {
            assert_eq!(allowed(packet, Sender::Any), codes, "{}", packet.name());
        }
    }

    #[test]
    fn sides_differ_in_disconnect_and_auth() {
        let client =
            [0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9b];
        assert_eq!(allowed(PacketType::Disconnect, Sender::Client), client);
        let server = allowed(PacketType::Disconnect, Sender::Server);
        assert!(!server.contains(&0x04));
        assert_eq!(server.len(), 28);
        assert_eq!(allowed(PacketType::Auth, Sender::Client), [0x18, 0x19]);
        assert_eq!(allowed(PacketType::Auth, Sender::Server), [0x00, 0x18]);
    }

    #[test]
    fn return_codes_come_back_as_the_reasons_they_stand_for() {
        for code in 0..=5 {
            let reason = ReasonCode::from_connect_return_code(code).expect("the code is not reserved");
            assert_eq!(reason.connect_return_code(), Some(code));
        }
        assert_eq!(ReasonCode::from_connect_return_code(6), None);
        // Only what CONNACK may say needs a return code, and what none says makes the server close instead.
        for reason in ReasonCode::ALL.iter().filter(|reason| reason.connect_return_code().is_some()) {
            assert!(reason.is_allowed_in(PacketType::ConnAck, Sender::Server), "{reason}");
        }
        assert_eq!(ReasonCode::UnspecifiedError.connect_return_code(), None);
    }

    #[test]
    fn success_is_named_after_its_packet() {
        assert_eq!(ReasonCode::Success.name_in(PacketType::SubAck), "Granted QoS 0");
        assert_eq!(ReasonCode::Success.name_in(PacketType::Disconnect), "Normal disconnection");
        assert_eq!(ReasonCode::Success.name_in(PacketType::PubAck), "Success");
    }
}
