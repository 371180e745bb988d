//! What is typed, as commands and their words: quotes and backslashes are those of a POSIX shell.
//!
//! There are no variables, patterns, pipes or redirections, so that `$`, `*`, `+` and `!` stand for themselves, and `#`
//! does within a command. `<<WORD` gives a command the lines up to WORD as its standard input.

/// One command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// Its words, the first being its name.
    pub(super) words: Vec<String>,
    /// Its standard input.
    pub(super) input: Option<String>,
}

/// Why a text is no sequence of commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// More of it is to come.
    Unfinished(&'static str),
    /// A character that means something to a shell, and nothing here.
    Unknown(char),
    /// `<<` and nothing behind it.
    NoDelimiter,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Unfinished(what) => write!(f, "the input ends {what}"),
            Fault::Unknown(character) => {
                write!(
                    f,
                    "{character} does nothing here; as part of a word it stands in quotes: '{character}'"
                )
            }
            Fault::NoDelimiter => f.write_str("<< needs the word that ends the input, such as <<EOF"),
        }
    }
}

/// The commands of a text, separated by ends of lines and `;`.
pub(super) fn parse(text: &str) -> Result<Vec<Line>, Fault> {
    let mut lexer = Lexer::new(text);
    lexer.run()?;
    let lines = lexer.lines.into_iter().filter(|line| !line.words.is_empty());
    Ok(lines.map(|line| Line { words: line.words, input: line.input }).collect())
}

/// The word that stands at the end of a text, and those before it in its command.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) before: Vec<String>,
    pub(super) word: String,
    /// Where the word begins, in bytes.
    pub(super) start: usize,
    /// The quotes that it stands in.
    pub(super) quote: Option<char>,
}

/// The end of what has been typed so far, `None` where no word can be completed.
pub(super) fn tail(text: &str) -> Option<Tail> {
    let mut lexer = Lexer::new(text);
    let outcome = lexer.run();
    if matches!(outcome, Err(Fault::Unknown(_) | Fault::NoDelimiter)) || lexer.is_in_input {
        return None;
    }
    let quote = lexer.quote;
    let mut before = lexer.lines.pop().unwrap_or_default().words;
    match lexer.word_start {
        Some(start) => Some(Tail { word: before.pop().unwrap_or_default(), before, start, quote }),
        None => Some(Tail { before, word: String::new(), start: text.len(), quote: None }),
    }
}

/// A word in such quotes that it is read as it is. With `open` the quotes that it begins with are not ended.
pub(super) fn quote(word: &str, wanted: Option<char>, open: bool) -> String {
    let is_plain = |character: char| {
        !character.is_whitespace() && !matches!(character, '\'' | '"' | '\\' | ';' | '|' | '&' | '<' | '>')
    };
    let quote = match wanted {
        Some(quote) => quote,
        None if !word.is_empty() && word.chars().all(is_plain) && !word.starts_with('#') => {
            return word.to_owned();
        }
        None => '\'',
    };
    let inner = match quote {
        '"' => word.replace('\\', "\\\\").replace('"', "\\\""),
        _ => word.replace('\'', "'\\''"),
    };
    let end = if open { String::new() } else { quote.to_string() };
    format!("{quote}{inner}{end}")
}

#[derive(Default)]
struct LexedLine {
    words: Vec<String>,
    input: Option<String>,
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    lines: Vec<LexedLine>,
    /// Where the word begins that is being read.
    word_start: Option<usize>,
    quote: Option<char>,
    /// Which lines wait for their input, up to which words.
    delimiters: Vec<(usize, String)>,
    is_in_input: bool,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str) -> Lexer<'a> {
        Lexer {
            text,
            at: 0,
            lines: vec![LexedLine::default()],
            word_start: None,
            quote: None,
            delimiters: Vec::new(),
            is_in_input: false,
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        Some(character)
    }

    fn line(&mut self) -> &mut LexedLine {
        self.lines.last_mut().expect("there is one from the start, and none is taken away")
    }

    fn run(&mut self) -> Result<(), Fault> {
        while let Some(character) = self.peek() {
            match character {
                '\n' => {
                    self.at += 1;
                    self.end_line();
                    self.read_inputs()?;
                }
                ';' => {
                    self.at += 1;
                    self.end_line();
                }
                '#' if self.word_start.is_none() && self.line().words.is_empty() => self.skip_comment(),
                '<' if self.word_start.is_none() && self.text[self.at..].starts_with("<<") => {
                    self.at += 2;
                    self.read_delimiter()?;
                }
                '|' | '&' | '<' | '>' => return Err(Fault::Unknown(character)),
                ' ' | '\t' | '\r' => {
                    self.at += 1;
                    self.word_start = None;
                }
                _ => self.read_part()?,
            }
        }
        match self.delimiters.is_empty() {
            true => Ok(()),
            false => Err(Fault::Unfinished("before the input that << announces")),
        }
    }

    fn end_line(&mut self) {
        self.word_start = None;
        self.lines.push(LexedLine::default());
    }

    fn skip_comment(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.find('\n').unwrap_or(rest.len());
    }

    /// A character, or what stands in quotes.
    fn read_part(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let character = self.take();
        if character == Some('\\') && self.peek() == Some('\n') {
            // The line goes on, and so does the word.
            self.at += 1;
            return Ok(());
        }
        if self.word_start.is_none() {
            self.word_start = Some(start);
            self.line().words.push(String::new());
        }
        match character {
            Some('\\') => match self.take() {
                Some(escaped) => self.push(escaped),
                None => return Err(Fault::Unfinished("behind a backslash")),
            },
            Some('\'') => self.read_single()?,
            Some('"') => self.read_double()?,
            Some(character) => self.push(character),
            None => {}
        }
        Ok(())
    }

    fn push(&mut self, character: char) {
        if let Some(word) = self.line().words.last_mut() {
            word.push(character);
        }
    }

    fn read_single(&mut self) -> Result<(), Fault> {
        self.quote = Some('\'');
        loop {
            match self.take() {
                Some('\'') => break,
                Some(character) => self.push(character),
                None => return Err(Fault::Unfinished("within '…'")),
            }
        }
        self.quote = None;
        Ok(())
    }

    fn read_double(&mut self) -> Result<(), Fault> {
        self.quote = Some('"');
        loop {
            match self.take() {
                Some('"') => break,
                Some('\\') => match self.take() {
                    Some('\n') => {}
                    Some(escaped @ ('"' | '\\' | '$' | '`')) => self.push(escaped),
                    Some(other) => {
                        self.push('\\');
                        self.push(other);
                    }
                    None => return Err(Fault::Unfinished("within \"…\"")),
                },
                Some(character) => self.push(character),
                None => return Err(Fault::Unfinished("within \"…\"")),
            }
        }
        self.quote = None;
        Ok(())
    }

    /// The word behind `<<`, which may stand in quotes.
    fn read_delimiter(&mut self) -> Result<(), Fault> {
        while matches!(self.peek(), Some(' ' | '\t')) {
            self.at += 1;
        }
        let is_part = |character: char| !character.is_whitespace() && !"'\"\\;|&<>".contains(character);
        let quote = self.peek().filter(|quote| matches!(quote, '\'' | '"'));
        self.at += usize::from(quote.is_some());
        let rest = &self.text[self.at..];
        let len = rest.find(|character| !is_part(character)).unwrap_or(rest.len());
        let word = rest[..len].to_owned();
        self.at += len;
        if let Some(quote) = quote
            && self.take() != Some(quote)
        {
            return Err(Fault::NoDelimiter);
        }
        if word.is_empty() {
            return Err(Fault::NoDelimiter);
        }
        let index = self.lines.len() - 1;
        self.delimiters.push((index, word));
        Ok(())
    }

    /// The inputs that the line before has announced.
    fn read_inputs(&mut self) -> Result<(), Fault> {
        for (index, delimiter) in std::mem::take(&mut self.delimiters) {
            self.is_in_input = true;
            let mut input = String::new();
            loop {
                let rest = &self.text[self.at..];
                let (line, len) = match rest.split_once('\n') {
                    Some((line, _)) => (line, line.len() + 1),
                    None => (rest, rest.len()),
                };
                self.at += len;
                if line == delimiter {
                    break;
                }
                if len == line.len() {
                    return Err(Fault::Unfinished("before the word that ends the input of <<"));
                }
                input.push_str(&rest[..len]);
            }
            // The end of the last line belongs to the form, not to the input.
            input.pop();
            self.lines[index].input = Some(input);
            self.is_in_input = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<String>> {
        parse(text).unwrap().into_iter().map(|line| line.words).collect()
    }

    #[test]
    fn words_are_those_of_a_posix_shell() {
        for text in [
            r"pub -t a/b -m 'a b'",
            r#"pub -m "say \"hi\" \x \\""#,
            r"pub -m it\'s\ so -t ''",
            "pub -m 'two\nlines' -t a",
            "pub \\\n -t a\\\nb",
            r#"pub -m a"b c"'d e'\ f"#,
            "pub -m {\"on\":true}",
            "pub -m é\u{a0}ü",
            "a;b ; c\nd",
        ] {
            let script: String =
                parse(text).unwrap().iter().map(|line| format!("{}\n", line.words.join("\u{1}"))).collect();
            // A function called by every name that stands in the texts prints its words.
            let show = r#"show() { s=; for w in "$@"; do printf '%s%s' "$s" "$w"; s=$(printf '\001'); done; echo; }"#;
            let names =
                ["pub", "a", "b", "c", "d"].map(|name| format!("{name}() {{ show {name} \"$@\"; }}\n"));
            let shell = format!("{show}\n{}{text}\n", names.concat());
            let output = std::process::Command::new("sh").args(["-c", &shell]).output().unwrap();
            assert_eq!(script, String::from_utf8(output.stdout).unwrap(), "{text}");
        }
    }

    #[test]
    fn what_mqtt_needs_stands_for_itself() {
        assert_eq!(words("sub -t # -t a/+/b -t $SYS/#"), [["sub", "-t", "#", "-t", "a/+/b", "-t", "$SYS/#"]]);
        assert_eq!(words("  # a comment\nls # 1"), [["ls", "#", "1"]]);
    }

    #[test]
    fn input_is_what_stands_up_to_the_word() {
        let lines = parse("pub -t a <<EOF; ls\n{\n  EOF\n}\nEOF\nget <<'X'\nX\n").unwrap();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0].input.as_deref(), Some("{\n  EOF\n}"));
        assert_eq!((lines[1].words[0].as_str(), lines[1].input.as_deref()), ("ls", None));
        assert_eq!(lines[2].input.as_deref(), Some(""));
    }

    #[test]
    fn what_is_unfinished_is_known_from_what_is_wrong() {
        for text in ["a 'b", "a \"b", "a \\", "a <<EOF", "a <<EOF\nb\n", "a \"\\"] {
            assert!(matches!(parse(text), Err(Fault::Unfinished(_))), "{text}");
        }
        for text in ["a | b", "a > b", "a && b", "a < b", "a <<\nb", "a <<'E"] {
            assert!(matches!(parse(text), Err(Fault::Unknown(_) | Fault::NoDelimiter)), "{text}");
        }
    }

    #[test]
    fn the_end_of_a_line_is_a_word_of_its_command() {
        let tail = |text| tail(text).map(|tail| (tail.before.join(" "), tail.word, tail.start, tail.quote));
        assert_eq!(tail("ls; pub -t ro"), Some(("pub -t".into(), "ro".into(), 11, None)));
        assert_eq!(tail("pub -t "), Some(("pub -t".into(), String::new(), 7, None)));
        assert_eq!(tail("pub -t 'a b"), Some(("pub -t".into(), "a b".into(), 7, Some('\''))));
        assert_eq!(tail(""), Some((String::new(), String::new(), 0, None)));
        assert_eq!(tail("pub <<EOF\nab"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ -~\n\t\u{e9}]{0,40}") {
            let _ = parse(&text);
            if let Some(tail) = tail(&text) {
                proptest::prop_assert!(text.is_char_boundary(tail.start));
            }
            proptest::prop_assert_eq!(words(&format!("ls {}", quote(&text, None, false))), [["ls", &*text]]);
        }
    }

    #[test]
    fn quoted_words_are_read_as_they_are() {
        for word in ["plain", "a b", "it's", "", "#", "\"x\"", "a\\b", "a;b", "<<EOF", "ü\n"] {
            assert_eq!(words(&format!("ls {}", quote(word, None, false))), [["ls", word]]);
            assert_eq!(words(&format!("ls {}", quote(word, Some('"'), false))), [["ls", word]]);
        }
    }
}
