//! The verbs on a run's configuration: [`Workspace`].

mod init;
mod prepare;
mod tooling;
mod verbs;

use super::answer::OperationError;
use super::blocks::BlockLock;
use super::environment::Environment;
use super::flight::InFlight;
use super::providers::{Guard, Mirror};
use super::record::{Call, RecordError, Records};
use super::sealed::OpenError;
use super::state::Context;
use super::store::Program;
use super::{Shared, files};
use crate::crash::{self, CrashPoint};
use crate::run::{Behavior, RunId};
use crate::shutdown::Abort;
use crate::telemetry::chain;
use blockhouse_policy::{Denied, TerraformPermit};
use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use url::Url;
use zeroize::Zeroizing;

/// Takes what processes print, in the order of its arrival, whole lines where possible; not redacted. Called where blocking is
/// allowed, also after the answer of a verb. A resumed run is told all of it again, from the start.
pub type LogSink = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// Opens a file that was sealed to the runner's key, where blocking is allowed. Whoever has it can open such files and nothing else.
pub type Opener = Arc<dyn Fn(&Path) -> Result<Zeroizing<Vec<u8>>, OpenError> + Send + Sync>;

/// One run's share of the machine, and who it is.
pub struct Assignment {
    /// The run.
    pub run: RunId,
    /// The block's uuid: runs of one block never overlap.
    pub block: String,
    /// Who has ordered the block.
    pub tenant: String,
    /// Whose definition it is.
    pub owner: String,
    /// The block, if it was taken for the run already.
    pub held: Option<Arc<BlockLock>>,
    /// What scripts get as `$1`.
    pub behavior: Behavior,
    /// What is allowed.
    pub permit: TerraformPermit,
    /// The directory that paths in the permit's credentials are relative to: that of the policy's file.
    pub policy_directory: PathBuf,
    /// Where everything is.
    pub paths: Paths,
    /// User and group of the processes, if not ours. `work`, `home`, `tmp`, `data` and `plan` belong to them.
    pub user: Option<(u32, u32)>,
    /// Where meshStack keeps state, if it does for this run.
    pub backend: Option<StateBackend>,
    /// The predecessor's plan, if this run must apply it.
    pub plan: Option<Arc<dyn PlanSource>>,
    /// Opens what an earlier process has sealed. None: nothing is sealed.
    pub opener: Option<Opener>,
    /// The run's document, decrypted; for scripts.
    pub document: SecretString,
    /// Takes what processes print.
    pub log: LogSink,
    /// Stops the run: watched by each operation, so that nobody else has to interrupt for it.
    pub abort: Abort,
    /// Whether an earlier process may have worked in the directory. If not, the records must be empty.
    pub resumed: bool,
}

/// The directories of a run, all below `root`, all absolute and existing, 0700.
#[derive(Clone, Debug)]
pub struct Paths {
    /// `<state>/runs/<run id>`.
    pub root: PathBuf,
    /// The component's `/work`, in which processes start.
    pub work: PathBuf,
    /// `HOME`.
    pub home: PathBuf,
    /// `TMPDIR`.
    pub tmp: PathBuf,
    /// `TF_DATA_DIR`.
    pub data: PathBuf,
    /// Plan files.
    pub plan: PathBuf,
    /// What processes may read but not write: CLI configuration, keys, scripts.
    pub secrets: PathBuf,
    /// Records and operations. No process may look into it.
    pub operations: PathBuf,
}

/// Where meshStack keeps the state of a configuration without a backend.
#[derive(Clone)]
pub struct StateBackend {
    /// For `backend "http"`. The credentials are sent there and nowhere else, whatever the configuration says.
    pub address: Url,
    /// `TF_HTTP_USERNAME`.
    pub username: String,
    /// `TF_HTTP_PASSWORD`.
    pub password: SecretString,
}

/// What [`PlanSource::fetch`] returns.
pub type FetchedPlan<'a> =
    Pin<Box<dyn Future<Output = Result<Zeroizing<Vec<u8>>, PlanError>> + Send + 'a>>;

/// Where the plan of the predecessor comes from.
pub trait PlanSource: Send + Sync {
    /// Fetches it. May be called again after an error.
    fn fetch(&self) -> FetchedPlan<'_>;
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It could not be fetched: a fault.
    #[error("{0}")]
    Fault(String),
    /// It is there no more, or too large: the user has to make another one.
    #[error("{0}")]
    Gone(String),
}

/// What is to be checked out. Not looked at yet.
pub struct Source {
    /// As it was entered.
    pub url: String,
    /// A branch, else a tag, else a commit. None: the default branch.
    pub revision: Option<String>,
    /// The folder in the repository.
    pub path: Option<String>,
    /// For ssh.
    pub private_key: Option<SecretString>,
    /// Host, key type, key.
    pub known_host: Option<(String, String, String)>,
}

/// What `init` writes down about providers, in the working directory.
const LOCK_FILE: &str = ".terraform.lock.hcl";

/// The verbs on a run's configuration. One at a time. Dropping it, or the future of a verb, stops nothing: see [`InFlight`].
pub struct Workspace {
    shared: Arc<Shared>,
    context: Arc<Context>,
    block: Arc<BlockLock>,
    assignment: Assignment,
    records: Records,
    environment: Environment,
    program: Option<Program>,
    /// What the sources are, for the turn at the mirror.
    tree: Option<String>,
    /// `GIT_SSH_COMMAND`.
    ssh: Option<String>,
    has_meshstack_state: bool,
    is_initialized: bool,
    /// Whether what the tenant chose may have changed what `init` installs: code of theirs has run, or the environment is not as usual.
    is_bent: bool,
    mirror: Mirror,
    /// Keeps the providers that this run uses.
    _guard: Guard,
    /// A module that policy denies: no later verb runs.
    denied: Option<Denied>,
}

impl Workspace {
    pub(super) fn open(
        shared: Arc<Shared>,
        mirror: Mirror,
        context: Context,
        block: Arc<BlockLock>,
        assignment: Assignment,
    ) -> Result<Self, OperationError> {
        let records = Records::open(&assignment.paths.operations, assignment.resumed);
        let guard = mirror.guard(&assignment.paths.data);
        Ok(Self {
            is_bent: false,
            _guard: guard,
            mirror,
            shared,
            context: Arc::new(context),
            block,
            records: records.map_err(|error| record_fault(&error))?,
            assignment,
            environment: Environment::default(),
            program: None,
            tree: None,
            ssh: None,
            has_meshstack_state: false,
            is_initialized: false,
            denied: None,
        })
    }

    /// To interrupt and to wait for what is in flight.
    #[must_use]
    pub fn in_flight(&self) -> InFlight {
        self.flight().clone()
    }

    /// Whether this run must apply a plan of another one.
    #[must_use]
    pub fn has_plan(&self) -> bool {
        self.assignment.plan.is_some()
    }

    fn flight(&self) -> &InFlight {
        &self.context.follower.flight
    }

    /// Begins a call with an answer that no process knows.
    fn begin<T: DeserializeOwned>(
        &mut self,
        verb: &str,
        parts: &[Option<&[u8]>],
    ) -> Result<Call<T>, OperationError> {
        let digest = self.records.digest();
        let digest = parts.iter().fold(digest, |digest, part| digest.optional(*part));
        self.records.begin(verb, digest).map_err(|error| record_fault(&error))
    }
}

/// Writes a record where blocking is allowed.
async fn write_record<T: Serialize + Send + 'static>(
    call: Call<T>,
    answer: Option<T>,
) -> Result<(), OperationError> {
    let point = match answer {
        None => CrashPoint::CallRecorded,
        Some(_) => CrashPoint::CallAnswered,
    };
    let written = files::blocking(move || Ok(call.write(answer))).await;
    match written {
        Ok(written) => written.map_err(|error| record_fault(&error))?,
        Err(error) => {
            return Err(OperationError::Fault(format!("failed to write a record: {error}")));
        }
    }
    crash::point(point);
    Ok(())
}

fn record_fault(error: &RecordError) -> OperationError {
    OperationError::Fault(chain(error).to_string())
}

/// Writes a file that is for the run's processes. It may hold secrets.
async fn write_for(
    assignment: &Assignment,
    path: &Path,
    content: Zeroizing<Vec<u8>>,
) -> Result<(), OperationError> {
    let (to, name) = (path.to_owned(), path.display().to_string());
    let (staging, user) = (assignment.paths.secrets.clone(), assignment.user);
    let written = files::blocking(move || files::write_secret(&to, &staging, &content, user)).await;
    written.map_err(|error| OperationError::Fault(format!("failed to write `{name}`: {error}")))
}

/// Never the document, never a password.
impl fmt::Debug for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (run, block) = (&self.run, &self.block);
        f.debug_struct("Assignment").field("run", run).field("block", block).finish_non_exhaustive()
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A URL may have a password in it.
        f.debug_struct("Source").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Debug for StateBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateBackend").finish_non_exhaustive()
    }
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workspace")
            .field("assignment", &self.assignment)
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}
