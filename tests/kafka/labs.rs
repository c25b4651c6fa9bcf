//! The course's labs on a real Kafka: the façade and the injector are ours, the broker is Apache's.
//!
//! **Why.** The embedded broker could be wrong in the same way as the experiment; what a real broker stores twice, and
//! what it recognises, is the truth that the labs teach. Neighbours: `tests/labs.rs` for the same on the embedded stack.
//! Not here: versions before 4.4.0.

use std::process::{Command, Output, Stdio};

use crate::cluster::{Cluster, Setup};

const LINE: &str = "OK: java_idempotent=1 java_plain=2 dotnet_idempotent=1 dotnet_plain=2";

/// Runs the binary against a cluster, without the variables of whoever runs the tests.
fn facteur(arguments: &[&str], cluster: &Cluster) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_facteur"));
    for (name, _) in std::env::vars() {
        if name.starts_with("KAFKA_") || name.starts_with("FACTEUR_") || name == "TOXIPROXY_URL" {
            command.env_remove(name);
        }
    }
    let bootstrap = cluster.bootstrap();
    command.args(arguments).args(["-b", &bootstrap, "--lang", "en"]).stdin(Stdio::null());
    command.output().expect("the binary runs")
}

/// Fails unless every one of the runs says the course's line.
fn validated(cluster: &Cluster, recipe: &str, repeat: usize) {
    let repeat_text = repeat.to_string();
    let run = facteur(&["validate", "--recipe", recipe, "--repeat", &repeat_text], cluster);
    let shown = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{shown}{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!(shown.matches(LINE).count(), repeat, "{shown}");
    println!("recipe {recipe}:\n{shown}");
}

// Ten times in a row on Kafka itself, by a lost answer and by swallowed ones. A flake means that the promise holds by luck.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn one_lost_answer_stores_plain_twice_and_idempotent_once_on_4_4_0() {
    let cluster = Cluster::start(Setup { version: "4.4.0", nodes: 1 });

    validated(&cluster, "drop", 10);
    validated(&cluster, "timeout", 2);
}

// With three brokers each has a listener of the injector (D-60), and the records have several leaders: no producer may
// leave the fault path for any of them.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn the_key_experiment_holds_with_three_brokers_on_4_4_0() {
    let cluster = Cluster::start(Setup { version: "4.4.0", nodes: 3 });

    validated(&cluster, "drop", 5);
}

// The course's seven rows; compaction with Kafka's own cleaner and timing (D-66).
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn all_seven_labs_are_reached_on_4_4_0() {
    let cluster = Cluster::start(Setup { version: "4.4.0", nodes: 1 });

    let run = facteur(&["lab", "all", "--check"], &cluster);
    let extras = facteur(&["lab", "extras", "--check"], &cluster);

    let shown = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{shown}{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!(shown.matches("| pass ").count(), 7, "{shown}");
    let more = String::from_utf8_lossy(&extras.stdout).into_owned();
    assert!(extras.status.success(), "{more}{}", String::from_utf8_lossy(&extras.stderr));
    println!("{shown}\n{more}");
}
