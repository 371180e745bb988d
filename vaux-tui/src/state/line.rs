//! A line of text that somebody types.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A line and where in it the next character goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    text: String,
    /// In bytes, on the boundary of a character.
    at: usize,
}

/// No topic and no payload that is typed is longer.
const MAX_BYTES: usize = 64 * 1024;

impl Line {
    /// A line that holds `text`, with the cursor behind it.
    pub(crate) fn new(text: impl Into<String>) -> Line {
        let text = text.into();
        Line { at: text.len(), text }
    }

    /// What was typed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What stands before the cursor, and what behind.
    pub(crate) fn parts(&self) -> (&str, &str) {
        self.text.split_at(self.at)
    }

    /// Takes a key. Says whether it meant anything to a line.
    pub(crate) fn handle_key(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('u') if control => drop(self.text.drain(..std::mem::take(&mut self.at))),
            KeyCode::Char('w') if control => self.erase_word(),
            KeyCode::Char('a') if control => self.at = 0,
            KeyCode::Char('e') if control => self.at = self.text.len(),
            KeyCode::Char(_) if control || key.modifiers.contains(KeyModifiers::ALT) => return false,
            KeyCode::Char(character) => self.insert(character),
            KeyCode::Backspace => {
                let end = self.at;
                self.at = self.before();
                self.text.drain(self.at..end);
            }
            KeyCode::Delete => drop(self.text.drain(self.at..self.after())),
            KeyCode::Left => self.at = self.before(),
            KeyCode::Right => self.at = self.after(),
            KeyCode::Home => self.at = 0,
            KeyCode::End => self.at = self.text.len(),
            _ => return false,
        }
        true
    }

    /// Takes text that was pasted; ends of lines become spaces.
    pub(crate) fn paste(&mut self, text: &str) {
        text.chars().for_each(|character| self.insert(if character == '\n' { ' ' } else { character }));
    }

    fn insert(&mut self, character: char) {
        if !character.is_control() && self.text.len() < MAX_BYTES {
            self.text.insert(self.at, character);
            self.at += character.len_utf8();
        }
    }

    fn erase_word(&mut self) {
        let kept = self.text[..self.at].trim_end();
        let start = kept.rfind(' ').map_or(0, |space| space + 1);
        self.text.drain(start..self.at);
        self.at = start;
    }

    fn before(&self) -> usize {
        self.text[..self.at].char_indices().next_back().map_or(0, |(index, _)| index)
    }

    fn after(&self) -> usize {
        self.at + self.text[self.at..].chars().next().map_or(0, char::len_utf8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(line: &mut Line, code: KeyCode) {
        line.handle_key(KeyEvent::new(code, KeyModifiers::NONE));
    }

    #[test]
    fn characters_of_several_bytes_are_edited_whole() {
        let mut line = Line::new("aé");
        press(&mut line, KeyCode::Left);
        press(&mut line, KeyCode::Char('ß'));
        assert_eq!(line.parts(), ("aß", "é"));
        press(&mut line, KeyCode::Delete);
        press(&mut line, KeyCode::Backspace);
        assert_eq!(line.text(), "a");
    }

    #[test]
    fn a_word_and_a_line_are_erased_at_once() {
        let mut line = Line::new("export  my file");
        line.handle_key(KeyEvent::new(KeyCode::Char('w'), KeyModifiers::CONTROL));
        assert_eq!(line.text(), "export  my ");
        line.handle_key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
        assert_eq!(line.text(), "");
    }
}
