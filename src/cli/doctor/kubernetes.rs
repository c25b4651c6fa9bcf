//! The pods of the course's namespace, and the three things that go wrong there (row 55).
//!
//! **Why.** `ImagePullBackOff` under K3s means that the image is in Docker and not in containerd; a student sees only the
//! word. Neighbours: `scripts/k8s/` deploys them. Not here: anything that changes the cluster.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::cli::doctor::report::Report;

/// Asks `kubectl` for the pods.
pub(super) async fn look(report: &mut Report) {
    let asked = tokio::task::spawn_blocking(|| {
        let arguments = ["get", "pods", "-n", NAMESPACE, "-o", "json", "--request-timeout=5s"];
        Command::new("kubectl").args(arguments).stdin(Stdio::null()).output()
    });
    match asked.await {
        Ok(Ok(output)) if output.status.success() => match serde_json::from_slice(&output.stdout) {
            Ok(pods) => pods_of(&pods, report),
            Err(error) => {
                report.wrong("pods", format!("kubectl's answer is not JSON: {error}"), "try kubectl by hand");
            }
        },
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            report.wrong("pods", format!("kubectl: {said}"), "is the cluster up, and KUBECONFIG right?");
        }
        Ok(Err(error)) => {
            report.note("pods", format!("kubectl cannot be run: {error}"), "install it to see the pods here");
        }
        Err(error) => report.note("pods", format!("kubectl was not waited for: {error}"), "try again"),
    }
}

fn pods_of(pods: &Value, report: &mut Report) {
    let items = pods.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    if items.is_empty() {
        report.wrong(
            "pods",
            format!("none in the namespace {NAMESPACE}"),
            "sudo ./scripts/k8s/00-full-deploy.sh",
        );
    }
    for pod in items.iter().take(MOST_PODS) {
        let name = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("?");
        let phase = pod.pointer("/status/phase").and_then(Value::as_str).unwrap_or("?");
        let statuses = ["/status/containerStatuses", "/status/initContainerStatuses"];
        let statuses = statuses.into_iter().filter_map(|path| pod.pointer(path)?.as_array()).flatten();
        let containers: Vec<&Value> = statuses.collect();
        let waiting =
            containers.iter().find_map(|container| container.pointer("/state/waiting/reason")?.as_str());
        let is_ready =
            containers.iter().all(|container| container.get("ready").and_then(Value::as_bool) == Some(true));
        let subject = format!("pod {name}");
        match (phase, waiting) {
            // A finished job, such as the course's toxiproxy-init, is as it should be.
            ("Succeeded", _) => report.ok(subject, "finished"),
            ("Running", None) if is_ready => report.ok(subject, "running and ready"),
            (_, Some(reason)) => report.wrong(subject, reason, advice(reason, name)),
            (phase, None) => report.wrong(subject, format!("{phase}, not ready"), advice(phase, name)),
        }
    }
}

fn advice(reason: &str, pod: &str) -> String {
    match reason {
        "ImagePullBackOff" | "ErrImagePull" | "ErrImageNeverPull" => {
            "the image is not in K3s's containerd: sudo ./scripts/k8s/02-import-images.sh (sudo k3s ctr images list shows them)".to_owned()
        }
        "CrashLoopBackOff" => format!(
            "kubectl logs -n {NAMESPACE} {pod} --previous tells why; then kubectl rollout restart of its deployment"
        ),
        "CreateContainerConfigError" => format!("kubectl describe pod -n {NAMESPACE} {pod} names the missing setting"),
        "Pending" => format!("no node has room: kubectl describe pod -n {NAMESPACE} {pod}"),
        _ => format!("kubectl describe pod -n {NAMESPACE} {pod}; an API that is silent waits for Kafka: GET /readyz says so"),
    }
}

const NAMESPACE: &str = "kafka";
const MOST_PODS: usize = 50;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, phase: &str, container: &Value) -> Value {
        json!({"metadata": {"name": name}, "status": {"phase": phase, "containerStatuses": [container]}})
    }

    fn rows(pods: &[Value]) -> Report {
        let mut report = Report::default();
        pods_of(&json!({"items": pods}), &mut report);
        report
    }

    // The course's three recipes: the image that is not there, the injector that restarts, the API that is not ready.
    #[test]
    fn the_three_troubles_of_the_course_are_named_with_advice() {
        let report = rows(&[
            pod(
                "m02-java-api-1",
                "Pending",
                &json!({"ready": false, "state": {"waiting": {"reason": "ImagePullBackOff"}}}),
            ),
            pod(
                "toxiproxy-1",
                "Running",
                &json!({"ready": false, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}),
            ),
            pod("m02-dotnet-api-1", "Running", &json!({"ready": false, "state": {"running": {}}})),
        ]);

        assert!(!report.is_well());
        let advice: Vec<&str> = report.rows().iter().map(|row| row.advice.as_deref().unwrap()).collect();
        assert!(advice[0].contains("02-import-images.sh"), "{advice:?}");
        assert!(advice[1].contains("kubectl logs -n kafka toxiproxy-1 --previous"), "{advice:?}");
        assert!(advice[2].contains("/readyz"), "{advice:?}");
    }

    // A finished job and a ready pod are well; a namespace without pods is not.
    #[test]
    fn a_finished_job_is_well_and_an_empty_namespace_is_not() {
        let report = rows(&[
            pod(
                "toxiproxy-init-1",
                "Succeeded",
                &json!({"ready": false, "state": {"terminated": {"exitCode": 0}}}),
            ),
            pod("toxiproxy-1", "Running", &json!({"ready": true, "state": {"running": {}}})),
        ]);
        assert!(report.is_well(), "{}", report.as_text());

        assert!(!rows(&[]).is_well());
    }
}
