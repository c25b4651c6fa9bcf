//! What differs from run to run becomes `…`.

use regex::Regex;

/// Patterns and what is written instead.
const VOLATILE: &[(&str, &str)] = &[
    // Request ids, and the traces and topic ids of W3C and Kafka.
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "…"),
    (r#""traceId":"[0-9a-f]{32}""#, r#""traceId":"…""#),
    (r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d+Z", "…"),
    // Addresses that the system chose.
    (r"127\.0\.0\.1:(3[2-9]\d{3}|[456]\d{4})\b", "127.0.0.1:…"),
    // $(date +%s) in event ids, and the ids that the labs make.
    (r"-1[7-9]\d{8,11}(-\d+)*\b", "-…"),
    (r#""(latencyMs|startMs|ageMs|producerId|fired)":-?\d+(\.\d+)?"#, r#""$1":…"#),
    (r"\b\d+(\.\d+)? ?ms\b", "… ms"),
    (r"\b(real|user|sys)\t\d+m\d+[.,]\d+s", "$1\t…"),
    (r"TopicId: \S+", "TopicId: …"),
    (r"\b(producer(?: id)?|PID) \d{6,}", "$1 …"),
    (r"CreateTime:\d+", "CreateTime:…"),
];

/// Where a record lies, in the ways that the commands say it: it follows from the event id, and so is volatile with it.
const PLACES: &[(&str, &str)] = &[
    (r#""partition":\d+,"offset":\d+"#, r#""partition":…,"offset":…"#),
    (r"Partition:\d+\tOffset:\d+", "Partition:…\tOffset:…"),
    (r#""baseSequence":\d+"#, r#""baseSequence":…"#),
];

/// Places in the labs' own sentences.
const PLACES_IN_WORDS: &[(&str, &str)] = &[
    (r"\boffset \d+( of partition \d+| de la partition \d+)?", "offset …"),
    (r"offsets \d+(, \d+)+ of partition \d+", "offsets …"),
    (r"\bsequence \d+\b", "sequence …"),
    (r"\bséquence \d+\b", "séquence …"),
    (r"première copie, \d+", "première copie, …"),
    (r"aux offsets \d+(, \d+)+ de la partition \d+", "aux offsets …"),
    (r"l'offset (\d+|…) de la partition \d+", "l'offset …"),
    (r"(bhf-[a-z-]+)-\d+@\d+", "$1-…@…"),
    (r"\b\d+\.\d s\b", "… s"),
    (r"(?m)\bbatch \d+\b", "batch …"),
    (r"correlation id \d+", "correlation id …"),
    (r"after \d+ refusals", "after … refusals"),
    (r"après \d+ refus\b", "après … refus"),
    (r"in \d+ pieces", "in … pieces"),
    (r"\b\d+\.\d{3,}s\b", "… s"),
    (r" +… ms +", " … ms "),
];

/// The text as pages print it.
pub fn normalise(text: &str) -> String {
    let text = replaced(text.trim_end(), VOLATILE);
    let text = replaced(&text, PLACES_IN_WORDS);
    let place = |line: &str| if line.contains("-…") { replaced(line, PLACES) } else { line.to_owned() };
    text.lines().map(|line| cut(place(line.trim_end()))).collect::<Vec<_>>().join("\n")
}

/// The labs cut long answers by their length, which depends on the ids in them; here they are cut by what is left.
fn cut(line: String) -> String {
    if !line.starts_with("       HTTP ") || line.chars().count() <= LONGEST_ANSWER {
        return line;
    }
    format!("{}…", line.chars().take(LONGEST_ANSWER).collect::<String>())
}

const LONGEST_ANSWER: usize = 160;

fn replaced(text: &str, patterns: &[(&str, &str)]) -> String {
    patterns.iter().fold(text.to_owned(), |text, (pattern, replacement)| {
        Regex::new(pattern).unwrap().replace_all(&text, *replacement).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::normalise;

    // A pattern that eats too much would make every page true; one that eats too little, none.
    #[test]
    fn only_what_differs_from_run_to_run_is_hidden() {
        let answer = r#"{"status":"OK","partition":1,"offset":0,"eventId":"JAVA-SYNC-1790000000","producerId":77,"latencyMs":3.25,"timestamp":"2026-02-03T04:05:06.789Z","traceId":"0123456789abcdef0123456789abcdef"}"#;

        let expected = r#"{"status":"OK","partition":…,"offset":…,"eventId":"JAVA-SYNC-…","producerId":…,"latencyMs":…,"timestamp":"…","traceId":"…"}"#;
        assert_eq!(normalise(answer), expected);
    }
}
