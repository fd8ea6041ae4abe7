//! Takes a secret out of a response before the component sees it: [`Pointer`].

use super::error::SendError;
use secrecy::SecretString;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Bytes of a response out of which a secret is taken: reading it may take as often as there are steps to the place.
pub(super) const BODY_MAX: usize = 1 << 20;

/// Steps to the place. Against bodies and pointers that are deep together, of which each step would read all that is below.
const STEPS_MAX: usize = 8;

/// Bytes of a pointer.
const POINTER_MAX: usize = 1024;

/// What stands in the place of a text that was taken out.
const EMPTY: &str = "\"\"";

/// A JSON pointer (RFC 6901), its steps unescaped.
#[derive(Debug)]
pub(super) struct Pointer(Vec<String>);

/// A body without its secret, and the secret.
pub(super) struct Taken {
    pub(super) body: Vec<u8>,
    pub(super) secret: SecretString,
}

impl Pointer {
    /// # Errors
    /// If the text is no pointer, or one that is too long.
    pub(super) fn parse(text: &str) -> Result<Self, SendError> {
        let invalid = |what: &str| SendError::Invalid(format!("`take-secret` {what}"));
        let steps: Vec<_> = match text.strip_prefix('/') {
            None if text.is_empty() => Vec::new(),
            None => return Err(invalid("is no JSON pointer, such as `/token`")),
            Some(rest) => rest.split('/').take(STEPS_MAX + 1).collect(),
        };
        if steps.len() > STEPS_MAX || text.len() > POINTER_MAX {
            return Err(invalid("is too long: 8 steps and 1024 bytes are allowed"));
        }
        let steps = steps.into_iter().map(unescaped).collect::<Option<_>>();
        steps.map(Self).ok_or_else(|| invalid("holds a `~` that is neither `~0` nor `~1`"))
    }

    /// How many bytes may be read for a body.
    pub(super) fn work(&self, body: usize) -> usize {
        body.saturating_mul(self.0.len() + 2)
    }

    /// Takes the text at this place out of a body; the rest stays byte for byte. `None` if the body is not JSON or has no text there.
    ///
    /// Of names that occur more than once the last one counts, as for most readers; but none of them stays to be seen.
    pub(super) fn take(&self, body: &[u8]) -> Option<Taken> {
        let text = std::str::from_utf8(body).ok()?;
        let mut places: Vec<&RawValue> = vec![serde_json::from_str(text).ok()?];
        for step in &self.0 {
            // SECURITY: walls::a_secret_in_hostile_json_is_taken_whole_or_not_at_all
            places = places.into_iter().flat_map(|place| below(place, step)).collect();
        }
        places.retain(|place| place.get().starts_with('"'));
        let text_of = |place: &&RawValue| serde_json::from_str::<String>(place.get()).ok();
        let secret = places.iter().rev().find_map(text_of)?;
        let mut rest = Vec::with_capacity(body.len());
        let mut end = 0;
        for place in places {
            // A raw value is a piece of the text that it was read from.
            let start = place.get().as_ptr().addr().checked_sub(text.as_ptr().addr())?;
            rest.extend_from_slice(body.get(end..start)?);
            rest.extend_from_slice(EMPTY.as_bytes());
            end = start.checked_add(place.get().len())?;
        }
        rest.extend_from_slice(body.get(end..)?);
        Some(Taken { body: rest, secret: SecretString::from(secret) })
    }
}

/// `~1` is a slash, `~0` a tilde, and nothing else follows one.
fn unescaped(step: &str) -> Option<String> {
    let mut parts = step.split('~');
    let mut text = parts.next()?.to_owned();
    for part in parts {
        let (tilde, rest) = part.split_at_checked(1)?;
        text.push(match tilde {
            "0" => '~',
            "1" => '/',
            _ => return None,
        });
        text.push_str(rest);
    }
    Some(text)
}

/// The values of this name in an object, or that of this number in a list, in their order. Skips what is beside them without recursion.
fn below<'v>(value: &'v RawValue, step: &str) -> Vec<&'v RawValue> {
    let mut json = serde_json::Deserializer::from_str(value.get());
    // A name that is no Unicode is an error as well: nobody could have asked for it.
    Below(step).deserialize(&mut json).unwrap_or_default()
}

struct Below<'s>(&'s str);

impl<'v> DeserializeSeed<'v> for Below<'_> {
    type Value = Vec<&'v RawValue>;

    fn deserialize<D: Deserializer<'v>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'v> Visitor<'v> for Below<'_> {
    type Value = Vec<&'v RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'v>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(name) = members.next_key::<String>()? {
            if name == self.0 {
                found.push(members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'v>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        // RFC 6901, 4: decimal digits without a leading zero.
        let index: Option<usize> = self.0.parse().ok();
        let index = index.filter(|index| index.to_string() == self.0);
        let mut found = Vec::new();
        for at in 0_usize.. {
            match items.next_element::<&'v RawValue>()? {
                None => break,
                Some(item) if Some(at) == index => found.push(item),
                Some(_) => {}
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    /// The secret and the rest.
    fn taken(pointer: &str, body: &str) -> Option<(String, String)> {
        let taken = Pointer::parse(pointer).unwrap().take(body.as_bytes())?;
        let rest = String::from_utf8(taken.body).unwrap();
        Some((taken.secret.expose_secret().to_owned(), rest))
    }

    #[test]
    fn a_text_is_taken_out_and_the_rest_stays_byte_for_byte() {
        for (pointer, body, secret, rest) in [
            ("", "\"x\"", "x", "\"\""),
            (
                "/token",
                r#" {"n": 1e400, "token" : "a\"\u00fc" ,"z":[1.10]} "#,
                "a\"ü",
                r#" {"n": 1e400, "token" : "" ,"z":[1.10]} "#,
            ),
            ("/a/1/b", r#"[0]{"#, "", ""),
            (
                "/a/1/b",
                r#"{"a":[{"b":"no"},{"b":"yes"}]}"#,
                "yes",
                r#"{"a":[{"b":"no"},{"b":""}]}"#,
            ),
            ("/a~1b/~0/", r#"{"a/b":{"~":{"":"x"}}}"#, "x", r#"{"a/b":{"~":{"":""}}}"#),
            ("/\u{74}oken", r#"{"\u0074oken":"x"}"#, "x", r#"{"\u0074oken":""}"#),
            ("/token", r#"{"token":""}"#, "", r#"{"token":""}"#),
        ] {
            let expected = (!rest.is_empty()).then(|| (secret.to_owned(), rest.to_owned()));
            assert_eq!(taken(pointer, body), expected, "{pointer} {body}");
        }
    }

    #[test]
    fn where_there_is_no_text_nothing_is_taken() {
        for body in [
            "",
            "x",
            "{",
            "1",
            "[]",
            "{}",
            "\"x\"",
            "[\"x\"]",
            r#"{"token":1}"#,
            r#"{"token":null}"#,
            r#"{"token":["x"]}"#,
            r#"{"Token":"x"}"#,
            r#"{"token":"x"} {}"#,
            r#"{"token":"\ud800"}"#,
        ] {
            assert_eq!(taken("/token", body), None, "{body}");
        }
        for pointer in ["/00", "/+0", "/-", "/1", "/ 0", "/-1", "/99999999999999999999999"] {
            assert_eq!(taken(pointer, "[\"x\"]"), None, "{pointer}");
        }
        assert!(Pointer::parse("/a").unwrap().take(b"{\"a\":\"\xff\"}").is_none());
    }

    #[test]
    fn of_names_that_occur_twice_none_stays() {
        let twice = r#"{"a":{"t":"one","t":2},"b":"t","a":{"t":"two","t":"three"}}"#;
        let rest = r#"{"a":{"t":"","t":2},"b":"t","a":{"t":"","t":""}}"#;
        assert_eq!(taken("/a/t", twice), Some(("three".to_owned(), rest.to_owned())));
    }

    #[test]
    fn depth_is_survived() {
        let depth = BODY_MAX / 2;
        let deep = format!("{}\"x\"{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(taken("/0/0/0/0/0/0/0/0", &deep), None);
        let beside = format!(r#"{{"deep":{deep},"t":"x","deep":{deep}}}"#);
        let (secret, rest) = taken("/t", &beside).unwrap();
        assert_eq!((secret.as_str(), rest.len()), ("x", beside.len() - 1));
        assert_eq!(taken("/t", &"{\"t\":".repeat(depth)), None);
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        for text in ["token", "#/token", "/~", "/~2", "/a~", &"/a".repeat(9), &"/".repeat(5000)] {
            assert!(Pointer::parse(text).is_err(), "{text}");
        }
        let long = format!("/{}", "a".repeat(POINTER_MAX));
        assert!(Pointer::parse(&long).is_err());
        assert_eq!(Pointer::parse("/a/b").unwrap().work(10), 40);
    }
}
