//! What the daemon and its runs are told.

use super::{AllTypes, Kind};
use crate::policy_trimming::ShippedPolicy;
use crate::terraform::{Module, quoted};
use crate::{Process, on_path};
use anyhow::{Context as _, Result};
use blockhouse::digest::Digest;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// How often components look at pipelines.
const LOOK_SECONDS: &str = "0.2";

/// What the component that works on files may do.
const FILES: &str = "description = \"For tests.\"\n\
                     [files]\nreason = \"It works on files.\"\nwork = \"read-write\"\n\
                     quota_mib = 1\nquota_files = 20\n";

const TERRAFORM: &str = include_str!("../../../policies/terraform.toml");

impl AllTypes {
    pub(super) fn configure(&self, kinds: &[Kind], terraform: &str, more: &str) -> Result<()> {
        let directory = self.directory();
        let mut config = String::new();
        if kinds.contains(&Kind::Files) {
            let component = directory.join("files.wasm");
            fs::write(&component, blockhouse_artifacts::HONEST_FILES)?;
            write!(
                config,
                "  - match: {{implementationType: FILES}}\n    \
                 component: {{file: {}, digest: '{}'}}\n    policy: {{file: files.toml}}\n",
                component.display(),
                Digest::of(blockhouse_artifacts::HONEST_FILES)
            )?;
        }
        let routed = [
            (Kind::Azure, "azure-devops"),
            (Kind::Github, "github-workflow"),
            (Kind::Gitlab, "gitlab-cicd"),
            (Kind::Terraform, "terraform"),
        ];
        for (kind, name) in routed.into_iter().filter(|(kind, _)| kinds.contains(kind)) {
            write!(
                config,
                "  - match: {{implementationType: {kind}}}\n    component: {{embedded: {name}}}\n    \
                 policy: {{file: {name}.toml}}\n"
            )?;
        }
        writeln!(
            config,
            "poll: {{interval: 100ms}}\nterraform:\n  \
             tools: {{force: terraform, download: false, programs: ['{}']}}\n{terraform}{more}",
            on_path("terraform").display()
        )?;
        Process::configure(directory, &self.emulator, &[], &config)?;
        fs::write(directory.join("files.toml"), FILES)?;
        self.write_policies(directory)
    }

    fn write_policies(&self, directory: &Path) -> Result<()> {
        let services = [
            ("azure-devops", self.azure.url()),
            ("github-workflow", self.github.url()),
            ("gitlab-cicd", self.gitlab.url()),
        ];
        for (name, url) in services {
            let url: url::Url = url.parse()?;
            let port = url.port().context("no port")?;
            let policy = ShippedPolicy::named(name)?.at_localhost(url.scheme(), &[port]);
            let policy = policy.configured("poll_seconds", LOOK_SECONDS);
            fs::write(directory.join(format!("{name}.toml")), policy.text())?;
        }
        let all = "repositories = [\"*\"]";
        anyhow::ensure!(TERRAFORM.contains(all), "the shipped policy allows other repositories");
        let ours = format!("repositories = [\"{}\"]", self.git.url("*"));
        Ok(fs::write(directory.join("terraform.toml"), TERRAFORM.replace(all, &ours))?)
    }
}

/// A resource whose making and unmaking is seen, and all inputs told again.
pub(super) fn module(place: &str, token: &str, made: &str, unmade: &str) -> Module {
    let provisioner = |when: &str, command: &str| {
        let command = quoted(command);
        format!(
            "  provisioner \"local-exec\" {{\n    when = {when}\n    \
             interpreter = [\"/bin/bash\", \"-c\"]\n    command = {command}\n  }}\n"
        )
    };
    let resource = format!(
        "resource \"terraform_data\" \"one\" {{\n{}{}}}",
        provisioner("create", made),
        provisioner("destroy", unmade)
    );
    Module::new()
        .own_http_backend(place, "run", token)
        .echo("size", Some("number"))
        .echo_sensitive("password", Some("string"))
        .hcl(&resource)
}
