//! An abort reaches GitHub at once. Polls are ten minutes apart here, longer than any test waits: nothing but an immediate
//! reaction ends these runs.

use super::{Scene, described, github, implementation, order, policy, seen};
use crate::{abort_and_be_heard, all_text, assert_ended};
use blockhouse_emulator::{Fault, Gate, RunSpec, RunState, RunView, Status};
use blockhouse_remotes::github::{Route, RunPlan};
use blockhouse_remotes::{GitHub, Pace};
use std::time::Instant;
use uuid::Uuid;

async fn scene(github: &GitHub) -> Scene {
    github.plan_next(RunPlan::default().pace(Pace::ByHand));
    Scene::under(&policy(&[github]).configured("poll_seconds", "600")).await
}

/// Aborts the run and tells how it ended; how long it took is for people who read the test's output.
#[expect(clippy::print_stderr, reason = "a figure for people, which nothing depends on")]
async fn abort(scene: &Scene, id: &Uuid) -> RunView {
    let began = Instant::now();
    scene.emulator.abort(id);
    let run = scene.ended(id).await;
    eprintln!("ended {:?} after the abort", began.elapsed());
    assert_ended(&run, RunState::Aborted);
    assert_eq!(run.reported_status, Some(Status::Failed));
    run
}

#[track_caller]
fn assert_cancelled(github: &GitHub, run: &RunView) {
    let told = all_text(run);
    assert!(told.contains("GitHub was told to cancel the workflow: http"), "{told}");
    assert_eq!((github.count(Route::Cancel), github.count(Route::Dispatch)), (1, 1));
    assert!(github.runs().first().unwrap().is_cancelling);
    let last = github.requests().pop().unwrap();
    assert_eq!((last.route, last.status), (Route::Cancel, Some(202)), "nothing comes after it");
}

#[tokio::test]
async fn an_abort_between_two_polls_cancels_the_workflow() {
    let github = github();
    let scene = scene(&github).await;
    let id = scene.enqueue(order(&github));
    seen(&github, Route::Jobs, 1).await;
    scene.dispatched(&id).await;
    let run = abort(&scene, &id).await;
    assert_cancelled(&github, &run);
    assert_eq!(github.count(Route::Run), 1);
}

#[tokio::test]
async fn an_abort_while_a_poll_hangs_cancels_the_workflow() {
    let github = github();
    let gate = Gate::new();
    github.script(Route::Run, Fault::Hold(gate.clone()), 1);
    let scene = scene(&github).await;
    let id = scene.enqueue(order(&github));
    gate.reached(1).await;
    let run = abort(&scene, &id).await;
    assert_cancelled(&github, &run);
}

#[tokio::test]
async fn an_abort_while_the_dispatch_hangs_waits_for_its_answer_and_cancels_the_workflow() {
    let github = github();
    let gate = Gate::new();
    github.script(Route::Dispatch, Fault::Hold(gate.clone()), 1);
    let scene = scene(&github).await;
    let id = scene.enqueue(order(&github));
    gate.reached(1).await;
    // The daemon has been told, and still there is somebody who waits for GitHub.
    abort_and_be_heard(&scene.emulator, &id).await;
    gate.open();
    let run = scene.ended(&id).await;
    assert_ended(&run, RunState::Aborted);
    assert_cancelled(&github, &run);
}

#[tokio::test]
async fn an_abort_of_a_run_to_be_handed_over_cancels_what_was_dispatched_meanwhile() {
    let github = github();
    let gate = Gate::new();
    github.script(Route::Dispatch, Fault::Hold(gate.clone()), 1);
    let scene = scene(&github).await;
    let id = scene.enqueue(RunSpec::github_workflow(implementation(&github).asynchronous()));
    gate.reached(1).await;
    abort_and_be_heard(&scene.emulator, &id).await;
    gate.open();
    let run = scene.ended(&id).await;
    assert_ended(&run, RunState::Aborted);
    assert_cancelled(&github, &run);
}

#[tokio::test]
async fn an_abort_during_the_search_cancels_the_run_that_shows_itself() {
    let github = described().without_run_details().start().unwrap();
    let scene = scene(&github).await;
    let gate = Gate::new();
    github.script(Route::Runs, Fault::Hold(gate.clone()), 1);
    let order = RunSpec::github_workflow(implementation(&github).omitting_document());
    let id = scene.enqueue(order);
    gate.reached(1).await;
    let run = abort(&scene, &id).await;
    assert_eq!(github.count(Route::Cancel), 1);
    assert!(all_text(&run).contains("GitHub was told to cancel the workflow"), "{run:#?}");
    assert!(github.runs()[0].is_cancelling);
}

#[tokio::test]
async fn an_abort_before_the_dispatch_dispatches_nothing() {
    let github = github();
    let gate = Gate::new();
    github.script(Route::AccessToken, Fault::Hold(gate.clone()), 1);
    let scene = scene(&github).await;
    let id = scene.enqueue(order(&github));
    gate.reached(1).await;
    abort(&scene, &id).await;
    assert_eq!((github.count(Route::Dispatch), github.count(Route::Cancel)), (0, 0));
}

#[tokio::test]
async fn a_workflow_that_can_not_be_cancelled_is_named() {
    let github = github();
    github.script(Route::Cancel, Fault::status(500), 1);
    let scene = scene(&github).await;
    let id = scene.enqueue(order(&github));
    scene.dispatched(&id).await;
    seen(&github, Route::Jobs, 1).await;
    let run = abort(&scene, &id).await;
    let told = all_text(&run);
    assert!(
        told.contains("could not be cancelled and goes on. Please cancel it yourself: http"),
        "{told}"
    );
    assert_eq!(github.count(Route::Cancel), 1);
}
