//! The part of Toxiproxy's admin API that the labs use: proxies and their toxics.
//!
//! **Why over HTTP even for our own injector.** The course does it with `curl`, and so the same labs run against a real
//! Toxiproxy (where only the recipes without Kafka-aware toxics work, and the answer says so). Every toxic that was added
//! is remembered until it is removed, so that an interrupted lab leaves none behind ([`ToxicClient::heal`]). Neighbours:
//! [`super::experiment`], `labs/`. Not here: the injector, which is `crate::chaos`.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::cli::http::{HttpAnswer, HttpClient};
use crate::lab::runner::checkpoint::Stop;

/// The course's proxy.
pub const PROXY: &str = "kafka";

/// An injector's admin API.
#[derive(Debug, Clone)]
pub struct ToxicClient {
    base: String,
    http: HttpClient,
    /// Toxics that stand because of us.
    standing: Arc<Mutex<Vec<String>>>,
}

impl ToxicClient {
    /// Of a base URL.
    pub fn new(base: String, http: HttpClient) -> Self {
        Self { base, http, standing: Arc::default() }
    }

    /// Its base URL.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// All proxies, keyed by name.
    ///
    /// # Errors
    ///
    /// If the API does not answer as Toxiproxy's does.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future only abandons the question.
    pub async fn proxies(&self) -> Result<Value, Stop> {
        let answer = self.call(Method::GET, "/proxies", None).await?;
        read(&answer, "GET /proxies")
    }

    /// The toxics of the course's proxy.
    ///
    /// # Errors
    ///
    /// As [`Self::proxies`].
    ///
    /// # Cancel safety
    ///
    /// As [`Self::proxies`].
    pub async fn toxics(&self) -> Result<Vec<Value>, Stop> {
        let answer = self.call(Method::GET, &format!("/proxies/{PROXY}/toxics"), None).await?;
        let toxics = read(&answer, "GET /proxies/kafka/toxics")?;
        let Some(list) = toxics.as_array() else {
            return Err(Stop::new(format!("GET /proxies/kafka/toxics answered {toxics}, not a list")));
        };
        Ok(list.clone())
    }

    /// Adds a toxic downstream: it acts on the answers.
    ///
    /// # Errors
    ///
    /// If it is refused; a Toxiproxy without Kafka-aware toxics refuses `drop_response` with 400.
    ///
    /// # Cancel safety
    ///
    /// The toxic may stand; [`Self::heal`] removes it.
    pub async fn add(&self, name: &str, kind: &str, attributes: Value) -> Result<Value, Stop> {
        let body = json!({"name": name, "type": kind, "stream": "downstream", "toxicity": 1.0, "attributes": attributes});
        // Remembered first: if this future is dropped in between, the toxic may be there.
        self.lock().push(name.to_owned());
        let answer = self.call(Method::POST, &format!("/proxies/{PROXY}/toxics"), Some(&body)).await;
        let added = answer.and_then(|answer| read(&answer, &format!("adding the toxic {name}")));
        if added.is_err() {
            self.lock().retain(|standing| standing != name);
        }
        added
    }

    /// A toxic as it is now; `None` if there is none of this name.
    ///
    /// # Errors
    ///
    /// As [`Self::proxies`].
    ///
    /// # Cancel safety
    ///
    /// As [`Self::proxies`].
    pub async fn toxic(&self, name: &str) -> Result<Option<Value>, Stop> {
        let answer = self.call(Method::GET, &format!("/proxies/{PROXY}/toxics/{name}"), None).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        read(&answer, &format!("GET of the toxic {name}")).map(Some)
    }

    /// Removes a toxic; one that is gone already is as good.
    ///
    /// # Errors
    ///
    /// If the API does not answer.
    ///
    /// # Cancel safety
    ///
    /// The toxic may stand still; [`Self::heal`] removes it.
    pub async fn remove(&self, name: &str) -> Result<(), Stop> {
        let answer = self.call(Method::DELETE, &format!("/proxies/{PROXY}/toxics/{name}"), None).await?;
        if answer.status.is_success() || answer.status == StatusCode::NOT_FOUND {
            self.lock().retain(|standing| standing != name);
            return Ok(());
        }
        Err(refused(&answer, &format!("removing the toxic {name}")))
    }

    /// Switches the course's proxy off or on.
    ///
    /// # Errors
    ///
    /// If it is refused.
    ///
    /// # Cancel safety
    ///
    /// The proxy may be off; [`Self::heal`] switches it on.
    pub async fn enable(&self, is_enabled: bool) -> Result<(), Stop> {
        if !is_enabled {
            self.lock().push(DOWN.to_owned());
        }
        let body = json!({"enabled": is_enabled});
        let answer = self.call(Method::POST, &format!("/proxies/{PROXY}"), Some(&body)).await?;
        read(&answer, "switching the proxy kafka")?;
        if is_enabled {
            self.lock().retain(|standing| standing != DOWN);
        }
        Ok(())
    }

    /// Removes what still stands because of us; what cannot be removed is named.
    ///
    /// # Errors
    ///
    /// The first thing that could not be undone.
    ///
    /// # Cancel safety
    ///
    /// May be called again.
    pub async fn heal(&self) -> Result<(), Stop> {
        let standing = self.lock().clone();
        for name in standing {
            if name == DOWN {
                self.enable(true).await?;
            } else {
                self.remove(&name).await?;
            }
        }
        Ok(())
    }

    /// `GET /version`.
    ///
    /// # Errors
    ///
    /// As [`Self::proxies`].
    ///
    /// # Cancel safety
    ///
    /// As [`Self::proxies`].
    pub async fn version(&self) -> Result<Value, Stop> {
        let answer = self.call(Method::GET, "/version", None).await?;
        read(&answer, "GET /version")
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<HttpAnswer, Stop> {
        let body = body.map(|body| Bytes::from(body.to_string()));
        let answer = self.http.call(method, &format!("{}{path}", self.base), body).await;
        answer.map_err(|error| {
            Stop::new(format!(
                "the injector's API does not answer ({error}). Is it there? `facteur doctor` looks"
            ))
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often a Kafka-aware toxic has acted; `None` where the toxic does not say.
pub fn fired(toxic: &Value) -> Option<u64> {
    toxic.get("attributes")?.get("fired")?.as_u64()
}

fn read(answer: &HttpAnswer, what: &str) -> Result<Value, Stop> {
    if !answer.status.is_success() {
        return Err(refused(answer, what));
    }
    answer.json().map_err(|error| Stop::new(format!("{what}: {error}")))
}

fn refused(answer: &HttpAnswer, what: &str) -> Stop {
    let text = answer.text();
    let said = answer.json().ok().and_then(|json| Some(json.get("error")?.as_str()?.to_owned()));
    let said = said.unwrap_or_else(|| text.trim().chars().take(200).collect());
    Stop::new(format!("{what} was refused with {}: {said}", answer.status.as_u16()))
}

/// Stands for the proxy being off; no toxic can have this name, for it has a blank.
const DOWN: &str = "proxy down";
