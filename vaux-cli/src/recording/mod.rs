//! Recordings: messages, and when each arrived. One JSON object a line:
//!
//! ```text
//! {"vaux":"rec/1","start":"2026-11-22T21:00:00.000000Z","broker":"localhost:8883","v":5,"filters":["#"]}
//! {"us":1204113,"t":"a/b","q":1,"r":false,"p":"21.5","props":[["content-type","text/plain"]]}
//! {"us":1310002,"t":"cam","q":0,"r":true,"b64":"AAH/Cg=="}
//! ```
//!
//! `us` is microseconds from `start`. A later header begins a further part, whose `us` count from its own `start`.
//! What other programs recorded is read too, also captures of a network, but only this form is written. Whatever plays
//! recordings reads them here.

mod captured;
mod line;
mod mosquitto;
mod mqtt_recorder;
mod read;
mod write;

use vaux_client::{Message, Property, PropertyBuffer};
use vaux_mqtt::property::Properties;

pub(crate) use read::{Missing, Origin, Reader};
pub(crate) use write::{Header, write_header, write_record};

/// What the first line calls the form.
const FORM: &str = "rec/1";

/// A message of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// When it arrived, in microseconds from the start of the recording.
    pub(crate) us: u64,
    /// The message.
    pub(crate) message: Message,
}

/// The properties that belong to a message wherever it goes, without those of one connection.
pub(crate) fn lasting(properties: &Properties<'_>) -> PropertyBuffer {
    let mut lasting = PropertyBuffer::new();
    for property in properties.iter() {
        if !matches!(property, Property::TopicAlias(_) | Property::SubscriptionIdentifier(_)) {
            lasting.push(property).expect("a property that was read can be written");
        }
    }
    lasting
}

#[cfg(test)]
mod tests;
