//! meshStack and the network fail; the run does not.

use crate::{all_text, assert_ended, emulator};
use blockhouse_emulator::{Emulator, Fault, Gate, Route, RunSpec, RunState};
use blockhouse_tests::{Component, Runner, patience};
use serde_json::json;
use uuid::Uuid;

/// One run succeeds although `route` fails in this way, so many times.
async fn survives(route: Route, fault: Fault, times: u64) {
    let emulator = emulator().await;
    emulator.script(route, fault.clone(), times);
    let runner = Runner::builder().start(&emulator).unwrap();
    let id = emulator.enqueue(RunSpec::manual());
    let run = emulator.wait_for_end(&id, patience()).await;
    let run = run.unwrap_or_else(|error| panic!("{route:?} {fault:?}: {error}"));
    assert_ended(&run, RunState::Succeeded);
    runner.drain().await.unwrap();
}

#[tokio::test]
async fn a_login_that_fails_is_tried_again() {
    survives(Route::Login, Fault::status(503), 3).await;
    survives(Route::Login, Fault::DropBefore, 2).await;
}

#[tokio::test]
async fn a_claim_that_fails_is_tried_again() {
    survives(Route::Claim, Fault::status(500), 3).await;
    survives(Route::Claim, Fault::DropBefore, 2).await;
}

#[tokio::test]
async fn a_registration_that_fails_is_tried_again() {
    survives(Route::Register, Fault::status(503), 5).await;
    survives(Route::Register, Fault::DropBefore, 3).await;
    survives(Route::Register, Fault::DropAfter, 1).await;
    survives(Route::Register, Fault::TruncatedBody, 1).await;
}

#[tokio::test]
async fn a_final_status_is_sent_until_it_is_accepted_and_counts_once() {
    survives(Route::Update, Fault::status(503), 7).await;
    survives(Route::Update, Fault::retry_after(429, "1"), 2).await;
    survives(Route::Update, Fault::DropBefore, 4).await;
    survives(Route::Update, Fault::DropAfter, 1).await;
    survives(Route::Update, Fault::TruncatedBody, 1).await;
    survives(Route::Update, Fault::MalformedBody, 1).await;
    survives(Route::Update, Fault::OversizedBody(8 << 20), 1).await;
}

/// A run without a token of its own whose registration has arrived and waits for the gate, so that what follows finds the
/// runner's token revoked. With one slot nothing else renews it in the meantime.
async fn revoked_in_mid_run(emulator: &Emulator) -> (Runner, Uuid, Gate) {
    let runner = Runner::builder().concurrency(1).start(emulator).unwrap();
    let gate = Gate::new();
    let id = emulator.enqueue(RunSpec::manual().without_run_token());
    emulator.script_for_run(Route::Register, &id, Fault::Hold(gate.clone()), 1);
    gate.reached(1).await;
    emulator.revoke_tokens();
    (runner, id, gate)
}

#[tokio::test]
async fn a_token_that_expires_in_mid_run_is_renewed() {
    let emulator = emulator().await;
    let (runner, id, gate) = revoked_in_mid_run(&emulator).await;
    let logins = emulator.count(Route::Login);
    gate.open();
    let run = emulator.wait_for_end(&id, patience()).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    assert!(emulator.count(Route::Login) > logins);
    runner.drain().await.unwrap();
}

#[tokio::test]
async fn a_login_that_is_not_found_says_nothing_about_the_run() {
    for status in [404, 422] {
        let emulator = emulator().await;
        let (runner, id, gate) = revoked_in_mid_run(&emulator).await;
        emulator.script(Route::Login, Fault::status(status), 3);
        gate.open();
        let run = emulator.wait_for_end(&id, patience()).await.unwrap();
        assert_ended(&run, RunState::Succeeded);
        runner.drain().await.unwrap();
    }
}

#[tokio::test]
async fn a_report_of_progress_that_is_rejected_silences_neither_side() {
    let emulator = emulator().await;
    let component = Component::new("WATCH", blockhouse_artifacts::WATCH_ABORT);
    let runner = Runner::builder().component(component).start(&emulator).unwrap();
    let id = emulator.enqueue(RunSpec::manual().implementation(json!({ "type": "WATCH" })));
    emulator.script_for_run(Route::Update, &id, Fault::status(413), 1);
    emulator
        .wait_until(patience(), |view| view.run(&id).is_some_and(|run| run.updates > 0))
        .await
        .unwrap();
    emulator.abort(&id);
    let run = emulator.wait_for_end(&id, patience()).await.unwrap();
    assert_ended(&run, RunState::Aborted);
    assert!(all_text(&run).contains("cleaned up"), "the final status tells all: {run:#?}");
    runner.drain().await.unwrap();
}

#[tokio::test]
async fn results_that_meshstack_rejects_end_the_run_as_failed_and_say_so() {
    let emulator = emulator().await;
    emulator.script(Route::Update, Fault::status(422), 1);
    let runner = Runner::builder().start(&emulator).unwrap();
    let id = emulator.enqueue(RunSpec::manual());
    let run = emulator.wait_for_end(&id, patience()).await.unwrap();
    assert_eq!((run.state, run.terminal_updates), (RunState::Failed, 1));
    assert!(all_text(&run).contains("rejected by meshStack"), "{run:#?}");
    runner.drain().await.unwrap();
}

#[tokio::test]
async fn a_run_that_meshstack_does_not_know_any_more_is_let_go() {
    let emulator = emulator().await;
    let runner = Runner::builder().concurrency(1).start(&emulator).unwrap();
    let gone = emulator.enqueue(RunSpec::manual());
    emulator.script_for_run(Route::Update, &gone, Fault::status(404), 1);
    let next = emulator.enqueue(RunSpec::manual());
    let run = emulator.wait_for_end(&next, patience()).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    runner.drain().await.unwrap();
}

#[tokio::test]
async fn a_long_run_gives_signs_of_life_without_any_change() {
    let emulator = emulator().await;
    let component = Component::new("SLEEP", blockhouse_artifacts::SLEEP_BY_CLOCK);
    let runner = Runner::builder().component(component).start(&emulator).unwrap();
    let id = emulator.enqueue(RunSpec::manual().implementation(json!({ "type": "SLEEP" })));
    emulator
        .wait_until(patience(), |view| view.run(&id).is_some_and(|run| run.updates >= 5))
        .await
        .unwrap();
    runner.shutdown().abort();
    emulator.wait_for_end(&id, patience()).await.unwrap();
}

#[tokio::test]
async fn steps_that_meshstack_rejects_do_not_keep_the_run_from_ending() {
    survives(Route::Register, Fault::status(422), 1).await;
    survives(Route::Register, Fault::status(400), 2).await;
}
