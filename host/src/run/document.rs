//! The run's document with its secrets opened, for what is to see the whole of it: [`opened`].

use super::{OpenedRun, Value};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// One level of an object; the parts below stay text, so that neither digits nor fields that we don't know are lost.
type Level = BTreeMap<String, Box<RawValue>>;

/// The run's document with the plain text of each secret in its place; everything else stays as it was received.
///
/// `None` if the document does not have the form that the run was read from.
#[must_use]
pub fn opened(document: &str, run: &OpenedRun) -> Option<SecretString> {
    let opened = edit(document, &["spec"], &|spec| {
        let spec =
            edit(spec, &["buildingBlock", "spec", "inputs"], &|inputs| open_inputs(inputs, run))?;
        let path = ["buildingBlockDefinition", "spec", "implementation"];
        edit(&spec, &path, &|settings| open_settings(settings, run))
    });
    opened.map(SecretString::from)
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
    use crate::run::{
        Behavior, Block, Definition, Implementation, InputKind, OpenedInput, Run, RunId,
    };

    fn run(inputs: Vec<OpenedInput>, settings: Vec<(String, Value)>) -> OpenedRun {
        let implementation =
            Implementation { kind: "TERRAFORM".to_owned(), settings: BTreeMap::new() };
        let run = Run {
            id: RunId::parse("r").unwrap(),
            number: 1,
            behavior: Behavior::Apply,
            trigger: None,
            block: Block {
                uuid: "b".to_owned(),
                display_name: "b".to_owned(),
                tenant: "t".to_owned(),
                project: None,
                platform: None,
                inputs: Vec::new(),
                parents: Vec::new(),
            },
            definition: Definition {
                uuid: "d".to_owned(),
                owner: "o".to_owned(),
                version: 1,
                implementation,
            },
        };
        OpenedRun { run, inputs, settings }
    }

    fn input(key: &str, kind: InputKind, value: Value) -> OpenedInput {
        OpenedInput { key: key.to_owned(), kind, value, environment: false }
    }

    #[test]
    fn secrets_are_opened_and_all_else_stays_digit_for_digit() {
        let document = r#"{"new":1e400,"spec":{"buildingBlock":{"spec":{"inputs":[
            {"key":"a","value":"sealed","isSensitive":true},{"key":"n","value":9007199254740993.10,"x":null},
            {"key":"i","value":7,"isSensitive":true}]}},
            "buildingBlockDefinition":{"spec":{"implementation":{"type":"TERRAFORM","sshPrivateKey":"sealed"}}}}}"#;
        let secret = |text: &str| Value::Secret(SecretString::from(text));
        let inputs = vec![
            input("a", InputKind::String, secret("plain \"text\"\n")),
            input("n", InputKind::Integer, Value::Json("9007199254740993.10".to_owned())),
            input("i", InputKind::Integer, secret("7")),
        ];
        let run = run(inputs, vec![("sshPrivateKey".to_owned(), secret("KEY"))]);
        let opened = opened(document, &run).unwrap();
        let text = opened.expose_secret();
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
    fn another_form_is_none() {
        let run = run(Vec::new(), Vec::new());
        for document in ["", "[]", "{}", r#"{"spec":{"buildingBlock":[]}}"#] {
            assert!(opened(document, &run).is_none(), "{document}");
        }
    }
}
