//! All that runs of every type need at once: [`AllTypes`]. For whatever kills daemons at random or on purpose.

mod configuration;
mod evidence;

pub use evidence::Remains;

use crate::terraform::{LoopbackGate, version};
use crate::{API_KEY, CERTIFICATE, GitFile, GitHttp, GitRepository, Leaks, Process, on_path};
use anyhow::{Context as _, Result};
use blockhouse_emulator::{
    AzureDevops, Behavior, Emulator, GithubWorkflow, GitlabCicd, InputType, RunSpec, StateAddress,
    Terraform,
};
use blockhouse_remotes::azure::{self, Outcome};
use blockhouse_remotes::github::{self, AppKey, Conclusion, Repository, Workflow};
use blockhouse_remotes::gitlab::Project;
use blockhouse_remotes::{AzureDevOps, GitHub, GitLab};
use serde_json::json;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;
use uuid::Uuid;

/// What every sensitive input begins with.
const SECRET: &str = "correct-horse-battery-staple";

/// What the tokens of all runs of blocks begin with.
const RUN_TOKEN: &str = "run-token-of-a-block";

const GITLAB_TOKEN: &str = "only-gitlab-sees-this-token";
const AZURE_TOKEN: &str = "only-azure-devops-sees-this-token";
const APP: &str = "12345";

/// What a workflow may be told.
const INPUTS: [&str; 5] = [
    "buildingBlockRun",
    "buildingBlockRunUrl",
    "MESHSTACK_API_TOKEN",
    "MESHSTACK_ENDPOINT",
    "MESHSTACK_RUN_TOKEN",
];

/// A type of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `AZURE_DEVOPS`, followed to its end.
    Azure,
    /// A component of a customer that works on files.
    Files,
    /// `GITHUB_WORKFLOW`, followed to its end.
    Github,
    /// `GITLAB_CICD`, which is handed over.
    Gitlab,
    /// `MANUAL`.
    Manual,
    /// `TERRAFORM`.
    Terraform,
}

/// A block of TERRAFORM runs: a branch whose configuration keeps its state, with locks, at its own address.
#[derive(Clone, Debug)]
pub struct Block {
    /// Names its branch and its visitors at the gate.
    pub number: u32,
    /// Where its state is.
    pub state: StateAddress,
    token: String,
}

/// meshStack, all services, a repository, and the place of a daemon that executes runs of every type.
#[derive(Debug)]
pub struct AllTypes {
    /// meshStack.
    pub emulator: Emulator,
    /// Its workflow has two jobs.
    pub github: GitHub,
    /// Its pipelines report by themselves.
    pub gitlab: GitLab,
    /// Its pipeline has two stages.
    pub azure: AzureDevOps,
    /// Where the making and unmaking of each resource is seen: `made-<block>` and `unmade-<block>`.
    pub gate: LoopbackGate,
    repository: GitRepository,
    git: GitHttp,
    directory: TempDir,
    program: PathBuf,
    version: String,
    secrets: Leaks,
    tokens: Leaks,
}

/// Making one takes longer than most tests.
fn key() -> Result<&'static AppKey> {
    static KEY: OnceLock<AppKey> = OnceLock::new();
    if let Some(key) = KEY.get() {
        return Ok(key);
    }
    let key = AppKey::generate()?;
    Ok(KEY.get_or_init(|| key))
}

/// The version of the Terraform on this machine.
fn installed() -> Result<String> {
    static VERSION: OnceLock<String> = OnceLock::new();
    if let Some(version) = VERSION.get() {
        return Ok(version.clone());
    }
    let version = version(&on_path("terraform"))?;
    Ok(VERSION.get_or_init(|| version).clone())
}

/// Policies grant names; an address would have to be granted by itself.
fn by_name(url: &str) -> String {
    url.replace("127.0.0.1", "localhost")
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Manual, Self::Files, Self::Github, Self::Gitlab, Self::Azure, Self::Terraform];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Azure => "AZURE_DEVOPS",
            Self::Files => "FILES",
            Self::Github => "GITHUB_WORKFLOW",
            Self::Gitlab => "GITLAB_CICD",
            Self::Manual => "MANUAL",
            Self::Terraform => "TERRAFORM",
        })
    }
}

impl AllTypes {
    /// Starts everything but a daemon, which `program` is, and which executes runs of these types. With more keys of its
    /// configuration's section `terraform`, each line indented by two spaces, and with `more` top-level ones.
    ///
    /// # Errors
    /// If a part can't be started.
    pub async fn new(program: &Path, kinds: &[Kind], terraform: &str, more: &str) -> Result<Self> {
        let (id, secret) = API_KEY;
        let emulator = Emulator::builder().api_key(id, secret).runner_certificate(CERTIFICATE);
        let repository = GitRepository::new()?;
        let git = GitHttp::start(repository.root()).await?;
        let pem = key()?.pkcs1_pem()?;
        let secrets = [
            ("the sensitive input", SECRET),
            ("the token of GitLab", GITLAB_TOKEN),
            ("the token of Azure DevOps", AZURE_TOKEN),
            ("the secret of the API key", secret),
            ("the key of the app", pem.as_str()),
        ];
        let gate = LoopbackGate::new().await?;
        gate.open();
        let all = Self {
            emulator: emulator.start().await?,
            github: github()?,
            gitlab: gitlab()?,
            azure: azure()?,
            gate,
            repository,
            git,
            directory: tempfile::tempdir()?,
            program: program.to_owned(),
            version: installed()?,
            secrets: Leaks::of(secrets)?,
            tokens: Leaks::of([("the token of a run", RUN_TOKEN)])?,
        };
        all.configure(kinds, terraform, more)?;
        Ok(all)
    }

    /// Makes a block for TERRAFORM runs.
    ///
    /// # Errors
    /// If its configuration can't be committed.
    pub fn block(&self, number: u32) -> Result<Block> {
        let (workspace, block) = (format!("tenant-{}", number % 4), Uuid::new_v4());
        let token = format!("{RUN_TOKEN}-{block}");
        let place = format!("{workspace}/buildingBlock/{block}");
        let place = format!("{}/api/terraform/state/workspace/{place}", self.emulator.url());
        let [made, unmade] =
            ["made", "unmade"].map(|what| self.gate.command(&format!("{what}-{number}")));
        let module = configuration::module(&place, &token, &made, &unmade);
        let files: Vec<_> =
            module.files().map(|(path, bytes)| (path, GitFile::Text(bytes))).collect();
        self.repository.commit(&branch(number), &files)?;
        Ok(Block { number, state: StateAddress { workspace, block }, token })
    }

    /// A run of a type that has no blocks here. `size` is told again, by those that tell anything.
    ///
    /// # Errors
    /// If the key of the app can't be written.
    pub fn spec(&self, kind: Kind, id: Uuid, size: u32) -> Result<RunSpec> {
        let spec = match kind {
            Kind::Manual | Kind::Terraform => RunSpec::manual(),
            Kind::Files => RunSpec::manual().implementation(json!({"type": "FILES"})),
            Kind::Github => {
                let (url, pem) = (by_name(&self.github.api_url()), key()?.pkcs1_pem()?);
                return Ok(RunSpec::github_workflow(GithubWorkflow::of(url, APP, pem)).id(id));
            }
            Kind::Gitlab => {
                let url = by_name(self.gitlab.url());
                let implementation = GitlabCicd::of(url, json!("acme/infra"), GITLAB_TOKEN);
                return Ok(RunSpec::gitlab_cicd(implementation).id(id));
            }
            Kind::Azure => {
                let url = by_name(self.azure.url());
                let implementation = AzureDevops::of(url, "acme", "infra", json!("7"), AZURE_TOKEN);
                let spec = RunSpec::azure_devops(implementation).id(id);
                return Ok(spec.input("run", InputType::String, json!(id)));
            }
        };
        let spec = spec.id(id).run_token(format!("{RUN_TOKEN}-{id}"));
        Ok(told(spec, size))
    }

    /// A TERRAFORM run of a block.
    #[must_use]
    pub fn terraform_spec(
        &self,
        block: &Block,
        behavior: Behavior,
        id: Uuid,
        size: u32,
    ) -> RunSpec {
        let implementation = Terraform::of(self.git.url("repository.git"))
            .reference(branch(block.number))
            .version(&*self.version);
        let spec = RunSpec::terraform(implementation).behavior(behavior).id(id);
        let spec = spec.block(block.state.block).workspace(&*block.state.workspace);
        told(spec.run_token(&*block.token), size)
    }

    /// Starts a daemon; with these variables in its environment.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn begin(&self, environment: &[(String, String)]) -> Result<Process> {
        self.begin_by(&self.program, environment)
    }

    /// The same by what becomes the program.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn begin_by(&self, program: &Path, environment: &[(String, String)]) -> Result<Process> {
        Process::start_with(program, self.directory(), environment)
    }

    /// Where configuration, policies, log and state are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The daemon's state directory.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.directory().join("state")
    }

    /// What the daemons have logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory().join("daemon.log")).unwrap_or_default()
    }
}

fn branch(number: u32) -> String {
    format!("block-{number}")
}

fn told(spec: RunSpec, size: u32) -> RunSpec {
    let secret = secret(size);
    spec.input("size", InputType::Integer, json!(size)).sensitive_input(
        "password",
        InputType::String,
        secret,
    )
}

/// The sensitive input of runs of this size.
fn secret(size: u32) -> String {
    format!("{SECRET}-{size}")
}

fn github() -> Result<GitHub> {
    let jobs = [("plan", Conclusion::Success), ("apply", Conclusion::Success)];
    let workflow = Workflow::new("apply.yml").run_name("block ${{ inputs.buildingBlockRunUrl }}");
    let workflow = INPUTS.into_iter().fold(workflow, Workflow::input);
    let workflow = workflow.plan(github::RunPlan::of_jobs(jobs));
    let repository = Repository::new("acme", "infra").branch("main").workflow(workflow);
    Ok(GitHub::builder().app(APP, key()?).repository(repository).start()?)
}

fn gitlab() -> Result<GitLab> {
    let project = Project::new(42, "acme/infra", GITLAB_TOKEN).reference("main");
    Ok(GitLab::builder().project(project).start()?)
}

fn azure() -> Result<AzureDevOps> {
    let stages = [("Build", Outcome::Succeeded), ("Deploy", Outcome::Succeeded)];
    let pipeline = azure::Pipeline::new("infra", 7, "apply")
        .parameter("MESHSTACK_BEHAVIOR")
        .parameter("run")
        .plan(azure::RunPlan::of_stages(stages));
    let azure = AzureDevOps::builder().organization("acme").token(AZURE_TOKEN);
    azure.pipeline(pipeline).start().context("start Azure DevOps")
}
