//! What an operator does with runs while no daemon runs: [`Offline`] delivers what is decided, and gives runs up.
//!
//! Has the lock of the state directory. Claims nothing and executes nothing.

use super::inventory::{Inventory, InventoryError, KnownRun, Phase};
use super::native::QUARANTINE;
use super::{StartError, recovery};
use crate::backoff;
use crate::execute::paths;
use crate::journal::{self, Journal, JournalError, LeftOver, Rejection};
use crate::meshstack::{self, Claim, Client};
use crate::report::{self, Delivery, Rejected};
use crate::run::RunId;
use crate::rundir::RunDirectories;
use crate::shim::Launcher;
use crate::telemetry::chain;
use crate::terraform::{self, ERRORED, StateFate};
use crate::unseal::PrivateKey;
use secrecy::ExposeSecret as _;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The waits after faults: somebody is waiting.
const BACKOFF: backoff::Config =
    backoff::Config { first: Duration::from_millis(200), cap: Duration::from_secs(5) };

/// Final statuses that are delivered at a time: meshStack may just have come back.
const AT_A_TIME: usize = 16;

/// Whoever wants to wait for longer than can be counted waits for so long.
const PATIENCE_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What is needed.
#[derive(Debug)]
pub struct Config {
    /// The state directory.
    pub state: PathBuf,
    /// How it is kept.
    pub journal: journal::Config,
    /// Opens what is in it.
    pub private_key: Arc<PrivateKey>,
    /// How to reach meshStack.
    pub meshstack: meshstack::Config,
}

/// Works on what a daemon has left.
#[derive(Debug)]
pub struct Offline {
    client: Client,
    journal: Journal,
    private_key: Arc<PrivateKey>,
    state: PathBuf,
}

/// What became of a run that was to be delivered.
#[derive(Debug)]
pub enum Recovered {
    /// meshStack has its final status.
    Delivered,
    /// meshStack says that it is over already; it is kept no longer.
    Over,
    /// meshStack has rejected its final status (again); it is kept.
    Rejected(Rejection),
    /// meshStack has not accepted it in time; it is kept, and the next daemon delivers it, unless it was rejected before.
    Waiting,
    /// It has no final status yet: the next daemon goes on with it.
    Undecided,
    /// There is nothing that could be delivered.
    Nothing,
    /// It can't be delivered, or what became of it not be written down.
    Failed(String),
}

impl Recovered {
    /// Whether there is still something to be delivered.
    #[must_use]
    pub fn is_left(&self) -> bool {
        !matches!(self, Self::Delivered | Self::Nothing | Self::Over)
    }
}

/// Why a run is not given up.
#[derive(Debug, thiserror::Error)]
pub enum DiscardError {
    /// Something would be lost that somebody may miss.
    #[error("the run is not discarded:{}", reasons.iter().map(|reason| format!("\n  {reason}")).collect::<String>())]
    Precious {
        /// What.
        reasons: Vec<String>,
    },
    /// It can't be written down.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Something of it can't be removed.
    #[error("`{}` could not be removed: a program may still be working in it; the log above has more", path.display())]
    Remains {
        /// Its directory.
        path: PathBuf,
    },
}

impl Offline {
    /// Takes the state directory.
    ///
    /// # Errors
    /// [`StartError`]; in particular that a daemon has it.
    pub fn build(config: Config) -> Result<Self, StartError> {
        let Config { state, journal, private_key, meshstack } = config;
        let client = Client::new(meshstack)?;
        let (journal, _) = Journal::open(&state, &private_key, journal)?;
        Ok(Self { client, journal, private_key, state })
    }

    /// What there is.
    ///
    /// # Errors
    /// [`InventoryError`].
    pub fn inventory(&self) -> Result<Inventory, InventoryError> {
        Inventory::take(&self.state, &self.private_key)
    }

    /// Delivers the final statuses of these runs, rejected ones as well; for `patience` in all. Tells what became of each, in their order.
    pub async fn recover(&self, runs: &[&KnownRun], patience: Duration) -> Vec<(RunId, Recovered)> {
        let now = Instant::now();
        let deadline = now.checked_add(patience).unwrap_or(now + PATIENCE_MAX);
        let room = Arc::new(Semaphore::new(AT_A_TIME));
        let mut deliveries = JoinSet::new();
        let mut recovered = Vec::new();
        for run in runs {
            let left = match self.left_over(run) {
                Ok(left) => left,
                Err(reason) => {
                    recovered.push((run.id.clone(), reason));
                    continue;
                }
            };
            let (client, room, id) = (self.client.clone(), Arc::clone(&room), run.id.clone());
            deliveries.spawn(async move {
                let delivery = async {
                    // It is never closed.
                    let _place = room.acquire().await;
                    deliver(&client, left).await
                };
                (id, tokio::time::timeout_at(deadline, delivery).await)
            });
        }
        while let Some(delivered) = deliveries.join_next().await {
            let Ok((id, delivery)) = delivered else { continue };
            let rejected_before = runs.iter().any(|run| run.id == id && run.rejection().is_some());
            let outcome = match delivery {
                Ok(Ok(delivery)) => self.settled(&id, delivery, rejected_before).await,
                Ok(Err(text)) => Recovered::Failed(text),
                Err(_) => Recovered::Waiting,
            };
            recovered.push((id, outcome));
        }
        let is_told = |run: &&&KnownRun| recovered.iter().any(|(id, _)| *id == run.id);
        let panicked: Vec<_> = runs.iter().filter(|run| !is_told(run)).collect();
        let failed = || Recovered::Failed("its delivery panicked".to_owned());
        recovered.extend(panicked.into_iter().map(|run| (run.id.clone(), failed())));
        recovered.sort_by(|(one, _), (other, _)| one.cmp(other));
        recovered
    }

    /// What is to be delivered of a run, or why nothing is.
    fn left_over(&self, run: &KnownRun) -> Result<Left, Recovered> {
        let history = run.history();
        let (Some(claim), Some(end)) = (&history.claim, &history.end) else {
            let is_known = matches!(run.phase, Phase::Claimed | Phase::Executing);
            return Err(if is_known { Recovered::Undecided } else { Recovered::Nothing });
        };
        let (steps, end) = (history.steps.clone(), Some(end.clone()));
        let journal = self.journal.of(run.id.clone());
        let run = LeftOver { journal, claim: claim.clone(), steps, end };
        Ok(Left { run, is_rejected: history.rejection.is_some() })
    }

    async fn settled(&self, id: &RunId, delivery: Delivery, rejected_before: bool) -> Recovered {
        let written = match &delivery {
            Delivery::Accepted | Delivery::Pointless => self.journal.forget(id),
            Delivery::Rejected(rejected) if !rejected_before => {
                let Rejected { update, rejection } = &**rejected;
                self.journal.reject(id, update.clone(), rejection.clone()).await
            }
            _ => Ok(()),
        };
        if let Err(error) = written {
            return Recovered::Failed(chain(&error).to_string());
        }
        match delivery {
            Delivery::Accepted => Recovered::Delivered,
            Delivery::Pointless => Recovered::Over,
            Delivery::Postponed(_) => Recovered::Waiting,
            Delivery::Rejected(rejected) => Recovered::Rejected(rejected.rejection),
        }
    }

    /// Gives a run up: nobody goes on with it or delivers its final status, and its directory is removed. What others may miss is only given
    /// up by `force`; programs that run are then interrupted and waited for. Copies of states stay: a run of which nothing else is left can't be
    /// given up. Tells what there is to tell.
    ///
    /// # Errors
    /// [`DiscardError`].
    pub async fn discard(&self, run: &KnownRun, force: bool) -> Result<Vec<String>, DiscardError> {
        let reasons = precious(run);
        // SECURITY: e2e::runs::what_somebody_may_miss_is_only_discarded_by_force
        let is_given_up = force && run.phase != Phase::Kept;
        if !is_given_up && !reasons.is_empty() {
            return Err(DiscardError::Precious { reasons });
        }
        let mut told = Vec::new();
        let directories = RunDirectories::as_they_are(&self.state);
        if let Some(directory) = directories.left(&run.id).await {
            let path = directory.path().to_owned();
            let block = run.run().map(|run| run.block.uuid.clone()).unwrap_or_default();
            let keeps = self.finish_programs(run, &block, &path, &mut told).await;
            if keeps {
                directory.set_aside().await;
            } else {
                directory.remove().await;
            }
            if path.symlink_metadata().is_ok() {
                return Err(DiscardError::Remains { path });
            }
        }
        // Last: until then it can be tried again.
        self.journal.of(run.id.clone()).give_up().await?;
        self.journal.forget(&run.id)?;
        // Again: what its programs could not write is new.
        let copies = terraform::copies_of(&self.state.join(QUARANTINE), &run.id);
        let copies = run.copies.iter().cloned().chain(copies.unwrap_or_default());
        let copies: BTreeSet<_> = copies.collect();
        told.extend(copies.iter().map(|path| copy_stays(path)));
        Ok(told)
    }

    /// Ends what is running in a run's directory, by what the shims have for that. Whether there is the only copy of a state in it.
    async fn finish_programs(
        &self,
        run: &KnownRun,
        block: &str,
        path: &Path,
        told: &mut Vec<String>,
    ) -> bool {
        // Nothing is started.
        let launcher = Launcher { program: PathBuf::new() };
        let kept = terraform::Kept {
            directory: self.state.join(QUARANTINE),
            key: Some(Arc::clone(self.private_key.public())),
        };
        let report = terraform::finish_left(&launcher, kept, &run.id, block, &paths(path)).await;
        let has_errored = errored(path).is_some();
        let Some(report) = report else { return has_errored };
        let is_kept_elsewhere = matches!(report.state, StateFate::NotSaved(_));
        told.extend(report.stopped);
        if let StateFate::NotSaved(text) | StateFate::Unknown(text) = report.state {
            told.push(text);
        }
        report.keep_directory || (has_errored && !is_kept_elsewhere)
    }
}

/// What is delivered of a run.
struct Left {
    run: LeftOver,
    is_rejected: bool,
}

async fn deliver(client: &Client, left: Left) -> Result<Delivery, String> {
    let Left { run, is_rejected } = left;
    let claim = Claim::parse(run.claim.expose_secret().as_bytes());
    let claim = claim.map_err(|error| chain(&error).to_string())?;
    let LeftOver { journal, steps, end, .. } = run;
    let Some(update) = end else { return Err("it has no final status".to_owned()) };
    if !is_rejected {
        return Ok(recovery::deliver(client, &claim, &steps, (update, journal), BACKOFF).await);
    }
    // What was rejected is no longer in the log, and is not to be there again.
    let client = client.run_client(&claim).map_err(|error| chain(&error).to_string())?;
    let declared = report::declared(&steps);
    Ok(report::deliver(&client, Some(&declared), (update, None).into(), BACKOFF).await)
}

/// What would be lost.
fn precious(run: &KnownRun) -> Vec<String> {
    let mut reasons = Vec::new();
    match run.phase {
        Phase::Ended => reasons.push(
            "its final status has not been delivered: `blockhouse runs recover` delivers it"
                .to_owned(),
        ),
        Phase::Claimed | Phase::Executing => reasons.push(
            "it has not ended: the next daemon goes on with it; without that, meshStack waits for it"
                .to_owned(),
        ),
        // That is what discarding is for.
        Phase::Kept | Phase::Left | Phase::Rejected => {}
    }
    let running = run.operations().into_iter().filter(|operation| operation.is_running());
    reasons
        .extend(running.map(|operation| format!("a program of it is running: {}", operation.name)));
    let errored = run.directory.as_deref().and_then(errored);
    reasons.extend(run.copies.iter().chain(&errored).map(|path| copy_stays(path)));
    reasons
}

fn errored(directory: &Path) -> Option<PathBuf> {
    let path = paths(directory).work.join(ERRORED);
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()).then_some(path)
}

fn copy_stays(path: &Path) -> String {
    format!("a copy of its Terraform state is kept in `{}`, and no copy is removed", path.display())
}
