//! Draining, aborting, crashing and starting again, with the program as a process.

use crate::{all_text, assert_ended, emulator, until_decided};
use blockhouse_emulator::{Fault, Gate, Route, RunSpec, RunState};
use blockhouse_tests::{Component, Process, Runner, patience};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_blockhouse-under-test");

fn of_type(name: &str) -> RunSpec {
    RunSpec::manual().implementation(json!({ "type": name }))
}

#[tokio::test]
async fn a_drain_during_32_runs_loses_none() {
    let emulator = emulator().await;
    let gate = Gate::new();
    // All runs are under way, none has ended: their registrations hang.
    emulator.script(Route::Register, Fault::Hold(gate.clone()), 32);
    let runner = Runner::builder().concurrency(32).start(&emulator).unwrap();
    let runs: Vec<_> = (0..40).map(|_| emulator.enqueue(RunSpec::manual())).collect();
    emulator.wait_until(patience(), |view| view.requests(Route::Claim) >= 32).await.unwrap();
    gate.reached(32).await;
    runner.shutdown().drain();
    gate.open();
    let stopped = runner.drain().await.unwrap();
    assert_eq!(stopped, blockhouse::daemon::Stopped::Drained);
    let (ended, waiting): (Vec<_>, Vec<_>) = runs
        .iter()
        .map(|id| emulator.run(id).unwrap())
        .partition(|run| run.state != RunState::Pending);
    assert_eq!((ended.len(), waiting.len()), (32, 8), "no run is claimed after the drain");
    ended.iter().for_each(|run| assert_ended(run, RunState::Succeeded));
}

#[cfg(unix)]
#[tokio::test]
async fn the_first_signal_drains_the_second_aborts() {
    let emulator = emulator().await;
    let directory = tempfile::tempdir().unwrap();
    let sleep = [("SLEEP", blockhouse_artifacts::SLEEP_BY_CLOCK)];
    Process::configure(directory.path(), &emulator, &sleep, "poll: {interval: 100ms}\n").unwrap();
    let mut process = Process::start(Path::new(PROGRAM), directory.path()).unwrap();
    let id = emulator.enqueue(of_type("SLEEP"));
    let reported =
        emulator.wait_until(patience(), |view| view.run(&id).is_some_and(|run| run.updates > 0));
    process.until(reported).await.unwrap().unwrap();
    process.terminate().unwrap();
    // The first signal is handled when it is logged; only then can the second one be told apart from it.
    wait_for(|| process.log().contains("draining: no more runs are claimed")).await;
    process.terminate().unwrap();
    let status = process.ended(patience()).await.unwrap();
    assert_eq!(status.code(), Some(0), "{}", process.log());
    let run = emulator.run(&id).unwrap();
    assert_ended(&run, RunState::Failed);
    assert!(all_text(&run).contains("shut down"), "{run:#?}");
}

#[tokio::test]
async fn a_final_status_that_a_crash_kept_from_meshstack_is_delivered_by_the_next_start() {
    let emulator = emulator().await;
    let directory = tempfile::tempdir().unwrap();
    Process::configure(directory.path(), &emulator, &[], "poll: {interval: 100ms}\n").unwrap();
    let gate = Gate::new();
    emulator.script(Route::Update, Fault::Hold(gate.clone()), 1);
    let mut process = Process::start(Path::new(PROGRAM), directory.path()).unwrap();
    let spec = RunSpec::manual()
        .input("name", blockhouse_emulator::InputType::String, json!("kept"))
        .sensitive_input("password", blockhouse_emulator::InputType::String, "hunter2");
    let id = emulator.enqueue(spec);
    process.until(gate.reached(1)).await.unwrap();
    until_decided(&directory.path().join("state"), &id).await;
    process.kill().unwrap();
    for entry in std::fs::read_dir(directory.path().join("state/journal")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            !text.contains("hunter2") && !text.contains("runToken"),
            "the journal is not sealed"
        );
    }
    let mut next = Process::start(Path::new(PROGRAM), directory.path()).unwrap();
    let run = emulator.wait_for_end(&id, patience()).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    assert_eq!(run.output("name").unwrap().value, json!("kept"));
    assert_eq!(run.output("password").unwrap().value, json!("hunter2"));
    // What was delivered is not delivered again.
    #[cfg(unix)]
    {
        next.terminate().unwrap();
        assert_eq!(next.ended(patience()).await.unwrap().code(), Some(0), "{}", next.log());
        let _third = Process::start(Path::new(PROGRAM), directory.path()).unwrap();
        wait_for(|| next.log().matches("the daemon is up").count() == 3).await;
        assert_eq!(next.log().matches("an earlier daemon left behind").count(), 1);
    }
}

#[tokio::test]
async fn a_drain_that_takes_too_long_aborts_the_runs_that_are_left() {
    let emulator = emulator().await;
    let component = Component::new("SLEEP", blockhouse_artifacts::SLEEP_BY_CLOCK);
    let runner = Runner::builder().component(component).drain_timeout(Duration::ZERO);
    let runner = runner.start(&emulator).unwrap();
    let id = emulator.enqueue(of_type("SLEEP"));
    emulator
        .wait_until(patience(), |view| view.run(&id).is_some_and(|run| run.updates > 0))
        .await
        .unwrap();
    assert_eq!(runner.drain().await.unwrap(), blockhouse::daemon::Stopped::Drained);
    let run = emulator.run(&id).unwrap();
    assert_ended(&run, RunState::Failed);
    assert!(all_text(&run).contains("shut down"), "{run:#?}");
}

#[tokio::test]
async fn two_daemons_do_not_share_a_state_directory() {
    let emulator = emulator().await;
    let directory = tempfile::tempdir().unwrap();
    let first = Runner::builder().state_directory(directory.path()).start(&emulator).unwrap();
    let second = Runner::builder().state_directory(directory.path()).start(&emulator);
    let error = format!("{:#}", second.expect_err("the directory is locked"));
    assert!(error.contains("in use by another daemon"), "{error}");
    first.drain().await.unwrap();
}

/// Waits for something that only a file tells.
async fn wait_for(condition: impl Fn() -> bool) {
    let waited = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(patience(), waited).await.expect("the condition holds in the end");
}
