//! The test's hand on the server. Main type: [`Emulator`].

mod outages;
mod states;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use crate::builder::Builder;
use crate::config::Config;
use crate::document::{Identity, document};
use crate::fault::{Fault, FaultKind, RandomFaults};
use crate::request::RecordedRequest;
use crate::route::{Route, StateAddress};
use crate::run::Run;
use crate::seal::{SealError, Sealer, token};
use crate::server::{Server, Shared};
use crate::spec::{Behavior, RunSpec};
use crate::view::{EmulatorView, RunState, RunView};
use crate::violation::Violation;

/// A condition that was not met in time. `Debug` reads as well as `Display`, for `unwrap`.
#[derive(thiserror::Error)]
#[error("wait for a condition: not met in {patience:?}\n{dump}")]
pub struct Timeout {
    /// How long was waited.
    pub patience: Duration,
    /// What the server looked like then.
    pub dump: String,
}

impl fmt::Debug for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A running fake meshStack. It stops when dropped, and panics then if a client broke the protocol and nobody took
/// the [violations](Self::take_violations).
#[derive(Debug)]
pub struct Emulator {
    // First, so that no request arrives while the rest is dropped.
    server: Option<Server>,
    shared: Arc<Shared>,
    config: Arc<Config>,
    sealer: Option<Sealer>,
    url: String,
}

pub(crate) fn assemble(
    server: Server,
    shared: Arc<Shared>,
    config: Arc<Config>,
    sealer: Option<Sealer>,
    url: String,
) -> Emulator {
    Emulator { server: Some(server), shared, config, sealer, url }
}

impl Emulator {
    /// Starts describing an emulator.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// The address to which clients connect, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The one runner that may claim.
    #[must_use]
    pub fn runner_uuid(&self) -> Uuid {
        self.config.runner
    }

    /// Adds a run to the end of the queue and gives its uuid.
    ///
    /// # Panics
    /// When the spec has secrets and the emulator no certificate: a test's own mistake. See [`Self::try_enqueue`].
    #[expect(clippy::expect_used, reason = "a test's own mistake, best seen where it was made")]
    pub fn enqueue(&self, spec: RunSpec) -> Uuid {
        self.try_enqueue(spec).expect("enqueue a run")
    }

    /// Adds a run to the end of the queue and gives its uuid. A run with the uuid of an older one replaces it.
    ///
    /// # Errors
    /// [`SealError::NoCertificate`] when the spec has secrets and the emulator no certificate.
    pub fn try_enqueue(&self, spec: RunSpec) -> Result<Uuid, SealError> {
        let number = {
            let mut world = self.shared.world();
            world.enqueued += 1;
            world.enqueued
        };
        let identity = Identity {
            run: spec.id.unwrap_or_else(Uuid::new_v4),
            number: spec.number.unwrap_or(number),
            token: spec.with_token.then(|| match &spec.token {
                Some(token) => token.clone(),
                // Looks like a JWT, as the real one is; a client must not look inside.
                None => format!("eyJhbGciOiJub25lIn0.{}.{}", token(), token()),
            }),
            block: spec.block.unwrap_or_else(Uuid::new_v4),
        };
        let document = document(&spec, &identity, &self.config.base, self.sealer.as_ref())?;
        let mut run = Run::pending(identity.run, document.to_string().into());
        run.token = identity.token;
        run.is_detect = spec.behavior == Behavior::Detect;
        run.address = Some(StateAddress { workspace: spec.workspace, block: identity.block });
        run.plan = spec.plan;
        self.shared.world().enqueue(run);
        self.shared.changed();
        Ok(identity.run)
    }

    /// A snapshot of a run; none for an id that was never enqueued.
    #[must_use]
    pub fn run(&self, id: &Uuid) -> Option<RunView> {
        self.shared.world().run(id).map(RunView::of)
    }

    /// Waits until the condition holds; it is asked after each change, under the server's lock, so it must not call
    /// the emulator itself. `patience` is real time.
    ///
    /// # Errors
    /// [`Timeout`] with a dump of what the server looked like.
    pub async fn wait_until(
        &self,
        patience: Duration,
        condition: impl Fn(&EmulatorView<'_>) -> bool,
    ) -> Result<(), Timeout> {
        let mut changes = self.shared.changes();
        let met = async {
            loop {
                changes.borrow_and_update();
                if condition(&EmulatorView { world: &self.shared.world() }) {
                    return;
                }
                // The sender lives as long as `self`.
                let _ = changes.changed().await;
            }
        };
        match tokio::time::timeout(patience, met).await {
            Ok(()) => Ok(()),
            Err(_) => Err(Timeout { patience, dump: self.dump() }),
        }
    }

    /// Waits until the run has ended and gives its last snapshot.
    ///
    /// # Errors
    /// [`Timeout`], also when there is no such run.
    pub async fn wait_for_end(&self, id: &Uuid, patience: Duration) -> Result<RunView, Timeout> {
        self.wait_until(patience, |view| view.state(id).is_some_and(RunState::is_terminal)).await?;
        self.run(id).ok_or_else(|| Timeout { patience, dump: self.dump() })
    }

    /// The server in words: counts, unfinished runs, the latest requests, violations.
    #[must_use]
    pub fn dump(&self) -> String {
        self.shared.world().dump()
    }

    /// The user aborts the run: a pending one ends at once, a claimed one learns it from its next update's answer.
    pub fn abort(&self, id: &Uuid) {
        self.shared.world().abort(id);
        self.shared.changed();
    }

    /// The user aborts the run as soon as that step is reported to have begun; the answer to that very report says
    /// so.
    pub fn abort_at_step(&self, id: &Uuid, step: &str) {
        self.shared.world().change(id, |run| run.abort_at(step));
        self.shared.changed();
    }

    /// Ends a claimed run as an outside pipeline does for an asynchronous implementation.
    pub fn finish_from_outside(&self, id: &Uuid, succeeded: bool) {
        let state = if succeeded { RunState::Succeeded } else { RunState::Failed };
        let mut world = self.shared.world();
        let now = world.now;
        world.change(id, |run| run.end_by_server(state, now));
        drop(world);
        self.shared.changed();
    }

    /// The next `times` requests of this route get this fault, after those scripted earlier.
    pub fn script(&self, route: Route, fault: Fault, times: u64) {
        self.shared.world().faults.script(route, None, fault, times);
    }

    /// Like [`Self::script`] for one run's register, update, artifact and state calls; these go before those for all runs.
    pub fn script_for_run(&self, route: Route, run: &Uuid, fault: Fault, times: u64) {
        self.shared.world().faults.script(route, Some(*run), fault, times);
    }

    /// Faults by chance from now on, in place of those set before; scripted ones go first.
    pub fn random_faults(&self, faults: RandomFaults) {
        self.shared.world().faults.randomise(faults);
    }

    /// No more faults: neither scripted, nor lasting, nor by chance.
    pub fn clear_faults(&self) {
        self.shared.world().faults.clear();
    }

    /// How many faults were injected, by route and kind ([`Fault::Pass`] included).
    #[must_use]
    pub fn faults_injected(&self) -> BTreeMap<(Route, FaultKind), u64> {
        self.shared.world().faults.injected().clone()
    }

    /// The time of a claimed run is over: what [`Self::advance`] does to all silent ones.
    pub fn time_out(&self, id: &Uuid) {
        let mut world = self.shared.world();
        let now = world.now;
        world.change(id, |run| {
            if run.state == RunState::InProgress {
                run.end_by_server(RunState::TimedOut, now);
            }
        });
        drop(world);
        self.shared.changed();
    }

    /// Moves server time forward: API tokens and ended runs' tokens expire, silent runs time out. Nothing else moves
    /// it.
    pub fn advance(&self, by: Duration) {
        self.shared.world().advance(by);
        self.shared.changed();
    }

    /// Server time: what [`Self::advance`] added up to.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.shared.world().now
    }

    /// All API tokens handed out so far are refused from now on, as if they had expired.
    pub fn revoke_tokens(&self) {
        for expiry in self.shared.world().api_tokens.values_mut() {
            *expiry = Duration::ZERO;
        }
    }

    /// Every request so far; empty with [`crate::Recording::Counts`].
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.world().requests.clone()
    }

    /// Every request of this route so far; empty with [`crate::Recording::Counts`].
    #[must_use]
    pub fn requests_of(&self, route: Route) -> Vec<RecordedRequest> {
        let world = self.shared.world();
        world.requests.iter().filter(|request| request.route == route).cloned().collect()
    }

    /// How many requests of this route arrived, those with faults included.
    #[must_use]
    pub fn count(&self, route: Route) -> u64 {
        self.shared.world().count(route)
    }

    /// How many TCP connections were accepted: whether clients keep theirs.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.world().connections
    }

    /// What clients did wrong so far.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        self.shared.world().violations.kept().to_vec()
    }

    /// What clients did wrong so far; afterwards there are none, so that dropping the emulator is quiet.
    #[must_use]
    pub fn take_violations(&self) -> Vec<Violation> {
        self.shared.world().violations.take()
    }

    /// The body of the runner's last accepted registration.
    #[must_use]
    pub fn registration(&self) -> Option<Value> {
        self.shared.world().registration.clone()
    }
}

impl Drop for Emulator {
    #[expect(clippy::panic, reason = "a test with violations fails")]
    fn drop(&mut self) {
        drop(self.server.take());
        let world = self.shared.world();
        if world.violations.len() > 0 && !std::thread::panicking() {
            let violations = world.violations.to_string();
            drop(world);
            panic!("clients broke the protocol:\n{violations}");
        }
    }
}
