//! The form of a message to be published.

use ratatui::crossterm::event::{KeyCode, KeyEvent};
use vaux_client::{Message, QoS};
use vaux_mqtt::topic::TopicName;

use super::line::Line;

/// What was filled in so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct PublishForm {
    pub(crate) topic: Line,
    pub(crate) payload: Line,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) field: FormField,
    /// Why it cannot be published.
    pub(crate) error: Option<String>,
}

/// The fields, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FormField {
    #[default]
    Topic,
    Payload,
    QoS,
    Retain,
}

const FIELDS: [FormField; 4] = [FormField::Topic, FormField::Payload, FormField::QoS, FormField::Retain];

impl PublishForm {
    /// An empty form for a topic.
    pub(crate) fn new(topic: &str) -> PublishForm {
        let field = if topic.is_empty() { FormField::Topic } else { FormField::Payload };
        PublishForm { topic: Line::new(topic), field, ..PublishForm::default() }
    }

    /// Takes a key that neither publishes nor ends the form.
    pub(crate) fn handle_key(&mut self, key: KeyEvent) {
        self.error = None;
        match key.code {
            KeyCode::Tab | KeyCode::Down => self.move_by(1),
            KeyCode::BackTab | KeyCode::Up => self.move_by(FIELDS.len() - 1),
            _ => match self.field {
                FormField::Topic => {
                    self.topic.handle_key(key);
                }
                FormField::Payload => {
                    self.payload.handle_key(key);
                }
                FormField::QoS => self.change_qos(key.code),
                FormField::Retain => {
                    if matches!(key.code, KeyCode::Char(' ') | KeyCode::Left | KeyCode::Right) {
                        self.retain = !self.retain;
                    }
                }
            },
        }
    }

    fn move_by(&mut self, count: usize) {
        let index = FIELDS.iter().position(|field| *field == self.field).unwrap_or(0);
        self.field = FIELDS[(index + count) % FIELDS.len()];
    }

    fn change_qos(&mut self, code: KeyCode) {
        self.qos = match (code, self.qos) {
            (KeyCode::Char('0'), _) => QoS::AtMostOnce,
            (KeyCode::Char('1'), _) => QoS::AtLeastOnce,
            (KeyCode::Char('2'), _) => QoS::ExactlyOnce,
            (KeyCode::Char(' ') | KeyCode::Right, QoS::AtMostOnce) => QoS::AtLeastOnce,
            (KeyCode::Char(' ') | KeyCode::Right, QoS::AtLeastOnce) => QoS::ExactlyOnce,
            (KeyCode::Char(' ') | KeyCode::Right, QoS::ExactlyOnce) => QoS::AtMostOnce,
            (KeyCode::Left, QoS::AtMostOnce) => QoS::ExactlyOnce,
            (KeyCode::Left, QoS::AtLeastOnce) => QoS::AtMostOnce,
            (KeyCode::Left, QoS::ExactlyOnce) => QoS::AtLeastOnce,
            (_, qos) => qos,
        };
    }

    /// Takes text that was pasted.
    pub(crate) fn paste(&mut self, text: &str) {
        match self.field {
            FormField::Topic => self.topic.paste(text),
            FormField::Payload => self.payload.paste(text),
            FormField::QoS | FormField::Retain => {}
        }
    }

    /// The message, or what is wrong.
    pub(crate) fn message(&self) -> Result<Message, String> {
        let topic = self.topic.text();
        TopicName::new(topic).map_err(|rule| rule.text().to_owned())?;
        let payload = self.payload.text().to_owned();
        Ok(Message::new(topic, payload).qos(self.qos).retain(self.retain))
    }
}
