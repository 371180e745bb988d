//! Property identifiers and the packets that each may stand in.

macro_rules! property_ids {
    ($($value:literal $id:ident $name:literal;)*) => {
        /// The identifier of a property.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum PropertyId {
            $(
                #[doc = concat!($name, " (", stringify!($value), ")")]
                $id = $value,
            )*
        }

        impl PropertyId {
            /// All identifiers, ascending.
            pub const ALL: &'static [PropertyId] = &[$(PropertyId::$id,)*];

            /// The identifier of a number. All are below 128, so that one byte holds them.
            pub const fn from_u32(value: u32) -> Option<PropertyId> {
                match value {
                    $($value => Some(PropertyId::$id),)*
                    _ => None,
                }
            }

            /// The name in words, lower case, such as `session expiry interval`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(PropertyId::$id => $name,)*
                }
            }
        }
    };
}

property_ids! {
    0x01 PayloadFormatIndicator "payload format indicator";
    0x02 MessageExpiryInterval "message expiry interval";
    0x03 ContentType "content type";
    0x08 ResponseTopic "response topic";
    0x09 CorrelationData "correlation data";
    0x0b SubscriptionIdentifier "subscription identifier";
    0x11 SessionExpiryInterval "session expiry interval";
    0x12 AssignedClientIdentifier "assigned client identifier";
    0x13 ServerKeepAlive "server keep alive";
    0x15 AuthenticationMethod "authentication method";
    0x16 AuthenticationData "authentication data";
    0x17 RequestProblemInformation "request problem information";
    0x18 WillDelayInterval "will delay interval";
    0x19 RequestResponseInformation "request response information";
    0x1a ResponseInformation "response information";
    0x1c ServerReference "server reference";
    0x1f ReasonString "reason string";
    0x21 ReceiveMaximum "receive maximum";
    0x22 TopicAliasMaximum "topic alias maximum";
    0x23 TopicAlias "topic alias";
    0x24 MaximumQos "maximum qos";
    0x25 RetainAvailable "retain available";
    0x26 UserProperty "user property";
    0x27 MaximumPacketSize "maximum packet size";
    0x28 WildcardSubscriptionAvailable "wildcard subscription available";
    0x29 SubscriptionIdentifierAvailable "subscription identifier available";
    0x2a SharedSubscriptionAvailable "shared subscription available";
}

/// How the value of a property stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A number of so many bytes.
    Fixed(usize),
    /// A variable byte integer.
    Varint,
    /// A string.
    Text,
    /// Binary data.
    Binary,
    /// Two strings.
    Pair,
}

impl PropertyId {
    /// How its value stands on the wire.
    pub(crate) const fn form(self) -> Form {
        match self {
            PropertyId::PayloadFormatIndicator
            | PropertyId::RequestProblemInformation
            | PropertyId::RequestResponseInformation
            | PropertyId::MaximumQos
            | PropertyId::RetainAvailable
            | PropertyId::WildcardSubscriptionAvailable
            | PropertyId::SubscriptionIdentifierAvailable
            | PropertyId::SharedSubscriptionAvailable => Form::Fixed(1),
            PropertyId::ServerKeepAlive
            | PropertyId::ReceiveMaximum
            | PropertyId::TopicAliasMaximum
            | PropertyId::TopicAlias => Form::Fixed(2),
            PropertyId::MessageExpiryInterval
            | PropertyId::SessionExpiryInterval
            | PropertyId::WillDelayInterval
            | PropertyId::MaximumPacketSize => Form::Fixed(4),
            PropertyId::SubscriptionIdentifier => Form::Varint,
            PropertyId::ContentType
            | PropertyId::ResponseTopic
            | PropertyId::AssignedClientIdentifier
            | PropertyId::AuthenticationMethod
            | PropertyId::ResponseInformation
            | PropertyId::ServerReference
            | PropertyId::ReasonString => Form::Text,
            PropertyId::CorrelationData | PropertyId::AuthenticationData => Form::Binary,
            PropertyId::UserProperty => Form::Pair,
        }
    }
}

/// A set of property identifiers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PropertySet(u64);

impl PropertySet {
    /// No property.
    pub const EMPTY: PropertySet = PropertySet(0);
    /// What CONNECT may carry.
    pub const CONNECT: PropertySet = PropertySet::of(&[0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27]);
    /// What the will in CONNECT may carry.
    pub const WILL: PropertySet = PropertySet::of(&[0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26]);
    /// What CONNACK may carry.
    pub const CONNACK: PropertySet = PropertySet::of(&[
        0x11, 0x12, 0x13, 0x15, 0x16, 0x1a, 0x1c, 0x1f, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a,
    ]);
    /// What PUBLISH may carry.
    pub const PUBLISH: PropertySet = PropertySet::of(&[0x01, 0x02, 0x03, 0x08, 0x09, 0x0b, 0x23, 0x26]);
    /// What PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK and UNSUBACK may carry.
    pub const ACKNOWLEDGEMENT: PropertySet = PropertySet::of(&[0x1f, 0x26]);
    /// What SUBSCRIBE may carry.
    pub const SUBSCRIBE: PropertySet = PropertySet::of(&[0x0b, 0x26]);
    /// What UNSUBSCRIBE may carry.
    pub const UNSUBSCRIBE: PropertySet = PropertySet::of(&[0x26]);
    /// What DISCONNECT may carry.
    pub const DISCONNECT: PropertySet = PropertySet::of(&[0x11, 0x1c, 0x1f, 0x26]);
    /// What AUTH may carry.
    pub const AUTH: PropertySet = PropertySet::of(&[0x15, 0x16, 0x1f, 0x26]);

    /// Every property.
    pub(super) const ALL: PropertySet = PropertySet(u64::MAX);

    const fn of(ids: &[u8]) -> PropertySet {
        let mut bits = 0;
        let mut index = 0;
        while index < ids.len() {
            bits |= 1 << ids[index];
            index += 1;
        }
        PropertySet(bits)
    }

    /// Whether `id` is in the set.
    pub const fn contains(self, id: PropertyId) -> bool {
        self.0 & (1 << id as u8) != 0
    }

    /// Adds `id` and says whether it was new.
    pub const fn insert(&mut self, id: PropertyId) -> bool {
        let is_new = !self.contains(id);
        self.0 |= 1 << id as u8;
        is_new
    }
}
