//! Why a call to a service did not do what it should: [`CallError`], [`unclear`], [`redirected`].

use crate::failure::{detailed, failure};
use crate::http::Response;
use crate::text::one_line;
use crate::{Failure, SendError};

/// No answer, or not the one that was asked for.
#[derive(Debug)]
pub enum CallError {
    /// The service's answer was no; in words for people.
    Refused(Failure),
    /// There is no usable answer, for reasons that pass: the service has trouble of its own.
    Troubled(Failure),
    /// There is no answer.
    Unanswered(SendError),
}

impl From<SendError> for CallError {
    fn from(error: SendError) -> Self {
        Self::Unanswered(error)
    }
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

impl CallError {
    /// Whether the run is being stopped.
    pub fn is_aborted(&self) -> bool {
        matches!(self, Self::Unanswered(SendError::Aborted))
    }

    /// Whether the same call may well succeed a little later.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Troubled(_)
                | Self::Unanswered(
                    SendError::Network(_) | SendError::Timeout(_) | SendError::Unreachable(_)
                )
        )
    }

    /// What it means for the run. `service` is what people call it.
    pub fn into_failure(self, service: &str) -> Failure {
        match self {
            Self::Refused(failure) | Self::Troubled(failure) => failure,
            Self::Unanswered(error) => unanswered(service, error),
        }
    }
}

/// There is no answer to a request that starts something. `what` says what may have happened: `the pipeline was started`.
pub fn unclear(service: &str, what: &str, error: SendError) -> Failure {
    match error {
        SendError::Network(why) | SendError::Timeout(why) | SendError::TooLarge(why) => detailed(
            format!(
                "It is not known whether {what}: {service} did not give a usable answer. Please look there before you start the run again."
            ),
            why,
        ),
        error => unanswered(service, error),
    }
}

/// An answer that leads elsewhere, which is not followed: credentials would go along.
pub fn redirected<S>(service: &str, key: &str, response: &Response<S>) -> Failure {
    let to = response.header("location").unwrap_or("no address");
    detailed(
        format!(
            "{service} sends the runner to another address, which it does not follow. Please ask the platform team to check `{key}` in the building block's definition."
        ),
        format!("status {} to {}", response.status, one_line(to, 300)),
    )
}

fn unanswered(service: &str, error: SendError) -> Failure {
    match error {
        SendError::Aborted => failure(format!("The run was stopped while {service} was asked.")),
        SendError::Denied(rule) => failure(format!(
            "This runner is not allowed to talk to {service} in this way: {rule}. Please ask the platform team."
        )),
        SendError::InvalidRequest(why) => failure(format!(
            "The request to {service} can't be sent: {why}. Please ask the platform team to check the building block's definition."
        )),
        SendError::Network(why) => detailed(
            format!(
                "The connection with {service} failed. Please try again later; if it stays like this, ask the platform team."
            ),
            why,
        ),
        SendError::Timeout(why) => detailed(
            format!(
                "{service} does not answer in time. Please try again later; if it stays like this, ask the platform team."
            ),
            why,
        ),
        SendError::TooLarge(why) => detailed(
            format!("The answer of {service} is too large. Please tell the platform team."),
            why,
        ),
        SendError::Unreachable(why) => detailed(
            format!(
                "{service} can't be reached, and nothing was sent to it. Please try again later; if it stays like this, ask the platform team."
            ),
            why,
        ),
    }
}
