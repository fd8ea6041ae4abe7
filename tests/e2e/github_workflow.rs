//! GITHUB_WORKFLOW runs: the embedded component under its shipped policy, an emulator, and fakes of GitHub over real HTTP.

mod aborts;
mod arrivals;
mod endings;
mod finding;
mod leaks;
mod needed;
mod refusals;
mod troubles;

use blockhouse::embedded::COMPONENTS;
use blockhouse_emulator::{Emulator, GithubWorkflow, RunSpec, RunView, Status};
use blockhouse_remotes::github::{self, AppKey, Repository, Workflow};
use blockhouse_remotes::{Builder, GitHub};
use blockhouse_tests::policy_trimming::ShippedPolicy;
use blockhouse_tests::{Component, Runner, RunnerBuilder, patience};
use std::sync::OnceLock;
use uuid::Uuid;

/// The app.
const APP: &str = "12345";

/// What a workflow may be told.
const INPUTS: [&str; 5] = [
    "buildingBlockRun",
    "buildingBlockRunUrl",
    "MESHSTACK_API_TOKEN",
    "MESHSTACK_ENDPOINT",
    "MESHSTACK_RUN_TOKEN",
];

/// The key of the app; making one takes longer than most tests.
fn key() -> &'static AppKey {
    static KEY: OnceLock<AppKey> = OnceLock::new();
    KEY.get_or_init(|| AppKey::generate().unwrap())
}

fn pem() -> String {
    key().pkcs1_pem().unwrap()
}

/// A workflow that declares all that it may be told. Its runs are named after the address of the building block's run.
fn workflow(file: &str) -> Workflow {
    let workflow = Workflow::new(file).run_name("block ${{ inputs.buildingBlockRunUrl }}");
    INPUTS.into_iter().fold(workflow, Workflow::input)
}

/// The app is installed in `acme/infra`, where `apply.yml` and `destroy.yml` are on `main`.
fn described() -> Builder<github::Remote> {
    let repository = Repository::new("acme", "infra").branch("main");
    let repository = repository.workflow(workflow("apply.yml")).workflow(workflow("destroy.yml"));
    GitHub::builder().app(APP, key()).repository(repository)
}

fn github() -> GitHub {
    described().start().unwrap()
}

/// The base of its API by name, since `*` in a policy stands for names only.
fn base(github: &GitHub) -> String {
    github.api_url().replace("127.0.0.1", "localhost")
}

fn port(github: &GitHub) -> u16 {
    url::Url::parse(github.url()).unwrap().port().unwrap()
}

/// Runs `apply.yml` there, follows it, and gives it the run's document.
fn implementation(github: &GitHub) -> GithubWorkflow {
    GithubWorkflow::of(base(github), APP, pem())
}

fn order(github: &GitHub) -> RunSpec {
    RunSpec::github_workflow(implementation(github))
}

/// The policy that is shipped, for these fakes, and with a look at each run every second.
fn policy(githubs: &[&GitHub]) -> ShippedPolicy {
    let ports: Vec<_> = githubs.iter().map(|github| port(github)).collect();
    let policy = ShippedPolicy::named("github-workflow").unwrap();
    policy.at_localhost("http", &ports).configured("poll_seconds", "1")
}

fn runner(policy: &ShippedPolicy) -> RunnerBuilder {
    let embedded = COMPONENTS.iter().find(|component| component.name == "github-workflow");
    let component = Component::under("GITHUB_WORKFLOW", embedded.unwrap().bytes, &policy.text());
    Runner::builder().concurrency(32).component(component)
}

/// meshStack, and a daemon that reaches these fakes.
struct Scene {
    emulator: Emulator,
    runner: Runner,
}

impl Scene {
    async fn of(githubs: &[&GitHub]) -> Self {
        Self::under(&policy(githubs)).await
    }

    async fn under(policy: &ShippedPolicy) -> Self {
        let emulator = crate::emulator().await;
        let runner = runner(policy).start(&emulator).unwrap();
        Self { emulator, runner }
    }

    fn enqueue(&self, spec: RunSpec) -> Uuid {
        self.emulator.enqueue(spec)
    }

    async fn ended(&self, id: &Uuid) -> RunView {
        self.emulator.wait_for_end(id, patience()).await.unwrap()
    }

    async fn execute(&self, spec: RunSpec) -> RunView {
        self.ended(&self.enqueue(spec)).await
    }

    /// Waits until the trigger has ended well.
    async fn dispatched(&self, id: &Uuid) -> RunView {
        let is_dispatched = |run: &RunView| {
            run.step("gh-trigger").is_some_and(|step| step.status == Status::Succeeded)
        };
        let met = |view: &blockhouse_emulator::EmulatorView<'_>| {
            view.run(id).is_some_and(|run| is_dispatched(&run))
        };
        self.emulator.wait_until(patience(), met).await.unwrap();
        self.emulator.run(id).unwrap()
    }
}

/// Waits until GitHub has seen so many requests of this route.
async fn seen(github: &GitHub, route: github::Route, times: usize) {
    github.wait_until(|github| github.count(route) >= times).await.unwrap();
}

/// The document that a workflow was given.
fn document(inputs: &serde_json::Map<String, serde_json::Value>) -> serde_json::Value {
    let text = inputs["buildingBlockRun"].as_str().unwrap();
    let bytes = data_encoding::BASE64.decode(text.as_bytes()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}
