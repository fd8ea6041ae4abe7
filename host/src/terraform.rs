//! Terraform and OpenTofu, carried out for runs: [`Terraform`] is shared by all, a [`Workspace`] is one run's.
//!
//! * `store` has the programs, `providers` the mirror of providers.
//! * `workspace` has the verbs on the configuration in a run's directory. Each verb is a task of its own, so that what it has started is
//!   followed to its end even if nobody waits for the answer any more.
//! * What a verb needs: `command` (what is started), `environment`, `record` (what a restart must know), `follow` (an operation and
//!   its log), `answer` (how an end is told), `state` with `quarantine` and `sealed` (no state is lost), `locks` with `holder` (no lock is left), `modules`,
//!   `outputs`, `script`, `files`, `plan`.
//!
//! Starts nothing itself: [`shim`](crate::shim) does. Knows neither meshStack nor components.

mod answer;
mod backend;
mod blocks;
mod command;
mod config;
mod environment;
mod files;
mod flight;
mod follow;
mod holder;
mod locks;
mod modules;
mod outputs;
pub mod providers;
mod quarantine;
mod record;
mod sealed;
mod state;
pub mod store;
mod tail;
mod users;
mod workspace;

pub use answer::{
    Cancellation, CheckoutError, OperationError, OutputShape, OutputValue, StateFate, StopReason,
    ToolFailure, ToolOutput,
};
pub use blocks::{BlockLock, BlockLocks};
pub use config::{Config, Pushing};
pub use flight::{InFlight, Report};
pub use holder::{HolderError, ask as ask_for_holder};
pub use quarantine::{copies, copies_of};
pub use sealed::{OpenError, open as open_sealed};
pub use state::ERRORED;
pub use tail::{Shown, shown};
pub use users::{Users, UsersConfig, UsersError};
pub use workspace::{
    Assignment, FetchedPlan, LogSink, Opener, Paths, PlanError, PlanSource, Source, StateBackend,
    Workspace,
};

use crate::git::Git;
use crate::run::RunId;
use crate::shim::Launcher;
use crate::telemetry::chain;
use crate::unseal::PublicKey;
use flight::not_begun;
use follow::Follower;
use locks::{Evidences, USER_PREFIX};
use providers::Mirrors;
use quarantine::Quarantine;
use state::Context;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use store::Store;

/// What all runs share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Terraform {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    blocks: BlockLocks,
    config: Config,
    git: Git,
    launcher: Launcher,
    mirrors: Mirrors,
    store: Store,
}

/// Where states are kept that could not be written where they belong.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The directory.
    pub directory: PathBuf,
    /// What they are sealed to, if there is anything.
    pub key: Option<Arc<PublicKey>>,
}

/// See [`Terraform::finish_left`]; for a process that carries out nothing itself.
pub async fn finish_left(
    launcher: &Launcher,
    kept: Kept,
    run: &RunId,
    block: &str,
    paths: &Paths,
) -> Option<Report> {
    let quarantine = Quarantine::new(kept.directory, kept.key);
    let (operations, work) = (paths.operations.clone(), paths.work.clone());
    let (block, run) = (block.to_owned(), run.to_string());
    state::finish(state::Left { launcher, quarantine, operations, work, block, run }).await
}

impl Terraform {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        config: Config,
        store: Store,
        mirrors: Mirrors,
        git: Git,
        launcher: Launcher,
    ) -> Self {
        let blocks = BlockLocks::default();
        Self { shared: Arc::new(Shared { blocks, config, git, launcher, mirrors, store }) }
    }

    /// Which runs have a block to themselves. Whoever recovers runs after a restart takes their blocks before others are claimed.
    #[must_use]
    pub fn blocks(&self) -> &BlockLocks {
        &self.shared.blocks
    }

    /// Waits until no other run of this process works on the block, then takes the run's directory into use.
    ///
    /// # Errors
    /// [`OperationError::Cancelled`] if the run is stopped while it waits, [`OperationError::Fault`] if the directory can't be used.
    pub async fn enter(&self, mut assignment: Assignment) -> Result<Workspace, OperationError> {
        let flight = InFlight::new(assignment.abort.clone());
        let block = match assignment.held.take() {
            Some(held) => held,
            None => tokio::select! {
                block = self.shared.blocks.take(&assignment.block) => Arc::new(block),
                reason = flight.stopped() => {
                    return Err(OperationError::Cancelled(not_begun("terraform", reason)));
                }
            },
        };
        let config = self.shared.config.clone();
        if let Some(users) = &config.users {
            assignment.user = Some(self.settle_in(users, &assignment).await?);
        }
        assignment.permit = assignment.permit.with_defaults(&config.defaults);
        let run = assignment.run.as_str();
        let short = run.get(..8).unwrap_or(run);
        let context = Context {
            follower: Follower {
                launcher: self.shared.launcher.clone(),
                directory: assignment.paths.operations.clone(),
                log: Arc::clone(&assignment.log),
                flight,
            },
            quarantine: Quarantine::new(config.quarantine.clone(), config.key.clone()),
            evidences: Evidences::new(config.locks.clone()),
            run: run.to_owned(),
            block: assignment.block.clone(),
            work: assignment.paths.work.clone(),
            user: format!("{USER_PREFIX}{short}"),
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            releases_locks: assignment.permit.releases_locks(),
            config,
        };
        let mirrors = self.shared.mirrors.clone();
        let (tenant, owner) = (assignment.tenant.clone(), assignment.owner.clone());
        let mirror = files::blocking(move || mirrors.of(&tenant, &owner)).await;
        let mirror = mirror.map_err(|error| {
            OperationError::Fault(format!("the providers of the tenant can't be used: {error}"))
        })?;
        Workspace::open(Arc::clone(&self.shared), mirror, context, block, assignment)
    }

    /// Ends what an earlier process has left running in a run directory and nobody goes on with, and keeps the state that it leaves; says
    /// what has become of it. To be called before a resumed run has its final status: its component may have ended before it came there.
    pub async fn finish_left(&self, run: &RunId, block: &str, paths: &Paths) -> Option<Report> {
        let Config { quarantine, key, .. } = &self.shared.config;
        let kept = Kept { directory: quarantine.clone(), key: key.clone() };
        finish_left(&self.shared.launcher, kept, run, block, paths).await
    }

    /// Gives the run's directories to its tenant's user, who must be able to reach them.
    async fn settle_in(
        &self,
        users: &Arc<Users>,
        assignment: &Assignment,
    ) -> Result<(u32, u32), OperationError> {
        let (users, tenant) = (Arc::clone(users), assignment.tenant.clone());
        let paths = assignment.paths.clone();
        let settled = files::blocking(move || {
            let user = users.of(&tenant).map_err(io::Error::other)?;
            for own in [&paths.work, &paths.home, &paths.tmp, &paths.data, &paths.plan] {
                // In a directory that is ours alone: nobody can have put a link in its place.
                crate::os::give_to(&File::open(own)?, user)?;
            }
            // Passed through, not listed: the run directory, that of all runs, and the state directory.
            let above = paths.root.ancestors().take(3).chain([&*paths.secrets]);
            for directory in above {
                crate::os::set_mode(&File::open(directory)?, 0o711)?;
            }
            Ok(user)
        });
        settled.await.map_err(|error| {
            let text = format!("the user of the tenant can't be used: {}", chain(&error));
            OperationError::Fault(text)
        })
    }
}
