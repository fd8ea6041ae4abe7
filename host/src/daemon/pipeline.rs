//! One run's way through the stages.

use crate::admit::{Route, admit};
use crate::capability::Progress;
use crate::capability::http::{self, Outbound};
use crate::execute::{Means, execute};
use crate::journal::RunJournal;
use crate::meshstack::{Claim, RunClient};
use crate::outcome::{AbortReason, Outcome, Usage};
use crate::prepare::{Protection, prepare};
use crate::report::{Delivery, Reporter};
use crate::rundir::RunDirectories;
use crate::sandbox::Sandbox;
use crate::share::share;
use crate::shutdown::{Abort, Shutdown};
use crate::slots::{Slot, Slots};
use crate::timeline::Timeline;
use blockhouse_policy::Limits;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// What all runs share.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) sandbox: Sandbox,
    pub(super) directories: RunDirectories,
    pub(super) routes: Vec<Arc<Route>>,
    pub(super) outbound: Arc<Outbound>,
    pub(super) protection: Protection,
    pub(super) reporter: Reporter,
    pub(super) abort_grace: Duration,
    pub(super) limits: Limits,
    pub(super) shutdown: Shutdown,
    pub(super) slots: Slots,
}

/// The way out for the components of these routes, with the certificates that their policies name.
pub(super) fn outbound(
    config: http::Config,
    routes: &[Arc<Route>],
) -> Result<Arc<Outbound>, http::StartError> {
    let policies = routes.iter().map(|route| &**route.grants.policy());
    Ok(Arc::new(Outbound::build(config, policies)?))
}

impl Pipeline {
    /// Takes a claimed run to its end and reports it. Whatever happens, there is one final status. What the run holds is in
    /// `slot` until that is settled, unless the run ended while it waited.
    pub(super) async fn carry_out(
        &self,
        claim: Claim,
        slot: &mut Slot,
        client: RunClient,
        journal: Result<Option<RunJournal>, Outcome>,
    ) -> Delivery {
        let abort = Abort::default();
        // A route may have other limits, but which route it will be is not known yet, and the report is open from now on.
        let progress = Arc::new(Progress::new(Timeline::new(&self.limits), abort.clone()));
        let (journal, unfit) = match journal {
            Ok(journal) => (journal, None),
            Err(outcome) => (None, Some(outcome)),
        };
        let report = self.reporter.open(client, Arc::clone(&progress), journal);
        let work = async {
            match unfit {
                Some(outcome) => (outcome, None),
                None => self.work(claim, slot, progress).await,
            }
        };
        let stop = async {
            self.shutdown.aborting().await;
            abort.abort(AbortReason::Shutdown);
            std::future::pending::<Infallible>().await
        };
        let (outcome, usage) = tokio::select! {
            // The stop first: a place that an aborted run has left must not start one that waits and is about to be aborted.
            // SECURITY: e2e::a_tenant_that_queues_five_hundred_runs_holds_up_nobody
            biased;
            never = stop => match never {},
            ended = work => ended,
        };
        log_end(&outcome, usage.as_ref());
        report.close(outcome, usage).await
    }

    /// The stages after the claim. A refusal or failure in any of them is the run's outcome.
    async fn work(
        &self,
        claim: Claim,
        slot: &mut Slot,
        progress: Arc<Progress>,
    ) -> (Outcome, Option<Usage>) {
        let admitted = match admit(claim, &self.routes) {
            Ok(admitted) => admitted,
            Err(outcome) => return (outcome, None),
        };
        let run = &admitted.run;
        tracing::info!(
            route = admitted.route.name,
            implementation_type = run.definition.implementation.kind,
            behavior = ?run.behavior,
            tenant = run.block.tenant,
            owner = run.definition.owner,
            "run admitted"
        );
        progress.change(|timeline| timeline.limit(admitted.route.grants.limits()));
        let shared = match share(admitted, slot, &self.slots, &progress).await {
            Ok(shared) => shared,
            Err(outcome) => return (outcome, None),
        };
        let prepared = match prepare(shared, self.protection.clone(), progress.abort()).await {
            Ok(prepared) => prepared,
            Err(outcome) => return (outcome, None),
        };
        // SECURITY: e2e::secrets::what_a_component_leaks_is_redacted_on_its_way_to_mesh_stack
        progress.change(|timeline| timeline.redact_with(&prepared.redactor));
        let means = Means {
            sandbox: &self.sandbox,
            directories: &self.directories,
            outbound: &self.outbound,
            abort_grace: self.abort_grace,
        };
        let (outcome, usage) = execute(prepared, &means, progress).await;
        (outcome, Some(usage))
    }
}

/// One line per run, for people and for accounting.
fn log_end(outcome: &Outcome, usage: Option<&Usage>) {
    let code = outcome.code();
    let detail = outcome.detail();
    let usage = usage.copied().unwrap_or_default();
    tracing::info!(
        outcome = code,
        detail,
        fuel = usage.fuel,
        memory_bytes = usage.memory_peak,
        wall_time = ?usage.wall_time,
        "run ended"
    );
}
