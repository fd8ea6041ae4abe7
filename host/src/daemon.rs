//! The daemon: builds everything (which can fail), then runs it (which can't).
//!
//! Main type: [`Daemon`]. Two runtimes: the *control* runtime is one thread, on which polling, reporting and the admin
//! server live and no guest code ever runs, so that nothing starves a sign of life; the *work* runtime has a thread per
//! core and executes the runs; what they send is carried out by [`Outbound`](crate::capability::http::Outbound)'s. Every task is tracked: the
//! daemon ends when they have.

mod active;
mod assembly;
mod belongings;
pub mod inventory;
mod native;
pub mod offline;
mod pipeline;
mod postponed;
mod recovery;
mod single_run;
mod stopping;

pub use assembly::{
    Assembled, AssemblyError, RouteError, assemble, assemble_offline, component_bytes, load_config,
    load_rules,
};
pub use single_run::{SingleRun, SingleRunError};

use crate::admin::{Admin, Readiness};
use crate::admit::Route;
use crate::capability::http;
use crate::crash::{self, CrashPoint};
use crate::execute::EarlierComponents;
use crate::journal::{self, Found, Journal, JournalError, LeftOver, RunJournal, Writing};
use crate::meshstack::wire::RunnerRegistration;
use crate::meshstack::{self, Client, RunClient};
use crate::poll::{self, ClaimedRun, poll};
use crate::prepare::Protection;
use crate::registry::Registry;
use crate::report::{self, Delivery, Reporter};
use crate::rundir::{RunDirectories, RunDirectoryError};
use crate::sandbox::Sandbox;
use crate::shutdown::Shutdown;
use crate::slots::{self, Slots};
use crate::telemetry::chain;
use crate::terraform::Terraform;
use crate::unseal::PrivateKey;
use active::Active;
use blockhouse_policy::Limits;
use pipeline::{Job, Pipeline, Resumed};
use postponed::Postponed;
use secrecy::ExposeSecret as _;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// How long a final status that meshStack refuses is left alone.
const POSTPONED_PAUSE: Duration = Duration::from_secs(10 * 60);

/// How often rejected runs are looked at that may have been kept for long enough.
const BOUNDS_PAUSE: Duration = Duration::from_secs(60 * 60);

/// Everything a daemon needs, valid.
#[derive(Debug)]
pub struct Config {
    /// How to reach meshStack.
    pub meshstack: meshstack::Config,
    /// What meshStack is to be told about this runner at start, if anything.
    pub registration: Option<RunnerRegistration>,
    /// Opens secrets and the journal.
    pub private_key: PrivateKey,
    /// How to poll.
    pub poll: poll::Config,
    /// How to report.
    pub report: report::Config,
    /// Where the journal is, and what is kept of runs. Without one nothing survives this process, which is for measuring what that costs.
    pub state_directory: Option<PathBuf>,
    /// How much the journal leaves and takes.
    pub journal: journal::Config,
    /// Where to serve health, if anywhere.
    pub admin: Option<SocketAddr>,
    /// What all runs share.
    pub slots: slots::Config,
    /// How long a drain waits before the remaining runs are aborted.
    pub drain_timeout: Duration,
    /// How long a component that watches for aborts may take to clean up.
    pub abort_grace: Duration,
    /// What applies before a run's route is known.
    pub limits: Limits,
    /// How components' requests leave the machine.
    pub outbound: http::Config,
    /// Native programs; without them, no run drives any.
    pub terraform: Option<Terraform>,
    /// How long native programs may take to end once they were interrupted.
    pub interrupt_patience: Duration,
}

/// Why a daemon can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The admin address can't be used.
    #[error("failed to listen on `{address}` for the admin server (`admin.address`)")]
    Admin {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The client can't be set up.
    #[error("failed to set up the meshStack client")]
    Client(#[from] meshstack::BuildError),
    /// Components' requests can't leave the machine as policies or configuration want it.
    #[error(transparent)]
    Outbound(#[from] http::StartError),
    /// A runtime can't be set up.
    #[error("failed to start threads")]
    Runtime(#[source] io::Error),
    /// The journal can't be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The place of the run directories can't be used.
    #[error(transparent)]
    RunDirectories(#[from] RunDirectoryError),
}

/// How a daemon ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Every claimed run has its final status at meshStack, or meshStack has rejected it for good.
    Drained,
    /// What was executing is left to the next start.
    HandedOver,
    /// Some final statuses are in the journal only; the next start delivers them.
    Unreported,
}

/// A daemon that is ready to run.
#[derive(Debug)]
pub struct Daemon {
    control: Runtime,
    work: Runtime,
    admin: Option<Admin>,
    left_over: Vec<LeftOver>,
    core: Arc<Core>,
}

/// What the tasks of a daemon share.
#[derive(Debug)]
struct Core {
    client: Client,
    registration: Option<RunnerRegistration>,
    journal: Option<Journal>,
    pipeline: Pipeline,
    room: slots::Config,
    slots: Slots,
    poll: poll::Config,
    report: report::Config,
    drain_timeout: Duration,
    interrupt_patience: Duration,
    shutdown: Shutdown,
    tasks: TaskTracker,
    active: Arc<Active>,
    postponed: Postponed,
}

/// How a run came to us.
enum Origin {
    /// An earlier process has begun it.
    Earlier(RunJournal, Resumed),
    /// It was claimed now, and that is being written down; unless nothing is.
    Now(Option<(RunJournal, Writing)>),
}

impl Daemon {
    /// Takes what can be refused: ports, directories, locks, address space. No run is claimed before [`Daemon::run`].
    ///
    /// # Errors
    /// [`StartError`].
    pub fn build(
        config: Config,
        sandbox: Sandbox,
        routes: Vec<Arc<Route>>,
        shutdown: Shutdown,
    ) -> Result<Self, StartError> {
        let client = Client::new(config.meshstack)?;
        let key = Arc::new(config.private_key);
        let (journal, found) = match &config.state_directory {
            Some(directory) => {
                let (journal, found) = Journal::open(directory, &key, config.journal)?;
                (Some(journal), found)
            }
            None => (None, Found::default()),
        };
        for error in &found.unreadable {
            tracing::error!(error = %chain(error), "a part of the journal is unreadable and left as it is");
        }
        // After the journal, which holds the lock. A run whose final status is decided needs its directory no more.
        let goes_on = |name: &str| {
            // Of a journal that can't be read, nobody knows which runs are over.
            !found.unreadable.is_empty()
                || found
                    .runs
                    .iter()
                    .any(|run| run.end.is_none() && run.journal.run().as_str() == name)
        };
        let directories = match &config.state_directory {
            Some(directory) => RunDirectories::open(directory, goes_on)?,
            None => RunDirectories::temporary(),
        };
        crash::point(CrashPoint::RecoveryCleaned);
        let registry = config.state_directory.as_deref().map(Registry::of);
        // Runs that go on may have been begun with any of them.
        if let Some(registry) = &registry
            && found.unreadable.is_empty()
            && found.runs.iter().all(|run| run.end.is_some())
        {
            let needed: Vec<_> = routes.iter().map(|route| route.component.digest()).collect();
            if let Err(error) = registry.forget_all_but(&needed) {
                tracing::warn!(%error, "components that no run needs any more can't be removed");
            }
        }
        let control = Builder::new_current_thread().enable_all().build();
        let control = control.map_err(StartError::Runtime)?;
        let work = Builder::new_multi_thread().enable_all().thread_name("work").build();
        let work = work.map_err(StartError::Runtime)?;
        let tasks = TaskTracker::new();
        let admin = match config.admin {
            Some(address) => {
                let readiness = Readiness::new(
                    client.contact(),
                    shutdown.clone(),
                    journal.as_ref().map(Journal::health).unwrap_or_default(),
                    config.poll.interval,
                );
                let admin = Admin::bind(address, readiness);
                Some(admin.map_err(|source| StartError::Admin { address, source })?)
            }
            None => None,
        };
        let slots = Slots::new(config.slots);
        let pipeline = Pipeline {
            slots: slots.clone(),
            sandbox: Arc::new(sandbox),
            earlier: registry.map(EarlierComponents::new),
            directories,
            outbound: pipeline::outbound(config.outbound, &routes)?,
            terraform: config.terraform,
            routes,
            protection: Protection::Sealed(key),
            reporter: Reporter::new(config.report, control.handle().clone(), tasks.clone()),
            abort_grace: config.abort_grace,
            limits: config.limits,
            shutdown: shutdown.clone(),
        };
        let core = Core {
            client,
            registration: config.registration,
            journal,
            pipeline,
            room: config.slots,
            slots,
            poll: config.poll,
            report: config.report,
            drain_timeout: config.drain_timeout,
            interrupt_patience: config.interrupt_patience,
            shutdown,
            tasks,
            active: Arc::default(),
            postponed: Postponed::default(),
        };
        Ok(Self { control, work, admin, left_over: found.runs, core: Arc::new(core) })
    }

    /// Where the admin server listens.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(Admin::address)
    }

    /// Claims and executes runs until it is told to stop; blocks. `background` runs beside it on the control thread,
    /// to watch for signals.
    pub fn run(self, background: impl Future<Output = ()> + Send + 'static) -> Stopped {
        let Self { control, work, admin, left_over, core } = self;
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            concurrency = core.room.slots,
            memory_mib = core.room.memory >> 20,
            poll_interval = ?core.poll.interval,
            admin = admin.as_ref().map(|admin| tracing::field::display(admin.address())),
            left_over_runs = left_over.len(),
            "the daemon is up"
        );
        let stopped = control.block_on(async {
            tokio::spawn(background);
            if let Some(admin) = admin {
                tokio::spawn(admin.serve());
            }
            tokio::spawn(Arc::clone(&core).keep_to_bounds());
            // Those that had their blocks first: of two runs of one block, only one has begun to work.
            let mut left_over = left_over;
            left_over.sort_by_key(|run| !core.pipeline.directories.has_begun(run.journal.run()));
            for run in left_over {
                core.recover(run, work.handle());
            }
            crash::point(CrashPoint::RecoveryBegun);
            let Core { client, slots, shutdown, .. } = &*core;
            tokio::select! {
                biased;
                () = shutdown.draining() => {}
                () = core.register() => {}
            }
            let can_start = async || core.can_keep_runs().await;
            let start = |claimed| core.start(claimed, work.handle());
            poll(core.poll, client, slots, shutdown, can_start, start).await;
            core.drain().await;
            crash::point(CrashPoint::ShutdownDrained);
            core.stopped()
        });
        // What is still running has been waited for long enough; the journal has it.
        work.shutdown_background();
        stopped
    }
}

impl Core {
    /// Removes what of rejected runs has been kept for long enough; for ever, for a task of its own.
    async fn keep_to_bounds(self: Arc<Self>) {
        let Some(journal) = &self.journal else { return };
        loop {
            tokio::time::sleep(BOUNDS_PAUSE).await;
            if let Err(error) = journal.prune().await {
                tracing::warn!(error = %chain(&error), "what is kept of rejected runs can't be looked through");
            }
        }
    }

    /// Tells meshStack about this runner. It can work without, so a failure is no reason to stop.
    async fn register(&self) {
        let Some(registration) = &self.registration else { return };
        match self.client.register_runner(registration).await {
            Ok(()) => tracing::info!("registered the runner in meshStack"),
            Err(error) => tracing::error!(error = %chain(&error), "registering the runner failed"),
        }
    }

    /// Starts a claimed run on the work runtime.
    fn start(self: &Arc<Self>, claimed: ClaimedRun, work: &Handle) {
        let id = claimed.claim.id().clone();
        let Some(entry) = self.active.enter(id.clone()) else {
            tracing::error!(run = %id, "meshStack handed out a run that is executing here; it is not started twice");
            return;
        };
        let span = tracing::info_span!("run", run = %id);
        let core = Arc::clone(self);
        // At once: whoever hands over from now on has it.
        let written = self.journal.as_ref().map(|journal| {
            let journal = journal.of(id);
            let claiming = journal.claim(claimed.claim.document().expose_secret());
            (journal, claiming)
        });
        let run = async move {
            // Left by a panic as well: a run that is never given back would never be started again.
            let _entry = entry;
            core.carry_out(claimed, Origin::Now(written)).await;
        };
        self.tasks.spawn_on(run.instrument(span), work);
    }

    async fn carry_out(self: &Arc<Self>, claimed: ClaimedRun, origin: Origin) {
        let ClaimedRun { claim, mut slot } = claimed;
        if let Origin::Now(_) = &origin {
            tracing::info!("run claimed");
        }
        let client = match self.client.run_client(&claim) {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(error = %chain(&error), "the run can't be reported, so it is not executed");
                return;
            }
        };
        let (journal, claiming, resumed) = match origin {
            Origin::Earlier(journal, resumed) => (Some(journal), None, Some(resumed)),
            Origin::Now(written) => {
                let (journal, claiming) = written.unzip();
                (journal, claiming, None)
            }
        };
        let kept = journal.clone();
        let job = Job { claim, client: client.clone(), journal, claiming, resumed };
        // Boxed, here and in the pipeline: what a run is doing for hours must not take the room of all that it does before and after.
        let delivery = Box::pin(self.pipeline.carry_out(job, &mut slot)).await;
        // Held to here: while final statuses can't be delivered, no more runs are claimed.
        drop(slot);
        Box::pin(self.settle(client, kept, delivery)).await;
    }

    /// Tries a final status that meshStack refuses again, now and then, until it is settled or the daemon drains.
    async fn settle(&self, client: RunClient, journal: Option<RunJournal>, mut delivery: Delivery) {
        let mut room = None;
        while let Delivery::Postponed(update) = delivery {
            // What is in no journal would be lost, but says little: such a run was not executed.
            if room.is_none() && journal.is_some() && update.is_some() {
                room = self.postponed.room();
                if room.is_none() {
                    tracing::warn!(
                        "too many final statuses are refused by meshStack to try this one again; the next start delivers it"
                    );
                    return self.postponed.leave(update);
                }
            }
            // Without the status, or without time, only the next start can deliver it, from the journal.
            let pause = tokio::time::timeout(POSTPONED_PAUSE, self.shutdown.draining());
            let is_left = update.is_none() || pause.await.is_ok();
            let (Some(update), false) = (update, is_left) else {
                return self.postponed.leave(None);
            };
            let backoff = self.report.backoff;
            let again = (*update, journal.clone());
            delivery = report::deliver(&client, None, again.into(), backoff).await;
        }
        if let (Delivery::Rejected(rejected), Some(journal)) = (delivery, journal) {
            self.set_aside(&journal, *rejected).await;
        }
    }

    /// Keeps a run whose final status was rejected for good where nobody tries it again unasked.
    async fn set_aside(&self, journal: &RunJournal, rejected: report::Rejected) {
        let report::Rejected { update, rejection } = rejected;
        // Who has the run's part of it has the whole.
        let Some(all) = &self.journal else { return };
        match all.reject(journal.run(), update, rejection).await {
            Ok(()) => tracing::warn!(
                "the run is kept with its final status: `blockhouse runs show` shows it, `runs recover` tries it again, `runs discard` drops it"
            ),
            Err(error) => {
                tracing::error!(error = %chain(&error), "the run could not be set aside; the next start tries it again");
            }
        }
    }

    /// Whether a claimed run could be kept; asked before each claim, so that a full disk does not fail the whole queue.
    async fn can_keep_runs(&self) -> bool {
        let checked = self.check_journal().await;
        if let Err(error) = &checked {
            tracing::error!(error = %chain(error), "no run is claimed, since it could not be kept");
        }
        checked.is_ok()
    }

    async fn check_journal(&self) -> Result<(), JournalError> {
        match &self.journal {
            Some(journal) => journal.check().await,
            None => Ok(()),
        }
    }
}
