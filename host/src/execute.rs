//! The fifth stage: runs the component.

use crate::audit::{About, Auditor};
use crate::capability::Progress;
use crate::capability::http::Outbound;
use crate::outcome::{Fault, Outcome, Usage};
use crate::prepare::PreparedRun;
use crate::rundir::RunDirectories;
use crate::sandbox::{Job, Sandbox};
use crate::telemetry::chain;
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
    /// How long a component that watches for aborts may take to clean up.
    pub abort_grace: Duration,
}

/// Executes a run to its end. If it may use files, its directory is there meanwhile, and gone afterwards.
pub async fn execute(
    prepared: PreparedRun<'_>,
    means: &Means<'_>,
    progress: Arc<Progress>,
) -> (Outcome, Usage) {
    let PreparedRun { run, route, redactor, place: _place } = prepared;
    let grants = Arc::clone(&route.grants);
    let about = About {
        run: run.run.id.to_string(),
        tenant: run.run.block.tenant.clone(),
        owner: run.run.definition.owner.clone(),
        component: route.component.digest().to_string(),
        policy: grants.policy().name().to_string(),
    };
    let auditor = Arc::new(Auditor::new(about, redactor));
    let directory = match grants.allows_files() {
        Ok(permit) => match means.directories.create(&run.run.id, permit).await {
            Ok(directory) => Some(directory),
            Err(error) => {
                let detail = chain(&error).to_string();
                return (Outcome::Faulted(Fault { detail, retryable: true }), Usage::default());
            }
        },
        Err(_) => None,
    };
    let work = directory.as_ref().map(|directory| directory.work().clone());
    let (outbound, abort_grace) = (Arc::clone(means.outbound), means.abort_grace);
    let job = Job { run, grants, work, progress, outbound, auditor, abort_grace };
    let ended = means.sandbox.execute(&route.component, job).await;
    // SECURITY: walls::a_run_directory_is_gone_after_every_end
    if let Some(directory) = directory {
        directory.remove().await;
    }
    ended
}
