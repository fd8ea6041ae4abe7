//! Where in a request a secret was: [`RecordedRequest::places_of`].

use std::fmt;

use data_encoding::BASE64;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::traffic::RecordedRequest;

/// A part of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// The body.
    Body,
    /// This header (in lower case).
    Header(String),
    /// The path or the query.
    Path,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body => f.write_str("body"),
            Self::Header(name) => write!(f, "header {name}"),
            Self::Path => f.write_str("path"),
        }
    }
}

impl<R> RecordedRequest<R> {
    /// Where the request holds this secret: as it is, percent-encoded, in strings of JSON, and in any base64 of those. A secret
    /// that is found only after decoding has still been sent.
    #[must_use]
    pub fn places_of(&self, secret: &str) -> Vec<Place> {
        let mut places = Vec::new();
        if holds(&self.path, secret) {
            places.push(Place::Path);
        }
        for (name, value) in &self.headers {
            if holds(value, secret) {
                places.push(Place::Header(name.clone()));
            }
        }
        if holds(&String::from_utf8_lossy(&self.body), secret) {
            places.push(Place::Body);
        }
        places
    }
}

fn holds(text: &str, secret: &str) -> bool {
    let is_in = |text: &str| text.contains(secret) || in_json(text, secret);
    let decoded = percent_decode_str(text).decode_utf8_lossy();
    is_in(text) || is_in(&decoded) || words(text).any(|word| in_base64(word, secret))
}

/// Everything that could be base64 of something.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_')))
}

/// Standard or for URLs, padded or not.
fn in_base64(word: &str, secret: &str) -> bool {
    let mut standard = word.replace('-', "+").replace('_', "/");
    while !standard.len().is_multiple_of(4) {
        standard.push('=');
    }
    let decoded = BASE64.decode(standard.as_bytes()).unwrap_or_default();
    let decoded = String::from_utf8_lossy(&decoded);
    !decoded.is_empty() && (decoded.contains(secret) || in_json(&decoded, secret))
}

/// In a string of a JSON document, where it may be escaped.
fn in_json(text: &str, secret: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|value| in_value(&value, secret))
}

fn in_value(value: &Value, secret: &str) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| in_value(item, secret)),
        Value::Object(map) => {
            map.iter().any(|(key, value)| key.contains(secret) || in_value(value, secret))
        }
        // JSON in JSON: a CODE input.
        Value::String(text) => text.contains(secret) || in_json_within(text, secret),
        _ => false,
    }
}

fn in_json_within(text: &str, secret: &str) -> bool {
    let is_nested = text.starts_with('{') || text.starts_with('[');
    (is_nested && in_json(text, secret)) || words(text).any(|word| in_base64(word, secret))
}

#[cfg(test)]
mod tests {
    use super::holds;
    use data_encoding::{BASE64, BASE64URL_NOPAD};
    use serde_json::json;

    const SECRET: &str = "s3cret \"&+\" word";

    #[test]
    fn a_secret_is_found_in_every_form() {
        let document = json!({"a": [{"b": SECRET}]}).to_string();
        let basic = format!("Basic {}", BASE64.encode(format!(":{SECRET}").as_bytes()));
        let nested = json!({"inputs": {"run": BASE64.encode(document.as_bytes())}}).to_string();
        let forms = [
            SECRET.to_owned(),
            document.clone(),
            basic,
            nested,
            BASE64URL_NOPAD.encode(document.as_bytes()),
            "/path?q=s3cret%20%22%26%2B%22%20word".to_owned(),
            json!({"code": document}).to_string(),
        ];
        for form in forms {
            assert!(holds(&form, SECRET), "{form}");
        }
        assert!(!holds("s3cret word", SECRET));
    }
}
