//! A JSON value that is carried, not understood: [`Json`].

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// One JSON value exactly as it was received.
///
/// It is kept as text, since a parsed number would not be the same any more: `2^70` would lose digits, `1e400` would
/// become an error, `1.10` would become `1.1`. Whoever needs a number parses the text with the range they can handle.
///
/// `Debug` shows the length only: the value may be secret even where meshStack doesn't mark it.
///
/// The text is valid JSON by construction, but of any depth: parsing it again may fail (serde_json stops at depth 128).
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Takes JSON text as it is.
    ///
    /// # Errors
    /// [`InvalidJson`] if `text` is not exactly one JSON value.
    pub fn from_text(text: String) -> Result<Self, InvalidJson> {
        // `from_string` keeps white space around the value only in the text it rejects.
        RawValue::from_string(text).map(Self).map_err(|_| InvalidJson)
    }

    /// The value `null`.
    #[must_use]
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned())
    }

    /// A JSON string with this content.
    #[must_use]
    pub fn string(content: &str) -> Self {
        // `Value`'s Display is infallible JSON; should the impossible happen, `null` is a value that nobody mistakes.
        RawValue::from_string(serde_json::Value::from(content).to_string())
            .map_or_else(|_| Self::null(), Self)
    }

    /// The value as JSON text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// Whether this is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.text() == "null"
    }

    /// The content of a JSON string; `None` for every other type and for a string that is not Unicode (`"\ud800"`).
    #[must_use]
    pub fn as_string(&self) -> Option<String> {
        serde_json::from_str(self.text()).ok()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({} bytes)", self.text().len())
    }
}

impl PartialEq for Json {
    /// Compares the texts: `1.0` and `1.00` differ.
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Json {}

/// A text that is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one JSON value")]
pub struct InvalidJson;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_every_digit() {
        for text in ["1180591620717411303424", "1e400", "-0.10", "[1.10, 2E+99]"] {
            let value: Json = serde_json::from_str(text).unwrap();
            assert_eq!(value.text(), text);
            assert_eq!(serde_json::to_string(&value).unwrap(), text);
        }
    }

    #[test]
    fn only_strings_have_string_content() {
        assert_eq!(Json::string("a\"b\n").as_string().as_deref(), Some("a\"b\n"));
        for text in ["1", "null", "[\"a\"]", "\"\\ud800\""] {
            assert_eq!(Json::from_text(text.to_owned()).unwrap().as_string(), None, "{text}");
        }
    }

    #[test]
    fn text_that_is_not_one_value_is_refused() {
        for text in ["", "1 2", "{", "nul", "\"\u{1}\"", "01"] {
            assert_eq!(Json::from_text(text.to_owned()), Err(InvalidJson), "{text:?}");
        }
    }

    #[test]
    fn debug_hides_the_value() {
        assert_eq!(format!("{:?}", Json::string("hunter2")), "Json(9 bytes)");
    }
}
