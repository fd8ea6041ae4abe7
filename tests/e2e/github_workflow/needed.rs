//! The policy that is shipped grants nothing that no run needs.

use super::{github, implementation, runner};
use crate::all_text;
use blockhouse_emulator::{InputType, RunSpec, RunState, Status};
use blockhouse_remotes::GitHub;
use blockhouse_tests::patience;
use blockhouse_tests::policy_trimming::ShippedPolicy;

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
