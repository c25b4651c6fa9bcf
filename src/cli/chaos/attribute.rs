//! `NAME=VALUE` on the command line.
//!
//! **Why names matter.** `latency=1000` must become a number and `topic=1000` a text, or the injector refuses or misreads
//! it. Neighbours: `chaos add` and `chaos update`. Not here: which attributes a toxic has, which the injector knows.

use serde_json::{Map, Value, json};

/// One attribute.
///
/// # Errors
/// What is missing.
pub(crate) fn parse(text: &str) -> Result<(String, Value), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("{text:?} has no '='; expected NAME=VALUE"))?;
    let name = name.trim();
    if name.is_empty() {
        return Err(format!("{text:?} has no name before '='; expected NAME=VALUE"));
    }
    Ok((name.to_owned(), typed(name, value)))
}

/// A probability.
///
/// # Errors
/// What was expected.
pub(crate) fn parse_toxicity(text: &str) -> Result<f64, String> {
    let toxicity = text.parse::<f64>().ok().filter(|toxicity| (0.0..=1.0).contains(toxicity));
    toxicity.ok_or_else(|| format!("{text:?} is no probability; expected a number from 0 to 1, such as 0.5"))
}

/// All of them; of a name that comes twice the last counts.
pub(crate) fn object(attributes: Vec<(String, Value)>) -> Value {
    Value::Object(attributes.into_iter().collect::<Map<String, Value>>())
}

fn typed(name: &str, value: &str) -> Value {
    if TEXTS.contains(&name) {
        return json!(value);
    }
    match (value.parse::<i64>(), value.parse::<f64>(), value) {
        (Ok(number), _, _) => json!(number),
        (Err(_), Ok(number), _) if number.is_finite() => json!(number),
        (_, _, "true") => json!(true),
        (_, _, "false") => json!(false),
        (Err(_), Err(_) | Ok(_), _) => json!(value),
    }
}

/// Attributes that are texts whatever they look like.
const TEXTS: [&str; 5] = ["api", "topic", "clientId", "code", "on"];

#[cfg(test)]
mod tests {
    use super::*;

    // Fails if a topic called 1000 would be sent as a number, or a latency as a text.
    #[test]
    fn values_have_the_type_that_the_injector_wants() {
        assert_eq!(parse("latency=1000"), Ok(("latency".to_owned(), json!(1000))));
        assert_eq!(parse("topic=1000"), Ok(("topic".to_owned(), json!("1000"))));
        assert_eq!(parse("count=-1"), Ok(("count".to_owned(), json!(-1))));
        assert_eq!(parse("x=a=b"), Ok(("x".to_owned(), json!("a=b"))));
        assert!(parse("latency").is_err());
        assert!(parse("=1").is_err());
    }

    // Fails if a probability beyond 1 were sent.
    #[test]
    fn a_toxicity_is_a_probability() {
        assert_eq!(parse_toxicity("0.25"), Ok(0.25));
        for wrong in ["1.5", "-1", "NaN", "half"] {
            assert!(parse_toxicity(wrong).is_err(), "{wrong}");
        }
    }
}
