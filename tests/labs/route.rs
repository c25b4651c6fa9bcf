//! `GET /api/v1/lab` and `POST /api/v1/lab/{id}/run`.

use std::time::Duration;

use facteur::cli::http::{HttpAnswer, HttpClient};
use facteur::lab::environment::ProducerEnvironment;
use facteur::lab::runner::own_lab::OwnLab;
use hyper::Method;

async fn call(method: Method, url: &str, headers: &[(&str, &str)]) -> HttpAnswer {
    HttpClient::new(Duration::from_secs(60)).call_with(method, url, headers, None).await.unwrap()
}

// The page and a teacher's script run a lab with one call and read the checkpoint; the overview remembers it.
#[tokio::test(flavor = "multi_thread")]
async fn a_lab_runs_over_http_and_the_overview_remembers_it() {
    let own = OwnLab::start(None, ProducerEnvironment::default()).await.unwrap();
    let base = own.target().java;

    let run = call(Method::POST, &format!("{base}/api/v1/lab/02.1/run"), &[("Accept-Language", "fr")]).await;
    let overview = call(Method::GET, &format!("{base}/api/v1/lab"), &[]).await;

    assert_eq!(run.status, 200, "{}", run.text());
    let checkpoint = run.json().unwrap();
    assert_eq!(checkpoint["ok"], true, "{checkpoint:#}");
    assert_eq!(checkpoint["checkpoint"], "L'envoi synchrone renvoie partition et offset");
    let overview = overview.json().unwrap();
    assert_eq!(overview["running"], serde_json::Value::Null);
    assert_eq!(overview["target"]["java"], base);
    assert_eq!(overview["target"]["kafka"], own.target().kafka);
    assert_eq!(overview["producers"]["requestTimeoutMs"], 30_000);
    let labs = overview["labs"].as_array().unwrap();
    assert_eq!(labs.len(), 12);
    assert!(labs.iter().any(|lab| lab["lab"] == "02.1" && lab["last"]["ok"] == true));
    own.stop().await;
}

// Two labs at once would meet each other's faults: the second is 409 and says which one runs, and may come again.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_lab_at_the_same_time_is_409() {
    let own = OwnLab::start(None, ProducerEnvironment::default()).await.unwrap();
    let base = own.target().java;
    // The lab that takes five seconds: the latency is its subject.
    let url = format!("{base}/api/v1/lab/02.3/run");
    let first = tokio::spawn(async move { call(Method::POST, &url, &[]).await });
    loop {
        let overview = call(Method::GET, &format!("{base}/api/v1/lab"), &[]).await.json().unwrap();
        if overview["running"] == "02.3" {
            break;
        }
        assert!(!first.is_finished(), "the first lab ended before it was seen running");
    }

    let second = call(Method::POST, &format!("{base}/api/v1/lab/02.1/run"), &[]).await;

    assert_eq!(second.status, 409, "{}", second.text());
    assert!(second.text().contains("02.3"), "{}", second.text());
    assert_eq!(second.json().unwrap()["type"], "/problems/lab-running");
    assert_eq!(first.await.unwrap().status, 200);
    assert_eq!(call(Method::POST, &format!("{base}/api/v1/lab/02.1/run"), &[]).await.status, 200);
    own.stop().await;
}

// A name that is none is 404 with the names that there are, and nothing runs.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_lab_is_404_with_the_names_there_are() {
    let own = OwnLab::start(None, ProducerEnvironment::default()).await.unwrap();
    let base = own.target().librdkafka;

    let refused = call(Method::POST, &format!("{base}/api/v1/lab/02.7/run"), &[]).await;

    own.stop().await;
    assert_eq!(refused.status, 404);
    assert!(refused.text().contains("02.6"), "{}", refused.text());
}
