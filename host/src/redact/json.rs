//! Redaction of JSON that stays JSON.

use super::Redactor;
use std::borrow::Cow;

/// The JSON without secrets.
pub(super) fn redact<'t>(redactor: &Redactor, json: &'t str) -> Cow<'t, str> {
    if redactor.is_empty() {
        return Cow::Borrowed(json);
    }
    let mut redacted = String::with_capacity(json.len());
    let mut is_changed = false;
    let mut rest = json;
    while let Some((token, after)) = split_token(rest) {
        match redact_token(redactor, token) {
            Some(replacement) => {
                is_changed = true;
                redacted.push_str(&replacement);
            }
            None => redacted.push_str(token),
        }
        rest = after;
    }
    // A secret may be a document, or lie across escapes and values.
    if redactor.finds(&redacted) {
        let text = redactor.redact(&redacted);
        return Cow::Owned(string(&text));
    }
    if is_changed { Cow::Owned(redacted) } else { Cow::Borrowed(json) }
}

/// What replaces a token; nothing if it may stay.
fn redact_token(redactor: &Redactor, token: &str) -> Option<String> {
    if !token.starts_with('"') {
        return redactor.finds(token).then(|| string(&redactor.redact(token)));
    }
    // What is no Unicode (`"\ud800"`) is looked at as it is written.
    let text = serde_json::from_str(token).unwrap_or_else(|_| token.trim_matches('"').to_owned());
    redactor.finds(&text).then(|| string(&redactor.redact(&text)))
}

/// The next string, the next number or word, or the next character of another kind; and what is after it.
fn split_token(json: &str) -> Option<(&str, &str)> {
    let first = json.chars().next()?;
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let length = match first {
        '"' => string_length(json),
        c if is_word(c) => json.find(|c| !is_word(c)).unwrap_or(json.len()),
        other => other.len_utf8(),
    };
    json.split_at_checked(length)
}

/// Bytes of the string that `json` begins with, its quotes included.
fn string_length(json: &str) -> usize {
    let mut is_escaped = false;
    let end = json.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    end.map_or(json.len(), |end| end + 2)
}

fn string(text: &str) -> String {
    // `Value`'s Display is infallible JSON.
    serde_json::Value::from(text).to_string()
}
