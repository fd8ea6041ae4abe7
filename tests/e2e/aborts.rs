//! The user aborts a run.

use crate::{all_text, assert_ended, emulator};
use blockhouse_emulator::{RunSpec, RunState, RunView, Status};
use blockhouse_policy::Limits;
use blockhouse_tests::{Component, Runner, patience};
use serde_json::json;
use std::time::Duration;

/// Aborts a run of this component once it is under way, and returns how it ended.
async fn abort(component: &[u8], grace: Duration) -> RunView {
    let emulator = emulator().await;
    // It must not end by itself, however long the abort takes.
    let limits = Limits { fuel: u64::MAX / 2, ..Limits::default() };
    let component = Component::new("ABORTED", component).limits(limits);
    let runner = Runner::builder().component(component).abort_grace(grace);
    let runner = runner.start(&emulator).unwrap();
    let id = emulator.enqueue(RunSpec::manual().implementation(json!({ "type": "ABORTED" })));
    emulator
        .wait_until(patience(), |view| view.run(&id).is_some_and(|run| run.updates > 0))
        .await
        .unwrap();
    emulator.abort(&id);
    let run = emulator.wait_for_end(&id, patience()).await.unwrap();
    runner.drain().await.unwrap();
    assert_ended(&run, RunState::Aborted);
    assert_eq!(run.reported_status, Some(Status::Failed));
    run
}

#[tokio::test]
async fn a_run_that_never_asks_is_stopped_at_once_and_gets_its_final_status() {
    // Nobody waits for an hour: the grace is only for components that ask.
    let run = abort(blockhouse_artifacts::SLEEP_BY_CLOCK, Duration::from_secs(3600)).await;
    assert!(all_text(&run).contains("aborted"), "{run:#?}");
}

#[tokio::test]
async fn a_component_that_watches_for_aborts_may_clean_up() {
    let run = abort(blockhouse_artifacts::WATCH_ABORT, Duration::from_secs(3600)).await;
    assert!(all_text(&run).contains("cleaned up"), "{run:#?}");
}

#[tokio::test]
async fn a_component_that_overstays_its_grace_is_stopped() {
    let run = abort(blockhouse_artifacts::OVERSTAY_ABORT, Duration::from_millis(50)).await;
    assert!(all_text(&run).contains("aborted"), "{run:#?}");
}
