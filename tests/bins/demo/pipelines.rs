//! What the runs of the demo are given to that somebody else's pipelines carry out: a GitHub, a GitLab and an Azure DevOps.

use crate::cases::Case;
use anyhow::{Context as _, Result};
use blockhouse_emulator::{
    AzureDevops, Emulator, GithubWorkflow, GitlabCicd, InputType, RunSpec, RunState, RunView,
};
use blockhouse_remotes::azure::{self, Outcome};
use blockhouse_remotes::github::{self, AppKey, Conclusion, Repository, Workflow};
use blockhouse_remotes::gitlab::Project;
use blockhouse_remotes::{AzureDevOps, Fake, GitHub, GitLab, Remote};
use blockhouse_tests::patience;
use blockhouse_tests::policy_trimming::ShippedPolicy;
use serde_json::json;
use std::fmt::Write as _;
use std::path::Path;
use uuid::Uuid;

/// The case whose pipeline reports by itself.
const HANDED_OVER: &str = "gitlab pipeline";

const APP: &str = "12345";
const TOKEN: &str = "only GitLab sees this";
const ACCESS_TOKEN: &str = "only Azure DevOps sees this";

/// Dropping them ends them.
pub(crate) struct Pipelines {
    github: GitHub,
    gitlab: GitLab,
    azure: AzureDevOps,
    key: AppKey,
}

impl Pipelines {
    /// Starts all three.
    pub(crate) fn start() -> Result<Self> {
        let key = AppKey::generate()?;
        let jobs = [("plan", Conclusion::Success), ("apply", Conclusion::Success)];
        let workflow = Workflow::new("apply.yml").input("buildingBlockRun");
        let workflow = workflow.plan(github::RunPlan::of_jobs(jobs));
        let repository = Repository::new("acme", "infra").branch("main").workflow(workflow);
        let project = Project::new(42, "acme/infra", TOKEN).reference("main").input("size");
        let stages = [("Build", Outcome::Succeeded), ("Deploy", Outcome::SucceededWithIssues)];
        let pipeline = azure::Pipeline::new("infra", 7, "apply")
            .parameter("MESHSTACK_BEHAVIOR")
            .parameter("size")
            .plan(azure::RunPlan::of_stages(stages));
        let azure = AzureDevOps::builder().organization("acme").token(ACCESS_TOKEN);
        Ok(Self {
            github: GitHub::builder().app(APP, &key).repository(repository).start()?,
            gitlab: GitLab::builder().project(project).start()?,
            azure: azure.pipeline(pipeline).start()?,
            key,
        })
    }

    /// For the daemon's configuration: routes.
    pub(crate) fn daemon(&self) -> String {
        let mut routes = String::new();
        for (name, implementation_type, _) in self.all() {
            // Writing to a string can't fail.
            let _ = write!(
                routes,
                "  - match: {{implementationType: {implementation_type}}}\n    \
                 component: {{embedded: {name}}}\n    policy: {{file: {name}.toml}}\n"
            );
        }
        routes
    }

    /// Writes the shipped policies to where the daemon looks for them; they know no service of this machine.
    pub(crate) fn write_policies(&self, directory: &Path) -> Result<()> {
        for (name, _, url) in self.all() {
            let url: url::Url = url.parse()?;
            let port = url.port().context("no port")?;
            let policy = ShippedPolicy::named(name)?.at_localhost(url.scheme(), &[port]);
            let policy = policy.configured("poll_seconds", "0.5");
            std::fs::write(directory.join(format!("{name}.toml")), policy.text())?;
        }
        Ok(())
    }

    fn all(&self) -> [(&'static str, &'static str, &str); 3] {
        [
            ("azure-devops", "AZURE_DEVOPS", self.azure.url()),
            ("github-workflow", "GITHUB_WORKFLOW", self.github.url()),
            ("gitlab-cicd", "GITLAB_CICD", self.gitlab.url()),
        ]
    }

    /// A run for each.
    pub(crate) fn cases(&self) -> Result<Vec<Case>> {
        let case = |name, spec: RunSpec, says| Case {
            name,
            component: None,
            spec: spec.sensitive_environment_input(
                "PASSWORD",
                InputType::String,
                "only pipelines see this",
            ),
            aborted_at: None,
            state: RunState::Succeeded,
            says,
        };
        let (github, gitlab, azure) = (
            GithubWorkflow::of(by_name(&self.github.api_url()), APP, self.key.pkcs1_pem()?),
            GitlabCicd::of(by_name(self.gitlab.url()), json!("acme/infra"), TOKEN),
            AzureDevops::of(by_name(self.azure.url()), "acme", "infra", json!("7"), ACCESS_TOKEN),
        );
        let size = |spec: RunSpec| spec.input("size", InputType::Integer, json!(3));
        Ok(vec![
            case("github workflow", RunSpec::github_workflow(github), "The workflow has succeeded"),
            case(HANDED_OVER, size(RunSpec::gitlab_cicd(gitlab)), "will report the result"),
            case(
                "azure pipeline",
                size(RunSpec::azure_devops(azure)),
                "The pipeline has succeeded",
            ),
        ])
    }

    /// What GitLab's pipeline does: it ends the run that was handed over to it.
    pub(crate) async fn report(&self, emulator: &Emulator, run: &Uuid) -> Result<()> {
        self.gitlab.wait_until(|gitlab| !gitlab.pipelines().is_empty()).await?;
        // What the run has used is the last that is told before it is handed over.
        let is_over = |run: &RunView| run.log("gl-trigger").contains("used ");
        let handed_over = emulator.wait_until(patience(), |view| {
            view.run(run).is_some_and(|run| is_over(&run) || run.state.is_terminal())
        });
        handed_over.await?;
        emulator.finish_from_outside(run, true);
        Ok(())
    }

    /// What clients did wrong.
    pub(crate) fn violations(&self) -> Vec<String> {
        [of(&self.github), of(&self.gitlab), of(&self.azure)].concat()
    }
}

/// Whether this is the case whose run ends by [`Pipelines::report`].
pub(crate) fn is_handed_over(case: &Case) -> bool {
    case.name == HANDED_OVER
}

fn of<R: Remote>(fake: &Fake<R>) -> Vec<String> {
    fake.take_violations().iter().map(|violation| format!("{}: {violation}", R::NAME)).collect()
}

/// Policies grant names; an address would have to be granted by itself.
fn by_name(url: &str) -> String {
    url.replace("127.0.0.1", "localhost")
}
