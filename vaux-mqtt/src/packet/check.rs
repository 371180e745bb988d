//! Whether a packet can be written so that its reader finds in it what its writer put there.
//!
//! `encode` trusts the packet: a broker writes what it has read. Others ask here first, since a length that does not fit
//! its field cannot be written.

use super::{Ack, Auth, Disconnect, PacketType, Publish, Sender};
use crate::error::Rule;
use crate::property::{Allowed, Properties, PropertyId, PropertySet};
use crate::reason::ReasonCode;
use crate::topic::TopicName;
use crate::varint;
use crate::version::{QoS, Version};

/// The largest packet that the fixed header can announce, the header included.
pub(crate) const PACKET_MAX: usize = (varint::MAX as usize).saturating_add(5);

impl Publish<'_> {
    /// Whether [`Publish::encode`] writes all that is in the packet.
    ///
    /// # Errors
    ///
    /// The first rule that the packet would break.
    pub fn check(&self, version: Version) -> Result<(), Rule> {
        if !self.topic.is_empty() || !version.has_properties() || self.properties.topic_alias().is_none() {
            TopicName::new(self.topic)?;
        }
        match (self.qos, self.packet_id) {
            (QoS::AtMostOnce, _) if self.dup => return Err(Rule::DupOnQos0),
            (QoS::AtLeastOnce | QoS::ExactlyOnce, None) => return Err(Rule::PacketIdZero),
            _ => {}
        }
        let allowed = Allowed::only(PropertySet::PUBLISH).repeating(PropertyId::SubscriptionIdentifier);
        check_properties(&self.properties, allowed, version)?;
        check_len(self.encoded_len(version))
    }
}

impl Ack<'_> {
    /// Whether [`Ack::encode`] writes all that is in the packet, as one of type `packet_type`.
    ///
    /// # Errors
    ///
    /// The first rule that the packet would break.
    pub fn check(&self, packet_type: PacketType, version: Version) -> Result<(), Rule> {
        check_reason(self.reason, packet_type, version, super::ack::reason_rule(packet_type))?;
        check_properties(&self.properties, Allowed::only(PropertySet::ACKNOWLEDGEMENT), version)?;
        check_len(self.encoded_len(version))
    }
}

impl Disconnect<'_> {
    /// Whether [`Disconnect::encode`] writes all that is in the packet. Which side sends it is not looked at.
    ///
    /// # Errors
    ///
    /// The first rule that the packet would break.
    pub fn check(&self, version: Version) -> Result<(), Rule> {
        check_reason(self.reason, PacketType::Disconnect, version, Rule::DisconnectReasonCode)?;
        check_properties(&self.properties, Allowed::only(PropertySet::DISCONNECT), version)?;
        check_len(self.encoded_len(version))
    }
}

impl Auth<'_> {
    /// Whether [`Auth::encode`] writes all that is in the packet. Which side sends it is not looked at.
    ///
    /// # Errors
    ///
    /// The first rule that the packet would break.
    pub fn check(&self) -> Result<(), Rule> {
        check_reason(self.reason, PacketType::Auth, Version::V5, Rule::AuthReasonCode)?;
        check_properties(&self.properties, Allowed::only(PropertySet::AUTH), Version::V5)?;
        if self.properties.authentication_method().is_none() {
            return Err(Rule::AuthenticationMethodMissing);
        }
        check_len(self.encoded_len())
    }
}

#[cfg(feature = "client")]
mod client {
    use super::*;
    use crate::packet::{Connect, Subscribe, Unsubscribe, Will};
    use crate::string;
    use crate::topic::TopicFilter;

    impl Connect<'_> {
        /// Whether [`Connect::encode`] writes all that is in the packet.
        ///
        /// # Errors
        ///
        /// The first rule that the packet would break.
        pub fn check(&self) -> Result<(), Rule> {
            string::check_field(self.client_id)?;
            self.user_name.map_or(Ok(()), string::check_field)?;
            self.password.map_or(Ok(()), string::check_field_len)?;
            if self.password.is_some() && self.user_name.is_none() && !self.version.has_properties() {
                return Err(Rule::PasswordWithoutUserName);
            }
            check_properties(&self.properties, Allowed::only(PropertySet::CONNECT), self.version)?;
            let properties = &self.properties;
            if properties.authentication_data().is_some() && properties.authentication_method().is_none() {
                return Err(Rule::AuthenticationDataAlone);
            }
            self.will.as_ref().map_or(Ok(()), |will| will.check(self.version))?;
            check_len(self.encoded_len())
        }
    }

    impl Will<'_> {
        fn check(&self, version: Version) -> Result<(), Rule> {
            TopicName::new(self.topic).map_err(|rule| match rule {
                Rule::TopicEmpty => Rule::WillTopicEmpty,
                Rule::TopicWildcard => Rule::WillTopicWildcard,
                rule => rule,
            })?;
            string::check_field_len(self.payload)?;
            check_properties(&self.properties, Allowed::only(PropertySet::WILL), version)
        }
    }

    impl Subscribe<'_> {
        /// Whether [`Subscribe::encode`] writes all that is in the packet.
        ///
        /// # Errors
        ///
        /// The first rule that the packet would break.
        pub fn check(&self, version: Version) -> Result<(), Rule> {
            check_properties(&self.properties, Allowed::only(PropertySet::SUBSCRIBE), version)?;
            if self.subscriptions.iter().next().is_none() {
                return Err(Rule::SubscribeEmpty);
            }
            for subscription in self.subscriptions.iter() {
                let filter = TopicFilter::new(subscription.filter).map_err(|(rule, _)| rule)?;
                if filter.shared().is_some() && subscription.options.no_local && version.has_properties() {
                    return Err(Rule::NoLocalShared);
                }
            }
            check_len(self.encoded_len(version))
        }
    }

    impl Unsubscribe<'_> {
        /// Whether [`Unsubscribe::encode`] writes all that is in the packet.
        ///
        /// # Errors
        ///
        /// The first rule that the packet would break.
        pub fn check(&self, version: Version) -> Result<(), Rule> {
            check_properties(&self.properties, Allowed::only(PropertySet::UNSUBSCRIBE), version)?;
            if self.filters.iter().next().is_none() {
                return Err(Rule::UnsubscribeEmpty);
            }
            for filter in self.filters.iter() {
                TopicFilter::new(filter).map_err(|(rule, _)| rule)?;
            }
            check_len(self.encoded_len(version))
        }
    }
}

#[cfg(feature = "server")]
mod server {
    use super::*;
    use crate::packet::{ConnAck, SubAck, UnsubAck};

    impl ConnAck<'_> {
        /// Whether [`ConnAck::encode`] writes all that is in the packet. Before version 5.0, whether there is a return code
        /// for the reason, too.
        ///
        /// # Errors
        ///
        /// The first rule that the packet would break.
        pub fn check(&self, version: Version) -> Result<(), Rule> {
            check_reason(self.reason, PacketType::ConnAck, Version::V5, Rule::ConnAckReasonCode)?;
            if !version.has_properties() && self.reason.connect_return_code().is_none() {
                return Err(Rule::ConnAckReasonCode);
            }
            if self.session_present && self.reason != ReasonCode::Success {
                return Err(Rule::SessionPresentOnRefusal);
            }
            check_properties(&self.properties, Allowed::only(PropertySet::CONNACK), version)?;
            check_len(self.encoded_len(version))
        }
    }

    impl SubAck<'_> {
        /// Whether [`SubAck::encode`] writes all that is in the packet.
        ///
        /// # Errors
        ///
        /// The first rule that the packet would break.
        pub fn check(&self, version: Version) -> Result<(), Rule> {
            check_properties(&self.properties, Allowed::only(PropertySet::ACKNOWLEDGEMENT), version)?;
            if self.reason_codes.is_empty() {
                return Err(Rule::SubAckEmpty);
            }
            check_codes(self.reason_codes, PacketType::SubAck, Rule::SubAckReasonCode)?;
            check_len(self.encoded_len(version))
        }
    }

    impl UnsubAck<'_> {
        /// Whether [`UnsubAck::encode`] writes all that is in the packet. Before version 5.0 there are no codes in it.
        ///
        /// # Errors
        ///
        /// The first rule that the packet would break.
        pub fn check(&self, version: Version) -> Result<(), Rule> {
            check_properties(&self.properties, Allowed::only(PropertySet::ACKNOWLEDGEMENT), version)?;
            if version.has_properties() {
                if self.reason_codes.is_empty() {
                    return Err(Rule::UnsubAckEmpty);
                }
                check_codes(self.reason_codes, PacketType::UnsubAck, Rule::UnsubAckReasonCode)?;
            }
            check_len(self.encoded_len(version))
        }
    }

    fn check_codes(codes: &[u8], packet_type: PacketType, rule: Rule) -> Result<(), Rule> {
        let fits = |&code: &u8| {
            ReasonCode::from_u8(code).is_some_and(|reason| reason.is_allowed_in(packet_type, Sender::Server))
        };
        if codes.iter().all(fits) { Ok(()) } else { Err(rule) }
    }
}

/// Before version 5.0 packets other than CONNACK and SUBACK have no reason, and what is in its place is not written.
fn check_reason(
    reason: ReasonCode,
    packet_type: PacketType,
    version: Version,
    rule: Rule,
) -> Result<(), Rule> {
    if version.has_properties() && !reason.is_allowed_in(packet_type, Sender::Any) {
        return Err(rule);
    }
    Ok(())
}

/// Before version 5.0 there are no properties, and they are not written.
fn check_properties(properties: &Properties<'_>, allowed: Allowed, version: Version) -> Result<(), Rule> {
    if version.has_properties() { properties.check(allowed) } else { Ok(()) }
}

fn check_len(encoded_len: usize) -> Result<(), Rule> {
    if encoded_len > PACKET_MAX { Err(Rule::PacketTooLarge) } else { Ok(()) }
}
