//! No state is lost and no lock is left: [`Context`] carries out the verbs that take the lock, and does what is to be done after them.
//! `unwritten` keeps and pushes state that could not be written, `lock` finds out about locks that remain, `left` does what can still
//! be done for verbs that nobody goes on with.
//!
//! After a verb that writes state: what Terraform could not write is sealed and kept before anything else; then, if the process died in
//! the middle of something, its lock is looked for; then the state is pushed until it is where it belongs. All of that happens in the verb's
//! own task, even if the run is being stopped, and is found again after a restart by the names of its operations.

mod left;
mod lock;
mod unwritten;

pub(super) use left::{Left, finish};

use super::answer::{OperationError, StateFate};
use super::command::Tooling;
use super::config::Config;
use super::files::{self, blocking};
use super::flight::Report;
use super::follow::{Ended, Follower, Verdict, sentence};
use super::locks::{self, Evidences};
use super::quarantine::Quarantine;
use super::tail::Shown;
use crate::crash::{self, CrashPoint};
use crate::shim::{self, Spec};
use std::path::PathBuf;
use std::time::Duration;
use unwritten::Errored;

/// What Terraform writes if the backend refuses the state.
pub const ERRORED: &str = "errored.tfstate";

/// What one is called that a verb finds before it begins.
const FOUND: &str = "errored.tfstate.found";

/// The first and the longest pause while another one has the lock.
const LOCK_PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

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

impl Context {
    /// Sets aside what a verb would leave if it were not there already: nobody could tell later whose it is.
    ///
    /// `is_from_sources`: nothing has run yet that could have written it. What is in the repository need not be kept; what a script has left is.
    pub(super) async fn set_aside(&self, is_from_sources: bool) -> Result<(), OperationError> {
        let path = self.work.join(ERRORED);
        if std::fs::symlink_metadata(&path).is_err() {
            return Ok(());
        }
        let mut told = format!("`{ERRORED}` was there before; it was renamed to `{FOUND}`");
        if !is_from_sources {
            let (quarantine, block) = (self.quarantine.clone(), self.block.clone());
            let from = path.clone();
            let kept = blocking(move || match files::open(&from)? {
                Some(state) => quarantine.keep_found(&state, &block).map(Some),
                None => Ok(None),
            });
            match kept.await {
                Ok(Some(at)) => told.push_str(&format!(" and kept in `{}`", at.display())),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "a state that a script has left can't be kept")
                }
            }
        }
        self.follower.say(&format!("{told}."));
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
            if !is_conflict(&ended, verb.expected).await {
                return Ok(ended);
            }
            // An earlier process has decided.
            if self.follower.knows(&numbered(call, attempt + 1)) {
                continue;
            }
            let lock = locks::parse(ended.errors().await);
            if let Some(lock) = &lock
                && self.release_if_proven(&name, tooling, lock).await
            {
                continue;
            }
            if waited >= self.config.lock_wait || self.follower.flight.is_in_a_hurry() {
                return Ok(ended);
            }
            let holder = lock.as_ref().and_then(|lock| lock.holder.as_ref());
            let holder = holder.map_or("another one", |holder| holder.who.as_str());
            let id = lock.as_ref().map(|lock| format!(" {}", lock.id)).unwrap_or_default();
            self.follower.say(&format!(
                "{holder} has the state lock{id}; trying again in {}.",
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

    /// Whether a program was started by this call, in whichever attempt: if not, it has left nothing.
    pub(super) fn has_started(&self, call: &str) -> bool {
        let attempts = (1..).map(|attempt| numbered(call, attempt));
        let mut attempts = attempts.take_while(|name| self.follower.knows(name));
        attempts.any(|name| self.follower.directory.join(name).join(shim::STATUS).exists())
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
        let errored = if verb.writes { self.secure(call, ended, errors).await } else { None };
        let is_violent = ended.is_violent();
        let lock = if is_violent || locks::is_left(errors) {
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
                _ if is_conflict(ended, verb.expected).await => StateFate::Untouched,
                _ => StateFate::Saved,
            }
        };
        self.note_settled(call).await;
        crash::point(CrashPoint::StateSettled);
        aftermath
    }

    /// Whoever comes upon the run's directory later need not do any of that.
    async fn note_settled(&self, call: &str) {
        let path = left::marker(&self.follower.directory, call);
        if let Err(error) = blocking(move || files::write(&path, b"", None)).await {
            tracing::warn!(%error, "that a verb is settled can't be noted");
        }
    }
}

/// `0007-apply`, `0007-apply-2`, …
pub(super) fn numbered(call: &str, attempt: u32) -> String {
    if attempt < 2 { call.to_owned() } else { format!("{call}-{attempt}") }
}

/// Whether another one had the lock, so that nothing was done.
///
/// What provisioners print ends up in the error stream as well, the words of a nested Terraform among it. So it also counts that
/// nothing was printed before, which a process that has got its lock does.
pub(super) async fn is_conflict(ended: &Ended, expected: &[i32]) -> bool {
    if !matches!(ended.verdict(expected), Verdict::SaidNo(_)) {
        return false;
    }
    let stdout = ended.stdout.clone();
    // SECURITY: e2e::terraform_workspace::states::an_apply_whose_provisioner_talks_of_locks_is_not_repeated
    let had_lock = blocking(move || Ok(locks::had_lock(&stdout))).await.unwrap_or(true);
    !had_lock && locks::is_conflict(ended.errors().await)
}
