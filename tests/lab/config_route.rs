//! `GET /api/v1/config`: what the producers of a port really use.

use facteur::lab::environment::ProducerEnvironment;
use facteur::lab::running::LabSettings;
use facteur::lab::settings_layers::Layers;
use serde_json::Value;

use crate::support::{call, get, java, librdkafka, settings, started};

fn setting(answer: &Value, producer: usize, name: &str) -> Value {
    let settings = answer["producers"][producer]["settings"].as_array().unwrap();
    settings.iter().find(|setting| setting["name"] == name).unwrap().clone()
}

// Row 86: the two ports read "request timeout" differently, and each says which variable changes it. Fails if the answer
// is what was asked for and not what is used.
#[tokio::test(flavor = "multi_thread")]
async fn each_port_tells_its_own_settings_and_who_said_them() {
    let variables = |name: &str| (name == "KAFKA_REQUEST_TIMEOUT_MS").then(|| "7000".to_owned());
    let flags = [("KAFKA_SOCKET_TIMEOUT_MS".to_owned(), "8000".to_owned())];
    let known = facteur::lab::environment::VARIABLES;
    let layers = Layers::new(&flags, None, known).unwrap();
    let environment = ProducerEnvironment::read_layers(&layers, variables).unwrap();
    let lab = started(LabSettings { environment, ..settings() }).await;

    let java_answer = get(java(&lab), "/api/v1/config").await.json();
    let librdkafka_answer = get(librdkafka(&lab), "/api/v1/config").await.json();
    let wrong = get(java(&lab), "/api/v1/config?all=1").await;

    assert_eq!(
        (&java_answer["profile"], &librdkafka_answer["profile"]),
        (&"java".into(), &"librdkafka".into())
    );
    let of_java = setting(&java_answer, 1, "request.timeout.ms");
    assert_eq!((&of_java["value"], &of_java["origin"]), (&"7000".into(), &"environment".into()));
    assert_eq!(of_java["variable"], "KAFKA_REQUEST_TIMEOUT_MS");
    let of_librdkafka = setting(&librdkafka_answer, 0, "request.timeout.ms");
    assert_eq!((&of_librdkafka["value"], &of_librdkafka["origin"]), (&"8000".into(), &"flag".into()));
    assert_eq!(setting(&java_answer, 0, "enable.idempotence")["value"], "false");
    assert_eq!(setting(&java_answer, 1, "enable.idempotence")["value"], "true");
    assert_eq!(setting(&java_answer, 1, "batch.size")["origin"], "default");
    assert_eq!((wrong.status, wrong.problem().as_str()), (400, "invalid-parameter"));
}

// F25: SASL is not built, so a lab that is told a password does not start, and the message has not the value. Credentials of
// other software may still come in a caller's headers. Fails if they come out again anywhere.
#[tokio::test(flavor = "multi_thread")]
async fn f25_a_secret_is_in_no_answer_and_in_no_message() {
    const CANARY: &str = "hunter2-canary";
    let known = facteur::lab::environment::VARIABLES;
    let secret = ("KAFKA_SASL_JAAS_CONFIG".to_owned(), CANARY.to_owned());
    let refused = Layers::new(std::slice::from_ref(&secret), None, known).unwrap_err();
    assert!(refused.contains(&secret.0) && !refused.contains(CANARY), "{refused}");
    let file = format!("{}={CANARY}\n", secret.0);
    let refused = Layers::new(&[], Some(("lab.properties", &file)), known).unwrap_err();
    assert!(!refused.contains(CANARY), "{refused}");

    let lab = started(settings()).await;
    let headers = [format!("Authorization: Bearer {CANARY}"), format!("Cookie: session={CANARY}")];
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    for (method, path) in [
        ("POST", "/api/v1/send?eventId=e-1&topic=orders&key=k&payload=v"),
        ("POST", "/api/v1/send?nonsense=1"),
        ("GET", "/api/v1/nowhere"),
    ] {
        let answer = call(java(&lab), method, path, &headers).await;
        assert!(answer.status > 0 && !format!("{answer:?}").contains(CANARY), "{path}: {answer:?}");
    }
    for path in ["/api/v1/config", "/api/v1/events", "/api/v1/chaos", "/metrics", "/health", "/openapi.json"]
    {
        let answer = get(java(&lab), path).await;
        assert!(!format!("{answer:?}").contains(CANARY), "{path}");
    }
    let shown = get(java(&lab), "/api/v1/config").await;
    assert_eq!(shown.status, 200);
    assert!(!shown.body.contains("sasl") && !shown.body.contains("password"), "only settings that there are");
}
