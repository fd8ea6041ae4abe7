//! The fifth stage: runs the component.

use crate::capability::Progress;
use crate::outcome::{Outcome, Usage};
use crate::prepare::PreparedRun;
use crate::sandbox::{Job, Sandbox};
use std::sync::Arc;
use std::time::Duration;

/// Executes a run to its end.
pub async fn execute(
    prepared: PreparedRun<'_>,
    sandbox: &Sandbox,
    progress: Arc<Progress>,
    abort_grace: Duration,
) -> (Outcome, Usage) {
    let PreparedRun { run, route, redactor: _, place: _place } = prepared;
    let grants = Arc::clone(&route.grants);
    sandbox.execute(&route.component, Job { run, grants, progress, abort_grace }).await
}
