//! Runs that are aborted.

use super::{STEP, Scene, gitlab, policy};
use crate::{abort_and_be_heard, assert_ended};
use blockhouse_emulator::{RunState, Status};
use blockhouse_remotes::gitlab::Route;
use blockhouse_remotes::{Fault, Gate};
use blockhouse_tests::patience;

#[tokio::test]
async fn a_run_that_is_aborted_before_its_turn_triggers_nothing() {
    let gitlab = gitlab();
    let policy = policy(&gitlab).limited("tenant_runs", 1);
    let scene = Scene::under(gitlab, &policy).await;
    let gate = Gate::new();
    scene.gitlab.script(Route::Trigger, Fault::Hold(gate.clone()), 1);
    let first = scene.emulator.enqueue(scene.spec());
    gate.reached(1).await;
    let second = scene.emulator.enqueue(scene.spec());
    let waits = scene
        .emulator
        .wait_until(patience(), |view| view.run(&second).is_some_and(|run| run.updates > 0));
    waits.await.unwrap();
    scene.emulator.abort(&second);
    let run = scene.emulator.wait_for_end(&second, patience()).await.unwrap();
    assert_ended(&run, RunState::Aborted);
    gate.open();
    scene.handed_over(&first).await;
    assert_eq!(scene.triggers(), 1);
}

/// It can't be taken back: the token only triggers. The pipeline finds out when it reports.
#[tokio::test]
async fn an_abort_while_gitlab_is_asked_leaves_the_run_to_the_pipeline_and_says_so() {
    let scene = Scene::start().await;
    let gate = Gate::new();
    scene.gitlab.script(Route::Trigger, Fault::Hold(gate.clone()), 1);
    let id = scene.emulator.enqueue(scene.spec());
    gate.reached(1).await;
    abort_and_be_heard(&scene.emulator, &id).await;
    gate.open();
    let run = scene.handed_over(&id).await;
    assert_eq!(run.timeline(), [(STEP, Status::Succeeded)]);
    let link = format!("/acme/infra/-/pipelines/{}", scene.gitlab.pipelines()[0].id);
    for text in [run.told(STEP), run.summary.as_deref().unwrap()] {
        assert!(text.contains("before the run was stopped") && text.contains(&link), "{text}");
    }
    assert!(run.aborted && run.terminal_updates == 0, "{run:#?}");
    assert_eq!(scene.triggers(), 1);
}
