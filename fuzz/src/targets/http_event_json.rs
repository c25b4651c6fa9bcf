//! The façade under any call: query, headers and body of a stranger, with a real producer and broker behind it.
//!
//! Input: a request as text, first line `METHOD TARGET`, header lines, an empty line, the body. What must hold: never a
//! defect (500); every refusal is a problem document that says its own status; an event that was acknowledged is in the
//! log at the offset told; no permit is kept.

use std::sync::OnceLock;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use facteur::lab::app::router;
use facteur::lab::environment::ProducerEnvironment;
use facteur::lab::profile::Profile;
use facteur::lab::query::Query;
use facteur::lab::running::{LabSettings, RunningLab};
use serde_json::Value;
use tower::ServiceExt as _;

/// A lab that lives as long as the process.
struct Lab {
    runtime: tokio::runtime::Runtime,
    lab: RunningLab,
}

static LAB: OnceLock<Lab> = OnceLock::new();

fn lab() -> &'static Lab {
    LAB.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let lab = runtime.block_on(async {
            let mut lab = RunningLab::start(settings()).await.expect("a lab on free ports");
            lab.ready().await;
            lab
        });
        Lab { runtime, lab }
    })
}

fn settings() -> LabSettings {
    LabSettings {
        java_port: 0,
        librdkafka_port: 0,
        kafka_ports: vec![0],
        injector: None,
        environment: ProducerEnvironment {
            request_timeout_ms: 2_000,
            socket_timeout_ms: 2_000,
            delivery_timeout_ms: 5_000,
            max_block_ms: 20,
            ..ProducerEnvironment::default()
        },
        most_calls: 4,
        status_capacity: 64,
        idempotency_capacity: 64,
        timeline_capacity: 256,
        ..LabSettings::default()
    }
}

/// Runs the target.
pub fn run(data: &[u8]) {
    let Some((request, is_send)) = request_of(data) else { return };
    let Lab { runtime, lab } = lab();
    let profile = if data.len().is_multiple_of(2) { Profile::Java } else { Profile::Librdkafka };
    let facade = lab.facade(profile).expect("both profiles are served");
    runtime.block_on(async {
        let event_id = request.uri().query().and_then(|query| Query::parse(query).ok());
        let event_id = event_id.and_then(|query| query.value("eventId").map(str::to_owned));
        let told = format!("{request:?}");
        let (status, body) = answered(router(std::sync::Arc::clone(facade)), request).await;
        assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{told}: {body}");
        // Two tests of one process may ask the same lab: what the other one holds comes back as well.
        let all_come_back = async {
            while lab.shared().calls.available_permits() != lab.shared().most_calls {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let came_back = tokio::time::timeout(Duration::from_secs(10), all_come_back).await;
        assert!(came_back.is_ok(), "a permit is kept: {told}");
        if is_send && status == StatusCode::OK {
            acknowledged(lab, &body, event_id.as_deref());
        }
    });
}

/// The request, and whether it sends; `None` if it is none, or would run a lab or change the injector.
fn request_of(data: &[u8]) -> Option<(Request<Body>, bool)> {
    let (head, body) = match data.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (data, &[][..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let (method, target) = first.split_once(' ')?;
    let method = Method::from_bytes(method.as_bytes()).ok()?;
    let uri: Uri = target.parse().ok()?;
    let is_read = matches!(method, Method::GET | Method::HEAD | Method::OPTIONS);
    if !is_read && (uri.path().contains("/lab/") || uri.path().contains("/chaos")) {
        return None;
    }
    let is_send = method == Method::POST && uri.path() == "/api/v1/send";
    let mut request = Request::builder().method(method).uri(uri);
    for line in lines.take(64) {
        let at = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..at]).ok()?;
        request = request.header(name, HeaderValue::from_bytes(line[at + 1..].trim_ascii()).ok()?);
    }
    Some((request.body(Body::from(body.to_vec())).ok()?, is_send))
}

async fn answered(router: Router, request: Request<Body>) -> (StatusCode, String) {
    let is_head = request.method() == Method::HEAD;
    let answer = router.oneshot(request).await.unwrap_or_else(|never| match never {});
    let status = answer.status();
    let is_problem =
        answer.headers().get("content-type").is_some_and(|kind| kind == "application/problem+json");
    let body = text_of(answer.into_body()).await;
    if status.is_client_error() || status.is_server_error() {
        assert!(is_problem || is_head, "{status} without a problem document: {body}");
        if !is_head {
            let problem: Value =
                serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
            assert_eq!(problem["status"], status.as_u16(), "{body}");
        }
    }
    (status, body)
}

/// The body; of a stream that does not end, its beginning.
async fn text_of(body: Body) -> String {
    let is_stream = body.size_hint().upper().is_none();
    let mut body = std::pin::pin!(body);
    let mut bytes = Vec::new();
    loop {
        let frame = std::future::poll_fn(|context| body.as_mut().poll_frame(context));
        let patience = if is_stream { Duration::from_millis(5) } else { Duration::from_secs(5) };
        let Ok(Some(Ok(frame))) = tokio::time::timeout(patience, frame).await else { break };
        bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        assert!(bytes.len() < 16 << 20, "an answer without end");
    }
    String::from_utf8(bytes).expect("every answer is text")
}

fn acknowledged(lab: &RunningLab, body: &str, event_id: Option<&str>) {
    let answer: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
    if answer["sendMode"] == "async" {
        return;
    }
    assert_eq!(answer["eventId"].as_str(), event_id, "{body}");
    let (topic, partition) = (answer["topic"].as_str(), answer["partition"].as_i64());
    let offset = answer["offset"].as_i64().unwrap_or_else(|| panic!("no offset: {body}"));
    let broker = lab.broker().expect("the embedded broker").handle();
    let partition = partition.and_then(|partition| i32::try_from(partition).ok()).expect("a partition");
    let end = broker.high_watermark(topic.expect("a topic"), partition);
    assert!(offset < end.expect("the partition is there"), "{body}: the log ends at {end:?}");
}
