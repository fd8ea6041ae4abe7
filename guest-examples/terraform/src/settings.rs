//! The fields of the definition's implementation: [`Settings`].

use crate::bindings::Failure;
use crate::bindings::blockhouse::block::sources::KnownHost;
use crate::bindings::blockhouse::block::types::{Secret, Setting, Value};
use crate::literal::Literal;

/// What a definition says about its runs.
pub(crate) struct Settings<'a> {
    pub(crate) is_async: bool,
    /// Whether meshStack keeps the state if the configuration has no backend.
    pub(crate) is_state_in_meshstack: bool,
    pub(crate) known_host: Option<KnownHost>,
    pub(crate) private_key: Option<&'a Secret>,
    pub(crate) repository_path: Option<String>,
    pub(crate) repository_url: &'a str,
    pub(crate) revision: Option<String>,
    pub(crate) script: Option<&'a str>,
    pub(crate) version: &'a str,
}

impl<'a> Settings<'a> {
    /// Every field, or which of them is wrong.
    pub(crate) fn read(settings: &'a [Setting]) -> Result<Self, Failure> {
        let fields = Fields(settings);
        let version = fields.required("terraformVersion")?;
        if !is_version(version) {
            return Err(wrong("terraformVersion", "it must be a version such as `1.5.5`"));
        }
        Ok(Self {
            is_async: fields.flag("async")?,
            is_state_in_meshstack: fields.flag("useMeshHttpBackendFallback")?,
            known_host: fields.known_host("knownHost")?,
            private_key: fields.secret("sshPrivateKey")?,
            repository_path: fields.text("repositoryPath")?.and_then(folder),
            repository_url: fields.required("repositoryUrl")?,
            revision: fields.text("refName")?.map(|name| name.trim().to_owned()),
            script: fields.text("preRunScript")?,
            version,
        })
    }
}

/// The fields by their names. Absent, `null` and blank are the same.
struct Fields<'a>(&'a [Setting]);

impl<'a> Fields<'a> {
    fn value(&self, key: &str) -> Option<&'a Value> {
        let value = &self.0.iter().find(|setting| setting.key == key)?.value;
        let is_blank = match value {
            Value::Json(json) => json.trim() == "null",
            Value::Secret(_) => false,
            Value::Text(text) => text.trim().is_empty(),
        };
        (!is_blank).then_some(value)
    }

    fn text(&self, key: &'static str) -> Result<Option<&'a str>, Failure> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::Json(_) | Value::Secret(_)) => Err(wrong(key, "it must be a text")),
        }
    }

    fn required(&self, key: &'static str) -> Result<&'a str, Failure> {
        let text = self.text(key)?.ok_or_else(|| wrong(key, "it must not be empty"))?;
        Ok(text.trim())
    }

    fn flag(&self, key: &'static str) -> Result<bool, Failure> {
        match self.value(key) {
            None => Ok(false),
            Some(Value::Json(json)) if json == "true" => Ok(true),
            Some(Value::Json(json)) if json == "false" => Ok(false),
            Some(_) => Err(wrong(key, "it must be true or false")),
        }
    }

    fn secret(&self, key: &'static str) -> Result<Option<&'a Secret>, Failure> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Secret(secret)) => Ok(Some(secret)),
            Some(Value::Json(_) | Value::Text(_)) => Err(wrong(key, "it must be encrypted")),
        }
    }

    fn known_host(&self, key: &'static str) -> Result<Option<KnownHost>, Failure> {
        let form = || wrong(key, "it must have the texts `host`, `keyType` and `keyValue`");
        let json = match self.value(key) {
            None => return Ok(None),
            Some(Value::Json(json)) => json,
            Some(Value::Secret(_) | Value::Text(_)) => return Err(form()),
        };
        let Ok(Literal::Object(members)) = Literal::from_json(json) else { return Err(form()) };
        let member = |name: &str| match members.iter().rfind(|(key, _)| key == name) {
            Some((_, Literal::Text(text))) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
            _ => Err(form()),
        };
        let known = KnownHost {
            host: member("host")?,
            key_type: member("keyType")?,
            key_value: member("keyValue")?,
        };
        Ok(Some(known))
    }
}

fn wrong(key: &str, why: &str) -> Failure {
    Failure {
        message: format!(
            "The field `{key}` of the building block's definition can't be used: {why}. Please ask the platform team to correct it."
        ),
        detail: None,
    }
}

/// `1.5.5` or `1.6.0-beta1`; no `v1.5.5`, no `1.5`, no range.
fn is_version(text: &str) -> bool {
    let (numbers, pre) =
        text.split_once('-').map_or((text, None), |(numbers, pre)| (numbers, Some(pre)));
    let is_number = |part: &str| {
        (1..=6).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_pre = |pre: &str| {
        (1..=32).contains(&pre.len())
            && pre.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-')
    };
    numbers.split('.').count() == 3 && numbers.split('.').all(is_number) && pre.is_none_or(is_pre)
}

/// People write `/`, `./modules/x/` and `modules/x`.
fn folder(path: &str) -> Option<String> {
    let parts = path.trim().split('/').filter(|part| !part.is_empty() && *part != ".");
    let path = parts.collect::<Vec<_>>().join("/");
    (!path.is_empty()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(fields: &[(&str, Value)]) -> Vec<Setting> {
        let copy = |value: &Value| match value {
            Value::Json(json) => Value::Json(json.clone()),
            Value::Text(text) => Value::Text(text.clone()),
            Value::Secret(_) => unreachable!(),
        };
        fields
            .iter()
            .map(|(key, value)| Setting { key: (*key).to_owned(), value: copy(value) })
            .collect()
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn json(text: &str) -> Value {
        Value::Json(text.to_owned())
    }

    /// The message for a definition that has this field beside the necessary ones.
    fn message(key: &str, value: Value) -> Option<String> {
        let necessary =
            [("terraformVersion", text("1.5.5")), ("repositoryUrl", text("https://x/y"))];
        let others = necessary.into_iter().filter(|(other, _)| *other != key);
        let fields: Vec<_> = others.chain([(key, value)]).collect();
        Settings::read(&settings(&fields)).err().map(|failure| failure.message)
    }

    #[test]
    fn a_wrong_field_is_named() {
        for (key, value) in [
            ("terraformVersion", text("v1")),
            ("terraformVersion", text("1.5")),
            ("terraformVersion", text("~> 1.5.5")),
            ("terraformVersion", text("1.5.5 -x")),
            ("terraformVersion", text("../1.5.5")),
            ("terraformVersion", text("1.5.5-")),
            ("terraformVersion", json("1.5")),
            ("terraformVersion", text(" ")),
            ("repositoryUrl", json("null")),
            ("async", text("yes")),
            ("async", json("1")),
            ("sshPrivateKey", text("plain")),
            ("knownHost", text("github.com")),
            ("knownHost", json("{}")),
            ("knownHost", json(r#"{"host":"a","keyType":"b","keyValue":""}"#)),
            ("preRunScript", json("{}")),
        ] {
            let message = message(key, value);
            assert!(
                message.as_ref().is_some_and(|message| message.contains(key)),
                "{key}: {message:?}"
            );
        }
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        for (key, value) in [
            ("refName", text("")),
            ("refName", json("null")),
            ("repositoryPath", text("./")),
            ("sshPrivateKey", text("")),
            ("knownHost", json("null")),
            ("async", json("null")),
            ("preRunScript", text("\n")),
            ("terraformVersion", text("1.6.0-beta1")),
        ] {
            assert_eq!(message(key, value), None, "{key}");
        }
    }

    #[test]
    fn all_is_read() {
        let fields = settings(&[
            ("async", json("true")),
            ("knownHost", json(r#"{"host":"h","keyType":"t","keyValue":"v"}"#)),
            ("preRunScript", text("echo\r\n")),
            ("refName", text("main ")),
            ("repositoryPath", text("/modules//x/")),
            ("repositoryUrl", text("git@h:p")),
            ("terraformVersion", text("1.11.4")),
            ("useMeshHttpBackendFallback", json("true")),
        ]);
        let read = Settings::read(&fields).ok().unwrap();
        assert!(read.is_async && read.is_state_in_meshstack && read.private_key.is_none());
        assert_eq!(read.known_host.unwrap().key_value, "v");
        assert_eq!(read.repository_path.as_deref(), Some("modules/x"));
        assert_eq!((read.revision.as_deref(), read.script), (Some("main"), Some("echo\r\n")));
    }
}
