//! The sink of all stages: tells meshStack how a run is going and how it ended.
//!
//! Opened when a run is claimed, closed when its final status is accepted. Refusals, failures and successes leave by the same
//! door. Each open run has one task, all of them on the runtime that [`Reporter`] is given: the control thread, where no guest
//! code runs, so that nothing starves the sign of life.
//!
//! Only the latest state is kept: however slow meshStack is, a run never waits for it.

mod deliver;
mod update;

pub use deliver::{Delivery, Final, Rejected, deliver};
pub use update::{declared, final_update};

use crate::backoff::{self, Backoff};
use crate::capability::Progress;
use crate::crash::{self, CrashPoint};
use crate::journal::RunJournal;
use crate::meshstack::wire::{RunStatus, Step, StepDeclaration, Update};
use crate::meshstack::{CallError, RunClient};
use crate::outcome::{AbortReason, Fault, Outcome, Usage};
use crate::rundir::RunDirectory;
use crate::telemetry::chain;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// How much longer than a report took the pause after it is at least.
const PAUSE_PER_REPORT: u32 = 4;

/// How often to report.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The least time between two reports of progress.
    pub interval: Duration,
    /// The longest time without a report.
    pub sign_of_life: Duration,
    /// The waits after faults.
    pub backoff: backoff::Config,
}

impl Default for Config {
    /// At most every second; and every 9 s, so that with a second for the call itself meshStack hears from us every 10 s.
    fn default() -> Self {
        let (first, cap) = (Duration::from_secs(1), Duration::from_secs(60));
        Self {
            interval: Duration::from_secs(1),
            sign_of_life: Duration::from_secs(9),
            backoff: backoff::Config { first, cap },
        }
    }
}

/// Opens reports.
#[derive(Clone, Debug)]
pub struct Reporter {
    config: Config,
    runtime: tokio::runtime::Handle,
    tasks: TaskTracker,
}

/// A report that is open. Dropping it unfinished reports a fault.
#[derive(Debug)]
pub struct Report {
    end: oneshot::Sender<End>,
    delivered: tokio::task::JoinHandle<Delivery>,
}

/// How a run has ended.
#[derive(Debug)]
pub struct End {
    /// Its outcome.
    pub outcome: Outcome,
    /// What it used, if it was executed.
    pub usage: Option<Usage>,
    /// What the outcome follows from. It is removed once the final status is written down: until then, a crash must find it.
    pub directory: Option<RunDirectory>,
    /// Whether it does no harm if the run is executed again: then nobody waits until the final status is on the disk.
    pub is_repeatable: bool,
}

impl Reporter {
    /// Reports run on `runtime`, and are counted among `tasks`: whoever waits for those also waits for them.
    #[must_use]
    pub fn new(config: Config, runtime: tokio::runtime::Handle, tasks: TaskTracker) -> Self {
        Self { config, runtime, tasks }
    }

    /// Opens the report of a run. `known`: its steps as an earlier daemon has reported them, if the run is resumed.
    #[must_use]
    pub fn open(
        &self,
        client: RunClient,
        progress: Arc<Progress>,
        journal: Option<RunJournal>,
        known: Vec<Step>,
    ) -> Report {
        let (end, ended) = oneshot::channel();
        let task = Task {
            config: self.config,
            client,
            progress,
            journal,
            registered: false,
            told: 0,
            accepted: 0,
            journalled: known.clone(),
            known,
        };
        let report = task.run(ended).in_current_span();
        let delivered = self.tasks.spawn_on(report, &self.runtime);
        Report { end, delivered }
    }
}

impl Report {
    /// Reports how the run ended, and waits until that is settled.
    pub async fn close(self, end: End) -> Delivery {
        // If the task is gone, it has panicked, which `delivered` tells.
        let _ = self.end.send(end);
        match self.delivered.await {
            Ok(delivery) => delivery,
            Err(error) => {
                tracing::error!(%error, "the reporting task of the run died; its journal is kept");
                Delivery::Postponed(None)
            }
        }
    }
}

/// Reports one run.
struct Task {
    config: Config,
    client: RunClient,
    progress: Arc<Progress>,
    journal: Option<RunJournal>,
    registered: bool,
    /// The timeline's revision that meshStack was told of.
    told: u64,
    /// The one that it has accepted: what came later is in the final status, too.
    accepted: u64,
    /// The steps as they are in the journal.
    journalled: Vec<Step>,
    /// The steps as an earlier daemon has reported them.
    known: Vec<Step>,
}

impl Task {
    async fn run(mut self, ended: oneshot::Receiver<End>) -> Delivery {
        let End { outcome, usage, directory, is_repeatable } = self.while_executing(ended).await;
        self.progress.change(|timeline| {
            timeline.recall(update::recalled(&self.known));
            timeline.finish(&outcome, usage.as_ref());
        });
        let mut update =
            final_update(&outcome, self.progress.timeline().changes_since(self.accepted));
        update::attach(&mut update, self.progress.timeline().take_plan());
        let steps = self.declarations();
        let final_status = Final { update, journal: self.journal, directory, is_repeatable };
        let steps = (!self.registered).then_some(steps.as_slice());
        // Boxed, here and below: a run that waits for hours must not have room for what it does at other times.
        Box::pin(deliver(&self.client, steps, final_status, self.config.backoff)).await
    }

    /// Reports progress until the run ends.
    async fn while_executing(&mut self, mut ended: oneshot::Receiver<End>) -> End {
        let mut backoff = Backoff::new(self.config.backoff);
        // A run that ends within the first interval gets by with two calls.
        let mut next = Instant::now() + self.config.interval;
        let mut sign_of_life = Instant::now() + self.config.sign_of_life;
        loop {
            tokio::select! {
                // The end is all that matters once it is there.
                biased;
                ended = &mut ended => return ended.unwrap_or_else(|_| vanished()),
                () = self.worth_telling(next, sign_of_life) => {}
            }
            let begun = Instant::now();
            match Box::pin(self.tell()).await {
                Ok(()) => {
                    backoff.reset();
                    // A run whose reports are large must not occupy the thread that all share.
                    let pause = begun.elapsed().saturating_mul(PAUSE_PER_REPORT);
                    next = Instant::now()
                        + pause.clamp(self.config.interval, self.config.sign_of_life);
                }
                Err(error) => {
                    let wait = backoff.delay_after(error.retry_after().unwrap_or_default());
                    let wait = wait.clamp(self.config.interval, self.config.sign_of_life);
                    tracing::warn!(error = %chain(&error), ?wait, "reporting progress failed");
                    next = Instant::now() + wait;
                }
            }
            sign_of_life = next.max(Instant::now() + self.config.sign_of_life);
        }
    }

    /// Waits for a change, but not before `next`; and at most until `sign_of_life`.
    async fn worth_telling(&self, next: Instant, sign_of_life: Instant) {
        sleep_until(next).await;
        let changed = async {
            while self.progress.timeline().revision() == self.told {
                self.progress.changed().await;
            }
        };
        tokio::select! {
            () = changed => {}
            () = sleep_until(sign_of_life) => {}
        }
    }

    async fn tell(&mut self) -> Result<(), CallError> {
        if !self.registered {
            let (declared, steps) = {
                let timeline = self.progress.timeline();
                (update::declarations(&timeline), update::outline(&timeline))
            };
            // Whoever ends the run after a crash must know of each that meshStack shows.
            self.journal_steps(steps).await;
            match self.client.register(&declared).await {
                // The steps then come with the updates.
                Err(error) if deliver::is_rejected(&error) => self.client.register(&[]).await?,
                registered => registered?,
            }
            crash::point(CrashPoint::ReportRegistered);
            self.registered = true;
        }
        // Both from one look at the timeline, which goes on while this is written: what is told must not be further on than what
        // whoever resumes the run knows of.
        let (changes, steps) = {
            let timeline = self.progress.timeline();
            (timeline.changes_since(self.told), update::outline(&timeline))
        };
        self.journal_steps(steps).await;
        let revision = changes.revision;
        let mut update = update::progress_update(changes);
        update::hold_back(&mut update, &self.known);
        let answer = match self.client.update(&update).await {
            Err(error) if deliver::is_rejected(&error) => {
                // Something in it is not liked. meshStack must hear from us all the same, and we from it; what is new is told
                // again with the next change.
                tracing::warn!(error = %chain(&error), "meshStack rejected a report of progress");
                self.client.update(&Update::bare(RunStatus::InProgress)).await?
            }
            answer => {
                let answer = answer?;
                crash::point(CrashPoint::ReportAccepted);
                self.accepted = revision;
                answer
            }
        };
        self.told = revision;
        if answer.run_aborted {
            tracing::info!("the user aborted the run");
            self.progress.abort().abort(AbortReason::ByUser);
        }
        Ok(())
    }

    fn declarations(&self) -> Vec<StepDeclaration> {
        update::declarations(&self.progress.timeline())
    }

    /// Before they are told, so that a restart can end all steps that the user has seen. Failing to write is no reason to
    /// stop the run.
    async fn journal_steps(&mut self, mut steps: Vec<Step>) {
        let Some(journal) = &self.journal else { return };
        update::keep_reached(&mut steps, &self.known);
        // Those that the component has not declared again yet.
        let is_missing = |known: &&Step| steps.iter().all(|step| step.id != known.id);
        let missing: Vec<_> = self.known.iter().filter(is_missing).cloned().collect();
        steps.extend(missing);
        if steps == self.journalled {
            return;
        }
        match journal.steps(steps.clone()).await {
            Ok(()) => self.journalled = steps,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the steps are not in the journal");
            }
        }
        crash::point(CrashPoint::ReportStepsWritten);
    }
}

/// The stages ended without an outcome, which only a panic can bring about.
fn vanished() -> End {
    let detail = "the run's task died; please report this as a defect of the runner".to_owned();
    End {
        outcome: Outcome::Faulted(Fault { detail, retryable: true }),
        usage: None,
        directory: None,
        is_repeatable: false,
    }
}
