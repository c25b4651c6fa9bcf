//! The fault injector on the façade's default path: what the course promised and its wiring could not do.

use std::net::SocketAddr;

use facteur::lab::injector::InjectorSettings;
use facteur::lab::running::{LabSettings, RunningLab, StartError};
use tokio::net::TcpStream;

use crate::support::{call, exchange, get, java, librdkafka, records, send, settings, started};

fn admin(lab: &RunningLab) -> SocketAddr {
    lab.lab_injector().unwrap().admin_address()
}

async fn post(address: SocketAddr, path: &str, body: &str) -> crate::support::Answer {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    exchange(address, request.as_bytes()).await
}

// The central experiment: one answer is lost on its way. The plain record is there twice, the idempotent one once; both
// calls say OK. Fails if the producers go past the injector.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_duplicates_the_plain_record_and_not_the_idempotent_one() {
    let lab = started(settings()).await;
    for (facade, mode, copies) in [
        (java(&lab), "plain", 2),
        (java(&lab), "idempotent", 1),
        (librdkafka(&lab), "plain", 2),
        (librdkafka(&lab), "idempotent", 1),
    ] {
        let before = records(&lab, "bhf-transactions", 3);
        let toxic =
            r#"{"name": "lose", "type": "drop_response", "attributes": {"api": "Produce", "count": 1}}"#;
        assert_eq!(post(admin(&lab), "/proxies/kafka/toxics", toxic).await.status, 200);

        let sent = send(facade, &format!("mode={mode}&sendMode=sync&eventId=E-1")).await;

        assert_eq!((sent.status, &sent.json()["status"]), (200, &"OK".into()), "{sent:?}");
        assert_eq!(records(&lab, "bhf-transactions", 3) - before, copies, "{mode} on {facade}");
        let fired = get(admin(&lab), "/proxies/kafka/toxics/lose").await;
        assert_eq!(fired.json()["attributes"]["fired"], 1);
        assert_eq!(call(admin(&lab), "DELETE", "/proxies/kafka/toxics/lose", &[]).await.status, 204);
    }
    lab.stop().await;
}

// The course's POST is answered 409 while the proxy is there and 201 when it was deleted, and the façade goes on working.
#[tokio::test(flavor = "multi_thread")]
async fn the_courses_post_is_understood_with_or_without_the_proxy() {
    let lab = started(settings()).await;
    let listen = get(admin(&lab), "/proxies/kafka").await.json();
    assert!(listen["upstream"].as_str().unwrap().starts_with("kafka:"), "{listen}");
    let body = format!(r#"{{"name":"kafka","listen":{},"upstream":"kafka:29092"}}"#, listen["listen"]);

    assert_eq!(post(admin(&lab), "/proxies", &body).await.status, 409);
    assert_eq!(call(admin(&lab), "DELETE", "/proxies/kafka", &[]).await.status, 204);
    let created = post(admin(&lab), "/proxies", &body).await;

    assert_eq!(created.status, 201, "{created:?}");
    let sent = send(java(&lab), "mode=idempotent&sendMode=sync&eventId=E-1").await;
    assert_eq!(sent.status, 200, "{sent:?}");
    // The admin port of a lab is no door to other machines.
    let away = post(admin(&lab), "/proxies", r#"{"name":"away","upstream":"192.0.2.1:80"}"#).await;
    assert_eq!(away.status, 400, "{away:?}");
    lab.stop().await;
}

// Down: the call ends as it must, and comes back with the proxy; its state is told, not guessed.
#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_proxy_stops_the_facade_and_a_reset_heals_it() {
    let mut settings = settings();
    settings.environment.delivery_timeout_ms = 600;
    settings.environment.request_timeout_ms = 500;
    let lab = started(settings).await;

    assert_eq!(post(admin(&lab), "/proxies/kafka", r#"{"enabled": false}"#).await.status, 200);
    let down = send(java(&lab), "mode=idempotent&sendMode=sync&eventId=DOWN").await;
    assert_eq!((down.status, &down.json()["possiblyWritten"]), (504, &false.into()), "{down:?}");
    assert_eq!(post(admin(&lab), "/reset", "").await.status, 204);

    let healed = send(java(&lab), "mode=plain&sendMode=sync&eventId=UP").await;
    assert_eq!(healed.status, 200, "{healed:?}");
    lab.stop().await;
}

// --no-chaos and KAFKA_ADDRESS_MAP go past it; a stopped lab leaves no port behind.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_injector_or_with_an_address_map_the_producers_go_straight() {
    let without = started(LabSettings { injector: None, ..settings() }).await;
    assert!(without.injector().is_none());
    assert_eq!(without.shared().bootstrap, without.shared().direct_bootstrap);
    without.stop().await;

    let mut mapped = settings();
    mapped.environment.address_map = Some("nowhere:1=nowhere:2".to_owned());
    let mapped = started(mapped).await;
    assert!(mapped.injector().is_some());
    assert_eq!(mapped.shared().bootstrap, mapped.shared().direct_bootstrap);
    mapped.stop().await;

    let with = started(settings()).await;
    let injector = with.lab_injector().unwrap();
    let ports = [injector.admin_address(), injector.proxy_address()];
    assert_eq!(with.shared().bootstrap, ports[1].to_string());
    with.stop().await;
    for port in ports {
        assert!(TcpStream::connect(port).await.is_err(), "{port} is still open");
    }
}

// A busy port of the injector: which one, what for, who has it, what to do; and nothing is left running.
#[tokio::test(flavor = "multi_thread")]
async fn busy_ports_of_the_injector_are_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for (injector, flag) in [
        (InjectorSettings { admin_port: port, proxy_port: 0, seed: None }, "--toxiproxy-port"),
        (InjectorSettings { admin_port: 0, proxy_port: port, seed: None }, "--proxy-port"),
    ] {
        let settings = LabSettings { injector: Some(injector), ..settings() };
        let error = RunningLab::start(settings).await.unwrap_err();

        assert!(matches!(error, StartError::Injector(_)));
        let text = error.to_string();
        for part in [port.to_string().as_str(), flag, "--no-chaos", "this process"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
