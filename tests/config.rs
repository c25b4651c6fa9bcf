//! The settings: Kafka 4's defaults and rules between settings (scenarios C1-C3), names, origins, ranges, files.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use facteur::config::catalogue;
use facteur::config::names_of_others::{CONSUMER, LIBRDKAFKA, answer};
use facteur::config::not_honoured::{ACCEPTED, REFUSED, accepted, refused};
use facteur::config::setting::Kind;
use facteur::config::{HostPort, MetadataRecovery, Origin};
use facteur::error::Error;
use facteur::{Acks, Compression, PartitionerChoice, ProducerConfig};

/// Builds from properties, with a bootstrap server unless one is given.
fn build(properties: &[(&str, &str)]) -> Result<ProducerConfig, Error> {
    ProducerConfig::builder("localhost:9092").properties(properties.iter().copied()).build()
}

fn taken(properties: &[(&str, &str)]) -> ProducerConfig {
    build(properties).unwrap_or_else(|error| panic!("{properties:?}: {error}"))
}

fn problem(properties: &[(&str, &str)]) -> String {
    match build(properties) {
        Ok(_) => panic!("{properties:?} was taken"),
        Err(error) => error.to_string(),
    }
}

/// Each of the words is in the text.
#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

#[test]
fn the_defaults_are_kafka_fours() {
    // A default that drifts changes what every user without a configuration gets.
    let config = taken(&[]);

    let milliseconds = Duration::from_millis;
    assert_eq!((config.acks, config.enable_idempotence, config.max_in_flight), (Acks::All, true, 5));
    assert_eq!(config.retries, 2_147_483_647);
    assert_eq!((config.retry_backoff, config.retry_backoff_max), (milliseconds(100), milliseconds(1000)));
    assert_eq!(
        (config.delivery_timeout, config.request_timeout),
        (milliseconds(120_000), milliseconds(30_000))
    );
    assert_eq!((config.linger, config.max_block), (milliseconds(5), milliseconds(60_000)));
    assert_eq!((config.batch_size, config.buffer_memory), (16_384, 33_554_432));
    assert_eq!((config.max_request_size, config.compression), (1_048_576, Compression::None));
    assert!(matches!(config.partitioner, PartitionerChoice::Default));
    assert!(!config.partitioner_ignore_keys && config.partitioner_adaptive);
    assert_eq!(config.partitioner_availability_timeout, None);
    assert_eq!(
        (config.reconnect_backoff, config.reconnect_backoff_max),
        (milliseconds(50), milliseconds(1000))
    );
    assert_eq!(config.connection_setup_timeout, milliseconds(10_000));
    assert_eq!(config.connection_setup_timeout_max, milliseconds(30_000));
    assert_eq!(config.connections_max_idle, Some(milliseconds(540_000)));
    assert_eq!((config.send_buffer_bytes, config.receive_buffer_bytes), (Some(131_072), Some(32_768)));
    assert_eq!(
        (config.metadata_max_age, config.metadata_max_idle),
        (milliseconds(300_000), milliseconds(300_000))
    );
    assert_eq!(config.metadata_recovery, MetadataRecovery::Rebootstrap);
    assert_eq!(config.rebootstrap_trigger, milliseconds(300_000));
    assert_eq!(config.late_resolution, milliseconds(120_000));
    assert!(config.batch_growth && config.allow_auto_create_topics);
    assert_eq!((config.receive_max_bytes, config.address_map.len()), (64 << 20, 0));
    assert_eq!(config.warnings.len(), 0, "{:?}", config.warnings);
}

#[test]
fn c1_idempotence_goes_off_without_a_word_about_it_but_not_in_silence() {
    // acks=1 in an old file: Java switches idempotence off in an info line. We do too, with a warning that names both.
    for (name, value) in [("acks", "1"), ("acks", "0"), ("retries", "0")] {
        let config = taken(&[(name, value)]);

        assert!(!config.enable_idempotence, "{name}={value}");
        let [warning] = &config.warnings[..] else { panic!("{:?}", config.warnings) };
        says(warning, &[&format!("{name}={value}"), "enable.idempotence", "given as a property"]);
        assert!(matches!(config.origin("enable.idempotence"), Some(Origin::Adjusted(_))));
    }
}

#[test]
fn c1_an_explicit_contradiction_with_idempotence_is_an_error() {
    // Said aloud, idempotence may not be dropped; the default value counts when it is said.
    for (name, value) in
        [("acks", "1"), ("acks", "0"), ("retries", "0"), ("max.in.flight.requests.per.connection", "6")]
    {
        let text = problem(&[(name, value), ("enable.idempotence", "true")]);
        says(&text, &[&format!("{name}={value}"), "enable.idempotence=true", "enable.idempotence=false"]);
    }
    // The setter is as explicit as the name.
    let built = ProducerConfig::builder("h:1").acks(Acks::Leader).enable_idempotence(true).build();
    says(&built.unwrap_err().to_string(), &["acks=1 (set with the builder)"]);
}

#[test]
fn c1_more_than_five_in_flight_needs_idempotence_to_be_off_explicitly() {
    // The rule of 4.0: alone it is an error, and so it is where acks=1 would switch idempotence off.
    let text = problem(&[("max.in.flight.requests.per.connection", "6")]);
    says(
        &text,
        &["max.in.flight.requests.per.connection=6", "enable.idempotence=true (default)", "at most 5"],
    );
    problem(&[("max.in.flight.requests.per.connection", "6"), ("acks", "1")]);

    let config = taken(&[("max.in.flight.requests.per.connection", "6"), ("enable.idempotence", "false")]);
    assert_eq!((config.max_in_flight, config.enable_idempotence), (6, false));
    taken(&[("max.in.flight.requests.per.connection", "5")]);
}

#[test]
fn c1_explicitly_off_goes_with_everything() {
    // Nothing is left to warn about: the user has said it.
    let config = taken(&[
        ("enable.idempotence", "false"),
        ("acks", "1"),
        ("retries", "0"),
        ("max.in.flight.requests.per.connection", "100"),
    ]);
    assert_eq!((config.enable_idempotence, config.acks, config.retries), (false, Acks::Leader, 0));
    assert_eq!(config.warnings.len(), 0, "{:?}", config.warnings);
}

#[test]
fn c1_backoffs_above_their_maximum_are_constant_and_said() {
    // A pause that is longer than the longest pause is a slip; it is obeyed as Java does, with a word.
    let config = taken(&[("retry.backoff.ms", "2000")]);
    says(&config.warnings[0], &["retry.backoff.ms=2000", "retry.backoff.max.ms=1000", "constantly"]);

    let config = taken(&[("socket.connection.setup.timeout.ms", "40000")]);
    says(&config.warnings[0], &["socket.connection.setup.timeout.ms=40000"]);

    // reconnect.backoff.ms alone takes the maximum with it, up or down; with both given, both stay.
    for value in ["2000", "10"] {
        let config = taken(&[("reconnect.backoff.ms", value)]);
        assert_eq!(config.reconnect_backoff_max, config.reconnect_backoff);
        assert_eq!(config.warnings.len(), 0);
    }
    let config = taken(&[("reconnect.backoff.ms", "2000"), ("reconnect.backoff.max.ms", "1000")]);
    assert_eq!(config.reconnect_backoff_max, Duration::from_millis(1000));
    assert_eq!(config.warnings.len(), 1);
}

#[test]
fn c1_sizes_that_do_not_fit_each_other_are_accepted() {
    // Java accepts both; the first one gets a warning, since one partition can take the whole buffer.
    let config = taken(&[("batch.size", "2000"), ("buffer.memory", "1000")]);
    says(&config.warnings[0], &["batch.size=2000", "buffer.memory=1000"]);
    assert_eq!(taken(&[("batch.size", "2000000")]).warnings.len(), 0);
    assert_eq!(taken(&[("batch.size", "0")]).batch_size, 1);
    // linger.ms is a long in Java and clamped to an int.
    assert_eq!(taken(&[("linger.ms", "9223372036854775807")]).linger, Duration::from_millis(2_147_483_647));
}

#[test]
fn c2_delivery_timeout_must_hold_linger_and_a_request() {
    // Explicit and too small is an error; the default is raised, with a warning.
    let text = problem(&[("delivery.timeout.ms", "100"), ("linger.ms", "60"), ("request.timeout.ms", "50")]);
    says(&text, &["delivery.timeout.ms=100", "linger.ms=60", "request.timeout.ms=50", "at least 110"]);

    let config = taken(&[("delivery.timeout.ms", "110"), ("linger.ms", "60"), ("request.timeout.ms", "50")]);
    assert_eq!(config.delivery_timeout, Duration::from_millis(110));

    let config = taken(&[("linger.ms", "150000")]);
    assert_eq!(config.delivery_timeout, Duration::from_millis(180_000));
    says(&config.warnings[0], &["delivery.timeout.ms", "180000", "linger.ms=150000"]);

    // The sum saturates at Java's largest int instead of overflowing.
    let config = taken(&[("linger.ms", "2147483647"), ("request.timeout.ms", "2147483647")]);
    assert_eq!(config.delivery_timeout, Duration::from_millis(2_147_483_647));
}

#[test]
fn c3_a_transactional_id_is_refused_with_or_without_idempotence() {
    // Taking it without transactions would promise atomicity that is not there.
    for properties in [
        &[("transactional.id", "t")][..],
        &[("transactional.id", "t"), ("enable.idempotence", "false")],
        &[("transactional.id", "")],
    ] {
        says(&problem(properties), &["transactional.id", "refused", "transactions are not built"]);
    }
}

#[test]
fn late_resolution_follows_the_delivery_timeout_up_to_an_hour() {
    // D-5: a default of its own would outlive short timeouts; an explicit one stands.
    let late = |properties: &[(&str, &str)]| taken(properties).late_resolution.as_millis();
    assert_eq!(late(&[("delivery.timeout.ms", "40000")]), 40_000);
    assert_eq!(late(&[("delivery.timeout.ms", "7200000")]), 3_600_000);
    assert_eq!(late(&[("linger.ms", "150000")]), 180_000);
    assert_eq!(late(&[("facteur.late.resolution.ms", "0")]), 0);
}

#[test]
fn a_misspelt_name_is_answered_with_the_nearest_one() {
    // Java logs that the name is unknown and goes on with the default; nobody sees it.
    for (wrong, right) in [
        ("lingr.ms", "linger.ms"),
        ("linger", "linger.ms"),
        ("enable.idempotance", "enable.idempotence"),
        ("boostrap.servers", "bootstrap.servers"),
        ("transactionnal.id", "transactional.id"),
    ] {
        says(&problem(&[(wrong, "1")]), &[wrong, "did you mean", right]);
    }
    // Nothing near: the list.
    says(&problem(&[("zzzzzzzzzz", "1")]), &["zzzzzzzzzz", "linger.ms", "acks"]);
    // A misspelt value as well.
    says(&problem(&[("compression.type", "ztsd")]), &["ztsd", "one of none, gzip", "did you mean zstd?"]);
}

#[test]
fn an_error_names_the_value_its_origin_and_what_is_allowed() {
    // "Invalid value" alone makes a user read three files.
    says(
        &problem(&[("batch.size", "16k")]),
        &["batch.size=\"16k\"", "given as a property", "0 to 2147483647", "unit"],
    );

    let file =
        ProducerConfig::from_properties_file("# c\nbootstrap.servers=h:1\n\nacks = 2\n", "app.properties");
    says(&file.unwrap_err().to_string(), &["acks=\"2\"", "app.properties, line 4", "one of all, -1, 0, 1"]);

    let built = ProducerConfig::builder("h:1").max_in_flight(0).build();
    says(
        &built.unwrap_err().to_string(),
        &["max.in.flight.requests.per.connection=0", "set with the builder", "1 to 2147483647"],
    );

    let place = Origin::Elsewhere("the environment variable KAFKA_RETRIES".into());
    let built = ProducerConfig::builder("h:1").property_from("retries", "-1", place).build();
    says(&built.unwrap_err().to_string(), &["retries", "KAFKA_RETRIES"]);
}

#[test]
fn all_problems_are_told_at_once() {
    // Correcting one at a time makes one deployment per mistake.
    let text = problem(&[("acks", "2"), ("linger.ms", "x"), ("nonsense", "1"), ("sasl.mechanism", "PLAIN")]);
    says(&text, &["4 problems", "acks", "linger.ms", "nonsense", "sasl.mechanism"]);
}

#[test]
fn every_range_is_checked_at_its_edges() {
    // One generic walk, so that a new setting cannot be forgotten: its own edges pass, the next numbers do not.
    for setting in catalogue::settings() {
        let (Kind::Millis { min, max } | Kind::Bytes { min, max } | Kind::Number { min, max, .. }) =
            setting.kind
        else {
            continue;
        };
        for good in [min, max] {
            if let Err(error) = build(&[(setting.name, &good.to_string()), ("enable.idempotence", "false")]) {
                // An edge may contradict another setting; it is never out of its own range.
                assert!(!error.to_string().contains("expected"), "{error}");
            }
        }
        for bad in [i128::from(min) - 1, i128::from(max) + 1] {
            let text = problem(&[(setting.name, &bad.to_string())]);
            says(&text, &[setting.name, "expected", &setting.kind.allowed()]);
        }
    }
    for (level, is_good) in
        [("-2", false), ("-1", true), ("0", false), ("1", true), ("9", true), ("10", false)]
    {
        assert_eq!(build(&[("compression.gzip.level", level)]).is_ok(), is_good, "{level}");
    }
}

#[test]
fn a_name_and_its_setter_are_equals() {
    // Whatever comes last holds, through whichever door, and a Duration may be finer than a millisecond.
    let config = ProducerConfig::builder("h:1")
        .property("linger.ms", "7")
        .linger(Duration::from_micros(500))
        .batch_size(5)
        .property("batch.size", "6")
        .connections_max_idle(None)
        .send_buffer_bytes(None)
        .build()
        .unwrap();
    assert_eq!((config.linger, config.batch_size), (Duration::from_micros(500), 6));
    assert_eq!((config.connections_max_idle, config.send_buffer_bytes), (None, None));
    assert_eq!(config.origin("linger.ms"), Some(&Origin::Builder));
    assert_eq!(config.origin("batch.size"), Some(&Origin::Property));

    let named = taken(&[("connections.max.idle.ms", "-1"), ("receive.buffer.bytes", "-1")]);
    assert_eq!((named.connections_max_idle, named.receive_buffer_bytes), (None, None));
}

#[test]
fn codecs_and_levels() {
    // A level must reach the codec it belongs to; one that no codec here has is refused, never ignored.
    let codec = |properties: &[(&str, &str)]| taken(properties).compression;
    assert_eq!(codec(&[("compression.type", "gzip")]), Compression::Gzip(6));
    assert_eq!(codec(&[("compression.type", "GZIP"), ("compression.gzip.level", "1")]), Compression::Gzip(1));
    assert_eq!(codec(&[("compression.type", "zstd")]), Compression::Zstd(3));
    assert_eq!(
        codec(&[("compression.type", "zstd"), ("compression.zstd.level", "-7")]),
        Compression::Zstd(-7)
    );
    assert_eq!(codec(&[("compression.type", "snappy")]), Compression::Snappy);
    assert_eq!(codec(&[("compression.type", "lz4"), ("compression.lz4.level", "9")]), Compression::Lz4);
    says(
        &problem(&[("compression.lz4.level", "12")]),
        &["compression.lz4.level=\"12\"", "no high-compression levels"],
    );

    let built = |compression| ProducerConfig::builder("h:1").compression(compression).build();
    assert_eq!(built(Compression::Zstd(19)).unwrap().compression, Compression::Zstd(19));
    assert_eq!(built(Compression::Gzip(9)).unwrap().compression, Compression::Gzip(9));
    assert!(built(Compression::Gzip(0)).is_err());
    assert!(built(Compression::Zstd(23)).is_err());
}

#[test]
fn partitioners_by_our_names_and_javas() {
    // A class that means something else must not be taken for the default.
    let chosen = |name: &str| taken(&[("partitioner.class", name)]).partitioner;
    for name in [
        "murmur2",
        "",
        "org.apache.kafka.clients.producer.internals.DefaultPartitioner",
        "DefaultPartitioner",
    ] {
        assert!(matches!(chosen(name), PartitionerChoice::Default), "{name}");
    }
    assert!(matches!(chosen("consistent_random"), PartitionerChoice::Crc32));
    assert!(matches!(chosen("crc32"), PartitionerChoice::Crc32));
    assert!(matches!(
        chosen("org.apache.kafka.clients.producer.RoundRobinPartitioner"),
        PartitionerChoice::RoundRobin
    ));
    says(&problem(&[("partitioner.class", "com.example.Mine")]), &["com.example.Mine", "Partitioner trait"]);

    // UniformStickyPartitioner looks at no key; saying the opposite is a contradiction.
    let sticky = "org.apache.kafka.clients.producer.UniformStickyPartitioner";
    let config = taken(&[("partitioner.class", sticky)]);
    assert!(config.partitioner_ignore_keys);
    assert_eq!(config.warnings.len(), 1);
    problem(&[("partitioner.class", sticky), ("partitioner.ignore.keys", "false")]);
}

#[test]
fn bootstrap_servers_and_the_address_map() {
    // The most frequent first error: the message must say what to write.
    let servers = |text: &str| ProducerConfig::builder(text).build();
    let shown = |text: &str| {
        servers(text).unwrap().bootstrap_servers.iter().map(HostPort::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(shown("a:1, b-c.d_e:65535,"), "a:1 b-c.d_e:65535");
    assert_eq!(shown("[::1]:9092,PLAINTEXT://localhost:9092"), "[::1]:9092 localhost:9092");
    for (text, expected) in [
        ("", "at least one host:port"),
        (" , ", "at least one host:port"),
        ("kafka", "write kafka:9092"),
        ("kafka:", "has no port"),
        ("kafka:0", "1 to 65535"),
        ("kafka:65536", "1 to 65535"),
        ("kafka:http", "1 to 65535"),
        (":9092", "no valid host"),
        ("ka fka:9092", "no valid host"),
        ("::1:9092", "[::1]:9092"),
        ("[::1", "no ']'"),
        ("[zz]:1", "no IPv6 address"),
        ("SSL://kafka:9093", "TLS and SASL"),
        ("http://kafka:9092", "does not speak HTTP"),
    ] {
        says(&servers(text).unwrap_err().to_string(), &["bootstrap.servers", expected]);
    }
    says(
        &ProducerConfig::from_properties([("acks", "all")]).unwrap_err().to_string(),
        &["bootstrap.servers is missing"],
    );

    let config = taken(&[("facteur.address.map", "kafka:29092=localhost:29093, [::1]:1=b:2")]);
    assert_eq!(config.address_map.len(), 2);
    assert_eq!(config.address_map[0].1, HostPort { host: "localhost".to_owned(), port: 29093 });
    says(&problem(&[("facteur.address.map", "kafka:29092")]), &["no '='"]);
}

#[test]
fn properties_files_are_read_as_java_reads_them() {
    // Separators, comments, continuation lines and escapes, as java.util.Properties has them.
    let text = "\u{feff}# comment \\\n! another\n\n  bootstrap.servers : a:1,\\\n    b:2\r\nclient.id=caf\\u00e9\\ \\ud83d\\ude00\n\
                linger.ms 7\racks\t=\tall\nretries\\\n=3\nbatch.size==\n";
    let error = ProducerConfig::from_properties_file(text, "p").unwrap_err().to_string();
    says(&error, &["batch.size=\"=\"", "p, line 11"]);

    let config = ProducerConfig::from_properties_file(text.trim_end_matches("batch.size==\n"), "p").unwrap();
    let servers: Vec<String> = config.bootstrap_servers.iter().map(HostPort::to_string).collect();
    assert_eq!(servers, ["a:1", "b:2"]);
    assert_eq!(config.client_id, "café 😀");
    assert_eq!((config.linger, config.acks, config.retries), (Duration::from_millis(7), Acks::All, 3));
    assert_eq!(config.origin("bootstrap.servers"), Some(&Origin::File { file: "p".into(), line: 4 }));

    for (text, expected) in
        [("a=\\u12", "line 1"), ("\nb=\\uzzzz", "line 2"), ("c=\\ud83d", "half of a character")]
    {
        let error = ProducerConfig::from_properties_file(text, "p").unwrap_err().to_string();
        says(&error, &["p, ", expected]);
    }
    // The same setting twice in a file is an oversight; a value that replaces one from another layer is not.
    let twice = "bootstrap.servers=a:1\nlinger.ms=1\nlinger.ms=2\n";
    let config = ProducerConfig::from_properties_file(twice, "p").unwrap();
    assert_eq!(config.linger, Duration::from_millis(2));
    says(&config.warnings[0], &["linger.ms", "lines 2 and 3"]);
}

/// The names of sections 1.1 and 1.2 of the Java client's documentation.
const JAVA_NAMES: &str = "bootstrap.servers client.dns.lookup key.serializer value.serializer client.id acks enable.idempotence \
    transactional.id transaction.timeout.ms transaction.two.phase.commit.enable max.in.flight.requests.per.connection retries \
    retry.backoff.ms retry.backoff.max.ms delivery.timeout.ms request.timeout.ms linger.ms batch.size buffer.memory \
    max.block.ms max.request.size compression.type compression.gzip.level compression.lz4.level compression.zstd.level \
    partitioner.class partitioner.ignore.keys partitioner.adaptive.partitioning.enable partitioner.availability.timeout.ms \
    partitioner.rack.aware client.rack interceptor.classes enable.metrics.push reconnect.backoff.ms reconnect.backoff.max.ms \
    socket.connection.setup.timeout.ms socket.connection.setup.timeout.max.ms connections.max.idle.ms send.buffer.bytes \
    receive.buffer.bytes metadata.max.age.ms metadata.max.idle.ms metadata.recovery.strategy \
    metadata.recovery.rebootstrap.trigger.ms security.protocol sasl.mechanism sasl.jaas.config ssl.truststore.location \
    metric.reporters metrics.sample.window.ms metrics.num.samples metrics.recording.level security.providers config.providers";

#[test]
fn every_java_name_is_in_exactly_one_of_the_three_lists() {
    // D-46: a Java file loads, and nothing that matters is ignored. A name in two lists would depend on the order of tests.
    for name in JAVA_NAMES.split_whitespace() {
        let honoured = catalogue::settings().filter(|setting| setting.name == name).count();
        let lists = honoured + usize::from(accepted(name).is_some()) + usize::from(refused(name).is_some());
        assert_eq!(lists, 1, "{name}");
    }
    // And whatever is honoured is Java's, or says that it is ours.
    for setting in catalogue::settings() {
        let is_java = JAVA_NAMES.split_whitespace().any(|name| name == setting.name);
        assert_ne!(is_java, setting.name.starts_with("facteur."), "{}", setting.name);
    }
}

#[test]
fn what_has_no_effect_is_accepted_and_said_once() {
    // A Java file with serialisers and metrics must load; each name gets one line.
    for entry in ACCEPTED {
        let name = entry.name.replace('*', "x");
        let config = taken(&[(&name, "anything")]);
        let [warning] = &config.warnings[..] else { panic!("{name}: {:?}", config.warnings) };
        says(warning, &[&name, "no effect", entry.reason]);
    }
}

#[test]
fn what_would_matter_is_refused_with_the_reason() {
    // Ignoring security.protocol=SSL would send records in clear.
    for entry in REFUSED {
        let name = entry.name.replace('*', "x");
        says(&problem(&[(&name, "anything")]), &[&name, "refused", entry.reason]);
        for value in entry.passes {
            taken(&[(&name, value)]);
        }
    }
    taken(&[("security.protocol", "plaintext")]);
}

// F25: a password in a setting that is refused. The message goes to logs, consoles and HTTP answers. Fails if the value is in
// it, or in what `Debug` shows of the builder.
#[test]
fn f25_the_value_of_a_secret_setting_is_in_no_message() {
    const CANARY: &str = "hunter2-canary";
    for name in [
        "sasl.jaas.config",
        "sasl.password",
        "sasl.oauthbearer.client.credentials.client.secret",
        "ssl.key.password",
        "ssl.keystore.password",
        "ssl.keystore.key",
        "ssl.truststore.password",
        "sasl_password",
        "config.providers.file.param.secret",
    ] {
        let value = format!("org.apache.kafka.PlainLoginModule required password=\"{CANARY}\";");
        let builder = ProducerConfig::builder("localhost:9092").property(name, &value);
        assert!(!format!("{builder:?}").contains(CANARY), "{name}");
        let error = builder.build().expect_err("refused");
        assert!(!format!("{error} {error:?}").contains(CANARY), "{error}");
        says(&error.to_string(), &[name]);

        let file = format!("{name}={value}");
        let error = ProducerConfig::builder("localhost:9092").properties_file(&file, "p.properties").build();
        assert!(!format!("{:?}", error.expect_err("refused")).contains(CANARY), "{name}");
    }
}

#[test]
fn other_clients_names_are_answered_with_ours() {
    // Accepted silently they would be wrong by a unit or a clock.
    for foreign in LIBRDKAFKA.iter().chain(CONSUMER) {
        let text = problem(&[(foreign.name, "1")]);
        says(&text, &[foreign.name, foreign.difference]);
        if let Some(ours) = foreign.ours {
            says(&text, &[ours]);
            assert!(catalogue::settings().any(|setting| setting.name == ours), "{ours}");
        }
        assert!(
            catalogue::settings().all(|setting| setting.name != foreign.name),
            "{} is ours",
            foreign.name
        );
    }
    for (name, ours) in [
        ("EnableIdempotence", "enable.idempotence"),
        ("LingerMs", "linger.ms"),
        ("MessageTimeoutMs", "delivery.timeout.ms"),
        ("QueueBufferingMaxKbytes", "buffer.memory"),
        ("LINGER_MS_CONFIG", "linger.ms"),
        ("linger_ms", "linger.ms"),
        ("TransactionalId", "transactional.id"),
    ] {
        says(&problem(&[(name, "1")]), &[name, ours]);
    }
    assert_eq!(answer("nothing.like.it"), None);
    assert_eq!(answer("..."), None);
}

#[test]
fn the_listing_shows_values_origins_and_what_was_adjusted() {
    // `facteur config --explain` and the lab's drawer read it; a setting without a value would show an empty cell.
    let config = taken(&[("acks", "1"), ("compression.type", "gzip"), ("linger.ms", "20")]);
    let lines = config.settings();

    assert_eq!(lines.len(), catalogue::settings().count());
    let line = |name: &str| lines.iter().find(|line| line.name == name).unwrap();
    assert_eq!((line("linger.ms").value.as_str(), line("linger.ms").default), ("20", "5"));
    assert_eq!(line("linger.ms").unit, "ms");
    assert_eq!(line("linger.ms").origin, Origin::Property);
    assert_eq!(line("enable.idempotence").value, "false");
    assert_eq!(line("enable.idempotence").origin.to_string(), "adjusted: switched off by acks");
    assert_eq!(line("compression.gzip.level").value, "6");
    assert_eq!(line("retries").origin, Origin::Default);
    assert!(lines.iter().all(|line| !line.explanation.is_empty()));

    // Where nobody said anything, the value is the default, letter for letter.
    for line in taken(&[]).settings() {
        if line.name != "bootstrap.servers" {
            assert_eq!(line.value, line.default, "{}", line.name);
        }
    }
}
