//! From the way in which an execution ended to the run's outcome.

use super::bindings::{Failure as GuestFailure, Verdict};
use super::engine::WASM_STACK;
use super::state::RunState;
use crate::excerpt::clip;
use crate::outcome::{AbortReason, Failure, Fault, LimitHit, LimitName, Outcome, Usage};
use crate::tape::TapeError;
use crate::telemetry::chain;
use std::fmt::Write as _;
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

/// Frames of a backtrace that are kept.
const FRAMES_MAX: usize = 20;

/// Bytes of a name in a backtrace; the guest chooses them.
const NAME_MAX: usize = 100;

/// Bytes of a backtrace with what is around the names.
const TRACE_MAX: usize = 2 * FRAMES_MAX * NAME_MAX;

/// Bytes of wasmtime's own words.
const DETAIL_MAX: usize = 2_000;

/// A host function ends the call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HostError {
    #[error("limit hit: {0}")]
    Limit(LimitHit),
    #[error("{0}")]
    Misuse(String),
    #[error(transparent)]
    Tape(#[from] TapeError),
}

/// How an execution ended.
pub(super) enum Ended {
    /// It was stopped.
    Aborted(AbortReason),
    /// Something outside of the store hit a limit.
    Limit(LimitHit),
    /// Guest code returned or trapped.
    Returned(wasmtime::Result<Result<Verdict, GuestFailure>>),
    /// It took too long.
    Timeout,
}

/// The outcome of an execution that ended in this way.
pub(super) fn outcome(ended: Ended, state: &RunState, usage: &Usage) -> Outcome {
    match ended {
        Ended::Aborted(reason) => Outcome::Aborted(reason),
        Ended::Limit(hit) => Outcome::Failed(Failure::Limit(hit)),
        Ended::Returned(Ok(Ok(Verdict::HandedOver))) => Outcome::HandedOver,
        Ended::Returned(Ok(Ok(Verdict::Succeeded))) => Outcome::Succeeded,
        Ended::Returned(Ok(Err(failure))) => match state.progress.abort().reason() {
            // A component that was told to stop and then fails has been aborted, whatever it calls that.
            Some(reason) => {
                // Its words tell what has become of what it had begun elsewhere.
                let message = state.progress.door().message(&failure.message);
                state.progress.change(|timeline| timeline.remark(message));
                Outcome::Aborted(reason)
            }
            None => {
                // SECURITY: walls::no_text_that_is_shown_has_control_characters
                // SECURITY: walls::a_secret_is_in_no_text_that_is_shown
                let limits = state.grants.limits();
                let door = state.progress.door();
                let detail = failure.detail.as_deref();
                Outcome::Failed(Failure::Component {
                    message: door.message(&failure.message).into_string(),
                    detail: detail
                        .map(|detail| door.shown(detail, limits.log_kept_bytes).into_string()),
                })
            }
        },
        Ended::Returned(Err(error)) => of_error(&error, state, usage),
        Ended::Timeout => {
            let [used, allowed] = [usage.wall_time, usage.wall_time_allowed]
                .map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
            limit(LimitName::Time, used, allowed)
        }
    }
}

/// Nothing in these texts is the component's to choose at run time; they are redacted all the same.
fn shown(text: &str, state: &RunState) -> String {
    state.progress.door().shown(text, DETAIL_MAX).into_string()
}

fn of_error(error: &wasmtime::Error, state: &RunState, usage: &Usage) -> Outcome {
    if let Some(host_error) = error.downcast_ref::<HostError>() {
        return match host_error {
            HostError::Limit(hit) => Outcome::Failed(Failure::Limit(*hit)),
            HostError::Misuse(detail) => {
                Outcome::Failed(Failure::Misuse { detail: shown(detail, state) })
            }
            HostError::Tape(failure) => Outcome::Faulted(Fault {
                detail: shown(&chain(failure).to_string(), state),
                retryable: false,
            }),
        };
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return Outcome::Failed(Failure::Exited { success: exit.0 == 0 });
    }
    if let Some(outcome) = of_limit(error, state, usage) {
        return outcome;
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        let detail =
            state.progress.door().shown(&trap_detail(*trap, error), TRACE_MAX).into_string();
        return Outcome::Failed(Failure::Trap { detail });
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return fault(error, state, true);
    }
    // Errors that wasmtime raises on the guest's account (misuse of handles, a result that is no UTF-8) are no traps. During
    // instantiation a backtrace tells them from ours; of those about results, none has one.
    if state.entered || error.downcast_ref::<WasmBacktrace>().is_some() {
        let detail = shown(&format!("{error:#}"), state);
        return Outcome::Failed(Failure::Trap { detail });
    }
    fault(error, state, false)
}

/// The limit that made the guest end, if one did.
fn of_limit(error: &wasmtime::Error, state: &RunState, usage: &Usage) -> Option<Outcome> {
    let limits = state.grants.limits();
    let handles = || limit_of_size(LimitName::Handles, limits.handles, limits.handles);
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => {
            return Some(limit(LimitName::Cpu, usage.fuel, usage.fuel_allowed));
        }
        Some(Trap::StackOverflow) => {
            return Some(limit_of_size(LimitName::Stack, WASM_STACK, WASM_STACK));
        }
        Some(_) | None => {}
    }
    // A guest that is refused memory mostly traps without a word; the limiter knows why.
    if let Some(hit) = state.limiter.denied() {
        return Some(Outcome::Failed(Failure::Limit(hit)));
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref::<ResourceTableError>() {
        return Some(handles());
    }
    // wasmtime has no public types for these two; tests of the walls pin the texts.
    let text = format!("{error:#}");
    if text.contains("fuel allocated for hostcalls has been exhausted") {
        let allowed = limits.host_call_bytes;
        return Some(limit_of_size(LimitName::Transfer, allowed.saturating_add(1), allowed));
    }
    text.contains("store handle limit exceeded").then(handles)
}

/// The outcome of an execution that could not be begun.
pub(super) fn not_begun(error: &wasmtime::Error) -> Outcome {
    Outcome::Faulted(Fault { detail: clip(&format!("{error:#}"), DETAIL_MAX), retryable: true })
}

fn limit(limit: LimitName, used: u64, allowed: u64) -> Outcome {
    Outcome::Failed(Failure::Limit(LimitHit { limit, used, allowed }))
}

fn limit_of_size(limit: LimitName, used: usize, allowed: usize) -> Outcome {
    Outcome::Failed(Failure::Limit(LimitHit::of_size(limit, used, allowed)))
}

fn fault(error: &wasmtime::Error, state: &RunState, retryable: bool) -> Outcome {
    Outcome::Faulted(Fault { detail: shown(&format!("{error:#}"), state), retryable })
}

/// The trap and the functions that led to it.
fn trap_detail(trap: Trap, error: &wasmtime::Error) -> String {
    let mut detail = format!("trap: {trap}");
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        for frame in backtrace.frames().iter().take(FRAMES_MAX) {
            let name = frame.func_name().unwrap_or("(unnamed)");
            let _ = write!(detail, "\n  in {}", clip(name, NAME_MAX).replace(['\n', '\t'], " "));
        }
    }
    detail
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{About, Auditor};
    use crate::capability::Progress;
    use crate::capability::http::{Config, Outbound};
    use crate::redact::Redactor;
    use crate::run::{OpenedRun, Run};
    use crate::sandbox::Job;
    use crate::shutdown::Abort;
    use crate::tape::Tape;
    use crate::timeline::Timeline;
    use blockhouse_policy::{Grants, Limits, Policy};
    use secrecy::SecretString;
    use std::sync::Arc;
    use std::time::Duration;

    const SAID: &str = "GitHub was told to cancel the workflow of hunter2.";

    /// A run with a secret, which was told to stop if there is a reason.
    fn state(reason: Option<AbortReason>) -> RunState {
        let policy = Arc::new(Policy::parse("p.toml", "description = 'x'\n").unwrap());
        let grants = Arc::new(Grants::new(policy, None, &Limits::default()));
        let outbound = Outbound::build(Config::default(), []).unwrap();
        let secret = SecretString::from("hunter2");
        let redactor = Arc::new(Redactor::new([("key", &secret)]).unwrap().0);
        let progress = Progress::new(Timeline::new(grants.limits()), Abort::default());
        progress.change(|timeline| timeline.redact_with(&redactor));
        if let Some(reason) = reason {
            progress.abort().abort(reason);
        }
        let mut job = Job {
            tape: Arc::new(Tape::off().unwrap()),
            run: OpenedRun { run: Run::bare("MANUAL"), inputs: Vec::new(), settings: Vec::new() },
            grants,
            work: None,
            native: None,
            document: None,
            progress: Arc::new(progress),
            outbound: Arc::new(outbound),
            auditor: Arc::new(Auditor::new(About::default(), redactor)),
            abort_grace: Duration::from_secs(1),
        };
        RunState::new(&mut job).unwrap()
    }

    /// The outcome of a component that returned this, and the summary of its run.
    fn returned(
        reason: Option<AbortReason>,
        result: Result<Verdict, &str>,
    ) -> (Outcome, Option<String>) {
        let state = state(reason);
        let failure = |said: &str| GuestFailure { message: said.to_owned(), detail: None };
        let ended = Ended::Returned(Ok(result.map_err(failure)));
        let outcome = outcome(ended, &state, &Usage::default());
        let summary = state.progress.change(|timeline| {
            timeline.finish(&outcome, None);
            timeline.changes_since(0).summary
        });
        (outcome, summary)
    }

    #[test]
    fn what_a_component_says_after_an_abort_is_a_remark_to_it() {
        for reason in [AbortReason::ByUser, AbortReason::Shutdown] {
            let (outcome, summary) = returned(Some(reason), Err(SAID));
            assert_eq!(outcome, Outcome::Aborted(reason));
            let ours = outcome.user_message().unwrap();
            let expected =
                format!("{ours} GitHub was told to cancel the workflow of [secret key].");
            assert_eq!(
                summary.unwrap(),
                expected,
                "our words come first, and no secret is in them"
            );
        }
    }

    #[test]
    fn without_an_abort_it_is_a_failure_of_its_own() {
        let (outcome, summary) = returned(None, Err(SAID));
        let message = "GitHub was told to cancel the workflow of [secret key].".to_owned();
        let failure = Failure::Component { message: message.clone(), detail: None };
        assert_eq!((outcome, summary), (Outcome::Failed(failure), Some(message)));
    }

    #[test]
    fn a_component_that_has_succeeded_in_spite_of_an_abort_has_succeeded() {
        let reason = Some(AbortReason::ByUser);
        assert_eq!(returned(reason, Ok(Verdict::Succeeded)), (Outcome::Succeeded, None));
        assert_eq!(returned(reason, Ok(Verdict::HandedOver)), (Outcome::HandedOver, None));
    }
}
