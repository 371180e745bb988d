//! `-D COMMAND NAME VALUE`: properties of version 5.0 for the packets that a command sends.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use vaux_client::{Property, PropertyBuffer};
use vaux_mqtt::property::{PropertyId, PropertySet};

use crate::cli_error::CliError;
use crate::output::json::property_name;

/// The long name of the flag.
pub(super) const LONG: &str = "property";

/// The properties as they were written, one list of words for each `-D`.
#[derive(Clone, Debug, Default)]
pub(super) struct PropertyArgs(Vec<Vec<String>>);

impl PropertyArgs {
    pub(super) fn over(self, lower: PropertyArgs) -> PropertyArgs {
        if self.0.is_empty() { lower } else { self }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

// By hand, since clap's derive cannot keep the words of one occurrence together.
impl Args for PropertyArgs {
    fn augment_args(command: Command) -> Command {
        command.arg(
            Arg::new(LONG)
                .short('D')
                .long(LONG)
                .value_names(["PACKET", "NAME", "VALUE"])
                .num_args(3..=4)
                .action(ArgAction::Append)
                .help("Property of a packet, such as -D publish content-type text/plain; user-property takes a name and a value"),
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for PropertyArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let occurrences = matches.get_occurrences::<String>(LONG).into_iter().flatten();
        Ok(PropertyArgs(occurrences.map(|words| words.cloned().collect()).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// A packet that properties can be given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// CONNECT.
    Connect,
    /// The will in CONNECT.
    Will,
    /// PUBLISH.
    Publish,
    /// SUBSCRIBE.
    Subscribe,
    /// UNSUBSCRIBE.
    Unsubscribe,
    /// DISCONNECT.
    Disconnect,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Place::Connect => "connect",
            Place::Will => "will",
            Place::Publish => "publish",
            Place::Subscribe => "subscribe",
            Place::Unsubscribe => "unsubscribe",
            Place::Disconnect => "disconnect",
        }
    }

    /// What a client may put there.
    fn allowed(self) -> PropertySet {
        match self {
            Place::Connect => PropertySet::CONNECT,
            Place::Will => PropertySet::WILL,
            Place::Publish => PropertySet::PUBLISH,
            Place::Subscribe => PropertySet::SUBSCRIBE,
            Place::Unsubscribe => PropertySet::UNSUBSCRIBE,
            Place::Disconnect => PropertySet::DISCONNECT,
        }
    }
}

/// The properties of a command line, by packet.
#[derive(Clone, Debug, Default)]
pub(crate) struct PropertyLists(Vec<(Place, PropertyBuffer)>);

impl PropertyLists {
    /// Reads properties for the packets in `places`, which the command sends.
    pub(super) fn read(args: &PropertyArgs, places: &[Place]) -> Result<PropertyLists, CliError> {
        let mut lists = PropertyLists::default();
        for words in &args.0 {
            let wrong = |why: String| CliError::usage(format!("-D {}: {why}", words.join(" ")));
            let [packet, name, value @ ..] = words.as_slice() else {
                return Err(wrong("it takes a packet, a name and a value".into()));
            };
            let place =
                places.iter().find(|place| place.name().eq_ignore_ascii_case(packet)).ok_or_else(|| {
                    let names: Vec<_> = places.iter().map(|place| place.name()).collect();
                    wrong(format!("the packet is one of {}", names.join(", ")))
                })?;
            let property = parse(name, value).map_err(wrong)?;
            let list = lists.list_mut(*place);
            list.push(property).map_err(|error| wrong(error.rule().to_string()))?;
            list.check(place.allowed()).map_err(|error| wrong(error.rule().to_string()))?;
        }
        Ok(lists)
    }

    /// The properties of a packet.
    pub(crate) fn of(&self, place: Place) -> PropertyBuffer {
        self.0.iter().find(|(known, _)| *known == place).map(|(_, list)| list.clone()).unwrap_or_default()
    }

    fn list_mut(&mut self, place: Place) -> &mut PropertyBuffer {
        let index = self.0.iter().position(|(known, _)| *known == place).unwrap_or_else(|| {
            self.0.push((place, PropertyBuffer::new()));
            self.0.len() - 1
        });
        &mut self.0[index].1
    }
}

fn parse<'a>(name: &str, values: &'a [String]) -> Result<Property<'a>, String> {
    let id = PropertyId::ALL.iter().find(|id| property_name(**id) == name);
    let id = *id.ok_or_else(|| format!("there is no property {name}"))?;
    let value = match (id, values) {
        (PropertyId::UserProperty, [name, value]) => return Ok(Property::UserProperty(name, value)),
        (PropertyId::UserProperty, _) => return Err("a user property takes a name and a value".into()),
        (_, [value]) => value.as_str(),
        _ => return Err("it takes one value".into()),
    };
    Ok(match id {
        PropertyId::PayloadFormatIndicator => Property::PayloadFormatIndicator(number(value)?),
        PropertyId::MessageExpiryInterval => Property::MessageExpiryInterval(number(value)?),
        PropertyId::ContentType => Property::ContentType(value),
        PropertyId::ResponseTopic => Property::ResponseTopic(value),
        PropertyId::CorrelationData => Property::CorrelationData(value.as_bytes()),
        PropertyId::SubscriptionIdentifier => Property::SubscriptionIdentifier(number(value)?),
        PropertyId::SessionExpiryInterval => Property::SessionExpiryInterval(number(value)?),
        PropertyId::AuthenticationMethod => Property::AuthenticationMethod(value),
        PropertyId::AuthenticationData => Property::AuthenticationData(value.as_bytes()),
        PropertyId::RequestProblemInformation => Property::RequestProblemInformation(number(value)?),
        PropertyId::WillDelayInterval => Property::WillDelayInterval(number(value)?),
        PropertyId::RequestResponseInformation => Property::RequestResponseInformation(number(value)?),
        PropertyId::ReasonString => Property::ReasonString(value),
        PropertyId::ReceiveMaximum => Property::ReceiveMaximum(number(value)?),
        PropertyId::TopicAliasMaximum => Property::TopicAliasMaximum(number(value)?),
        PropertyId::TopicAlias => Property::TopicAlias(number(value)?),
        PropertyId::MaximumPacketSize => Property::MaximumPacketSize(number(value)?),
        _ => return Err("only a server sends this property".into()),
    })
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    let bits = 8 * size_of::<T>();
    text.parse().map_err(|_| format!("{text} is not a number of {bits} bits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(occurrences: &[&str]) -> Result<PropertyLists, String> {
        let words = |text: &&str| text.split(' ').map(str::to_owned).collect();
        let args = PropertyArgs(occurrences.iter().map(words).collect());
        PropertyLists::read(&args, &[Place::Connect, Place::Publish]).map_err(|error| match error {
            CliError::Usage { message, .. } => message,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn properties_go_to_their_packets_in_their_order() {
        let lists = read(&[
            "publish user-property a 1",
            "CONNECT receive-maximum 10",
            "publish content-type text/plain",
            "publish user-property a 1",
        ])
        .unwrap();
        let published = lists.of(Place::Publish);
        let expected = [
            Property::UserProperty("a", "1"),
            Property::ContentType("text/plain"),
            Property::UserProperty("a", "1"),
        ];
        assert!(published.list().iter().eq(expected));
        assert_eq!(lists.of(Place::Connect).list().receive_maximum(), Some(10));
        assert!(lists.of(Place::Will).is_empty());
    }

    #[test]
    fn what_does_not_fit_is_told() {
        for (property, message) in [
            ("subscribe user-property a b", "the packet is one of connect, publish"),
            ("publish colour red", "there is no property colour"),
            ("publish content-type a b", "it takes one value"),
            ("publish user-property a", "a user property takes a name and a value"),
            ("publish topic-alias 70000", "70000 is not a number of 16 bits"),
            ("publish topic-alias 0", "a topic alias must not be 0"),
            ("connect content-type x", "this property is not allowed in this packet"),
            ("connect maximum-qos 1", "only a server sends this property"),
        ] {
            let error = read(&[property]).unwrap_err();
            assert_eq!(error, format!("-D {property}: {message}"));
        }
        let repeated = read(&["publish topic-alias 1", "publish topic-alias 2"]).unwrap_err();
        assert!(repeated.ends_with("this property must not appear twice"), "{repeated}");
    }
}
