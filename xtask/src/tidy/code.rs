//! Rust source with everything blanked that is not code.
//!
//! The rules look for words, and a word in a comment or in a string breaks no rule. Lines and columns stay as they
//! were, so that a finding still points at the right place. This is no parser: it knows just enough of the lexical
//! grammar to tell comments, strings and characters from the rest.

/// `source` with the contents of comments, strings and character literals replaced by spaces.
pub(super) fn without_comments_and_strings(source: &str) -> String {
    let mut blanked = String::with_capacity(source.len());
    let mut rest = source;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let skipped = if is_word(before) && first != '"' { 0 } else { literal_or_comment_len(rest) };
        if skipped == 0 {
            blanked.push(first);
            before = first;
            rest = &rest[first.len_utf8()..];
        } else {
            let (gone, kept) = rest.split_at(skipped);
            blanked.extend(gone.chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
            before = ' ';
            rest = kept;
        }
    }
    blanked
}

/// Whether a character can be part of a name.
pub(super) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The length of the comment or literal that `rest` begins with, 0 when it begins with neither.
fn literal_or_comment_len(rest: &str) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment_len(rest);
    }
    // The prefixes that make a literal raw, a byte string or a C string.
    let prefix = ["br", "cr", "r", "b", "c", ""]
        .into_iter()
        .find(|prefix| rest.strip_prefix(prefix).is_some_and(|after| after.starts_with(['"', '#', '\''])));
    let Some(prefix) = prefix else { return 0 };
    let after = &rest[prefix.len()..];
    if prefix.ends_with('r') {
        return raw_string_len(after).map_or(0, |len| prefix.len() + len);
    }
    match after.as_bytes()[0] {
        b'"' => prefix.len() + quoted_len(after, '"'),
        b'\'' => character_len(after).map_or(0, |len| prefix.len() + len),
        _ => 0,
    }
}

/// Block comments nest.
fn block_comment_len(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of `#"…"#` with any number of `#`; `None` when it is a raw name such as `r#type`.
fn raw_string_len(rest: &str) -> Option<usize> {
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let body = rest[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(body.find(&end).map_or(rest.len(), |found| hashes + 1 + found + end.len()))
}

/// The length of a literal in quotes, which a backslash can carry past its closing quote.
fn quoted_len(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == quote {
            return at + 1;
        }
    }
    rest.len()
}

/// The length of `'x'` or `'\n'`; `None` for a lifetime.
fn character_len(rest: &str) -> Option<usize> {
    let mut characters = rest.char_indices().skip(1);
    let (_, first) = characters.next()?;
    if first == '\\' {
        return Some(quoted_len(rest, '\''));
    }
    let (at, second) = characters.next()?;
    (second == '\'').then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::without_comments_and_strings as blank;

    #[test]
    fn comments_are_blanked_and_lines_kept() {
        assert_eq!(blank("a // b\nc /* d /* e */\n f */ g"), "a     \nc             \n      g");
    }

    #[test]
    fn strings_of_every_kind_are_blanked() {
        for literal in
            [r#""x \" // y""#, r##"r#"x " y"#"##, r#"b"x""#, r#"c"x""#, r#"br"x""#, "'x'", r"'\''", r"b'\\'"]
        {
            let blanked = blank(&format!("f({literal}, z)"));
            assert_eq!(blanked.trim_end(), format!("f({}, z)", " ".repeat(literal.len())), "{literal}");
        }
    }

    #[test]
    fn lifetimes_and_raw_names_are_code() {
        for code in
            ["fn f<'a>(x: &'a str) -> &'static str", "r#type", "let r = b; let c = r;", "for x in 0..b {}"]
        {
            assert_eq!(blank(code), code);
        }
    }

    #[test]
    fn an_unfinished_literal_ends_with_the_file() {
        assert_eq!(blank("x \"abc"), "x     ");
        assert_eq!(blank("x /* abc"), "x       ");
        assert_eq!(blank("x r#\"abc"), "x       ");
    }
}
