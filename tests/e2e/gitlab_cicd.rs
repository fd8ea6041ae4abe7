//! GITLAB_CICD runs: the embedded component under its shipped policy, and a GitLab.

mod given;
mod needed;
mod refused;
mod secrecy;
mod stopped;
mod tls;

use crate::{all_text, assert_ended, emulator};
use blockhouse_emulator::{Emulator, GitlabCicd, RunSpec, RunState, RunView, Status};
use blockhouse_remotes::gitlab::{GitLab, Pipeline, Project, Route};
use blockhouse_tests::policy_trimming::ShippedPolicy;
use blockhouse_tests::{Component, Leaks, Runner, patience};
use serde_json::{Value, json};
use uuid::Uuid;

const TYPE: &str = "GITLAB_CICD";
const TOKEN: &str = "glptt-hunter2-trigger";
const STEP: &str = "gl-trigger";

/// meshStack, a GitLab and a daemon between them. The daemon ends first.
struct Scene {
    runner: Runner,
    emulator: Emulator,
    gitlab: GitLab,
}

/// A GitLab with a project 42, `acme/infra`, which declares no inputs.
fn gitlab() -> GitLab {
    serving(Project::new(42, "acme/infra", TOKEN).reference("main"))
}

fn serving(project: Project) -> GitLab {
    GitLab::builder().project(project).start().unwrap()
}

/// The address of a fake by its name, which policies know.
fn address(gitlab: &GitLab) -> String {
    gitlab.url().replace("127.0.0.1", "localhost")
}

/// The shipped policy, for this GitLab.
fn policy(gitlab: &GitLab) -> ShippedPolicy {
    let url: url::Url = gitlab.url().parse().unwrap();
    ShippedPolicy::named("gitlab-cicd").unwrap().at_localhost(url.scheme(), &[url.port().unwrap()])
}

fn component(policy: &ShippedPolicy) -> Component {
    Component::under(TYPE, blockhouse_artifacts::GITLAB_CICD, &policy.text())
}

impl Scene {
    async fn start() -> Self {
        Self::of(gitlab()).await
    }

    async fn of(gitlab: GitLab) -> Self {
        let policy = policy(&gitlab);
        Self::under(gitlab, &policy).await
    }

    async fn under(gitlab: GitLab, policy: &ShippedPolicy) -> Self {
        let emulator = emulator().await;
        let runner = Runner::builder().component(component(policy)).start(&emulator).unwrap();
        Self { runner, emulator, gitlab }
    }

    fn implementation(&self) -> GitlabCicd {
        GitlabCicd::of(address(&self.gitlab), json!("acme/infra"), TOKEN)
    }

    fn spec(&self) -> RunSpec {
        RunSpec::gitlab_cicd(self.implementation())
    }

    /// The run, once its pipeline was triggered and all was told.
    async fn handed_over(&self, id: &Uuid) -> RunView {
        let is_over = |run: &RunView| {
            let step = run.step(STEP).is_some_and(|step| step.status == Status::Succeeded);
            step && run.summary.is_some() || run.state.is_terminal()
        };
        let over = self
            .emulator
            .wait_until(patience(), |view| view.run(id).is_some_and(|run| is_over(&run)));
        over.await.unwrap();
        let run = self.emulator.run(id).unwrap();
        assert_eq!(run.state, RunState::InProgress, "{run:#?}");
        run
    }

    /// Executes a run that triggers a pipeline.
    async fn trigger(&self, spec: RunSpec) -> (RunView, Pipeline) {
        let id = self.emulator.enqueue(spec);
        let run = self.handed_over(&id).await;
        (run, self.pipeline_of(&id))
    }

    /// Executes a run that triggers none. All that it says.
    async fn refuse(&self, spec: RunSpec) -> String {
        let id = self.emulator.enqueue(spec);
        let run = self.emulator.wait_for_end(&id, patience()).await.unwrap();
        assert_ended(&run, RunState::Failed);
        assert_eq!(run.timeline(), [(STEP, Status::Failed)], "{run:#?}");
        let leaks = Leaks::of([("token", TOKEN)]).unwrap();
        assert_eq!(leaks.in_run(&run), []);
        all_text(&run)
    }

    /// The pipeline that has the document of this run.
    fn pipeline_of(&self, id: &Uuid) -> Pipeline {
        let is_its =
            |pipeline: &&Pipeline| document(pipeline).pointer("/metadata/uuid") == Some(&json!(id));
        self.gitlab.pipelines().iter().find(is_its).unwrap().clone()
    }

    fn triggers(&self) -> usize {
        self.gitlab.count(Route::Trigger)
    }
}

/// What `MESHSTACK_RUN` holds.
fn document(pipeline: &Pipeline) -> Value {
    let text = pipeline.variables.get("MESHSTACK_RUN").unwrap();
    serde_json::from_str(text).unwrap()
}
