//! Secrets on their way into a request: put in by the host, after policy has said yes to the request's target.

use super::error::SendError;
use crate::run::{OpenedRun, Value};
use base64::Engine as _;
use blockhouse_policy::{Grants, SecretHeader};
use hyper::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::HashMap;

/// The secrets that policy sets headers from, by key. The component can neither see them here nor choose where they go.
#[derive(Debug, Default)]
pub(crate) struct HeaderSecrets(HashMap<String, SecretString>);

/// How a secret is written among what surrounds it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// Within a JSON string.
    Json,
    /// Percent-encoded.
    Percent,
    /// As it is.
    Plain,
}

impl HeaderSecrets {
    /// Those of the run's secrets that the policy names in headers.
    ///
    /// A setting comes before an input of the same key: the definition's owner wrote it, and not who ordered the block.
    pub(crate) fn of(run: &OpenedRun, grants: &Grants) -> Self {
        let headers = grants.policy().http().iter().flat_map(|rule| rule.headers());
        let keys = headers.map(|header| header.secret.as_str());
        let found = keys.filter_map(|key| {
            let setting = run.settings.iter().find(|(name, _)| name == key).map(|(_, value)| value);
            let input = || run.inputs.iter().find(|input| input.key == key).map(|i| &i.value);
            match setting.or_else(input) {
                Some(Value::Secret(secret)) => Some((key.to_owned(), secret.clone())),
                Some(Value::Json(_) | Value::Text(_)) | None => None,
            }
        });
        Self(found.collect())
    }

    /// The header that policy wants to be set.
    ///
    /// # Errors
    /// If the run has no such secret, or one that no header can hold.
    pub(super) fn header(
        &self,
        header: &SecretHeader,
    ) -> Result<(HeaderName, HeaderValue), SendError> {
        let SecretHeader { name, secret: key, prefix } = header;
        let Some(secret) = self.0.get(key) else {
            return Err(SendError::Invalid(format!(
                "policy sets the header `{name}` from the secret `{key}`, which this run does not have"
            )));
        };
        let mut value = prefix.clone().into_bytes();
        value.extend_from_slice(secret.expose_secret().as_bytes());
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| SendError::Invalid(format!("`{name}` is no name of a header")))?;
        Ok((name, sensitive(value, &format!("the secret `{key}`"))?))
    }
}

/// A header's value that holds `what`, a secret, if it can: never with what would end the header.
// SECURITY: walls::a_secret_with_a_line_break_is_not_put_into_a_header
pub(super) fn sensitive(value: Vec<u8>, what: &str) -> Result<HeaderValue, SendError> {
    let mut value = HeaderValue::try_from(value).map_err(|_| {
        SendError::Invalid(format!(
            "{what} holds a line break or another control character, so that it can't be in a header"
        ))
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// `Basic` credentials.
pub(super) fn basic(user: &[u8], password: &[u8]) -> Vec<u8> {
    let pair = [user, b":", password].concat();
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)).into_bytes()
}

/// Appends a secret in its form.
pub(super) fn append(to: &mut Vec<u8>, secret: &SecretString, form: Form) {
    let text = secret.expose_secret();
    match form {
        Form::Json => {
            // Writing a text to memory can't fail; nothing would be written then.
            let quoted = serde_json::to_string(text).unwrap_or_default();
            let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            to.extend_from_slice(inner.unwrap_or_default().as_bytes());
        }
        Form::Percent => {
            to.extend(url::form_urlencoded::byte_serialize(text.as_bytes()).flat_map(str::bytes));
        }
        Form::Plain => to.extend_from_slice(text.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, form: Form) -> String {
        let mut bytes = b"<".to_vec();
        append(&mut bytes, &SecretString::from(text), form);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_secret_stays_within_its_place() {
        let text = "a\"b\\c\nd&e=f g\u{fc}\"";
        assert_eq!(written(text, Form::Plain), format!("<{text}"));
        let json = format!("\"{}\"", &written(text, Form::Json)[1..]);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        assert_eq!(written(text, Form::Percent), "<a%22b%5Cc%0Ad%26e%3Df+g%C3%BC%22");
    }

    #[test]
    fn basic_credentials_are_those_of_the_standard() {
        assert_eq!(basic(b"Aladdin", b"open sesame"), b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(basic(b"", b"pat"), b"Basic OnBhdA==");
    }

    #[test]
    fn secrets_that_would_end_a_header_are_not_put_into_one_nor_into_the_error() {
        for text in ["hunter2\r\nx: y", "hunter2\n", "hunter2\0"] {
            let error = sensitive(text.as_bytes().to_vec(), "the key").unwrap_err().to_string();
            assert!(error.starts_with("the key holds") && !error.contains("hunter2"), "{error}");
        }
        assert!(format!("{:?}", sensitive(b"hunter2".to_vec(), "token")).contains("Sensitive"));
    }
}
