//! What errors of the host become for people: [`failed`].

use crate::bindings::Failure;
use crate::bindings::blockhouse::block::terraform::{
    Cancellation, OperationError, StateFate, StopReason, ToolFailure,
};
use crate::diagnostics::first_error;

/// An operation did not do what it should. `what` says what, for example `Terraform apply`.
pub(crate) fn failed(what: &str, error: &OperationError) -> Failure {
    match error {
        OperationError::Cancelled(cancellation) => cancelled(what, cancellation),
        OperationError::Denied(rule) => Failure {
            message: format!("{what} is not allowed here: {rule}. Please ask the platform team."),
            detail: None,
        },
        OperationError::Failed(failure) => tool_failed(what, failure),
        OperationError::Fault(cause) => Failure {
            message: format!(
                "{what} could not be carried out because of a problem of the runner. Please try again, or tell the platform team."
            ),
            detail: Some(cause.clone()),
        },
        OperationError::Invalid(why) => Failure {
            message: format!("{what} can't be carried out: {why}. Please ask the platform team."),
            detail: None,
        },
    }
}

fn tool_failed(what: &str, failure: &ToolFailure) -> Failure {
    let ending = match failure.exit_code {
        Some(code) => format!("{what} failed with exit code {code}"),
        None => format!("{what} was ended by a signal"),
    };
    let headline = first_error(&failure.diagnostics).map(|headline| format!(": {headline}"));
    let message =
        format!("{ending}{}. The log of the step has the details.", headline.unwrap_or_default());
    Failure { message: with_state(message, &failure.state), detail: None }
}

fn cancelled(what: &str, cancellation: &Cancellation) -> Failure {
    let reason = match cancellation.reason {
        StopReason::ByUser => "by its user",
        StopReason::Cpu => "because it used too much time on a core",
        StopReason::Disk => "because the disk space it may use was full",
        StopReason::Memory => "because it used too much memory",
        StopReason::Output => "because it wrote too much output",
        StopReason::Processes => "because it had too many processes and threads",
        StopReason::Shutdown => "because the runner was stopped",
        StopReason::Time => "because it took too long",
    };
    let mut message = with_state(
        format!("{what} was stopped {reason}. {}", cancellation.message),
        &cancellation.state,
    );
    if let StateFate::Saved = cancellation.state {
        message.push_str(" The state was saved.");
    }
    if let Some(lock) = &cancellation.lock {
        message.push_str(&format!(
            " The state may still be locked (lock id {lock}); if the next run says so, ask the platform team to release it."
        ));
    }
    Failure { message, detail: None }
}

/// What is at stake comes first: people stop reading.
fn with_state(message: String, state: &StateFate) -> String {
    match state {
        StateFate::NotSaved(where_it_is) => {
            format!("THE STATE WAS NOT SAVED: {where_it_is} {message}")
        }
        StateFate::Saved | StateFate::Untouched => message,
        StateFate::Unknown(what_is_known) => {
            format!("It is not known whether the state was saved: {what_is_known} {message}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cancellation(state: StateFate, lock: Option<&str>) -> OperationError {
        let message = "It was interrupted once and ended after 3 s.".to_owned();
        OperationError::Cancelled(Cancellation {
            reason: StopReason::ByUser,
            message,
            state,
            lock: lock.map(str::to_owned),
        })
    }

    fn message(error: &OperationError) -> String {
        failed("Terraform apply", error).message
    }

    #[test]
    fn a_stopped_run_says_what_became_of_the_state_and_the_lock() {
        assert_eq!(
            message(&cancellation(StateFate::Saved, None)),
            "Terraform apply was stopped by its user. It was interrupted once and ended after 3 s. The state was saved."
        );
        let lost = message(&cancellation(
            StateFate::NotSaved("it is kept in q.".to_owned()),
            Some("4711"),
        ));
        assert!(lost.starts_with("THE STATE WAS NOT SAVED: it is kept in q."), "{lost}");
        assert!(lost.contains("lock id 4711"), "{lost}");
        let unknown = message(&cancellation(StateFate::Unknown("killed.".to_owned()), None));
        assert!(
            unknown.starts_with("It is not known whether the state was saved: killed."),
            "{unknown}"
        );
        assert!(!message(&cancellation(StateFate::Untouched, None)).contains("state"));
    }

    #[test]
    fn a_failure_has_the_exit_code_and_the_headline() {
        let failure = |exit_code, state| {
            let diagnostics = "╷\n│ Error: No such thing\n".to_owned();
            OperationError::Failed(ToolFailure { exit_code, diagnostics, state, message: None })
        };
        let told = message(&failure(Some(1), StateFate::Saved));
        assert_eq!(
            told,
            "Terraform apply failed with exit code 1: No such thing. The log of the step has the details."
        );
        assert!(
            message(&failure(None, StateFate::Saved))
                .starts_with("Terraform apply was ended by a signal")
        );
        let lost = message(&failure(Some(1), StateFate::NotSaved("x".to_owned())));
        assert!(lost.starts_with("THE STATE WAS NOT SAVED"), "{lost}");
    }

    #[test]
    fn a_refusal_names_the_rule_and_a_fault_hides_its_cause_from_the_user() {
        assert!(
            message(&OperationError::Denied("policy x, [terraform] scripts".to_owned()))
                .contains("policy x")
        );
        let fault = failed("Terraform init", &OperationError::Fault("io error".to_owned()));
        assert!(!fault.message.contains("io error") && fault.detail.as_deref() == Some("io error"));
    }
}
