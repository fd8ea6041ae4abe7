//! Reads what `output -json` prints: [`parse`]. Numbers keep every digit.

use super::answer::{OutputShape, OutputValue, ToolOutput};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The most outputs. Attack: a configuration with a million of them.
const OUTPUTS_MAX: usize = 10_000;

/// How deep a structure may be. serde_json itself stops at 128.
const DEPTH_MAX: usize = 100;

#[derive(Deserialize)]
struct Output {
    #[serde(default)]
    sensitive: bool,
    value: Option<Box<RawValue>>,
}

/// The outputs, by name; those that are null are left out. The error never has any part of the text: it may be secret.
pub(super) fn parse(text: &[u8]) -> Result<Vec<ToolOutput>, String> {
    let outputs: BTreeMap<String, Output> = serde_json::from_slice(text)
        .map_err(|_| "`output -json` did not print outputs".to_owned())?;
    if outputs.len() > OUTPUTS_MAX {
        return Err(format!("there are more than {OUTPUTS_MAX} outputs"));
    }
    let mut all = Vec::new();
    for (name, output) in outputs {
        let Some(value) = output.value.as_deref().map(RawValue::get) else { continue };
        let Some(shape) = shape(value) else { continue };
        let text = match shape {
            OutputShape::Structure => pretty(value)
                .ok_or_else(|| format!("the output `{name}` can't be read: it is too deep"))?,
            _ => value.to_owned(),
        };
        let value = if output.sensitive {
            OutputValue::Secret(plain(shape, text)?)
        } else {
            OutputValue::Json(text)
        };
        all.push(ToolOutput { name, shape, value });
    }
    Ok(all)
}

/// None: `null`.
fn shape(json: &str) -> Option<OutputShape> {
    match json.bytes().next()? {
        b'"' => Some(OutputShape::Text),
        b'n' => None,
        b't' | b'f' => Some(OutputShape::Boolean),
        b'[' | b'{' => Some(OutputShape::Structure),
        // Larger ones, too, are rounded by those who read an integer.
        _ if json.parse::<i64>().is_err() => Some(OutputShape::Number),
        _ => Some(OutputShape::WholeNumber),
    }
}

/// Of a string its content.
fn plain(shape: OutputShape, json: String) -> Result<SecretString, String> {
    if shape != OutputShape::Text {
        return Ok(json.into());
    }
    let content: Result<String, _> = serde_json::from_str(&json);
    content.map(SecretString::from).map_err(|_| "an output is not Unicode text".to_owned())
}

/// Structures on several lines, two spaces per level. Done by hand, since a parsed number would not be the same any more.
fn pretty(json: &str) -> Option<String> {
    let mut out = String::with_capacity(json.len() * 2);
    let mut stack: Vec<char> = Vec::new();
    let mut rest = json;
    let break_line = |out: &mut String, depth: usize| {
        out.push('\n');
        (0..depth).for_each(|_| out.push_str("  "));
    };
    while let Some(next) = rest.chars().next() {
        let length = match next {
            '"' => {
                let length = string_length(rest)?;
                // Go escapes `<`, `>` and `&`; who reads the text wants them as they are.
                let content: Result<String, _> = serde_json::from_str(rest.get(..length)?);
                match content {
                    Ok(content) => out.push_str(&serde_json::to_string(&content).ok()?),
                    Err(_) => out.push_str(rest.get(..length)?),
                }
                length
            }
            '{' | '[' => {
                let close = if next == '{' { '}' } else { ']' };
                let inner = rest.get(1..)?.trim_start();
                out.push(next);
                if let Some(after) = inner.strip_prefix(close) {
                    out.push(close);
                    rest = after;
                    continue;
                }
                stack.push(close);
                if stack.len() > DEPTH_MAX {
                    return None;
                }
                break_line(&mut out, stack.len());
                1
            }
            '}' | ']' => {
                stack.pop()?;
                break_line(&mut out, stack.len());
                out.push(next);
                1
            }
            ',' => {
                out.push(',');
                break_line(&mut out, stack.len());
                1
            }
            ':' => {
                out.push_str(": ");
                1
            }
            ' ' | '\t' | '\n' | '\r' => 1,
            other => {
                out.push(other);
                other.len_utf8()
            }
        };
        rest = rest.get(length..)?;
    }
    Some(out)
}

/// Bytes of the string at the beginning, with its quotes.
fn string_length(json: &str) -> Option<usize> {
    let mut escaped = false;
    for (index, byte) in json.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(index + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    fn one(value: &str, sensitive: bool) -> Option<(OutputShape, String)> {
        let text = format!(r#"{{"o":{{"sensitive":{sensitive},"type":"x","value":{value}}}}}"#);
        let output = parse(text.as_bytes()).unwrap().pop()?;
        let text = match (output.value, sensitive) {
            (OutputValue::Json(text), false) => text,
            (OutputValue::Secret(text), true) => text.expose_secret().to_owned(),
            _ => panic!("{value}: sensitive or not"),
        };
        Some((output.shape, text))
    }

    #[test]
    fn numbers_keep_every_digit_and_whole_ones_are_told_apart() {
        for number in ["0", "-7", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(one(number, false), Some((OutputShape::WholeNumber, number.to_owned())));
        }
        let long = ["9223372036854775808", "123456789012345678901234567890"];
        let fractions = ["1.5", "0.1000000000000000055511151231257827", "1e400", "-2E-3"];
        for number in fractions.into_iter().chain(long) {
            assert_eq!(one(number, false), Some((OutputShape::Number, number.to_owned())));
        }
    }

    #[test]
    fn null_is_left_out_and_the_rest_has_its_shape() {
        assert_eq!(one("null", false), None);
        assert_eq!(one("null", true), None);
        assert_eq!(one("true", false), Some((OutputShape::Boolean, "true".to_owned())));
        assert_eq!(one(r#""a\nb""#, false), Some((OutputShape::Text, r#""a\nb""#.to_owned())));
    }

    #[test]
    fn sensitive_text_is_its_content_and_structures_are_pretty() {
        assert_eq!(one(r#""a\n\u003cb\"""#, true), Some((OutputShape::Text, "a\n<b\"".to_owned())));
        let value = r#"{ "a": [1, 12345678901234567890.10, "\u003c&\"{[,:"], "b": {}, "c": [ ], "d": null }"#;
        let expected = "{\n  \"a\": [\n    1,\n    12345678901234567890.10,\n    \"<&\\\"{[,:\"\n  ],\n  \"b\": {},\n  \"c\": [],\n  \"d\": null\n}";
        assert_eq!(one(value, true), Some((OutputShape::Structure, expected.to_owned())));
        assert_eq!(one(value, false), Some((OutputShape::Structure, expected.to_owned())));
    }

    #[test]
    fn what_is_no_output_is_an_error_that_repeats_nothing() {
        let deep = format!(r#"{{"o":{{"value":{}1{}}}}}"#, "[".repeat(120), "]".repeat(120));
        for text in ["", "[]", "hunter2", r#"{"o": 1}"#, r#"{"o":{"value":hunter2}}"#, &deep] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(parse(b"{}").unwrap().is_empty());
    }
}
