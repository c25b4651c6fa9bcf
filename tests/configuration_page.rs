//! `docs/configuration.md` is written from the catalogue of settings; this test fails if the two differ.
//!
//! To write it anew: `FACTEUR_WRITE_DOCS=1 cargo test --test configuration_page`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::Path;

use facteur::config::catalogue::{self, GROUPS};
use facteur::config::names_of_others::LIBRDKAFKA;
use facteur::config::not_honoured::{ACCEPTED, REFUSED};
use facteur::config::setting::Setting;

#[test]
fn the_page_is_what_the_catalogue_says() {
    // A default changed in the code and not on the page misleads everyone who reads only the page.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let wanted = page();
    if std::env::var_os("FACTEUR_WRITE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    let differing = wanted.lines().zip(found.lines()).position(|(wanted, found)| wanted != found);
    assert!(
        wanted == found,
        "docs/configuration.md differs from the catalogue, first at line {}; write it anew with \
         FACTEUR_WRITE_DOCS=1 cargo test --test configuration_page",
        differing.unwrap_or_else(|| wanted.lines().count().min(found.lines().count())) + 1
    );
}

#[test]
fn every_entry_is_complete() {
    // Style rule 18: effect, default, unit, KIP, both costs, when to touch it. An empty field is a promise not kept.
    for setting in catalogue::settings() {
        for text in [setting.effect, setting.kip, setting.raise, setting.lower, setting.touch] {
            assert!(!text.is_empty(), "{}", setting.name);
        }
        assert!(setting.effect.ends_with('.'), "{}: {}", setting.name, setting.effect);
    }
}

fn page() -> String {
    let mut page = String::from(INTRODUCTION);
    for group in GROUPS {
        writeln!(page, "\n## {}\n", group.title).unwrap();
        page.push_str("| setting | default | allowed | effect |\n|---|---|---|---|\n");
        for setting in group.settings {
            writeln!(
                page,
                "| [`{}`](#{}) | {} | {} | {} |",
                setting.name,
                anchor(setting),
                default(setting),
                cell(&setting.kind.allowed()),
                cell(setting.effect)
            )
            .unwrap();
        }
    }
    page.push_str("\n## Every setting in full\n");
    for setting in catalogue::settings() {
        details(&mut page, setting);
    }
    page.push_str(RULES);
    java_table(&mut page);
    others(&mut page);
    page
}

fn details(page: &mut String, setting: &Setting) {
    writeln!(page, "\n### `{}`\n\n{}\n", setting.name, setting.effect).unwrap();
    writeln!(page, "- Default: {}; unit: {}", default(setting), setting.kind.unit()).unwrap();
    writeln!(page, "- Allowed: {}", setting.kind.allowed()).unwrap();
    writeln!(page, "- Setter: `ProducerConfigBuilder::{}`; KIP: {}", setting.setter, setting.kip).unwrap();
    writeln!(page, "- Raising it: {}", setting.raise).unwrap();
    writeln!(page, "- Lowering it: {}", setting.lower).unwrap();
    writeln!(page, "- Touch it when: {}", setting.touch).unwrap();
}

fn java_table(page: &mut String) {
    page.push_str(
        "\n## Coming from Java\n\nNames are Java's own, so a properties file can be used as it is. Each of its settings is in \
         one of three lists: honoured (above; the setter is named there), accepted without effect, or refused.\n\n\
         ### Accepted without effect, and said once in a warning\n\n| Java setting | why it has no effect |\n|---|---|\n",
    );
    for entry in ACCEPTED {
        writeln!(page, "| `{}` | {} |", entry.name, cell(entry.reason)).unwrap();
    }
    page.push_str(
        "\n### Refused\n\n| Java setting | passes | why it is refused otherwise |\n|---|---|---|\n",
    );
    for entry in REFUSED {
        let passes: Vec<String> = entry
            .passes
            .iter()
            .map(|value| if value.is_empty() { "empty".to_owned() } else { format!("`{value}`") })
            .collect();
        let passes = if passes.is_empty() { "nothing".to_owned() } else { passes.join(", ") };
        writeln!(page, "| `{}` | {passes} | {} |", entry.name, cell(entry.reason)).unwrap();
    }
}

fn others(page: &mut String) {
    page.push_str(
        "\n## Coming from librdkafka, Confluent.Kafka, confluent-kafka-python, rust-rdkafka\n\nTheir names are not aliases: \
         several differ in unit, clock or scope. Given one, the producer does not start and answers with this line. \
         `LingerMs`, `linger_ms` and `LINGER_MS_CONFIG` are recognised as well.\n\n| their setting | ours | what is different \
         |\n|---|---|---|\n",
    );
    for foreign in LIBRDKAFKA {
        let ours = foreign.ours.map_or_else(|| "none".to_owned(), |ours| format!("`{ours}`"));
        writeln!(page, "| `{}` | {ours} | {} |", foreign.name, cell(foreign.difference)).unwrap();
    }
}

fn default(setting: &Setting) -> String {
    match setting.default {
        "" if setting.name == "bootstrap.servers" => "none, required".to_owned(),
        "" => "empty".to_owned(),
        default => format!("`{default}`"),
    }
}

/// GitHub's anchor of a heading that is a name in code.
fn anchor(setting: &Setting) -> String {
    setting.name.replace('.', "")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

const INTRODUCTION: &str = "\
# Configuration

<!-- Written by tests/configuration_page.rs from src/config/. Change it there. -->

Names and defaults are those of the Java client 4.x. There are three ways in, and they can be mixed; the last value given
holds:

```rust
let config = ProducerConfig::builder(\"localhost:9092\")
    .linger(Duration::from_millis(20))         // a setter, typed
    .property(\"compression.type\", \"lz4\")       // a Java name
    .build()?;
let config = ProducerConfig::from_properties([(\"bootstrap.servers\", \"localhost:9092\"), (\"acks\", \"all\")])?;
let config = ProducerConfig::from_properties_file(&text, \"producer.properties\")?;
```

What is wrong is said at once, all of it: each message names the value, the setting, where it came from, what is allowed and,
for a misspelt name, the nearest valid one. What a check changed is in `ProducerConfig::warnings`; what is in use, with the origin
of each value, in `ProducerConfig::settings()`.
";

const RULES: &str = "
## Rules between settings

\"Explicit\" means that somebody gave the setting, by a setter or by name, even with its default value.

| condition | what happens |
|---|---|
| `acks` other than all, or `retries=0`, and `enable.idempotence` not explicit | idempotence goes off, with a warning |
| `acks` other than all, or `retries=0`, and `enable.idempotence=true` explicit | error |
| `max.in.flight.requests.per.connection` above 5 and `enable.idempotence` not explicitly false | error |
| `delivery.timeout.ms` explicit and less than `linger.ms` + `request.timeout.ms` | error |
| the same, `delivery.timeout.ms` not explicit | it is raised to the sum, with a warning |
| `reconnect.backoff.ms` explicit, `reconnect.backoff.max.ms` not | the pause is constant |
| a first backoff or connection timeout above its maximum | it is constantly the maximum, with a warning |
| `batch.size` above `buffer.memory` | accepted, with a warning |
| `batch.size` above `max.request.size` | accepted: a batch never grows past a request |
| `facteur.late.resolution.ms` not explicit | it is `delivery.timeout.ms`, at most an hour |
| a codec that was compiled out | error that names the feature |
";
