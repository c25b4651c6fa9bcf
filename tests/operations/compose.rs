//! `scripts/up.sh` and `scripts/down.sh`.

use crate::stubs::Stubs;

/// A Docker in which nothing exists yet and everything that is asked for becomes healthy.
fn docker() -> Stubs {
    Stubs::of(&["docker"]).answer("docker inspect *", 0, "healthy")
}

// The plain start: looks for containers in the way first, starts once, then waits for each container by name.
#[test]
fn up_starts_one_broker_and_waits_for_each_container() {
    let ended = docker().run("up.sh", &[]);

    assert_eq!(ended.code, 0, "{}", ended.said());
    assert_eq!(
        ended.calls_of("docker compose -f"),
        ["docker compose -f docker/compose.yml --profile ui up --detach --build"]
    );
    let inspected: Vec<&str> =
        ended.calls_of("docker inspect").iter().map(|call| call.rsplit(' ').next().unwrap()).collect();
    assert_eq!(inspected, ["kafka", "toxiproxy", "m02-java-api", "m02-dotnet-api"]);
    let first_start = ended.calls.iter().position(|call| call.contains(" up ")).unwrap();
    let last_look = ended.calls.iter().rposition(|call| call.starts_with("docker ps")).unwrap();
    assert!(last_look < first_start, "{}", ended.said());
    assert!(ended.stdout.contains("http://localhost:18080") && ended.stdout.contains("scripts/validate.sh"));
}

// `up.sh cluster`, the course's second form: both files, three brokers awaited; without the UI if so wished.
#[test]
fn up_cluster_takes_both_files_and_waits_for_three_brokers() {
    let ended = docker().run("up.sh", &["cluster", "--no-ui"]);

    assert_eq!(ended.code, 0, "{}", ended.said());
    assert_eq!(
        ended.calls_of("docker compose -f"),
        ["docker compose -f docker/compose.yml -f docker/compose.cluster.yml up --detach --build"]
    );
    assert!(ended.calls.iter().any(|call| call.ends_with(" kafka-3")), "{}", ended.said());
}

// Someone's container `kafka` must not be replaced: nothing is started, and the message says what to do.
#[test]
fn up_refuses_to_start_over_existing_containers() {
    let ended = docker().answer("docker ps *name=^/kafka$", 0, "0123456789ab").run("up.sh", &[]);

    assert_eq!(ended.code, 1, "{}", ended.said());
    assert!(
        ended.stderr.contains("already: kafka.") && ended.stderr.contains("scripts/down.sh"),
        "{}",
        ended.stderr
    );
    assert!(ended.calls_of("docker compose -f").is_empty(), "{}", ended.said());
}

// A container that ends, or never gets well, is named, with its last lines; the script does not hang.
#[test]
fn up_names_the_container_that_is_not_well() {
    let ended = Stubs::of(&["docker"])
        .answer("docker inspect * m02-java-api", 0, "exited")
        .answer("docker inspect *", 0, "healthy")
        .answer("docker logs *", 0, "environment variable KAFKA_RETRIES is wrong")
        .run("up.sh", &[]);
    assert_eq!(ended.code, 1, "{}", ended.said());
    assert!(
        ended.stderr.contains("m02-java-api is exited") && ended.stderr.contains("KAFKA_RETRIES"),
        "{}",
        ended.stderr
    );

    let waits = Stubs::of(&["docker"]).answer("docker inspect *", 0, "starting");
    let ended = waits.run_with("up.sh", &[], &[("FACTEUR_UP_PATIENCE", "0")]);
    assert_eq!(ended.code, 1, "{}", ended.said());
    assert!(ended.stderr.contains("kafka is still starting"), "{}", ended.stderr);
}

// Each way in which Docker can be missing has its code and its way out; a wrong word is a usage error.
#[test]
fn up_and_down_tell_what_is_missing() {
    let cases = [
        (docker().run("up.sh", &["two-nodes"]), 2, "two-nodes"),
        (Stubs::of(&[]).run("up.sh", &[]), 3, "facteur serve"),
        (Stubs::of(&["docker"]).answer("docker info*", 1, "").run("up.sh", &[]), 3, "does not answer"),
        (
            Stubs::of(&["docker"]).answer("docker compose version*", 1, "").run("up.sh", &[]),
            3,
            "compose plugin",
        ),
        (docker().answer("docker compose * up *", 1, "").run("up.sh", &[]), 1, "scripts/down.sh"),
        (docker().run("down.sh", &["all"]), 2, "takes none"),
        (Stubs::of(&[]).run("down.sh", &[]), 3, "not installed"),
        (docker().answer("docker compose * down *", 1, "").run("down.sh", &[]), 1, "docker compose failed"),
    ];
    for (ended, code, word) in cases {
        assert_eq!(ended.code, code, "{word}: {}", ended.said());
        assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
    }
}

// However it was started, down removes all of it, data included.
#[test]
fn down_removes_whatever_up_has_started() {
    let ended = docker().run("down.sh", &[]);

    assert_eq!(ended.code, 0, "{}", ended.said());
    assert_eq!(
        ended.calls_of("docker compose"),
        [
            "docker compose -f docker/compose.yml -f docker/compose.cluster.yml --profile ui down --volumes --remove-orphans"
        ]
    );
}
