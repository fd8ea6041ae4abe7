//! Parts of files and values, joined; the host puts the secrets in.

use super::Answer;
use crate::capability::types::SecretHandle;
use crate::sandbox::RunState;
use crate::sandbox::bindings::blockhouse::block::terraform::{OperationError, Part};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret as _;
use serde_json::value::RawValue;
use wasmtime::component::Resource;
use zeroize::Zeroizing;

/// How a secret is written among what surrounds it.
#[derive(Clone, Copy)]
enum Form {
    AsJson,
    AsJsonText,
    Content,
    InJson,
    Plain,
}

impl RunState {
    /// Joins parts; policy is asked about each secret.
    pub(super) fn join_parts(&mut self, parts: Vec<Part>) -> Answer<Zeroizing<Vec<u8>>> {
        let max = self.grants.limits().host_call_bytes;
        let mut joined = Zeroizing::new(Vec::new());
        for part in parts {
            let appended = match part {
                Part::Bytes(bytes) => joined.write(&bytes),
                Part::RunDocumentBase64 => self.document(&mut joined),
                Part::Secret(secret) => self.put(&mut joined, &secret, Form::Plain)?,
                Part::SecretAsJson(secret) => self.put(&mut joined, &secret, Form::AsJson)?,
                Part::SecretAsJsonText(secret) => {
                    self.put(&mut joined, &secret, Form::AsJsonText)?
                }
                Part::SecretContent(secret) => self.put(&mut joined, &secret, Form::Content)?,
                Part::SecretInJson(secret) => self.put(&mut joined, &secret, Form::InJson)?,
                Part::Text(text) => joined.write(text.as_bytes()),
            };
            if let Err(error) = appended {
                return Ok(Err(error));
            }
            // A handle is a few bytes, and what it stands for may be many.
            // SECURITY: walls::terraform::a_secret_named_very_often_does_not_grow_a_file_without_end
            if joined.len() > max {
                let text = format!("a file or a value has more than {} KiB", max >> 10);
                return Ok(Err(OperationError::Invalid(text)));
            }
        }
        self.charge(joined.len());
        Ok(Ok(joined))
    }

    /// The whole document may be seen by whoever may run scripts: they get it, too.
    fn document(&mut self, joined: &mut Zeroizing<Vec<u8>>) -> Result<(), OperationError> {
        let (Some(_), Some(document)) = (&self.native, &self.document) else {
            return Err(OperationError::Denied(super::no_workspace(&self.grants).rule));
        };
        let text = Zeroizing::new(STANDARD.encode(document.text().expose_secret()));
        joined.write(text.as_bytes())
    }

    /// Appends a secret, if policy lets it be used.
    fn put(
        &mut self,
        joined: &mut Zeroizing<Vec<u8>>,
        secret: &Resource<SecretHandle>,
        form: Form,
    ) -> wasmtime::Result<Result<(), OperationError>> {
        let handle = self.table.get(secret)?;
        // SECURITY: walls::terraform::a_secret_is_not_given_to_programs_without_a_grant
        if let Err(denied) = self.in_terraform(&handle.origin) {
            let subject = format!("{} in Terraform", handle.origin.subject());
            self.auditor.denied("secret", &subject, &denied);
            return Ok(Err(OperationError::Denied(denied.rule)));
        }
        let text = handle.text.expose_secret();
        Ok(match form {
            Form::AsJson => match compact(text) {
                Some(json) => joined.write(json.as_bytes()),
                None => joined.write(quoted(text).as_bytes()),
            },
            Form::AsJsonText => match compact(text) {
                Some(json) if json.starts_with('"') => joined.write(json.as_bytes()),
                Some(json) => joined.write(quoted(&json).as_bytes()),
                None => joined.write(quoted(text).as_bytes()),
            },
            Form::Content => match content(text) {
                Some(bytes) => joined.write(&bytes),
                None => {
                    let text = format!("{} is no data URL with base64", handle.origin);
                    Err(OperationError::Invalid(text))
                }
            },
            Form::InJson => {
                let quoted = quoted(text);
                let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                joined.write(inner.unwrap_or_default().as_bytes())
            }
            Form::Plain => joined.write(text.as_bytes()),
        })
    }
}

/// Appending; without an error of its own, so that all arms are alike.
trait Write {
    fn write(&mut self, bytes: &[u8]) -> Result<(), OperationError>;
}

impl Write for Zeroizing<Vec<u8>> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), OperationError> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// JSON without white space between its parts, digit for digit; `None` if the text is none.
fn compact(text: &str) -> Option<Zeroizing<String>> {
    let raw: &RawValue = serde_json::from_str(text).ok()?;
    let mut out = String::with_capacity(raw.get().len());
    let (mut is_in_string, mut is_escaped) = (false, false);
    for character in raw.get().chars() {
        if is_in_string {
            is_in_string = is_escaped || character != '"';
            is_escaped = !is_escaped && character == '\\';
        } else if character.is_ascii_whitespace() {
            continue;
        } else {
            is_in_string = character == '"';
        }
        out.push(character);
    }
    Some(Zeroizing::new(out))
}

fn quoted(text: &str) -> Zeroizing<String> {
    // Writing a text to memory can't fail; nothing would be written then.
    Zeroizing::new(serde_json::to_string(text).unwrap_or_default())
}

/// What a data URL holds: `data:<mime type>;base64,<content>`.
fn content(url: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (head, content) = url.strip_prefix("data:")?.split_once(',')?;
    head.ends_with(";base64").then(|| STANDARD.decode(content.trim()).ok().map(Zeroizing::new))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_made_compact_without_touching_strings_and_digits() {
        let text = "{ \"a b\" : [ 1.10 , 1e400 ] ,\n \"q\\\" , \" : \"\\\\\" }";
        assert_eq!(&**compact(text).unwrap(), r#"{"a b":[1.10,1e400],"q\" , ":"\\"}"#);
        assert!(compact("{a = 1}").is_none());
        assert!(compact("1 2").is_none());
    }

    #[test]
    fn data_urls_are_decoded_and_nothing_else() {
        assert_eq!(&**content("data:text/plain;base64,aGk=").unwrap(), b"hi");
        for text in ["aGk=", "data:text/plain,hi", "data:;base64,%%"] {
            assert!(content(text).is_none(), "{text}");
        }
    }
}
