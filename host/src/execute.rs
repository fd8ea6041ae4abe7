//! The fifth stage: runs the component.

use crate::audit::{About, Auditor};
use crate::capability::http::Outbound;
use crate::capability::{Native, Progress};
use crate::outcome::{AbortReason, Failure, Fault, Outcome, Usage};
use crate::prepare::PreparedRun;
use crate::run::RunId;
use crate::rundir::{Kind, RunDirectories, RunDirectory, RunDirectoryError};
use crate::sandbox::{Job, Sandbox};
use crate::shutdown::Shutdown;
use crate::telemetry::chain;
use crate::terraform::{
    Assignment, BlockLock, LogSink, Opener, OperationError, Paths, PlanSource, Report,
    StateBackend, StateFate, StopReason, Terraform,
};
use blockhouse_policy::FilesPermit;
use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What all runs are executed with.
#[derive(Debug)]
pub struct Means<'a> {
    /// The walls around components.
    pub sandbox: &'a Sandbox,
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
    /// Whether an earlier process has begun it.
    pub is_resumed: bool,
    /// Its block, if it was taken for the run already.
    pub block: Option<Arc<BlockLock>>,
}

impl fmt::Debug for Belongings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { backend, plan, opener: _, is_resumed, block: _ } = self;
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

/// Executes a run to its end. Its directory is there until the outcome is written down: it holds what native programs have done.
pub async fn execute(
    prepared: PreparedRun<'_>,
    means: &Means<'_>,
    belongings: Belongings,
    progress: Arc<Progress>,
) -> Executed {
    let PreparedRun { run, document, route, redactor, place: _place } = prepared;
    let grants = Arc::clone(&route.grants);
    let about = About {
        run: run.run.id.to_string(),
        tenant: run.run.block.tenant.clone(),
        owner: run.run.definition.owner.clone(),
        component: route.component.digest().to_string(),
        policy: grants.policy().name().to_string(),
    };
    let auditor = Arc::new(Auditor::new(about, redactor));
    let Ok(files) = grants.allows_files() else {
        let job = Job {
            run,
            grants,
            work: None,
            native: None,
            document,
            progress,
            outbound: Arc::clone(means.outbound),
            auditor,
            abort_grace: means.abort_grace,
        };
        let (outcome, usage) = means.sandbox.execute(&route.component, job).await;
        return Executed { outcome, usage, directory: None };
    };
    let native = match (means.terraform, grants.terraform(), &document) {
        (Some(terraform), Ok(permit), Some(document)) => {
            Some((terraform, permit, document.text().clone()))
        }
        _ => None,
    };
    let made = directory(means.directories, &run.run.id, files, native.is_some(), &belongings);
    let directory = match made.await {
        Ok(directory) => directory,
        Err(error) => {
            let detail = chain(&error).to_string();
            let outcome = Outcome::Faulted(Fault { detail, retryable: true });
            return Executed { outcome, usage: Usage::default(), directory: None };
        }
    };
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
            match terraform.enter(assignment).await {
                Ok(workspace) => Some(Native { workspace }),
                Err(error) => {
                    let (usage, directory) = (Usage::default(), Some(directory));
                    return Executed { outcome: not_entered(error), usage, directory };
                }
            }
        }
    };
    let in_flight = native.as_ref().map(|native| native.workspace.in_flight());
    let work = Some(directory.work().clone());
    let (outbound, abort_grace) = (Arc::clone(means.outbound), means.abort_grace);
    let told = Arc::clone(&progress);
    let job = Job { run, grants, work, native, document, progress, outbound, auditor, abort_grace };
    let execution = means.sandbox.execute(&route.component, job);
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
    if is_native && belongings.is_resumed {
        return directories.take_over(run, files).await;
    }
    let kind = if is_native { Kind::Native } else { Kind::Component };
    directories.create(run, files, kind).await
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
