//! How `consume` prints a record.
//!
//! **Why three ways.** `-f` honours kcat's and rpk's tokens, `--print` the console consumer's exact shape, which the
//! course's pages show, and `--json` is for programs. Neighbours: [`crate::cli::consume`] reads. Not here: decoding of
//! keys and values; bytes go out as they are, in JSON as text or, where they are no UTF-8, as a
//! list of numbers.

use std::io::{self, Write};

use bytes::Bytes;
use serde::Serialize;

use crate::wire::api::fetch::FetchedPartition;
use crate::wire::record_batch_reader::{BatchView, RecordView};

/// A record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumedRecord {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// Milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// Whether the timestamp is the broker's.
    pub is_log_append_time: bool,
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// The headers.
    pub headers: Vec<(String, Option<Bytes>)>,
    /// The producer's id, or -1.
    pub producer_id: i64,
    /// The producer's epoch, or -1.
    pub producer_epoch: i16,
    /// The batch's first sequence, or -1.
    pub base_sequence: i32,
}

impl ConsumedRecord {
    /// A record of a fetched batch, with its place and its time: the batch's own where the broker stamped it.
    pub fn of(fetched: &FetchedPartition, batch: &BatchView, record: RecordView) -> Self {
        let is_log_append_time = batch.is_log_append_time();
        let timestamp_ms = if is_log_append_time {
            batch.max_timestamp_ms
        } else {
            batch.base_timestamp_ms.saturating_add(record.timestamp_delta_ms)
        };
        Self {
            topic: fetched.topic.clone(),
            partition: fetched.partition,
            offset: batch.base_offset.saturating_add(i64::from(record.offset_delta)),
            timestamp_ms,
            is_log_append_time,
            key: record.key,
            value: record.value,
            headers: record.headers,
            producer_id: batch.producer_id,
            producer_epoch: batch.producer_epoch,
            base_sequence: batch.base_sequence,
        }
    }
}

/// One way to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageFormat {
    /// A format string, taken apart.
    Tokens(Vec<Token>),
    /// The console consumer's properties.
    Console(ConsoleFields),
    /// One JSON object a line.
    Json,
}

/// A piece of a format string.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is named after what it prints; `-f`'s help lists them")]
pub enum Token {
    Text(Vec<u8>),
    Topic,
    Partition,
    Offset,
    Key,
    Value,
    Headers,
    Timestamp,
    ProducerId,
    ProducerEpoch,
    BaseSequence,
    KeyLength,
    ValueLength,
}

/// What the console consumer prints before the value, in its own order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "they are the console consumer's print.* switches, one each"
)]
pub struct ConsoleFields {
    /// `print.timestamp`
    pub timestamp: bool,
    /// `print.partition`
    pub partition: bool,
    /// `print.offset`
    pub offset: bool,
    /// `print.headers`
    pub headers: bool,
    /// `print.key`
    pub key: bool,
}

impl MessageFormat {
    /// Takes a format string apart.
    ///
    /// # Errors
    ///
    /// Names the token that does not exist.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut tokens = Vec::new();
        let mut literal = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '%' => {
                    let token = token(characters.next())?;
                    if let Token::Text(text) = token {
                        literal.extend(text);
                    } else {
                        push_literal(&mut tokens, &mut literal);
                        tokens.push(token);
                    }
                }
                '\\' => literal.push(escape(characters.next())?),
                other => literal.extend(other.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
        push_literal(&mut tokens, &mut literal);
        Ok(Self::Tokens(tokens))
    }

    /// The console consumer's shape with these fields (`partition,offset,key,timestamp,headers,value`).
    ///
    /// # Errors
    ///
    /// Names the field that does not exist.
    pub fn console(fields: &str) -> Result<Self, String> {
        let mut wanted = ConsoleFields::default();
        for field in fields.split(',').map(str::trim).filter(|field| !field.is_empty()) {
            match field {
                "timestamp" => wanted.timestamp = true,
                "partition" => wanted.partition = true,
                "offset" => wanted.offset = true,
                "headers" => wanted.headers = true,
                "key" => wanted.key = true,
                // It is always printed, as there.
                "value" => {}
                other => {
                    return Err(format!(
                        "{other:?} cannot be printed; expected timestamp, partition, offset, headers, key or value"
                    ));
                }
            }
        }
        Ok(Self::Console(wanted))
    }

    /// Prints a record.
    ///
    /// # Errors
    ///
    /// As `out`'s.
    pub fn write(&self, record: &ConsumedRecord, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Tokens(tokens) => tokens.iter().try_for_each(|token| write_token(token, record, out)),
            Self::Console(fields) => write_console(*fields, record, out),
            Self::Json => {
                serde_json::to_writer(&mut *out, &RecordLine::of(record))?;
                out.write_all(b"\n")
            }
        }
    }
}

fn push_literal(tokens: &mut Vec<Token>, literal: &mut Vec<u8>) {
    if !literal.is_empty() {
        tokens.push(Token::Text(std::mem::take(literal)));
    }
}

fn token(character: Option<char>) -> Result<Token, String> {
    Ok(match character {
        Some('t') => Token::Topic,
        Some('p') => Token::Partition,
        Some('o') => Token::Offset,
        Some('k') => Token::Key,
        Some('v' | 's') => Token::Value,
        Some('h') => Token::Headers,
        Some('d' | 'T') => Token::Timestamp,
        Some('x') => Token::ProducerId,
        Some('y') => Token::ProducerEpoch,
        Some('Q') => Token::BaseSequence,
        Some('K') => Token::KeyLength,
        Some('S') => Token::ValueLength,
        Some('%') => Token::Text(b"%".to_vec()),
        Some(other) => return Err(format!("the format has no %{other}; expected one of {TOKENS}")),
        None => return Err(format!("the format ends with a lone %; expected one of {TOKENS}")),
    })
}

fn escape(character: Option<char>) -> Result<u8, String> {
    match character {
        Some('n') => Ok(b'\n'),
        Some('t') => Ok(b'\t'),
        Some('r') => Ok(b'\r'),
        Some('0') => Ok(0),
        Some('\\') => Ok(b'\\'),
        Some(other) => Err(format!("the format has no \\{other}; expected \\n \\t \\r \\0 or \\\\")),
        None => Err("the format ends with a lone \\; write \\\\ for one".to_owned()),
    }
}

fn write_token(token: &Token, record: &ConsumedRecord, out: &mut impl Write) -> io::Result<()> {
    match token {
        Token::Text(text) => out.write_all(text),
        Token::Topic => out.write_all(record.topic.as_bytes()),
        Token::Partition => write!(out, "{}", record.partition),
        Token::Offset => write!(out, "{}", record.offset),
        Token::Key => out.write_all(record.key.as_deref().unwrap_or_default()),
        Token::Value => out.write_all(record.value.as_deref().unwrap_or_default()),
        Token::Headers => write_headers(record, '=', "", out),
        Token::Timestamp => write!(out, "{}", record.timestamp_ms),
        Token::ProducerId => write!(out, "{}", record.producer_id),
        Token::ProducerEpoch => write!(out, "{}", record.producer_epoch),
        Token::BaseSequence => write!(out, "{}", record.base_sequence),
        Token::KeyLength => write!(out, "{}", length(record.key.as_ref())),
        Token::ValueLength => write!(out, "{}", length(record.value.as_ref())),
    }
}

/// kcat's: -1 for null.
fn length(bytes: Option<&Bytes>) -> i64 {
    bytes.map_or(-1, |bytes| i64::try_from(bytes.len()).unwrap_or(i64::MAX))
}

fn write_headers(record: &ConsumedRecord, between: char, none: &str, out: &mut impl Write) -> io::Result<()> {
    if record.headers.is_empty() {
        return out.write_all(none.as_bytes());
    }
    for (index, (name, value)) in record.headers.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        write!(out, "{comma}{name}{between}")?;
        out.write_all(value.as_deref().unwrap_or(b"null"))?;
    }
    Ok(())
}

/// The order and the words are those of Kafka's `DefaultMessageFormatter`.
fn write_console(fields: ConsoleFields, record: &ConsumedRecord, out: &mut impl Write) -> io::Result<()> {
    if fields.timestamp {
        let kind = if record.is_log_append_time { "LogAppendTime" } else { "CreateTime" };
        write!(out, "{kind}:{}\t", record.timestamp_ms)?;
    }
    if fields.partition {
        write!(out, "Partition:{}\t", record.partition)?;
    }
    if fields.offset {
        write!(out, "Offset:{}\t", record.offset)?;
    }
    if fields.headers {
        write_headers(record, ':', "NO_HEADERS", out)?;
        out.write_all(b"\t")?;
    }
    if fields.key {
        out.write_all(record.key.as_deref().unwrap_or(b"null"))?;
        out.write_all(b"\t")?;
    }
    out.write_all(record.value.as_deref().unwrap_or(b"null"))?;
    out.write_all(b"\n")
}

/// A record, with `--json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordLine<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    timestamp: i64,
    key: Field<'a>,
    value: Field<'a>,
    headers: Vec<(&'a str, Field<'a>)>,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
}

/// Text where the bytes are UTF-8, else the bytes as numbers; null where there is none.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Field<'a> {
    None,
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    fn of(bytes: Option<&'a Bytes>) -> Self {
        match bytes.map(|bytes| (std::str::from_utf8(bytes), bytes)) {
            None => Self::None,
            Some((Ok(text), _)) => Self::Text(text),
            Some((Err(_), bytes)) => Self::Bytes(bytes),
        }
    }
}

impl<'a> RecordLine<'a> {
    fn of(record: &'a ConsumedRecord) -> Self {
        Self {
            topic: &record.topic,
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp_ms,
            key: Field::of(record.key.as_ref()),
            value: Field::of(record.value.as_ref()),
            headers: record
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), Field::of(value.as_ref())))
                .collect(),
            producer_id: record.producer_id,
            producer_epoch: record.producer_epoch,
            base_sequence: record.base_sequence,
        }
    }
}

const TOKENS: &str = "%t %p %o %k %v %s %h %d %x %y %Q %K %S %%";

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> ConsumedRecord {
        ConsumedRecord {
            topic: "orders".into(),
            partition: 2,
            offset: 5,
            timestamp_ms: 1_700_000_000_000,
            is_log_append_time: false,
            key: Some(Bytes::from_static(b"k")),
            value: None,
            headers: vec![("a".into(), Some(Bytes::from_static(b"1"))), ("b".into(), None)],
            producer_id: 7,
            producer_epoch: 1,
            base_sequence: 3,
        }
    }

    fn printed(format: Result<MessageFormat, String>) -> String {
        let mut out = Vec::new();
        format.unwrap().write(&record(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    // The course's pages show the console consumer's lines; theirs and ours are compared character by character.
    #[test]
    fn print_has_the_console_consumers_shape() {
        assert_eq!(
            printed(MessageFormat::console("offset,partition,key")),
            "Partition:2\tOffset:5\tk\tnull\n"
        );
        assert_eq!(
            printed(MessageFormat::console("value,timestamp,headers")),
            "CreateTime:1700000000000\ta:1,b:null\tnull\n"
        );
        assert!(MessageFormat::console("colour").unwrap_err().contains("colour"));
    }

    // Tokens are kcat's and rpk's; one that does not exist must be named, not printed.
    #[test]
    fn format_tokens_and_escapes_are_understood() {
        assert_eq!(
            printed(MessageFormat::parse("%t-%p@%o\\t%k=%v %h %d %x/%y/%Q %K %S 100%%\\n")),
            "orders-2@5\tk= a=1,b=null 1700000000000 7/1/3 1 -1 100%\n"
        );
        assert!(MessageFormat::parse("%z").unwrap_err().contains("%z"));
        assert!(MessageFormat::parse("a%").is_err());
        assert!(MessageFormat::parse("\\q").is_err());
    }

    // Bytes that are no text must survive a trip through JSON.
    #[test]
    fn json_has_text_bytes_and_null() {
        let mut record = record();
        record.key = Some(Bytes::from_static(&[0xff, 0]));
        let mut out = Vec::new();
        MessageFormat::Json.write(&record, &mut out).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();

        assert_eq!(value["key"], serde_json::json!([255, 0]));
        assert_eq!(value["value"], serde_json::Value::Null);
        assert_eq!(value["headers"][0], serde_json::json!(["a", "1"]));
    }
}
