//! No state is lost and no lock is left: [`Context`] carries out the verbs that take the lock, and does what is to be done after them.
//!
//! After a verb that writes state: what Terraform could not write is sealed and kept before anything else; then, if the process died in
//! the middle of something, its lock is looked for; then the state is pushed until it is where it belongs. All of that happens in the verb's
//! own task, even if the run is being stopped, and is found again after a restart by the names of its operations.

use super::answer::{OperationError, StateFate};
use super::command::{self, Tooling};
use super::config::Config;
use super::files::{self, blocking};
use super::flight::Report;
use super::follow::{Ended, Follower, Verdict, sentence};
use super::locks::{self, Evidence, Evidences, Lock};
use super::quarantine::Quarantine;
use super::tail::Shown;
use crate::shim::Spec;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// What Terraform writes if the backend refuses the state.
pub(super) const ERRORED: &str = "errored.tfstate";

/// What one is called that a verb finds before it begins.
const FOUND: &str = "errored.tfstate.found";

/// Bytes of a state.
const STATE_MAX: u64 = 512 << 20;

/// The first and the longest pause while another one has the lock.
const LOCK_PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// For commands about locks.
const LOCK_TIMEOUT: Duration = Duration::from_secs(120);

/// What the verbs of a run have in common.
pub(super) struct Context {
    pub(super) config: Config,
    pub(super) follower: Follower,
    pub(super) quarantine: Quarantine,
    pub(super) evidences: Evidences,
    pub(super) run: String,
    pub(super) block: String,
    pub(super) work: PathBuf,
    /// Of the processes, in `Who` of locks.
    pub(super) user: String,
    pub(super) host: String,
    pub(super) releases_locks: bool,
}

/// A verb that takes the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Locking {
    /// For people.
    pub(super) verb: &'static str,
    /// As the lock calls it.
    pub(super) operation: &'static str,
    /// Whether it writes state.
    pub(super) writes: bool,
    /// The exit codes that are no failure.
    pub(super) expected: &'static [i32],
}

/// What is left after a verb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Aftermath {
    pub(super) state: StateFate,
    pub(super) lock: Option<String>,
    pub(super) keep_directory: bool,
}

/// State that Terraform could not write, and where its copy is.
enum Errored {
    Kept(PathBuf),
    /// Only the run's directory has it.
    Left(String),
}

impl Context {
    /// Sets aside what a verb would leave if it were not there already: nobody could tell later whose it is. A copy is kept.
    pub(super) async fn set_aside(&self, call: &str) -> Result<(), OperationError> {
        let path = self.work.join(ERRORED);
        if std::fs::symlink_metadata(&path).is_err() {
            return Ok(());
        }
        if let Ok(Some(state)) = self.read_errored().await {
            let kept = self.keep(state, call, SystemTime::now()).await;
            let kept = kept
                .map_or_else(|_| String::new(), |at| format!(" and kept in `{}`", at.display()));
            self.follower
                .say(&format!("`{ERRORED}` was there before; it was renamed to `{FOUND}`{kept}."));
        }
        let to = self.work.join(FOUND);
        let moved = blocking(move || std::fs::rename(path, to)).await;
        moved.map_err(|error| {
            OperationError::Fault(format!("failed to rename `{ERRORED}`: {error}"))
        })
    }

    /// Carries out a verb that takes the lock; repeats it while another one has it.
    pub(super) async fn locked(
        &self,
        call: &str,
        tooling: &Tooling,
        spec: Spec,
        verb: Locking,
    ) -> Result<Ended, OperationError> {
        let (mut pause, longest) = LOCK_PAUSES;
        let mut waited = Duration::ZERO;
        for attempt in 1_u32.. {
            let name = numbered(call, attempt);
            let ended = self.follower.carry_out(&name, spec.clone(), Shown::All, true).await?;
            let is_conflict = matches!(ended.verdict(verb.expected), Verdict::SaidNo(_))
                && locks::is_conflict(&ended.errors().await);
            if !is_conflict {
                return Ok(ended);
            }
            // An earlier process has decided.
            if self.follower.knows(&numbered(call, attempt + 1)) {
                continue;
            }
            let Some(lock) = locks::parse(&ended.errors().await) else { return Ok(ended) };
            if self.release_if_proven(&name, tooling, &lock).await {
                continue;
            }
            if waited >= self.config.lock_wait || self.follower.flight.is_in_a_hurry() {
                return Ok(ended);
            }
            let holder = lock.holder.as_ref().map_or("another one", |holder| holder.who.as_str());
            self.follower.say(&format!(
                "{holder} has the state lock {}; trying again in {}.",
                lock.id,
                humantime::format_duration(pause)
            ));
            if !self.follower.flight.pause(pause).await {
                return Ok(ended);
            }
            waited = waited.saturating_add(pause);
            pause = pause.saturating_mul(2).min(longest);
        }
        Err(OperationError::Fault("the verb was tried too often".to_owned()))
    }

    /// Notes that a verb that writes no state was stopped: the component may not live to hear it.
    pub(super) fn tell_stop(&self, verb: &'static str, ended: &Ended) {
        if let Verdict::Stopped(stop) = ended.verdict(&[0]) {
            let stopped = Some(sentence(&stop, &ended.end.exit));
            let state = StateFate::Untouched;
            self.follower.flight.tell(Report {
                verb,
                stopped,
                state,
                lock: None,
                keep_directory: false,
            });
        }
    }

    /// Does what is to be done after a verb that took the lock.
    pub(super) async fn settle(
        &self,
        call: &str,
        tooling: &Tooling,
        verb: Locking,
        ended: &Ended,
    ) -> Aftermath {
        let errors = ended.errors().await;
        let errored = if verb.writes { self.secure(call, ended, &errors).await } else { None };
        let is_violent = ended.is_violent();
        let lock = if is_violent || locks::is_left(&errors) {
            self.look_for_lock(call, tooling, verb, ended).await
        } else {
            None
        };
        let mut aftermath = Aftermath { state: StateFate::Untouched, lock, keep_directory: false };
        if !verb.writes {
            return aftermath;
        }
        aftermath.state = if let Some(errored) = errored {
            aftermath.keep_directory = matches!(errored, Errored::Left(_));
            let state = self.push(call, tooling, errored).await;
            aftermath.keep_directory &= state != StateFate::Saved;
            state
        } else if is_violent {
            StateFate::Unknown(
                "The process did not end by itself. What it had done by then may be missing in the state: compare both before \
                 the next run."
                    .to_owned(),
            )
        } else {
            match ended.verdict(verb.expected) {
                Verdict::NotStarted(_) => StateFate::Untouched,
                Verdict::SaidNo(_) if locks::is_conflict(&errors) => StateFate::Untouched,
                _ => StateFate::Saved,
            }
        };
        aftermath
    }

    /// Keeps the state that could not be written.
    async fn secure(&self, call: &str, ended: &Ended, errors: &str) -> Option<Errored> {
        let at = ended.end.ended;
        let state = match self.read_errored().await {
            Ok(Some(state)) => state,
            // It was pushed by an earlier process, which then removed it.
            Ok(None) if self.follower.knows(&format!("{call}-push-1")) => Vec::new(),
            Ok(None) if was_printed(errors) => {
                // Not even that file could be written; Terraform prints the state then.
                let printed = ended.output(STATE_MAX).await.unwrap_or_default();
                let kept = self.keep(printed, call, at).await;
                return Some(Errored::Left(match kept {
                    Ok(path) => format!(
                        "what it printed, with the state in it, is kept in `{}`",
                        path.display()
                    ),
                    Err(error) => format!(
                        "what it printed, with the state in it, is in `{}` ({error})",
                        ended.stdout.display()
                    ),
                }));
            }
            Ok(None) => return None,
            Err(error) => {
                return Some(Errored::Left(format!("`{ERRORED}` can't be read ({error})")));
            }
        };
        if state.is_empty() {
            return Some(Errored::Kept(PathBuf::new()));
        }
        // SECURITY: e2e::terraform_workspace::a_state_that_can_not_be_written_is_kept_and_pushed_again
        match self.keep(state, call, at).await {
            Ok(path) => Some(Errored::Kept(path)),
            Err(error) => {
                tracing::error!(%error, "a state can't be kept");
                let path = self.work.join(ERRORED);
                Some(Errored::Left(format!("it is in `{}` only ({error})", path.display())))
            }
        }
    }

    async fn read_errored(&self) -> io::Result<Option<Vec<u8>>> {
        let path = self.work.join(ERRORED);
        blocking(move || files::read(&path, STATE_MAX)).await
    }

    async fn keep(&self, state: Vec<u8>, call: &str, at: SystemTime) -> io::Result<PathBuf> {
        let quarantine = self.quarantine.clone();
        let (block, run, call) = (self.block.clone(), self.run.clone(), call.to_owned());
        let state = zeroize::Zeroizing::new(state);
        blocking(move || quarantine.keep(&state, &block, &run, &call, at)).await
    }

    /// Pushes the state until it is where it belongs.
    async fn push(&self, call: &str, tooling: &Tooling, errored: Errored) -> StateFate {
        let pushing = self.config.pushing;
        let mut pause = pushing.first_pause;
        let mut tooling = tooling.clone();
        // We try again ourselves.
        for (name, value) in &mut tooling.environment {
            if name == "TF_HTTP_RETRY_MAX" {
                *value = "2".to_owned();
            }
        }
        let mut why = "it was not tried".to_owned();
        for attempt in 1..=pushing.tries.max(1) {
            let name = format!("{call}-push-{attempt}");
            if attempt > 1 && !self.follower.knows(&name) {
                let next = humantime::format_duration(pause);
                self.follower
                    .say(&format!("The state could not be written; trying again in {next}."));
                if !self.follower.flight.pause_unless_hurried(pause).await {
                    break;
                }
                pause = pause.saturating_mul(2).min(pushing.longest_pause);
            }
            let file = self.work.join(ERRORED);
            let spec = tooling.spec(command::push(&file), self.config.writing, pushing.timeout);
            match self.follower.carry_out(&name, spec, Shown::Errors, false).await {
                Ok(ended) if matches!(ended.verdict(&[0]), Verdict::Done(_)) => {
                    self.saved(&errored).await;
                    return StateFate::Saved;
                }
                Ok(ended) => {
                    let text = ended.diagnostics().await;
                    why = text
                        .lines()
                        .find(|line| !line.trim().is_empty())
                        .unwrap_or("no reason given")
                        .to_owned();
                }
                Err(error) => why = error.to_string(),
            }
        }
        let place = match errored {
            Errored::Kept(path) if self.quarantine.seals() => format!(
                "The runner keeps it, sealed to its key, in `{}`. Its operator can open it with `blockhouse state open` and write it with `terraform state push`.",
                path.display()
            ),
            Errored::Kept(path) => format!(
                "The runner keeps it, not encrypted since it has no key, in `{}`; `terraform state push` writes it.",
                path.display()
            ),
            Errored::Left(place) => format!("No copy could be made of it: {place}."),
        };
        StateFate::NotSaved(format!(
            "The state could not be written to its backend ({why}). {place} Do not run this block again before that."
        ))
    }

    async fn saved(&self, errored: &Errored) {
        self.follower.say("The state has been written at last.");
        let kept = if let Errored::Kept(path) = errored { Some(path.clone()) } else { None };
        let state = self.work.join(ERRORED);
        let removed = blocking(move || {
            files::remove(&state)?;
            kept.filter(|path| !path.as_os_str().is_empty())
                .map_or(Ok(()), |path| files::remove(&path))
        });
        if let Err(error) = removed.await {
            tracing::warn!(%error, "the copy of a state that has been written can't be removed");
        }
    }

    /// After a process that did not end by itself: whether its lock remains, and whether that may be released. Returns the id of one
    /// that remains, or may.
    async fn look_for_lock(
        &self,
        call: &str,
        tooling: &Tooling,
        verb: Locking,
        ended: &Ended,
    ) -> Option<String> {
        let stdout = ended.stdout.clone();
        let held = blocking(move || Ok(locks::had_lock(&stdout))).await.unwrap_or(false);
        let mut evidence = Evidence {
            run: self.run.clone(),
            operation: verb.operation.to_owned(),
            host: self.host.clone(),
            user: self.user.clone(),
            version: tooling.program.version.clone(),
            started: ended.end.started,
            ended: ended.last_sign().await,
            held: held || locks::is_left(&ended.errors().await),
            id: None,
            death: format!("{:?}", ended.end.exit),
        };
        // Before the probe: whatever happens now, a later run can prove it.
        self.remember(&evidence).await;
        let spec = tooling.spec(command::probe(), self.config.reading, LOCK_TIMEOUT);
        let name = format!("{call}-probe");
        let probed = match self.follower.carry_out(&name, spec, Shown::Nothing, false).await {
            Ok(probed) => probed,
            Err(error) => {
                self.follower
                    .say(&format!("Whether a state lock remains could not be found out: {error}"));
                return None;
            }
        };
        if matches!(probed.verdict(&[0]), Verdict::Done(_)) {
            self.forget().await;
            return None;
        }
        let Some(lock) = locks::parse(&probed.errors().await) else {
            self.follower.say("Whether a state lock remains could not be found out.");
            return None;
        };
        // The time of the probe and not now: a restart comes to the same result.
        let Some(proof) = evidence.proves(&lock, probed.end.started) else {
            self.follower.say(&format!(
                "The state is locked ({}). Nothing proves that the process that died has left the lock, so it stays.",
                lock.id
            ));
            return Some(lock.id);
        };
        evidence.id = Some(lock.id.clone());
        self.remember(&evidence).await;
        if self.release(&name, tooling, &lock, &proof).await { None } else { Some(lock.id) }
    }

    /// Whether a lock that is in the way was left by an earlier process of ours, and could be released.
    async fn release_if_proven(&self, name: &str, tooling: &Tooling, lock: &Lock) -> bool {
        let (evidences, block) = (self.evidences.clone(), self.block.clone());
        let found = blocking(move || evidences.find(&block)).await.ok().flatten();
        let Some(evidence) = found else { return false };
        match evidence.proves(lock, SystemTime::now()) {
            Some(proof) => self.release(name, tooling, lock, &proof).await,
            None => false,
        }
    }

    async fn release(&self, name: &str, tooling: &Tooling, lock: &Lock, proof: &str) -> bool {
        let left = format!(
            "A process of this runner that died has left the state lock {}: {proof}",
            lock.id
        );
        // SECURITY: e2e::terraform_workspace::a_lock_of_a_dead_process_is_released_only_if_policy_allows
        if !self.releases_locks {
            self.follower.say(&format!("{left}. Policy does not let the runner release it."));
            return false;
        }
        let arguments = command::unlock(&lock.id);
        let spec = tooling.spec(arguments, self.config.reading, LOCK_TIMEOUT);
        let name = format!("{name}-unlock");
        let released = self.follower.carry_out(&name, spec, Shown::Errors, false).await;
        let is_released =
            released.is_ok_and(|ended| matches!(ended.verdict(&[0]), Verdict::Done(_)));
        if is_released {
            self.follower.say(&format!("{left}. It was released."));
            self.forget().await;
        } else {
            self.follower.say(&format!("{left}. It could not be released."));
        }
        is_released
    }

    async fn remember(&self, evidence: &Evidence) {
        let (evidences, block) = (self.evidences.clone(), self.block.clone());
        let evidence = evidence.clone();
        if let Err(error) = blocking(move || evidences.keep(&block, &evidence)).await {
            tracing::warn!(%error, "what is known about a lock can't be kept");
        }
    }

    async fn forget(&self) {
        let (evidences, block) = (self.evidences.clone(), self.block.clone());
        if let Err(error) = blocking(move || evidences.forget(&block)).await {
            tracing::warn!(%error, "what was known about a lock can't be removed");
        }
    }
}

/// `0007-apply`, `0007-apply-2`, …
pub(super) fn numbered(call: &str, attempt: u32) -> String {
    if attempt < 2 { call.to_owned() } else { format!("{call}-{attempt}") }
}

/// Whether Terraform could neither write the state nor keep it in a file.
fn was_printed(errors: &str) -> bool {
    // Terraform breaks lines where it likes.
    let words: Vec<_> = errors.split_whitespace().filter(|word| *word != "│").collect();
    words.join(" ").contains("from creating a local backup file")
}
