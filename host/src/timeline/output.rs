//! Outputs of a block: typed values, sensitive ones never shown.

use crate::redact::Redactor;
use secrecy::{ExposeSecret, SecretString};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// How deep a value may be nested, and how long its numbers may be. Against a value that meshStack's parser refuses, and with it
/// the whole status of the run: common parsers stop at depths from 128 (serde_json) to 1000 and at 1000 digits.
const DEPTH_MAX: usize = 100;
const DIGITS_MAX: usize = 500;

/// An output of a block.
#[derive(Clone, Debug)]
pub struct Output {
    kind: OutputKind,
    content: OutputContent,
    /// Bytes of the value as the component gave it.
    size: usize,
}

/// The type of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputKind {
    /// `true` or `false`.
    Boolean,
    /// Structured text.
    Code,
    /// A whole number, of any size.
    Integer,
    /// Text.
    String,
}

/// The value of an output as JSON, digit for digit.
#[derive(Clone)]
pub enum OutputContent {
    /// May be shown.
    Plain(Box<RawValue>),
    /// Must not be shown.
    Sensitive(SecretString),
}

impl fmt::Debug for OutputContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(json) => f.debug_tuple("Plain").field(&json.get()).finish(),
            Self::Sensitive(_) => f.write_str("Sensitive([REDACTED])"),
        }
    }
}

/// An output that does not have the form of its type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOutput {
    /// The value is not JSON.
    #[error("the value is not JSON")]
    Json,
    /// The value is JSON that other programs refuse to read.
    #[error(
        "the value is nested deeper than {DEPTH_MAX} levels or has a number of more than {DIGITS_MAX} digits"
    )]
    Extreme,
    /// The key has the wrong form.
    #[error("an output's key must have 1 to 256 bytes without control characters")]
    Key,
    /// The value is JSON of another type.
    #[error("the value is not {0}")]
    Type(&'static str),
}

impl Output {
    /// An output whose value is text.
    ///
    /// # Errors
    /// [`InvalidOutput::Type`] if the type is not a text type.
    pub fn text(kind: OutputKind, text: &str, sensitive: bool) -> Result<Self, InvalidOutput> {
        let json = serde_json::to_string(text).map_err(|_| InvalidOutput::Json)?;
        Self::json(kind, &json, sensitive)
    }

    /// An output whose value is given as JSON.
    ///
    /// `null` fits no type: an output without a value is left out.
    ///
    /// # Errors
    /// [`InvalidOutput`] if it isn't JSON or not of the type. The value itself is never part of the error.
    pub fn json(kind: OutputKind, json: &str, sensitive: bool) -> Result<Self, InvalidOutput> {
        let raw: Box<RawValue> = serde_json::from_str(json).map_err(|_| InvalidOutput::Json)?;
        // SECURITY: walls::json_that_is_too_deep_to_be_read_again_is_not_taken
        if is_extreme(raw.get()) {
            return Err(InvalidOutput::Extreme);
        }
        check(kind, raw.get())?;
        let size = raw.get().len();
        let content = if sensitive {
            OutputContent::Sensitive(SecretString::from(raw.get()))
        } else {
            OutputContent::Plain(raw)
        };
        Ok(Self { kind, content, size })
    }

    /// The output without secrets, unless it is sensitive: those are for meshStack to hide.
    ///
    /// One whose type has no room for a replacement becomes sensitive: a number that holds a secret.
    pub(super) fn redacted(self, redactor: &Redactor) -> Self {
        let OutputContent::Plain(json) = &self.content else { return self };
        let Cow::Owned(redacted) = redactor.redact_json(json.get()) else { return self };
        let content = match RawValue::from_string(redacted) {
            Ok(redacted) if check(self.kind, redacted.get()).is_ok() => {
                OutputContent::Plain(redacted)
            }
            Ok(_) | Err(_) => OutputContent::Sensitive(SecretString::from(json.get())),
        };
        Self { content, ..self }
    }

    /// The type.
    #[must_use]
    pub fn kind(&self) -> OutputKind {
        self.kind
    }

    /// Whether the value must not be shown.
    #[must_use]
    pub fn is_sensitive(&self) -> bool {
        matches!(self.content, OutputContent::Sensitive(_))
    }

    /// The value as JSON; for sending it to meshStack only.
    #[must_use]
    pub fn expose(&self) -> &str {
        match &self.content {
            OutputContent::Plain(json) => json.get(),
            OutputContent::Sensitive(json) => json.expose_secret(),
        }
    }

    /// Bytes of the value as the component gave it.
    pub(super) fn size(&self) -> usize {
        self.size
    }
}

/// Whether valid JSON is deeper, or has longer numbers, than other programs read.
fn is_extreme(json: &str) -> bool {
    let [mut depth, mut digits] = [0_usize; 2];
    let [mut in_string, mut escaped] = [false; 2];
    for byte in json.bytes() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX || digits > DIGITS_MAX {
            return true;
        }
    }
    false
}

fn check(kind: OutputKind, json: &str) -> Result<(), InvalidOutput> {
    let fits = match kind {
        OutputKind::Boolean => matches!(json, "true" | "false"),
        OutputKind::Code => true,
        OutputKind::Integer => {
            let digits = json.strip_prefix('-').unwrap_or(json);
            !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
        }
        OutputKind::String => json.starts_with('"'),
    };
    if fits && json != "null" { Ok(()) } else { Err(InvalidOutput::Type(kind.name())) }
}

impl OutputKind {
    fn name(self) -> &'static str {
        match self {
            Self::Boolean => "a boolean",
            Self::Code => "code",
            Self::Integer => "an integer",
            Self::String => "a string",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_must_have_the_form_of_their_type() {
        use OutputKind::{Boolean, Code, Integer, String};
        for (kind, json) in [
            (Boolean, "true"),
            (Code, "[1, {\"a\": null}]"),
            (Integer, "-12"),
            (Integer, "340282366920938463463374607431768211456"),
            (String, "\"x\""),
        ] {
            let output = Output::json(kind, json, false).expect(json);
            assert_eq!(output.expose(), json, "digit for digit");
        }
        for (kind, json) in [
            (Boolean, "1"),
            (Boolean, "\"true\""),
            (Integer, "1.5"),
            (Integer, "1e3"),
            (Integer, "\"1\""),
            (String, "1"),
            (String, "null"),
            (Code, "null"),
            (Code, "not json"),
            (Code, ""),
            (Code, "1 2"),
        ] {
            assert!(Output::json(kind, json, false).is_err(), "{json}");
        }
    }

    #[test]
    fn deep_json_is_an_error_and_not_a_stack_overflow() {
        assert!(Output::json(OutputKind::Code, &"[".repeat(1_000_000), false).is_err());
    }

    #[test]
    fn closed_json_that_is_deep_or_has_a_long_number_is_refused() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let code = |json: &str| Output::json(OutputKind::Code, json, false);
        assert!(code(&nested(DEPTH_MAX)).is_ok());
        assert_eq!(code(&nested(DEPTH_MAX + 1)).unwrap_err(), InvalidOutput::Extreme);
        assert!(code(&"9".repeat(DIGITS_MAX)).is_ok());
        assert_eq!(code(&"9".repeat(DIGITS_MAX + 1)).unwrap_err(), InvalidOutput::Extreme);
        let text = serde_json::to_string(&"[\\\"[9".repeat(1_000)).unwrap();
        assert!(code(&text).is_ok(), "within a string they mean nothing");
    }

    #[test]
    fn a_sensitive_value_is_not_in_debug_or_errors() {
        let output = Output::text(OutputKind::String, "hunter2", true).unwrap();
        assert!(!format!("{output:?}").contains("hunter2"));
        let error = Output::json(OutputKind::Integer, "\"hunter2\"", true).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hunter2"));
    }
}
