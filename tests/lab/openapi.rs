//! The contract document: complete, true, and readable without a network.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{call, get, java, send, settings, started};

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "patch", "head", "options"];

fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            METHODS
                .iter()
                .filter_map(|method| Some((path.clone(), (*method).to_owned(), item.get(*method)?.clone())))
        })
        .collect()
}

// A document that is ahead of the code promises what nobody answers: each of its operations must reach a route.
#[tokio::test(flavor = "multi_thread")]
async fn every_documented_operation_is_served() {
    let lab = started(settings()).await;
    let answer = get(java(&lab), "/openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let document = answer.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);

    let operations = operations(&document);

    assert!(operations.len() >= 13, "{operations:?}");
    for (path, method, operation) in operations {
        let filled: String = path
            .split('/')
            .map(|part| if part.starts_with('{') { "x" } else { part })
            .collect::<Vec<_>>()
            .join("/");
        let answer = call(java(&lab), &method.to_uppercase(), &filled, &["Content-Length: 0"]).await;
        assert_ne!(answer.status, 405, "{method} {path}");
        let detail = answer.json_if_any()["detail"].as_str().unwrap_or_default().to_owned();
        assert!(
            !detail.starts_with("There is no \"/"),
            "{method} {path} is documented and not served: {detail}"
        );
        let documented = operation["responses"].as_object().unwrap();
        assert!(documented.contains_key(&answer.status.to_string()), "{method} {path}: {}", answer.status);
    }
}

// A route that is registered by hand is served and not documented. Only the assets of the pages may be, and the helper
// that documents by copying.
#[test]
fn no_route_is_registered_without_its_documentation() {
    let mut found = BTreeSet::new();
    for file in sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lab"))) {
        let text = fs::read_to_string(&file).unwrap();
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for word in
                [".route(", ".route_service(", ".nest(", ".nest_service(", ".fallback_service(", ".merge("]
            {
                if line.contains(word) {
                    found.insert(line.trim().to_owned());
                }
            }
        }
    }

    let allowed: BTreeSet<String> = [
        r#".route("/docs/", get(routes::docs::page))"#,
        r#".route("/docs/{*asset}", get(routes::docs::asset))"#,
        r#".route("/swagger/{*asset}", get(routes::docs::asset))"#,
        "let mut router = router.route(address, method);",
    ]
    .map(str::to_owned)
    .into();
    assert_eq!(found, allowed);
}

fn sources(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

// What an answer has and the document does not name (or names and it never has) would mislead generated clients.
#[tokio::test(flavor = "multi_thread")]
async fn the_documented_members_are_those_of_the_answers() {
    let lab = started(settings()).await;
    let document = get(java(&lab), "/openapi.json").await.json();
    let members = |schema: &str| -> BTreeSet<String> {
        let properties = document["components"]["schemas"][schema]["properties"].as_object().unwrap();
        properties.keys().cloned().collect()
    };
    let accepted = send(java(&lab), "mode=plain&eventId=E&sendMode=async").await;
    let request_id = accepted.json()["requestId"].as_str().unwrap().to_owned();

    for (schema, answer) in [
        ("SendAnswer", send(java(&lab), "mode=plain&eventId=E").await),
        ("DeliveredStatus", crate::support::final_status(java(&lab), &request_id).await),
        ("Problem", send(java(&lab), "mode=wrong&eventId=E").await),
        ("ProbeAnswer", get(java(&lab), "/readyz").await),
        ("AcceptedAnswer", accepted),
    ] {
        assert_eq!(answer.members().into_iter().collect::<BTreeSet<_>>(), members(schema), "{schema}");
    }
}

// Each query parameter's words in the document are those that the parser takes, and each member and parameter is explained.
#[tokio::test(flavor = "multi_thread")]
async fn parameters_name_their_allowed_values_and_everything_is_explained() {
    let lab = started(settings()).await;
    let document = get(java(&lab), "/openapi.json").await.json();
    let parameters = document["paths"]["/api/v1/send"]["post"]["parameters"].as_array().unwrap();
    let parameter = |name: &str| parameters.iter().find(|parameter| parameter["name"] == name).unwrap();

    for (name, words) in [("mode", 2), ("sendMode", 4), ("acks", 3), ("partitioner", 4), ("keyless", 2)] {
        let words_of: Vec<&str> = parameter(name)["schema"]["enum"]
            .as_array()
            .unwrap()
            .iter()
            .map(|word| word.as_str().unwrap())
            .collect();
        assert_eq!(words_of.len(), words, "{name}");
        for word in words_of {
            let mode = if name == "mode" { String::new() } else { "mode=plain&".to_owned() };
            let answer = send(java(&lab), &format!("{mode}{name}={word}&eventId=E")).await;
            assert!(answer.status < 300, "{name}={word}: {answer:?}");
        }
    }
    for (path, method, operation) in operations(&document) {
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}");
        for parameter in operation["parameters"].as_array().unwrap() {
            assert!(
                parameter["description"].as_str().is_some_and(|text| !text.is_empty()),
                "{path} {parameter}"
            );
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for (member, schema) in schema["properties"].as_object().into_iter().flatten() {
            let is_explained = schema["description"].as_str().is_some_and(|text| !text.is_empty())
                || schema["oneOf"]
                    .as_array()
                    .is_some_and(|parts| parts.iter().any(|part| part["description"].is_string()));
            assert!(is_explained, "{name}.{member} has no description: {schema}");
        }
    }
}

// The pages must work in a class room without a network, under a policy that lets nothing in from outside.
#[tokio::test(flavor = "multi_thread")]
async fn the_pages_come_from_the_program_under_a_strict_policy() {
    let lab = started(settings()).await;

    for path in ["/docs", "/docs/", "/swagger"] {
        let answer = get(java(&lab), path).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/docs/index.html")), "{path}");
    }
    for path in ["/docs/index.html", "/swagger/index.html"] {
        let page = get(java(&lab), path).await;
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html")), "{path}");
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    }
    for asset in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-initializer.js"] {
        assert_eq!(get(java(&lab), &format!("/docs/{asset}")).await.status, 200, "{asset}");
    }
    let missing = get(java(&lab), "/docs/../../etc/passwd").await;
    assert_eq!((missing.status, missing.problem().as_str()), (404, "not-found"));
}
