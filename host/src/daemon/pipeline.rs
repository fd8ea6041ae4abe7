//! One run's way through the stages.

use super::belongings;
use crate::admit::{Route, admit};
use crate::capability::Progress;
use crate::capability::http::{self, Outbound};
use crate::crash::{self, CrashPoint};
use crate::execute::{Belongings, EarlierComponents, Executed, Means, execute, paths, remark};
use crate::journal::{JournalError, RunJournal, Writing};
use crate::meshstack::wire::Step;
use crate::meshstack::{Claim, RunClient};
use crate::outcome::{AbortReason, Fault, Outcome, Usage};
use crate::prepare::{PreparedRun, Protection, prepare};
use crate::report::{Delivery, End, Reporter};
use crate::run::RunId;
use crate::rundir::{RunDirectories, RunDirectory};
use crate::sandbox::Sandbox;
use crate::share::share;
use crate::shutdown::{Abort, Shutdown};
use crate::slots::{Slot, Slots};
use crate::telemetry::chain;
use crate::terraform::{BlockLock, Terraform};
use crate::timeline::Timeline;
use blockhouse_policy::Limits;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// What all runs share.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) sandbox: Arc<Sandbox>,
    /// None of a process that has no state.
    pub(super) earlier: Option<EarlierComponents>,
    pub(super) directories: RunDirectories,
    pub(super) routes: Vec<Arc<Route>>,
    pub(super) outbound: Arc<Outbound>,
    pub(super) terraform: Option<Terraform>,
    pub(super) protection: Protection,
    pub(super) reporter: Reporter,
    pub(super) abort_grace: Duration,
    pub(super) limits: Limits,
    pub(super) shutdown: Shutdown,
    pub(super) slots: Slots,
}

/// A claimed run that is to be carried out.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) claim: Claim,
    /// For what is said about it.
    pub(super) client: RunClient,
    /// Where it is written down, if anywhere.
    pub(super) journal: Option<RunJournal>,
    /// If that is being done now.
    pub(super) claiming: Option<Writing>,
    /// If an earlier daemon has begun it.
    pub(super) resumed: Option<Resumed>,
}

/// A run that an earlier daemon has begun.
#[derive(Debug)]
pub(super) struct Resumed {
    /// Its block, so that no other run gets it meanwhile; none if another one of those that go on has it.
    pub(super) block: Option<Arc<BlockLock>>,
    /// Its steps as they were reported.
    pub(super) steps: Vec<Step>,
}

/// What became of a run.
struct Worked {
    outcome: Outcome,
    usage: Option<Usage>,
    directory: Option<RunDirectory>,
    is_repeatable: bool,
}

impl Worked {
    /// It was not executed.
    fn not(outcome: Outcome) -> Self {
        Self { outcome, usage: None, directory: None, is_repeatable: false }
    }
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
    pub(super) async fn carry_out(&self, job: Job, slot: &mut Slot) -> Delivery {
        let Job { claim, client, journal, claiming, resumed } = job;
        let abort = Abort::default();
        // A route may have other limits, but which route it will be is not known yet, and the report is open from now on.
        let progress = Arc::new(Progress::new(Timeline::new(&self.limits), abort.clone()));
        let state = client.clone();
        let left = resumed.is_some().then(|| {
            // Only for names: one that can't be read has not been executed.
            let block = claim.run().map(|run| run.block.uuid).unwrap_or_default();
            (claim.id().clone(), block)
        });
        let block = resumed.as_ref().and_then(|resumed| resumed.block.clone());
        let known = resumed.as_ref().map(|resumed| resumed.steps.clone()).unwrap_or_default();
        let report = self.reporter.open(client, Arc::clone(&progress), journal.clone(), known);
        let told = Arc::clone(&progress);
        let written = (journal, claiming);
        let work = Box::pin(self.work((claim, state), written, resumed, slot, progress));
        let stop = async {
            self.shutdown.aborting().await;
            abort.abort(AbortReason::Shutdown);
            std::future::pending::<Infallible>().await
        };
        let Worked { outcome, usage, directory, is_repeatable } = tokio::select! {
            // The stop first: a place that an aborted run has left must not start one that waits and is about to be aborted.
            // SECURITY: e2e::a_tenant_that_queues_five_hundred_runs_holds_up_nobody
            biased;
            never = stop => match never {},
            ended = work => ended,
        };
        // What the run has left behind ends before its status is final, while the block is still its own.
        let left = match &left {
            Some((run, block)) => Box::pin(self.finish_left(run, block, &told)).await,
            None => None,
        };
        drop(block);
        log_end(&outcome, usage.as_ref());
        let directory = directory.or(left);
        report.close(End { outcome, usage, directory, is_repeatable }).await
    }

    /// Ends what an earlier daemon has left running for a run that has come to its end, and tells what has become of its state; its
    /// directory, if the run did not take it over.
    async fn finish_left(
        &self,
        run: &RunId,
        block: &str,
        progress: &Progress,
    ) -> Option<RunDirectory> {
        let directory = self.directories.left(run).await?;
        let Some(terraform) = &self.terraform else { return Some(directory) };
        let report = terraform.finish_left(run, block, &paths(directory.path())).await;
        if let Some(report) = &report {
            remark(progress, report);
        }
        if report.is_some_and(|report| report.keep_directory) {
            directory.set_aside().await;
            return None;
        }
        Some(directory)
    }

    /// The stages after the claim. A refusal or failure in any of them is the run's outcome.
    async fn work(
        &self,
        (claim, client): (Claim, RunClient),
        (journal, claiming): (Option<RunJournal>, Option<Writing>),
        resumed: Option<Resumed>,
        slot: &mut Slot,
        progress: Arc<Progress>,
    ) -> Worked {
        let is_new = resumed.is_none();
        let ready = Box::pin(self.ready((claim, client), claiming, resumed, slot, &progress)).await;
        let (prepared, belongings) = match ready {
            Ok(ready) => ready,
            Err(outcome) => return Worked::not(outcome),
        };
        // SECURITY: e2e::secrets::what_a_component_leaks_is_redacted_on_its_way_to_mesh_stack
        progress.change(|timeline| timeline.redact_with(&prepared.redactor));
        // What a component that can do nothing outside has done can be done again. Of any other one, the machine must know after it lost power.
        // SECURITY: e2e::crash_points::a_github_run_whose_machine_loses_power_dispatches_once_or_has_done_nothing
        let is_repeatable = is_new && !prepared.route.grants.reach_outside();
        if let Some(journal) = journal.filter(|_| !is_repeatable) {
            if let Err(error) = Box::pin(journal.durable()).await {
                return Worked::not(not_kept(&error));
            }
            crash::point(CrashPoint::ClaimDurable);
        }
        let means = Means {
            sandbox: &self.sandbox,
            earlier: self.earlier.as_ref(),
            directories: &self.directories,
            outbound: &self.outbound,
            shutdown: &self.shutdown,
            terraform: self.terraform.as_ref(),
            abort_grace: self.abort_grace,
        };
        let executing = execute(prepared, &means, belongings, progress);
        let Executed { outcome, usage, directory } = Box::pin(executing).await;
        Worked { outcome, usage: Some(usage), directory, is_repeatable }
    }

    /// The stages before the component.
    async fn ready<'a>(
        &'a self,
        (claim, client): (Claim, RunClient),
        claiming: Option<Writing>,
        resumed: Option<Resumed>,
        slot: &'a mut Slot,
        progress: &Progress,
    ) -> Result<(Box<PreparedRun<'a>>, Belongings), Outcome> {
        let admitted = admit(&claim, &self.routes)?;
        let run = &admitted.run;
        tracing::info!(
            route = admitted.route.name,
            implementation_type = run.definition.implementation.kind,
            behavior = ?run.behavior,
            tenant = run.block.tenant,
            owner = run.definition.owner,
            "run admitted"
        );
        crash::point(CrashPoint::RunAdmitted);
        progress.change(|timeline| timeline.limit(admitted.route.grants.limits()));
        let belongings = belongings::of(&claim, &client, run, resumed, &self.protection);
        // All of it that is needed has been read, and the run may wait for its turn for hours.
        drop((claim, client));
        let written = async {
            if let Some(claiming) = claiming {
                claiming.written().await.map_err(|error| not_kept(&error))?;
                crash::point(CrashPoint::ClaimWritten);
            }
            Ok(())
        };
        let preparing = async {
            let shared = share(admitted, slot, &self.slots, progress).await?;
            crash::point(CrashPoint::RunShared);
            let prepared = prepare(shared, self.protection.clone(), progress.abort()).await?;
            crash::point(CrashPoint::RunPrepared);
            Ok(prepared)
        };
        // The disk takes about as long as that does.
        let (prepared, ()) = tokio::try_join!(preparing, written)?;
        Ok((Box::new(prepared), belongings))
    }
}

/// Without a journal the run could be lost, so it is not executed.
fn not_kept(error: &JournalError) -> Outcome {
    Outcome::Faulted(Fault { detail: chain(error).to_string(), retryable: true })
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
