//! What the `TERRAFORM` run of the demo works on: a repository behind a server, and the Terraform of this machine.

use anyhow::{Context as _, Result};
use blockhouse_emulator::{Emulator, RunView, Terraform};
use blockhouse_tests::terraform::version;
use blockhouse_tests::{GitFile, GitHttp, GitRepository, find_on_path};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The shipped policy, which knows no repository without encryption.
const POLICY: &str = include_str!("../../../policies/terraform.toml");

/// As its author has committed it: no backend, so that meshStack keeps the state.
const MAIN: &str = r#"
variable "name" { type = string }
variable "password" {
  type      = string
  sensitive = true
}
resource "terraform_data" "house" { input = "the house of ${var.name}" }
resource "terraform_data" "door" {
  depends_on = [terraform_data.house]
  provisioner "local-exec" { command = "echo knock knock; sleep 1; echo come in" }
}
output "house" { value = terraform_data.house.output }
output "doors" { value = 1 }
output "password" {
  value     = var.password
  sensitive = true
}
"#;

/// The repository with its server. Dropping it ends both.
pub(crate) struct Configuration {
    pub(crate) implementation: Terraform,
    /// For the daemon's configuration; begins with a route.
    pub(crate) daemon: String,
    git: GitHttp,
    _repository: GitRepository,
}

impl Configuration {
    /// Makes it; or says why this machine can't have it.
    pub(crate) async fn new() -> Result<Result<Self, String>> {
        let missing = |name: &str| {
            format!(
                "there is no `{name}` on PATH, so NO TERRAFORM RUN IS SHOWN; install it and start again to see one"
            )
        };
        if find_on_path("git").is_none() {
            return Ok(Err(missing("git")));
        }
        let Some(program) = find_on_path("terraform") else {
            return Ok(Err(missing("terraform")));
        };
        let repository = GitRepository::new()?;
        repository.commit("main", &[("main.tf", GitFile::Text(MAIN.as_bytes()))])?;
        let git = GitHttp::start(repository.root()).await?;
        let implementation = Terraform::of(git.url("repository.git"))
            .reference("main")
            .version(version(&program)?)
            .meshstack_state();
        let daemon = daemon(&program);
        Ok(Ok(Self { implementation, daemon, git, _repository: repository }))
    }

    /// Writes its policy to where the daemon looks for it.
    pub(crate) fn write_policy(&self, directory: &Path) -> Result<PathBuf> {
        let all = "repositories = [\"*\"]";
        anyhow::ensure!(POLICY.contains(all), "the shipped policy allows other repositories");
        let path = directory.join("terraform.toml");
        let ours = format!("repositories = [\"{}\"]", self.git.url("*"));
        std::fs::write(&path, POLICY.replace(all, &ours))?;
        Ok(path)
    }
}

fn daemon(program: &Path) -> String {
    format!(
        "  - match: {{implementationType: TERRAFORM}}\n    component: {{embedded: terraform}}\n    \
         policy: {{file: terraform.toml}}\n\
         terraform:\n  tools: {{force: terraform, download: false, programs: ['{}']}}\n",
        program.display()
    )
}

/// What has come of it, for whoever watches: outputs and state.
pub(crate) fn results(emulator: &Emulator, run: &RunView) -> Result<String> {
    let mut text = String::new();
    for (name, output) in run.outputs() {
        let value =
            if output.is_sensitive { "(sensitive)".to_owned() } else { output.value.to_string() };
        writeln!(text, "     output {name} = {value}")?;
    }
    let address = run.state_address.as_ref().context("the run has no state")?;
    let state = emulator.terraform_state(address).context("meshStack has no state")?;
    let resources: Vec<_> = state.resources().into_iter().collect();
    let locks = if emulator.locks_held().is_empty() { "no lock is left" } else { "A LOCK IS LEFT" };
    write!(
        text,
        "     meshStack keeps the state, serial {}: {}; {locks}",
        state.serial().unwrap_or_default(),
        resources.join(", ")
    )?;
    Ok(text)
}
