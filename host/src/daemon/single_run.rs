//! One run from a file, then exit: `EXECUTION_MODE=single-run`, for a job per run in Kubernetes.

use super::pipeline::{self, Job, Pipeline};
use super::stopping::LAST_REPORTS;
use crate::admit::Route;
use crate::capability::http;
use crate::meshstack::{BuildError, Claim, DocumentError, HttpConfig, RunClient, RunnerIdentity};
use crate::prepare::Protection;
use crate::report::{self, Delivery, Reporter};
use crate::rundir::RunDirectories;
use crate::sandbox::Sandbox;
use crate::shutdown::Shutdown;
use crate::slots::{self, Slots};
use crate::terraform::Terraform;
use blockhouse_policy::Limits;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;
use url::Url;

/// The most bytes that a run's document may have; what a claim may have, too.
const DOCUMENT_MAX: u64 = 32 << 20;

/// What is needed to execute one run from a file.
#[derive(Debug)]
pub(super) struct Config {
    /// The run's document, decrypted.
    pub(super) run_file: PathBuf,
    /// How components' requests leave the machine.
    pub(super) outbound: http::Config,
    /// Native programs.
    pub(super) terraform: Option<Terraform>,
    /// How long they may take to end once they were interrupted.
    pub(super) interrupt_patience: Duration,
    /// Who reports.
    pub(super) runner: RunnerIdentity,
    /// Where meshStack is, if that is configured: then the run's token goes nowhere else.
    pub(super) base_url: Option<Url>,
    /// How to talk HTTP.
    pub(super) http: HttpConfig,
    /// How to report.
    pub(super) report: report::Config,
    /// How long a component that watches for aborts may take to clean up.
    pub(super) abort_grace: Duration,
    /// What applies before the run's route is known.
    pub(super) limits: Limits,
}

/// One run that is ready to be executed.
#[derive(Debug)]
pub struct SingleRun {
    control: Runtime,
    work: Runtime,
    claim: Claim,
    client: RunClient,
    pipeline: Pipeline,
    interrupt_patience: Duration,
    tasks: TaskTracker,
}

/// Why a run from a file can't be executed or reported.
#[derive(Debug, thiserror::Error)]
pub enum SingleRunError {
    /// Its document can't be read.
    #[error("failed to read the run from `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Its document holds no run.
    #[error("`{path}` holds no run")]
    Document {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: DocumentError,
    },
    /// It can't be reported.
    #[error("the run from `{path}` can't be reported")]
    Client {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: BuildError,
    },
    /// Components' requests can't leave the machine as policies or configuration want it.
    #[error(transparent)]
    Outbound(#[from] http::StartError),
    /// A runtime can't be set up.
    #[error("failed to start threads")]
    Runtime(#[source] io::Error),
}

impl SingleRun {
    /// Reads the run. There will be no journal: whoever made the file has the run.
    ///
    /// # Errors
    /// [`SingleRunError`] if the run can't even be reported as failed.
    pub(super) fn build(
        config: Config,
        sandbox: Sandbox,
        routes: Vec<Arc<Route>>,
        shutdown: Shutdown,
    ) -> Result<Self, SingleRunError> {
        let path = config.run_file;
        let document = match read(&path) {
            Ok(document) => document,
            Err(source) => return Err(SingleRunError::Read { path, source }),
        };
        let claim = match Claim::parse(&document) {
            Ok(claim) => claim,
            Err(source) => return Err(SingleRunError::Document { path, source }),
        };
        let base_url = config.base_url.as_ref();
        let client = RunClient::from_claim_alone(&config.http, &config.runner, base_url, &claim)
            .map_err(|source| SingleRunError::Client { path, source })?;
        let control = Builder::new_current_thread().enable_all().build();
        let control = control.map_err(SingleRunError::Runtime)?;
        let work = Builder::new_multi_thread().enable_all().thread_name("work").build();
        let work = work.map_err(SingleRunError::Runtime)?;
        let tasks = TaskTracker::new();
        let pipeline = Pipeline {
            sandbox: Arc::new(sandbox),
            earlier: None,
            directories: RunDirectories::temporary(),
            outbound: pipeline::outbound(config.outbound, &routes)?,
            terraform: config.terraform,
            routes,
            protection: Protection::Opened,
            reporter: Reporter::new(config.report, control.handle().clone(), tasks.clone()),
            abort_grace: config.abort_grace,
            limits: config.limits,
            shutdown,
            // The one run shares with nobody.
            slots: Slots::new(slots::Config { slots: 1, memory: u64::MAX, waiting: 1 }),
        };
        let interrupt_patience = config.interrupt_patience;
        Ok(Self { control, work, claim, client, pipeline, interrupt_patience, tasks })
    }

    /// Executes the run and reports it with its own token; blocks. `background` runs beside it on the control thread.
    pub fn run(self, background: impl Future<Output = ()> + Send + 'static) -> Delivery {
        let Self { control, work, claim, client, pipeline, interrupt_patience, tasks } = self;
        let span = tracing::info_span!("run", run = %claim.id());
        let shutdown = pipeline.shutdown.clone();
        let aborting = shutdown.clone();
        let delivery = control.block_on(async {
            tokio::spawn(background);
            tokio::spawn(async move {
                // There is nothing to drain: stopping means aborting the one run.
                shutdown.draining().await;
                shutdown.abort();
            });
            let patience = interrupt_patience + pipeline.abort_grace + LAST_REPORTS;
            let run = async move {
                let mut slot = pipeline.slots.slot().await;
                let job = Job { claim, client, journal: None, claiming: None, resumed: None };
                pipeline.carry_out(job, &mut slot).await
            };
            let run = work.spawn(run.instrument(span));
            let given_up = async {
                aborting.aborting().await;
                tokio::time::sleep(patience).await;
            };
            let finished = async {
                let delivery = run.await.unwrap_or(Delivery::Postponed(None));
                // After a panic, a defect, the report still has to tell meshStack.
                tasks.close();
                tasks.wait().await;
                delivery
            };
            tokio::select! {
                biased;
                delivery = finished => delivery,
                () = given_up => Delivery::Postponed(None),
            }
        });
        work.shutdown_background();
        delivery
    }
}

fn read(path: &std::path::Path) -> io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut document = Vec::new();
    std::fs::File::open(path)?.take(DOCUMENT_MAX + 1).read_to_end(&mut document)?;
    if document.len() as u64 > DOCUMENT_MAX {
        let message = format!("more than {DOCUMENT_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(document)
}
