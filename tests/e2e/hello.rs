//! The example component that authors copy.

use crate::{all_text, assert_ended, emulator};
use blockhouse_emulator::{Emulator, InputType, RunSpec, RunState, RunView, Status};
use blockhouse_tests::{Component, Runner, patience};
use serde_json::json;

async fn execute(emulator: &Emulator, spec: RunSpec) -> RunView {
    let hello = Component::new("HELLO", blockhouse_artifacts::HELLO);
    let runner = Runner::builder().component(hello).start(emulator).unwrap();
    let id = emulator.enqueue(spec.implementation(json!({ "type": "HELLO" })));
    let run = emulator.wait_for_end(&id, patience()).await.unwrap();
    runner.drain().await.unwrap();
    run
}

#[tokio::test]
async fn it_reports_two_steps_and_returns_a_greeting() {
    let emulator = emulator().await;
    let spec = RunSpec::manual().input("name", InputType::String, json!("Ada"));
    let run = execute(&emulator, spec).await;
    assert_ended(&run, RunState::Succeeded);
    let steps: Vec<_> = run.steps.iter().map(|step| (step.id.as_str(), step.status)).collect();
    assert_eq!(steps, [("read", Status::Succeeded), ("greet", Status::Succeeded)]);
    assert_eq!(run.output("greeting").unwrap().value, json!("Hello, Ada!"));
    assert_eq!(run.summary.as_deref(), Some("Hello, Ada!"));
}

#[tokio::test]
async fn without_a_name_it_fails_and_says_what_to_do() {
    let emulator = emulator().await;
    let run = execute(&emulator, RunSpec::manual()).await;
    assert_ended(&run, RunState::Failed);
    assert!(all_text(&run).contains("Please enter a name in the input `name`."));
    let steps: Vec<_> = run.steps.iter().map(|step| step.status).collect();
    assert_eq!(steps, [Status::Failed, Status::Failed], "the step and all later ones");
}
