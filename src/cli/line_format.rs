//! `produce -F`: where key and value stand in a line.
//!
//! **Why.** What another program printed with `consume -f '%k=%v\n'` should be read back by the same words. Neighbours:
//! [`crate::cli::produce_input`] has the lines, [`crate::cli::message_format`] the other direction. Not here: escapes
//! inside values: a line is bytes.

/// A format, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineFormat {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Key,
    Value,
}

impl LineFormat {
    /// Takes a format apart: `%k` the key, `%v` or `%s` the value, `%%` a percent sign, `\t` a tab; everything else stands
    /// in the line as it is. A `\n` at the end is the line's own.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut characters = text.strip_suffix("\\n").unwrap_or(text).chars();
        while let Some(character) = characters.next() {
            let piece = match (character, character == '%' || character == '\\') {
                (other, false) => {
                    literal.extend(other.encode_utf8(&mut [0; 4]).bytes());
                    continue;
                }
                (sign, true) => match (sign, characters.next()) {
                    ('%', Some('k')) => Piece::Key,
                    ('%', Some('v' | 's')) => Piece::Value,
                    ('%', Some('%')) => {
                        literal.push(b'%');
                        continue;
                    }
                    ('\\', Some('t')) => {
                        literal.push(b'\t');
                        continue;
                    }
                    ('\\', Some('\\')) => {
                        literal.push(b'\\');
                        continue;
                    }
                    (sign, found) => {
                        let found = found.map(String::from).unwrap_or_default();
                        return Err(format!(
                            "the format has no {sign}{found}; expected %k, %v, %s, %%, \\t, \\\\ or \\n at the end"
                        ));
                    }
                },
            };
            if !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
            } else if matches!(pieces.last(), Some(Piece::Key | Piece::Value)) {
                return Err(
                    "nothing stands between two parts of the line, so nobody can tell them apart".to_owned()
                );
            }
            pieces.push(piece);
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        for (piece, name) in [(Piece::Key, "%k"), (Piece::Value, "%v")] {
            if pieces.iter().filter(|candidate| **candidate == piece).count() > 1 {
                return Err(format!("{name} stands in the format twice"));
            }
        }
        if !pieces.contains(&Piece::Value) {
            return Err("the format has no %v: a record needs a value".to_owned());
        }
        Ok(Self { pieces })
    }

    /// Key and value of a line; `None` if the line is not of this format.
    pub fn split<'a>(&self, line: &'a [u8]) -> Option<(Option<&'a [u8]>, &'a [u8])> {
        let (mut key, mut value, mut rest) = (None, None, line);
        let mut pieces = self.pieces.iter().peekable();
        while let Some(piece) = pieces.next() {
            let part = match piece {
                Piece::Text(text) => {
                    rest = rest.strip_prefix(text.as_slice())?;
                    continue;
                }
                Piece::Key => &mut key,
                Piece::Value => &mut value,
            };
            // Up to what follows, and the last part to the end.
            let end = match pieces.peek() {
                Some(Piece::Text(text)) => {
                    let is_last = pieces.len() == 1;
                    let mut windows = rest.windows(text.len());
                    let found = |window: &[u8]| window == text.as_slice();
                    if is_last { windows.rposition(found)? } else { windows.position(found)? }
                }
                Some(Piece::Key | Piece::Value) | None => rest.len(),
            };
            *part = rest.get(..end);
            rest = rest.get(end..)?;
        }
        rest.is_empty().then_some((key, value?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(format: &str, line: &'static str) -> Option<(Option<&'static str>, &'static str)> {
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        let (key, value) = LineFormat::parse(format).unwrap().split(line.as_bytes())?;
        Some((key.map(text), text(value)))
    }

    // What `consume -f` printed must come back as it was; a line of another shape must not become half a record.
    #[test]
    fn a_line_is_taken_apart_by_its_format() {
        assert_eq!(split("%k=%v\\n", "a=b=c"), Some((Some("a"), "b=c")));
        assert_eq!(split("<%v|%k>", "<v|w|k>"), Some((Some("w|k"), "v")));
        assert_eq!(split("%k\\t%v", "k\tv"), Some((Some("k"), "v")));
        assert_eq!(split("%v", "whole line"), Some((None, "whole line")));
        assert_eq!(split("100%% %v", "100% sure"), Some((None, "sure")));
        assert_eq!(split("[%v]", "[a]b]"), Some((None, "a]b")));
        assert_eq!(split("%k=%v", "no sign"), None);
        assert_eq!(split("[%v]", "[open"), None);
    }

    #[test]
    fn a_format_that_cannot_be_read_back_is_refused() {
        for (format, expected) in [
            ("%k%v", "between"),
            ("%k", "no %v"),
            ("%v %v", "twice"),
            ("%z", "%z"),
            ("%", "no %"),
            ("\\q", "\\q"),
        ] {
            let error = LineFormat::parse(format).unwrap_err();
            assert!(error.contains(expected), "{format}: {error}");
        }
    }
}
