//! `blockhouse:block/progress`: the timeline of the run.

use crate::capability::types::SecretHandle;
use crate::outcome::{LimitHit, LimitName};
use crate::sandbox::bindings::blockhouse::block::progress::{
    Host, HostStep, OutputType, OutputValue, StepDeclaration, StepError,
};
use crate::sandbox::{HostError, RunState};
use crate::shutdown::Abort;
use crate::timeline::{self, DeclareError, Output, OutputKind, StepIndex, Timeline};
use blockhouse_policy::Denied;
use secrecy::ExposeSecret;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use wasmtime::component::Resource;

/// The picture of one run, shared between its component and its reporter.
#[derive(Debug)]
pub struct Progress {
    timeline: Mutex<Timeline>,
    changed: Notify,
    abort: Abort,
    watches_abort: AtomicBool,
}

impl Progress {
    /// An empty timeline; `abort` tells the component that the run is to be stopped.
    #[must_use]
    pub fn new(timeline: Timeline, abort: Abort) -> Self {
        Self {
            timeline: Mutex::new(timeline),
            changed: Notify::new(),
            abort,
            watches_abort: AtomicBool::new(false),
        }
    }

    /// The timeline, for reading.
    pub fn timeline(&self) -> MutexGuard<'_, Timeline> {
        // No code panics while it holds the lock; and a picture that is half changed beats none.
        self.timeline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the timeline and wakes the reporter.
    pub fn change<T>(&self, change: impl FnOnce(&mut Timeline) -> T) -> T {
        let result = change(&mut self.timeline());
        self.changed.notify_one();
        result
    }

    /// Waits for the next change. There must be one waiter at most.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Whether the component has ever asked if it is being aborted, and so deserves time to clean up.
    #[must_use]
    pub fn watches_abort(&self) -> bool {
        self.watches_abort.load(Ordering::Relaxed)
    }

    /// What stops the run.
    #[must_use]
    pub fn abort(&self) -> &Abort {
        &self.abort
    }

    fn watch_abort(&self) -> &Abort {
        self.watches_abort.store(true, Ordering::Relaxed);
        &self.abort
    }
}

/// A step that the component holds.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct StepHandle(StepIndex);

impl Host for RunState {
    fn declare(&mut self, steps: Vec<StepDeclaration>) -> wasmtime::Result<()> {
        let allowed = self.grants.limits().steps;
        let text: usize = steps.iter().map(|step| step.id.len() + step.display_name.len()).sum();
        // Each step is looked for among those that there are.
        self.charge(text.saturating_add(steps.len().saturating_mul(allowed)));
        if steps.len() > allowed {
            let hit = LimitHit::of_size(LimitName::Steps, steps.len(), allowed);
            return Err(HostError::Limit(hit).into());
        }
        self.progress.change(|timeline| {
            steps.iter().try_for_each(|step| {
                timeline.declare(&step.id, &step.display_name).map_err(misuse)?;
                Ok(())
            })
        })
    }

    fn summarize(&mut self, text: String) -> wasmtime::Result<()> {
        self.charge(text.len());
        self.progress.change(|timeline| timeline.summarize(&text));
        Ok(())
    }

    fn aborted(&mut self) -> wasmtime::Result<bool> {
        Ok(self.progress.watch_abort().reason().is_some())
    }

    async fn pause(&mut self, milliseconds: u64) -> wasmtime::Result<bool> {
        let abort = self.progress.watch_abort();
        let wait = Duration::from_millis(milliseconds);
        Ok(tokio::time::timeout(wait, abort.aborted()).await.is_ok())
    }
}

impl HostStep for RunState {
    fn new(&mut self, id: String, display_name: String) -> wasmtime::Result<Resource<StepHandle>> {
        self.charge(id.len() + display_name.len() + self.grants.limits().steps);
        let index = self.progress.change(|timeline| timeline.declare(&id, &display_name));
        Ok(self.table.push(StepHandle(index.map_err(misuse)?))?)
    }

    fn start(&mut self, step: Resource<StepHandle>) -> wasmtime::Result<Result<(), StepError>> {
        self.change_step(&step, 0, Timeline::start)
    }

    fn log(
        &mut self,
        step: Resource<StepHandle>,
        text: String,
    ) -> wasmtime::Result<Result<(), StepError>> {
        self.change_step(&step, text.len(), |timeline, index| timeline.log(index, &text))
    }

    fn tell(
        &mut self,
        step: Resource<StepHandle>,
        text: String,
    ) -> wasmtime::Result<Result<(), StepError>> {
        self.change_step(&step, text.len(), |timeline, index| timeline.tell(index, &text))
    }

    fn output(
        &mut self,
        step: Resource<StepHandle>,
        key: String,
        type_: OutputType,
        value: OutputValue,
        sensitive: bool,
    ) -> wasmtime::Result<Result<(), StepError>> {
        let bytes = match &value {
            OutputValue::Json(text) | OutputValue::Text(text) => text.len(),
            OutputValue::Secret(secret) => self.table.get(secret)?.text.expose_secret().len(),
        };
        // Charged before it is done: a value that is refused was read to its end as well.
        // SECURITY: walls::work_whose_result_is_thrown_away_is_charged_all_the_same
        self.charge(key.len() + bytes);
        let kind = output_kind(type_);
        let output = match &value {
            OutputValue::Json(json) => Output::json(kind, json, sensitive),
            OutputValue::Secret(secret) => match self.secret_output(kind, secret)? {
                Ok(output) => output,
                Err(denied) => return Ok(Err(StepError::Denied(denied.rule))),
            },
            OutputValue::Text(text) => Output::text(kind, text, sensitive),
        };
        let output = match output {
            Ok(output) => output,
            Err(error) => return Ok(Err(StepError::InvalidOutput(error.to_string()))),
        };
        self.change_step(&step, 0, |timeline, index| timeline.output(index, &key, output))
    }

    fn succeed(&mut self, step: Resource<StepHandle>) -> wasmtime::Result<Result<(), StepError>> {
        self.change_step(&step, 0, Timeline::succeed)
    }

    fn fail(
        &mut self,
        step: Resource<StepHandle>,
        message: String,
    ) -> wasmtime::Result<Result<(), StepError>> {
        self.change_step(&step, message.len(), |timeline, index| timeline.fail(index, &message))
    }

    fn drop(&mut self, step: Resource<StepHandle>) -> wasmtime::Result<()> {
        self.table.delete(step)?;
        Ok(())
    }
}

impl RunState {
    /// Changes a step; `bytes` is what the change copies, charged as fuel.
    fn change_step(
        &mut self,
        step: &Resource<StepHandle>,
        bytes: usize,
        change: impl FnOnce(&mut Timeline, StepIndex) -> Result<(), timeline::StepError>,
    ) -> wasmtime::Result<Result<(), StepError>> {
        self.charge(bytes);
        let index = self.table.get(step)?.0;
        Ok(match self.progress.change(|timeline| change(timeline, index)) {
            Ok(()) => Ok(()),
            Err(timeline::StepError::Ended) => Err(StepError::Ended),
            Err(timeline::StepError::NotStarted) => Err(StepError::NotStarted),
            Err(timeline::StepError::InvalidOutput(error)) => {
                Err(StepError::InvalidOutput(error.to_string()))
            }
            Err(timeline::StepError::Limit(hit)) => return Err(HostError::Limit(hit).into()),
        })
    }

    /// An output with the plain text of a secret, which stays on this side.
    fn secret_output(
        &self,
        kind: OutputKind,
        secret: &Resource<SecretHandle>,
    ) -> wasmtime::Result<Result<Result<Output, timeline::InvalidOutput>, Denied>> {
        let secret = self.table.get(secret)?;
        // SECURITY: walls::a_secret_goes_into_no_output_without_a_grant
        if let Err(denied) = self.grants.secret_in_output(&secret.key) {
            self.auditor.denied("secret in output", &secret.key, &denied);
            return Ok(Err(denied));
        }
        let text = secret.text.expose_secret();
        Ok(Ok(if secret.is_json {
            Output::json(kind, text, true)
        } else {
            Output::text(kind, text, true)
        }))
    }
}

fn misuse(error: DeclareError) -> wasmtime::Error {
    match error {
        DeclareError::InvalidId => HostError::Misuse(error.to_string()).into(),
        DeclareError::Limit(hit) => HostError::Limit(hit).into(),
    }
}

fn output_kind(kind: OutputType) -> OutputKind {
    match kind {
        OutputType::Boolean => OutputKind::Boolean,
        OutputType::Code => OutputKind::Code,
        OutputType::Integer => OutputKind::Integer,
        OutputType::String => OutputKind::String,
    }
}
