//! The operator's configuration: `runner-config.yml` and environment variables, made into validated types.
//!
//! Main type: [`Config`]; [`Config::load`] returns it with warnings, or every mistake at once. Keys and variables of
//! existing installations work unchanged; our own settings are additional sections. Each section is read, checked and
//! tested in the file of its name; this file only lists them. Secrets are wrapped as soon as they are read and appear in
//! no error, `Debug` output or [`Config::show`]. Process globals are not touched: the environment is passed in.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use url::Url;
use uuid::Uuid;

pub mod admin;
pub mod api;
pub mod components;
mod egress;
pub mod http;
pub mod journal;
pub mod key;
mod known;
pub mod log;
mod measure;
pub mod mistake;
pub mod policies;
mod reader;
pub mod registration;
pub mod routes;
pub mod rules;
pub mod runs;
mod show;
pub mod state;
pub mod terraform;
pub mod variables;
mod yaml;

pub use mistake::{Mistake, Mistakes, Place, Warning};

use crate::os::Platform;
use mistake::shown;
use reader::{Complaint, Origin, Reader, Section, read_text};
use show::Show;
use yaml::{MAX_FILE_BYTES, Node};

/// The file that is read when none is named.
pub const DEFAULT_FILE: &str = "runner-config.yml";

/// Keys at the top level.
const KEYS: &[&str] = &[
    "admin",
    "api",
    "ceiling",
    "components",
    "crypto",
    "displayName",
    "egress",
    "http",
    "initTimeoutMins",
    "insecureHostKeys",
    "journal",
    "log",
    "maxConcurrentJobs",
    "ownedByWorkspace",
    "poll",
    "pollingIntervalSeconds",
    "privateKey",
    "privateKeyFile",
    "register",
    "routes",
    "runnerUuid",
    "runs",
    "state",
    "terraform",
    "tfInstallDir",
    "timeoutMins",
    "uuid",
    "workingDir",
    "wsTimeoutMins",
];

/// The whole configuration, valid.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file in use, as it was given; `None` when everything came from variables.
    pub file: Option<PathBuf>,
    /// What this process is to do, and what it needs for that.
    pub mode: Mode,
    /// How meshStack is reached.
    pub http: http::Http,
    /// How components' requests leave the machine.
    pub egress: http::Way,
    /// How many runs are executed and how they are stopped.
    pub runs: runs::Runs,
    /// How meshStack is asked for work.
    pub poll: runs::Poll,
    /// Which component executes which runs, and what it may do.
    pub rules: rules::Rules,
    /// How components are compiled.
    pub components: components::Components,
    /// What must survive a restart.
    pub state: state::State,
    /// What the journal leaves to others.
    pub journal: journal::Journal,
    /// Where health is served.
    pub admin: admin::Admin,
    /// The daemon's own log.
    pub log: log::Log,
    /// What meshStack is told about this runner at start-up; `None` when `register` is off.
    pub registration: Option<registration::Registration>,
    /// Settings for TERRAFORM runs.
    pub terraform: terraform::Terraform,
    origins: BTreeMap<String, Origin>,
}

/// What this process is to do.
#[derive(Debug, Clone)]
pub enum Mode {
    /// Claim runs until told to stop.
    Daemon {
        /// The connection to meshStack.
        api: api::Config,
        /// PEM text of the private key that opens secrets; accepted by [`Context::check_private_key`].
        private_key: SecretString,
    },
    /// Execute one decrypted run from a file, then exit. The run brings its own token and links.
    SingleRun {
        /// The run document.
        run_file: PathBuf,
        /// Who we report as.
        runner_uuid: Uuid,
        /// Where meshStack is, if configured: then the run's token goes nowhere else.
        base_url: Option<Url>,
    },
}

/// Where values come from.
pub struct Sources<'a> {
    /// The file that the command line names; wins over RUNNER_CONFIG_FILE.
    pub file: Option<PathBuf>,
    /// Looks up an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Where relative paths start: the working directory.
    pub directory: &'a Path,
}

/// What the configuration must know about the program it is for.
pub struct Context<'a> {
    /// The components that are part of this program.
    pub embedded: &'a [EmbeddedComponent<'a>],
    /// The policies that are part of this program; one of a component's name is the component's own.
    pub policies: &'a [EmbeddedPolicy<'a>],
    /// Says what is wrong with the PEM text of a private key. Must not quote it.
    pub check_private_key: &'a dyn Fn(&SecretString) -> Result<(), String>,
    /// Bytes of memory that this process may use; `None` if nobody knows.
    pub memory: Option<u64>,
    /// Where defaults for paths come from.
    pub platform: Platform,
}

/// A component that is part of this program.
#[derive(Debug, Clone, Copy)]
pub struct EmbeddedComponent<'a> {
    /// The name for `component.embedded`.
    pub name: &'a str,
    /// The types that it gets when no routes are configured; may be empty.
    pub implementation_types: &'a [&'a str],
}

/// A policy that is part of this program.
#[derive(Debug, Clone, Copy)]
pub struct EmbeddedPolicy<'a> {
    /// The name for `policy.embedded`.
    pub name: &'a str,
    /// The policy file.
    pub text: &'a str,
}

impl Config {
    /// Reads file and environment. The environment wins over the file.
    ///
    /// # Errors
    /// All mistakes of file and environment at once.
    pub fn load(
        sources: &Sources<'_>,
        context: &Context<'_>,
    ) -> Result<(Self, Vec<Warning>), Mistakes> {
        let (file, mut reader, root) = begin(sources)?;
        let config = Self::read(&mut reader, context, file, root.as_ref());
        let (mistakes, warnings, origins) = (reader.mistakes, reader.warnings, reader.origins);
        match (Mistakes::new(mistakes), config) {
            (None, Some(config)) => Ok((Self { origins, ..config }, warnings)),
            (Some(mistakes), _) => Err(mistakes),
            (None, None) => Err(Mistakes::unexplained()),
        }
    }

    /// `None` only beside a mistake.
    fn read(
        reader: &mut Reader<'_>,
        context: &Context<'_>,
        file: Option<PathBuf>,
        root: Option<&Node>,
    ) -> Option<Self> {
        let root = reader.section("", root, KEYS);
        let crypto = reader.subsection(&root, "crypto", key::CRYPTO_KEYS);
        let mode = read_mode(reader, context, &root, &crypto);
        let http = http::Http::read(reader, &root);
        let egress = egress::read(reader, &root);
        let poll = runs::Poll::read(reader, &root);
        let runs_section = runs::section(reader, &root);
        let wall_time = runs::wall_time(reader, &root, &runs_section);
        let rules = rules::Rules::read(reader, &root, context, wall_time);
        let machine =
            runs::Machine { memory: context.memory, largest_run_mib: rules.largest_run_mib() };
        let runs = runs::Runs::read(reader, &root, &runs_section, machine, wall_time);
        let components = components::Components::read(reader, &root);
        let state = state::State::read(reader, &root, context.platform);
        let journal = journal::Journal::read(reader, &root);
        let admin = admin::Admin::read(reader, &root);
        let log = log::Log::read(reader, &root);
        let registration = registration::Registration::read(reader, &root, &crypto);
        let terraform = terraform::Terraform::read(reader, &root);
        Some(Self {
            file,
            mode: mode?,
            http,
            egress,
            runs,
            poll,
            rules,
            components,
            state: state?,
            journal,
            admin,
            log,
            registration,
            terraform,
            origins: BTreeMap::new(),
        })
    }

    /// The effective configuration as YAML: secrets redacted, after each value where it came from.
    ///
    /// It can be loaded again, except for what is redacted.
    #[must_use]
    pub fn show(&self) -> impl fmt::Display {
        let mut out = Show::new(&self.origins);
        let file = self.file.as_ref().map(|path| shown(&path.to_string_lossy()));
        out.comment(&format!("file: {}", file.as_deref().unwrap_or("none")));
        match &self.mode {
            Mode::Daemon { api, .. } => {
                api.show(&mut out);
                key::show(&mut out);
            }
            Mode::SingleRun { run_file, runner_uuid, base_url } => {
                let run_file = shown(&run_file.to_string_lossy());
                out.comment(&format!("single run: {run_file}"));
                out.value("runnerUuid", &runner_uuid.to_string());
                if let Some(url) = base_url {
                    let url = url.as_str().trim_end_matches('/');
                    out.section("api", |out| out.value("url", url));
                }
            }
        }
        self.runs.show(&mut out);
        self.poll.show(&mut out);
        self.rules.show(&mut out);
        self.components.show(&mut out);
        self.state.show(&mut out);
        self.journal.show(&mut out);
        self.admin.show(&mut out);
        self.log.show(&mut out);
        self.http.show(&mut out);
        egress::show(&self.egress, &mut out);
        match &self.registration {
            Some(registration) => registration.show(&mut out),
            None => out.value("register", "false"),
        }
        self.terraform.show(&mut out);
        out.finish()
    }
}

/// The file in use, what reads on, and the file's content. Without the file everything else would be missing, so that its mistakes
/// are told alone.
fn begin<'a>(
    sources: &Sources<'a>,
) -> Result<(Option<PathBuf>, Reader<'a>, Option<Node>), Mistakes> {
    let file = chosen_file(sources);
    let mut reader = Reader::new(sources.env, sources.directory, file.clone());
    let root = file.as_ref().and_then(|path| read_file(&mut reader, sources, path));
    match Mistakes::new(std::mem::take(&mut reader.mistakes)) {
        Some(mistakes) => Err(mistakes),
        None => Ok((file, reader, root)),
    }
}

/// The file that the command line or the environment names, else the default when it exists.
fn chosen_file(sources: &Sources<'_>) -> Option<PathBuf> {
    let variable = || {
        let path = (sources.env)(variables::RUNNER_CONFIG_FILE)?;
        (!path.trim().is_empty()).then(|| PathBuf::from(path))
    };
    let default =
        || sources.directory.join(DEFAULT_FILE).exists().then(|| PathBuf::from(DEFAULT_FILE));
    sources.file.clone().or_else(variable).or_else(default)
}

fn read_file(reader: &mut Reader<'_>, sources: &Sources<'_>, path: &Path) -> Option<Node> {
    let limit = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX);
    let text = match read_text(&sources.directory.join(path), limit) {
        Ok(text) => text,
        Err(error) => {
            let place = reader.whole();
            reader.push(place, String::new(), format!("can't be read: {error}").into());
            return None;
        }
    };
    match yaml::parse(&text) {
        Ok(root) => root,
        Err(faults) => {
            for fault in faults {
                let place = reader.at(fault.mark);
                reader.push(place, fault.key, fault.message.into());
            }
            None
        }
    }
}

/// `None` only beside a mistake.
fn read_mode(
    reader: &mut Reader<'_>,
    context: &Context<'_>,
    root: &Section<'_>,
    crypto: &Section<'_>,
) -> Option<Mode> {
    let mode = reader.variable(variables::EXECUTION_MODE, "");
    let single_run = reader.parse("", mode.clone(), |text| match text.trim() {
        "single-run" => Ok(true),
        _ => Err(Complaint::from("must be `single-run`, or not set for the daemon")),
    });
    let single_run = single_run.unwrap_or(false);
    let raw = api::read(reader, root, !single_run);
    let private_key = key::read(reader, context, root, crypto, !single_run);
    let Some(mode) = mode.filter(|_| single_run) else {
        let (base_url, credentials) = (raw.base_url?, raw.credentials?);
        let api = api::Config { base_url, credentials, runner_uuid: raw.runner_uuid? };
        return Some(Mode::Daemon { api, private_key: private_key? });
    };
    let run_file = reader.variable(variables::RUN_JSON_FILE_PATH, "");
    let run_file = run_file.as_ref().and_then(|found| found.text()).map(PathBuf::from);
    if run_file.is_none() {
        reader.wrong(&mode, "needs the path of the run document in RUN_JSON_FILE_PATH");
    }
    Some(Mode::SingleRun {
        run_file: run_file?,
        runner_uuid: raw.runner_uuid?,
        base_url: raw.base_url,
    })
}

impl fmt::Debug for Sources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("file", &self.file)
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("embedded", &self.embedded)
            .field("policies", &self.policies)
            .field("memory", &self.memory)
            .field("platform", &self.platform)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
