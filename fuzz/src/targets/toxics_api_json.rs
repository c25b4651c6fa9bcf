//! The injector's admin API under any JSON: an answer of the API's, never a defect, and its bounds hold.
//!
//! Input: a line with method and path, then the body. Nothing listens and nothing is dialled: what would open a port is
//! turned off in the body first, since a fuzzer must not choose addresses.

use std::cell::RefCell;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use facteur::chaos::api::{Admin, router};
use facteur::chaos::view::NewProxy;
use facteur::chaos::{Injector, InjectorOptions, UpstreamPolicy};
use serde_json::Value;
use tower::ServiceExt as _;

const LARGEST_ANSWER_BYTES: usize = 4 << 20;

thread_local! {
    static RUNTIME: RefCell<tokio::runtime::Runtime> = RefCell::new(
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"),
    );
}

/// Runs the target.
pub fn run(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let line = String::from_utf8_lossy(&data[..end]);
    let body = data.get(end + 1..).unwrap_or_default();
    let Some((method, path)) = line.split_once(' ') else { return };
    let Some(body) = tamed(path, body) else { return };
    RUNTIME.with_borrow(|runtime| runtime.block_on(call(method, path, body)));
}

/// The body with every proxy turned off; `None` if that cannot be told.
fn tamed(path: &str, body: &[u8]) -> Option<Vec<u8>> {
    if path.contains("/toxics") || !(path.starts_with("/proxies") || path.starts_with("/populate")) {
        return Some(body.to_vec());
    }
    // A JSON text that does not parse is refused; one that does is written again without a switch.
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return Some(body.to_vec()) };
    let proxies = match &mut value {
        Value::Array(several) => several.iter_mut().collect(),
        one => vec![one],
    };
    for proxy in proxies {
        if let Some(object) = proxy.as_object_mut() {
            object.retain(|name, _| !name.eq_ignore_ascii_case("enabled"));
            object.insert("enabled".to_owned(), Value::Bool(false));
            // A name would be looked up.
            for (name, value) in object.iter_mut() {
                let is_address = name.eq_ignore_ascii_case("listen") || name.eq_ignore_ascii_case("upstream");
                let host = value.as_str().and_then(|text| text.rsplit_once(':')).map(|(host, _)| host);
                if is_address && host.is_some_and(|host| host.chars().any(|c| c.is_alphabetic())) {
                    *value = Value::String("127.0.0.1:0".to_owned());
                }
            }
        }
    }
    serde_json::to_vec(&value).ok()
}

async fn call(method: &str, path: &str, body: Vec<u8>) {
    let injector = Injector::new(InjectorOptions {
        seed: 7,
        upstreams: UpstreamPolicy::LocalAnd(Vec::new()),
        ..InjectorOptions::default()
    });
    let proxy = NewProxy { enabled: false, ..NewProxy::new("kafka", "127.0.0.1:0", "127.0.0.1:9") };
    injector.create(proxy).await.expect("a proxy that is off");
    let admin = router(Arc::new(Admin { injector: injector.clone(), is_loopback_only: true }));
    let request = Request::builder().method(method).uri(path).header("host", "localhost");
    let Ok(request) = request.body(Body::from(body)) else { return };
    answered(admin.clone(), request).await;
    for proxy in injector.proxies() {
        // A reset turns on what is off: the one proxy, on a free port of this machine.
        assert!(!proxy.enabled || (path.starts_with("/reset") && proxy.listen.starts_with("127.0.0.1:")));
        assert!(proxy.toxics.len() <= 32, "{} toxics", proxy.toxics.len());
    }
    assert!(injector.proxies().len() <= 64);
    // Whatever was stored can be told again.
    for path in ["/proxies", "/proxies/kafka/toxics", "/metrics"] {
        let request = Request::get(path).header("host", "localhost").body(Body::empty()).expect("a request");
        answered(admin.clone(), request).await;
    }
}

async fn answered(admin: axum::Router, request: Request<Body>) {
    let told = format!("{request:?}");
    let answer = admin.oneshot(request).await.unwrap_or_else(|never| match never {});
    let status = answer.status();
    assert!(!status.is_server_error(), "{status} for {told}");
    let is_json = answer
        .headers()
        .get("content-type")
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let bytes = to_bytes(answer.into_body(), LARGEST_ANSWER_BYTES).await.expect("a bounded answer");
    if is_json && status != StatusCode::NO_CONTENT && !bytes.is_empty() {
        let _value: Value = serde_json::from_slice(&bytes).expect("an answer that says JSON is JSON");
    }
}
