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
