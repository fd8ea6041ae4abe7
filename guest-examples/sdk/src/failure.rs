//! How a run ends badly, in words: [`failure`] and [`detailed`].

use crate::bindings::Failure;

/// A failure with a message for the application team: what happened, and what they can do.
pub fn failure(message: impl Into<String>) -> Failure {
    Failure { message: message.into(), detail: None }
}

/// As [`failure`], with more for the platform operator.
pub fn detailed(message: impl Into<String>, detail: impl Into<String>) -> Failure {
    Failure { message: message.into(), detail: Some(detail.into()) }
}
