//! The policy that is shipped grants nothing that no run needs.

use super::{Scene, github, implementation, order, runner, seen};
use crate::{Used, all_text, assert_ended};
use blockhouse_emulator::{Fault, InputType, RunSpec, RunState, Status};
use blockhouse_remotes::github::{Route, RunPlan};
use blockhouse_remotes::{GitHub, Pace};
use blockhouse_tests::patience;
use blockhouse_tests::policy_trimming::ShippedPolicy;
use serde_json::json;

/// How often the component looks as it is shipped: for half an hour, every ten seconds and at the end.
const LOOKS: f64 = 30.0 * 60.0 / 10.0 + 1.0;

/// How often it searches for its run if GitHub does not name it: for two minutes, every three seconds and at the end.
const SEARCHES: f64 = 120.0 / 3.0 + 1.0;

/// Signing in, dispatching with the question that an old server does not know and without it, and cancelling.
const OTHERS: f64 = 2.0 + 2.0 + 1.0;

/// What is read of an answer: one may be larger than those that are measured, and is held beside them.
const ANSWER_MIB: f64 = 4.0;

/// What all of that takes beside looking and searching, if GitHub is slow: an answer may take 30 seconds.
const OTHER_SECONDS: f64 = OTHERS * 30.0;

/// The kinds of runs that differ in what they need.
fn orders(github: &GitHub) -> [RunSpec; 2] {
    let [whole, omitting] = [implementation(github), implementation(github).omitting_document()];
    [
        RunSpec::github_workflow(whole.asynchronous()),
        RunSpec::github_workflow(omitting.asynchronous())
            .sensitive_input("MESHSTACK_API_TOKEN", InputType::String, "api-token-4711")
            .sensitive_input("MESHSTACK_RUN_TOKEN", InputType::String, "run-token-4711"),
    ]
}

/// What came of each of them; or why the daemon did not start.
async fn outcomes(policy: &ShippedPolicy) -> Result<Vec<String>, String> {
    let github = github();
    let policy = policy.clone().at_localhost("http", &[super::port(&github)]);
    let emulator = crate::emulator().await;
    let runner = runner(&policy).start(&emulator).map_err(|error| format!("{error:#}"))?;
    let ids = orders(&github).map(|order| emulator.enqueue(order));
    let has_ended = |run: &blockhouse_emulator::RunView| {
        run.state == RunState::Failed
            || run.step("gh-trigger").is_some_and(|step| step.status == Status::Succeeded)
    };
    let all = |view: &blockhouse_emulator::EmulatorView<'_>| {
        ids.iter().all(|id| view.run(id).is_some_and(|run| has_ended(&run)))
    };
    emulator.wait_until(patience(), all).await.unwrap();
    let runs = ids.map(|id| emulator.run(&id).unwrap());
    drop(runner);
    let failed = runs.iter().filter(|run| run.state == RunState::Failed);
    Ok(failed.map(all_text).collect())
}

#[tokio::test]
async fn each_grant_of_the_shipped_policy_is_needed_by_some_run() {
    let shipped = ShippedPolicy::named("github-workflow").unwrap();
    assert_eq!(outcomes(&shipped).await, Ok(vec![]), "with all of it all of them go well");
    let mut looked_at = 0;
    for grant in shipped.grants() {
        if grant.to_string().starts_with("limits.") {
            continue;
        }
        looked_at += 1;
        match outcomes(&shipped.without(&grant)).await {
            Ok(failed) => {
                assert!(!failed.is_empty(), "nobody needs `{grant}`");
                for text in failed {
                    assert!(text.contains("policy `test`"), "`{grant}`: {text}");
                }
            }
            Err(why) => assert!(why.contains("policy"), "`{grant}`: {why}"),
        }
    }
    assert!(looked_at >= 6, "{looked_at}");
}

/// A page of jobs, each with thirty steps, of a run with four such pages: the largest matrix, and another one beside it.
fn page() -> Vec<u8> {
    let steps = |job: usize| {
        let step = |number: usize| {
            json!({
                "name": format!("Run ./scripts/step-{number}.sh"), "status": "completed", "conclusion": "success",
                "number": number, "started_at": "2026-11-02T10:00:00Z", "completed_at": "2026-11-02T10:00:09Z",
                "id": job,
            })
        };
        (1..=30).map(step).collect::<Vec<_>>()
    };
    let api = "https://api.github.com/repos/acme/infra/actions";
    let job = |id: usize| {
        json!({
            "id": id, "run_id": 77, "workflow_name": "apply", "head_branch": "main", "node_id": "CR_kwDOABCDEF8AAAABCDEFGh",
            "run_url": format!("{api}/runs/77"), "run_attempt": 1, "url": format!("{api}/jobs/{id}"),
            "head_sha": "0123456789abcdef0123456789abcdef01234567", "status": "in_progress", "conclusion": null,
            "html_url": format!("https://github.com/acme/infra/actions/runs/77/job/{id}"),
            "created_at": "2026-11-02T10:00:00Z", "started_at": "2026-11-02T10:00:05Z", "completed_at": null,
            "name": format!("apply (eu-central-1, tenant-{id})"), "steps": steps(id),
            "check_run_url": format!("https://api.github.com/repos/acme/infra/check-runs/{id}"),
            "labels": ["ubuntu-latest"], "runner_id": id, "runner_name": format!("GitHub Actions {id}"),
            "runner_group_id": 2, "runner_group_name": "GitHub Actions",
        })
    };
    let jobs: Vec<_> = (0..100).map(job).collect();
    json!({"total_count": 400, "jobs": jobs}).to_string().into_bytes()
}

#[tokio::test]
async fn the_limits_are_what_half_an_hour_of_looking_at_the_largest_workflow_takes() {
    let github = github();
    github.plan_next(RunPlan::default().pace(Pace::ByHand));
    let body = page();
    let received = body.len() as f64;
    github.fail(&[Route::Jobs], &Fault::Answer { status: 200, headers: Vec::new(), body });
    let scene = Scene::of(&[&github]).await;
    let id = scene.enqueue(order(&github));
    seen(&github, Route::Run, 4).await;
    github.finish_run(github.runs().remove(0).id);
    let run = scene.ended(&id).await;
    assert_ended(&run, RunState::Succeeded);
    let looks = github.count(Route::Run) as f64;
    let pages = github.count(Route::Jobs) as f64 / looks;
    let Used { million_instructions, memory_mib } = Used::by(&run);
    let needed = [
        ("fuel", million_instructions / looks * LOOKS),
        ("memory_mib", memory_mib + ANSWER_MIB),
        ("wall_time", 30.0 * 60.0 + 120.0 + OTHER_SECONDS),
        ("steps", run.steps.len() as f64),
        ("http_requests", LOOKS * (1.0 + pages) + SEARCHES + OTHERS),
        ("http_received_mib", LOOKS * pages * received / f64::from(1 << 20)),
        ("http_connections", 1.0),
    ];
    let shipped = ShippedPolicy::named("github-workflow").unwrap();
    assert_eq!(shipped.ill_fitting(&needed), [""; 0], "{needed:?}");
    assert_eq!((pages, run.steps.len()), (4.0, 52), "as large as it is looked at");
}
