//! `blockhouse inspect`: what a component asks for, without running or compiling it.

use super::{START, USAGE, print, say};
use crate::digest::Digest;
use crate::excerpt::line;
use crate::outcome::Bytes;
use crate::sandbox::anatomy::{Anatomy, Need};
use crate::telemetry::chain;
use blockhouse_policy::{Grants, Limits, Policy};
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// The largest file that is looked at; what a policy can allow at most.
const COMPONENT_BYTES_MAX: u64 = 512 << 20;

/// The most that is read of a policy, which is then told to be too long.
const POLICY_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The component.
    #[arg(value_name = "COMPONENT")]
    component: PathBuf,
    /// Say also what this policy would refuse. The exit code is 1 if it would, or if the component can't run here at all.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let grants = match &arguments.policy {
        Some(path) => match read_policy(path) {
            Ok(policy) => Some(Grants::new(Arc::new(policy), None, &Limits::default())),
            Err(mistakes) => {
                say(mistakes);
                return ExitCode::from(USAGE);
            }
        },
        None => None,
    };
    let bytes = match super::read_file(&arguments.component, COMPONENT_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) => {
            let path = arguments.component.display();
            say(format_args!("error: failed to read `{path}`: {}", chain(&error)));
            return ExitCode::from(USAGE);
        }
    };
    let anatomy = match Anatomy::read(&bytes) {
        Ok(anatomy) => anatomy,
        Err(error) => {
            say(format_args!(
                "error: `{}` is no component: {error}",
                arguments.component.display()
            ));
            return ExitCode::from(START);
        }
    };
    let report = Report { path: &arguments.component, bytes: &bytes, anatomy: &anatomy, grants };
    print(&report);
    if report.refusals().is_empty() { ExitCode::SUCCESS } else { ExitCode::from(START) }
}

/// Reads a policy file.
pub(super) fn read_policy(path: &Path) -> Result<Policy, String> {
    let shown = line(&path.to_string_lossy(), 200);
    let bytes = super::read_file(path, POLICY_BYTES_MAX)
        .map_err(|error| format!("{shown}: can't be read: {}", chain(&error)))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{shown}: is not UTF-8 text"))?;
    Policy::parse(&shown, &text).map_err(|mistakes| mistakes.to_string())
}

/// The sections that Terraform takes, to be filled in.
const TERRAFORM: &str = r#"
[files]
reason = "Sources are checked out into /work."
work = "read-write"
quota_mib = 512
quota_files = 20_000

[terraform]
reason = "Which configurations these are, and who is responsible for them."
verbs = ["plan", "apply", "destroy"]
repositories = ["https://git.example.com/team/*"]

[[secrets.use]]
reason = "Where these secrets come from, and that the configurations may have them."
keys = ["*"]
in = ["terraform"]
"#;

/// What there is to say about a component.
struct Report<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    anatomy: &'a Anatomy,
    grants: Option<Grants>,
}

impl Report<'_> {
    /// Why it can't run, or not under the policy.
    fn refusals(&self) -> Vec<String> {
        let mut refusals = Vec::new();
        if !self.anatomy.exports.iter().any(|export| export == "execute") {
            refusals.push("it does not export `execute`".to_owned());
        }
        for (import, need) in self.anatomy.needs() {
            if need == Need::Unknown {
                refusals.push(format!("it needs `{import}`, which is not offered to components"));
            }
        }
        let Some(grants) = &self.grants else { return refusals };
        if let (true, Err(denied)) = (self.has(Need::Http), grants.allows_http()) {
            refusals.push(format!("it needs outbound HTTP: {}", denied.rule));
        }
        if let (true, Err(denied)) = (self.has(Need::Jwt), grants.allows_jwt()) {
            refusals.push(format!("it needs to sign tokens: {}", denied.rule));
        }
        if let (true, Err(denied)) = (self.has(Need::Terraform), grants.terraform()) {
            refusals.push(format!("it needs Terraform: {}", denied.rule));
        }
        let limits = grants.limits();
        if self.bytes.len() > limits.component_bytes {
            refusals.push(exceeds("component_mib", self.bytes.len(), limits.component_bytes));
        }
        let memory = usize::try_from(self.anatomy.memory_bytes).unwrap_or(usize::MAX);
        if memory > limits.memory_bytes {
            refusals.push(exceeds("memory_mib", memory, limits.memory_bytes));
        }
        refusals
    }

    fn has(&self, wanted: Need) -> bool {
        self.anatomy.needs().any(|(_, need)| need == wanted)
    }

    fn needs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nothing = true;
        for (import, need) in self.anatomy.needs() {
            nothing = false;
            let what = match need {
                Need::Files => "files, if it uses them; without the grant there is no directory",
                Need::Http => "outbound HTTP",
                Need::HttpWhenUsed => {
                    "outbound HTTP, if it uses it; without the grant every request is denied"
                }
                Need::Jwt => "to sign tokens with a secret",
                Need::Terraform => "Terraform",
                Need::Nothing | Need::Unknown => "unknown: not offered to components",
            };
            writeln!(f, "    {import}\n        {what}")?;
        }
        if nothing {
            writeln!(f, "    nothing that a policy grants")?;
        }
        let free = self.anatomy.imports.len() - self.anatomy.needs().count();
        writeln!(f, "    {free} more interfaces that every component gets")
    }

    /// The smallest policy under which it can be loaded, to be filled in.
    fn suggestion(&self) -> String {
        let mut text = "description = \"What this component is for.\"\n".to_owned();
        let mib = |bytes: usize| bytes.div_ceil(1 << 20);
        let memory = usize::try_from(self.anatomy.memory_bytes).unwrap_or(usize::MAX);
        let _ = write!(
            text,
            "\n[limits]\nreason = \"Why it needs this much.\"\ncomponent_mib = {}\nmemory_mib = {}\n",
            mib(self.bytes.len()).max(1),
            // What it starts with, and as much again for its data.
            mib(memory.saturating_mul(2)).max(4),
        );
        if self.has(Need::Terraform) {
            text.push_str(TERRAFORM);
        } else if self.has(Need::Files) {
            text.push_str(
                "\n# Only if it works on files:\n# [files]\n# reason = \"What it needs them for.\"\n\
                 # work = \"read-write\"\n# quota_mib = 100\n# quota_files = 1000\n",
            );
        }
        if self.has(Need::Http) || self.has(Need::HttpWhenUsed) {
            text.push_str(
                "\n[[http]]\nreason = \"Which service this is, and what it is needed for.\"\nhosts = [\"api.example.com\"]\n",
            );
        }
        if self.has(Need::Jwt) {
            text.push_str(
                "\n[[secrets.use]]\nreason = \"Which key this is, and where its tokens go.\"\nkeys = [\"app_key\"]\n\
                 in = [\"jwt\"]\nhosts = [\"api.example.com\"]\n",
            );
        }
        text
    }
}

fn exceeds(limit: &str, used: usize, allowed: usize) -> String {
    format!("{} exceed `{limit}` of the policy ({})", Bytes::of(used), Bytes::of(allowed))
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, bytes, anatomy, grants } = self;
        writeln!(f, "{}", line(&path.to_string_lossy(), 200))?;
        writeln!(f, "  digest    {}", Digest::of(bytes))?;
        writeln!(f, "  size      {}", Bytes::of(bytes.len()))?;
        writeln!(
            f,
            "  contains  {} core modules: {} of code, {} of data, {} of memory at start",
            anatomy.modules,
            Bytes::of(anatomy.code_bytes),
            Bytes::of(anatomy.data_bytes),
            Bytes(anatomy.memory_bytes),
        )?;
        let exports =
            if anatomy.exports.is_empty() { "nothing" } else { &anatomy.exports.join(", ") };
        writeln!(f, "  exports   {exports}")?;
        writeln!(f, "  needs")?;
        self.needs(f)?;
        let refusals = self.refusals();
        match grants {
            Some(grants) if refusals.is_empty() => {
                writeln!(f, "\nthe policy `{}` lets it run", grants.policy().name())?;
            }
            Some(grants) => {
                writeln!(f, "\nunder the policy `{}` it is refused:", grants.policy().name())?
            }
            None if refusals.is_empty() => {}
            None => writeln!(f, "\nit can't run here:")?,
        }
        for refusal in refusals {
            writeln!(f, "  {refusal}")?;
        }
        if grants.is_none() {
            write!(f, "\na policy to start from:\n\n{}", self.suggestion())?;
        }
        Ok(())
    }
}
