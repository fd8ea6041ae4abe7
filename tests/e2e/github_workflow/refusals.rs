//! What GitHub refuses, and what people are told of it.

use super::{APP, Scene, base, described, github, implementation, key, order, pem, workflow};
use crate::{all_text, assert_ended};
use blockhouse_emulator::{Fault, GithubWorkflow, RunSpec, RunState, RunView, Status};
use blockhouse_remotes::GitHub;
use blockhouse_remotes::github::{AppKey, Permission, Repository, Route, Workflow};
use serde_json::json;

/// A run that must fail, and what is said about it.
struct Case {
    github: GitHub,
    fields: GithubWorkflow,
    told: &'static str,
    /// How often the workflow may have been dispatched.
    dispatches: usize,
}

impl Case {
    fn of(github: GitHub, told: &'static str) -> Self {
        let fields = implementation(&github);
        Self { github, fields, told, dispatches: 0 }
    }

    /// With another field.
    fn with(told: &'static str, name: &str, value: serde_json::Value) -> Self {
        let case = Self::of(github(), told);
        let fields = case.fields.clone().field(name, value);
        Self { fields, ..case }
    }

    /// GitHub refuses the dispatch itself.
    fn dispatched(self) -> Self {
        Self { dispatches: 1, ..self }
    }
}

/// Every run at the same time, each at a GitHub of its own.
async fn fail(cases: Vec<Case>) -> Vec<RunView> {
    let githubs: Vec<_> = cases.iter().map(|case| &case.github).collect();
    let scene = Scene::of(&githubs).await;
    let enqueue = |case: &Case| scene.enqueue(RunSpec::github_workflow(case.fields.clone()));
    let ids: Vec<_> = cases.iter().map(enqueue).collect();
    let mut ended = Vec::new();
    for (case, id) in cases.iter().zip(&ids) {
        let run = scene.ended(id).await;
        assert_ended(&run, RunState::Failed);
        assert_eq!(run.step("gh-trigger").unwrap().status, Status::Failed, "{run:#?}");
        let told = all_text(&run);
        assert!(told.contains(case.told), "`{}` is not in: {told}", case.told);
        assert_eq!(case.github.count(Route::Dispatch), case.dispatches, "{}", case.told);
        assert!(case.github.runs().is_empty(), "{}", case.told);
        ended.push(run);
    }
    ended
}

fn repository(workflow: Workflow) -> Repository {
    Repository::new("acme", "infra").branch("main").workflow(workflow)
}

fn github_of(workflow: Workflow) -> GitHub {
    GitHub::builder().app(APP, key()).repository(repository(workflow)).start().unwrap()
}

#[tokio::test]
async fn an_app_that_may_not_act_is_explained_before_anything_is_dispatched() {
    let permitted = |permission| described().permission(permission).start().unwrap();
    let may_not = "may not start workflows in the repository `acme/infra`. Please ask the platform team to give it the permission `Actions: Read and write`";
    let not_installed = "The GitHub app is not installed in the repository `acme/other`";
    let other_key = AppKey::generate().unwrap().pkcs1_pem().unwrap();
    let not_accepted = "GitHub does not accept the app and its key";
    let no_key = "The key of the GitHub app can't be used";
    fail(vec![
        Case::of(permitted(Permission::Read), may_not),
        Case::of(permitted(Permission::Absent), may_not),
        Case::with(not_installed, "repository", json!("other")),
        Case::with(not_accepted, "appPem", json!(other_key)),
        Case::with("belong to the same app", "appId", json!("99999")),
        Case::with(no_key, "appPem", json!("-----BEGIN NOTHING-----\nhunter2-hunter2\n")),
        Case::with(no_key, "appPem", json!(pem().replacen("MII", "MIJ", 1))),
    ])
    .await;
}

#[tokio::test]
async fn a_dispatch_that_is_refused_is_explained_and_not_repeated() {
    let undeclared = "The workflow `apply.yml` does not declare an input that it gets: `buildingBlockRun`. Please ask the platform team to declare it under `on: workflow_dispatch: inputs:`, on the branch `main` of `acme/infra`";
    let address = Case::of(
        github_of(Workflow::new("apply.yml").input("buildingBlockRun")),
        "does not declare an input that it gets: `buildingBlockRunUrl`",
    );
    let address = Case { fields: address.fields.clone().omitting_document(), ..address };
    let limited = described().start().unwrap();
    limited.script(Route::Dispatch, Fault::retry_after(429, "1"), 1);
    let troubled = described().start().unwrap();
    troubled.script(Route::Dispatch, Fault::status(502), 1);
    let unlisted = Workflow::new("apply.yml").input("buildingBlockRun").required_input("region");
    fail(vec![
        Case::with(
            "There is no workflow `other.yml` in the repository `acme/infra`",
            "applyWorkflow",
            json!("other.yml"),
        )
        .dispatched(),
        Case::with("No ref found for: elsewhere", "branch", json!("elsewhere")).dispatched(),
        Case::of(github_of(Workflow::new("apply.yml")), undeclared).dispatched(),
        address.dispatched(),
        Case::of(github_of(unlisted), "Required input 'region' not provided").dispatched(),
        Case::of(github_of(workflow("apply.yml").disabled()), "on a disabled workflow")
            .dispatched(),
        Case::of(
            github_of(workflow("apply.yml").without_dispatch()),
            "'workflow_dispatch' trigger",
        )
        .dispatched(),
        Case::of(limited, "injected fault 429").dispatched(),
        Case::of(troubled, "it is not known whether the workflow was dispatched").dispatched(),
    ])
    .await;
}

#[tokio::test]
async fn a_run_that_lacks_something_is_explained_without_a_request() {
    let cases = vec![
        Case::with("The field `owner`", "owner", json!("")),
        Case::with("The field `branch`", "branch", json!(null)),
        Case::with("The field `async`", "async", json!("yes")),
        Case::with("The field `githubBaseUrl`", "githubBaseUrl", json!("ftp://github.example")),
        Case::with("The field `applyWorkflow`", "applyWorkflow", json!(null)),
        Case::with("The field `appPem`", "appPem", json!(null)),
    ];
    let githubs: Vec<_> = cases.iter().map(|case| &case.github).collect();
    let scene = Scene::of(&githubs).await;
    for case in &cases {
        let run = scene.execute(RunSpec::github_workflow(case.fields.clone())).await;
        assert_ended(&run, RunState::Failed);
        assert!(all_text(&run).contains(case.told), "`{}`: {run:#?}", case.told);
        assert!(case.github.requests().is_empty(), "{}", case.told);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_whatever_is_asked() {
    let elsewhere = github();
    let mut cases = Vec::new();
    for (route, status) in
        [(Route::Installation, 301), (Route::AccessToken, 307), (Route::Dispatch, 308)]
    {
        let github = github();
        let to = format!("{}/repos/acme/infra/installation", base(&elsewhere));
        github.script(route, Fault::redirect(status, to), 1);
        let told = "GitHub sends the runner to another address, which it does not follow. Please ask the platform team to check `githubBaseUrl`";
        let case = Case::of(github, told);
        cases.push(if route == Route::Dispatch { case.dispatched() } else { case });
    }
    fail(cases).await;
    // A poll that is sent away is the end as well.
    let github = github();
    github.script(Route::Run, Fault::redirect(302, format!("{}/", base(&elsewhere))), 1);
    let scene = Scene::of(&[&github, &elsewhere]).await;
    let run = scene.execute(order(&github)).await;
    assert_ended(&run, RunState::Failed);
    let told = all_text(&run);
    assert!(told.contains("but can't be followed any more. GitHub sends the runner"), "{told}");
    assert_eq!(elsewhere.connections(), 0);
}
