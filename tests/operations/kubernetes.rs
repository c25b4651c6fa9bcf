//! `scripts/k8s/00` to `06`, the course's seven.

use crate::stubs::Stubs;

const IMAGES: &str = "docker.io/library/m02-java-api:latest\\ndocker.io/library/m02-dotnet-api:latest\\ndocker.io/library/facteur-toxiproxy:latest";

/// A cluster in which everything is as it should be.
fn cluster() -> Stubs {
    Stubs::of(&["docker", "kubectl", "k3s", "curl"])
        .answer("k3s ctr images list *", 0, IMAGES)
        .answer("kubectl * get pods *status.phase*", 0, "Running")
        .answer("kubectl * get pods *.ready*", 0, "true")
        .answer("kubectl * get service m02-java-api *", 0, "31080")
        .answer("kubectl * get service m02-dotnet-api *", 0, "31081")
        .answer("kubectl * get service toxiproxy *", 0, "31474 32093")
        .answer("kubectl get nodes *", 0, "192.0.2.7")
        .answer(
            "curl *api/v1/send*",
            0,
            r#"{"status":"OK","topic":"bhf-transactions","partition":1,"offset":0}"#,
        )
}

// Row 52: the whole way, in the course's order: build, save and import, deploy, look, call.
#[test]
fn the_full_deployment_runs_the_five_steps_in_order() {
    let ended = cluster().run("k8s/00-full-deploy.sh", &["--yes"]);

    assert_eq!(ended.code, 0, "{}", ended.said());
    let expected = [
        "docker build --file docker/Dockerfile --target m02-java-api --tag m02-java-api:latest .",
        "docker build --file docker/Dockerfile --target m02-dotnet-api --tag m02-dotnet-api:latest .",
        "docker build --file docker/Dockerfile --target toxiproxy --tag facteur-toxiproxy:latest .",
        "docker save --output",
        "sudo k3s ctr images import",
        "k3s ctr images list --quiet",
        "kubectl apply --filename docker/k8s/toxiproxy.yaml",
        "kubectl --namespace kafka wait --for=condition=available --timeout=120s deployment/toxiproxy",
        "kubectl apply --filename docker/k8s/toxiproxy-init.yaml",
        "kubectl --namespace kafka wait --for=condition=complete --timeout=120s job/toxiproxy-init",
        "kubectl apply --filename docker/k8s/kafka-topics.yaml",
        "kubectl apply --filename docker/k8s/m02-java-api.yaml",
        "kubectl --namespace kafka wait --for=condition=available --timeout=120s deployment/m02-java-api",
        "kubectl apply --filename docker/k8s/m02-dotnet-api.yaml",
        "kubectl --namespace kafka wait --for=condition=available --timeout=120s deployment/m02-dotnet-api",
        "kubectl --namespace kafka get service toxiproxy",
        "curl --fail --silent --show-error --max-time 10 http://192.0.2.7:31080/health",
        "curl --fail --silent --show-error --max-time 10 http://192.0.2.7:31081/health",
        "curl --fail --silent --show-error --max-time 10 http://192.0.2.7:31474/version",
        "curl --fail --silent --show-error --max-time 60 --request POST http://192.0.2.7:31080/api/v1/send?mode=idempotent&sendMode=sync",
    ];
    let mut calls = ended.calls.iter();
    for wanted in expected {
        assert!(
            calls.any(|call| call.starts_with(wanted)),
            "{wanted} is missing, or too early:\n{}",
            ended.calls.join("\n")
        );
    }
}

// Nobody at the keyboard: without --yes nothing may happen.
#[test]
fn the_full_deployment_asks_first() {
    let ended = cluster().run("k8s/00-full-deploy.sh", &[]);

    assert_eq!(ended.code, 2, "{}", ended.said());
    assert!(ended.stderr.contains("--yes") && ended.calls.is_empty(), "{}", ended.said());
}

// A step that fails ends the whole with the step's own code; the steps after it do not run.
#[test]
fn the_full_deployment_stops_at_the_first_failure_with_its_code() {
    let no_build = Stubs::of(&["docker", "kubectl", "k3s", "curl"]).answer("docker build *dotnet*", 1, "");
    let ended = no_build.run("k8s/00-full-deploy.sh", &["--yes"]);
    assert_eq!(ended.code, 1, "{}", ended.said());
    assert!(ended.stderr.contains("step 01-build-images failed"), "{}", ended.stderr);
    assert!(
        ended.calls_of("docker save").is_empty() && ended.calls_of("kubectl").is_empty(),
        "{}",
        ended.said()
    );

    let two_sick = Stubs::of(&["docker", "kubectl", "k3s", "curl"])
        .answer("curl *31080/health", 22, "")
        .answer("curl *31081/api*", 22, "")
        .answer("curl *api/v1/send*", 0, r#"{"offset":7}"#)
        .answer("k3s ctr images list *", 0, IMAGES)
        .answer("kubectl * get pods *status.phase*", 0, "Running")
        .answer("kubectl * get pods *.ready*", 0, "true")
        .answer("kubectl * get service m02-java-api *", 0, "31080")
        .answer("kubectl * get service m02-dotnet-api *", 0, "31081")
        .answer("kubectl * get service toxiproxy *", 0, "31474 32093")
        .answer("kubectl get nodes *", 0, "192.0.2.7");
    let ended = two_sick.run("k8s/00-full-deploy.sh", &["--yes"]);
    assert_eq!(ended.code, 2, "{}", ended.said());
    assert!(ended.stderr.contains("step 05-test-apis failed with exit code 2"), "{}", ended.stderr);
}

// The archives are as large as the images: they are gone afterwards, also if an import fails.
#[test]
fn the_import_leaves_no_archive_behind() {
    let good = cluster();
    assert_eq!(good.run("k8s/02-import-images.sh", &[]).code, 0);
    assert_eq!(good.left_over(), Vec::<String>::new());

    let refused = Stubs::of(&["docker", "k3s"]).answer("k3s ctr images import *dotnet*", 1, "no space");
    let ended = refused.run("k8s/02-import-images.sh", &[]);
    assert_eq!(ended.code, 1, "{}", ended.said());
    assert!(ended.stderr.contains("m02-dotnet-api:latest"), "{}", ended.stderr);
    assert_eq!(refused.left_over(), Vec::<String>::new());

    let silent = Stubs::of(&["docker", "k3s"]).answer(
        "k3s ctr images list *",
        0,
        "docker.io/library/m02-java-api:latest",
    );
    let ended = silent.run("k8s/02-import-images.sh", &[]);
    assert_eq!(ended.code, 1, "an image that is not there after the import must be seen: {}", ended.said());
}

// Row 55: an image that is not on the node is the usual reason, and the way out is said; so is a missing Strimzi.
#[test]
fn the_deployment_says_why_something_is_not_available() {
    let no_image = Stubs::of(&["kubectl"]).answer("kubectl * wait *deployment/m02-java-api", 1, "").answer(
        "kubectl * get pods *waiting.reason*",
        0,
        "ErrImageNeverPull",
    );
    let ended = no_image.run("k8s/03-deploy.sh", &[]);
    assert_eq!(ended.code, 1, "{}", ended.said());
    assert!(
        ended.stderr.contains("02-import-images.sh") && ended.stderr.contains("m02-java-api"),
        "{}",
        ended.stderr
    );
    assert!(ended.calls_of("kubectl apply --filename docker/k8s/m02-dotnet").is_empty(), "{}", ended.said());

    let crashing = Stubs::of(&["kubectl"])
        .answer("kubectl * wait *deployment/toxiproxy", 1, "")
        .answer("kubectl * get pods *waiting.reason*", 0, "CrashLoopBackOff")
        .answer("kubectl * logs *", 0, "port 29093 is taken");
    let ended = crashing.run("k8s/03-deploy.sh", &[]);
    assert!(ended.code == 1 && ended.stderr.contains("port 29093 is taken"), "{}", ended.said());

    let no_strimzi = Stubs::of(&["kubectl"]).answer("kubectl apply *kafka-topics.yaml", 1, "");
    let ended = no_strimzi.run("k8s/03-deploy.sh", &[]);
    assert!(ended.code == 1 && ended.stderr.contains("Strimzi"), "{}", ended.said());
}

// The namespace is made once, and never when it is there: Kafka lives in it.
#[test]
fn the_namespace_is_created_only_if_it_is_missing() {
    let there = cluster().run("k8s/03-deploy.sh", &[]);
    let missing =
        Stubs::of(&["kubectl"]).answer("kubectl get namespace *", 1, "").run("k8s/03-deploy.sh", &[]);

    assert_eq!((there.code, missing.code), (0, 0), "{}", missing.said());
    assert!(there.calls_of("kubectl create namespace").is_empty());
    assert_eq!(missing.calls_of("kubectl create namespace"), ["kubectl create namespace kafka"]);
}

// The exit code is the number of errors: one pod missing, one not ready, one wrong port are three.
#[test]
fn validation_counts_its_errors() {
    assert_eq!(cluster().run("k8s/04-validate.sh", &[]).code, 0);

    let three = Stubs::of(&["kubectl"])
        .answer("kubectl * get pods *app=toxiproxy *", 0, "")
        .answer("kubectl * get pods *app=m02-java-api *status.phase*", 0, "Running")
        .answer("kubectl * get pods *app=m02-java-api *.ready*", 0, "false")
        .answer("kubectl * get pods *status.phase*", 0, "Running")
        .answer("kubectl * get pods *.ready*", 0, "true")
        .answer("kubectl * get service m02-java-api *", 0, "31082")
        .answer("kubectl * get service m02-dotnet-api *", 0, "31081")
        .answer("kubectl * get service toxiproxy *", 0, "31474 32093");
    let ended = three.run("k8s/04-validate.sh", &[]);

    assert_eq!(ended.code, 3, "{}", ended.said());
    assert_eq!(ended.stdout.lines().filter(|line| line.starts_with("ERROR ")).count(), 3, "{}", ended.stdout);
}

// An answer without an offset is no success, whatever its status said: the course's test took "status" for enough.
#[test]
fn an_answer_without_an_offset_is_an_error() {
    let ended = Stubs::of(&["kubectl", "curl"])
        .answer("curl *api/v1/send*", 0, r#"{"status":"ACCEPTED"}"#)
        .run_with("k8s/05-test-apis.sh", &[], &[("NODE_IP", "192.0.2.9")]);

    assert_eq!(ended.code, 2, "{}", ended.said());
    assert!(ended.calls_of("kubectl").is_empty(), "NODE_IP needs no cluster: {}", ended.said());
    assert!(ended.calls_of("curl").iter().all(|call| call.contains("192.0.2.9")), "{}", ended.said());
}

// Cleanup takes the module away and leaves the class's topic alone unless asked.
#[test]
fn cleanup_removes_the_module_and_the_topic_only_if_asked() {
    let plain = cluster().run("k8s/06-cleanup.sh", &[]);
    let topic = cluster().run("k8s/06-cleanup.sh", &["--topic"]);
    let stuck = Stubs::of(&["kubectl"])
        .answer("kubectl delete *toxiproxy.yaml*", 1, "")
        .run("k8s/06-cleanup.sh", &[]);

    assert_eq!((plain.code, topic.code, stuck.code), (0, 0, 1), "{}", stuck.said());
    assert_eq!(plain.calls_of("kubectl delete").len(), 4, "{}", plain.said());
    assert!(!plain.said().contains("kafka-topics") && topic.said().contains("kafka-topics"));
    assert_eq!(stuck.calls_of("kubectl delete").len(), 4, "one that fails must not spare the others");
}

// Without the tools, without a cluster, with a wrong word: each script says so before it does anything.
#[test]
fn every_script_refuses_before_it_acts() {
    for (script, missing, refused) in [
        ("k8s/01-build-images.sh", 3, 2),
        ("k8s/02-import-images.sh", 3, 2),
        ("k8s/03-deploy.sh", 3, 2),
        ("k8s/04-validate.sh", 100, 100),
        ("k8s/05-test-apis.sh", 100, 100),
        ("k8s/06-cleanup.sh", 3, 2),
    ] {
        let bare = Stubs::of(&[]).run(script, &[]);
        let wrong = cluster().run(script, &["--everything"]);
        let help = cluster().run(script, &["--help"]);
        assert_eq!((bare.code, wrong.code, help.code), (missing, refused, 0), "{script}: {}", wrong.said());
        assert!(
            wrong.stderr.contains("--everything") && wrong.calls.is_empty(),
            "{script}: {}",
            wrong.said()
        );
        assert!(help.stdout.contains("Exit code") && help.calls.is_empty(), "{script}: {}", help.said());
    }
    let away = Stubs::of(&["kubectl"]).answer("kubectl version*", 1, "").run("k8s/03-deploy.sh", &[]);
    assert!(away.code == 3 && away.stderr.contains("KUBECONFIG"), "{}", away.said());
}
