//! Java's `.properties` syntax.
//!
//! **Why it exists.** Kafka's own tools are configured by such files, and a reader that is nearly right breaks on the
//! one file that matters. The rules are those of `java.util.Properties.load`: `#` and `!` begin comments; `=`, `:` or
//! blanks end a name; a backslash escapes the next character or joins the next line; `\uXXXX` is a UTF-16 unit.
//!
//! Neighbours: [`super::builder`] takes the entries. Not here: what a name means, or reading the file.

use std::iter::Peekable;
use std::str::Chars;

/// A name, a value, and the line on which the name stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) line: usize,
}

/// All entries in their order. The error names the line.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, String> {
    // A byte order mark is what some editors leave; Java would take it for a part of the first name.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    logical_lines(text)
        .into_iter()
        .map(|(line, content)| {
            let (name, value) = split(&content);
            let unescaped = |part: &str| unescape(part).map_err(|problem| format!("line {line}: {problem}"));
            Ok(Entry { name: unescaped(name)?, value: unescaped(value)?, line })
        })
        .collect()
}

const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Lines joined at their backslashes, without comments and empty lines, each with the number of its first line.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, natural) in text.split('\n').enumerate() {
        let content = natural.trim_start_matches(is_blank);
        let (number, mut joined) = match open.take() {
            Some(begun) => begun,
            // Only a line of its own can be a comment or empty; a continuation is taken as it is.
            None if content.is_empty() || content.starts_with(['#', '!']) => continue,
            None => (index + 1, String::new()),
        };
        // An even number of backslashes at the end is escaped backslashes.
        let backslashes = content.chars().rev().take_while(|c| *c == '\\').count();
        if backslashes % 2 == 1 {
            joined.push_str(content.strip_suffix('\\').unwrap_or(content));
            open = Some((number, joined));
        } else {
            joined.push_str(content);
            lines.push((number, joined));
        }
    }
    lines.extend(open);
    lines
}

/// The name ends at the first `=`, `:` or blank that is not escaped; one `=` or `:` among blanks belongs to neither.
fn split(content: &str) -> (&str, &str) {
    let mut is_escaped = false;
    let end = content
        .char_indices()
        .find(|(_, c)| {
            let ends = !is_escaped && (matches!(c, '=' | ':') || is_blank(*c));
            is_escaped = *c == '\\' && !is_escaped;
            ends
        })
        .map_or(content.len(), |(at, _)| at);
    let (name, rest) = content.split_at(end);
    let rest = rest.trim_start_matches(is_blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (name, rest.trim_start_matches(is_blank))
}

fn unescape(text: &str) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\u{c}'),
            Some('u') => plain.push(unicode(&mut chars)?),
            // Java drops the backslash of every other escape, and one at the very end.
            Some(other) => plain.push(other),
            None => {}
        }
    }
    Ok(plain)
}

/// The character of `\uXXXX`, or of two of them where the first is half of a surrogate pair.
fn unicode(chars: &mut Peekable<Chars<'_>>) -> Result<char, String> {
    let first = unit(chars)?;
    let mut units = vec![first];
    if (0xd800..0xdc00).contains(&first) {
        let mut ahead = chars.clone();
        if ahead.next() == Some('\\') && ahead.next() == Some('u') {
            units.push(unit(&mut ahead)?);
            *chars = ahead;
        }
    }
    match char::decode_utf16(units).next() {
        Some(Ok(c)) => Ok(c),
        Some(Err(_)) | None => {
            Err(format!("\\u{first:04x} is half of a character; its other half must follow"))
        }
    }
}

fn unit(chars: &mut Peekable<Chars<'_>>) -> Result<u16, String> {
    let digits: String = chars.by_ref().take(4).collect();
    if digits.len() == 4 && digits.chars().all(|c| c.is_ascii_hexdigit()) {
        u16::from_str_radix(&digits, 16).map_err(|error| format!("\\u{digits}: {error}"))
    } else {
        Err(format!("\\u{digits} is no character: four hexadecimal digits must follow \\u"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As `java.util.Properties.store` writes it: every character that means something gets a backslash.
    fn escape(text: &str) -> String {
        let mut escaped = String::new();
        for c in text.chars() {
            match c {
                '\n' => escaped.push_str("\\n"),
                '\r' => escaped.push_str("\\r"),
                '\t' => escaped.push_str("\\t"),
                '\u{c}' => escaped.push_str("\\f"),
                ' ' | '=' | ':' | '#' | '!' | '\\' => escaped.extend(['\\', c]),
                _ if c.is_ascii() => escaped.push(c),
                _ => c
                    .encode_utf16(&mut [0; 2])
                    .iter()
                    .for_each(|unit| escaped.push_str(&format!("\\u{unit:04X}"))),
            }
        }
        escaped
    }

    proptest! {
        /// Whatever Java stores comes back as it was: a lost backslash or half a character would change a value in silence.
        #[test]
        fn what_java_stores_is_read_back(name in "\\PC{1,20}|[ =:#!\\\\\t\n]{1,8}", value in "\\PC{0,20}|[ =:#!\\\\\t\n\r\u{c}]{0,8}") {
            let text = format!("# comment\n{}={}\n", escape(&name), escape(&value));
            prop_assert_eq!(parse(&text), Ok(vec![Entry { name, value, line: 2 }]));
        }

        /// A file of rubbish is an error or entries, never a panic.
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let lines = text.split(['\n', '\r']).count();
            if let Ok(entries) = parse(&text) {
                prop_assert!(entries.iter().all(|entry| (1..=lines).contains(&entry.line)));
            }
        }
    }
}
