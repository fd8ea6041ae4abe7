//! `blockhouse:block/progress`: the timeline of the run.

use crate::capability::types::{Origin, SecretHandle};
use crate::os;
use crate::outcome::{LimitHit, LimitName};
use crate::redact::{BuildError, Redactor};
use crate::sandbox::bindings::blockhouse::block::progress::{
    Host, HostStep, OutputType, OutputValue, StepDeclaration, StepError,
};
use crate::sandbox::{HostError, RELEASED_STACK, RunState};
use crate::shutdown::Abort;
use crate::tape::{Entry, Question};
use crate::timeline::{
    self, DeclareError, Door, NewStep, Output, OutputKind, StepIndex, Timeline, byte_pieces, pieces,
};
use blockhouse_policy::Denied;
use secrecy::{ExposeSecret, SecretString};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use wasmtime::component::Resource;

/// Fuel for a byte of text that is searched for secrets: 7 to 10 ns for most text, in which a guest executes about this many
/// instructions. Text made for it takes more; the limits on text leave little of that. A byte that is only copied takes less than one.
const PER_SEARCHED_BYTE: u64 = 32;

/// From how long a pause on the memory of the stack is given back meanwhile: it takes some microseconds, there and back.
const LONG: Duration = Duration::from_millis(500);

/// The picture of one run, shared between its component and its reporter.
#[derive(Debug)]
pub struct Progress {
    timeline: Mutex<Timeline>,
    /// Held by who waits for the timeline, so that there is one who is next: a mutex alone prefers who has just released it,
    /// and a component that writes much would keep the reporter out.
    next: Mutex<()>,
    /// Held by who writes into a log for the whole of the text: what is written in between would cut a secret in two, and the
    /// parts would not be found.
    writing: Mutex<()>,
    changed: Notify,
    abort: Abort,
    watches_abort: AtomicBool,
    /// Work to be charged as fuel.
    work: AtomicU64,
}

impl Progress {
    /// An empty timeline; `abort` tells the component that the run is to be stopped.
    #[must_use]
    pub fn new(timeline: Timeline, abort: Abort) -> Self {
        Self {
            timeline: Mutex::new(timeline),
            next: Mutex::default(),
            writing: Mutex::default(),
            changed: Notify::new(),
            abort,
            watches_abort: AtomicBool::new(false),
            work: AtomicU64::new(0),
        }
    }

    /// The timeline, for reading.
    pub fn timeline(&self) -> MutexGuard<'_, Timeline> {
        // No code panics while it holds the lock; and a picture that is half changed beats none.
        let _next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        self.timeline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is said goes through this first, without the timeline: searching takes time.
    #[must_use]
    pub fn door(&self) -> Door {
        self.timeline().door()
    }

    /// Changes the timeline and wakes the reporter.
    pub fn change<T>(&self, change: impl FnOnce(&mut Timeline) -> T) -> T {
        let result = change(&mut self.timeline());
        self.changed.notify_one();
        result
    }

    /// One line for the whole run.
    pub fn summarize(&self, text: &str) {
        let text = self.door().message(text);
        self.change(|timeline| timeline.summarize(text));
    }

    /// Appends what the component wrote to its standard streams.
    ///
    /// # Errors
    /// The limit on log output, if it is exceeded.
    pub fn write(&self, bytes: &[u8]) -> Result<(), LimitHit> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.change(|timeline| timeline.begin_write(bytes.len()))?;
        byte_pieces(bytes).for_each(|piece| self.change(|timeline| timeline.write(piece)));
        Ok(())
    }

    /// Appends what a native program printed. Its bytes are limited where it is supervised, and don't count here: a log that is full
    /// must not end what it tells of.
    pub fn print(&self, bytes: &[u8]) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        byte_pieces(bytes).for_each(|piece| self.change(|timeline| timeline.write(piece)));
    }

    /// Appends lines to a step's log.
    ///
    /// # Errors
    /// [`timeline::StepError`] if it is not running or the run has written too much.
    pub fn log(&self, index: StepIndex, text: &str) -> Result<(), timeline::StepError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.change(|timeline| timeline.begin_lines(index, text.len()))?;
        // SECURITY: capability::progress::a_long_text_gives_the_timeline_back_again_and_again
        let mut pieces = pieces(text).peekable();
        while let Some(piece) = pieces.next() {
            let is_last = pieces.peek().is_none();
            self.change(|timeline| timeline.continue_lines(index, piece, is_last))?;
        }
        Ok(())
    }

    /// Keeps a token that has come up out of everything that is said from now on. Returns what finds all that is known.
    ///
    /// # Errors
    /// If it can't be found; the run must not go on then.
    pub fn hide(&self, key: &str, token: &SecretString) -> Result<Arc<Redactor>, BuildError> {
        // Not in the middle of a text.
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = Arc::clone(self.timeline().redactor());
        let redactor = Arc::new(known.and(key, token)?);
        self.timeline().redact_with(&redactor);
        Ok(redactor)
    }

    /// Counts text that the component says.
    pub(crate) fn charge_text(&self, bytes: usize) {
        let per_byte = if self.timeline().redactor().is_empty() { 1 } else { PER_SEARCHED_BYTE };
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.work.fetch_add(bytes.saturating_mul(per_byte), Ordering::Relaxed);
    }

    /// The fuel to be charged now.
    pub(crate) fn take_work(&self) -> u64 {
        self.work.swap(0, Ordering::Relaxed)
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

    /// As [`abort`](Self::abort), for the component: from now on it watches.
    pub(crate) fn watch_abort(&self) -> &Abort {
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
        self.progress.charge_text(text);
        // Each step is looked for among those that there are.
        self.charge(steps.len().saturating_mul(allowed));
        if steps.len() > allowed {
            let hit = LimitHit::of_size(LimitName::Steps, steps.len(), allowed);
            return Err(HostError::Limit(hit).into());
        }
        let door = self.progress.door();
        let steps = steps.iter().map(|step| door.step(&step.id, &step.display_name));
        let steps: Vec<NewStep> = steps.collect::<Result<_, _>>().map_err(misuse)?;
        self.progress.change(|timeline| {
            steps.into_iter().try_for_each(|step| {
                timeline.declare(step).map_err(misuse)?;
                Ok(())
            })
        })
    }

    fn summarize(&mut self, text: String) -> wasmtime::Result<()> {
        self.progress.charge_text(text.len());
        self.progress.summarize(&text);
        Ok(())
    }

    fn aborted(&mut self) -> wasmtime::Result<bool> {
        let abort = self.progress.watch_abort();
        if let Some(known) = self.tape.flag(Question::Aborted).map_err(HostError::from)? {
            return Ok(known);
        }
        let is_aborted = abort.reason().is_some();
        self.tape.note(Entry::Flag(Question::Aborted, is_aborted));
        Ok(is_aborted)
    }

    async fn pause(&mut self, milliseconds: u64) -> wasmtime::Result<bool> {
        let abort = self.progress.watch_abort();
        if let Some(known) = self.tape.flag(Question::Paused).map_err(HostError::from)? {
            return Ok(known);
        }
        let wait = Duration::from_millis(milliseconds);
        let mut waiting = pin!(self.tape.wait(tokio::time::timeout(wait, abort.aborted())));
        let is_cut = poll_fn(|context| {
            let polled = waiting.as_mut().poll(context);
            if polled.is_pending() && wait >= LONG {
                os::release_stack(RELEASED_STACK);
            }
            polled
        });
        let is_cut = is_cut.await.is_ok();
        self.tape.note(Entry::Flag(Question::Paused, is_cut));
        Ok(is_cut)
    }
}

impl HostStep for RunState {
    fn new(&mut self, id: String, display_name: String) -> wasmtime::Result<Resource<StepHandle>> {
        self.charge(self.grants.limits().steps);
        self.progress.charge_text(id.len() + display_name.len());
        let step = self.progress.door().step(&id, &display_name).map_err(misuse)?;
        let index = self.progress.change(|timeline| timeline.declare(step)).map_err(misuse)?;
        Ok(self.table.push(StepHandle(index))?)
    }

    fn start(&mut self, step: Resource<StepHandle>) -> wasmtime::Result<Result<(), StepError>> {
        self.change_step(&step, Timeline::start)
    }

    fn log(
        &mut self,
        step: Resource<StepHandle>,
        text: String,
    ) -> wasmtime::Result<Result<(), StepError>> {
        self.progress.charge_text(text.len());
        let index = self.table.get(&step)?.0;
        answer(self.progress.log(index, &text))
    }

    fn tell(
        &mut self,
        step: Resource<StepHandle>,
        text: String,
    ) -> wasmtime::Result<Result<(), StepError>> {
        self.progress.charge_text(text.len());
        let text = self.progress.door().message(&text);
        self.change_step(&step, |timeline, index| timeline.tell(index, text))
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
        self.progress.charge_text(key.len() + bytes);
        let kind = output_kind(type_);
        let output = match &value {
            OutputValue::Json(json) => Output::json(kind, json, sensitive),
            OutputValue::Secret(secret) => match self.secret_output(kind, secret)? {
                Ok(output) => output,
                Err(denied) => return Ok(Err(StepError::Denied(denied.rule))),
            },
            OutputValue::Text(text) => Output::text(kind, text, sensitive),
        };
        let output = output.and_then(|output| self.progress.door().output(&key, output));
        let output = match output {
            Ok(output) => output,
            Err(error) => return Ok(Err(StepError::InvalidOutput(error.to_string()))),
        };
        self.change_step(&step, |timeline, index| timeline.output(index, output))
    }

    fn succeed(&mut self, step: Resource<StepHandle>) -> wasmtime::Result<Result<(), StepError>> {
        self.change_step(&step, Timeline::succeed)
    }

    fn fail(
        &mut self,
        step: Resource<StepHandle>,
        message: String,
    ) -> wasmtime::Result<Result<(), StepError>> {
        self.progress.charge_text(message.len());
        let message = self.progress.door().message(&message);
        self.change_step(&step, |timeline, index| timeline.fail(index, message))
    }

    fn drop(&mut self, step: Resource<StepHandle>) -> wasmtime::Result<()> {
        self.table.delete(step)?;
        Ok(())
    }
}

impl RunState {
    fn change_step(
        &mut self,
        step: &Resource<StepHandle>,
        change: impl FnOnce(&mut Timeline, StepIndex) -> Result<(), timeline::StepError>,
    ) -> wasmtime::Result<Result<(), StepError>> {
        let index = self.table.get(step)?.0;
        answer(self.progress.change(|timeline| change(timeline, index)))
    }

    /// An output with the plain text of a secret, which stays on this side.
    fn secret_output(
        &self,
        kind: OutputKind,
        secret: &Resource<SecretHandle>,
    ) -> wasmtime::Result<Result<Result<Output, timeline::InvalidOutput>, Denied>> {
        let secret = self.table.get(secret)?;
        let granted = match &secret.origin {
            // SECURITY: walls::a_secret_goes_into_no_output_without_a_grant
            Origin::Run(entry) => self.grants.secret_in_output(&entry.key).map(|_| entry),
            // SECURITY: walls::a_token_is_neither_shown_nor_passed_on
            // SECURITY: walls::a_received_secret_is_neither_shown_nor_passed_on
            origin @ (Origin::Received(_) | Origin::Signed { .. }) => {
                Err(origin.for_requests_only(&self.grants))
            }
        };
        let entry = match granted {
            Ok(entry) => entry,
            Err(denied) => {
                self.auditor.denied("secret in output", &secret.origin.subject(), &denied);
                return Ok(Err(denied));
            }
        };
        let text = secret.text.expose_secret();
        Ok(Ok(if entry.is_json {
            Output::json(kind, text, true)
        } else {
            Output::text(kind, text, true)
        }))
    }
}

/// What the component is answered.
fn answer(changed: Result<(), timeline::StepError>) -> wasmtime::Result<Result<(), StepError>> {
    Ok(match changed {
        Ok(()) => Ok(()),
        Err(timeline::StepError::Ended) => Err(StepError::Ended),
        Err(timeline::StepError::Limit(hit)) => return Err(HostError::Limit(hit).into()),
        Err(timeline::StepError::NotStarted) => Err(StepError::NotStarted),
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;
    use blockhouse_policy::Limits;

    fn progress() -> (Progress, StepIndex) {
        let progress = Progress::new(Timeline::new(&Limits::default()), Abort::default());
        let step = progress.door().step("step", "Step").unwrap();
        let index = progress.change(|timeline| timeline.declare(step)).unwrap();
        progress.change(|timeline| timeline.start(index)).unwrap();
        (progress, index)
    }

    #[test]
    fn a_long_text_gives_the_timeline_back_again_and_again() {
        let (progress, step) = progress();
        let text = "x".repeat(1 << 20);
        let revision = || progress.timeline().revision();
        let before = revision();
        progress.log(step, &text).unwrap();
        let logged = revision();
        progress.write(text.as_bytes()).unwrap();
        let written = revision();
        assert!(logged - before >= 64 && written - logged >= 64, "{before} {logged} {written}");
    }

    #[test]
    fn text_is_charged_by_what_is_done_with_it() {
        let (progress, _) = progress();
        progress.charge_text(1000);
        assert_eq!(progress.take_work(), 1000);
        let secret = SecretString::from("hunter2");
        let redactor = Arc::new(Redactor::new([("key", &secret)]).unwrap().0);
        progress.change(|timeline| timeline.redact_with(&redactor));
        progress.charge_text(1000);
        assert_eq!((progress.take_work(), progress.take_work()), (1000 * PER_SEARCHED_BYTE, 0));
    }

    #[test]
    fn a_token_that_comes_up_is_hidden_in_what_is_said_from_then_on() {
        let (progress, step) = progress();
        progress.log(step, "before: token-4711, and the beginning of one: tok").unwrap();
        let token = SecretString::from("token-4711");
        progress.hide("token", &token).unwrap();
        progress.write(b"en-4711, token-4711.").unwrap();
        progress.log(step, "token-4711").unwrap();
        let told = progress.door().message("token-4711").into_string();
        // What may be the beginning of a secret is kept until more comes.
        progress.change(|timeline| timeline.finish(&Outcome::Succeeded, None));
        let log = progress.timeline().changes_since(0).steps.remove(0).log.unwrap();
        assert_eq!(told, "[secret token]");
        assert_eq!(log.matches("token-4711").count(), 1, "{log}");
        assert!(log.ends_with("\nen-4711, [secret token].\n[secret token]\n"), "{log}");
    }
}
