//! Settings in a file, whichever way people write them: Java's `.properties`, or the YAML-like block of documents.
//!
//! **Why two.** Kafka's tools read properties; courses and wikis show `name: value` under a heading, with comments at the
//! end of lines, which Java's syntax would take for a part of the value. A file whose name says YAML, or whose lines have
//! colons and no equals sign, is read as the latter. Neighbours: [`super::properties_file`] has Java's rules. Not here:
//! YAML as such: lists, anchors and nested values are refused by line.

use super::properties_file;

/// A setting in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The line on which it begins, counted from 1.
    pub line: usize,
}

/// Every setting of a text, in order; `file` is its name.
///
/// # Errors
///
/// What cannot be read, with file and line.
pub fn parse(text: &str, file: &str) -> Result<Vec<FileEntry>, String> {
    if is_yaml(text, file) {
        return parse_yaml(text, file);
    }
    let entries = properties_file::parse(text).map_err(|problem| format!("{file}, {problem}"))?;
    let entries = entries.into_iter();
    Ok(entries.map(|entry| FileEntry { name: entry.name, value: entry.value, line: entry.line }).collect())
}

fn is_yaml(text: &str, file: &str) -> bool {
    let lower = file.to_ascii_lowercase();
    if lower.ends_with(".yaml") || lower.ends_with(".yml") {
        return true;
    }
    if lower.ends_with(".properties") {
        return false;
    }
    let mut lines = text.lines().filter_map(content).peekable();
    lines.peek().is_some() && lines.all(|line| line.contains(':') && !line.contains('='))
}

/// A line without its indentation and its comment; none if nothing is left.
fn content(line: &str) -> Option<&str> {
    let line = line.trim();
    let line = if line.starts_with('#') { "" } else { line.split(" #").next().unwrap_or(line).trim_end() };
    (!line.is_empty() && line != "---").then_some(line)
}

fn parse_yaml(text: &str, file: &str) -> Result<Vec<FileEntry>, String> {
    let mut entries = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some(content) = content(line) else { continue };
        let line = index + 1;
        let Some((name, value)) = content.split_once(':') else {
            return Err(format!("{file}, line {line}: {content:?} is not `name: value`"));
        };
        let (name, value) = (unquoted(name.trim()), unquoted(value.trim()));
        if name.is_empty() || name.starts_with('-') || value.starts_with(['[', '{', '|', '>']) {
            return Err(format!(
                "{file}, line {line}: {content:?} is not `name: value`; lists and nested values are not read here"
            ));
        }
        // A name without a value is a heading, such as `producer:`.
        if !value.is_empty() {
            entries.push(FileEntry { name: name.to_owned(), value: value.to_owned(), line });
        }
    }
    Ok(entries)
}

fn unquoted(text: &str) -> &str {
    let inside = |quote: char| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str, file: &str) -> Vec<(String, String, usize)> {
        let entries = parse(text, file).unwrap().into_iter();
        entries.map(|entry| (entry.name, entry.value, entry.line)).collect()
    }

    fn entry(name: &str, value: &str, line: usize) -> (String, String, usize) {
        (name.to_owned(), value.to_owned(), line)
    }

    // The course shows its settings as a block with a heading and comments; read as properties its values would be wrong.
    #[test]
    fn a_block_of_name_colon_value_is_read_with_its_lines() {
        let block = "# levels\nproducer:\n  acks: all    # needed\n  linger.ms: '5'\n";

        let expected = [entry("acks", "all", 3), entry("linger.ms", "5", 4)];

        assert_eq!(names(block, "config.yml"), expected);
        assert_eq!(names(block, "-"), expected);
    }

    // A properties file may use a colon as well, and a hash inside a value is a part of it there.
    #[test]
    fn properties_keep_javas_rules() {
        let text = "acks=all\nclient.id: a #1\n";

        assert_eq!(
            names(text, "producer.properties"),
            [entry("acks", "all", 1), entry("client.id", "a #1", 2)]
        );
        assert_eq!(names(text, "-"), [entry("acks", "all", 1), entry("client.id", "a #1", 2)]);
    }

    #[test]
    fn what_is_no_pair_is_refused_by_line() {
        for (text, line) in [("a: 1\n- b: 2\n", 2), ("a: 1\nb: [1, 2]\n", 2), ("nothing\n", 1)] {
            let error = parse(text, "x.yaml").unwrap_err();
            assert!(error.contains(&format!("x.yaml, line {line}")), "{error}");
        }
    }
}
