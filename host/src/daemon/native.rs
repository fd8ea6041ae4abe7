//! Native programs, put together from the operator's configuration: [`assemble`].

use crate::admit::Route;
use crate::config;
use crate::config::terraform as settings;
use crate::confine::{self, Mechanism};
use crate::git::{self, Git};
use crate::os;
use crate::shim::{Ladder, Launcher};
use crate::terraform::providers::{self, Mirrors};
use crate::terraform::store::{
    self, Store, TERRAFORM_FINGERPRINT, TERRAFORM_RELEASES, TOFU_FINGERPRINT, TOFU_RELEASES,
};
use crate::terraform::{self, Terraform, Users, UsersConfig};
use crate::unseal::PublicKey;
use blockhouse_policy::{Requirement, TerraformLimits};
use secrecy::ExposeSecret as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// The folder in the state directory that states are kept in which could not be written where they belong.
pub(super) const QUARANTINE: &str = "quarantine";

/// Bytes and files that a checkout may have: what the largest repositories of modules have, tenfold.
const SOURCES_MAX_BYTES: u64 = 2 << 30;
const SOURCES_MAX_FILES: u64 = 200_000;

/// Why native programs can't be run as routes want it.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// A directory of ours can't be used.
    #[error("failed to use the directory of {what}, `{}`", path.display())]
    Directory {
        /// What is kept there.
        what: &'static str,
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A policy requires what this machine can't do.
    #[error(
        "the policy of route `{route}` requires `{what}`, which this machine can't enforce: {why}"
    )]
    Required {
        /// The route.
        route: String,
        /// As in the policy.
        what: Mechanism,
        /// Why not.
        why: String,
    },
    /// The address of releases, or the proxy to them, is none.
    #[error("failed to use the address of releases or of the proxy")]
    Releases(#[source] url::ParseError),
    /// Programs can't be run as other users here.
    #[error("`terraform.users` can't be had on this machine ({what}): {why}")]
    Users {
        /// What is missing.
        what: Mechanism,
        /// Why.
        why: String,
    },
    /// This program does not know where it is, so that it can't start itself.
    #[error("failed to find this program")]
    SelfProgram(#[source] io::Error),
}

/// What the operator says about native programs.
#[derive(Clone, Copy)]
pub(super) struct Settings<'a> {
    pub(super) terraform: &'a settings::Terraform,
    pub(super) egress: &'a config::http::Way,
    pub(super) state: &'a Path,
}

/// Puts together what routes need; nothing if none of them runs native programs. `key` seals what must not be lost; a process
/// without one has no state to keep it in either.
pub(super) fn assemble(
    Settings { terraform: settings, egress, state }: Settings<'_>,
    routes: &[Arc<Route>],
    key: Option<Arc<PublicKey>>,
) -> Result<Option<Terraform>, NativeError> {
    let mut native =
        routes.iter().filter_map(|route| Some((route, route.grants.terraform().ok()?)));
    let Some((first, _)) = native.clone().next() else { return Ok(None) };
    for (route, permit) in native.by_ref() {
        let required: Vec<_> = permit.required().into_iter().map(mechanism).collect();
        // SECURITY: e2e::terraform::a_policy_that_requires_what_the_machine_lacks_is_an_error_at_start
        if let Some((what, why)) = confine::missing(&required).into_iter().next() {
            let route = route.name.clone();
            return Err(NativeError::Required { route, what, why });
        }
    }
    let git = os::find_program("git").unwrap_or_else(|| {
        // Not an error: who has no TERRAFORM runs needs none, and the route is there by default.
        let route = &first.name;
        tracing::warn!(
            route,
            "`git` was not found on PATH: runs whose sources are in a repository will fail"
        );
        PathBuf::from("git")
    });
    let directory = |what, path: &Path| {
        let path = path.to_owned();
        move |source| NativeError::Directory { what, path, source }
    };
    let git = git_config(settings, egress, state, git);
    let mirrors = git.mirrors.clone();
    let git = Git::open(git).map_err(directory("mirrors of repositories", &mirrors))?;
    let store = store_config(settings, egress, state).map_err(NativeError::Releases)?;
    let tools = store.directory.clone();
    let store = Store::open(store).map_err(directory("programs", &tools))?;
    let mirrors = Mirrors::new(providers_config(&settings.providers, state));
    let launcher = Launcher { program: os::this_program().map_err(NativeError::SelfProgram)? };
    let users = match settings.users {
        None => None,
        Some(settings::Users { first, count }) => {
            let file = state.join("users.json");
            let users = UsersConfig { file: file.clone(), first, count };
            let users = Users::open(users).map_err(directory("users of tenants", &file))?;
            if let Some((what, why)) = confine::missing(&[Mechanism::Users]).into_iter().next() {
                return Err(NativeError::Users { what, why });
            }
            Some(Arc::new(users))
        }
    };
    let terraform = terraform_config(settings, state, key, users);
    Ok(Some(Terraform::new(terraform, store, mirrors, git, launcher)))
}

/// How long programs may take to end once they were interrupted.
pub(super) fn patience(settings: &settings::Terraform) -> Duration {
    settings.interrupt_limit + terraform::Config::WRITING.force
}

fn mechanism(requirement: Requirement) -> Mechanism {
    match requirement {
        Requirement::Cgroup => Mechanism::Cgroup,
        Requirement::Landlock => Mechanism::Landlock,
        Requirement::NoNetwork => Mechanism::NoNetwork,
        Requirement::NoNewPrivileges => Mechanism::NoNewPrivileges,
        Requirement::Users => Mechanism::Users,
    }
}

fn terraform_config(
    settings: &settings::Terraform,
    state: &Path,
    key: Option<Arc<PublicKey>>,
    users: Option<Arc<Users>>,
) -> terraform::Config {
    let (grace, limit) = (settings.interrupt_grace, settings.interrupt_limit);
    let orphan = settings.orphans;
    let variables = std::env::vars_os();
    let variables = variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let default = TerraformLimits::default();
    terraform::Config {
        defaults: TerraformLimits {
            init_time: settings.init_timeout.unwrap_or(default.init_time),
            workspace_time: settings.workspace_timeout.unwrap_or(default.workspace_time),
            ..default
        },
        writing: Ladder { grace, limit, orphan, ..terraform::Config::WRITING },
        reading: Ladder { orphan, ..terraform::Config::READING },
        init_pause: Duration::from_secs(5),
        lock_wait: Duration::from_secs(60),
        pushing: terraform::Config::PUSHING,
        environment: terraform::Config::inherited(variables),
        bash: os::find_program("bash"),
        quarantine: state.join(QUARANTINE),
        locks: state.join("locks"),
        users,
        key,
        sources_max_bytes: SOURCES_MAX_BYTES,
        sources_max_files: SOURCES_MAX_FILES,
    }
}

fn git_config(
    settings: &settings::Terraform,
    egress: &config::http::Way,
    state: &Path,
    git: PathBuf,
) -> git::Config {
    git::Config {
        mirrors: state.join("git"),
        git,
        ssh: os::find_program("ssh").unwrap_or_else(|| PathBuf::from("ssh")),
        mirrors_max_bytes: settings.sources.cache_mib << 20,
        known_hosts: settings.sources.known_hosts_file.clone(),
        insecure_host_keys: settings.sources.insecure_host_keys,
        ca_file: settings.sources.ca_file.clone(),
        proxy: proxy_variables(egress),
    }
}

/// The operator's proxy for what leaves the machine, in the words of programs.
fn proxy_variables(egress: &config::http::Way) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    if let Some(proxy) = &egress.proxy {
        for name in ["http_proxy", "https_proxy"] {
            variables.push((name.to_owned(), proxy.url().expose_secret().to_owned()));
        }
    }
    if !egress.no_proxy.is_empty() {
        variables.push(("no_proxy".to_owned(), egress.no_proxy.join(",")));
    }
    variables
}

fn store_config(
    settings: &settings::Terraform,
    egress: &config::http::Way,
    state: &Path,
) -> Result<store::Config, url::ParseError> {
    let tools = &settings.tools;
    let releases = |given: &settings::Releases, url: &str, fingerprint: &str| {
        let mut fingerprints = given.fingerprints.clone();
        if fingerprints.is_empty() {
            fingerprints.push(fingerprint.to_owned());
        }
        Ok::<_, url::ParseError>(store::Releases {
            url: given.url.clone().map_or_else(|| Url::parse(url), Ok)?,
            key_file: given.key_file.clone(),
            fingerprints,
        })
    };
    Ok(store::Config {
        directory: tools.directory.clone().unwrap_or_else(|| state.join("tools")),
        force: tools.force.map(|tool| match tool {
            settings::Tool::Terraform => store::Tool::Terraform,
            settings::Tool::Tofu => store::Tool::Tofu,
        }),
        system: tools.programs.clone(),
        download: tools.download,
        terraform: releases(&tools.terraform, TERRAFORM_RELEASES, TERRAFORM_FINGERPRINT)?,
        tofu: releases(&tools.tofu, TOFU_RELEASES, TOFU_FINGERPRINT)?,
        max_bytes: tools.cache_mib << 20,
        ca_files: egress.ca_files.iter().map(|file| file.path.clone()).collect(),
        proxy: egress
            .proxy
            .as_ref()
            .map(|proxy| Url::parse(proxy.url().expose_secret()))
            .transpose()?,
    })
}

fn providers_config(settings: &settings::Providers, state: &Path) -> providers::Config {
    providers::Config {
        directory: state.join("providers"),
        mirrors: settings.mirrors.clone(),
        local: settings.directories.clone(),
        direct: settings.registries,
        max_bytes: settings.cache_mib << 20,
    }
}
