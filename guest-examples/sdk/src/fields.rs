//! Named values and how they are read: [`Fields`].

use crate::bindings::Failure;
use crate::failure::failure;
use std::borrow::Cow;

/// The value of an input or of a setting.
#[derive(Debug)]
pub enum Entered<'a, S> {
    /// JSON text, numbers digit for digit.
    Json(&'a str),
    /// A sensitive one.
    Secret(&'a S),
    /// As it was entered.
    Text(&'a str),
}

impl<S> Clone for Entered<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Entered<'_, S> {}

impl<'a, S> Entered<'a, S> {
    /// Whether it was left out: `null`.
    pub fn is_null(self) -> bool {
        matches!(self, Self::Json(json) if json.trim() == "null")
    }

    /// What is not sensitive as a text: JSON strings without their quotes, everything else digit for digit.
    ///
    /// # Errors
    /// The secret.
    pub fn text(self) -> Result<Cow<'a, str>, &'a S> {
        match self {
            Self::Json(json) if json.trim_start().starts_with('"') => {
                let text = serde_json::from_str::<String>(json);
                Ok(text.map_or(Cow::Borrowed(json), Cow::Owned))
            }
            Self::Json(json) => Ok(Cow::Borrowed(json)),
            Self::Secret(secret) => Err(secret),
            Self::Text(text) => Ok(Cow::Borrowed(text)),
        }
    }
}

/// The fields of a definition's implementation. Absent, `null` and blank are the same.
#[derive(Debug)]
pub struct Fields<'a, S>(pub Vec<(&'a str, Entered<'a, S>)>);

impl<'a, S> Fields<'a, S> {
    /// A field as it is.
    pub fn value(&self, key: &str) -> Option<Entered<'a, S>> {
        let (_, value) = self.0.iter().find(|(name, _)| *name == key)?;
        let is_blank = match value {
            Entered::Json(json) => matches!(json.trim(), "null" | "\"\""),
            Entered::Secret(_) => false,
            Entered::Text(text) => text.trim().is_empty(),
        };
        (!is_blank).then_some(*value)
    }

    /// A text, trimmed. A whole number is one as well, digit for digit.
    ///
    /// # Errors
    /// If it is something else.
    pub fn text(&self, key: &str) -> Result<Option<&'a str>, Failure> {
        match self.value(key) {
            None => Ok(None),
            Some(Entered::Text(text)) => Ok(Some(text.trim())),
            Some(Entered::Json(json)) if is_whole_number(json) => Ok(Some(json)),
            Some(Entered::Json(_) | Entered::Secret(_)) => Err(wrong(key, "it must be a text")),
        }
    }

    /// As `text`, for one that must be there.
    ///
    /// # Errors
    /// If it is missing or something else.
    pub fn required(&self, key: &str) -> Result<&'a str, Failure> {
        self.text(key)?.ok_or_else(|| wrong(key, "it must not be empty"))
    }

    /// Whether something is wanted; not, unless it says so.
    ///
    /// # Errors
    /// If it is neither true nor false.
    pub fn flag(&self, key: &str) -> Result<bool, Failure> {
        match self.value(key) {
            None => Ok(false),
            Some(Entered::Json("true")) => Ok(true),
            Some(Entered::Json("false")) => Ok(false),
            Some(_) => Err(wrong(key, "it must be true or false")),
        }
    }

    /// A secret that must be there.
    ///
    /// # Errors
    /// If it is missing or was not encrypted.
    pub fn secret(&self, key: &str) -> Result<&'a S, Failure> {
        match self.value(key) {
            None => Err(wrong(key, "it must not be empty")),
            Some(Entered::Secret(secret)) => Ok(secret),
            Some(Entered::Json(_) | Entered::Text(_)) => Err(wrong(key, "it must be encrypted")),
        }
    }
}

fn is_whole_number(json: &str) -> bool {
    !json.is_empty() && json.bytes().all(|byte| byte.is_ascii_digit())
}

/// What is wrong with a field of the definition, for people.
pub(crate) fn wrong(key: &str, why: &str) -> Failure {
    failure(format!(
        "The field `{key}` of the building block's definition can't be used: {why}. Please ask the platform team to correct it."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(fields: &[(&'static str, Entered<'static, u8>)]) -> Fields<'static, u8> {
        Fields(fields.to_vec())
    }

    #[test]
    fn a_wrong_field_is_named() {
        for (key, value) in [
            ("text", Some(Entered::Json("[1]"))),
            ("text", Some(Entered::Json("1.5"))),
            ("text", Some(Entered::Secret(&1))),
            ("text", Some(Entered::Text(" "))),
            ("text", Some(Entered::Json("null"))),
            ("text", None),
        ] {
            let fields = fields(&value.map(|value| (key, value)).into_iter().collect::<Vec<_>>());
            assert!(fields.required(key).unwrap_err().message.contains("`text`"), "{value:?}");
        }
        let fields = fields(&[("flag", Entered::Text("yes")), ("secret", Entered::Text("plain"))]);
        assert!(fields.flag("flag").unwrap_err().message.contains("`flag`"));
        let message = fields.secret("secret").unwrap_err().message;
        assert!(message.contains("`secret`") && !message.contains("plain"));
        assert!(fields.secret("missing").unwrap_err().message.contains("`missing`"));
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let fields = fields(&[("a", Entered::Json("null")), ("b", Entered::Text(""))]);
        for key in ["a", "b", "c"] {
            assert!(fields.text(key).unwrap().is_none() && !fields.flag(key).unwrap());
        }
    }

    #[test]
    fn numbers_are_texts_digit_for_digit() {
        let fields = fields(&[("id", Entered::Json("12345678901234567890"))]);
        assert_eq!(fields.required("id").unwrap(), "12345678901234567890");
        for (json, text) in [("1.50", "1.50"), ("\"a\\n\"", "a\n"), ("[\"a\"]", "[\"a\"]")] {
            assert_eq!(Entered::<u8>::Json(json).text().unwrap(), text);
        }
    }
}
