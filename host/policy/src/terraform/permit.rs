//! Leave to run Terraform: [`TerraformPermit`], which answers what of it.

use super::environment::{ReservedName, is_name};
use super::module::{self, ModulePattern};
use super::provider::{NOTHING, ProviderPattern};
use super::repository::Place;
use super::{GitRule, Requirement, TerraformLimits, TerraformRule, TerraformTool, TerraformVerb};
use crate::denied::{Denied, Part};
use crate::given;
use crate::mistake::quoted;
use crate::policy::Policy;
use crate::position::Position;
use semver::Version;
use std::fmt;
use std::sync::Arc;

/// Leave to run Terraform, and how. Every question is asked of policy and ceiling.
#[derive(Clone, Debug)]
pub struct TerraformPermit {
    policy: Arc<Policy>,
    ceiling: Option<Arc<Policy>>,
    position: Position,
    limits: TerraformLimits,
}

/// Leave to run a script.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ScriptPermit {
    /// Whether scripts may use the network.
    pub network: bool,
}

/// How we say who we are to a git server by https. Paths are relative to the policy's file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GitCredentials {
    /// User for basic authentication with the token.
    pub user: Option<String>,
    /// File with the token.
    pub token_file: Option<String>,
    /// Certificate and key, PEM.
    pub client_certificate: Option<(String, String)>,
    /// Certificate authority beside the system's, PEM.
    pub ca_file: Option<String>,
}

impl TerraformPermit {
    pub(crate) fn new(
        policy: &Arc<Policy>,
        ceiling: Option<&Arc<Policy>>,
        position: Position,
    ) -> Self {
        let (policy, ceiling) = (Arc::clone(policy), ceiling.map(Arc::clone));
        Self { policy, ceiling, position, limits: TerraformLimits::default() }
            .with_defaults(&TerraformLimits::default())
    }

    /// The same with other defaults, such as those of the configuration; what policy and ceiling say stays.
    #[must_use]
    pub fn with_defaults(self, defaults: &TerraformLimits) -> Self {
        let limits = |policy: &Arc<Policy>| policy.terraform().and_then(|rule| rule.limits.clone());
        let (own, most) = (limits(&self.policy), self.ceiling.as_ref().and_then(limits));
        Self { limits: given::within(*defaults, own.as_ref(), most.as_ref()), ..self }
    }

    /// Where the section stands; for the audit log.
    #[must_use]
    pub fn rule(&self) -> &Position {
        &self.position
    }

    /// How much.
    #[must_use]
    pub fn limits(&self) -> &TerraformLimits {
        &self.limits
    }

    /// Where the limit of this key (as in [`TerraformLimits::TABLE`]) was set to what it is, unless it is a default.
    #[must_use]
    pub fn limit_rule(&self, key: &str) -> Option<&Position> {
        let limit = TerraformLimits::TABLE.iter().find(|limit| limit.key == key)?;
        let value = limit.base(&self.limits)?;
        let given = self.rules().filter_map(|(_, rule)| rule.limits.as_ref());
        let mut given = given.flat_map(|given| given.limits());
        let rule = given.find(|given| given.limit().key == key && given.base() == value)?;
        Some(rule.position())
    }

    /// Leave to use `terraform` or `tofu` in this version, such as `1.5.5`.
    ///
    /// # Errors
    /// [`Denied`], also for what is not a version.
    pub fn version(&self, tool: &str, version: &str) -> Result<(), Denied> {
        let parsed = Version::parse(version).ok();
        self.ask(
            format_args!("does not grant {} in version {}", quoted(tool), quoted(version)),
            |rule| {
                let is_tool = |known: &TerraformTool| super::Named::as_str(*known) == tool;
                let tools = rule.tools.as_deref();
                let has_tool = match tools {
                    Some(tools) => tools.iter().any(is_tool),
                    None => <TerraformTool as super::Named>::ALL.iter().any(is_tool),
                };
                let fits = |version: &Version| {
                    rule.versions.as_ref().is_none_or(|all| all.iter().any(|r| r.matches(version)))
                };
                has_tool && parsed.as_ref().is_some_and(fits)
            },
        )
    }

    /// Leave to fetch a repository: its canonical URL (lower-case scheme and host, no default port, no user but for ssh, no `.` and
    /// `..`, `user@host:path` as `ssh://user@host/path`). Whatever is written in another way is denied.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn repository(&self, url: &str) -> Result<(), Denied> {
        self.ask(
            format_args!("does not grant the repository {}", quoted(&module::shown(url))),
            |rule| rule.repositories.iter().any(|pattern| pattern.matches(url)),
        )
    }

    /// Whether repositories may be fetched by `file` or `http` at all, which `"*"` does not stand for; for reading URLs.
    #[must_use]
    pub fn allows_scheme(&self, scheme: &str) -> bool {
        matches!(scheme, "https" | "ssh") || self.both(|rule| rule.names_scheme(scheme))
    }

    /// How to authenticate at the server of a repository, if the policy says: by its first rule for the server. Never but by
    /// https, and never for a repository that is not granted.
    #[must_use]
    pub fn git_credentials(&self, url: &str) -> Option<GitCredentials> {
        // SECURITY: terraform::credentials_go_to_their_servers_by_https_only
        self.repository(url).ok()?;
        let place = Place::canonical(url).filter(|place| place.scheme == "https")?;
        let (host, port) = (place.host?, place.port?);
        let rules = &self.policy.terraform()?.git;
        let GitRule { user, token_file, client_certificate, ca_file, .. } =
            rules.iter().find(|rule| rule.is_for(&host, port))?.clone();
        Some(GitCredentials { user, token_file, client_certificate, ca_file })
    }

    /// Leave to use a module: its source as `modules.json` has it. Sources that begin with `./` or `../`, and the empty one of the
    /// configuration itself, need none: whoever asks sees to it that they stay within the repository.
    ///
    /// # Errors
    /// [`Denied`], also for sources that can't be understood unless every module is granted.
    pub fn module(&self, source: &str) -> Result<(), Denied> {
        let is_local = source.is_empty() || source.starts_with("./") || source.starts_with("../");
        if is_local {
            return Ok(());
        }
        self.ask(
            format_args!("does not grant the module {}", quoted(&module::shown(source))),
            |rule| rule.modules.iter().any(|pattern: &ModulePattern| pattern.matches(source)),
        )
    }

    /// Patterns of providers for `include` in the CLI configuration, such as `registry.terraform.io/hashicorp/*`: what policy and ceiling
    /// have in common. Never empty: if they have nothing in common, it is a pattern that no provider matches.
    #[must_use]
    pub fn providers(&self) -> Vec<String> {
        let mut all = vec![ProviderPattern::any()];
        for (_, rule) in self.rules() {
            let Some(own) = &rule.providers else { continue };
            let both = all.iter().flat_map(|one| own.iter().filter_map(|other| one.both(other)));
            let mut both: Vec<_> = both.collect();
            both.sort();
            both.dedup();
            all = both;
        }
        let nothing = all.is_empty().then(|| NOTHING.to_owned());
        all.iter().map(ToString::to_string).chain(nothing).collect()
    }

    /// Leave to use a provider, such as `registry.terraform.io/hashicorp/aws`; for what `init` has chosen.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn provider(&self, source: &str) -> Result<(), Denied> {
        self.ask(format_args!("does not grant the provider {}", quoted(source)), |rule| {
            let any = [ProviderPattern::any()];
            rule.providers.as_deref().unwrap_or(&any).iter().any(|pattern| pattern.matches(source))
        })
    }

    /// Leave for a verb.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn verb(&self, verb: TerraformVerb) -> Result<(), Denied> {
        self.ask(format_args!("does not grant `{verb}`"), |rule| rule.verbs.contains(&verb))
    }

    /// Leave to run scripts.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn script(&self) -> Result<ScriptPermit, Denied> {
        self.ask(format_args!("grants no scripts"), |rule| rule.scripts.is_some())?;
        let network = self.both(|rule| rule.scripts.is_some_and(|scripts| scripts.network));
        Ok(ScriptPermit { network })
    }

    /// Leave to set a variable of the environment by an input.
    ///
    /// # Errors
    /// [`Denied`], also for what can't be a name.
    pub fn environment(&self, name: &str) -> Result<(), Denied> {
        let what = match ReservedName::of(name) {
            Some(reserved) => format!("{}, which {}", quoted(name), reserved.reason),
            None => quoted(name),
        };
        self.ask(format_args!("does not grant the environment variable {what}"), |rule| {
            is_name(name)
                && match &rule.environment {
                    Some(patterns) => patterns.iter().any(|pattern| pattern.matches(name)),
                    None => ReservedName::of(name).is_none(),
                }
        })
    }

    /// What the machine must be able to do: what policy or ceiling require, each once.
    #[must_use]
    pub fn required(&self) -> Vec<Requirement> {
        let mut all: Vec<_> = self.rules().flat_map(|(_, rule)| rule.require.clone()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether a lock that a dead process of ours has left may be released.
    #[must_use]
    pub fn releases_locks(&self) -> bool {
        self.both(|rule| rule.release_locks)
    }

    /// Whether the component may see sensitive inputs of type CODE, to parse them.
    #[must_use]
    pub fn reveals_code(&self) -> bool {
        self.both(|rule| rule.reveal_code)
    }

    /// The sections of policy and ceiling.
    fn rules(&self) -> impl Iterator<Item = (Part<'_>, &TerraformRule)> {
        let ceiling = self.ceiling.as_ref().map(Part::Ceiling);
        let parts = std::iter::once(Part::Policy(&self.policy)).chain(ceiling);
        parts.filter_map(|part| Some((part, part.policy().terraform()?)))
    }

    fn both(&self, grants: impl Fn(&TerraformRule) -> bool) -> bool {
        let parts = std::iter::once(&self.policy).chain(&self.ceiling);
        // SECURITY: terraform::every_question_is_asked_of_the_ceiling_too
        parts.into_iter().all(|policy| policy.terraform().is_some_and(&grants))
    }

    fn ask(
        &self,
        denied: fmt::Arguments<'_>,
        grants: impl Fn(&TerraformRule) -> bool,
    ) -> Result<(), Denied> {
        let refusing = self.rules().find(|(_, rule)| !grants(rule));
        match refusing {
            Some((part, rule)) => Err(part.denies_at(&rule.position, denied)),
            None if self.both(grants) => Ok(()),
            None => Err(Part::Policy(&self.policy).denies(format_args!("grants no Terraform"))),
        }
    }
}
