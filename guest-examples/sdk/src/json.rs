//! JSON with secrets in it, and the messages in JSON of others: [`JsonObject`], [`messages`].

use crate::fields::Entered;
use crate::http::{Document, Part};
use crate::text::one_line;
use serde_json::Value;

/// A JSON object in pieces, so that the host can put secrets in. Who writes a key twice gets it twice.
#[derive(Debug)]
pub struct JsonObject<'a, S> {
    parts: Vec<Part<'a, S>>,
}

impl<S> Default for JsonObject<'_, S> {
    fn default() -> Self {
        Self { parts: Vec::new() }
    }
}

impl<'a, S> JsonObject<'a, S> {
    /// A member that is a string.
    #[must_use]
    pub fn text(self, key: &str, text: &str) -> Self {
        self.member(key, [Part::Text(quoted(text))])
    }

    /// A member that is JSON already.
    #[must_use]
    pub fn json(self, key: &str, json: &str) -> Self {
        self.member(key, [Part::Text(json.to_owned())])
    }

    /// A member that is a string, sensitive or not.
    #[must_use]
    pub fn entered(self, key: &str, value: Entered<'a, S>) -> Self {
        match value.text() {
            Ok(text) => self.text(key, &text),
            Err(secret) => self.string(key, Part::SecretInJson(secret)),
        }
    }

    /// A member that is a string with the document of the run in base64, which needs no escapes.
    #[must_use]
    pub fn document(self, key: &str, document: Document) -> Self {
        self.string(key, Part::RunDocument(Document { base64: true, ..document }))
    }

    /// A member that is an object.
    #[must_use]
    pub fn object(self, key: &str, object: Self) -> Self {
        self.member(key, object.finish())
    }

    /// The pieces.
    pub fn finish(mut self) -> Vec<Part<'a, S>> {
        self.push(Part::Text(if self.parts.is_empty() { "{}" } else { "}" }.to_owned()));
        self.parts
    }

    fn string(self, key: &str, content: Part<'a, S>) -> Self {
        let quote = || Part::Text("\"".to_owned());
        self.member(key, [quote(), content, quote()])
    }

    fn member(mut self, key: &str, value: impl IntoIterator<Item = Part<'a, S>>) -> Self {
        let before = if self.parts.is_empty() { '{' } else { ',' };
        self.push(Part::Text(format!("{before}{}:", quoted(key))));
        for part in value {
            self.push(part);
        }
        self
    }

    /// Texts that follow each other become one.
    fn push(&mut self, part: Part<'a, S>) {
        match (self.parts.last_mut(), part) {
            (Some(Part::Text(last)), Part::Text(text)) => last.push_str(&text),
            (_, part) => self.parts.push(part),
        }
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// What a service says about an error in its JSON: the texts of `message`, `error`, `error_description` and `errors`, which may be
/// strings, lists or objects. Empty if there are none. On one line, and not too long for people.
pub fn messages(body: &[u8]) -> String {
    let Ok(Value::Object(answer)) = serde_json::from_slice::<Value>(body) else {
        return String::new();
    };
    let mut found = Vec::new();
    for key in ["message", "error", "error_description", "errors"] {
        if let Some(value) = answer.get(key) {
            collect("", value, &mut found);
        }
    }
    found.dedup();
    one_line(&found.join("; "), 500)
}

/// Nested as deep as the parser lets it be.
fn collect(path: &str, value: &Value, found: &mut Vec<String>) {
    const MOST: usize = 20;
    let full = found.len() >= MOST;
    match value {
        _ if full => {}
        Value::Array(items) => items.iter().for_each(|item| collect(path, item, found)),
        Value::Object(members) => {
            for (key, value) in members {
                // `base` and `message` say where the texts are, not what they are about.
                let is_plain = matches!(key.as_str(), "base" | "message");
                collect(if is_plain { path } else { key }, value, found);
            }
        }
        Value::String(text) if text.trim().is_empty() => {}
        Value::String(text) if path.is_empty() => found.push(text.trim().to_owned()),
        Value::String(text) => found.push(format!("{path}: {}", text.trim())),
        Value::Bool(_) | Value::Null | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_apart_from_the_text_around_them() {
        let inputs = JsonObject::default()
            .entered("a\"b", Entered::Text("c\nd"))
            .entered("n", Entered::Json("12345678901234567890"))
            .entered("s", Entered::Secret(&1))
            .document("d", Document::default());
        let parts = JsonObject::default()
            .text("ref", "main")
            .object("inputs", inputs)
            .object("none", JsonObject::default())
            .json("flag", "true")
            .finish();
        let text = |text: &str| Part::Text(text.to_owned());
        let document = Document { base64: true, ..Document::default() };
        assert_eq!(
            parts,
            [
                text(r#"{"ref":"main","inputs":{"a\"b":"c\nd","n":"12345678901234567890","s":""#),
                Part::SecretInJson(&1),
                text(r#"","d":""#),
                Part::RunDocument(document),
                text(r#""},"none":{},"flag":true}"#),
            ]
        );
    }

    #[test]
    fn messages_are_found_in_every_form() {
        for (body, expected) in [
            (r#"{"message":"404 Project Not Found"}"#, "404 Project Not Found"),
            (r#"{"message":{"base":["a","b"]}}"#, "a; b"),
            (r#"{"message":{"ref":["is missing"],"token":{"x":"y"}}}"#, "ref: is missing; x: y"),
            (r#"{"message":["a",["b",{"base":"c"}]]}"#, "a; b; c"),
            (r#"{"error":"e","error_description":"d\nd"}"#, "e; d d"),
            (r#"{"message":"m","errors":[{"message":"n","code":1}]}"#, "m; n"),
            (r#"{"message":null,"x":"y"}"#, ""),
            ("[\"a\"]", ""),
            ("<html>Sign in</html>", ""),
            ("", ""),
        ] {
            assert_eq!(messages(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn messages_are_bounded() {
        let nested = format!("{{\"message\":{}{}}}", "[".repeat(500), "]".repeat(500));
        assert_eq!(messages(nested.as_bytes()), "");
        let long = format!("{{\"message\":[{}\"x\"]}}", "\"yyyyyyyyyy\",\"z\",".repeat(10_000));
        assert!(messages(long.as_bytes()).len() <= 500);
    }
}
