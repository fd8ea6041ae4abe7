//! All that TERRAFORM runs need at once: [`Scene`].

use super::Module;
use crate::{API_KEY, CERTIFICATE, GitFile, GitHttp, GitRepository, Process, on_path, patience};
use anyhow::{Context as _, Result};
use blockhouse_emulator::{Emulator, RunSpec, RunView, Terraform};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use uuid::Uuid;

/// What the daemon's policy says unless a test says otherwise; `{origin}` is the git server.
const POLICY: &str = r#"
description = "For tests."

[limits]
reason = "As shipped."
fuel = 50_000
memory_mib = 256
wall_time = "1h"
log_kib = 1_024
host_call_mib = 64

[files]
reason = "The sources."
work = "read-write"
quota_mib = 2_048
quota_files = 100_000

[terraform]
reason = "The tests."
verbs = ["plan", "apply", "destroy"]
repositories = ["{origin}/*"]
modules = ["*"]
scripts = { network = true }
reveal_code = true
release_locks = true
{terraform}

[[secrets.use]]
reason = "As shipped."
keys = ["*"]
in = ["terraform", "outputs"]
{more}
"#;

/// How a scene differs from the usual one.
#[derive(Clone, Debug, Default)]
pub struct Stage {
    /// More lines of the policy's `[terraform]`, and sections behind it.
    pub terraform: String,
    /// More sections of the policy.
    pub policy: String,
    /// More keys of the configuration's `terraform` section, each line indented by two spaces.
    pub configuration: String,
    /// More top-level keys of the configuration.
    pub top: String,
    /// Variables of the daemon's own environment.
    pub environment: Vec<(String, String)>,
}

/// A repository behind a server, the emulator, and a daemon as a process of its own that executes TERRAFORM runs with the real
/// Terraform. Dropping it kills the daemon and whatever works for it.
#[derive(Debug)]
pub struct Scene {
    /// meshStack.
    pub emulator: Emulator,
    /// The sources.
    pub repository: GitRepository,
    /// Their server.
    pub git: GitHttp,
    /// The daemon, while it runs.
    pub daemon: Option<Process>,
    directory: TempDir,
    program: PathBuf,
    version: String,
    environment: Vec<(String, String)>,
}

impl Scene {
    /// Sets the scene for a module on the branch `main`, and starts the daemon.
    ///
    /// # Errors
    /// If a part can't be started.
    pub async fn start(program: &Path, module: &Module) -> Result<Self> {
        Self::with(program, module, Stage::default()).await
    }

    /// The same with differences.
    ///
    /// # Errors
    /// If a part can't be started.
    pub async fn with(program: &Path, module: &Module, stage: Stage) -> Result<Self> {
        let mut scene = Self::set(program, module, stage).await?;
        scene.begin()?;
        Ok(scene)
    }

    /// The same without starting the daemon.
    ///
    /// # Errors
    /// If a part can't be started.
    pub async fn set(program: &Path, module: &Module, stage: Stage) -> Result<Self> {
        let (id, secret) = API_KEY;
        let builder = Emulator::builder().api_key(id, secret).runner_certificate(CERTIFICATE);
        let emulator = builder.start().await?;
        let repository = GitRepository::new()?;
        let git = GitHttp::start(repository.root()).await?;
        let directory = tempfile::tempdir()?;
        let scene = Self {
            emulator,
            repository,
            git,
            daemon: None,
            directory,
            program: program.to_owned(),
            version: version(&on_path("terraform"))?,
            environment: stage.environment.clone(),
        };
        scene.commit(module)?;
        scene.configure(&stage)?;
        Ok(scene)
    }

    fn configure(&self, stage: &Stage) -> Result<()> {
        let Stage { terraform, policy, configuration, top, environment: _ } = stage;
        let origin = self.git.url("");
        let policy = POLICY
            .replace("{origin}", origin.trim_end_matches('/'))
            .replace("{terraform}", terraform)
            .replace("{more}", policy);
        let mut more = String::from(
            "  - match: {implementationType: TERRAFORM}\n    component: {embedded: terraform}\n    \
             policy: {file: terraform.toml}\npoll: {interval: 100ms}\nterraform:\n",
        );
        let tool = on_path("terraform");
        if !configuration.contains("tools:") {
            writeln!(
                more,
                "  tools: {{force: terraform, download: false, programs: ['{}']}}",
                tool.display()
            )?;
        }
        more.push_str(configuration);
        more.push('\n');
        more.push_str(top);
        Process::configure(self.directory(), &self.emulator, &[], &more)?;
        fs::write(self.directory().join("terraform.toml"), policy)?;
        Ok(())
    }

    /// Starts the daemon, the first or another one.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn begin(&mut self) -> Result<()> {
        let daemon = Process::start_with(&self.program, self.directory(), &self.environment)?;
        self.daemon = Some(daemon);
        Ok(())
    }

    /// Changes the policy that was written; for a daemon that is started after that.
    ///
    /// # Errors
    /// If it does not say `from`.
    pub fn change_policy(&self, from: &str, to: &str) -> Result<()> {
        let path = self.directory().join("terraform.toml");
        let policy = fs::read_to_string(&path)?;
        anyhow::ensure!(policy.contains(from), "the policy does not say `{from}`");
        Ok(fs::write(&path, policy.replace(from, to))?)
    }

    /// The daemon.
    ///
    /// # Errors
    /// If there is none now.
    pub fn daemon(&mut self) -> Result<&mut Process> {
        self.daemon.as_mut().context("no daemon is running")
    }

    /// Where configuration, policy (`terraform.toml`), log and state are.
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
        fs::read_to_string(self.directory().join("daemon.log")).unwrap_or_default()
    }

    /// Commits a module to `main`. Returns the commit.
    ///
    /// # Errors
    /// If git fails.
    pub fn commit(&self, module: &Module) -> Result<String> {
        let files: Vec<_> =
            module.files().map(|(path, bytes)| (path, GitFile::Text(bytes))).collect();
        self.repository.commit("main", &files)
    }

    /// What the server calls the repository.
    #[must_use]
    pub fn repository_name(&self) -> String {
        let path = self.repository.path();
        path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The implementation: this repository, the Terraform on this machine, state in meshStack.
    #[must_use]
    pub fn terraform(&self) -> Terraform {
        Terraform::of(self.git.url(&self.repository_name()))
            .reference("main")
            .version(&*self.version)
            .meshstack_state()
    }

    /// A run of it.
    #[must_use]
    pub fn spec(&self) -> RunSpec {
        RunSpec::terraform(self.terraform())
    }

    /// Lets the daemon execute a run, and waits for its end.
    ///
    /// # Errors
    /// If the run or the daemon does not end as it should; the daemon's log is part of the error.
    pub async fn execute(&mut self, spec: RunSpec) -> Result<RunView> {
        let id = self.emulator.enqueue(spec);
        self.end_of(&id).await
    }

    /// Waits for the end of a run that was ordered.
    ///
    /// # Errors
    /// See [`Self::execute`].
    pub async fn end_of(&mut self, run: &Uuid) -> Result<RunView> {
        let Self { emulator, daemon, .. } = self;
        let ended = emulator.wait_for_end(run, patience());
        let daemon = daemon.as_mut().context("no daemon is running")?;
        let run = daemon.until(ended).await?;
        run.with_context(|| format!("the daemon's log:\n{}", daemon.log()))
    }
}

/// Which version this program, a Terraform, has.
///
/// # Errors
/// If it does not say so.
pub fn version(terraform: &Path) -> Result<String> {
    let mut command = Process::command(terraform, Path::new("/"));
    let output = command.arg("version").env("CHECKPOINT_DISABLE", "1").output()?;
    let text = String::from_utf8(output.stdout)?;
    let version = text.lines().next().and_then(|line| line.strip_prefix("Terraform v"));
    Ok(version.context("no version")?.to_owned())
}
