//! A step that is running: [`Step`].

use crate::Failure;
use crate::failure::detailed;
use crate::host::{Change, Host, StepName};

/// A step that was started. Ending it takes it away, so that nothing is told to a step that has ended.
#[derive(Debug)]
pub struct Step<'h, H> {
    host: &'h H,
    name: StepName,
}

impl<'h, H: Host> Step<'h, H> {
    /// Declares and starts a step.
    ///
    /// # Errors
    /// If the host does not take it.
    pub fn start(host: &'h H, id: &str, display_name: &str) -> Result<Self, Failure> {
        let name = StepName::new(id, display_name);
        host.declare(std::slice::from_ref(&name));
        let step = Self { host, name };
        step.change(Change::Start)?;
        Ok(step)
    }

    /// A line for the operator.
    ///
    /// # Errors
    /// If the host does not take it.
    pub fn log(&self, text: &str) -> Result<(), Failure> {
        self.change(Change::Log(text))
    }

    /// What the application team reads.
    ///
    /// # Errors
    /// If the host does not take it.
    pub fn tell(&self, text: &str) -> Result<(), Failure> {
        self.change(Change::Tell(text))
    }

    /// It has ended well.
    ///
    /// # Errors
    /// If the host does not take it.
    pub fn succeed(self) -> Result<(), Failure> {
        self.change(Change::Succeed)
    }

    /// It has ended badly; the run goes on.
    ///
    /// # Errors
    /// If the host does not take it.
    pub fn fail(self, message: &str) -> Result<(), Failure> {
        self.change(Change::Fail(message))
    }

    fn change(&self, change: Change<'_>) -> Result<(), Failure> {
        self.host.step(&self.name, change).map_err(untold)
    }
}

/// Steps are started, used and ended in their order, so this does not happen.
pub(crate) fn untold(error: String) -> Failure {
    detailed("The run could not report its progress. Please tell the platform team.", error)
}
