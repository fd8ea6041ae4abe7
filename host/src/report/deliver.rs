//! Sends a final status until meshStack has accepted it.

use crate::backoff::{self, Backoff};
use crate::crash::{self, CrashPoint};
use crate::journal::{JournalError, Rejection, RunJournal};
use crate::meshstack::wire::{RunStatus, StepDeclaration, Update};
use crate::meshstack::{CallError, CallErrorKind, RunClient};
use crate::rundir::RunDirectory;
use crate::telemetry::chain;
use std::time::SystemTime;

/// How often meshStack may refuse before the run's slot is worth more: a token that has expired never becomes valid again. With
/// the usual waits this is some minutes: what stands in front of a meshStack that is being replaced may refuse for as long.
const REFUSED_MAX: u32 = 10;

/// What became of a final status.
#[derive(Debug)]
pub enum Delivery {
    /// meshStack has it.
    Accepted,
    /// meshStack says that the run is over already; there is nobody to tell.
    Pointless,
    /// It is in the journal only. The status, unless it was lost with the task that was to send it; the journal has it in any
    /// case.
    Postponed(Option<Box<Update>>),
    /// meshStack does not take it and will not, whoever waits; it is in the journal only.
    Rejected(Box<Rejected>),
}

/// A final status that meshStack has rejected for good.
#[derive(Debug)]
pub struct Rejected {
    /// What was to be told.
    pub update: Update,
    /// How it was rejected.
    pub rejection: Rejection,
}

/// A final status on its way.
#[derive(Debug)]
pub struct Final {
    /// What meshStack is to be told.
    pub update: Update,
    /// Where it is written down first.
    pub journal: Option<RunJournal>,
    /// What it follows from, to be removed once it is written down; at the latest, once it is settled.
    pub directory: Option<RunDirectory>,
    /// Whether it does no harm if the run is executed again instead of being told from the journal.
    pub is_repeatable: bool,
}

impl From<(Update, Option<RunJournal>)> for Final {
    fn from((update, journal): (Update, Option<RunJournal>)) -> Self {
        Self { update, journal, directory: None, is_repeatable: false }
    }
}

/// Writes the final status down, then registers (`steps`, unless that was done) and sends it until it is settled.
pub async fn deliver(
    client: &RunClient,
    steps: Option<&[StepDeclaration]>,
    final_status: Final,
    backoff: backoff::Config,
) -> Delivery {
    let Final { mut update, journal, mut directory, is_repeatable } = final_status;
    crash::point(CrashPoint::EndDecided);
    match record(journal.as_ref(), &update, is_repeatable).await {
        // SECURITY: e2e::terraform::kills::a_run_directory_outlives_the_writing_of_the_final_status
        Ok(()) => {
            crash::point(CrashPoint::EndWritten);
            remove(&mut directory).await;
        }
        Err(error) => {
            tracing::error!(error = %chain(&error), "the final status is not in the journal; a crash now would lose it");
        }
    }
    let mut backoff = Backoff::new(backoff);
    let mut unregistered = steps;
    let mut is_reduced = false;
    let mut refused = 0;
    let delivery = loop {
        let error = match send(client, &mut unregistered, &update).await {
            Ok(()) => {
                crash::point(CrashPoint::EndAccepted);
                break Delivery::Accepted;
            }
            Err(error) => error,
        };
        match judge(&error) {
            Verdict::Pointless => {
                tracing::error!(error = %chain(&error), status = ?update.status, "meshStack does not take the run's final status");
                break Delivery::Pointless;
            }
            Verdict::Gone => return rejected(update, &error),
            Verdict::Rejected if unregistered.is_some_and(|steps| !steps.is_empty()) => {
                tracing::error!(error = %chain(&error), "meshStack rejected the run's steps; they come with the final status");
                unregistered = Some(&[]);
            }
            Verdict::Rejected if unregistered.is_none() && !is_reduced => {
                tracing::error!(error = %chain(&error), "meshStack rejected the run's results; reporting that instead");
                is_reduced = true;
                update = reduced(&update);
            }
            Verdict::Unauthorized
                if refused >= REFUSED_MAX && client.may_be_let_in(SystemTime::now()) =>
            {
                tracing::error!(error = %chain(&error), "meshStack refuses the final status; it stays in the journal and is tried again later");
                return Delivery::Postponed(Some(Box::new(update)));
            }
            Verdict::Refused | Verdict::Rejected | Verdict::Unauthorized
                if refused >= REFUSED_MAX =>
            {
                return rejected(update, &error);
            }
            verdict => {
                refused += u32::from(!matches!(verdict, Verdict::TryAgain));
                let wait = match error.retry_after() {
                    Some(floor) => backoff.delay_after(floor),
                    None => backoff.delay(),
                };
                tracing::warn!(error = %chain(&error), ?wait, "reporting the final status failed; trying again");
                tokio::time::sleep(wait).await;
            }
        }
    };
    remove(&mut directory).await;
    if let Some(journal) = journal {
        journal.settle();
        crash::point(CrashPoint::EndSettled);
    }
    delivery
}

fn rejected(update: Update, error: &CallError) -> Delivery {
    tracing::error!(error = %chain(error), status = ?update.status, "meshStack has rejected the run's final status for good");
    let status = error.status().map(|status| status.as_u16());
    let rejection = Rejection { when: SystemTime::now(), status, text: chain(error).to_string() };
    Delivery::Rejected(Box::new(Rejected { update, rejection }))
}

async fn remove(directory: &mut Option<RunDirectory>) {
    if let Some(directory) = directory.take() {
        directory.remove().await;
        crash::point(CrashPoint::EndDirectoryRemoved);
    }
}

async fn send(
    client: &RunClient,
    unregistered: &mut Option<&[StepDeclaration]>,
    update: &Update,
) -> Result<(), CallError> {
    if let Some(steps) = *unregistered {
        client.register(steps).await?;
        crash::point(CrashPoint::ReportRegistered);
        *unregistered = None;
    }
    client.update(update).await?;
    Ok(())
}

enum Verdict {
    /// The run does not exist any more, which is said of nothing else.
    Gone,
    /// The run is over.
    Pointless,
    /// For good, unless something in between says so that does so for a moment only.
    Refused,
    /// The contents are not liked.
    Rejected,
    TryAgain,
    /// For good, unless somebody repairs the credential or the right.
    Unauthorized,
}

fn judge(error: &CallError) -> Verdict {
    // What the login answers says nothing about the run.
    if let CallErrorKind::Login(login) = &error.kind {
        return match login.status().map(|status| status.as_u16()) {
            Some(401 | 403) => Verdict::Unauthorized,
            _ => Verdict::TryAgain,
        };
    }
    match error.status().map(|status| status.as_u16()) {
        Some(409) => Verdict::Pointless,
        Some(410) => Verdict::Gone,
        Some(400 | 413 | 422) => Verdict::Rejected,
        Some(401 | 403) => Verdict::Unauthorized,
        // A proxy's, not meshStack's (407), and those that ask to come again.
        Some(407 | 408 | 425 | 429) => Verdict::TryAgain,
        Some(400..500) => Verdict::Refused,
        // Whatever it is, somebody may repair it, and the run must not hang.
        _ => Verdict::TryAgain,
    }
}

/// Whether meshStack does not like the contents; sending the same again is of no use.
pub(super) fn is_rejected(error: &CallError) -> bool {
    matches!(judge(error), Verdict::Rejected)
}

/// The least that says what happened: a run must not hang because one of its messages is not liked.
fn reduced(update: &Update) -> Update {
    let rejected = "The runner's report was rejected by meshStack, and with it the run's outputs and messages; \
                    the runner's log has the reason.";
    let summary = match &update.summary {
        Some(summary) if update.status == RunStatus::Failed => format!("{summary} {rejected}"),
        _ => rejected.to_owned(),
    };
    let status = match update.status {
        RunStatus::InProgress => RunStatus::InProgress,
        RunStatus::Failed | RunStatus::Succeeded => RunStatus::Failed,
    };
    Update { summary: Some(summary), ..Update::bare(status) }
}

async fn record(
    journal: Option<&RunJournal>,
    update: &Update,
    is_repeatable: bool,
) -> Result<(), JournalError> {
    match journal {
        Some(journal) if is_repeatable => journal.end_soon(update.clone()),
        Some(journal) => journal.end(update.clone()).await?,
        None => {}
    }
    Ok(())
}
