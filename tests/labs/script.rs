//! `scripts/validate.sh`: the same line as the command, also for a cluster.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use facteur::lab::environment::ProducerEnvironment;
use facteur::lab::runner::own_lab::OwnLab;
use facteur::lab::runner::target::LabTarget;

use crate::commands::text;

const LINE: &str = "OK: java_idempotent=1 java_plain=2 dotnet_idempotent=1 dotnet_plain=2";

/// A folder with a `kubectl` that answers as a cluster whose Kafka is ready, and notes what it was asked.
fn stub_kubectl(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let stub = folder.join("kubectl");
    fs::write(
        &stub,
        "#!/bin/sh\necho \"$*\" >>\"$(dirname \"$0\")/asked\"\ncase \"$*\" in *'get nodes'*) printf 127.0.0.1 ;; esac\n",
    )
    .unwrap();
    fs::set_permissions(&stub, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn script(arguments: &[&str], target: &LabTarget, folder: Option<&PathBuf>) -> Output {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/validate.sh"));
    if let Some(folder) = folder {
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", folder.display()));
    }
    command
        .args(arguments)
        .env("FACTEUR", env!("CARGO_BIN_EXE_facteur"))
        .env("FACTEUR_JAVA_URL", &target.java)
        .env("FACTEUR_DOTNET_URL", &target.librdkafka)
        .env("TOXIPROXY_URL", &target.toxiproxy)
        .output()
        .unwrap()
}

// The course's script prints one line that others compare; --json and --repeat are passed on.
#[tokio::test(flavor = "multi_thread")]
async fn the_script_prints_the_courses_line_and_passes_flags_on() {
    let own = OwnLab::start(None, ProducerEnvironment::default()).await.unwrap();
    let target = own.target();

    let run = tokio::task::spawn_blocking(move || {
        (script(&[], &target, None), script(&["--repeat", "2", "--json"], &target, None))
    });
    let (plain, json) = run.await.unwrap();

    own.stop().await;
    assert_eq!(plain.status.code(), Some(0), "{}", text(&plain.stderr));
    assert_eq!(text(&plain.stdout).lines().last(), Some(LINE));
    let lines: Vec<serde_json::Value> =
        text(&json.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3, "two runs and their sum");
    assert_eq!(lines[2]["histogram"]["runs"]["java_plain"]["2"], 2);
}

// Rows 69 and 76: on a cluster with our injector the faults are real; without one it is one idempotent send; without
// the APIs the cluster alone is looked at, with the topic made. Kafka is awaited first.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_cluster_the_script_does_what_the_cluster_can() {
    let folder = stub_kubectl("validate");
    let own = OwnLab::start(None, ProducerEnvironment::default()).await.unwrap();
    let target = own.target();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("http://{free}");

    let run = tokio::task::spawn_blocking(move || {
        let kafka = target.kafka.clone();
        let without_injector = LabTarget { toxiproxy: nobody.clone(), ..target.clone() };
        let without_apis = LabTarget { java: nobody.clone(), librdkafka: nobody, ..target.clone() };
        let arguments = |flag: &'static str| [flag, "-b", kafka.as_str()].map(str::to_owned);
        let ran = [("--k8s", target), ("--kubernetes", without_injector), ("--okd", without_apis)].map(
            |(flag, at)| {
                let arguments = arguments(flag);
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                script(&arguments, &at, Some(&folder))
            },
        );
        let asked = fs::read_to_string(folder.join("asked")).unwrap();
        drop(fs::remove_dir_all(&folder));
        (ran, asked)
    });
    let ([with_faults, without_faults, without_apis], asked) = run.await.unwrap();

    own.stop().await;
    let last = |output: &Output| text(&output.stdout).lines().last().unwrap_or_default().to_owned();
    assert_eq!(last(&with_faults), LINE, "{}", text(&with_faults.stderr));
    assert_eq!(last(&without_faults), "OK: java_idempotent=1 (K8s mode - no latency injection)");
    assert!(
        last(&without_apis).starts_with("OK: topic bhf-transactions is ready"),
        "{}",
        last(&without_apis)
    );
    for output in [&with_faults, &without_faults, &without_apis] {
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
    assert!(asked.contains("wait kafka/bhf-kafka --for=condition=Ready"), "{asked}");
}
