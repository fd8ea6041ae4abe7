//! Errors of verbs in the words of the WIT package: redacted, and written to the audit log when policy said no.

use crate::audit::Auditor;
use crate::sandbox::bindings::blockhouse::block::terraform::{
    Cancellation, OperationError, StateFate, StopReason, ToolFailure,
};
use crate::terraform;
use crate::timeline::Door;

/// Bytes of what a program printed that the component is told.
const DIAGNOSTICS_MAX: usize = 16 << 10;

/// The error for the component. What programs print may hold secrets, which the component must not see.
pub(in crate::capability) fn failed(
    error: terraform::OperationError,
    auditor: &Auditor,
    door: &Door,
) -> OperationError {
    // SECURITY: walls::terraform::what_a_program_prints_is_redacted_before_the_component_sees_it
    let shown = |text: &str| door.shown(text, DIAGNOSTICS_MAX).into_string();
    match error {
        terraform::OperationError::Cancelled(terraform::Cancellation {
            reason,
            message,
            state,
            lock,
        }) => OperationError::Cancelled(Cancellation {
            reason: stop_reason(reason),
            message: shown(&message),
            state: fate(state, shown),
            lock: lock.as_deref().map(shown),
        }),
        terraform::OperationError::Denied(denied) => {
            auditor.denied("terraform", "a verb", &denied);
            OperationError::Denied(shown(&denied.rule))
        }
        terraform::OperationError::Failed(terraform::ToolFailure {
            exit_code,
            diagnostics,
            state,
            message,
        }) => OperationError::Failed(ToolFailure {
            exit_code,
            diagnostics: shown(&diagnostics),
            state: fate(state, shown),
            message: message.as_deref().map(shown),
        }),
        terraform::OperationError::Fault(text) => {
            tracing::error!(error = text, "a native program could not be carried out");
            OperationError::Fault(shown(&text))
        }
        terraform::OperationError::Invalid(text) => OperationError::Invalid(shown(&text)),
    }
}

fn fate(state: terraform::StateFate, shown: impl Fn(&str) -> String) -> StateFate {
    match state {
        terraform::StateFate::NotSaved(text) => StateFate::NotSaved(shown(&text)),
        terraform::StateFate::Saved => StateFate::Saved,
        terraform::StateFate::Unknown(text) => StateFate::Unknown(shown(&text)),
        terraform::StateFate::Untouched => StateFate::Untouched,
    }
}

fn stop_reason(reason: terraform::StopReason) -> StopReason {
    match reason {
        terraform::StopReason::ByUser => StopReason::ByUser,
        terraform::StopReason::Cpu => StopReason::Cpu,
        terraform::StopReason::Disk => StopReason::Disk,
        terraform::StopReason::Memory => StopReason::Memory,
        terraform::StopReason::Output => StopReason::Output,
        terraform::StopReason::Processes => StopReason::Processes,
        terraform::StopReason::Shutdown => StopReason::Shutdown,
        terraform::StopReason::Time => StopReason::Time,
    }
}
