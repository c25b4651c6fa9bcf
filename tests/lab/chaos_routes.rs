//! The injector's door for the page: what it shows, changes and refuses.

use facteur::lab::running::LabSettings;

use crate::support::{Answer, call, get, java, send, settings, started};

async fn post(address: std::net::SocketAddr, path: &str) -> Answer {
    call(address, "POST", path, &["Content-Length: 0"]).await
}

// A page needs no JSON body and no Toxiproxy client: add, see, remove, and the façade feels it.
#[tokio::test(flavor = "multi_thread")]
async fn a_toxic_is_added_felt_and_removed_through_the_facade() {
    let lab = started(settings()).await;
    let toxics = "/api/v1/chaos/proxies/kafka/toxics";

    let added = post(java(&lab), &format!("{toxics}?type=latency&name=slow&latency=300")).await;
    let sent = send(java(&lab), "mode=idempotent&eventId=SLOW").await.json();
    let seen = get(java(&lab), "/api/v1/chaos").await.json();
    let again = post(java(&lab), &format!("{toxics}?type=latency&name=slow&latency=1")).await;
    let removed = call(java(&lab), "DELETE", &format!("{toxics}/slow"), &[]).await;
    let empty = get(java(&lab), "/api/v1/chaos/proxies/kafka").await.json();

    assert_eq!((added.status, &added.json()["attributes"]["latency"]), (201, &300.into()), "{added:?}");
    assert!(sent["latencyMs"].as_f64().unwrap() >= 300.0, "{sent}");
    assert_eq!(seen["proxies"][0]["toxics"][0]["name"], "slow");
    assert_eq!((again.status, again.problem().as_str()), (409, "fault-conflict"));
    assert_eq!(removed.status, 204);
    assert_eq!((&empty["toxics"], &empty["enabled"]), (&serde_json::json!([]), &true.into()));
}

// Down and up again; a reset heals whatever was done.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_goes_down_and_a_reset_heals_it() {
    let lab = started(settings()).await;
    post(java(&lab), "/api/v1/chaos/proxies/kafka/toxics?type=drop_response&api=Metadata").await;

    let down = post(java(&lab), "/api/v1/chaos/proxies/kafka?enabled=false").await.json();
    let healed = post(java(&lab), "/api/v1/chaos/reset").await.json();

    assert_eq!(down["enabled"], false);
    assert_eq!(
        (&healed["proxies"][0]["enabled"], &healed["proxies"][0]["toxics"]),
        (&true.into(), &serde_json::json!([]))
    );
    assert_eq!(send(java(&lab), "mode=idempotent&eventId=HEALED").await.status, 200);
}

// What is wrong is named and nothing is half-created; a page of another site gets nothing (section 5).
#[tokio::test(flavor = "multi_thread")]
async fn wrong_faults_and_foreign_pages_are_refused() {
    let lab = started(settings()).await;
    let toxics = "/api/v1/chaos/proxies/kafka/toxics";

    for (path, status, problem) in [
        (toxics.to_owned(), 400, "missing-parameter"),
        (format!("{toxics}?type=nonsense"), 400, "invalid-parameter"),
        (format!("{toxics}?type=latency&latency=soon"), 400, "invalid-parameter"),
        (format!("{toxics}?type=latency&stream=sideways"), 400, "invalid-parameter"),
        (format!("{toxics}?type=latency&toxicity=2"), 400, "invalid-parameter"),
        (format!("{toxics}?type=latency&toxicity=NaN"), 400, "invalid-parameter"),
        (format!("{toxics}?type=%zz"), 400, "invalid-query"),
        ("/api/v1/chaos/proxies/nobody/toxics?type=latency".to_owned(), 404, "not-found"),
        ("/api/v1/chaos/proxies/nobody?enabled=true".to_owned(), 404, "not-found"),
        ("/api/v1/chaos/proxies/kafka".to_owned(), 400, "missing-parameter"),
        ("/api/v1/chaos/proxies/kafka?enabled=perhaps".to_owned(), 400, "invalid-parameter"),
    ] {
        let answer = post(java(&lab), &path).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, problem), "{path}: {answer:?}");
    }
    let foreign = ["Content-Length: 0", "Origin: http://evil.example"];
    let answer = call(java(&lab), "POST", &format!("{toxics}?type=latency&latency=1"), &foreign).await;
    assert_eq!((answer.status, answer.problem().as_str()), (403, "foreign-origin"));
    let nobody = call(java(&lab), "DELETE", &format!("{toxics}/nobody"), &["Accept-Language: fr"]).await;
    assert_eq!((nobody.status, nobody.problem().as_str()), (404, "not-found"));
    assert!(nobody.json()["detail"].as_str().unwrap().starts_with("L'injecteur répond"), "{nobody:?}");
    let kafka = get(java(&lab), "/api/v1/chaos/proxies/kafka").await.json();
    assert_eq!(kafka["toxics"], serde_json::json!([]));
}

// `--no-chaos`: the door is gone with the injector, and the rest works.
#[tokio::test(flavor = "multi_thread")]
async fn without_an_injector_the_door_says_so() {
    let lab = started(LabSettings { injector: None, ..settings() }).await;

    let answer = get(java(&lab), "/api/v1/chaos").await;
    let toxic = post(java(&lab), "/api/v1/chaos/proxies/kafka/toxics?type=latency").await;

    for answer in [answer, toxic] {
        assert_eq!((answer.status, answer.problem().as_str()), (404, "chaos-off"), "{answer:?}");
    }
    assert_eq!(send(java(&lab), "mode=idempotent&eventId=CALM").await.status, 200);
}
