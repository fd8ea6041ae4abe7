//! The fifth stage: runs the component.

use crate::capability::Progress;
use crate::outcome::{Fault, Outcome, Usage};
use crate::prepare::PreparedRun;
use crate::rundir::RunDirectories;
use crate::sandbox::{Job, Sandbox};
use crate::telemetry::chain;
use std::sync::Arc;
use std::time::Duration;

/// Executes a run to its end. If it may use files, its directory is there meanwhile, and gone afterwards.
pub async fn execute(
    prepared: PreparedRun<'_>,
    sandbox: &Sandbox,
    directories: &RunDirectories,
    progress: Arc<Progress>,
    abort_grace: Duration,
) -> (Outcome, Usage) {
    let PreparedRun { run, route, redactor: _, place: _place } = prepared;
    let grants = Arc::clone(&route.grants);
    let directory = match grants.allows_files() {
        Ok(permit) => match directories.create(&run.run.id, permit).await {
            Ok(directory) => Some(directory),
            Err(error) => {
                let detail = chain(&error).to_string();
                return (Outcome::Faulted(Fault { detail, retryable: true }), Usage::default());
            }
        },
        Err(_) => None,
    };
    let work = directory.as_ref().map(|directory| directory.work().clone());
    let job = Job { run, grants, work, progress, abort_grace };
    let ended = sandbox.execute(&route.component, job).await;
    // SECURITY: walls::a_run_directory_is_gone_after_every_end
    if let Some(directory) = directory {
        directory.remove().await;
    }
    ended
}
