//! The admin API of a Toxiproxy, as a client sees it.
//!
//! **Why plain JSON values.** The answers are printed, and a newer server's members must not be lost on the way. **Why POST
//! for changes:** every version takes it, PATCH only newer ones (spec/reliability.md 7.3). Neighbours: the verbs of
//! [`crate::cli::chaos`]. Not here: the injector itself.

use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::cli::exit::{Exit, Failure};
use crate::cli::http::{HttpAnswer, HttpClient};

/// One server.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    client: HttpClient,
    url: String,
}

/// A toxic that is to be.
#[derive(Debug, Clone)]
pub(crate) struct ToxicSpec {
    pub(crate) type_name: String,
    /// The server's choice if absent: `<type>_<stream>`.
    pub(crate) name: Option<String>,
    pub(crate) stream: &'static str,
    pub(crate) toxicity: f64,
    pub(crate) attributes: Value,
}

impl Admin {
    pub(crate) fn new(url: &str, timeout: Duration) -> Self {
        let url = url.trim_end_matches('/');
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        Self { client: HttpClient::new(timeout), url }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// JSON from 2.6 on; older servers answer with the bare text.
    pub(crate) async fn version(&self) -> Result<Value, Failure> {
        let url = format!("{}/version", self.url);
        let answer = self.call(Method::GET, &url, None).await?;
        Ok(answer.json().unwrap_or_else(|_| json!({"version": answer.text().trim()})))
    }

    pub(crate) async fn proxies(&self) -> Result<Value, Failure> {
        self.ask(Method::GET, "/proxies", None).await
    }

    pub(crate) async fn proxy(&self, proxy: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, &proxy_path(proxy), None).await
    }

    pub(crate) async fn create(&self, proxy: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, "/proxies", Some(proxy)).await
    }

    pub(crate) async fn change(&self, proxy: &str, change: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, &proxy_path(proxy), Some(change)).await
    }

    pub(crate) async fn delete(&self, proxy: &str) -> Result<(), Failure> {
        self.ask(Method::DELETE, &proxy_path(proxy), None).await.map(drop)
    }

    pub(crate) async fn add(&self, proxy: &str, toxic: &ToxicSpec) -> Result<Value, Failure> {
        let mut body = json!({
            "type": toxic.type_name,
            "stream": toxic.stream,
            "toxicity": toxic.toxicity,
            "attributes": toxic.attributes,
        });
        if let (Some(name), Some(members)) = (&toxic.name, body.as_object_mut()) {
            members.insert("name".to_owned(), json!(name));
        }
        self.ask(Method::POST, &format!("{}/toxics", proxy_path(proxy)), Some(&body)).await
    }

    pub(crate) async fn toxic(&self, proxy: &str, toxic: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, &toxic_path(proxy, toxic), None).await
    }

    pub(crate) async fn update(&self, proxy: &str, toxic: &str, change: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, &toxic_path(proxy, toxic), Some(change)).await
    }

    pub(crate) async fn remove(&self, proxy: &str, toxic: &str) -> Result<(), Failure> {
        self.ask(Method::DELETE, &toxic_path(proxy, toxic), None).await.map(drop)
    }

    pub(crate) async fn reset(&self) -> Result<(), Failure> {
        self.ask(Method::POST, "/reset", None).await.map(drop)
    }

    /// Asks; the body's JSON, null if there is none.
    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.url);
        let answer = self.call(method, &url, body).await?;
        self.success(&url, &answer)
    }

    async fn call(&self, method: Method, url: &str, body: Option<&Value>) -> Result<HttpAnswer, Failure> {
        let bytes = body.map(|body| Bytes::from(body.to_string()));
        let answer = self.client.call(method, url, bytes).await.map_err(|error| {
            let message = format!(
                "no fault injector answers at {}: {}. `facteur serve` starts one; name another with --url URL or \
                 TOXIPROXY_URL",
                self.url, error.reason
            );
            Failure::new(Exit::CannotConnect, message)
        })?;
        if let Some(warning) = answer.headers.get("x-lab-warning").and_then(|value| value.to_str().ok()) {
            eprintln!("facteur: warning: {warning}");
        }
        if answer.status.is_success() { Ok(answer) } else { Err(refusal(url, &answer)) }
    }

    fn success(&self, url: &str, answer: &HttpAnswer) -> Result<Value, Failure> {
        if answer.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Null);
        }
        answer.json().map_err(|error| {
            let message = format!("{url}: {error}. Is {} the admin API of a Toxiproxy?", self.url);
            Failure::new(Exit::CheckFailed, message)
        })
    }
}

/// What the server said, and what to do about it.
fn refusal(url: &str, answer: &HttpAnswer) -> Failure {
    let said = answer.json().ok().and_then(|body| {
        let text = body.get("error").or_else(|| body.get("detail")).or_else(|| body.get("title"))?;
        text.as_str().map(str::to_owned)
    });
    let said = said.unwrap_or_else(|| answer.text().trim().chars().take(MOST_CHARACTERS).collect());
    let hint = match (answer.status, said.as_str()) {
        (StatusCode::NOT_FOUND, "proxy not found") => ". `facteur chaos list` shows those that there are",
        (StatusCode::NOT_FOUND, "toxic not found") => {
            ". `facteur chaos inspect PROXY` shows those that there are"
        }
        (StatusCode::CONFLICT, "toxic already exists") => {
            ". Remove it first, update it, or give another --name"
        }
        (StatusCode::CONFLICT, "proxy already exists") => ". Delete it first, or give another name",
        (StatusCode::BAD_REQUEST, "invalid toxic type") => {
            ". Of a real Toxiproxy only the types for bytes can be had; those for Kafka need `facteur serve`"
        }
        _ => "",
    };
    Failure::new(
        Exit::CheckFailed,
        format!("the injector answered {} at {url}: {said}{hint}", answer.status.as_u16()),
    )
}

fn proxy_path(proxy: &str) -> String {
    format!("/proxies/{}", escape(proxy))
}

fn toxic_path(proxy: &str, toxic: &str) -> String {
    format!("{}/toxics/{}", proxy_path(proxy), escape(toxic))
}

/// A name as one piece of a path: a slash or a blank in it must not make another address.
fn escape(name: &str) -> String {
    let mut path = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

/// Of an answer that is no JSON.
const MOST_CHARACTERS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    // Fails if a name with a slash asks for something else than it says.
    #[test]
    fn names_are_one_piece_of_the_path() {
        assert_eq!(toxic_path("kafka", "a/b c"), "/proxies/kafka/toxics/a%2Fb%20c");
        assert_eq!(proxy_path("é"), "/proxies/%C3%A9");
    }
}
