//! Runs a component within walls: [`Sandbox`].
//!
//! One store and one instance per run, never reused. Fuel is the budget, wall clock the deadline, memory is summed over the
//! store; whatever ends a run becomes an [`Outcome`] that names it. This module never talks to meshStack.
//!
//! Components are compiled by a process of its own, which takes the program `blockhouse compile`; this one has no compiler.
//!
//! Owns one thread, the `ticker`, which advances the engine's epoch so that a busy guest yields to its neighbours.

pub mod anatomy;
pub(crate) mod bindings;
mod cache;
mod compiler;
mod component;
mod ending;
mod engine;
mod files;
mod fuel;
mod limiter;
mod linker;
mod lowering;
mod native_code;
mod outside;
mod poll;
mod precompile;
mod random;
mod state;
mod stdio;
mod ticker;

pub use cache::CacheConfig;
pub use compiler::Compiler;
pub use component::{Component, LoadError, NotPermitted};
pub(crate) use ending::HostError;
pub(crate) use engine::RELEASED_STACK;
pub use engine::{Config, MEMORY_MAX, RUNS_MAX, StartError};
pub use precompile::{PrecompileError, precompile};
pub(crate) use state::RunState;

use crate::audit::Auditor;
use crate::capability::http::Outbound;
use crate::capability::{Native, Progress};
use crate::crash::{self, CrashPoint};
use crate::outcome::{Failure, Outcome, Usage};
use crate::run::{OpenedDocument, OpenedRun};
use crate::rundir::WorkDirectory;
use crate::tape::Tape;
use crate::terraform::{InFlight, StopReason};
use blockhouse_policy::Grants;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use wasmtime::{Engine, Store, UpdateDeadline};

/// The engine and what is linked to every component. Cheap to share; lives as long as the daemon.
#[derive(Debug)]
pub struct Sandbox {
    engine: Engine,
    linker: linker::Linked,
    compiler: compiler::Compilation,
    _ticker: ticker::Ticker,
}

/// All that one execution needs.
#[derive(Debug)]
pub struct Job {
    /// What is to be done.
    pub run: OpenedRun,
    /// What the component may do.
    pub grants: Arc<Grants>,
    /// What it sees as `/work`, if it may use files.
    pub work: Option<WorkDirectory>,
    /// What it drives native programs with, if it may.
    pub native: Option<Native>,
    /// The run's document, if the component may have it given away.
    pub document: Option<Arc<OpenedDocument>>,
    /// Where it reports to, and who may stop it.
    pub progress: Arc<Progress>,
    /// What came to it from outside, for whoever must go on with the run.
    pub tape: Arc<Tape>,
    /// How its requests leave the machine.
    pub outbound: Arc<Outbound>,
    /// Where it is written down what policy said and what was reached.
    pub auditor: Arc<Auditor>,
    /// How long a component that watches for aborts may take to clean up.
    pub abort_grace: Duration,
}

impl Sandbox {
    /// Reserves the address space for all runs and starts the ticker.
    ///
    /// # Errors
    /// [`StartError`] with advice if the machine does not give the address space.
    pub fn new(config: &Config) -> Result<Self, StartError> {
        let engine = engine::serving(config.max_runs)?;
        let compiler = compiler::Compilation::new(&config.compiler)?;
        let linker = linker::link(&engine).map_err(StartError::Link)?;
        let ticker = ticker::Ticker::start(engine.weak()).map_err(StartError::Ticker)?;
        Ok(Self { engine, linker, compiler, _ticker: ticker })
    }

    /// Has a component checked and compiled by a process of its own, or takes its code from the cache. Blocks meanwhile.
    ///
    /// # Errors
    /// [`LoadError`] if the bytes are no component that could run here, or compiling them takes too much.
    pub fn load(&self, bytes: &[u8], max_bytes: usize) -> Result<Component, LoadError> {
        Component::load(&self.engine, &self.linker, &self.compiler, bytes, max_bytes)
    }

    /// Executes a run to its end, whatever that is.
    ///
    /// Native programs that it has started are interrupted when the run is to be stopped, and waited for: the component still learns how
    /// they ended.
    pub fn execute<'a>(
        &'a self,
        component: &'a Component,
        job: Job,
    ) -> Pin<Box<dyn Future<Output = (Outcome, Usage)> + Send + 'a>> {
        // What is given to a future that waits for hours stays in it, and once more where it is used.
        let job = Box::new(job);
        Box::pin(self.carry_out(component, job))
    }

    async fn carry_out(&self, component: &Component, mut job: Box<Job>) -> (Outcome, Usage) {
        let started = Instant::now();
        let limits = job.grants.limits().clone();
        let progress = Arc::clone(&job.progress);
        let programs = Programs::of(job.native.as_ref());
        let abort_grace = job.abort_grace;
        let aborted = async {
            let reason = progress.abort().aborted().await;
            let had_programs = programs.stop(reason.into()).await;
            if had_programs || progress.watches_abort() {
                tokio::time::sleep(abort_grace).await;
            }
            reason
        };
        let is_late = AtomicBool::new(false);
        let late = async {
            tokio::time::sleep(limits.wall_time).await;
            is_late.store(true, Ordering::Relaxed);
            if programs.stop(StopReason::Time).await {
                tokio::time::sleep(abort_grace).await;
            }
        };
        let mut store = match self.store(&mut job) {
            Ok(store) => store,
            Err(error) => {
                let usage = Usage {
                    fuel_allowed: limits.fuel,
                    memory_allowed: limits.memory_bytes,
                    wall_time: started.elapsed(),
                    wall_time_allowed: limits.wall_time,
                    ..Usage::default()
                };
                return (ending::not_begun(&error), usage);
            }
        };
        let (auditor, grants) = (Arc::clone(&job.auditor), Arc::clone(&job.grants));
        let budget = Arc::clone(&store.data().egress.budget);
        let work = call(&mut store, component, job.run);
        let ended = tokio::select! {
            // A run that has ended has ended, whatever else happens at the same moment.
            biased;
            result = work => ending::Ended::Returned(result),
            reason = aborted => ending::Ended::Aborted(reason),
            hit = budget.exhausted() => ending::Ended::Limit(hit),
            () = late => ending::Ended::Timeout,
        };
        // Whatever the end was, nothing goes on behind it.
        programs.stop(StopReason::ByUser).await;
        // A component that was told of the end of its time, and says that it failed, has failed because of that.
        let ended = match ended {
            ending::Ended::Returned(Ok(Err(_))) if is_late.load(Ordering::Relaxed) => {
                ending::Ended::Timeout
            }
            ended => ended,
        };

        // Bytes go on their way without the component: it may have returned before it could notice.
        // SECURITY: walls::a_component_that_ignores_the_limit_has_hit_it_all_the_same
        let ended = match (ended, budget.hit()) {
            (ending::Ended::Returned(_), Some(hit)) => ending::Ended::Limit(hit),
            (ended, _) => ended,
        };
        let wall_time = started.elapsed();
        let fuel_left = store.get_fuel().unwrap_or(0);
        let usage = Usage {
            fuel: limits.fuel.saturating_sub(fuel_left),
            fuel_allowed: limits.fuel,
            memory_peak: store.data().limiter.peak(),
            memory_allowed: limits.memory_bytes,
            wall_time,
            wall_time_allowed: limits.wall_time,
        };
        let outcome = ending::outcome(ended, store.data(), &usage);
        if let Outcome::Failed(Failure::Limit(hit)) = &outcome {
            let rule = hit.limit.policy_key().and_then(|key| grants.limit_rule(key));
            auditor.limit(hit.limit.code(), hit.used, hit.allowed, rule);
        }
        (outcome, usage)
    }

    fn store(&self, job: &mut Job) -> wasmtime::Result<Store<RunState>> {
        let mut store = Store::new(&self.engine, RunState::new(job)?);
        let limits = job.grants.limits();
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(limits.host_call_bytes);
        // SECURITY: walls::a_list_to_poll_is_no_longer_than_there_may_be_handles
        store.set_max_component_handles(limits.handles);
        // Can't fail: fuel is on in the engine's configuration.
        let fuel = store.set_fuel(limits.fuel);
        debug_assert!(fuel.is_ok());
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut context| {
            // Only the data may be touched here; anything that uses the store is unsound (CVE-2026-104855).
            context.data_mut().preempted();
            Ok(UpdateDeadline::Yield(1))
        });
        store.call_hook(fuel::charge);
        Ok(store)
    }
}

/// The native programs of a run.
struct Programs(Option<InFlight>);

impl Programs {
    fn of(native: Option<&Native>) -> Self {
        Self(native.map(|native| native.workspace.in_flight()))
    }

    /// Has what is in flight interrupted and waits for its end; whether the run has programs at all.
    async fn stop(&self, reason: StopReason) -> bool {
        let Some(in_flight) = &self.0 else { return false };
        in_flight.interrupt(reason);
        if reason == StopReason::Shutdown {
            in_flight.hurry();
        }
        in_flight.settled().await;
        true
    }
}

/// Instantiates and calls. Both execute guest code: a start function may loop as well as `execute`.
async fn call(
    store: &mut Store<RunState>,
    component: &Component,
    run: OpenedRun,
) -> wasmtime::Result<Result<bindings::Verdict, bindings::Failure>> {
    let instance = Box::pin(component.pre().instantiate_async(&mut *store)).await?;
    crash::point(CrashPoint::ComponentInstantiated);
    let run = lowering::run(&mut store.data_mut().table, run)?;
    store.data_mut().entered = true;
    let returned = instance.call_execute(store, &run).await;
    crash::point(CrashPoint::ComponentReturned);
    returned
}
