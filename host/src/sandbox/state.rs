//! What belongs to one run: the data of its store.

use super::Job;
use super::files::{self, Files};
use super::limiter::MemoryLimiter;
use super::outside;
use super::stdio::Output;
use crate::audit::Auditor;
use crate::capability::http::wasi::WasiHttp;
use crate::capability::http::{Egress, HeaderSecrets};
use crate::capability::{Native, Progress};
use crate::run::OpenedDocument;
use crate::rundir::WorkDirectory;
use crate::tape::Tape;
use blockhouse_policy::Grants;
use std::sync::Arc;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// Random bytes per call. Against a request that makes the host generate megabytes.
const RANDOM_BYTES_MAX: u64 = 64 << 10;

/// The data of one run's store. Dropped with the store, after whatever end.
pub(crate) struct RunState {
    pub(crate) grants: Arc<Grants>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) table: ResourceTable,
    pub(super) files: Files,
    pub(super) limiter: MemoryLimiter,
    /// Whether `execute` was called: what goes wrong from then on is the component's doing.
    pub(super) entered: bool,
    pub(crate) auditor: Arc<Auditor>,
    /// The way out, whichever interface it is asked by.
    pub(crate) egress: Arc<Egress>,
    pub(crate) wasi_http: WasiHttp,
    /// What it drives native programs with, if it may.
    pub(crate) native: Option<Native>,
    /// The run's document, which it never sees.
    pub(crate) document: Option<Arc<OpenedDocument>>,
    /// What came to the component from outside.
    pub(crate) tape: Arc<Tape>,
    wasi: WasiCtx,
    work: u64,
    preempted: bool,
}

impl RunState {
    /// Fails if the directory that it is to see can't be opened.
    pub(super) fn new(job: &mut Job) -> wasmtime::Result<Self> {
        let (native, document) = (job.native.take(), job.document.take());
        let Job { grants, progress, auditor, work, tape, .. } = job;
        let work = work.as_ref();
        let mut table = ResourceTable::new();
        table.set_max_capacity(grants.limits().handles);
        // No environment, no arguments, no network, and no directory without a grant: an empty context is what components get.
        let mut wasi = WasiCtx::builder();
        wasi.stdout(Output::new(progress))
            .stderr(Output::new(progress))
            .allow_tcp(false)
            .allow_udp(false)
            .max_random_size(RANDOM_BYTES_MAX);
        outside::give(&mut wasi, tape);
        if let Some(work) = work {
            files::preopen(&mut wasi, work)?;
        }
        let files = Files::new(Arc::clone(auditor), work.and_then(WorkDirectory::permit));
        let limiter = MemoryLimiter::new(grants.limits());
        let egress = Arc::new(Egress::new(
            Arc::clone(&job.outbound),
            Arc::clone(grants),
            Arc::clone(auditor),
            HeaderSecrets::of(&job.run, grants),
            Arc::clone(progress),
            Arc::clone(tape),
        ));
        Ok(Self {
            grants: Arc::clone(grants),
            progress: Arc::clone(progress),
            auditor: Arc::clone(auditor),
            wasi_http: WasiHttp::new(Arc::clone(&egress)),
            egress,
            native,
            document,
            table,
            files,
            limiter,
            entered: false,
            tape: Arc::clone(tape),
            wasi: wasi.build(),
            work: 0,
            preempted: false,
        })
    }

    /// Counts work that a host function does beyond being called, in bytes; it is charged when the function returns.
    pub(crate) fn charge(&mut self, bytes: usize) {
        self.work = self.work.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// The guest was interrupted for its neighbours' sake, which it does not pay for: fuel stays deterministic.
    pub(super) fn preempted(&mut self) {
        self.preempted = true;
    }

    /// The work to be charged now; `None` after an interruption.
    pub(super) fn take_work(&mut self) -> Option<u64> {
        if std::mem::take(&mut self.preempted) {
            return None;
        }
        let elsewhere =
            [self.files.take_work(), self.egress.budget.take_work(), self.progress.take_work()];
        Some(elsewhere.into_iter().fold(std::mem::take(&mut self.work), u64::saturating_add))
    }
}

impl WasiView for RunState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
