//! Which run of the workflow is ours, with others beside it.

use super::{Scene, described, document, github, order, seen};
use crate::assert_ended;
use blockhouse_emulator::GithubWorkflow;
use blockhouse_emulator::{Fault, Gate, RunSpec, RunState, RunView};
use blockhouse_remotes::github::{Conclusion, Route, RunPlan};
use blockhouse_remotes::{GitHub, Pace};
use uuid::Uuid;

/// Dispatches two runs of the same workflow at the same time; one of them fails in GitHub.
async fn race(github: &GitHub, order: impl Fn() -> RunSpec) -> (Scene, [Uuid; 2]) {
    for conclusion in [Conclusion::Failure, Conclusion::Success] {
        github.plan_next(RunPlan::of_jobs([("apply", conclusion)]));
    }
    // Somebody else's, beside them.
    assert!(github.start_foreign_run("apply.yml", "somebody else's").is_some());
    github.reverse_next(2);
    let gate = Gate::new();
    github.script(Route::Dispatch, Fault::Hold(gate.clone()), 2);
    let scene = Scene::of(&[github]).await;
    let ids = [(); 2].map(|()| scene.enqueue(order()));
    gate.reached(2).await;
    gate.open();
    (scene, ids)
}

/// The run was followed to the end of what was dispatched for it.
#[track_caller]
fn assert_followed(run: &RunView, id: u64, conclusion: Option<Conclusion>) {
    let is_good = conclusion == Some(Conclusion::Success);
    assert_ended(run, if is_good { RunState::Succeeded } else { RunState::Failed });
    assert!(run.step(&format!("gh-workflow-job-{}", id + 1)).is_some(), "{id}: {run:#?}");
    assert_eq!(run.steps.len(), 2, "{run:#?}");
}

#[tokio::test]
async fn concurrent_dispatches_are_told_apart_by_what_github_says() {
    let github = github();
    let (scene, ids) = race(&github, || order(&github)).await;
    for id in ids {
        let run = scene.ended(&id).await;
        let is_its = |remote: &github::RunView| {
            !remote.inputs.is_empty()
                && document(&remote.inputs)["metadata"]["uuid"] == serde_json::json!(id)
        };
        let remote = github.runs().into_iter().find(is_its).unwrap();
        assert_followed(&run, remote.id, remote.conclusion);
    }
    assert_eq!(github.count(Route::Runs), 0, "nobody had to search");
}

#[tokio::test]
async fn concurrent_dispatches_are_told_apart_on_an_older_server_by_what_they_show() {
    let github = described().enterprise_server().without_run_details().start().unwrap();
    let order = || {
        let fields: GithubWorkflow = super::implementation(&github).omitting_document();
        RunSpec::github_workflow(fields)
    };
    let (scene, ids) = race(&github, order).await;
    for id in ids {
        let run = scene.ended(&id).await;
        let is_its = |remote: &github::RunView| remote.title.ends_with(&id.to_string());
        let remote = github.runs().into_iter().find(is_its).unwrap();
        assert_followed(&run, remote.id, remote.conclusion);
        let log = run.log("gh-trigger");
        assert!(!log.contains("guess"), "{log}");
    }
    assert_eq!(github.count(Route::Dispatch), 4, "each refused once, and dispatched once");
    assert_eq!(github.runs().len(), 3);
}

#[tokio::test]
async fn a_run_that_shows_nothing_is_guessed_at_last_and_the_log_says_so() {
    let github = described().without_run_details().start().unwrap();
    github.plan_next(RunPlan::of_jobs([("apply", Conclusion::Success)]).hidden_for(1));
    let scene = Scene::of(&[&github]).await;
    let id = scene.enqueue(order(&github));
    let run = scene.ended(&id).await;
    assert_ended(&run, RunState::Succeeded);
    let log = run.log("gh-trigger");
    for part in [
        "GitHub has not said which run it has created",
        "warning: that run ",
        "is ours is a guess: it is the newest of 1 that were dispatched since",
    ] {
        assert!(log.contains(part), "`{part}` is not in: {log}");
    }
    assert!(github.count(Route::Runs) >= 5, "it took its time: {}", github.count(Route::Runs));
}

#[tokio::test]
async fn a_guess_among_several_is_never_cancelled() {
    let github = described().without_run_details().start().unwrap();
    github.plan_next(RunPlan::default().pace(Pace::ByHand));
    let scene = Scene::of(&[&github]).await;
    let id = scene.enqueue(order(&github));
    seen(&github, Route::Runs, 1).await;
    assert!(github.start_foreign_run("apply.yml", "somebody else's").is_some());
    seen(&github, Route::Run, 1).await;
    scene.emulator.abort(&id);
    let run = scene.ended(&id).await;
    assert_ended(&run, RunState::Aborted);
    let told = crate::all_text(&run);
    assert!(told.contains("The workflow was not cancelled, since it is only a guess"), "{told}");
    assert_eq!(github.count(Route::Cancel), 0);
}
