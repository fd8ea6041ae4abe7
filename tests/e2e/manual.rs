//! `MANUAL` runs, from claim to report.

use crate::{all_text, assert_ended, emulator};
use blockhouse_emulator::{Behavior, Emulator, InputType, OutputType, RunSpec, RunState, Status};
use blockhouse_tests::{Runner, patience};
use serde_json::{Value, json};

/// Executes one run and returns how it looks to its user.
async fn execute(emulator: &Emulator, spec: RunSpec) -> blockhouse_emulator::RunView {
    let runner = Runner::builder().start(emulator).unwrap();
    let id = emulator.enqueue(spec);
    let run = emulator.wait_for_end(&id, patience()).await.unwrap();
    runner.drain().await.unwrap();
    run
}

#[tokio::test]
async fn every_input_becomes_an_output_of_the_same_name_value_and_sensitivity() {
    use InputType as I;
    use OutputType as O;
    let cases: Vec<(&str, InputType, Value, OutputType)> = vec![
        ("text", I::String, json!("Grüße ${x} %{y} \"q\" \\ \n 😀"), O::String),
        ("empty", I::String, json!(""), O::String),
        ("number", I::Integer, json!(-9_007_199_254_740_993_i64), O::Integer),
        ("yes", I::Boolean, json!(true), O::Boolean),
        ("code", I::Code, json!("{\"a\": [1, 2.50]}"), O::Code),
        ("file", I::File, json!("data:text/plain;base64,aGVsbG8="), O::String),
        ("one", I::SingleSelect, json!("b"), O::String),
        ("many", I::MultiSelect, json!(["a", "c"]), O::Code),
        ("list", I::List, json!("[\"x\"]"), O::Code),
    ];
    let emulator = emulator().await;
    let spec = cases.iter().fold(RunSpec::manual(), |spec, (key, kind, value, _)| {
        spec.input(*key, kind.clone(), value.clone())
    });
    let spec = spec
        .sensitive_input("password", I::String, "hunter2-ä")
        .sensitive_input("key-file", I::File, "data:text/plain;base64,c2VjcmV0")
        .sensitive_input("no-password", I::String, "");
    let run = execute(&emulator, spec).await;
    assert_ended(&run, RunState::Succeeded);
    let [step] = &run.steps[..] else { panic!("{run:#?}") };
    assert_eq!((step.id.as_str(), step.display_name.as_str()), ("manual", "Manual Block Run"));
    assert_eq!(step.status, Status::Succeeded);
    assert_eq!(step.outputs.len(), cases.len() + 3);
    for (key, _, value, kind) in cases {
        let output = run.output(key).unwrap_or_else(|| panic!("no output `{key}`"));
        assert_eq!(
            (&output.value, output.kind, output.is_sensitive),
            (&value, kind, false),
            "{key}"
        );
    }
    for (key, value) in [
        ("password", "hunter2-ä"),
        ("key-file", "data:text/plain;base64,c2VjcmV0"),
        ("no-password", ""),
    ] {
        let output = run.output(key).unwrap_or_else(|| panic!("no output `{key}`"));
        assert_eq!((&output.value, output.is_sensitive), (&json!(value), true), "{key}");
    }
}

#[tokio::test]
async fn a_short_run_takes_three_calls() {
    let emulator = emulator().await;
    let runner = Runner::builder()
        .report(std::time::Duration::from_secs(1), std::time::Duration::from_secs(9))
        .start(&emulator)
        .unwrap();
    let id = emulator.enqueue(RunSpec::manual());
    let run = emulator.wait_for_end(&id, patience()).await.unwrap();
    runner.drain().await.unwrap();
    assert_eq!(run.updates, 1, "a claim, a registration, one report");
}

#[tokio::test]
async fn every_behaviour_succeeds() {
    let emulator = emulator().await;
    let runner = Runner::builder().start(&emulator).unwrap();
    for behavior in [Behavior::Apply, Behavior::Destroy, Behavior::Detect] {
        let id = emulator.enqueue(RunSpec::manual().behavior(behavior));
        let run = emulator.wait_for_end(&id, patience()).await.unwrap();
        assert_ended(&run, RunState::Succeeded);
    }
    runner.drain().await.unwrap();
}

#[tokio::test]
async fn what_was_used_is_reported_on_success_too() {
    let emulator = emulator().await;
    let run = execute(&emulator, RunSpec::manual()).await;
    let text = all_text(&run);
    for part in ["used", "million instructions", "memory"] {
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn a_run_without_a_token_is_reported_with_the_runners_credentials() {
    let emulator = emulator().await;
    let run = execute(&emulator, RunSpec::manual().without_run_token()).await;
    assert_ended(&run, RunState::Succeeded);
}

#[tokio::test]
async fn user_and_password_work_as_well_as_an_api_key() {
    let builder = Emulator::builder().basic("user", "password");
    let emulator = builder.start().await.unwrap();
    let runner = Runner::builder().basic("user", "password").start(&emulator).unwrap();
    let id = emulator.enqueue(RunSpec::manual().without_run_token());
    let run = emulator.wait_for_end(&id, patience()).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    runner.drain().await.unwrap();
}

#[tokio::test]
async fn an_input_without_a_value_gives_no_output() {
    let emulator = emulator().await;
    let spec = RunSpec::manual().input("name", InputType::String, json!(null));
    let run = execute(&emulator, spec).await;
    assert_ended(&run, RunState::Succeeded);
    assert!(run.output("name").is_none());
}
