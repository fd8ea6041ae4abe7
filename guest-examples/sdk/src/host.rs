//! Everything outside of the component: [`Host`].

use crate::http::{Request, Response};
use crate::{SendError, SignError};
use std::time::{Duration, SystemTime};

/// What a component can do beyond computing. One trait, so that a test can stand in for all of it.
pub trait Host {
    /// A handle of a secret.
    type Secret: 'static;

    /// Whether the run is being stopped.
    fn aborted(&self) -> bool;

    /// A value of the policy's `[configuration]`.
    fn configured(&self, key: &str) -> Option<String>;

    /// Announces steps.
    fn declare(&self, steps: &[StepName]);

    /// The time of day.
    fn now(&self) -> SystemTime;

    /// Waits, and tells as `aborted` does whether the run is being stopped; returns at once when it is.
    fn pause(&self, time: Duration) -> bool;

    /// A number that nobody can guess.
    fn random(&self) -> u64;

    /// Sends a request and waits for the whole response.
    ///
    /// # Errors
    /// Why there is none.
    fn send(
        &self,
        request: &Request<'_, Self::Secret>,
    ) -> Result<Response<Self::Secret>, SendError>;

    /// Signs the claims of a JSON Web Token by RS256.
    ///
    /// # Errors
    /// Why there is no token.
    fn sign(&self, key: &Self::Secret, claims: &str) -> Result<Self::Secret, SignError>;

    /// Changes a step.
    ///
    /// # Errors
    /// Why the step did not take it.
    fn step(&self, step: &StepName, change: Change<'_>) -> Result<(), String>;

    /// One line for the whole run.
    fn summarize(&self, text: &str);

    /// Time that has passed since the run began; it never jumps.
    fn uptime(&self) -> Duration;
}

/// What a step is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepName {
    /// Letters, digits, `-`, `_` and `.`, 64 at the most; anything else ends the run.
    pub id: String,
    /// What the user reads.
    pub display_name: String,
}

impl StepName {
    /// The name of a step.
    pub fn new(id: impl Into<String>, display_name: impl Into<String>) -> Self {
        Self { id: id.into(), display_name: display_name.into() }
    }
}

/// What becomes of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// It has ended badly; the text is its user message.
    Fail(&'a str),
    /// A line for the operator.
    Log(&'a str),
    /// It is being worked on.
    Start,
    /// It has ended well.
    Succeed,
    /// What the application team reads.
    Tell(&'a str),
}
