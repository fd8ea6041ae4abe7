//! Trouble that passes while a pipeline is followed, and trouble that does not.

use super::{Scene, builder, policy};
use crate::{all_text, assert_ended};
use blockhouse_emulator::{RunState, Status};
use blockhouse_remotes::azure::{Route, RunPlan};
use blockhouse_remotes::{Fault, Pace};

#[tokio::test]
async fn a_pipeline_is_followed_through_trouble_that_passes() {
    let scene = Scene::start().await;
    for fault in [
        Fault::status(500),
        Fault::status(503),
        Fault::DropBefore,
        Fault::DropAfter,
        Fault::TruncatedBody,
        Fault::MalformedBody,
    ] {
        scene.azure.script(Route::Run, fault.clone(), 1);
        scene.azure.script(Route::Run, Fault::Pass, 1);
        scene.azure.script(Route::Timeline, fault, 1);
    }
    let run = scene.execute(scene.spec()).await;
    assert_ended(&run, RunState::Succeeded);
    assert_eq!(run.steps.len(), 2, "{run:#?}");
    assert_eq!(run.steps[1].status, Status::Succeeded);
    assert_eq!(scene.azure.count(Route::Launch), 1);
}

#[tokio::test]
async fn retry_after_is_honoured_while_looking() {
    let scene = Scene::start().await;
    scene.azure.script(Route::Run, Fault::retry_after(429, "1"), 1);
    let run = scene.execute(scene.spec()).await;
    assert_ended(&run, RunState::Succeeded);
    let looks = scene.azure.requests_of(Route::Run);
    assert_eq!(looks[0].status, Some(429));
    assert!(looks[1].at - looks[0].at >= std::time::Duration::from_secs(1), "{looks:?}");
}

/// The answer counts, whatever its headers warn of.
#[tokio::test]
async fn an_answer_that_asks_for_patience_is_an_answer() {
    let scene = Scene::start().await;
    scene.azure.slow_down(true);
    assert_ended(&scene.execute(scene.spec()).await, RunState::Succeeded);
    assert_eq!(scene.azure.count(Route::Launch), 1);
}

#[tokio::test]
async fn a_timeline_that_can_not_be_had_does_not_end_the_run() {
    let scene = Scene::start().await;
    scene.azure.fail(&[Route::Timeline], &Fault::status(404));
    let run = scene.execute(scene.spec()).await;
    assert_ended(&run, RunState::Succeeded);
    assert_eq!(run.steps.len(), 1, "{run:#?}");
}

#[tokio::test]
async fn a_run_that_azure_devops_has_lost_ends_with_its_address() {
    let scene = Scene::start().await;
    scene.azure.script(Route::Run, Fault::Pass, 1);
    scene.azure.script(Route::Run, Fault::status(404), 1);
    let run = scene.execute(scene.spec()).await;
    assert_ended(&run, RunState::Failed);
    let text = all_text(&run);
    assert!(text.contains("can't be followed any more"), "{text}");
    assert!(text.contains("_build/results?buildId=501"), "{text}");
}

#[tokio::test]
async fn waiting_has_an_end() {
    let azure = builder().start().unwrap();
    azure.plan_next(RunPlan::default().pace(Pace::ByHand));
    let policy = policy(&azure).configured("poll_minutes", "0.05");
    let scene = Scene::under(azure, &policy).await;
    let run = scene.execute(scene.spec()).await;
    assert_ended(&run, RunState::Failed);
    let text = all_text(&run);
    assert!(text.contains("did not end within 3 seconds"), "{text}");
    assert!(text.contains("_build/results?buildId=501"), "{text}");
    assert_eq!(scene.azure.count(Route::Cancel), 0, "it goes on");
}
