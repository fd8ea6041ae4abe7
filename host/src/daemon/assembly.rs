//! From the operator's configuration to something that runs.

use super::native::{self, NativeError};
use super::offline::{self, Offline};
use super::{Daemon, SingleRun, SingleRunError, StartError, single_run};
use crate::admit::Route;
use crate::capability::http;
use crate::config::rules::Rules;
use crate::config::{
    self, Config, Context, EmbeddedComponent, EmbeddedPolicy, Mistakes, Mode, Sources, Warning,
};
use crate::digest::Digest;
use crate::embedded;
use crate::journal;
use crate::meshstack::wire::{RunnerRegistration, RunnerType};
use crate::meshstack::{self, HttpConfig, RunnerIdentity};
use crate::registry::Registry;
use crate::report;
use crate::sandbox::{self, CacheConfig, Compiler, Component, LoadError, NotPermitted, Sandbox};
use crate::shutdown::Shutdown;
use crate::slots;
use crate::unseal::{PrivateKey, PrivateKeyError, PublicKey};
use crate::{os, poll};
use blockhouse_policy::Limits;
use secrecy::ExposeSecret as _;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use url::Url;

/// What the cache's key is derived for; the number changes with the format of the entries.
const CACHE_LABEL: &str = "cache of compiled components 1";

/// The folder in the state directory that the cache is in.
const CACHE_FOLDER: &str = "components";
const MIB: u64 = 1 << 20;

/// Anything that keeps a configuration from being put to work.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    /// The certificate to be registered is another key's.
    #[error(
        "`crypto.publicKey` does not belong to the private key: secrets sealed to it could not be opened\n\
         hint: give the certificate that was made with the private key (`blockhouse keygen` makes both)"
    )]
    ForeignCertificate,
    /// The private key can't be used.
    #[error("failed to use the private key")]
    Key(#[from] PrivateKeyError),
    /// There is nothing that outlives the process.
    #[error("this configuration is for a single run, which has no state directory")]
    NoState,
    /// Native programs can't be run.
    #[error(transparent)]
    Native(#[from] NativeError),
    /// This program does not know where it is, so that it can't start itself to compile components.
    #[error("failed to find this program")]
    Program(#[source] io::Error),
    /// The proxy's address is broken.
    #[error("failed to use `http.proxy`")]
    Proxy(#[from] url::ParseError),
    /// A route can't be used.
    #[error("failed to set up route `{route}`")]
    Route {
        /// The route's name.
        route: String,
        /// Why.
        #[source]
        kind: RouteError,
    },
    /// The sandbox can't be started.
    #[error("failed to start the sandbox")]
    Sandbox(#[from] sandbox::StartError),
    /// The run from a file can't be carried out.
    #[error(transparent)]
    SingleRun(#[from] SingleRunError),
    /// The daemon can't start.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Why a route can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// It is no component that could run here.
    #[error("the component can't be used")]
    Component(#[source] LoadError),
    /// Its policy does not grant what it can't do without.
    #[error(transparent)]
    NotPermitted(#[from] NotPermitted),
    /// It is not the file that was meant.
    #[error(
        "`{}` has the digest {actual}, not the configured one; if it is the right file, configure its digest",
        path.display()
    )]
    Digest {
        /// The file.
        path: PathBuf,
        /// What it has.
        actual: Digest,
    },
    /// Its runs would need more memory than there is for all.
    #[error(
        "its policy's `memory_mib` ({limit} MiB) is more than all runs together may have: `runs.memoryMib` ({all} MiB)"
    )]
    Memory {
        /// What one of them reserves, in MiB.
        limit: u64,
        /// What there is, in MiB.
        all: u64,
    },
    /// The file can't be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Reads the configuration from the file and this process's environment.
///
/// # Errors
/// All mistakes at once.
pub fn load_config(file: Option<PathBuf>) -> Result<(Config, Vec<Warning>), Mistakes> {
    with_sources(file, Config::load)
}

/// Reads only which component executes which runs, and what it may do.
///
/// # Errors
/// All mistakes in these at once.
pub fn load_rules(file: Option<PathBuf>) -> Result<(Rules, Vec<Warning>), Mistakes> {
    with_sources(file, Rules::load)
}

fn with_sources<T>(file: Option<PathBuf>, load: fn(&Sources<'_>, &Context<'_>) -> T) -> T {
    let environment = |name: &str| std::env::var(name).ok();
    let directory = std::env::current_dir().unwrap_or_default();
    let check = |pem: &_| PrivateKey::from_pem(pem).map(drop).map_err(|error| error.to_string());
    let components = embedded::COMPONENTS.iter().map(|component| EmbeddedComponent {
        name: component.name,
        implementation_types: component.implementation_types,
    });
    let policies = embedded::POLICIES
        .iter()
        .map(|policy| EmbeddedPolicy { name: policy.name, text: policy.text });
    let (components, policies): (Vec<_>, Vec<_>) = (components.collect(), policies.collect());
    load(
        &Sources { file, env: &environment, directory: &directory },
        &Context {
            embedded: &components,
            policies: &policies,
            check_private_key: &check,
            memory: os::memory(),
            platform: os::platform(),
        },
    )
}

/// Builds whatever the configuration says is to run.
///
/// # Errors
/// [`AssemblyError`]; nothing has been claimed or reported then.
pub fn assemble(config: Config, shutdown: Shutdown) -> Result<Assembled, AssemblyError> {
    let http = http_config(&config.http)?;
    let memory = config.runs.memory_mib.saturating_mul(MIB);
    let report = report::Config::default();
    let limits = Limits::default();
    let settings = native::Settings {
        terraform: &config.terraform,
        egress: &config.egress,
        state: &config.state.directory,
    };
    match config.mode {
        Mode::Daemon { api, private_key } => {
            let private_key = PrivateKey::from_pem(&private_key)?;
            let max_runs = u32::try_from(config.runs.concurrency).unwrap_or(sandbox::RUNS_MAX);
            let cache = cache(&config.components, &config.state.directory, &private_key);
            let sandbox = sandbox(max_runs, &config.components, cache)?;
            let registry = Registry::of(&config.state.directory);
            let keep = |digest: &Digest, bytes: &[u8]| {
                // Without it, all but an upgrade in the middle of runs works.
                if let Err(error) = registry.keep(digest, bytes) {
                    tracing::warn!(%error, "a component can't be kept for runs that an upgrade interrupts");
                }
            };
            let routes = load_routes(&sandbox, &config.rules.routes, memory, keep)?;
            let key = Arc::clone(private_key.public());
            let terraform = native::assemble(settings, &routes, Some(key))?;
            let registration = registration(config.registration, &private_key)?;
            let daemon = super::Config {
                meshstack: meshstack_config(api, http),
                registration,
                private_key,
                poll: poll::Config { interval: config.poll.interval },
                report,
                state_directory: Some(config.state.directory.clone()),
                journal: journal_config(&config.journal),
                admin: config.admin.address,
                slots: slots::Config {
                    slots: usize::try_from(max_runs).unwrap_or(usize::MAX),
                    memory,
                    waiting: usize::try_from(config.runs.waiting).unwrap_or(usize::MAX),
                },
                drain_timeout: config.runs.drain_timeout,
                abort_grace: config.runs.abort_grace,
                outbound: outbound_config(&config.egress),
                terraform,
                interrupt_patience: native::patience(&config.terraform),
                limits,
            };
            let daemon = Daemon::build(daemon, sandbox, routes, shutdown)?;
            Ok(Assembled::Daemon(Box::new(daemon)))
        }
        Mode::SingleRun { run_file, runner_uuid, base_url } => {
            // Without a private key nothing could be trusted that lies on a disk.
            let sandbox = sandbox(1, &config.components, None)?;
            let routes = load_routes(&sandbox, &config.rules.routes, memory, |_, _| {})?;
            let run = single_run::Config {
                run_file,
                runner: identity(runner_uuid),
                base_url,
                http,
                report,
                abort_grace: config.runs.abort_grace,
                outbound: outbound_config(&config.egress),
                terraform: native::assemble(settings, &routes, None)?,
                interrupt_patience: native::patience(&config.terraform),
                limits,
            };
            let run = SingleRun::build(run, sandbox, routes, shutdown)?;
            Ok(Assembled::SingleRun(Box::new(run)))
        }
    }
}

/// What works on what a daemon has left, while none runs.
///
/// # Errors
/// [`AssemblyError`], also if a daemon runs or the configuration is for a single run.
pub fn assemble_offline(config: Config) -> Result<Offline, AssemblyError> {
    let http = http_config(&config.http)?;
    let Mode::Daemon { api, private_key } = config.mode else {
        return Err(AssemblyError::NoState);
    };
    let private_key = Arc::new(PrivateKey::from_pem(&private_key)?);
    let (state, journal) = (config.state.directory, journal_config(&config.journal));
    let meshstack = meshstack_config(api, http);
    Ok(Offline::build(offline::Config { state, journal, private_key, meshstack })?)
}

fn meshstack_config(api: config::api::Config, http: HttpConfig) -> meshstack::Config {
    let config::api::Config { base_url, credentials, runner_uuid } = api;
    meshstack::Config { base_url, credentials, runner: identity(runner_uuid), http }
}

/// Something that is ready to run.
#[derive(Debug)]
pub enum Assembled {
    /// Claims runs until told to stop.
    Daemon(Box<Daemon>),
    /// Executes one run.
    SingleRun(Box<SingleRun>),
}

fn sandbox(
    max_runs: u32,
    components: &config::components::Components,
    cache: Option<CacheConfig>,
) -> Result<Sandbox, AssemblyError> {
    let compiler = Compiler {
        program: std::env::current_exe().map_err(AssemblyError::Program)?,
        memory_bytes: bytes(components.compile_memory_mib),
        timeout: components.compile_timeout,
        cache,
    };
    Ok(Sandbox::new(&sandbox::Config { max_runs, compiler })?)
}

/// Where compiled components are kept. What authenticates them is derived from the private key, so that there is no other
/// secret to keep.
fn cache(
    components: &config::components::Components,
    state: &Path,
    private_key: &PrivateKey,
) -> Option<CacheConfig> {
    if components.cache_mib == 0 {
        return None;
    }
    let key = private_key.subkey(CACHE_LABEL);
    if key.is_none() {
        tracing::warn!("no key for the cache of components; going on without");
    }
    let max_bytes = bytes(components.cache_mib);
    Some(CacheConfig { directory: state.join(CACHE_FOLDER), max_bytes, key: key? })
}

fn bytes(mib: u64) -> u64 {
    mib.saturating_mul(1 << 20)
}

/// Loads each route's component; those that share one share its compiled form. `keep` gets their bytes.
fn load_routes(
    sandbox: &Sandbox,
    routes: &[config::routes::Route],
    memory: u64,
    keep: impl Fn(&Digest, &[u8]),
) -> Result<Vec<Arc<Route>>, AssemblyError> {
    let mut loaded = HashMap::new();
    let routes = routes.iter().map(|route| {
        let fail = |kind| AssemblyError::Route { route: route.name.clone(), kind };
        let limits = route.grants.limits();
        let limit = u64::try_from(limits.memory_bytes).unwrap_or(u64::MAX);
        // SECURITY: e2e::a_route_whose_runs_could_never_have_their_memory_is_an_error_at_start
        if limit > memory {
            return Err(fail(RouteError::Memory { limit: limit / MIB, all: memory / MIB }));
        }
        let bytes = component_bytes(&route.component).map_err(fail)?;
        let (size, allowed) = (bytes.len(), limits.component_bytes);
        if size > allowed {
            return Err(fail(RouteError::Component(LoadError::TooLarge { size, allowed })));
        }
        let digest = Digest::of(&bytes);
        let component: Component = match loaded.get(&digest) {
            Some(component) => Component::clone(component),
            None => sandbox
                .load(&bytes, limits.component_bytes)
                .map_err(|source| fail(RouteError::Component(source)))?,
        };
        keep(&digest, &bytes);
        loaded.insert(digest, component.clone());
        let name = component_name(&route.component);
        component.permitted(&name, &route.grants).map_err(|error| fail(error.into()))?;
        let policy = &**route.grants.policy().name();
        tracing::info!(route = route.name, component = %digest, policy, "route is ready");
        Ok(Arc::new(Route {
            name: route.name.clone(),
            matches: route.matches.clone(),
            component,
            grants: Arc::clone(&route.grants),
        }))
    });
    routes.collect()
}

/// What people call it.
fn component_name(component: &config::routes::Component) -> String {
    match component {
        config::routes::Component::Embedded { name } => name.clone(),
        config::routes::Component::File { path, .. } => {
            let name = path.file_name().unwrap_or(path.as_os_str());
            name.to_string_lossy().into_owned()
        }
    }
}

/// The component's bytes, which have the digest that the route says.
///
/// # Errors
/// [`RouteError`] if the file can't be read or is another one.
pub fn component_bytes(component: &config::routes::Component) -> Result<Vec<u8>, RouteError> {
    match component {
        config::routes::Component::Embedded { name } => {
            let known = embedded::COMPONENTS.iter().find(|component| component.name == name);
            // The configuration knows the names; an empty component is one that can't be loaded.
            Ok(known.map(|component| component.bytes.to_vec()).unwrap_or_default())
        }
        config::routes::Component::File { path, digest, .. } => {
            let bytes = read_component(path)?;
            let actual = Digest::of(&bytes);
            // SECURITY: e2e::a_component_file_of_another_digest_is_refused
            if actual != *digest {
                return Err(RouteError::Digest { path: path.clone(), actual });
            }
            Ok(bytes)
        }
    }
}

fn read_component(path: &Path) -> Result<Vec<u8>, RouteError> {
    std::fs::read(path).map_err(|source| RouteError::Read { path: path.to_owned(), source })
}

fn http_config(http: &config::http::Http) -> Result<HttpConfig, AssemblyError> {
    let proxy = http.way.proxy.as_ref().map(|proxy| Url::parse(proxy.url().expose_secret()));
    let certificates = http.way.ca_files.iter().flat_map(|file| &file.certificates);
    let to_pem =
        |der: &Vec<u8>| pem::encode(&pem::Pem::new("CERTIFICATE", der.clone())).into_bytes();
    Ok(HttpConfig {
        connect_timeout: http.connect_timeout,
        read_timeout: http.read_timeout,
        total_timeout: http.total_timeout,
        proxy: proxy.transpose()?,
        no_proxy: http.way.no_proxy.clone(),
        ca_certificates: certificates.map(to_pem).collect(),
        ..HttpConfig::default()
    })
}

fn journal_config(journal: &config::journal::Journal) -> journal::Config {
    journal::Config {
        min_free: bytes(journal.min_free_mib),
        retention: journal.retention,
        max_bytes: bytes(journal.max_mib),
    }
}

/// The operator's settings for what components send.
fn outbound_config(egress: &config::http::Way) -> http::Config {
    let authorities = egress.ca_files.iter().flat_map(|file| file.certificates.clone());
    http::Config {
        proxy: egress.proxy.as_ref().map(|proxy| proxy.url().clone()),
        no_proxy: egress.no_proxy.clone(),
        authorities: authorities.collect(),
        ..http::Config::default()
    }
}

fn identity(uuid: uuid::Uuid) -> RunnerIdentity {
    RunnerIdentity { uuid, node: os::node_name() }
}

/// A certificate of another key would make every secret unreadable, so that is found out now.
fn registration(
    registration: Option<config::registration::Registration>,
    key: &PrivateKey,
) -> Result<Option<RunnerRegistration>, AssemblyError> {
    let Some(registration) = registration else { return Ok(None) };
    let certificate = PublicKey::from_certificate_pem(&registration.certificate_pem);
    if certificate.is_ok_and(|certificate| certificate != **key.public()) {
        return Err(AssemblyError::ForeignCertificate);
    }
    Ok(Some(RunnerRegistration {
        owned_by_workspace: registration.owned_by_workspace,
        display_name: registration.display_name,
        public_key: registration.certificate_pem,
        implementation_type: RunnerType::All,
        workload_identity_federation: None,
    }))
}
