//! AZURE_DEVOPS runs: the embedded component under its shipped policy, and an Azure DevOps.

mod followed;
mod needed;
mod refused;
mod secrecy;
mod started;
mod stopped;
mod troubled;

use crate::{all_text, assert_ended, emulator};
use blockhouse_emulator::{AzureDevops, Emulator, RunSpec, RunState, RunView, Status};
use blockhouse_remotes::azure::{self, Pipeline, Route, RunPlan};
use blockhouse_remotes::{AzureDevOps, Builder, Pace};
use blockhouse_tests::policy_trimming::ShippedPolicy;
use blockhouse_tests::{Component, Leaks, Runner, patience};
use serde_json::json;
use uuid::Uuid;

const TYPE: &str = "AZURE_DEVOPS";
const TOKEN: &str = "pat-hunter2-azure-devops";
const STEP: &str = "azure-devops-trigger";

/// meshStack, an Azure DevOps and a daemon between them. The daemon ends first.
struct Scene {
    runner: Runner,
    emulator: Emulator,
    azure: AzureDevOps,
}

/// An organization with a pipeline 7 in its project `My Project`.
fn builder() -> Builder<azure::Remote> {
    let pipeline = Pipeline::new("My Project", 7, "apply")
        .branch("next")
        .parameter("MESHSTACK_BEHAVIOR")
        .parameter("size")
        .parameter("password");
    AzureDevOps::builder().organization("acme").token(TOKEN).pipeline(pipeline)
}

/// The address of a fake by its name, which policies know.
fn address(azure: &AzureDevOps) -> String {
    azure.url().replace("127.0.0.1", "localhost")
}

/// The shipped policy, for this Azure DevOps. The component looks often, so that tests are short.
fn policy(azure: &AzureDevOps) -> ShippedPolicy {
    let url: url::Url = azure.url().parse().unwrap();
    ShippedPolicy::named("azure-devops")
        .unwrap()
        .at_localhost(url.scheme(), &[url.port().unwrap()])
        .configured("poll_seconds", "0.05")
}

fn component(policy: &ShippedPolicy) -> Component {
    Component::under(TYPE, blockhouse_artifacts::AZURE_DEVOPS, &policy.text())
}

impl Scene {
    async fn start() -> Self {
        Self::of(builder().start().unwrap()).await
    }

    async fn of(azure: AzureDevOps) -> Self {
        let policy = policy(&azure);
        Self::under(azure, &policy).await
    }

    /// It looks once and then not again for as long as a test is patient: whatever ends a run here is no look.
    async fn looking_once() -> Self {
        let azure = builder().start().unwrap();
        azure.plan_next(RunPlan::default().pace(Pace::ByHand));
        let policy = policy(&azure).configured("poll_seconds", "600");
        Self::under(azure, &policy).await
    }

    async fn under(azure: AzureDevOps, policy: &ShippedPolicy) -> Self {
        let emulator = emulator().await;
        let runner = Runner::builder().component(component(policy)).start(&emulator).unwrap();
        Self { runner, emulator, azure }
    }

    fn implementation(&self) -> AzureDevops {
        AzureDevops::of(address(&self.azure), "acme", "My Project", json!("7"), TOKEN)
    }

    fn spec(&self) -> RunSpec {
        RunSpec::azure_devops(self.implementation())
    }

    /// Executes a run to its end.
    async fn execute(&self, spec: RunSpec) -> RunView {
        let id = self.emulator.enqueue(spec);
        self.end_of(&id).await
    }

    async fn end_of(&self, id: &Uuid) -> RunView {
        let run = self.emulator.wait_for_end(id, patience()).await.unwrap();
        let leaks = Leaks::of([("token", TOKEN)]).unwrap();
        assert_eq!(leaks.in_run(&run), []);
        run
    }

    /// Executes a run that fails before a pipeline is started, or without knowing it. All that it says.
    async fn refuse(&self, spec: RunSpec) -> String {
        let run = self.execute(spec).await;
        assert_ended(&run, RunState::Failed);
        assert_eq!(run.timeline(), [(STEP, Status::Failed)], "{run:#?}");
        all_text(&run)
    }

    /// Waits until the component has looked at a run and its stages this often.
    async fn looked(&self, times: usize) {
        let looked = self.azure.wait_until(|azure| {
            let answered = azure.requests().iter().filter(|request| request.status.is_some());
            answered.filter(|request| request.route == Route::Timeline).count() >= times
        });
        looked.await.unwrap();
    }
}
