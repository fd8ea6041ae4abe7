//! Locks that dead processes may have left.

use super::{Context, Locking};
use crate::terraform::command::{self, Tooling};
use crate::terraform::files::blocking;
use crate::terraform::follow::{Ended, Verdict};
use crate::terraform::locks::{self, Evidence, Lock};
use crate::terraform::tail::Shown;
use std::time::Duration;

/// For commands about locks.
const TIMEOUT: Duration = Duration::from_secs(120);

impl Context {
    /// After a process that did not end by itself: whether its lock remains, and whether that may be released. Returns the id of one
    /// that remains, or may.
    pub(super) async fn look_for_lock(
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
            held: held || locks::is_left(ended.errors().await),
            id: None,
            death: format!("{:?}", ended.end.exit),
        };
        // Before the probe: whatever happens now, a later run can prove it.
        self.remember(&evidence).await;
        let spec = tooling.spec(command::probe(), self.config.reading, TIMEOUT);
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
        let Some(lock) = locks::parse(probed.errors().await) else {
            self.follower.say("Whether a state lock remains could not be found out.");
            return None;
        };
        // The time of the probe and not now: a restart comes to the same result.
        let Some(proof) = evidence.proves(&lock, Some(probed.end.started)) else {
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
    pub(super) async fn release_if_proven(
        &self,
        name: &str,
        tooling: &Tooling,
        lock: &Lock,
    ) -> bool {
        let (evidences, block) = (self.evidences.clone(), self.block.clone());
        let found = blocking(move || evidences.find(&block)).await.ok().flatten();
        let Some(evidence) = found else { return false };
        match evidence.proves(lock, None) {
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
        let spec = tooling.spec(arguments, self.config.reading, TIMEOUT);
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
