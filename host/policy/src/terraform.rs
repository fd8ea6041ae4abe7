//! `[terraform]`: what Terraform may be used for: [`TerraformRule`].

mod environment;
pub(crate) mod excess;
mod git;
mod limits;
mod module;
mod permit;
mod provider;
mod repository;
mod versions;

pub use environment::{EnvironmentPattern, ReservedName};
pub use git::{GitHost, GitRule};
pub use limits::TerraformLimits;
pub use module::ModulePattern;
pub use permit::{GitCredentials, ScriptPermit, TerraformPermit};
pub use provider::ProviderPattern;
pub use repository::RepositoryPattern;

use crate::given::{self, GivenLimits};
use crate::mistake::quoted;
use crate::position::Position;
use crate::reader::{Complaint, Reader, Section};
use semver::VersionReq;
use std::fmt;

const TITLE: &str = "[terraform]";
const KEYS: &[&str] = &[
    "environment",
    "git",
    "limits",
    "modules",
    "providers",
    "reason",
    "release_locks",
    "repositories",
    "require",
    "reveal_code",
    "scripts",
    "tools",
    "verbs",
    "versions",
];

/// `[terraform]`. Lists that a file may leave out are `None` then: everything, as their fields say.
#[derive(Clone, Debug)]
pub struct TerraformRule {
    /// Where it stands.
    pub position: Position,
    /// Why.
    pub reason: String,
    /// What may be done to infrastructure.
    pub verbs: Vec<TerraformVerb>,
    /// By which programs. `None`: both.
    pub tools: Option<Vec<TerraformTool>>,
    /// In which versions: one of these. `None`: any.
    pub versions: Option<Vec<VersionReq>>,
    /// On the contents of which repositories.
    pub repositories: Vec<RepositoryPattern>,
    /// With which providers. `None`: all.
    pub providers: Option<Vec<ProviderPattern>>,
    /// With which modules from outside of the repository.
    pub modules: Vec<ModulePattern>,
    /// Which variables of the environment may be set. `None`: all that are not reserved.
    pub environment: Option<Vec<EnvironmentPattern>>,
    /// Whether scripts are run.
    pub scripts: Option<ScriptRule>,
    /// Whether the component sees sensitive inputs of type CODE, to parse them.
    pub reveal_code: bool,
    /// Whether a lock is released that a process of ours has left, which is proven dead.
    pub release_locks: bool,
    /// Without what of the machine nothing is started.
    pub require: Vec<Requirement>,
    /// How much of everything.
    pub limits: Option<GivenLimits<TerraformLimits>>,
    /// How we say who we are to git servers.
    pub git: Vec<GitRule>,
}

/// `scripts = { … }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScriptRule {
    /// Whether scripts may use the network.
    pub network: bool,
}

/// Verbs that change or read infrastructure; `install`, `init` and workspaces need none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TerraformVerb {
    /// `apply`, also of a saved plan.
    Apply,
    /// `destroy`.
    Destroy,
    /// `plan`.
    Plan,
}

/// Programs that know the verbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TerraformTool {
    /// HashiCorp's.
    Terraform,
    /// OpenTofu.
    Tofu,
}

/// What the machine must be able to do, or nothing is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Requirement {
    /// `cgroup`: a control group for each operation.
    Cgroup,
    /// `landlock`: paths are confined.
    Landlock,
    /// `no-network`: what must not use the network can't.
    NoNetwork,
    /// `no-new-privileges`: executing a program gives no rights.
    NoNewPrivileges,
    /// `users`: each tenant's processes have a user of their own.
    Users,
}

/// A choice of a list, by its name in the file.
trait Named: Copy + 'static {
    const ALL: &'static [Self];
    fn as_str(self) -> &'static str;
}

macro_rules! named {
    ($type:ty: $($variant:ident = $name:literal),+) => {
        impl Named for $type {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Named::as_str(*self))
            }
        }
    };
}

named!(TerraformVerb: Apply = "apply", Destroy = "destroy", Plan = "plan");
named!(TerraformTool: Terraform = "terraform", Tofu = "tofu");
named!(
    Requirement: Cgroup = "cgroup", Landlock = "landlock", NoNetwork = "no-network",
    NoNewPrivileges = "no-new-privileges", Users = "users"
);

fn parse_named<T: Named>(text: &str) -> Result<T, Complaint> {
    let found = T::ALL.iter().find(|choice| choice.as_str() == text);
    found.copied().ok_or_else(|| {
        let names: Vec<_> = T::ALL.iter().map(|choice| format!("`{}`", choice.as_str())).collect();
        Complaint::new(format!("{} is not one of {}", quoted(text), names.join(", ")))
    })
}

impl TerraformRule {
    /// Whether every variable that `narrow` stands for is granted.
    fn grants_environment(&self, narrow: &EnvironmentPattern) -> bool {
        match &self.environment {
            Some(patterns) => patterns.iter().any(|wide| wide.covers(narrow)),
            None => EnvironmentPattern::any().covers(narrow),
        }
    }

    /// Whether a pattern names this scheme (`file` or `http`), which `"*"` does not stand for.
    pub(crate) fn names_scheme(&self, scheme: &str) -> bool {
        self.repositories.iter().any(|pattern| pattern.scheme() == Some(scheme))
    }

    pub(crate) fn read(reader: &mut Reader<'_>, root: &Section<'_>) -> Option<Self> {
        let section = &reader.section(root, "terraform", TITLE)?;
        reader.know(section, KEYS);
        let rule = Self {
            position: reader.position(section),
            reason: reader.required_text(section, "reason").unwrap_or_default(),
            verbs: reader.required(section, "verbs", parse_named),
            tools: optional(reader, section, "tools", parse_named),
            versions: versions::read(reader, section),
            repositories: reader.required(section, "repositories", RepositoryPattern::parse),
            providers: optional(reader, section, "providers", ProviderPattern::parse),
            modules: reader.parsed(section, "modules", ModulePattern::parse),
            environment: optional(reader, section, "environment", EnvironmentPattern::parse),
            scripts: read_scripts(reader, section),
            reveal_code: reader.flag(section, "reveal_code").unwrap_or(false),
            release_locks: reader.flag(section, "release_locks").unwrap_or(false),
            require: reader.parsed(section, "require", parse_named),
            limits: given::read(reader, section, false),
            git: GitRule::read_all(reader, section),
        };
        if let (Some(script), Some(value)) = (rule.scripts, section.value("require"))
            && script.network
            && rule.require == [Requirement::NoNetwork]
        {
            let message = "`no-network` alone does nothing with `scripts = { network = true }`";
            reader.note(value.span(), Complaint::new(message));
        }
        Some(rule)
    }
}

/// A list that may be left out.
fn optional<T: Clone + Ord>(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &str,
    parse: impl Fn(&str) -> Result<T, Complaint>,
) -> Option<Vec<T>> {
    section.value(key)?;
    Some(reader.parsed(section, key, parse))
}

fn read_scripts(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<ScriptRule> {
    let scripts = reader.section(section, "scripts", "scripts = { network = … }")?;
    let scripts = scripts.titled("`scripts`");
    reader.know(&scripts, &["network"]);
    if scripts.value("network").is_none() {
        reader.missing(&scripts, "network");
    }
    Some(ScriptRule { network: reader.flag(&scripts, "network").unwrap_or(false) })
}

#[cfg(test)]
mod tests;
