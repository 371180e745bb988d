//! Writing CONNECT, as a client does.

use super::Connect;
use super::flags::{CLEAN_START, PASSWORD, USER_NAME, WILL, WILL_QOS_SHIFT, WILL_RETAIN};
use crate::packet::{self, PacketType};
use crate::property::Properties;
use crate::writer::{Writer, binary_len, write_binary};

impl Connect<'_> {
    /// Appends the packet, which is trusted; see [`Connect::check`].
    pub fn encode(&self, out: &mut impl Writer) {
        packet::write_header(PacketType::Connect.first_byte(), self.remaining_len(), out);
        write_binary(self.version.protocol_name().as_bytes(), out);
        out.write_u8(self.version.level());
        out.write_u8(self.flags());
        out.write_u16(self.keep_alive);
        if self.version.has_properties() {
            self.properties.encode(out);
        }
        write_binary(self.client_id.as_bytes(), out);
        if let Some(will) = &self.will {
            if self.version.has_properties() {
                will.properties.encode(out);
            }
            write_binary(will.topic.as_bytes(), out);
            write_binary(will.payload, out);
        }
        if let Some(user_name) = self.user_name {
            write_binary(user_name.as_bytes(), out);
        }
        if let Some(password) = self.password {
            write_binary(password, out);
        }
    }

    /// The length of the whole packet.
    pub fn encoded_len(&self) -> usize {
        packet::packet_len(self.remaining_len())
    }

    fn flags(&self) -> u8 {
        let will = self.will.as_ref().map_or(0, |will| {
            WILL | will.qos.bits() << WILL_QOS_SHIFT | if will.retain { WILL_RETAIN } else { 0 }
        });
        let flag = |flag, is_set| if is_set { flag } else { 0 };
        flag(CLEAN_START, self.clean_start)
            | will
            | flag(PASSWORD, self.password.is_some())
            | flag(USER_NAME, self.user_name.is_some())
    }

    fn remaining_len(&self) -> usize {
        let properties_len = |properties: &Properties<'_>| {
            if self.version.has_properties() { properties.encoded_len() } else { 0 }
        };
        let will_len = self.will.as_ref().map_or(0, |will| {
            properties_len(&will.properties) + binary_len(will.topic.as_bytes()) + binary_len(will.payload)
        });
        binary_len(self.version.protocol_name().as_bytes())
            + 4
            + properties_len(&self.properties)
            + binary_len(self.client_id.as_bytes())
            + will_len
            + self.user_name.map_or(0, |user_name| binary_len(user_name.as_bytes()))
            + self.password.map_or(0, binary_len)
    }
}
