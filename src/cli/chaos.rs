//! `facteur chaos`: drives a fault injector, ours or any Toxiproxy.
//!
//! **Why its own verbs.** The course uses `curl` and JSON; a student who wants to lose one answer should type
//! `drop-response`. The verbs and short flags are those of `toxiproxy-cli` where it has them, and every verb works against
//! a real Toxiproxy, but for the faults that know Kafka. Neighbours: [`admin`] asks, [`show`] prints, [`test_all`] tries
//! every fault, [`chaos_serve`] runs an injector. Not here: the injector itself, which is [`crate::chaos`].

mod admin;
mod attribute;
mod outage;
mod show;
mod test_all;
mod test_cases;
mod test_peer;

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::chaos::admin::{Admin, ToxicSpec};
use crate::cli::chaos_serve;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

/// Flags of `chaos`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ChaosArguments {
    /// The injector's admin API.
    #[arg(
        long,
        global = true,
        env = "TOXIPROXY_URL",
        default_value = "http://localhost:8474",
        value_name = "URL"
    )]
    url: String,
    /// How long to wait for an answer, in milliseconds.
    #[arg(long, global = true, default_value_t = 10_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    timeout_ms: u64,
    /// Print JSON, as the injector says it.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Action,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
enum Action {
    /// Runs the fault injector alone, until a signal comes.
    Serve(chaos_serve::ChaosServeArguments),
    /// Lists the proxies.
    #[command(visible_alias = "ls")]
    List,
    /// Shows one proxy and its toxics.
    Inspect {
        /// The proxy.
        #[arg(default_value = DEFAULT_PROXY)]
        proxy: String,
    },
    /// Creates a proxy.
    Create(CreateArguments),
    /// Deletes proxies; their connections are closed.
    Delete {
        /// The proxies.
        #[arg(required = true)]
        proxies: Vec<String>,
    },
    /// Disables a proxy that is enabled, enables one that is not.
    Toggle {
        /// The proxy.
        #[arg(default_value = DEFAULT_PROXY)]
        proxy: String,
    },
    /// Adds a toxic of any type.
    Add(AddArguments),
    /// Changes a toxic's attributes or toxicity; what is not named stays.
    Update(UpdateArguments),
    /// Removes toxics.
    #[command(visible_alias = "remove")]
    Rm {
        /// The proxy.
        proxy: String,
        /// The toxics.
        #[arg(required = true)]
        toxics: Vec<String>,
    },
    /// Enables every proxy and removes every toxic.
    Reset,
    /// Answers come later: lab 02.3.
    Latency {
        /// By how many milliseconds.
        #[arg(value_name = "MS", value_parser = clap::value_parser!(u64).range(..=MOST_MS))]
        latency_ms: u64,
        /// More or less by up to this many milliseconds.
        #[arg(long, default_value_t = 0, value_name = "MS", value_parser = clap::value_parser!(u64).range(..=MOST_MS))]
        jitter: u64,
        #[command(flatten)]
        target: Target,
    },
    /// The broker acts, its answer is lost and the connection closed: lab 02.4.
    DropResponse {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        target: Target,
    },
    /// The injector answers with an error; the broker does not see the request.
    ErrorResponse {
        /// Which error: a code or its name, such as `6` or `NOT_LEADER_OR_FOLLOWER`.
        #[arg(long, value_name = "CODE", allow_negative_numbers = true)]
        code: String,
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        target: Target,
    },
    /// The broker is gone: connections are closed and new ones refused.
    CrashBroker(outage::OutageArguments),
    /// The network is cut: nothing arrives, and nobody is told.
    Partition(outage::OutageArguments),
    /// Tries every type of fault on a scratch proxy of its own and prints what was seen.
    TestAll(test_all::TestAllArguments),
}

/// A proxy that is to be.
#[derive(Debug, Clone, Args)]
struct CreateArguments {
    /// Its name.
    name: String,
    /// Where it listens: HOST:PORT; port 0 takes a free one.
    #[arg(short, long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: String,
    /// Where it leads: HOST:PORT.
    #[arg(short, long, value_name = "ADDRESS")]
    upstream: String,
    /// Do not listen yet.
    #[arg(long)]
    disabled: bool,
    /// What its connections speak; a real Toxiproxy knows bytes only and ignores this.
    #[arg(long, value_name = "PROTOCOL", value_parser = ["auto", "kafka", "tcp"])]
    protocol: Option<String>,
}

/// A toxic of any type.
#[derive(Debug, Clone, Args)]
struct AddArguments {
    /// The proxy.
    proxy: String,
    /// The type, such as `latency`, `bandwidth`, `timeout`, `reset_peer`, `slicer` or `drop_response`.
    #[arg(short, long = "type", value_name = "TYPE")]
    type_name: String,
    /// Its name [default: type and stream, such as `latency_downstream`].
    #[arg(short, long)]
    name: Option<String>,
    /// On what the client sends.
    #[arg(long, conflicts_with = "downstream")]
    upstream: bool,
    /// On what the client receives (the default).
    #[arg(long)]
    downstream: bool,
    /// With which probability a connection is hit.
    #[arg(long, default_value_t = 1.0, value_name = "0..1", value_parser = attribute::parse_toxicity)]
    toxicity: f64,
    /// An attribute, such as latency=1000; may be repeated.
    #[arg(short, long = "attribute", value_name = "NAME=VALUE", value_parser = attribute::parse)]
    attributes: Vec<(String, Value)>,
}

/// A change of a toxic.
#[derive(Debug, Clone, Args)]
struct UpdateArguments {
    /// The proxy.
    proxy: String,
    /// The toxic.
    toxic: String,
    /// With which probability a connection is hit.
    #[arg(long, value_name = "0..1", value_parser = attribute::parse_toxicity)]
    toxicity: Option<f64>,
    /// An attribute, such as latency=1000; may be repeated.
    #[arg(short, long = "attribute", value_name = "NAME=VALUE", value_parser = attribute::parse)]
    attributes: Vec<(String, Value)>,
}

/// Which proxy a shortcut means.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// The proxy.
    #[arg(short, long, default_value = DEFAULT_PROXY)]
    pub(crate) proxy: String,
    /// The toxic's name [default: type and stream, such as `latency_downstream`].
    #[arg(short, long)]
    name: Option<String>,
}

/// Which requests a Kafka fault hits.
#[derive(Debug, Clone, Args)]
struct Filter {
    /// Only this API, by name or number; `any` for all.
    #[arg(long, default_value = "Produce", value_name = "API")]
    api: String,
    /// Only requests that name this topic.
    #[arg(long)]
    topic: Option<String>,
    /// Only this client's requests.
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// How often; -1 without end.
    #[arg(long, default_value_t = 1, allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-1..))]
    count: i64,
    /// How many matching requests pass first.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
    after: i64,
}

impl Filter {
    fn attributes(&self) -> Value {
        let mut attributes = json!({"count": self.count, "after": self.after});
        if let Some(members) = attributes.as_object_mut() {
            if !self.api.eq_ignore_ascii_case("any") {
                members.insert("api".to_owned(), json!(self.api));
            }
            if let Some(topic) = &self.topic {
                members.insert("topic".to_owned(), json!(topic));
            }
            if let Some(client_id) = &self.client_id {
                members.insert("clientId".to_owned(), json!(client_id));
            }
        }
        attributes
    }
}

/// Runs it.
///
/// # Errors
///
/// What is wrong with the command line, the injector or what it was asked.
///
/// # Cancel safety
///
/// Dropping the future may leave a question unanswered; `test-all` may leave its scratch proxy.
pub async fn run(arguments: ChaosArguments) -> Result<Exit, Failure> {
    let admin = Admin::new(&arguments.url, Duration::from_millis(arguments.timeout_ms));
    let is_json = arguments.json;
    match arguments.action {
        Action::Serve(wanted) => return Box::pin(chaos_serve::run(wanted, is_json)).await,
        Action::List => print(is_json, &admin.proxies().await?, show::proxies)?,
        Action::Inspect { proxy } => print(is_json, &admin.proxy(&proxy).await?, show::proxy)?,
        Action::Create(wanted) => create(&admin, &wanted, is_json).await?,
        Action::Delete { proxies } => {
            for proxy in &proxies {
                admin.delete(proxy).await?;
                done(is_json, &json!({"deleted": proxy}), &format!("deleted proxy {proxy}"))?;
            }
        }
        Action::Toggle { proxy } => {
            let is_enabled = show::is_enabled(&admin.proxy(&proxy).await?);
            let answer = admin.change(&proxy, &json!({"enabled": !is_enabled})).await?;
            let state = if is_enabled { "disabled: connections are refused" } else { "enabled" };
            done(is_json, &answer, &format!("proxy {proxy} is now {state}"))?;
        }
        Action::Add(wanted) => {
            let toxic = ToxicSpec {
                type_name: wanted.type_name,
                name: wanted.name,
                stream: if wanted.upstream { "upstream" } else { "downstream" },
                toxicity: wanted.toxicity,
                attributes: attribute::object(wanted.attributes),
            };
            add(&admin, &wanted.proxy, &toxic, is_json).await?;
        }
        Action::Update(wanted) => update(&admin, wanted, is_json).await?,
        Action::Rm { proxy, toxics } => {
            for toxic in &toxics {
                admin.remove(&proxy, toxic).await?;
                done(is_json, &json!({"removed": toxic}), &format!("removed {toxic} from proxy {proxy}"))?;
            }
        }
        Action::Reset => {
            admin.reset().await?;
            done(is_json, &json!({"reset": true}), "every proxy is enabled, every toxic removed")?;
        }
        Action::Latency { latency_ms, jitter, target } => {
            let attributes = json!({"latency": latency_ms, "jitter": jitter});
            add(&admin, &target.proxy, &shortcut("latency", &target, attributes), is_json).await?;
        }
        Action::DropResponse { filter, target } => {
            let toxic = shortcut("drop_response", &target, filter.attributes());
            add(&admin, &target.proxy, &toxic, is_json).await?;
        }
        Action::ErrorResponse { code, filter, target } => {
            let mut attributes = filter.attributes();
            if let Some(members) = attributes.as_object_mut() {
                members.insert("code".to_owned(), json!(code));
            }
            add(&admin, &target.proxy, &shortcut("error_response", &target, attributes), is_json).await?;
        }
        Action::CrashBroker(wanted) => outage::crash(&admin, &wanted, is_json).await?,
        Action::Partition(wanted) => outage::partition(&admin, &wanted, is_json).await?,
        Action::TestAll(wanted) => return test_all::run(&admin, &wanted, is_json).await,
    }
    Ok(Exit::Ok)
}

async fn create(admin: &Admin, wanted: &CreateArguments, is_json: bool) -> Result<(), Failure> {
    let mut proxy = json!({
        "name": wanted.name,
        "listen": wanted.listen,
        "upstream": wanted.upstream,
        "enabled": !wanted.disabled,
    });
    if let (Some(protocol), Some(members)) = (&wanted.protocol, proxy.as_object_mut()) {
        members.insert("protocol".to_owned(), json!(protocol));
    }
    let answer = admin.create(&proxy).await?;
    print(is_json, &answer, |proxy| {
        let state = if show::is_enabled(proxy) { "" } else { " (disabled)" };
        vec![format!(
            "created proxy {}: {} -> {}{state}",
            show::text(proxy, "name"),
            show::text(proxy, "listen"),
            show::text(proxy, "upstream")
        )]
    })
}

async fn add(admin: &Admin, proxy: &str, toxic: &ToxicSpec, is_json: bool) -> Result<(), Failure> {
    let answer = admin.add(proxy, toxic).await?;
    print(is_json, &answer, |answer| {
        let name = show::text(answer, "name");
        vec![
            format!("added to proxy {proxy}: {}", show::toxic(answer)),
            format!("remove it with: facteur chaos rm {proxy} {name}"),
        ]
    })
}

/// Toxiproxy before 2.2 replaces all attributes, later ones merge; sending all of them is right for both.
async fn update(admin: &Admin, wanted: UpdateArguments, is_json: bool) -> Result<(), Failure> {
    if wanted.attributes.is_empty() && wanted.toxicity.is_none() {
        return Err(Failure::usage("nothing to change: give --attribute NAME=VALUE or --toxicity 0..1"));
    }
    let current = admin.toxic(&wanted.proxy, &wanted.toxic).await?;
    let mut attributes = current.get("attributes").cloned().unwrap_or_else(|| json!({}));
    if let Some(members) = attributes.as_object_mut() {
        members.remove("fired");
        members.extend(wanted.attributes);
    }
    let toxicity =
        wanted.toxicity.map(|toxicity| json!(toxicity)).or_else(|| current.get("toxicity").cloned());
    let change = json!({"attributes": attributes, "toxicity": toxicity.unwrap_or_else(|| json!(1.0))});
    let answer = admin.update(&wanted.proxy, &wanted.toxic, &change).await?;
    print(is_json, &answer, |answer| vec![format!("changed: {}", show::toxic(answer))])
}

fn shortcut(type_name: &str, target: &Target, attributes: Value) -> ToxicSpec {
    ToxicSpec {
        type_name: type_name.to_owned(),
        name: target.name.clone(),
        stream: "downstream",
        toxicity: 1.0,
        attributes,
    }
}

/// What the injector said, as JSON or in lines.
fn print(is_json: bool, answer: &Value, lines: impl Fn(&Value) -> Vec<String>) -> Result<(), Failure> {
    if is_json {
        return output::json_line(answer);
    }
    lines(answer).iter().try_for_each(|line| output::line(line))
}

/// What was done, where the injector says nothing.
fn done(is_json: bool, value: &Value, sentence: &str) -> Result<(), Failure> {
    if is_json { output::json_line(value) } else { output::line(sentence) }
}

/// The course's proxy.
const DEFAULT_PROXY: &str = "kafka";
/// A day: what waits longer is a mistake in the unit.
const MOST_MS: u64 = 86_400_000;

const EXAMPLES: &str = "\
Examples:
  facteur chaos list
  facteur chaos latency 5000                          lab 02.3: every answer 5 s later
  facteur chaos rm kafka latency_downstream           and back
  facteur chaos drop-response --client-id lab-plain   lab 02.4: lose one answer to a Produce request
  facteur chaos error-response --code NOT_LEADER_OR_FOLLOWER --topic orders --count 3
  facteur chaos crash-broker --for 5000               down for 5 s, then up again
  facteur chaos partition                             nothing arrives; `partition --heal` ends it
  facteur chaos add kafka -t bandwidth -a rate=100 --upstream
  facteur chaos create redis -l 127.0.0.1:26379 -u 127.0.0.1:6379
  facteur chaos test-all --url http://localhost:8474  try every fault

Exit codes: 0 done, 1 the injector refused or a fault was not seen, 2 usage, 3 no injector answers.";
