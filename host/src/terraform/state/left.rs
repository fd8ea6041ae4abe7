//! What can still be done for verbs that nobody goes on with: [`finish`].
//!
//! A resumed run may end before it comes to what an earlier process has begun: its policy or component has changed, or it is aborted. Its
//! programs are interrupted and waited for, and what they could not write is kept. Pushing it takes the component's configuration, which
//! there is none of any more.

use super::{ERRORED, StateFate};
use crate::shim::{self, End, Exit, Found, Launcher};
use crate::telemetry::chain;
use crate::terraform::files::{self, blocking};
use crate::terraform::flight::Report;
use crate::terraform::follow::sentence;
use crate::terraform::quarantine::Quarantine;
use std::fs;
use std::path::{Path, PathBuf};

/// The verbs that write state, as their operations are named.
const WRITING: [&str; 3] = ["apply", "apply-plan", "destroy"];

/// The file that says that all was done after a verb.
pub(super) fn marker(operations: &Path, call: &str) -> PathBuf {
    operations.join(format!("{call}.settled"))
}

/// What is looked at.
pub(in crate::terraform) struct Left<'a> {
    pub(in crate::terraform) launcher: &'a Launcher,
    pub(in crate::terraform) quarantine: Quarantine,
    pub(in crate::terraform) operations: PathBuf,
    pub(in crate::terraform) work: PathBuf,
    pub(in crate::terraform) block: String,
    pub(in crate::terraform) run: String,
}

/// A verb that writes state, after which nothing was done.
struct Unsettled {
    verb: &'static str,
    call: String,
    end: Option<End>,
}

/// Ends what is running in a run's directory, and keeps the state that it leaves. Says what has become of it, if anything had been begun
/// that writes state.
pub(in crate::terraform) async fn finish(left: Left<'_>) -> Option<Report> {
    let mut unsettled = None;
    for (name, directory) in operations(&left.operations) {
        let Some(end) = end_of(left.launcher, &directory).await else { continue };
        // In their order: what was begun last counts.
        if let Some((verb, call)) = writing(&name)
            && !marker(&left.operations, call).exists()
        {
            unsettled = Some(Unsettled { verb, call: call.to_owned(), end });
        }
    }
    let Unsettled { verb, call, end } = unsettled?;
    let stopped = end.as_ref().and_then(|end| Some(sentence(end.stop.as_ref()?, &end.exit)));
    let report = |state, keep_directory| {
        let (stopped, lock) = (stopped.clone(), None);
        Some(Report { verb, stopped, state, lock, keep_directory })
    };
    let Left { quarantine, work, block, run, .. } = left;
    // SECURITY: e2e::terraform::states::a_state_of_a_verb_that_nobody_goes_on_with_is_kept
    let kept = blocking(move || {
        let Some(state) = files::open(&work.join(ERRORED))? else { return Ok(None) };
        let path = quarantine.keep(&state, &block, &run, &call)?;
        Ok(Some(quarantine.sentence(&path)))
    });
    match kept.await {
        Ok(Some(place)) => {
            let text = format!(
                "The state could not be written to its backend. {place} Do not run this block again before that."
            );
            report(StateFate::NotSaved(text), false)
        }
        Err(error) => {
            tracing::error!(%error, "a state can't be kept");
            let text = "The state could not be written to its backend, and no copy could be made of it. The runner keeps what there is.";
            report(StateFate::NotSaved(text.to_owned()), true)
        }
        Ok(None) if end.as_ref().is_some_and(has_ended_by_itself) => {
            report(StateFate::Saved, false)
        }
        Ok(None) => {
            let text = "The process did not end by itself. What it had done by then may be missing in the state, and its lock may \
                        remain: look at both before the next run.";
            report(StateFate::Unknown(text.to_owned()), false)
        }
    }
}

/// Whether Terraform has come to its own end, after which its state is written or in `errored.tfstate`.
fn has_ended_by_itself(end: &End) -> bool {
    let is_forced = end.stop.is_some_and(|stop| stop.killed || stop.interrupts > 1);
    !is_forced && matches!(end.exit, Exit::Code(_))
}

/// Those that were started, in their order.
fn operations(directory: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let started = entries.filter(|entry| entry.path().join(shim::STATUS).exists());
    let mut started: Vec<_> = started
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
        .collect();
    started.sort_unstable();
    started
}

/// How an operation has ended, after interrupting it if it runs; nothing inside if that can't be found out, nothing at all if it was
/// never started.
async fn end_of(launcher: &Launcher, directory: &Path) -> Option<Option<End>> {
    let path = directory.display();
    let mut operation = match launcher.find(directory).await {
        Ok(Found::Ended(end)) => return Some(Some(end)),
        Ok(Found::NotStarted) => return None,
        Ok(Found::Running(operation)) => operation,
        Err(error) => {
            tracing::error!(error = %chain(&error), "a process of an earlier run can't be looked at");
            return Some(None);
        }
    };
    // SECURITY: e2e::terraform::a_resumed_run_that_ends_early_ends_what_was_running
    tracing::warn!(%path, "a process that nobody goes on with is interrupted");
    if let Err(error) = operation.interrupt(shim::StopReason::Shutdown) {
        tracing::error!(error = %chain(&error), "a process can't be interrupted");
    }
    let ended = operation.ended().await;
    if let Err(error) = &ended {
        tracing::error!(error = %chain(error), "the end of a process can't be found out");
    }
    Some(ended.ok())
}

/// Verb and call of an operation that writes state: `0007-apply` and `0007-apply-2` are those of call `0007-apply`.
fn writing(operation: &str) -> Option<(&'static str, &str)> {
    let (number, name) = operation.split_once('-')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(number) {
        return None;
    }
    let of = |verb: &'static str| {
        let rest = name.strip_prefix(verb)?;
        let is_attempt = rest.is_empty() || rest.strip_prefix('-').is_some_and(is_number);
        let call = operation.strip_suffix(rest)?;
        is_attempt.then_some((verb, call))
    };
    WRITING.into_iter().find_map(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operations_that_write_state_are_known_by_their_names() {
        for (operation, expected) in [
            ("0007-apply", Some(("apply", "0007-apply"))),
            ("0007-apply-2", Some(("apply", "0007-apply"))),
            ("0007-apply-plan", Some(("apply-plan", "0007-apply-plan"))),
            ("0012-destroy-13", Some(("destroy", "0012-destroy"))),
            ("0007-apply-push-1", None),
            ("0007-apply-probe", None),
            ("0007-plan", None),
            ("0003-init-2", None),
            ("apply", None),
            ("x-apply", None),
        ] {
            assert_eq!(writing(operation), expected, "{operation}");
        }
    }
}
