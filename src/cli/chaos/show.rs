//! How proxies and toxics are printed.
//!
//! **Why like `toxiproxy-cli`.** Its users read it at a glance: a table of proxies, then per stream the toxics with
//! `name: type=… toxicity=… attributes=[ … ]`. Neighbours: the verbs of [`crate::cli::chaos`]. Not here: `--json`, which
//! prints what the server said.

use serde_json::Value;

use crate::cli::output;

/// A table of all proxies.
pub(crate) fn proxies(proxies: &Value) -> Vec<String> {
    let all: Vec<&Value> = proxies.as_object().map(|all| all.values().collect()).unwrap_or_default();
    if all.is_empty() {
        return vec![
            "no proxies; `facteur chaos create NAME -l HOST:PORT -u HOST:PORT` makes one".to_owned(),
        ];
    }
    let heads = ["Name", "Listen", "Upstream", "Enabled", "Toxics"].map(str::to_owned).to_vec();
    let rows = all.iter().map(|proxy| {
        vec![
            text(proxy, "name"),
            text(proxy, "listen"),
            text(proxy, "upstream"),
            if is_enabled(proxy) { "yes".to_owned() } else { "no".to_owned() },
            proxy.get("toxics").and_then(Value::as_array).map_or(0, Vec::len).to_string(),
        ]
    });
    output::table(std::iter::once(heads).chain(rows).collect())
}

/// One proxy and its toxics.
pub(crate) fn proxy(proxy: &Value) -> Vec<String> {
    let state = if is_enabled(proxy) { "enabled" } else { "disabled" };
    let (name, listen, upstream) = (text(proxy, "name"), text(proxy, "listen"), text(proxy, "upstream"));
    let mut lines = vec![format!("{name} ({state}): {listen} -> {upstream}")];
    let toxics = proxy.get("toxics").and_then(Value::as_array).cloned().unwrap_or_default();
    for stream in ["upstream", "downstream"] {
        lines.push(format!("{stream} toxics:"));
        let before = lines.len();
        let own = toxics.iter().filter(|toxic| text(toxic, "stream").eq_ignore_ascii_case(stream));
        lines.extend(own.map(|one| format!("  {}", toxic(one))));
        if lines.len() == before {
            lines.push("  none".to_owned());
        }
    }
    lines
}

/// One toxic on one line.
pub(crate) fn toxic(toxic: &Value) -> String {
    let attributes = toxic.get("attributes").and_then(Value::as_object).map(|attributes| {
        attributes
            .iter()
            .map(|(name, value)| format!("{name}={}", plain(value)))
            .collect::<Vec<_>>()
            .join(" ")
    });
    let toxicity = toxic.get("toxicity").and_then(Value::as_f64).unwrap_or(1.0);
    let attributes = attributes.unwrap_or_default();
    format!(
        "{}: type={} stream={} toxicity={toxicity:.2} attributes=[ {attributes} ]",
        text(toxic, "name"),
        text(toxic, "type"),
        text(toxic, "stream")
    )
}

/// Whether the proxy listens; servers that do not say so do.
pub(crate) fn is_enabled(proxy: &Value) -> bool {
    proxy.get("enabled").and_then(Value::as_bool).unwrap_or(true)
}

/// A member as text.
pub(crate) fn text(value: &Value, member: &str) -> String {
    value.get(member).map(plain).unwrap_or_default()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    // Fails if a column is not as wide as its widest cell, or if a proxy's toxics are not counted.
    #[test]
    fn proxies_stand_in_columns() {
        let all = json!({
            "kafka": {"name": "kafka", "listen": "127.0.0.1:29093", "upstream": "kafka:29092", "enabled": true, "toxics": [{}]},
            "z": {"name": "z", "listen": "a:1", "upstream": "b:2", "enabled": false, "toxics": []},
        });
        assert_eq!(
            proxies(&all),
            [
                "Name   Listen           Upstream     Enabled  Toxics",
                "kafka  127.0.0.1:29093  kafka:29092  yes      1",
                "z      a:1              b:2          no       0",
            ]
        );
    }

    // Fails if a toxic is shown under the other stream, or its attributes get lost.
    #[test]
    fn a_proxy_shows_its_toxics_by_stream() {
        let one = json!({"name": "p", "listen": "a:1", "upstream": "b:2", "enabled": false, "toxics": [
            {"name": "x", "type": "latency", "stream": "downstream", "toxicity": 0.5,
             "attributes": {"latency": 5000, "jitter": 0}}]});
        assert_eq!(
            proxy(&one),
            [
                "p (disabled): a:1 -> b:2",
                "upstream toxics:",
                "  none",
                "downstream toxics:",
                "  x: type=latency stream=downstream toxicity=0.50 attributes=[ jitter=0 latency=5000 ]",
            ]
        );
    }
}
