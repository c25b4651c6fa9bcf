//! `requests.http` in the repository's root: each of its requests, as an editor would send it (row 47).

use std::collections::BTreeMap;

use crate::support::{call, java, records, settings, started};

const FILE: &str = include_str!("../../requests.http");

/// One request of the file.
#[derive(Debug, Default)]
struct Request {
    title: String,
    name: Option<String>,
    expected: u16,
    method: String,
    url: String,
}

/// Variables of the file (`@name = value`) and its requests (from `###` on).
fn parse(file: &str) -> (BTreeMap<String, String>, Vec<Request>) {
    let (mut variables, mut requests) = (BTreeMap::new(), Vec::<Request>::new());
    for line in file.lines().map(str::trim) {
        if let Some(title) = line.strip_prefix("###") {
            requests.push(Request { title: title.trim().to_owned(), ..Request::default() });
        } else if let Some((name, value)) = line.strip_prefix('@').and_then(|rest| rest.split_once('=')) {
            variables.insert(name.trim().to_owned(), value.trim().to_owned());
        } else if let Some(comment) = line.strip_prefix('#').map(str::trim) {
            let Some(request) = requests.last_mut() else { continue };
            if let Some(status) = comment.strip_prefix("expect ") {
                request.expected = status.parse().unwrap();
            } else if let Some(name) = comment.strip_prefix("@name ") {
                request.name = Some(name.to_owned());
            }
        } else if let Some((method, url)) = line.split_once(' ') {
            let request = requests.last_mut().expect("a request after ###");
            assert!(request.url.is_empty(), "two requests below {:?}", request.title);
            (request.method, request.url) = (method.to_owned(), url.trim().to_owned());
        } else {
            assert!(line.is_empty(), "what is {line:?}?");
        }
    }
    (variables, requests)
}

fn filled(url: &str, variables: &BTreeMap<String, String>) -> String {
    let mut url = url.replace("{{$guid}}", "8e03978e-40d5-43e8-bc93-6894a57f9324");
    for (name, value) in variables {
        url = url.replace(&format!("{{{{{name}}}}}"), value);
    }
    assert!(!url.contains("{{"), "{url} names a variable that nobody sets");
    url
}

// The course names this file and never had it. A request that an editor would send in vain teaches the wrong thing.
#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_the_file_is_answered_as_it_says() {
    let lab = started(settings()).await;
    let (mut variables, requests) = parse(FILE);
    assert_eq!(requests.len(), 8);
    assert_eq!(variables["host"], "http://localhost:18080");

    for request in &requests {
        let url = filled(&request.url, &variables);
        let path = url.strip_prefix("http://localhost:18080").unwrap();

        let answer = call(java(&lab), &request.method, path, &[]).await;

        assert_eq!(answer.status, request.expected, "{}: {answer:?}", request.title);
        if let (Some(name), Some(members)) = (&request.name, answer.json_if_any().as_object()) {
            for (member, value) in
                members.iter().filter_map(|(member, value)| Some((member, value.as_str()?)))
            {
                variables.insert(format!("{name}.response.body.{member}"), value.to_owned());
            }
        }
    }

    while lab.shared().statuses.pending_count() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(records(&lab, "bhf-transactions", 3), 5);
}
