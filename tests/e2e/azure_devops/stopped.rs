//! Runs that are aborted. What ends them is the abort: the component looks every ten minutes, longer than tests are patient.

use super::{Scene, builder};
use crate::{abort_and_be_heard, assert_ended};
use blockhouse_emulator::{RunSpec, RunState, RunView};
use blockhouse_remotes::azure::{Route, RunState as PipelineState};
use blockhouse_remotes::{Fault, Gate};
use blockhouse_tests::patience;

/// The pipeline was cancelled, once, and the user is told.
#[track_caller]
fn assert_cancelled(scene: &Scene, run: &RunView) {
    assert_ended(run, RunState::Aborted);
    assert_eq!(scene.azure.count(Route::Cancel), 1);
    let states: Vec<_> = scene.azure.runs().iter().map(|pipeline| pipeline.state).collect();
    assert_eq!(states, [PipelineState::Canceling]);
    let summary = run.summary.as_deref().unwrap();
    assert!(summary.contains("was told to cancel the pipeline"), "{summary}");
    assert!(summary.contains("_build/results?buildId=501"), "{summary}");
}

#[tokio::test]
async fn an_abort_between_two_looks_cancels_the_pipeline_at_once() {
    let scene = Scene::looking_once().await;
    let id = scene.emulator.enqueue(scene.spec());
    scene.looked(1).await;
    scene.emulator.abort(&id);
    let run = scene.end_of(&id).await;
    assert_cancelled(&scene, &run);
    assert_eq!(scene.azure.count(Route::Run), 1);
}

#[tokio::test]
async fn an_abort_does_not_wait_for_a_look_that_hangs() {
    for route in [Route::Run, Route::Timeline] {
        let scene = Scene::looking_once().await;
        let gate = Gate::new();
        scene.azure.script(route, Fault::Hold(gate.clone()), 1);
        let id = scene.emulator.enqueue(scene.spec());
        gate.reached(1).await;
        scene.emulator.abort(&id);
        let run = scene.end_of(&id).await;
        assert_cancelled(&scene, &run);
        // Only now, so that it was not this answer.
        gate.open();
    }
}

#[tokio::test]
async fn an_abort_while_the_pipeline_starts_cancels_it_whoever_would_follow_it() {
    for is_async in [false, true] {
        let scene = Scene::looking_once().await;
        let gate = Gate::new();
        scene.azure.script(Route::Launch, Fault::Hold(gate.clone()), 1);
        let mut implementation = scene.implementation();
        if is_async {
            implementation = implementation.asynchronous();
        }
        let id = scene.emulator.enqueue(RunSpec::azure_devops(implementation));
        gate.reached(1).await;
        abort_and_be_heard(&scene.emulator, &id).await;
        gate.open();
        let run = scene.end_of(&id).await;
        assert_cancelled(&scene, &run);
        assert_eq!(scene.azure.count(Route::Run), 0);
    }
}

#[tokio::test]
async fn a_run_that_is_aborted_before_its_turn_starts_nothing() {
    let azure = builder().start().unwrap();
    let policy = super::policy(&azure).limited("tenant_runs", 1);
    let scene = Scene::under(azure, &policy).await;
    let gate = Gate::new();
    scene.azure.script(Route::Launch, Fault::Hold(gate.clone()), 1);
    let first = scene.emulator.enqueue(scene.spec());
    gate.reached(1).await;
    let second = scene.emulator.enqueue(scene.spec());
    let waits = scene
        .emulator
        .wait_until(patience(), |view| view.run(&second).is_some_and(|run| run.updates > 0));
    waits.await.unwrap();
    scene.emulator.abort(&second);
    assert_ended(&scene.end_of(&second).await, RunState::Aborted);
    gate.open();
    assert_ended(&scene.end_of(&first).await, RunState::Succeeded);
    assert_eq!(scene.azure.count(Route::Launch), 1);
}

#[tokio::test]
async fn a_pipeline_that_can_not_be_cancelled_is_named() {
    for fault in [Fault::status(403), Fault::DropBefore, Fault::Hold(Gate::new())] {
        let scene = Scene::looking_once().await;
        scene.azure.script(Route::Cancel, fault, 1);
        let id = scene.emulator.enqueue(scene.spec());
        scene.looked(1).await;
        scene.emulator.abort(&id);
        let run = scene.end_of(&id).await;
        assert_ended(&run, RunState::Aborted);
        let summary = run.summary.as_deref().unwrap();
        assert!(summary.contains("Please cancel it yourself"), "{summary}");
        assert!(summary.contains("_build/results?buildId=501"), "{summary}");
        assert_eq!(scene.azure.count(Route::Cancel), 1, "once");
    }
}
