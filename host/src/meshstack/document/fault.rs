//! What is wrong with a document, told without quoting it: [`DocumentError`].

use std::fmt::Write as _;

use serde_json::error::Category;

/// The longest piece of a document (a path, an unknown word) that is repeated in a message.
const QUOTE_MAX: usize = 200;

/// Something in a run's document is missing or wrong.
///
/// The values are left out (but for an unknown `behavior`), since they may be secrets in the wrong place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct DocumentError {
    /// Where: a JSON path such as `spec.buildingBlock.spec.inputs[2].key`, or `document`.
    path: String,
    /// What is wrong there.
    problem: String,
}

impl DocumentError {
    pub(super) fn new(path: &str, problem: impl Into<String>) -> Self {
        let path = if path.is_empty() || path == "." { "document" } else { path };
        Self { path: quote(path), problem: problem.into() }
    }

    pub(super) fn not_utf8() -> Self {
        Self::new("", "is not UTF-8")
    }

    /// Where the document is wrong.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Puts serde's message into our words.
    pub(super) fn from_json(path: &str, error: &serde_json::Error) -> Self {
        match error.classify() {
            Category::Data => Self::from_data(path, &error.to_string()),
            Category::Eof => Self::new("", "ends in the middle"),
            Category::Io | Category::Syntax => Self::new(
                "",
                format!("is not JSON, at line {}, column {}", error.line(), error.column()),
            ),
        }
    }

    /// serde's message may quote the value, so only the parts with a known form are taken out of it; of a form that
    /// we don't know nothing is.
    fn from_data(path: &str, message: &str) -> Self {
        // The name of a missing field is one of our own types' words.
        if let Some(field) = between(message, "missing field `", "`") {
            let path = if path.is_empty() || path == "." {
                field.to_owned()
            } else {
                format!("{path}.{field}")
            };
            return Self::new(&path, "is missing");
        }
        if let Some(field) = between(message, "duplicate field `", "`") {
            return Self::new(path, format!("has field `{field}` twice"));
        }
        let kind = ["invalid type: ", "invalid value: "]
            .iter()
            .find_map(|start| message.strip_prefix(start))
            .and_then(|rest| rest.split([' ', ',']).next())
            .filter(|kind| KINDS.contains(kind));
        match kind {
            Some(kind) => Self::new(path, format!("has the wrong type or range ({kind})")),
            None => Self::new(path, "is not what it should be"),
        }
    }
}

/// The first words of serde's descriptions of a value.
const KINDS: [&str; 9] =
    ["boolean", "floating", "integer", "map", "null", "number", "sequence", "string", "unit"];

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.strip_prefix(start)?.split_once(end).map(|(inner, _)| inner)
}

/// Makes foreign text fit for a message: bounded, control characters escaped.
pub(super) fn quote(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        if out.len() > QUOTE_MAX {
            out.push('…');
            break;
        }
        if character.is_control() {
            // Writing to a String can't fail.
            let _ = write!(out, "{}", character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}
