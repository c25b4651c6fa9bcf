//! `GET /api/v1/config`: what the producers of a port really use.

use facteur::lab::environment::ProducerEnvironment;
use facteur::lab::running::LabSettings;
use facteur::lab::settings_layers::Layers;
use serde_json::Value;

use crate::support::{get, java, librdkafka, settings, started};

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
