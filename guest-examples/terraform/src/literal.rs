//! Values without anything to be computed: [`Literal`], the tree that JSON and HCL values become.
//!
//! Numbers stay the digits that were entered: a float between would round them. What comes in is hostile: nesting is bounded, so that
//! nothing here can overflow the stack.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use thiserror::Error;

/// Attack: nesting that overflows the stack of whoever reads it. HCL's parser has the same bound.
const LEVELS_MAX: usize = 64;
/// Terraform computes with 512 bits: of longer numbers it keeps the first digits.
pub(crate) const DIGITS_MAX: usize = 154;

/// A value. Without `Debug` outside of tests: it may be a secret.
#[cfg_attr(test, derive(Debug, PartialEq))]
#[derive(Clone)]
pub(crate) enum Literal {
    Array(Vec<Self>),
    Boolean(bool),
    Null,
    /// In JSON's form, as it was entered.
    Number(String),
    /// In the order of entry. A key may be there more than once; in configuration files each counts, in values the last one.
    Object(Vec<(String, Self)>),
    Text(String),
}

/// Why a text is no value in JSON.
#[derive(Debug, Error)]
pub(crate) enum JsonError {
    #[error("it is not JSON")]
    Syntax(#[source] serde_json::Error),
    #[error("it is nested deeper than {LEVELS_MAX} levels")]
    TooDeep,
}

impl Literal {
    /// Reads JSON.
    pub(crate) fn from_json(text: &str) -> Result<Self, JsonError> {
        // Checks all of it, so that a mistake's place is one in the whole text.
        let whole: &RawValue = serde_json::from_str(text).map_err(JsonError::Syntax)?;
        read(whole.get(), LEVELS_MAX)
    }

    /// How much of it there is: values within values, and bytes of texts.
    pub(crate) fn size(&self) -> usize {
        1 + match self {
            Self::Array(items) => items.iter().map(Self::size).sum(),
            Self::Boolean(_) | Self::Null => 0,
            Self::Number(text) | Self::Text(text) => text.len(),
            Self::Object(members) => {
                members.iter().map(|(key, value)| key.len() + value.size()).sum::<usize>()
            }
        }
    }

    /// JSON without white space.
    pub(crate) fn to_json(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, None);
        out
    }

    /// JSON with a line per element, indented by two spaces.
    pub(crate) fn to_pretty_json(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, Some(0));
        out
    }

    fn write(&self, out: &mut String, indent: Option<usize>) {
        let inner = indent.map(|indent| indent + 1);
        match self {
            Self::Array(items) if items.is_empty() => out.push_str("[]"),
            Self::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    separate(out, index, inner);
                    item.write(out, inner);
                }
                break_line(out, indent);
                out.push(']');
            }
            Self::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Null => out.push_str("null"),
            Self::Number(digits) => out.push_str(digits),
            Self::Object(members) => {
                let members = last_of_each(members);
                if members.is_empty() {
                    return out.push_str("{}");
                }
                out.push('{');
                for (index, (key, value)) in members.into_iter().enumerate() {
                    separate(out, index, inner);
                    out.push_str(&quoted(key));
                    out.push_str(if indent.is_some() { ": " } else { ":" });
                    value.write(out, inner);
                }
                break_line(out, indent);
                out.push('}');
            }
            Self::Text(text) => out.push_str(&quoted(text)),
        }
    }
}

/// A text as a JSON string with its quotes.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Terraform refuses a key that is there twice; whoever entered it meant the last one, as all readers of JSON do.
fn last_of_each(members: &[(String, Literal)]) -> Vec<(&str, &Literal)> {
    let last: BTreeMap<_, _> =
        members.iter().enumerate().map(|(index, (key, _))| (key.as_str(), index)).collect();
    let counts = |index: usize, key: &str| last.get(key) == Some(&index);
    let members = members.iter().enumerate().filter(|(index, (key, _))| counts(*index, key));
    members.map(|(_, (key, value))| (key.as_str(), value)).collect()
}

fn separate(out: &mut String, index: usize, indent: Option<usize>) {
    if index > 0 {
        out.push(',');
    }
    break_line(out, indent);
}

fn break_line(out: &mut String, indent: Option<usize>) {
    if let Some(indent) = indent {
        // Writing to a string can't fail.
        let _ = write!(out, "\n{:1$}", "", indent * 2);
    }
}

/// Reads one level after the other: the texts of what is inside are kept as they are until their turn.
fn read(text: &str, levels: usize) -> Result<Literal, JsonError> {
    let levels = levels.checked_sub(1).ok_or(JsonError::TooDeep)?;
    let text = text.trim();
    Ok(match text.as_bytes().first() {
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(JsonError::Syntax)?;
            let items = items.into_iter().map(|item| read(item.get(), levels));
            Literal::Array(items.collect::<Result<_, _>>()?)
        }
        Some(b'{') => {
            let Members(members) = serde_json::from_str(text).map_err(JsonError::Syntax)?;
            let members =
                members.into_iter().map(|(key, value)| Ok((key, read(value.get(), levels)?)));
            Literal::Object(members.collect::<Result<_, _>>()?)
        }
        Some(b'"') => Literal::Text(serde_json::from_str(text).map_err(JsonError::Syntax)?),
        Some(b't') => Literal::Boolean(true),
        Some(b'f') => Literal::Boolean(false),
        Some(b'n') => Literal::Null,
        _ => Literal::Number(text.to_owned()),
    })
}

/// The members of an object, none lost: a map would keep only the last of those with the same key.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        for digits in ["0.1", "1e400", "-0", "1E+2", "1.10", &"9".repeat(500)] {
            let text = format!(r#"{{ "n" : [ {digits} , 1 ] }}"#);
            let value = Literal::from_json(&text).unwrap();
            assert_eq!(value.to_json(), format!(r#"{{"n":[{digits},1]}}"#));
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in
            ["", " ", "{", "[1,]", "01", "1 2", "nul", "{a:1}", "'a'", "\"\\ud800\"", "+1", "NaN"]
        {
            assert!(matches!(Literal::from_json(text), Err(JsonError::Syntax(_))), "{text}");
        }
    }

    #[test]
    fn nesting_bombs_are_refused_without_recursion() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = |levels: usize| {
                Literal::from_json(&format!("{}1{}", open.repeat(levels), close.repeat(levels)))
            };
            assert!(nested(LEVELS_MAX - 1).is_ok());
            assert!(matches!(nested(LEVELS_MAX), Err(JsonError::TooDeep)));
            assert!(matches!(nested(200_000), Err(JsonError::TooDeep)));
        }
    }

    #[test]
    fn the_last_of_equal_keys_counts_when_written_and_order_is_kept() {
        let value = Literal::from_json(r#"{"b":1,"a":2,"b":3}"#).unwrap();
        assert_eq!(value.to_json(), r#"{"a":2,"b":3}"#);
        let Literal::Object(members) = value else { panic!() };
        assert_eq!(members.len(), 3);
    }

    #[test]
    fn pretty_is_two_spaces_and_nothing_is_lost() {
        let value = Literal::from_json(r#"{"a":[1,{"b":"x\ny"}],"c":{},"d":[],"e":null}"#).unwrap();
        let pretty = "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x\\ny\"\n    }\n  ],\n  \"c\": {},\n  \
                      \"d\": [],\n  \"e\": null\n}";
        assert_eq!(value.to_pretty_json(), pretty);
        assert_eq!(Literal::from_json(pretty).unwrap(), value);
    }
}
