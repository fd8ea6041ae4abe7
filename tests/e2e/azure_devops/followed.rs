//! Pipelines that are followed to their end.

use super::{STEP, Scene};
use crate::{all_text, assert_ended};
use blockhouse_emulator::{RunState, RunView, Status};
use blockhouse_remotes::Pace;
use blockhouse_remotes::azure::Outcome::{
    self, Abandoned, Canceled, Failed, Skipped, Succeeded, SucceededWithIssues,
};
use blockhouse_remotes::azure::RunPlan;
use blockhouse_tests::patience;

/// Names and statuses of the steps behind the first one.
fn stages(run: &RunView) -> Vec<(&str, Status)> {
    assert_eq!(run.timeline().first(), Some(&(STEP, Status::Succeeded)));
    let stages = run.steps.iter().skip(1);
    let stages = stages.map(|step| {
        let id = step.id.strip_prefix("ado-stage-").unwrap();
        assert!(uuid::Uuid::parse_str(id).is_ok(), "{id}");
        (step.display_name.as_str(), step.status)
    });
    stages.collect()
}

async fn ended(scene: &Scene, plan: RunPlan) -> RunView {
    scene.azure.plan_next(plan);
    scene.execute(scene.spec()).await
}

#[tokio::test]
async fn each_stage_is_a_step_in_its_order_and_ends_as_the_stage_has_ended() {
    let scene = Scene::start().await;
    let good = [
        ("Build", Succeeded),
        ("Test", SucceededWithIssues),
        ("Canary", Skipped),
        ("Deploy", Succeeded),
    ];
    let run = ended(&scene, RunPlan::of_stages(good)).await;
    assert_ended(&run, RunState::Succeeded);
    let expected = ["Stage: Build", "Stage: Test", "Stage: Canary", "Stage: Deploy"];
    assert_eq!(stages(&run), expected.map(|name| (name, Status::Succeeded)));
    for (step, word) in
        run.steps.iter().skip(1).zip(["succeeded", "succeeded with issues", "skipped", "succeeded"])
    {
        let message = step.user_message.as_deref().unwrap();
        assert!(message.starts_with(&format!("{word}, ")), "{message}");
        assert!(message.contains(", until 20"), "{message}");
        assert!(message.contains(scene.azure.url()), "{message}");
    }
    assert_eq!(run.summary.as_deref(), Some("The pipeline has succeeded."));

    let bad = [("Build", Failed), ("Test", Abandoned), ("Canary", Canceled), ("Deploy", Skipped)];
    let run = ended(&scene, RunPlan::of_stages(bad)).await;
    assert_ended(&run, RunState::Failed);
    let expected = [
        ("Stage: Build", Status::Failed),
        ("Stage: Test", Status::Failed),
        ("Stage: Canary", Status::Failed),
        ("Stage: Deploy", Status::Succeeded),
    ];
    assert_eq!(stages(&run), expected);
    assert!(all_text(&run).contains("ended with the result `failed`"), "{run:#?}");
}

#[tokio::test]
async fn only_a_pipeline_that_has_succeeded_makes_a_run_succeed() {
    let scene = Scene::start().await;
    for (outcome, state) in [
        (Succeeded, RunState::Succeeded),
        (Failed, RunState::Failed),
        (Canceled, RunState::Failed),
        (Abandoned, RunState::Failed),
        (Skipped, RunState::Failed),
        (SucceededWithIssues, RunState::Failed),
    ] {
        let plan = RunPlan::of_stages([("Deploy", Succeeded)]).resulting(outcome);
        let run = ended(&scene, plan).await;
        assert_ended(&run, state);
        let is_told = all_text(&run).contains(&format!("result `{}`", Outcome::as_str(outcome)));
        assert_eq!(is_told, state == RunState::Failed, "{run:#?}");
    }
}

#[tokio::test]
async fn stages_are_shown_while_they_run() {
    let scene = Scene::start().await;
    let plan = RunPlan::of_stages([("Build", Succeeded), ("Deploy", Succeeded)]);
    scene.azure.plan_next(plan.pace(Pace::ByHand));
    let id = scene.emulator.enqueue(scene.spec());
    scene.looked(1).await;
    let pipeline = scene.azure.runs()[0].id;
    // Begun, then the first stage at work, then done with the second one at work.
    for expected in [
        [Status::Pending, Status::Pending],
        [Status::InProgress, Status::Pending],
        [Status::Succeeded, Status::Pending],
        [Status::Succeeded, Status::InProgress],
    ] {
        scene.azure.advance_run(pipeline);
        let shown = scene.emulator.wait_until(patience(), |view| {
            let run = view.run(&id).unwrap();
            let stages: Vec<_> = run.steps.iter().skip(1).map(|step| step.status).collect();
            stages == expected
        });
        shown.await.unwrap();
    }
    // A report may come by between a step's status and its message.
    let told = scene.emulator.wait_until(patience(), |view| {
        let message = view.run(&id).and_then(|run| run.steps[2].user_message.clone());
        message.is_some_and(|message| message.starts_with("in progress, from 20"))
    });
    told.await.unwrap();
    assert_eq!(scene.emulator.run(&id).unwrap().state, RunState::InProgress);
    scene.azure.finish_run(pipeline);
    let run = scene.end_of(&id).await;
    assert_ended(&run, RunState::Succeeded);
}

#[tokio::test]
async fn more_stages_than_steps_are_summed_up() {
    let scene = Scene::start().await;
    let names: Vec<_> = (0..60).map(|index| format!("stage {index}")).collect();
    let plan = RunPlan::of_stages(names.iter().map(|name| (name.as_str(), Succeeded)));
    scene.azure.plan_next(plan.pace(Pace::ByHand));
    let id = scene.emulator.enqueue(scene.spec());
    scene.looked(1).await;
    scene.azure.finish_run(scene.azure.runs()[0].id);
    let run = scene.end_of(&id).await;
    assert_ended(&run, RunState::Succeeded);
    assert_eq!(run.steps.len(), 52, "the trigger, fifty stages and the others");
    assert_eq!(run.told("ado-stage-others"), "10 succeeded.");
}
