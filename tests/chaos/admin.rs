//! The admin API, as Toxiproxy's own Go client expects it: status and body (`spec/reliability.md` 7.8).

use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::support::{call, call_with, get, started, started_with};
use facteur::chaos::{InjectorOptions, UpstreamPolicy};

async fn create(server: &facteur::chaos::api::server::AdminServer, body: Value) -> crate::support::Answer {
    call(server, "POST", "/proxies", &body.to_string()).await
}

// A proxy's life over HTTP. Fails if a code, a default or a member differs from what existing clients check.
#[tokio::test]
async fn a_proxy_is_created_listed_changed_and_deleted() {
    let server = started();

    let created =
        create(&server, json!({"name": "redis", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:6379"}))
            .await;
    assert_eq!(created.status, 201, "{created:?}");
    let listen = created.json()["listen"].as_str().unwrap().to_owned();
    let expected = json!({"name": "redis", "listen": listen, "upstream": "127.0.0.1:6379", "enabled": true,
        "toxics": [], "protocol": "auto"});
    assert_eq!(created.json(), expected);
    assert!(!listen.ends_with(":0"), "the real port is told: {listen}");

    let listed = get(&server, "/proxies").await;
    assert_eq!((listed.status, listed.json()), (200, json!({ "redis": expected })));
    assert_eq!(get(&server, "/proxies/redis").await.json(), expected);
    get(&server, "/proxies/none").await.is_error(404, "proxy not found");

    let down = call(&server, "POST", "/proxies/redis", r#"{"enabled": false}"#).await;
    assert_eq!((down.status, &down.json()["enabled"]), (200, &json!(false)));
    assert!(TcpStream::connect(&listen).await.is_err(), "down means refused");
    let up = call(&server, "PATCH", "/proxies/redis", r#"{"enabled": true, "name": "ignored"}"#).await;
    assert_eq!((up.status, &up.json()["listen"], &up.json()["name"]), (200, &json!(listen), &json!("redis")));

    let deleted = call(&server, "DELETE", "/proxies/redis", "").await;
    assert_eq!((deleted.status, deleted.body.as_str()), (204, ""));
    call(&server, "DELETE", "/proxies/redis", "").await.is_error(404, "proxy not found");
    assert_eq!(get(&server, "/proxies").await.json(), json!({}));
    server.stop().await;
}

// What the Go client's tests send wrong, and the words that it expects.
#[tokio::test]
async fn wrong_proxies_are_refused_in_toxiproxys_words() {
    let server = started();

    create(&server, json!({"upstream": "127.0.0.1:1"})).await.is_error(400, "missing required field: name");
    create(&server, json!({"name": "a"})).await.is_error(400, "missing required field: upstream");
    assert_eq!(create(&server, json!({"name": "a", "upstream": "127.0.0.1:1"})).await.status, 201);
    create(&server, json!({"name": "a", "upstream": "127.0.0.1:1"}))
        .await
        .is_error(409, "proxy already exists");

    let busy =
        create(&server, json!({"name": "b", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"})).await;
    let busy = busy.json()["listen"].clone();
    let conflict = create(&server, json!({"name": "c", "listen": busy, "upstream": "127.0.0.1:1"})).await;
    assert_eq!(conflict.status, 500, "{conflict:?}");
    let text = conflict.json()["error"].as_str().unwrap().to_owned();
    assert!(text.contains("address already in use") && text.contains("this process"), "{text}");
    get(&server, "/proxies/c").await.is_error(404, "proxy not found");

    for (body, part) in [
        ("", "bad request body: it is empty"),
        ("{", "bad request body: "),
        ("[]", "expected an object"),
        (r#"{"name": 5, "upstream": "127.0.0.1:1"}"#, "member \"name\" is 5; expected a string"),
        (r#"{"name": "x", "upstream": "127.0.0.1"}"#, "no port"),
        (
            r#"{"name": "x", "upstream": "127.0.0.1:1", "listen": "nowhere"}"#,
            "listen \"nowhere\" has no port",
        ),
        (r#"{"name": "x", "upstream": "127.0.0.1:1", "enabled": "yes"}"#, "expected true or false"),
        (r#"{"name": "x", "upstream": "127.0.0.1:1", "protocol": "udp"}"#, "can be auto, kafka or tcp"),
    ] {
        let answer = call(&server, "POST", "/proxies", body).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert!(answer.json()["error"].as_str().unwrap().contains(part), "{body}: {answer:?}");
    }
    server.stop().await;
}

// A list is made as a whole or the answer says how far it came; what is there already is left alone, toxics included.
#[tokio::test]
async fn populate_checks_all_names_first_and_leaves_the_same_alone() {
    let server = started();
    let list = json!([
        {"name": "one", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"},
        {"name": "two", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:2", "enabled": false},
    ]);
    let made = call(&server, "POST", "/populate", &list.to_string()).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.json()["proxies"][1]["enabled"], false);

    let missing = call(
        &server,
        "POST",
        "/populate",
        r#"[{"name": "three", "upstream": "127.0.0.1:3"}, {"upstream": "127.0.0.1:4"}]"#,
    )
    .await;
    assert_eq!(missing.status, 400, "{missing:?}");
    assert_eq!(missing.json()["error"], "missing required field: name at proxy 2");
    assert_eq!(missing.json()["proxies"], json!([]));
    get(&server, "/proxies/three").await.is_error(404, "proxy not found");

    let toxic = call(&server, "POST", "/proxies/one/toxics", r#"{"type": "noop"}"#).await;
    assert_eq!(toxic.status, 200, "{toxic:?}");
    let listen = get(&server, "/proxies/one").await.json()["listen"].clone();
    let again = json!([
        {"name": "one", "listen": listen, "upstream": "127.0.0.1:1", "enabled": false},
        {"name": "two", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9"},
        {"name": "bad", "listen": listen, "upstream": "127.0.0.1:9"},
    ]);
    let again = call(&server, "POST", "/populate", &again.to_string()).await;
    assert_eq!(again.status, 500, "{again:?}");
    assert_eq!(again.json()["status"], 500);
    let proxies = again.json()["proxies"].clone();
    assert_eq!(proxies.as_array().unwrap().len(), 2, "{again:?}");
    assert_eq!((&proxies[0]["enabled"], &proxies[0]["toxics"][0]["type"]), (&json!(true), &json!("noop")));
    assert_eq!(proxies[1]["upstream"], "127.0.0.1:9");
    server.stop().await;
}

// A toxic's life over HTTP: default names, both streams, partial updates, twice deleted.
#[tokio::test]
async fn toxics_are_created_changed_and_deleted() {
    let server = started();
    create(&server, json!({"name": "p", "upstream": "127.0.0.1:1"})).await;
    let toxics = "/proxies/p/toxics";

    let latency =
        call(&server, "POST", toxics, r#"{"type": "latency", "attributes": {"latency": 100, "jitter": 10}}"#)
            .await;
    let expected = json!({"attributes": {"latency": 100, "jitter": 10}, "name": "latency_downstream",
        "type": "latency", "stream": "downstream", "toxicity": 1});
    assert_eq!((latency.status, latency.json()), (200, expected.clone()));
    assert!(latency.body.contains("\"toxicity\":1}"), "a whole number as Go prints it: {latency:?}");

    let up =
        call(&server, "POST", toxics, r#"{"type": "latency", "stream": "UpStream", "toxicity": 0.2}"#).await;
    assert_eq!(up.json()["name"], "latency_UpStream");
    assert_eq!((&up.json()["stream"], &up.json()["toxicity"]), (&json!("UpStream"), &json!(0.2)));
    assert_eq!(up.json()["attributes"], json!({"latency": 0, "jitter": 0}));

    let listed = get(&server, toxics).await.json();
    assert_eq!(listed[0]["name"], "latency_UpStream", "upstream first: {listed}");
    assert_eq!(listed[1], expected);
    assert_eq!(get(&server, "/proxies/p").await.json()["toxics"], listed);

    let taken = r#"{"type": "noop", "stream": "upstream", "name": "latency_downstream"}"#;
    call(&server, "POST", toxics, taken).await.is_error(409, "toxic already exists");

    let path = "/proxies/p/toxics/latency_downstream";
    for method in ["POST", "PATCH"] {
        let body = r#"{"attributes": {"latency": 1000}, "name": "x", "stream": "upstream", "type": "noop"}"#;
        let changed = call(&server, method, path, body).await;
        assert_eq!(changed.status, 200, "{changed:?}");
        assert_eq!(changed.json()["attributes"], json!({"latency": 1000, "jitter": 10}));
        assert_eq!(changed.json()["stream"], "downstream");
    }
    assert_eq!(get(&server, path).await.json()["attributes"]["latency"], 1000);

    assert_eq!(call(&server, "DELETE", path, "").await.status, 204);
    call(&server, "DELETE", path, "").await.is_error(404, "toxic not found");
    get(&server, path).await.is_error(404, "toxic not found");
    call(&server, "PATCH", path, "{}").await.is_error(404, "toxic not found");
    get(&server, "/proxies/none/toxics").await.is_error(404, "proxy not found");
    server.stop().await;
}

// Each refused toxic leaves nothing behind, and a typo is told.
#[tokio::test]
async fn wrong_toxics_are_refused_and_typos_are_told() {
    let server = started();
    create(&server, json!({"name": "p", "upstream": "127.0.0.1:1"})).await;
    let toxics = "/proxies/p/toxics";

    call(&server, "POST", toxics, r#"{"type": "nope"}"#).await.is_error(400, "invalid toxic type");
    call(&server, "POST", toxics, "{}").await.is_error(400, "invalid toxic type");
    let stream = "stream was invalid, can be either upstream or downstream";
    call(&server, "POST", toxics, r#"{"type": "noop", "stream": "sideways"}"#).await.is_error(400, stream);
    for (body, part) in [
        ("nonsense", "bad request body: "),
        (r#"{"type": "slicer"}"#, "average_size"),
        (r#"{"type": "bandwidth", "attributes": {"rate": -1}}"#, "is -1"),
        (r#"{"type": "noop", "toxicity": 1.5}"#, "toxicity is 1.5"),
        (r#"{"type": "noop", "toxicity": "high"}"#, "expected a number from 0 to 1"),
        (r#"{"type": "latency", "attributes": []}"#, "expected an object"),
    ] {
        let answer = call(&server, "POST", toxics, body).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert!(answer.json()["error"].as_str().unwrap().contains(part), "{body}: {answer:?}");
    }
    assert_eq!(get(&server, toxics).await.json(), json!([]));

    let typo = r#"{"type": "latency", "attributes": {"latncy": 5}, "toxcity": 1}"#;
    let typo = call(&server, "POST", toxics, typo).await;
    assert_eq!(typo.status, 200);
    let warnings: Vec<&str> =
        typo.head.lines().filter(|line| line.to_ascii_lowercase().starts_with("x-lab-warning")).collect();
    assert!(warnings.iter().any(|warning| warning.contains("latncy")), "{typo:?}");
    assert!(warnings.iter().any(|warning| warning.contains("toxcity")), "{typo:?}");
    server.stop().await;
}

// After a reset everything listens and nothing is damaged, whatever was done before.
#[tokio::test]
async fn reset_enables_every_proxy_and_removes_every_toxic() {
    let server = started();
    let made = create(&server, json!({"name": "p", "upstream": "127.0.0.1:1", "enabled": true})).await;
    let listen = made.json()["listen"].as_str().unwrap().to_owned();
    call(&server, "POST", "/proxies/p/toxics", r#"{"type": "timeout"}"#).await;
    call(&server, "POST", "/proxies/p", r#"{"enabled": false}"#).await;

    let reset = call(&server, "POST", "/reset", "").await;

    assert_eq!((reset.status, reset.body.as_str()), (204, ""));
    let proxy = get(&server, "/proxies/p").await.json();
    assert_eq!(
        (&proxy["enabled"], &proxy["toxics"], &proxy["listen"]),
        (&json!(true), &json!([]), &json!(listen))
    );
    assert!(TcpStream::connect(&listen).await.is_ok());
    server.stop().await;
}

// The rest of 7.1: version, numbers, browsers, foreign names, paths and methods.
#[tokio::test]
async fn version_numbers_browsers_and_paths_are_as_in_toxiproxy() {
    let server = started();
    let address = server.address();

    let version = get(&server, "/version").await;
    assert_eq!((version.status, &version.json()["version"]), (200, &json!("2.9.0")));
    assert!(version.json()["implementation"].as_str().unwrap().starts_with("facteur "));
    assert!(version.body.ends_with("}\n"));
    assert_eq!(version.header("x-toxiproxy-request-id").unwrap().len(), 32);

    let browser = call_with(address, "GET", "/proxies", &["User-Agent: Mozilla/5.0 (X11)"], "").await;
    assert_eq!((browser.status, browser.body.as_str()), (403, "User agent not allowed\n"));
    for header in ["Host: evil.example", "Origin: http://evil.example"] {
        let foreign = call_with(address, "GET", "/proxies", &[header], "").await;
        assert_eq!(foreign.status, 403, "{header}: {foreign:?}");
    }

    for path in ["/", "/list", "/proxies/", "/proxies/p/toxics/t/u"] {
        assert_eq!(get(&server, path).await.status, 404, "{path}");
    }
    for (method, path) in
        [("DELETE", "/proxies"), ("PUT", "/proxies/p"), ("GET", "/reset"), ("POST", "/version")]
    {
        assert_eq!(call(&server, method, path, "").await.status, 405, "{method} {path}");
    }

    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(2 * 1024 * 1024));
    assert_eq!(call(&server, "POST", "/proxies", &large).await.status, 413);
    server.stop().await;
}

// In a lab the admin port must not be a door to other machines; the configured Kafka is no other machine.
#[tokio::test]
async fn a_lab_leads_nowhere_else() {
    let known = "kafka.example:9092".parse().unwrap();
    let options =
        InjectorOptions { upstreams: UpstreamPolicy::LocalAnd(vec![known]), ..InjectorOptions::default() };
    let server = started_with(options);

    let away = create(&server, json!({"name": "a", "upstream": "192.0.2.1:80"})).await;
    assert_eq!(away.status, 400, "{away:?}");
    assert!(away.json()["error"].as_str().unwrap().contains("not allowed"));
    for upstream in ["localhost:1", "127.0.0.5:1", "[::1]:1", "kafka.example:9093"] {
        let near = create(&server, json!({"name": upstream, "upstream": upstream})).await;
        assert_eq!(near.status, 201, "{near:?}");
    }
    let moved = call(&server, "POST", "/proxies/localhost:1", r#"{"upstream": "192.0.2.1:80"}"#).await;
    assert_eq!(moved.status, 400, "{moved:?}");
    assert_eq!(get(&server, "/proxies/localhost:1").await.json()["upstream"], "localhost:1");
    server.stop().await;
}

// Whoever reaches the port must not be able to fill the memory: each collection has its bound, and says it.
#[tokio::test]
async fn proxies_and_toxics_have_bounds_that_are_told() {
    let server = started();
    for number in 0..64 {
        let proxy = json!({"name": format!("p{number}"), "upstream": "127.0.0.1:1", "enabled": false});
        assert_eq!(create(&server, proxy).await.status, 201);
    }
    let more = create(&server, json!({"name": "more", "upstream": "127.0.0.1:1", "enabled": false})).await;
    assert_eq!(more.status, 400, "{more:?}");
    assert!(more.json()["error"].as_str().unwrap().contains("at most 64"), "{more:?}");

    for number in 0..32 {
        let toxic = format!(r#"{{"type": "noop", "name": "t{number}"}}"#);
        assert_eq!(call(&server, "POST", "/proxies/p0/toxics", &toxic).await.status, 200);
    }
    let more = call(&server, "POST", "/proxies/p0/toxics", r#"{"type": "noop"}"#).await;
    assert_eq!(more.status, 400, "{more:?}");
    assert!(more.json()["error"].as_str().unwrap().contains("at most 32"), "{more:?}");
    let long = format!(r#"{{"type": "noop", "name": "{}"}}"#, "x".repeat(200));
    assert_eq!(call(&server, "POST", "/proxies/p1/toxics", &long).await.status, 400);
    server.stop().await;
}
