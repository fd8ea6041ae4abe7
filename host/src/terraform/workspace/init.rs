//! `init`: what it downloads fills the mirror of providers, and policy is asked about it.

use super::{LOCK_FILE, Workspace};
use crate::terraform::answer::OperationError;
use crate::terraform::files::{self, blocking};
use crate::terraform::follow::Verdict;
use crate::terraform::state::{Aftermath, numbered};
use crate::terraform::tail::Shown;
use crate::terraform::{backend, command};
use std::sync::Arc;

impl Workspace {
    /// `init`, once again after a pause if it fails. Then asks policy about the modules.
    ///
    /// # Errors
    /// [`OperationError`]; a module that policy denies keeps all later verbs from running.
    pub async fn init(
        &mut self,
        meshstack_state: bool,
        upgrade: bool,
    ) -> Result<(), OperationError> {
        if meshstack_state {
            self.state_address()?;
        }
        self.has_meshstack_state = meshstack_state;
        let address = self.backend().map(|state| state.address.clone());
        let arguments = command::init(address.as_ref(), upgrade);
        let call = self.begin_process("init", &arguments)?;
        let tooling = self.tooling().await?;
        self.record(&call).await?;
        let time = self.time(|limits| limits.init_time);
        let config = &self.shared.config;
        let spec = tooling.spec(arguments, config.looking(), time);
        let pause = config.init_pause;
        let (context, mirror) = (Arc::clone(&self.context), self.mirror.clone());
        let mirrors = self.shared.mirrors.clone();
        let paths = self.assignment.paths.clone();
        let key = self.tree.clone().unwrap_or_else(|| self.context.run.clone());
        // A resumed run has executed what comes after it, and it may still be running there.
        let is_bent = self.is_bent || call.is_known;
        let name = call.name;
        // Whether the repository has one: then it says what is used.
        let committed = paths.work.join(LOCK_FILE);
        let is_locked = blocking(move || Ok(committed.exists())).await.unwrap_or(true);
        let renewed = spec.clone();
        let job = async move {
            let follower = &context.follower;
            let mut has_filled = false;
            let turn = tokio::select! {
                turn = mirror.turn(&key) => turn,
                _ = follower.flight.stopped() => {
                    follower.flight.may_begin("init")?;
                    return Err(OperationError::Fault("`init` was stopped".to_owned()));
                }
            };
            let mut ended = follower.carry_out(&name, spec.clone(), Shown::All, true).await?;
            if let Verdict::SaidNo(_) = ended.verdict(&[0]) {
                let again = numbered(&name, 2);
                if follower.knows(&again) || {
                    follower.say(&format!(
                        "`init` failed; trying once again in {}.",
                        humantime::format_duration(pause)
                    ));
                    follower.flight.pause(pause).await
                } {
                    ended = follower.carry_out(&again, spec, Shown::All, true).await?;
                }
            }
            context.tell_stop("init", &ended);
            if let Verdict::Done(_) = ended.verdict(&[0]) {
                // SECURITY: e2e::terraform::caches::a_run_whose_environment_is_bent_fills_no_cache
                if !is_bent {
                    let lock_file = paths.work.join(LOCK_FILE);
                    let taken = mirror.import(&paths.data, &lock_file).await;
                    has_filled = !taken.is_empty();
                    if has_filled {
                        mirrors.make_room().await;
                    }
                    tracing::debug!(?taken, "providers were taken into the mirror");
                    turn.filled();
                }
            }
            // What a registry says of a provider's hashes is more than what a mirror can tell, and a plan is only applied under the very lock
            // file that it was made under. So the first run, which has filled the mirror, makes it again from there.
            let again = numbered(&name, 3);
            let lock_file = paths.work.join(LOCK_FILE);
            if follower.knows(&again) || (has_filled && !is_locked) {
                if !follower.knows(&again) {
                    let lock_file = lock_file.clone();
                    let removed = blocking(move || files::remove(&lock_file)).await;
                    removed.map_err(|error| OperationError::Fault(error.to_string()))?;
                }
                ended = follower.carry_out(&again, renewed, Shown::Errors, true).await?;
            }
            Ok(ended)
        };
        let ended = self.flight().perform(&self.block, job, OperationError::Fault).await?;
        self.answer("init", &ended, &[0], Aftermath::NONE).await?;
        self.check_backend().await?;
        self.ask_about_modules().await?;
        self.is_initialized = true;
        Ok(())
    }

    /// If the process is given the credentials for meshStack's state: that they go there.
    pub(super) async fn check_backend(&self) -> Result<(), OperationError> {
        let Some(address) = self.backend().map(|state| state.address.clone()) else {
            return Ok(());
        };
        let data = self.assignment.paths.data.clone();
        let checked = blocking(move || Ok(backend::check(&data, &address))).await;
        checked
            .map_err(|error| OperationError::Fault(error.to_string()))?
            .map_err(OperationError::Invalid)
    }
}
