//! Runs that can't be executed end as failed with a message that helps, and the daemon goes on.

use crate::{all_text, assert_ended, emulator};
use blockhouse_emulator::{Emulator, InputType, RunSpec, RunState};
use blockhouse_tests::{Runner, patience};
use serde_json::{Value, json};

/// The run fails with all these words in its messages; a good run after it succeeds.
async fn fails_with(emulator: &Emulator, spec: RunSpec, words: &[&str]) {
    let runner = Runner::builder().start(emulator).unwrap();
    let bad = emulator.enqueue(spec);
    let good = emulator.enqueue(RunSpec::manual());
    let bad = emulator.wait_for_end(&bad, patience()).await.unwrap();
    assert_ended(&bad, RunState::Failed);
    let text = all_text(&bad);
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
    let good = emulator.wait_for_end(&good, patience()).await.unwrap();
    assert_ended(&good, RunState::Succeeded);
    runner.drain().await.unwrap();
}

fn sealed(value: &str) -> RunSpec {
    RunSpec::manual().verbatim_input(json!({
        "key": "password", "value": value, "type": "STRING",
        "isSensitive": true, "isEnvironment": false,
    }))
}

#[tokio::test]
async fn an_unknown_implementation_type_is_named() {
    let spec = RunSpec::manual().implementation(json!({ "type": "PULUMI" }));
    fails_with(&emulator().await, spec, &["PULUMI", "route"]).await;
}

#[tokio::test]
async fn a_document_without_inputs_is_explained_by_path() {
    let spec = RunSpec::manual().edit(|document| {
        let spec = document.pointer_mut("/spec/buildingBlock/spec");
        spec.and_then(Value::as_object_mut).unwrap().remove("inputs");
    });
    fails_with(&emulator().await, spec, &["spec.buildingBlock.spec", "inputs"]).await;
}

#[tokio::test]
async fn an_unknown_behaviour_is_named() {
    let spec = RunSpec::manual().edit(|document| {
        *document.pointer_mut("/spec/behavior").unwrap() = json!("EXPLODE");
    });
    fails_with(&emulator().await, spec, &["EXPLODE"]).await;
}

#[tokio::test]
async fn unknown_fields_input_types_and_triggers_are_no_reason_to_fail() {
    let emulator = emulator().await;
    let runner = Runner::builder().start(&emulator).unwrap();
    let spec = RunSpec::manual()
        .verbatim_input(json!({
            "key": "colour", "value": { "r": 1.10 }, "type": "COLOUR",
            "isSensitive": false, "isEnvironment": false, "new": 1,
        }))
        .trigger(Some(json!({ "reason": "FULL_MOON", "author": null, "x": [] })));
    let id = emulator.enqueue(spec);
    let run = emulator.wait_for_end(&id, patience()).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    assert_eq!(run.output("colour").unwrap().value, json!({ "r": 1.10 }));
    runner.drain().await.unwrap();
}

#[tokio::test]
async fn a_secret_for_another_key_fails_that_run_and_says_what_to_do() {
    // A well-formed value whose ciphertexts are noise.
    let mut bytes = vec![0x5a; 512];
    bytes.extend(12_u32.to_be_bytes());
    bytes.extend([7; 12 + 32]);
    let value = blockhouse_tests::base64(&bytes);
    fails_with(
        &emulator().await,
        sealed(&value),
        &["`password`", "encrypted for another", "private key"],
    )
    .await;
}

#[tokio::test]
async fn a_value_that_was_never_sealed_fails_that_run() {
    for value in ["plain text", "aGVsbG8=", "!"] {
        fails_with(&emulator().await, sealed(value), &["`password`", "can't be decrypted"]).await;
    }
}

#[tokio::test]
async fn a_sealed_setting_of_the_definition_that_cannot_be_opened_is_named() {
    let spec = RunSpec::manual().verbatim_implementation(json!({
        "type": "GITLAB_CICD", "gitlabBaseUrl": "https://gitlab.example", "projectId": "1",
        "refName": "main", "pipelineTriggerToken": "broken",
    }));
    let emulator = emulator().await;
    let gitlab = blockhouse_tests::Component::new("GITLAB_CICD", blockhouse_artifacts::MANUAL);
    let runner = Runner::builder().component(gitlab).start(&emulator).unwrap();
    let id = emulator.enqueue(spec);
    let run = emulator.wait_for_end(&id, patience()).await.unwrap();
    assert_ended(&run, RunState::Failed);
    assert!(all_text(&run).contains("`pipelineTriggerToken`"), "{run:#?}");
    runner.drain().await.unwrap();
}

#[tokio::test]
async fn secrets_appear_in_no_message() {
    let emulator = emulator().await;
    let runner = Runner::builder().start(&emulator).unwrap();
    let spec = RunSpec::manual().sensitive_input("password", InputType::String, "hunter2");
    let id = emulator.enqueue(spec);
    let run = emulator.wait_for_end(&id, patience()).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    assert_eq!(run.output("password").unwrap().value, json!("hunter2"), "it was used");
    assert!(!all_text(&run).contains("hunter2"));
    runner.drain().await.unwrap();
}
