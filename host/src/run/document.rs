//! The run's document with its secrets opened, for what is to see it: [`OpenedDocument`].

use super::{OpenedRun, Value};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// One level of an object; the parts below stay text, so that neither digits nor fields that we don't know are lost.
type Level = BTreeMap<String, Box<RawValue>>;

/// Where the implementation is.
const IMPLEMENTATION: &[&str] = &["spec", "buildingBlockDefinition", "spec", "implementation"];

/// The run's document with the plain text of each secret in its place; everything else stays as it was received.
#[derive(Debug)]
pub struct OpenedDocument {
    text: SecretString,
    /// Settings of the implementation that belong to the definition alone.
    sealed: &'static [&'static str],
}

/// How much of the implementation is in a document that goes to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DocumentForm {
    /// All but the settings that were sealed.
    AllButSealed,
    /// Its type.
    TypeOnly,
}

impl OpenedDocument {
    /// `None` if the document does not have the form that the run was read from.
    #[must_use]
    pub fn of(document: &str, run: &OpenedRun) -> Option<Self> {
        let opened = edit(document, &["spec", "buildingBlock", "spec", "inputs"], &|inputs| {
            open_inputs(inputs, run)
        });
        let opened = edit(&opened?, IMPLEMENTATION, &|settings| open_settings(settings, run))?;
        let sealed = run.run.definition.implementation.sealed_fields();
        Some(Self { text: SecretString::from(opened), sealed })
    }

    /// All of it, for what is executed here in the definition's name.
    #[must_use]
    pub fn text(&self) -> &SecretString {
        &self.text
    }

    /// The run token that is in it: with that everybody who is given the document reports.
    #[must_use]
    pub fn run_token(&self) -> Option<SecretString> {
        #[derive(Deserialize)]
        struct Document {
            spec: Spec,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Spec {
            run_token: SecretString,
        }
        let document: Document = serde_json::from_str(self.text.expose_secret()).ok()?;
        Some(document.spec.run_token)
    }

    /// What others are given of it: the inputs and the run token, but never the definition's own secrets.
    // SECURITY: run::document::tests::others_are_not_given_the_definitions_own_secrets
    #[must_use]
    pub fn for_others(&self, form: DocumentForm) -> Option<Zeroizing<String>> {
        let text = edit(self.text.expose_secret(), IMPLEMENTATION, &|settings| {
            let mut settings: Level = serde_json::from_str(settings).ok()?;
            settings.retain(|key, _| match form {
                DocumentForm::AllButSealed => !self.sealed.contains(&key.as_str()),
                DocumentForm::TypeOnly => key == "type",
            });
            serde_json::to_string(&settings).ok()
        });
        text.map(Zeroizing::new)
    }
}

/// Replaces what is at the end of `path` in an object.
fn edit(text: &str, path: &[&str], change: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let Some((first, rest)) = path.split_first() else { return change(text) };
    let mut level: Level = serde_json::from_str(text).ok()?;
    let part = level.get(*first)?;
    let changed = edit(part.get(), rest, change)?;
    level.insert((*first).to_owned(), RawValue::from_string(changed).ok()?);
    serde_json::to_string(&level).ok()
}

fn open_inputs(text: &str, run: &OpenedRun) -> Option<String> {
    let mut inputs: Vec<Level> = serde_json::from_str(text).ok()?;
    // Both were read from the same list.
    for (input, opened) in inputs.iter_mut().zip(&run.inputs) {
        if let Value::Secret(secret) = &opened.value {
            input.insert("value".to_owned(), value(secret, opened.kind.is_text())?);
        }
    }
    serde_json::to_string(&inputs).ok()
}

fn open_settings(text: &str, run: &OpenedRun) -> Option<String> {
    let mut settings: Level = serde_json::from_str(text).ok()?;
    for (key, opened) in &run.settings {
        if let Value::Secret(secret) = opened {
            settings.insert(key.clone(), value(secret, true)?);
        }
    }
    serde_json::to_string(&settings).ok()
}

fn value(secret: &SecretString, is_text: bool) -> Option<Box<RawValue>> {
    let text = secret.expose_secret();
    let json = if is_text { serde_json::to_string(text).ok()? } else { text.to_owned() };
    RawValue::from_string(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{InputKind, OpenedInput, Run};

    fn run(inputs: Vec<OpenedInput>, settings: Vec<(String, Value)>) -> OpenedRun {
        let run = Run::bare("TERRAFORM");
        OpenedRun { run, inputs, settings }
    }

    fn input(key: &str, kind: InputKind, value: Value) -> OpenedInput {
        OpenedInput { key: key.to_owned(), kind, value, environment: false }
    }

    const DOCUMENT: &str = r#"{"new":1e400,"spec":{"runToken":"eyJ","buildingBlock":{"spec":{"inputs":[
        {"key":"a","value":"sealed","isSensitive":true},{"key":"n","value":9007199254740993.10,"x":null},
        {"key":"i","value":7,"isSensitive":true}]}},
        "buildingBlockDefinition":{"spec":{"version":1.0,"implementation":{"type":"TERRAFORM","async":false,
        "digits":1.10,"sshPrivate\u004bey":"sealed"}}}}}"#;

    /// All that is opened in it.
    fn opened() -> OpenedDocument {
        let secret = |text: &str| Value::Secret(SecretString::from(text));
        let inputs = vec![
            input("a", InputKind::String, secret("plain \"text\"\n")),
            input("n", InputKind::Integer, Value::Json("9007199254740993.10".to_owned())),
            input("i", InputKind::Integer, secret("7")),
        ];
        let run = run(inputs, vec![("sshPrivateKey".to_owned(), secret("KEY"))]);
        OpenedDocument::of(DOCUMENT, &run).unwrap()
    }

    #[test]
    fn secrets_are_opened_and_all_else_stays_digit_for_digit() {
        let opened = opened();
        let text = opened.text().expose_secret();
        for part in [
            r#""new":1e400"#,
            r#""value":"plain \"text\"\n""#,
            r#""value":9007199254740993.10"#,
            r#""x":null"#,
            r#""value":7"#,
            r#""sshPrivateKey":"KEY""#,
            r#""type":"TERRAFORM""#,
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!text.contains("sealed"), "{text}");
    }

    #[test]
    fn others_are_not_given_the_definitions_own_secrets() {
        let opened = opened();
        let inputs = r#""value":"plain \"text\"\n""#;
        let all = opened.for_others(DocumentForm::AllButSealed).unwrap();
        let implementation = r#""implementation":{"async":false,"digits":1.10,"type":"TERRAFORM"}"#;
        for part in [r#""new":1e400"#, r#""runToken":"eyJ""#, inputs, implementation] {
            assert!(all.contains(part), "{part} is not in {}", *all);
        }
        let bare = opened.for_others(DocumentForm::TypeOnly).unwrap();
        let implementation = r#""implementation":{"type":"TERRAFORM"},"version":1.0"#;
        for part in [r#""new":1e400"#, r#""runToken":"eyJ""#, inputs, implementation] {
            assert!(bare.contains(part), "{part} is not in {}", *bare);
        }
        for text in [all, bare] {
            assert!(!text.contains("KEY") && !text.contains("sealed"), "{}", *text);
        }
        assert!(!format!("{opened:?}").contains("plain"), "{opened:?}");
    }

    #[test]
    fn the_run_token_is_found() {
        assert_eq!(opened().run_token().unwrap().expose_secret(), "eyJ");
        let run = run(Vec::new(), Vec::new());
        let without = DOCUMENT.replace("\"runToken\":\"eyJ\",", "");
        let without = without.replace("{\"key\":\"a\"", "{\"key\":\"runToken\"");
        assert!(OpenedDocument::of(&without, &run).unwrap().run_token().is_none());
    }

    #[test]
    fn another_form_is_none() {
        let run = run(Vec::new(), Vec::new());
        for document in ["", "[]", "{}", r#"{"spec":{"buildingBlock":[]}}"#] {
            assert!(OpenedDocument::of(document, &run).is_none(), "{document}");
        }
    }
}
