//! A secret that a component was shown, on the ways out of the daemon.

use crate::{all_text, assert_ended, emulator};
use blockhouse_emulator::{InputType, RunSpec, RunState};
use blockhouse_tests::{Process, patience};
use serde_json::json;
use std::path::Path;

#[tokio::test]
async fn what_a_component_leaks_is_redacted_on_its_way_to_mesh_stack() {
    let emulator = emulator().await;
    let directory = tempfile::tempdir().unwrap();
    let leak = [("LEAK", blockhouse_artifacts::LEAK_SECRET)];
    Process::configure(directory.path(), &emulator, &leak, "poll: {interval: 100ms}\n").unwrap();
    let policy = "description = 'x'\n[[secrets.reveal]]\nreason = 'to see what it does with it'\nkeys = ['token']\n";
    std::fs::write(directory.path().join("policy.toml"), policy).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_blockhouse-under-test"));
    let mut process = Process::start(program, directory.path()).unwrap();
    let spec = RunSpec::manual()
        .implementation(json!({ "type": "LEAK" }))
        .sensitive_input("token", InputType::String, "correct-horse-42")
        .sensitive_input("pin", InputType::String, "12345");
    let id = emulator.enqueue(spec);
    let ended = emulator.wait_for_end(&id, patience());
    let run = process.until(ended).await.unwrap().unwrap();
    assert_ended(&run, RunState::Failed);

    let text = all_text(&run);
    assert!(text.contains("leak [secret token] end"), "{text}");
    let secret_parts = ["correct", "horse-42", "Y29ycmVjd", "636f727265"];
    for part in secret_parts {
        assert!(!text.contains(part), "{part}: {text}");
        for step in &run.steps {
            assert!(!step.id.contains(part) && !step.display_name.contains(part), "{step:?}");
        }
    }
    assert_eq!(run.output("text").unwrap().value, json!("leak [secret token] end"));
    let hidden = &run.output("hidden").unwrap().value;
    assert_eq!(hidden, &json!("leak correct-horse-42 end"), "meshStack hides it");

    let log = process.log();
    assert!(log.contains("[secret token]"), "the detail is in the log: {log}");
    assert!(!secret_parts.iter().any(|part| log.contains(part)), "{log}");
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("not redacted")).collect();
    assert!(matches!(warnings[..], [line] if line.contains("pin")), "{log}");
    assert!(!log.contains("12345"), "{log}");
}

#[tokio::test]
async fn more_secrets_than_a_run_can_hold_are_refused_before_any_is_opened() {
    let emulator = emulator().await;
    let directory = tempfile::tempdir().unwrap();
    let hello = [("HELLO", blockhouse_artifacts::HELLO)];
    Process::configure(directory.path(), &emulator, &hello, "poll: {interval: 100ms}\n").unwrap();
    let policy = "description = 'x'\n[limits]\nreason = 'few'\nhandles = 16\n";
    std::fs::write(directory.path().join("policy.toml"), policy).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_blockhouse-under-test"));
    let mut process = Process::start(program, directory.path()).unwrap();
    let spec = RunSpec::manual().implementation(json!({ "type": "HELLO" }));
    let spec = (0..17).fold(spec, |spec, n| {
        spec.sensitive_input(format!("secret-{n}"), InputType::String, "correct-horse-42")
    });
    let id = emulator.enqueue(spec);
    let ended = emulator.wait_for_end(&id, patience());
    let run = process.until(ended).await.unwrap().unwrap();
    assert_ended(&run, RunState::Failed);
    assert!(all_text(&run).contains("17 sensitive inputs and settings"), "{}", all_text(&run));
}
