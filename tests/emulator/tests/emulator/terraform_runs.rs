//! What `TERRAFORM` runs have and others don't.

use blockhouse_emulator::{Behavior, InputType, RunSpec, Terraform, data_url};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, builder};

#[tokio::test]
async fn an_implementation_has_the_fields_that_were_set_and_its_key_is_sealed() {
    let emulator = builder().start().await.unwrap();
    let terraform = Terraform::of("git@host:path")
        .version("1.11.4")
        .path("modules/one")
        .reference("main")
        .ssh_private_key("KEY")
        .known_host("host", "ssh-ed25519", "AAAA")
        .asynchronous()
        .meshstack_state()
        .pre_run_script("true");
    emulator.enqueue(RunSpec::terraform(terraform));
    let client = Client::of(&emulator).await;
    let run = client.claim().await;
    let pointer = "/spec/buildingBlockDefinition/spec/implementation";
    let mut implementation = run.document.pointer(pointer).unwrap().clone();
    let key = implementation["sshPrivateKey"].take();
    assert!(key.as_str().is_some_and(|key| key.len() > 500), "{key}");
    let expected = json!({
        "type": "TERRAFORM",
        "terraformVersion": "1.11.4",
        "repositoryUrl": "git@host:path",
        "repositoryPath": "modules/one",
        "refName": "main",
        "sshPrivateKey": null,
        "knownHost": {"host": "host", "keyType": "ssh-ed25519", "keyValue": "AAAA"},
        "async": true,
        "useMeshHttpBackendFallback": true,
        "preRunScript": "true",
    });
    assert_eq!(implementation, expected);
}

#[tokio::test]
async fn file_inputs_are_data_urls_and_sealed_when_sensitive() {
    let emulator = builder().start().await.unwrap();
    let spec = RunSpec::terraform(Terraform::of("https://host/x"));
    emulator.enqueue(spec.file_input("plain", b"\0x").sensitive_file_input("sealed", b"\0x"));
    let client = Client::of(&emulator).await;
    let run = client.claim().await;
    let inputs = run.document.pointer("/spec/buildingBlock/spec/inputs").unwrap();
    assert_eq!(inputs[0]["value"], "data:application/octet-stream;base64,AHg=");
    assert!(inputs[1]["value"].as_str().is_some_and(|value| !value.contains("data:")));
    assert_eq!(data_url("text/plain", b"a"), "data:text/plain;base64,YQ==");
}

#[tokio::test]
async fn the_plan_of_a_dry_run_reaches_the_apply_of_the_same_block() {
    let emulator = builder().start().await.unwrap();
    let spec = RunSpec::terraform(Terraform::of("https://host/x")).input(
        "name",
        InputType::String,
        json!("x"),
    );
    let detect = emulator.enqueue(spec.clone().behavior(Behavior::Detect));
    let client = Client::of(&emulator).await;
    let run = client.claim().await;
    client.register(&run).await;
    let body = json!({"status": "SUCCEEDED", "artifact": "cGxhbg==", "changesDetected": true});
    assert_eq!(client.update(&run, body).await.0, 200);
    let seen = emulator.run(&detect).unwrap();
    assert_eq!((seen.changes_detected, seen.artifact.as_deref()), (Some(true), Some(&b"plan"[..])));

    let apply = emulator.enqueue(spec.applying_plan_of(detect));
    let run = client.claim().await;
    let block = |id| emulator.run(id).unwrap().state_address.unwrap();
    assert_eq!(block(&apply), block(&detect));
    assert_eq!(run.document["spec"]["behavior"], "APPLY");
    let path = client.path(run.link("planArtifact"));
    let request = client.mesh(Method::GET, &path, "application/octet-stream");
    let answer = request.bearer_auth(run.token().unwrap()).send().await.unwrap();
    assert_eq!(answer.bytes().await.unwrap(), "plan");
}

#[tokio::test]
async fn a_view_tells_the_timeline_and_what_was_said() {
    let emulator = builder().start().await.unwrap();
    let id = emulator.enqueue(RunSpec::manual());
    let client = Client::of(&emulator).await;
    let run = client.claim().await;
    client.register(&run).await;
    let outputs = json!({"a": {"value": 1, "type": "INTEGER"}});
    let one =
        json!({"id": "one", "status": "SUCCEEDED", "systemMessage": "log", "outputs": outputs});
    let two = json!({"id": "two", "status": "FAILED", "userMessage": "sorry"});
    client.update(&run, json!({"status": "FAILED", "steps": [one, two]})).await;
    let view = emulator.run(&id).unwrap();
    let timeline: Vec<_> =
        view.timeline().iter().map(|(step, status)| format!("{step} {status}")).collect();
    assert_eq!(timeline, ["one SUCCEEDED", "two FAILED"]);
    assert_eq!((view.log("one"), view.told("one"), view.told("two")), ("log", "", "sorry"));
    let values: Vec<(&str, &Value)> =
        view.outputs().into_iter().map(|(name, output)| (name, &output.value)).collect();
    assert_eq!(values, [("a", &json!(1))]);
}
