//! A case is a folder: what is ordered (`order.json`) and what its user must see in the end (`expected.json`).
//!
//! `order.json` holds the parts of the run's document that matter to the case; `implementation.type` also chooses the
//! component (`HELLO` or `MANUAL`). `expected.json` holds the parts of the end result that matter: whatever it leaves out may
//! be anything; a text that begins and ends with `…` must be contained.

#![expect(clippy::panic, reason = "a test that panics has failed")]

use blockhouse_emulator::{Emulator, RunSpec, RunView};
use blockhouse_tests::{API_KEY, CERTIFICATE, Component, Runner, patience};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

#[tokio::test]
async fn every_case_ends_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut cases: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    assert!(!cases.is_empty());

    let (id, secret) = API_KEY;
    let builder = Emulator::builder().api_key(id, secret).runner_certificate(CERTIFICATE);
    let emulator = builder.start().await.unwrap();
    let hello = Component::new("HELLO", blockhouse_artifacts::HELLO);
    let runner = Runner::builder().component(hello).start(&emulator).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let id = emulator.enqueue(order(&read(&case.join("order.json"))));
        let run = emulator.wait_for_end(&id, patience()).await.unwrap();
        compare(&name, &read(&case.join("expected.json")), &seen(&run), &mut wrong);
    }
    runner.drain().await.unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn read(path: &Path) -> Value {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Puts the parts of the order in the place of the default ones.
fn order(order: &Value) -> RunSpec {
    let implementation = order.get("implementation").cloned();
    let spec = RunSpec::manual()
        .implementation(implementation.unwrap_or_else(|| json!({ "type": "MANUAL" })));
    let order = order.clone();
    spec.edit(move |document| {
        for (key, pointer) in [
            ("behavior", "/spec/behavior"),
            ("inputs", "/spec/buildingBlock/spec/inputs"),
            ("trigger", "/spec/trigger"),
        ] {
            if let (Some(value), Some(place)) = (order.get(key), document.pointer_mut(pointer)) {
                *place = value.clone();
            }
        }
    })
}

/// The end result in the shape of `expected.json`.
fn seen(run: &RunView) -> Value {
    let steps = run.steps.iter().map(|step| {
        let outputs = step.outputs.iter().map(|(key, output)| {
            let kind = format!("{:?}", output.kind).to_uppercase();
            let output =
                json!({ "value": output.value, "type": kind, "isSensitive": output.is_sensitive });
            (key.clone(), output)
        });
        json!({
            "id": step.id,
            "displayName": step.display_name,
            "status": format!("{:?}", step.status),
            "userMessage": step.user_message,
            "systemMessage": step.system_message,
            "outputs": outputs.collect::<serde_json::Map<_, _>>(),
        })
    });
    json!({
        "state": format!("{:?}", run.state),
        "summary": run.summary,
        "steps": steps.collect::<Vec<_>>(),
    })
}

/// Notes every part of `expected` that is not so.
fn compare(place: &str, expected: &Value, seen: &Value, wrong: &mut Vec<String>) {
    match (expected, seen) {
        (Value::Object(parts), Value::Object(all)) => {
            for (key, part) in parts {
                let found = all.get(key).unwrap_or(&Value::Null);
                compare(&format!("{place}.{key}"), part, found, wrong);
            }
        }
        (Value::Array(parts), Value::Array(all)) if parts.len() == all.len() => {
            for (index, (part, found)) in parts.iter().zip(all).enumerate() {
                compare(&format!("{place}[{index}]"), part, found, wrong);
            }
        }
        (Value::String(part), Value::String(text)) if contained(part, text) => {}
        _ if expected == seen => {}
        _ => wrong.push(format!("{place}: expected {expected}, seen {seen}")),
    }
}

fn contained(part: &str, text: &str) -> bool {
    let part = part.strip_prefix('…').and_then(|part| part.strip_suffix('…'));
    part.is_some_and(|part| text.contains(part))
}
