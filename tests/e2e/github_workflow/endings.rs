//! What becomes of runs whose workflow is dispatched.

use super::{Scene, base, described, github, implementation, key, order, policy, seen, workflow};
use crate::assert_ended;
use blockhouse_emulator::{Behavior, GithubWorkflow, RunSpec, RunState, Status};
use blockhouse_remotes::github::{Conclusion, Repository, Route, RunPlan};
use blockhouse_remotes::{GitHub, Pace};
use blockhouse_tests::Authority;
use serde_json::json;

#[tokio::test]
async fn a_followed_workflow_has_a_step_for_each_job_and_the_run_ends_with_it() {
    let github = github();
    github.plan_next(RunPlan::of_jobs([
        ("plan", Conclusion::Success),
        ("notify", Conclusion::Skipped),
    ]));
    let scene = Scene::of(&[&github]).await;
    let id = scene.enqueue(order(&github));
    let is_under_way = |run: &blockhouse_emulator::RunView| {
        let timeline = run.timeline();
        timeline.len() == 3
            && timeline[1].1 == Status::InProgress
            && timeline[2].1 == Status::Pending
    };
    let met = |view: &blockhouse_emulator::EmulatorView<'_>| {
        view.run(&id).is_some_and(|run| is_under_way(&run))
    };
    scene.emulator.wait_until(blockhouse_tests::patience(), met).await.unwrap();
    let run = scene.ended(&id).await;
    assert_ended(&run, RunState::Succeeded);
    let remote = github.runs().remove(0);
    let [plan, notify] = [1, 2].map(|job| format!("gh-workflow-job-{}", remote.id + job));
    let ids = ["gh-trigger", &plan, &notify];
    assert_eq!(run.timeline(), ids.map(|id| (id, Status::Succeeded)));
    let names: Vec<_> = run.steps.iter().map(|step| step.display_name.as_str()).collect();
    assert_eq!(names, ["Trigger GitHub Action", "GitHub Job: plan", "GitHub Job: notify"]);
    let page = format!("{}/acme/infra/actions/runs/{}", github.url(), remote.id);
    assert_eq!(run.told("gh-trigger"), format!("The workflow is running: {page}"));
    let told = run.told(&plan);
    assert!(told.starts_with("success, from 20") && told.contains(", until 20"), "{told}");
    assert!(told.ends_with(&format!(": {page}/job/{}", remote.id + 1)), "{told}");
    assert!(run.told(&notify).starts_with("skipped"), "{run:#?}");
    assert_eq!(run.summary.as_deref(), Some("The workflow has succeeded."));
}

#[tokio::test]
async fn any_conclusion_but_success_fails_the_run_and_is_named() {
    use Conclusion::{
        ActionRequired, Cancelled, Failure, Neutral, Skipped, Stale, StartupFailure, TimedOut,
    };
    let conclusions =
        [ActionRequired, Cancelled, Failure, Neutral, Skipped, Stale, StartupFailure, TimedOut];
    let githubs: Vec<_> = conclusions
        .iter()
        .map(|conclusion| {
            let github = github();
            let jobs = RunPlan::of_jobs([("apply", *conclusion)]).concluding(*conclusion);
            github.plan_next(jobs.pace(Pace::ByHand));
            github
        })
        .collect();
    let scene = Scene::of(&githubs.iter().collect::<Vec<_>>()).await;
    let ids: Vec<_> = githubs.iter().map(|github| scene.enqueue(order(github))).collect();
    for github in &githubs {
        seen(github, Route::Run, 1).await;
        github.finish_run(github.runs()[0].id);
    }
    for ((github, conclusion), id) in githubs.iter().zip(conclusions).zip(ids) {
        let run = scene.ended(&id).await;
        assert_ended(&run, RunState::Failed);
        let remote = github.runs()[0].id;
        let told = format!(
            "The workflow ended with the conclusion `{}`: {}/acme/infra/actions/runs/{remote}",
            conclusion.as_str(),
            github.url()
        );
        let all = crate::all_text(&run);
        assert!(all.contains(&told), "`{told}` is not in: {all}");
        assert_eq!(run.summary.as_deref(), Some(told.as_str()));
        let job = run.step(&format!("gh-workflow-job-{}", remote + 1)).unwrap();
        let is_fine = matches!(conclusion, Neutral | Skipped);
        let expected = if is_fine { Status::Succeeded } else { Status::Failed };
        assert_eq!(job.status, expected, "{run:#?}");
    }
}

#[tokio::test]
async fn an_asynchronous_run_is_handed_over_and_stays_in_progress() {
    let github = github();
    let scene = Scene::of(&[&github]).await;
    let run = || RunSpec::github_workflow(implementation(&github).asynchronous());
    let ids = [scene.enqueue(run()), scene.enqueue(run().behavior(Behavior::Detect))];
    for id in &ids {
        scene.dispatched(id).await;
    }
    let Scene { emulator, runner } = scene;
    runner.drain().await.unwrap();
    for (id, remote) in ids.iter().zip(github.runs()) {
        let run = emulator.run(id).unwrap();
        assert_eq!(run.state, RunState::InProgress, "{run:#?}");
        assert_eq!((run.reported_status, run.terminal_updates), (Some(Status::InProgress), 0));
        assert_eq!(run.timeline(), [("gh-trigger", Status::Succeeded)]);
        let told = run.told("gh-trigger");
        assert!(told.starts_with("The workflow was dispatched: http"), "{told}");
        assert_eq!(remote.workflow, "apply.yml");
    }
    assert_eq!((github.count(Route::Run), github.count(Route::Runs)), (0, 0));
}

#[tokio::test]
async fn destroying_has_a_workflow_of_its_own_or_fails() {
    let github = github();
    let scene = Scene::of(&[&github]).await;
    let order = |fields: GithubWorkflow| {
        RunSpec::github_workflow(fields.asynchronous()).behavior(Behavior::Destroy)
    };
    for nothing in [json!(null), json!(""), json!("  ")] {
        let fields = implementation(&github).field("destroyWorkflow", nothing);
        let run = scene.execute(order(fields)).await;
        assert_ended(&run, RunState::Failed);
        let told = crate::all_text(&run);
        assert!(told.contains("has no workflow that destroys it"), "{told}");
        assert!(told.contains("`destroyWorkflow`"), "{told}");
    }
    assert!(github.requests().is_empty());
    let id = scene.enqueue(order(implementation(&github)));
    scene.dispatched(&id).await;
    assert_eq!(github.runs()[0].workflow, "destroy.yml");
}

#[tokio::test]
async fn keys_of_both_forms_and_servers_of_ones_own_are_used() {
    let authority = Authority::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    // By TLS, below `/api/v3`, with another app, and with only what one kind of run needs.
    let repository =
        Repository::new("acme", "infra").branch("main").workflow(workflow("apply.yml"));
    let github = GitHub::builder()
        .app("Iv23liClientId", key())
        .repository(repository)
        .enterprise_server()
        .tls(authority.server("localhost", false).unwrap())
        .start()
        .unwrap();
    let policy = policy(&[&github]).at_localhost("https", &[super::port(&github)]);
    let scene = Scene::under(&policy.trusting(&file)).await;
    let api = base(&github);
    assert!(api.starts_with("https://localhost:") && api.ends_with("/api/v3"), "{api}");
    for (base, key) in [(format!("{api}/"), key().pkcs8_pem()), (api, key().pkcs1_pem().unwrap())] {
        let fields = GithubWorkflow::of(base, "Iv23liClientId", key).asynchronous();
        let id = scene.enqueue(RunSpec::github_workflow(fields));
        scene.dispatched(&id).await;
    }
    assert_eq!(github.runs().len(), 2);
    // Clear text is for those whose policy says so.
    let plain = described().start().unwrap();
    let run = scene.execute(order(&plain)).await;
    assert_ended(&run, RunState::Failed);
    let told = crate::all_text(&run);
    assert!(told.contains("This runner is not allowed to talk to GitHub in this way"), "{told}");
    assert_eq!(plain.connections(), 0);
}
