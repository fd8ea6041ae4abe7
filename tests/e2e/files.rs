//! Run directories, as the daemon makes and removes them.

use crate::{all_text, assert_ended, emulator};
use blockhouse_emulator::{RunSpec, RunState};
use blockhouse_tests::{Component, Runner, patience};
use serde_json::json;
use std::fs;

#[tokio::test]
async fn a_run_works_in_a_directory_of_its_own_and_none_is_left_behind() {
    let emulator = emulator().await;
    let state = tempfile::tempdir().unwrap();
    // What a daemon that has crashed left behind.
    let left_over = state.path().join("runs/00000000-0000-0000-0000-000000000009/work");
    fs::create_dir_all(&left_over).unwrap();
    fs::write(left_over.join("secret"), "hunter2").unwrap();

    let policy = "[files]\nreason = 'x'\nwork = \"read-write\"\nquota_mib = 1\nquota_files = 100\n";
    let component = Component::new("FILES", blockhouse_artifacts::HONEST_FILES).policy(policy);
    let builder = Runner::builder().component(component).state_directory(state.path());
    let runner = builder.start(&emulator).unwrap();
    assert!(!left_over.exists());

    let spec = || RunSpec::manual().implementation(json!({ "type": "FILES" }));
    let runs: Vec<_> = (0..4).map(|_| emulator.enqueue(spec())).collect();
    emulator.wait_until(patience(), |view| view.unfinished() == 0).await.unwrap();
    for run in runs {
        let run = emulator.run(&run).unwrap();
        assert_ended(&run, RunState::Succeeded);
        assert!(all_text(&run).contains("8 bytes"), "{run:#?}");
    }
    assert_eq!(fs::read_dir(state.path().join("runs")).unwrap().count(), 0);
    runner.drain().await.unwrap();
}
