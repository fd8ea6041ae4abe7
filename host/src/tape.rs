//! The tape of a run: what came to its component from outside, in order, so that a run in flight can go on after a crash.
//!
//! A component is deterministic but for what the host answers it. [`Tape`] records those answers (clocks, readiness, aborts, responses to
//! requests; random numbers come from one seed) and, when the run is resumed, gives them again to the component, which is executed from
//! its beginning: it gets to where it was without anything happening twice. From there on the answers are live again.
//!
//! What is recorded is written before anything happens that must not happen twice, and then it survives a crash of the machine as well. A
//! run that does nothing of the kind has nothing on the disk. Entries are in files of [`frames`](crate::frames) in the run's directory,
//! one for each process that has executed the run.
//!
//! A component that does something else than the tape says has *diverged*: that ends the run, since what would come then may be
//! something that was done already.

mod clock;
mod entry;
mod file;

pub use entry::{Answer, Entry, Failed, Question, RequestDigest};

use crate::crash::{self, CrashPoint};
use crate::digest::Digest;
use crate::frames::FramesError;
use crate::telemetry::chain;
use crate::unseal::{PrivateKey, PublicKey};
use clock::Clock;
use file::{Recorder, Recording};
use std::convert::Infallible;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::task::spawn_blocking;

/// Bytes that a tape may have. Six hours of polling every ten seconds for 20 KiB are 43 MiB. A run with more goes on without.
const BYTES_MAX: u64 = 64 << 20;

/// Bytes that wait in memory to be written. Against a component that asks for nothing but the time.
const PENDING_MAX: usize = 256 << 10;

/// How often in a row a run may have been executing, not waiting, and without getting any further, when the process died: one that kills the
/// daemon must not do so for ever.
const FRUITLESS_MAX: usize = 10;

/// What came to a run's component from outside.
pub struct Tape {
    state: Mutex<State>,
    seed: [u8; 32],
    component: Digest,
    /// Whether an earlier process has executed the run.
    is_resumed: bool,
}

struct State {
    mode: Mode,
    /// Recorded and not yet written.
    pending: Vec<Entry>,
    pending_bytes: usize,
    failure: Option<TapeError>,
    clock: Clock,
}

enum Mode {
    /// Nothing is recorded: there is nowhere to.
    Off,
    /// The answers are live.
    Live(Recorder),
    /// There is more on the tape than can be kept: the run can't be resumed any more.
    Full(Recorder),
    /// The answers come from the tape.
    Replaying(Box<Recording>, Recorder),
}

/// Why a run can't go on.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TapeError {
    /// The component does something else than before.
    #[error(
        "after a restart of the runner, the component did something else than before ({now} instead of {then}); it was stopped, so that \
         nothing is done twice"
    )]
    Diverged {
        /// What it did before.
        then: &'static str,
        /// What it does now.
        now: &'static str,
    },
    /// Another request at the same place.
    #[error(
        "after a restart of the runner, the component sent another request than before; it was stopped, so that nothing is done twice"
    )]
    DivergedRequest,
    /// The tape can't be read or written.
    #[error("what the run has done can't be written down or read")]
    File(#[from] FramesError),
    /// The process has died again and again.
    #[error(
        "the runner died {FRUITLESS_MAX} times in a row while it executed this run, which did not get any further; it is not tried again"
    )]
    Fruitless,
    /// Writing did not end: a defect.
    #[error("writing down what the run has done did not end")]
    Stopped,
    /// It holds what can't be repeated.
    #[error("the runner was restarted, and the run can't go on: {0}")]
    Untaped(String),
    /// What is on it is none of ours.
    #[error("what was written down of the run can't be understood")]
    Unreadable,
}

impl Tape {
    /// For a run of which nothing is kept.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn off() -> Result<Self, TapeError> {
        Ok(Self::new(Mode::Off, seed()?, Digest::of(&[]), false))
    }

    /// For a run that begins. Nothing is written before it has to be; then `directory`, the run's own, is made if it is not there.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn begin(
        directory: &Path,
        runner: &Arc<PublicKey>,
        component: Digest,
    ) -> Result<Self, TapeError> {
        let seed = seed()?;
        let first = Entry::Began { seed, component: *component.as_bytes() };
        let recorder = Recorder::new(directory, Arc::clone(runner), 1, first);
        Ok(Self::new(Mode::Live(recorder), seed, component, false))
    }

    /// For a run that an earlier process has begun; if there is nothing of it, it begins with this component. Blocks.
    ///
    /// # Errors
    /// [`TapeError`] if the run can't go on.
    pub fn resume(
        directory: &Path,
        key: &Arc<PrivateKey>,
        component: Digest,
    ) -> Result<Self, TapeError> {
        let recording = Recording::open(directory, key)?;
        if recording.fruitless() >= FRUITLESS_MAX {
            return Err(TapeError::Fruitless);
        }
        let (seed, component) = match recording.first() {
            Some(Entry::Began { seed, component }) => (seed, Digest::from(component)),
            Some(_) => return Err(TapeError::Unreadable),
            None => (seed()?, component),
        };
        let first = Entry::Began { seed, component: *component.as_bytes() };
        let mut recorder =
            Recorder::new(directory, Arc::clone(key.public()), recording.following(), first);
        // At once: by this the next process knows how often it was tried.
        recorder.write(&[], true)?;
        crash::point(CrashPoint::TapeResumed);
        Ok(Self::new(Mode::Replaying(Box::new(recording), recorder), seed, component, true))
    }

    fn new(mode: Mode, seed: [u8; 32], component: Digest, is_resumed: bool) -> Self {
        let clock = Clock::default();
        let state = State { mode, pending: Vec::new(), pending_bytes: 0, failure: None, clock };
        Self { state: Mutex::new(state), seed, component, is_resumed }
    }

    /// What all random numbers of the run come from.
    #[must_use]
    pub fn seed(&self) -> [u8; 32] {
        self.seed
    }

    /// The component by which the run is executed: the one that it was begun with.
    #[must_use]
    pub fn component(&self) -> &Digest {
        &self.component
    }

    /// Whether there is anything of it on the disk.
    #[must_use]
    pub fn is_on_disk(&self) -> bool {
        match &self.lock().mode {
            Mode::Off => false,
            Mode::Live(recorder) | Mode::Full(recorder) | Mode::Replaying(_, recorder) => {
                recorder.has_begun()
            }
        }
    }

    /// Why the run must end, if it must.
    #[must_use]
    pub fn failure(&self) -> Option<TapeError> {
        self.lock().failure.clone()
    }

    /// The time since some moment before the run began, which goes on over restarts. If the run has to end, any time.
    pub fn monotonic(&self) -> Duration {
        let mut state = self.lock();
        let known = state.recall("reading the clock", |entry| match entry {
            Entry::Monotonic(time) => Ok(time),
            entry => Err(entry),
        });
        if let Ok(Some(time)) = known {
            state.clock.set(time);
            return time;
        }
        let now = state.clock.now();
        state.note(Entry::Monotonic(now));
        now
    }

    /// The time of day, since 1970. If the run has to end, any time.
    pub fn wall(&self, live: impl FnOnce() -> Duration) -> Duration {
        let mut state = self.lock();
        let known = state.recall("reading the time of day", |entry| match entry {
            Entry::Wall(time) => Ok(time),
            entry => Err(entry),
        });
        if let Ok(Some(time)) = known {
            return time;
        }
        let now = live();
        state.note(Entry::Wall(now));
        now
    }

    /// What a question was answered at this place; none if the answer is live. That must be told by [`note`](Self::note).
    ///
    /// # Errors
    /// If the run has to end.
    pub fn flag(&self, question: Question) -> Result<Option<bool>, TapeError> {
        self.lock().recall(Entry::Flag(question, false).name(), |entry| match entry {
            Entry::Flag(asked, answer) if asked == question => Ok(answer),
            entry => Err(entry),
        })
    }

    /// Which things were ready at this place; none if that is live.
    ///
    /// # Errors
    /// If the run has to end.
    pub fn polled(&self) -> Result<Option<Vec<u32>>, TapeError> {
        self.lock().recall("waiting for something", |entry| match entry {
            Entry::Polled(ready) => Ok(ready),
            entry => Err(entry),
        })
    }

    /// Records a live answer.
    pub fn note(&self, entry: Entry) {
        self.lock().note(entry);
    }

    /// Waits for something live. If the process dies meanwhile, that is not the component's doing.
    pub async fn wait<T>(self: &Arc<Self>, what: impl Future<Output = T>) -> T {
        // Only who was resumed is suspected.
        if !self.is_resumed {
            return what.await;
        }
        self.mark(Entry::Waiting).await;
        let result = what.await;
        self.mark(Entry::Woken).await;
        result
    }

    async fn mark(self: &Arc<Self>, mark: Entry) {
        let tape = Arc::clone(self);
        let marked = spawn_blocking(move || tape.lock().mark(mark)).await;
        if let Err(error) = marked.unwrap_or(Err(TapeError::Stopped)) {
            tracing::warn!(error = %chain(&error), "that a run waits can't be written down");
        }
    }

    /// What a request was answered at this place; none if that is live. If it was sent and must not be repeated, and its answer is not on
    /// the tape, that is [`Answer::Lost`].
    ///
    /// # Errors
    /// If the run has to end.
    pub fn answered(&self, request: RequestDigest) -> Result<Option<Answer>, TapeError> {
        self.lock().recall_answer(request)
    }

    /// Records a live exchange. A request that is not `repeatable` is on the disk before it is sent, and its answer before anybody knows it.
    ///
    /// # Errors
    /// [`TapeError`]: the request was not sent.
    pub async fn exchange(
        self: &Arc<Self>,
        request: RequestDigest,
        repeatable: bool,
        live: impl Future<Output = Answer>,
    ) -> Result<Answer, TapeError> {
        if let Some(failure) = self.failure() {
            return Err(failure);
        }
        if !repeatable {
            // SECURITY: e2e::replay::a_request_that_was_sent_and_not_answered_is_not_sent_again
            self.note(Entry::Sending(request));
            self.flush(true).await?;
        }
        let answer = self.wait(live).await;
        self.note(Entry::Answered(request, answer.clone()));
        // Nobody can ask again what was answered to a request that is not sent again. What can't be written stays in memory, and is written
        // with what must be.
        if let Err(error) = self.flush(!repeatable).await {
            tracing::warn!(error = %chain(&error), "the answer to a request can't be written down yet");
        }
        Ok(answer)
    }

    /// Something begins whose answers are not recorded; why, for people.
    ///
    /// # Errors
    /// [`TapeError`]: it must not begin.
    pub async fn leave(self: &Arc<Self>, why: &str) -> Result<(), TapeError> {
        // Whatever the tape has at this place, the run can't go on from there.
        self.lock().recall("what is not written down", Err::<Infallible, _>)?;
        if self.lock().abandon(why) { self.flush(true).await } else { Ok(()) }
    }

    /// Writes what was recorded so far; `durably`: it survives a crash of the machine.
    ///
    /// # Errors
    /// [`TapeError`]. What could not be written is kept for the next time.
    pub async fn flush(self: &Arc<Self>, durably: bool) -> Result<(), TapeError> {
        if !self.lock().has_to_write(durably) {
            return Ok(());
        }
        let tape = Arc::clone(self);
        let written = spawn_blocking(move || tape.lock().write(durably));
        written.await.map_err(|_| TapeError::Stopped)?
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tape {
    /// What is on it is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tape")
    }
}

impl State {
    /// The next entry of the tape, if it is what the component does now; none if that is live.
    fn recall<T>(
        &mut self,
        now: &'static str,
        pick: impl FnOnce(Entry) -> Result<T, Entry>,
    ) -> Result<Option<T>, TapeError> {
        let Some(entry) = self.next()? else { return Ok(None) };
        pick(entry).map(Some).map_err(|entry| match entry {
            Entry::Untaped(why) => self.fail(TapeError::Untaped(why)),
            // SECURITY: tape::tests::whoever_does_something_else_than_before_is_stopped
            entry => self.fail(TapeError::Diverged { then: entry.name(), now }),
        })
    }

    fn recall_answer(&mut self, request: RequestDigest) -> Result<Option<Answer>, TapeError> {
        let first = self.recall("a request", |entry| match entry {
            Entry::Sending(sent) => Ok((sent, None)),
            Entry::Answered(sent, answer) => Ok((sent, Some(answer))),
            entry => Err(entry),
        });
        let Some((sent, answer)) = first? else { return Ok(None) };
        if sent != request {
            // SECURITY: tape::tests::whoever_does_something_else_than_before_is_stopped
            return Err(self.fail(TapeError::DivergedRequest));
        }
        if answer.is_some() {
            return Ok(answer);
        }
        match self.next()? {
            Some(Entry::Answered(sent, answer)) if sent == request => Ok(Some(answer)),
            Some(_) => Err(self.fail(TapeError::Unreadable)),
            None => {
                self.note(Entry::Answered(request, Answer::Lost));
                Ok(Some(Answer::Lost))
            }
        }
    }

    /// The next entry of the tape that is one for the component; none if the answers are live, as they are from the tape's end on.
    fn next(&mut self) -> Result<Option<Entry>, TapeError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let Mode::Replaying(recording, _) = &mut self.mode else { return Ok(None) };
        match recording.next() {
            Ok(Some(entry)) => Ok(Some(entry)),
            Ok(None) => {
                let gone = recording.age(SystemTime::now());
                self.clock.go_on(gone);
                let replaying = std::mem::replace(&mut self.mode, Mode::Off);
                if let Mode::Replaying(_, recorder) = replaying {
                    self.mode = Mode::Live(recorder);
                }
                Ok(None)
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    fn note(&mut self, entry: Entry) {
        if self.failure.is_some() || !matches!(self.mode, Mode::Live(_)) {
            return;
        }
        self.pending_bytes = self.pending_bytes.saturating_add(entry.size());
        self.pending.push(entry);
        // SECURITY: tape::tests::a_component_that_asks_for_the_time_for_ever_takes_no_memory_for_it
        if self.pending_bytes > PENDING_MAX
            && let Err(error) = self.write(false)
            && self.pending_bytes > 4 * PENDING_MAX
        {
            self.fail(error);
        }
    }

    /// Writes what is not for the component.
    fn mark(&mut self, mark: Entry) -> Result<(), TapeError> {
        match &mut self.mode {
            Mode::Replaying(_, recorder) => recorder.write(&[mark], false),
            Mode::Live(_) | Mode::Full(_) => {
                self.pending.push(mark);
                self.write(false)
            }
            Mode::Off => Ok(()),
        }
    }

    /// Nothing is recorded any more; whether that has to be written down.
    fn abandon(&mut self, why: &str) -> bool {
        match std::mem::replace(&mut self.mode, Mode::Off) {
            Mode::Live(recorder) => {
                self.pending.push(Entry::Untaped(why.to_owned()));
                self.mode = Mode::Full(recorder);
                true
            }
            mode => {
                self.mode = mode;
                false
            }
        }
    }

    fn fail(&mut self, failure: TapeError) -> TapeError {
        self.failure.get_or_insert(failure).clone()
    }

    fn has_to_write(&self, durably: bool) -> bool {
        match &self.mode {
            Mode::Live(recorder) | Mode::Full(recorder) => {
                !self.pending.is_empty()
                    || durably && !(recorder.has_begun() && recorder.is_durable())
            }
            Mode::Off | Mode::Replaying(..) => false,
        }
    }

    fn write(&mut self, durably: bool) -> Result<(), TapeError> {
        let (Mode::Live(recorder) | Mode::Full(recorder)) = &mut self.mode else { return Ok(()) };
        recorder.write(&self.pending, durably)?;
        self.pending.clear();
        self.pending_bytes = 0;
        if recorder.bytes() > BYTES_MAX {
            let why = format!(
                "more was exchanged with it than is kept for that ({} MiB)",
                BYTES_MAX >> 20
            );
            if self.abandon(&why) {
                return self.write(true);
            }
        }
        Ok(())
    }
}

fn seed() -> Result<[u8; 32], TapeError> {
    let mut seed = [0; 32];
    aws_lc_rs::rand::fill(&mut seed).map_err(|_| FramesError::Encrypt)?;
    Ok(seed)
}

#[cfg(test)]
mod tests;
