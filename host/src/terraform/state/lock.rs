//! Locks that dead processes may have left.

use super::{Context, Locking, numbered};
use crate::terraform::command::{self, Tooling};
use crate::terraform::files::blocking;
use crate::terraform::follow::{Ended, Verdict};
use crate::terraform::holder;
use crate::terraform::locks::{self, Evidence, Holder, Lock};
use crate::terraform::tail::Shown;
use std::time::Duration;

/// For commands about locks.
const TIMEOUT: Duration = Duration::from_secs(120);

/// How often each is tried: the backend may be away for a moment, or the command be killed as well.
const TRIES: u32 = 4;

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
        let earlier = self.known().await;
        let mut evidence = self.evidence(tooling, verb.operation, ended).await;
        if !evidence.held {
            // What is known of an earlier lock may be what has stopped it.
            evidence.id = earlier.as_ref().and_then(|earlier| earlier.id.clone());
        }
        // Before the probe: whatever happens now, a later run can prove it.
        self.remember(&evidence).await;
        let mut deaths = vec![evidence.clone()];
        let (mut pause, mut remaining) = (self.config.pushing.first_pause, None);
        for attempt in 1..=TRIES {
            let name = numbered(&format!("{call}-probe"), attempt);
            if attempt > 1 && !self.follower.knows(&name) {
                if !self.follower.flight.pause_unless_hurried(pause).await {
                    break;
                }
                pause = pause.saturating_mul(2);
            }
            let spec = tooling.spec(command::probe(), self.config.reading, TIMEOUT);
            let probed = match self.follower.carry_out(&name, spec, Shown::Nothing, false).await {
                Ok(probed) => probed,
                Err(error) => {
                    self.follower.say(&format!(
                        "Whether a state lock remains could not be found out: {error}"
                    ));
                    return remaining;
                }
            };
            match probed.verdict(&[0]) {
                Verdict::Done(_) => {
                    self.forget().await;
                    return None;
                }
                // There is no room on the disk for it, or no program: that does not pass in a minute.
                Verdict::NotStarted(_) => break,
                _ => {}
            }
            if probed.is_violent() {
                // It takes the lock as well.
                deaths.push(self.evidence(tooling, command::PROBE_OPERATION, &probed).await);
            }
            // SECURITY: e2e::terraform_workspace::locks::a_lock_is_found_though_the_backend_fails_meanwhile
            let Some(lock) = locks::parse(probed.errors().await) else { continue };
            // The time of the probe and not now: a restart comes to the same result.
            let found = Some(probed.end.started);
            let proves = |lock: &Lock| {
                let proof = deaths.iter().find_map(|death| death.proves(lock, found));
                proof.or_else(|| earlier.as_ref()?.proves(lock, None))
            };
            let proof = self.proof(&name, tooling, &lock, proves).await;
            let Some(proof) = proof else {
                self.follower.say(&format!(
                    "The state is locked ({}). Nothing proves that the process that died has left the lock, so it stays.",
                    lock.id
                ));
                return Some(lock.id);
            };
            evidence.id = Some(lock.id.clone());
            self.remember(&evidence).await;
            if self.release(&name, tooling, &lock, &proof).await {
                return None;
            }
            remaining = Some(lock.id);
            if !self.releases_locks {
                return remaining;
            }
        }
        if remaining.is_none() {
            self.follower.say("Whether a state lock remains could not be found out.");
        }
        remaining
    }

    /// The proof that a lock is ours. If there is none, and Terraform has shown nothing of the lock but its id, the backend is asked for more.
    async fn proof(
        &self,
        name: &str,
        tooling: &Tooling,
        lock: &Lock,
        proves: impl Fn(&Lock) -> Option<String>,
    ) -> Option<String> {
        let proof = proves(lock);
        if proof.is_some() || lock.holder.is_some() {
            return proof;
        }
        // SECURITY: e2e::terraform_workspace::locks::a_lock_that_was_taken_before_anything_was_printed_is_released
        let holder = self.holder(name, tooling, lock).await?;
        proves(&Lock { holder: Some(holder), ..lock.clone() })
    }

    /// Who holds a lock of which the backend has told Terraform nothing but the id; none if it does not tell us either.
    async fn holder(&self, name: &str, tooling: &Tooling, lock: &Lock) -> Option<Holder> {
        let mut tooling = tooling.clone();
        let program = self.follower.launcher.program.clone();
        tooling.confinement.execute.push(program.clone());
        let mut spec = tooling.spec(holder::arguments(), self.config.reading, TIMEOUT);
        spec.program = program;
        let name = format!("{name}-holder");
        let asked = self.follower.carry_out(&name, spec, Shown::Nothing, false).await.ok()?;
        let said = asked.output(holder::ANSWER_MAX).await.ok()?;
        holder::parse(&said, lock)
    }

    async fn evidence(&self, tooling: &Tooling, operation: &str, ended: &Ended) -> Evidence {
        let stdout = ended.stdout.clone();
        let held = blocking(move || Ok(locks::had_lock(&stdout))).await.unwrap_or(false);
        Evidence {
            run: self.run.clone(),
            operation: operation.to_owned(),
            host: self.host.clone(),
            user: self.user.clone(),
            version: tooling.program.version.clone(),
            started: ended.end.started,
            ended: ended.last_sign().await,
            held: held || locks::is_left(ended.errors().await),
            id: None,
            death: format!("{:?}", ended.end.exit),
        }
    }

    /// Whether a lock that is in the way was left by this process or an earlier one of ours, and could be released.
    pub(super) async fn release_if_proven(
        &self,
        name: &str,
        tooling: &Tooling,
        lock: &Lock,
    ) -> bool {
        let proof = if lock.is_own {
            // SECURITY: e2e::terraform_workspace::locks::a_lock_whose_holder_was_not_told_of_it_is_released
            Some("it had asked for it, and the answer was lost".to_owned())
        } else if let Some(evidence) = self.known().await {
            self.proof(name, tooling, lock, |lock| evidence.proves(lock, None)).await
        } else {
            None
        };
        match proof {
            Some(proof) => self.release(name, tooling, lock, &proof).await,
            None => false,
        }
    }

    /// What is known of the last process that may have left a lock.
    async fn known(&self) -> Option<Evidence> {
        let (evidences, block) = (self.evidences.clone(), self.block.clone());
        blocking(move || evidences.find(&block)).await.ok().flatten()
    }

    async fn release(&self, name: &str, tooling: &Tooling, lock: &Lock, proof: &str) -> bool {
        let left = format!("A process of this runner has left the state lock {}: {proof}", lock.id);
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
