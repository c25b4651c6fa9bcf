//! A settings file from a stranger: understood or refused with reasons, and what was understood means the same when it
//! is written down again.

use facteur::config::ProducerConfig;
use facteur::config::settings_text;

/// Runs the target: the first byte chooses the file's name, by which its syntax is told.
pub fn run(data: &[u8]) {
    let [choice, text @ ..] = data else { return };
    let text = String::from_utf8_lossy(text);
    let file = ["a.properties", "a.yaml", "a.conf"][usize::from(*choice) % 3];
    if let Ok(entries) = settings_text::parse(&text, file) {
        assert!(entries.iter().all(|entry| entry.line >= 1
            && entry.line <= text.lines().count().max(1) + text.matches('\r').count() + 1));
    }
    let config = match ProducerConfig::from_properties_file(&text, file) {
        Ok(config) => config,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    // Every setting that was given, written down plainly, gives the same settings again.
    let lines: Vec<(String, String)> =
        config.settings().iter().map(|line| (line.name.to_owned(), line.value.clone())).collect();
    let given = lines.iter().filter(|(_, value)| !value.is_empty());
    let text: String = given.map(|(name, value)| format!("{name}={}\n", escaped(value))).collect();
    let again = ProducerConfig::from_properties_file(&text, "again.properties");
    let again = again.unwrap_or_else(|error| panic!("{error}\n{text}"));
    let found: Vec<(String, String)> =
        again.settings().iter().map(|line| (line.name.to_owned(), line.value.clone())).collect();
    assert_eq!(found, lines);
}

/// A value as a properties file holds it.
fn escaped(value: &str) -> String {
    let mut text = String::new();
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            ' ' | '\t' | '\u{c}' => {
                text.push('\\');
                text.push(match c {
                    '\t' => 't',
                    '\u{c}' => 'f',
                    other => other,
                });
            }
            other => text.push(other),
        }
    }
    text
}
