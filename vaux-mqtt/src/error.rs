//! What can be wrong with what a peer sent, each with its reason code and the statement that it breaks.

use core::fmt;

use crate::reason::ReasonCode;
use crate::version::Version;

/// Something a peer sent that the protocol does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    rule: Rule,
    version: Version,
    at: u32,
}

/// Whether the bytes could be read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The bytes cannot be read as a packet.
    Malformed,
    /// The packet can be read but breaks a rule of the protocol.
    Violation,
}

impl Error {
    /// `rule` broken at byte `at` of a packet of `version`.
    pub const fn new(rule: Rule, version: Version, at: usize) -> Error {
        // Packets end below 2^28 bytes, so that no offset is cut.
        Error { rule, version, at: at as u32 }
    }

    /// The rule that was broken.
    pub const fn rule(&self) -> Rule {
        self.rule
    }

    /// Where, in bytes from the first byte of the packet. 0 for rules about the packet as a whole.
    pub const fn at(&self) -> usize {
        self.at as usize
    }

    /// The version in force.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Whether the bytes could be read.
    pub const fn kind(&self) -> ErrorKind {
        self.rule.facts().kind
    }

    /// The reason code that tells a version 5.0 peer.
    pub const fn reason_code(&self) -> ReasonCode {
        self.rule.facts().reason_code
    }

    /// The statement of the specification in force, such as `MQTT-3.3.1-4`; `U5-…` names a rule that has no number.
    pub const fn requirement(&self) -> &'static str {
        self.rule.requirement(self.version)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (byte {})", self.requirement(), self.rule, self.at)
    }
}

impl core::error::Error for Error {}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

struct Facts {
    kind: ErrorKind,
    reason_code: ReasonCode,
    v5: &'static str,
    v3: &'static str,
    text: &'static str,
}

macro_rules! rules {
    ($($rule:ident: $kind:ident, $code:ident, $v5:literal, $v3:literal, $text:literal;)*) => {
        /// Every rule that a peer can break.
        ///
        /// The table behind it holds, for each, the reason code, the statement of version 5.0 and the one of 3.1.1
        /// (which stands for 3.1 too), and a sentence.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $(#[doc = $text] $rule,)*
        }

        impl Rule {
            /// All rules, in the order of the table.
            pub const ALL: &'static [Rule] = &[$(Rule::$rule,)*];

            const fn facts(self) -> Facts {
                match self {
                    $(Rule::$rule => Facts {
                        kind: ErrorKind::$kind,
                        reason_code: ReasonCode::$code,
                        v5: $v5,
                        v3: $v3,
                        text: $text,
                    },)*
                }
            }
        }
    };
}

impl Rule {
    /// The rule as a sentence.
    pub const fn text(self) -> &'static str {
        self.facts().text
    }

    /// The reason code that tells a version 5.0 peer.
    pub const fn reason_code(self) -> ReasonCode {
        self.facts().reason_code
    }

    /// The statement of the specification of `version`.
    pub const fn requirement(self, version: Version) -> &'static str {
        match version {
            Version::V5 => self.facts().v5,
            Version::V31 | Version::V311 => self.facts().v3,
        }
    }
}

rules! {
    // Fixed header
    PacketTypeReserved: Malformed, MalformedPacket, "U5-03", "MQTT-4.8.0-1", "this packet type is reserved";
    FixedHeaderFlags: Malformed, MalformedPacket, "MQTT-2.1.3-1", "MQTT-2.2.2-2", "the flags of the fixed header must have their reserved values";
    PubRelFlags: Malformed, MalformedPacket, "MQTT-3.6.1-1", "MQTT-3.6.1-1", "the flags of PUBREL must be 0010";
    SubscribeFlags: Malformed, MalformedPacket, "MQTT-3.8.1-1", "MQTT-3.8.1-1", "the flags of SUBSCRIBE must be 0010";
    UnsubscribeFlags: Malformed, MalformedPacket, "MQTT-3.10.1-1", "MQTT-3.10.1-1", "the flags of UNSUBSCRIBE must be 0010";
    DisconnectFlags: Malformed, MalformedPacket, "MQTT-3.14.1-1", "MQTT-3.14.1-1", "the flags of DISCONNECT must be 0000";
    AuthFlags: Malformed, MalformedPacket, "MQTT-3.15.1-1", "MQTT-4.8.0-1", "the flags of AUTH must be 0000";
    RemainingLengthTooLong: Malformed, MalformedPacket, "U5-03", "MQTT-4.8.0-1", "the remaining length must not take more than four bytes";
    PacketTooLarge: Violation, PacketTooLarge, "MQTT-3.2.2-15", "MQTT-4.8.0-2", "the packet is larger than the receiver accepts";
    StoreFull: Violation, QuotaExceeded, "MQTT-4.13.1-1", "MQTT-4.8.0-2", "the receiver has no room to keep the message";
    StoreFailed: Violation, ImplementationSpecificError, "MQTT-4.13.1-1", "MQTT-4.8.0-2", "the receiver cannot keep the message any more";
    UnexpectedPacket: Violation, ProtocolError, "MQTT-4.13.1-1", "MQTT-4.8.0-1", "this packet must not be sent by this side";

    // Data types
    VarintTooLong: Malformed, MalformedPacket, "U5-03", "MQTT-4.8.0-1", "a variable byte integer must not take more than four bytes";
    VarintOverlong: Malformed, MalformedPacket, "MQTT-1.5.5-1", "MQTT-4.8.0-1", "a variable byte integer must take the fewest bytes possible";
    FieldPastEnd: Malformed, MalformedPacket, "U5-03", "MQTT-4.8.0-1", "a field must not run past the end of the packet";
    TrailingBytes: Malformed, MalformedPacket, "U5-03", "MQTT-4.8.0-1", "nothing may follow the last field of the packet";
    StringNotUtf8: Malformed, MalformedPacket, "MQTT-1.5.4-1", "MQTT-1.5.3-1", "a string must be well-formed UTF-8 without surrogates";
    StringHoldsNul: Malformed, MalformedPacket, "MQTT-1.5.4-2", "MQTT-1.5.3-2", "a string must not hold U+0000";
    FieldTooLong: Malformed, MalformedPacket, "MQTT-4.7.3-3", "MQTT-4.7.3-3", "a string must not take more than 65,535 bytes, nor binary data";
    PacketIdZero: Violation, ProtocolError, "MQTT-2.2.1-3", "MQTT-2.3.1-1", "a packet identifier must not be 0";

    // Properties
    PropertyNotAllowed: Malformed, MalformedPacket, "U5-01", "MQTT-4.8.0-1", "this property is not allowed in this packet";
    PropertyRepeated: Violation, ProtocolError, "U5-02", "MQTT-4.8.0-1", "this property must not appear twice";
    PropertyFlagRange: Violation, ProtocolError, "U5-09", "MQTT-4.8.0-1", "the value of this property must be 0 or 1";
    RequestInformationRange: Violation, ProtocolError, "U5-07", "MQTT-4.8.0-1", "the value of this property must be 0 or 1";
    PayloadFormatRange: Malformed, MalformedPacket, "U5-01", "MQTT-4.8.0-1", "the payload format indicator must be 0 or 1";
    ReceiveMaximumZero: Violation, ProtocolError, "U5-05", "MQTT-4.8.0-1", "the receive maximum must not be 0";
    MaximumPacketSizeZero: Violation, ProtocolError, "U5-06", "MQTT-4.8.0-1", "the maximum packet size must not be 0";
    SubscriptionIdentifierZero: Violation, ProtocolError, "U5-20", "MQTT-4.8.0-1", "a subscription identifier must not be 0";
    TopicAliasZero: Violation, TopicAliasInvalid, "MQTT-3.3.2-8", "MQTT-4.8.0-1", "a topic alias must not be 0";
    ResponseTopicEmpty: Violation, ProtocolError, "MQTT-4.7.3-1", "MQTT-4.8.0-1", "a response topic must not be empty";
    ResponseTopicWildcard: Violation, ProtocolError, "MQTT-3.3.2-14", "MQTT-4.8.0-1", "a response topic must not hold wildcards";
    AuthenticationDataAlone: Violation, ProtocolError, "U5-08", "MQTT-4.8.0-1", "authentication data needs an authentication method";
    AuthenticationMethodMissing: Violation, ProtocolError, "U5-26", "MQTT-4.8.0-1", "AUTH must name the authentication method";
    SubscriptionIdentifierFromClient: Violation, ProtocolError, "MQTT-3.3.4-6", "MQTT-4.8.0-1", "a PUBLISH from a client must not carry a subscription identifier";
    SessionExpiryFromServer: Violation, ProtocolError, "MQTT-3.14.2-2", "MQTT-4.8.0-1", "a DISCONNECT from a server must not carry a session expiry interval";
    ServerReferenceFromClient: Malformed, MalformedPacket, "U5-01", "MQTT-4.8.0-1", "a DISCONNECT from a client must not carry a server reference";

    // CONNECT
    ProtocolName: Violation, UnsupportedProtocolVersion, "MQTT-3.1.2-1", "MQTT-3.1.2-1", "the protocol name must be MQTT (MQIsdp in version 3.1)";
    ProtocolVersion: Violation, UnsupportedProtocolVersion, "MQTT-3.1.2-2", "MQTT-3.1.2-2", "this protocol version is not supported";
    ConnectFlagsReserved: Malformed, MalformedPacket, "MQTT-3.1.2-3", "MQTT-3.1.2-3", "bit 0 of the connect flags must be 0";
    WillQosBits: Malformed, MalformedPacket, "MQTT-3.1.2-12", "MQTT-3.1.2-14", "the will QoS must not be 3";
    WillQosWithoutWill: Malformed, MalformedPacket, "MQTT-3.1.2-11", "MQTT-3.1.2-13", "without a will the will QoS must be 0";
    WillRetainWithoutWill: Malformed, MalformedPacket, "MQTT-3.1.2-13", "MQTT-3.1.2-15", "without a will the will retain flag must be 0";
    PasswordWithoutUserName: Malformed, MalformedPacket, "MQTT-3.1.2-18", "MQTT-3.1.2-22", "without a user name there must be no password";
    ClientIdMissing: Malformed, MalformedPacket, "MQTT-3.1.3-3", "MQTT-3.1.3-3", "the client identifier must be present, be it empty";
    WillMissing: Malformed, MalformedPacket, "MQTT-3.1.2-9", "MQTT-3.1.2-9", "the will must be present when its flag is set";
    WillTopicEmpty: Violation, TopicNameInvalid, "MQTT-4.7.3-1", "MQTT-4.7.3-1", "a will topic must not be empty";
    WillTopicWildcard: Violation, TopicNameInvalid, "MQTT-4.7.0-1", "MQTT-4.7.1-1", "a will topic must not hold wildcards";
    UserNameMissing: Malformed, MalformedPacket, "MQTT-3.1.2-17", "MQTT-3.1.2-19", "the user name must be present when its flag is set";
    PasswordMissing: Malformed, MalformedPacket, "MQTT-3.1.2-19", "MQTT-3.1.2-21", "the password must be present when its flag is set";

    // CONNACK
    ConnAckFlags: Malformed, MalformedPacket, "MQTT-3.2.2-1", "MQTT-4.8.0-1", "bits 7 to 1 of the CONNACK flags must be 0";
    ConnAckReasonCode: Violation, ProtocolError, "MQTT-3.2.2-8", "MQTT-3.2.2-6", "this reason code is not one of CONNACK";
    SessionPresentOnRefusal: Violation, ProtocolError, "MQTT-3.2.2-6", "MQTT-3.2.2-4", "a refusal must not say that a session is present";

    // PUBLISH
    QosBits: Malformed, MalformedPacket, "MQTT-3.3.1-4", "MQTT-3.3.1-4", "both QoS bits must not be set";
    DupOnQos0: Malformed, MalformedPacket, "MQTT-3.3.1-2", "MQTT-3.3.1-2", "DUP must be 0 when the QoS is 0";
    TopicWildcard: Violation, TopicNameInvalid, "MQTT-3.3.2-2", "MQTT-3.3.2-2", "a topic name must not hold wildcards";
    TopicEmpty: Violation, ProtocolError, "U5-16", "MQTT-4.7.3-1", "a topic name must not be empty";

    // Acknowledgements
    PubAckReasonCode: Violation, ProtocolError, "MQTT-3.4.2-1", "MQTT-4.8.0-1", "this reason code is not one of PUBACK";
    PubRecReasonCode: Violation, ProtocolError, "MQTT-3.5.2-1", "MQTT-4.8.0-1", "this reason code is not one of PUBREC";
    PubRelReasonCode: Violation, ProtocolError, "MQTT-3.6.2-1", "MQTT-4.8.0-1", "this reason code is not one of PUBREL";
    PubCompReasonCode: Violation, ProtocolError, "MQTT-3.7.2-1", "MQTT-4.8.0-1", "this reason code is not one of PUBCOMP";

    // SUBSCRIBE, UNSUBSCRIBE and their answers
    SubscribeEmpty: Violation, ProtocolError, "MQTT-3.8.3-2", "MQTT-3.8.3-3", "SUBSCRIBE must hold at least one filter";
    SubscribeOptionsReserved: Malformed, MalformedPacket, "MQTT-3.8.3-5", "MQTT-3.8.3-4", "the reserved bits of the subscription options must be 0";
    SubscribeQosBits: Violation, ProtocolError, "U5-22", "MQTT-3.8.3-4", "the maximum QoS of a subscription must not be 3";
    RetainHandlingBits: Violation, ProtocolError, "U5-22", "MQTT-3.8.3-4", "the retain handling of a subscription must not be 3";
    NoLocalShared: Violation, ProtocolError, "MQTT-3.8.3-4", "MQTT-4.8.0-1", "No Local must not be set on a shared subscription";
    FilterEmpty: Violation, TopicFilterInvalid, "MQTT-4.7.3-1", "MQTT-4.7.3-1", "a topic filter must not be empty";
    FilterHash: Violation, TopicFilterInvalid, "MQTT-4.7.1-1", "MQTT-4.7.1-2", "# must be the last character of a filter and stand alone in its level";
    FilterPlus: Violation, TopicFilterInvalid, "MQTT-4.7.1-2", "MQTT-4.7.1-3", "+ must stand alone in its level";
    ShareNameEmpty: Violation, TopicFilterInvalid, "MQTT-4.8.2-1", "MQTT-4.8.0-1", "a share name must have at least one character";
    ShareNameInvalid: Violation, TopicFilterInvalid, "MQTT-4.8.2-2", "MQTT-4.8.0-1", "a share name must hold no wildcard and be followed by / and a filter";
    SubAckEmpty: Malformed, MalformedPacket, "MQTT-3.8.4-6", "MQTT-3.8.4-5", "SUBACK must hold one code for each filter";
    SubAckReasonCode: Violation, ProtocolError, "MQTT-3.9.3-2", "MQTT-3.9.3-2", "this reason code is not one of SUBACK";
    UnsubscribeEmpty: Violation, ProtocolError, "MQTT-3.10.3-2", "MQTT-3.10.3-2", "UNSUBSCRIBE must hold at least one filter";
    UnsubAckEmpty: Malformed, MalformedPacket, "MQTT-3.11.3-2", "MQTT-4.8.0-1", "UNSUBACK must hold one code for each filter";
    UnsubAckReasonCode: Violation, ProtocolError, "MQTT-3.11.3-2", "MQTT-4.8.0-1", "this reason code is not one of UNSUBACK";
    AnswerCount: Violation, ProtocolError, "MQTT-3.8.4-6", "MQTT-3.8.4-5", "the answer must hold as many codes as the request had filters";

    // DISCONNECT and AUTH
    DisconnectReasonCode: Violation, ProtocolError, "MQTT-3.14.2-1", "MQTT-4.8.0-1", "this reason code must not be sent in DISCONNECT by this side";
    AuthReasonCode: Violation, ProtocolError, "MQTT-3.15.2-1", "MQTT-4.8.0-1", "this reason code must not be sent in AUTH by this side";

    // The conversation
    FirstPacketNotConnect: Violation, ProtocolError, "MQTT-3.1.0-1", "MQTT-3.1.0-1", "the first packet of a client must be CONNECT";
    SecondConnect: Violation, ProtocolError, "MQTT-3.1.0-2", "MQTT-3.1.0-2", "a client must not send CONNECT twice";
    FirstPacketNotConnAck: Violation, ProtocolError, "MQTT-3.2.0-1", "MQTT-3.2.0-1", "the first packet of a server must be CONNACK";
    SecondConnAck: Violation, ProtocolError, "MQTT-3.2.0-2", "MQTT-3.2.0-1", "a server must not send CONNACK twice";
    SessionPresentUnknown: Violation, ProtocolError, "MQTT-3.2.2-4", "MQTT-3.2.2-3", "the server has a session that the client does not know";
    AssignedClientIdMissing: Violation, ProtocolError, "MQTT-3.2.2-16", "MQTT-3.1.3-6", "the server must tell the client identifier that it assigned";
    ReceiveMaximumExceeded: Violation, ReceiveMaximumExceeded, "MQTT-3.3.4-7", "MQTT-4.8.0-1", "more messages are unacknowledged than the receive maximum allows";
    TopicAliasTooLarge: Violation, TopicAliasInvalid, "MQTT-3.3.2-9", "MQTT-4.8.0-1", "a topic alias must not exceed the receiver's maximum";
    TopicAliasUnknown: Violation, ProtocolError, "U5-18", "MQTT-4.8.0-1", "this topic alias stands for no topic yet";
    QosNotSupported: Violation, QosNotSupported, "MQTT-3.2.2-11", "MQTT-4.8.0-1", "the QoS is above the maximum that the server announced";
    RetainNotSupported: Violation, RetainNotSupported, "MQTT-3.2.2-14", "MQTT-4.8.0-1", "the server announced that it retains no messages";
    WildcardNotSupported: Violation, WildcardSubscriptionsNotSupported, "U5-13", "MQTT-3.8.3-2", "the server announced that it takes no wildcard subscriptions";
    SubscriptionIdentifierNotSupported: Violation, SubscriptionIdentifiersNotSupported, "U5-14", "MQTT-4.8.0-1", "the server announced that it takes no subscription identifiers";
    SharedNotSupported: Violation, SharedSubscriptionsNotSupported, "U5-15", "MQTT-4.8.0-1", "the server announced that it takes no shared subscriptions";
    SessionExpiryRaised: Violation, ProtocolError, "U5-25", "MQTT-4.8.0-1", "a session expiry interval of 0 must not be raised in DISCONNECT";
    AuthWithoutMethod: Violation, ProtocolError, "MQTT-4.12.0-7", "MQTT-4.8.0-1", "a client whose CONNECT named no authentication method must not send AUTH";
    ExplanationUnwanted: Violation, ProtocolError, "U5-27", "MQTT-4.8.0-1", "a client that asked for no explanations must get none outside PUBLISH, CONNACK and DISCONNECT";
    AuthMethodChanged: Violation, ProtocolError, "MQTT-4.12.1-1", "MQTT-4.8.0-1", "the authentication method must not change";
    UserPropertiesTooMany: Violation, QuotaExceeded, "MQTT-4.13.1-1", "MQTT-4.8.0-2", "more user properties than the server accepts";
    KeepAliveTimeout: Violation, KeepAliveTimeout, "MQTT-3.1.2-22", "MQTT-3.1.2-24", "nothing was received within one and a half times the keep alive";
    AckMismatch: Violation, ProtocolError, "MQTT-4.13.1-1", "MQTT-4.8.0-1", "this does not acknowledge the message that has the packet identifier";
    AnswerUnknown: Violation, ProtocolError, "MQTT-2.2.1-6", "MQTT-2.3.1-7", "this answers no request";
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::packet::{PacketType, Sender};

    #[test]
    fn every_rule_cites_a_statement_and_tells_a_code_that_can_be_sent() {
        for rule in Rule::ALL {
            for version in [Version::V31, Version::V311, Version::V5] {
                let requirement = rule.requirement(version);
                let is_numbered =
                    requirement.strip_prefix("MQTT-").is_some_and(|number| number.contains('-'));
                let is_our_key = requirement.starts_with("U5-") && version == Version::V5;
                assert!(is_numbered || is_our_key, "{rule:?} cites {requirement}");
            }
            let code = rule.reason_code();
            let fits = |packet| code.is_allowed_in(packet, Sender::Any);
            assert!(
                code.is_error() && (fits(PacketType::Disconnect) || fits(PacketType::ConnAck)),
                "{rule:?}"
            );
        }
    }

    #[test]
    fn malformed_packets_are_told_so() {
        for rule in Rule::ALL {
            let error = Error::new(*rule, Version::V5, 0);
            if error.kind() == ErrorKind::Malformed {
                assert_eq!(error.reason_code(), ReasonCode::MalformedPacket, "{rule:?}");
            }
        }
    }

    #[test]
    fn error_reads_as_statement_sentence_and_byte() {
        let error = Error::new(Rule::QosBits, Version::V5, 3);
        assert_eq!(error.to_string(), "MQTT-3.3.1-4: both QoS bits must not be set (byte 3)");
    }
}
