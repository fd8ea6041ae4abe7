//! The fifth stage: runs the component.

mod earlier;

pub use earlier::EarlierComponents;

use crate::admit::Route;
use crate::audit::{About, Auditor};
use crate::capability::http::Outbound;
use crate::capability::{Native, Progress};
use crate::crash::{self, CrashPoint};
use crate::outcome::{AbortReason, Failure, Fault, Outcome, Usage};
use crate::prepare::PreparedRun;
use crate::run::RunId;
use crate::rundir::{Kind, RunDirectories, RunDirectory, RunDirectoryError};
use crate::sandbox::{Component, Job, Sandbox};
use crate::shutdown::Shutdown;
use crate::tape::{Tape, TapeError};
use crate::telemetry::chain;
use crate::terraform::{
    Assignment, BlockLock, LogSink, Opener, OperationError, Paths, PlanSource, Report,
    StateBackend, StateFate, StopReason, Terraform,
};
use crate::unseal::PrivateKey;
use blockhouse_policy::FilesPermit;
use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;

/// What all runs are executed with.
#[derive(Debug)]
pub struct Means<'a> {
    /// The walls around components.
    pub sandbox: &'a Arc<Sandbox>,
    /// Components of runs that an earlier process has begun; none if there is no earlier one.
    pub earlier: Option<&'a EarlierComponents>,
    /// Where directories of runs are made.
    pub directories: &'a RunDirectories,
    /// How requests leave the machine.
    pub outbound: &'a Arc<Outbound>,
    /// When this process is to end, nothing is tried again any more.
    pub shutdown: &'a Shutdown,
    /// Native programs; none if this process has none.
    pub terraform: Option<&'a Terraform>,
    /// How long a component that watches for aborts may take to clean up.
    pub abort_grace: Duration,
}

/// What the run has outside of its document.
#[derive(Default)]
pub struct Belongings {
    /// Where meshStack keeps the state of its block.
    pub backend: Option<StateBackend>,
    /// The plan that it must apply.
    pub plan: Option<Arc<dyn PlanSource>>,
    /// Opens what was sealed to the runner's key, if it has one.
    pub opener: Option<Opener>,
    /// The key to which what is kept of the run is sealed; without one, nothing is kept.
    pub key: Option<Arc<PrivateKey>>,
    /// Whether an earlier process has begun it.
    pub is_resumed: bool,
    /// Its block, if it was taken for the run already.
    pub block: Option<Arc<BlockLock>>,
}

impl fmt::Debug for Belongings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { backend, plan, opener: _, key: _, is_resumed, block: _ } = self;
        let (has_backend, has_plan) = (backend.is_some(), plan.is_some());
        write!(f, "Belongings(backend: {has_backend}, plan: {has_plan}, resumed: {is_resumed})")
    }
}

/// How an execution ended.
#[derive(Debug)]
pub struct Executed {
    /// How the run ended.
    pub outcome: Outcome,
    /// What it used.
    pub usage: Usage,
    /// Its directory, to be removed when the outcome is written down.
    pub directory: Option<RunDirectory>,
}

impl Executed {
    /// The component was not started.
    fn not(outcome: Outcome, directory: Option<RunDirectory>) -> Self {
        Self { outcome, usage: Usage::default(), directory }
    }
}

/// Executes a run to its end. Its directory is there until the outcome is written down: it holds what native programs have done.
pub async fn execute(
    prepared: Box<PreparedRun<'_>>,
    means: &Means<'_>,
    belongings: Belongings,
    progress: Arc<Progress>,
) -> Executed {
    let PreparedRun { run, document, route, redactor, place: _place } = *prepared;
    let grants = Arc::clone(&route.grants);
    // Boxed, here and below, like all that a run does before its component.
    let begun = Box::pin(begin(means, &run.run.id, &belongings, &route)).await;
    let (tape, component) = match begun {
        Ok(begun) => begun,
        Err(outcome) => return Executed::not(outcome, means.directories.left(&run.run.id).await),
    };
    let about = About {
        run: run.run.id.to_string(),
        tenant: run.run.block.tenant.clone(),
        owner: run.run.definition.owner.clone(),
        component: component.digest().to_string(),
        policy: grants.policy().name().to_string(),
    };
    let auditor = Arc::new(Auditor::new(about, redactor));
    let Ok(files) = grants.allows_files() else {
        let id = run.run.id.clone();
        let job = Job {
            run,
            grants,
            work: None,
            native: None,
            document,
            progress,
            tape: Arc::clone(&tape),
            outbound: Arc::clone(means.outbound),
            auditor,
            abort_grace: means.abort_grace,
        };
        let (outcome, usage) = means.sandbox.execute(&component, job).await;
        let directory = if tape.is_on_disk() { means.directories.left(&id).await } else { None };
        return Executed { outcome, usage, directory };
    };
    let native = match (means.terraform, grants.terraform(), &document) {
        (Some(terraform), Ok(permit), Some(document)) => {
            Some((terraform, permit, document.text().clone()))
        }
        _ => None,
    };
    let made = directory(means.directories, &run.run.id, files, native.is_some(), &belongings);
    let directory = match Box::pin(made).await {
        Ok(directory) => directory,
        Err(error) => {
            let detail = chain(&error).to_string();
            let outcome = Outcome::Faulted(Fault { detail, retryable: true });
            return Executed::not(outcome, None);
        }
    };
    crash::point(CrashPoint::DirectoryMade);
    let native = match native {
        None => None,
        Some((terraform, permit, document)) => {
            let assignment = Assignment {
                run: run.run.id.clone(),
                block: run.run.block.uuid.clone(),
                held: belongings.block,
                tenant: run.run.block.tenant.clone(),
                owner: run.run.definition.owner.clone(),
                behavior: run.run.behavior,
                policy_directory: folder_of(grants.policy().file()),
                permit,
                paths: paths(directory.path()),
                user: None,
                backend: belongings.backend,
                plan: belongings.plan,
                opener: belongings.opener,
                document,
                log: log_into(&progress),
                abort: progress.abort().clone(),
                resumed: belongings.is_resumed,
            };
            match Box::pin(tape.wait(terraform.enter(assignment))).await {
                Ok(workspace) => {
                    crash::point(CrashPoint::WorkspaceEntered);
                    Some(Native { workspace })
                }
                Err(error) => return Executed::not(not_entered(error), Some(directory)),
            }
        }
    };
    let in_flight = native.as_ref().map(|native| native.workspace.in_flight());
    let work = Some(directory.work().clone());
    let (outbound, abort_grace) = (Arc::clone(means.outbound), means.abort_grace);
    let told = Arc::clone(&progress);
    let job =
        Job { run, grants, work, native, document, progress, tape, outbound, auditor, abort_grace };
    let execution = means.sandbox.execute(&component, job);
    let hurried = async {
        means.shutdown.aborting().await;
        if let Some(in_flight) = &in_flight {
            in_flight.hurry();
        }
        std::future::pending::<Infallible>().await
    };
    let (outcome, usage) = tokio::select! {
        never = hurried => match never {},
        executed = execution => executed,
    };
    let report = in_flight.and_then(|in_flight| in_flight.report());
    if let Some(report) = report.as_ref().filter(|_| is_stopped(&outcome)) {
        remark(&told, report);
    }
    // SECURITY: e2e::terraform::states::a_directory_with_the_only_copy_of_a_state_is_kept
    if report.is_some_and(|report| report.keep_directory) {
        directory.set_aside().await;
        return Executed { outcome, usage, directory: None };
    }
    Executed { outcome, usage, directory: Some(directory) }
}

/// The run's directory: the one that an earlier process has left, if the run goes on, else a new one.
async fn directory(
    directories: &RunDirectories,
    run: &RunId,
    files: FilesPermit,
    is_native: bool,
    belongings: &Belongings,
) -> Result<RunDirectory, RunDirectoryError> {
    let kind = if is_native { Kind::Native } else { Kind::Component };
    if belongings.is_resumed {
        return directories.take_over(run, files, kind).await;
    }
    directories.create(run, files, kind).await
}

/// What comes to the component from outside, and the component itself: if the run was begun by an earlier process, what that has written
/// down, and the component that it was begun with.
async fn begin(
    means: &Means<'_>,
    run: &RunId,
    belongings: &Belongings,
    route: &Route,
) -> Result<(Arc<Tape>, Component), Outcome> {
    let digest = route.component.digest();
    let tape = match (means.directories.path(run), belongings.key.clone()) {
        (Some(path), Some(key)) if belongings.is_resumed => {
            let resumed = spawn_blocking(move || Tape::resume(&path, &key, digest));
            resumed.await.unwrap_or(Err(TapeError::Stopped))
        }
        (Some(path), Some(key)) => Tape::begin(&path, key.public(), digest),
        (None, _) | (_, None) => Tape::off(),
    };
    let tape = tape.map_err(|error| not_resumed(&error))?;
    let component = match (tape.is_on_disk(), means.earlier) {
        (true, Some(earlier)) if *tape.component() != digest => {
            let loaded = earlier.load(tape.component(), means.sandbox, &route.grants).await;
            loaded.map_err(|error| not_resumed(&error))?
        }
        _ => route.component.clone(),
    };
    Ok((Arc::new(tape), component))
}

/// Nothing is begun that may have been done already.
fn not_resumed(error: &(dyn std::error::Error + 'static)) -> Outcome {
    Outcome::Faulted(Fault { detail: chain(error).to_string(), retryable: false })
}

/// What a run's directory consists of.
#[must_use]
pub fn paths(root: &Path) -> Paths {
    let part = |name: &str| root.join(name);
    Paths {
        root: root.to_owned(),
        work: part("work"),
        home: part("home"),
        tmp: part("tmp"),
        data: part("data"),
        plan: part("plan"),
        secrets: part("secrets"),
        operations: part("operations"),
    }
}

fn folder_of(policy: &str) -> PathBuf {
    Path::new(policy).parent().unwrap_or_else(|| Path::new("")).to_owned()
}

/// What programs print belongs to the log of the step that is running. Their limit is their own: a log that is full must not end
/// an `apply`.
fn log_into(progress: &Arc<Progress>) -> LogSink {
    let progress = Arc::clone(progress);
    Arc::new(move |bytes| progress.print(bytes))
}

/// The component was not started.
fn not_entered(error: OperationError) -> Outcome {
    match error {
        OperationError::Cancelled(cancelled) => Outcome::Aborted(match cancelled.reason {
            StopReason::ByUser => AbortReason::ByUser,
            _ => AbortReason::Shutdown,
        }),
        error => {
            let detail = chain(&error).to_string();
            Outcome::Faulted(Fault { detail, retryable: true })
        }
    }
}

/// Whether the component may have been stopped before it could tell what has become of what it was doing.
fn is_stopped(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Aborted(_) | Outcome::Failed(Failure::Limit(_)) | Outcome::Faulted(_)
    )
}

/// Tells it in its place.
pub fn remark(progress: &Progress, report: &Report) {
    let mut text = String::new();
    let mut say = |sentence: &str| {
        text.push_str(if text.is_empty() { "" } else { " " });
        text.push_str(sentence);
    };
    if let Some(stopped) = &report.stopped {
        say(stopped);
    }
    match &report.state {
        StateFate::NotSaved(what) | StateFate::Unknown(what) => say(what),
        StateFate::Saved => say("The Terraform state was saved."),
        StateFate::Untouched => {}
    }
    if let Some(lock) = &report.lock {
        say(&format!("A lock of the state may remain: {lock}."));
    }
    if !text.is_empty() {
        let text = progress.door().message(&text);
        progress.change(|timeline| timeline.remark(text));
    }
}
