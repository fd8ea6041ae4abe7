//! How a verb is answered: what the component is told, in the words of `wit/terraform.wit`.

use crate::outcome::AbortReason;
use blockhouse_policy::Denied;
use secrecy::SecretString;

/// Why a verb did not do what it should. Texts may repeat what the tool printed, which the caller redacts.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OperationError {
    /// The process was stopped.
    #[error("{}", .0.message)]
    Cancelled(Cancellation),
    /// Policy said no.
    #[error("{0}")]
    Denied(Denied),
    /// The tool said no.
    #[error("the program failed")]
    Failed(ToolFailure),
    /// The host went wrong.
    #[error("{0}")]
    Fault(String),
    /// The call can't be carried out as it is.
    #[error("{0}")]
    Invalid(String),
}

/// Why there are no sources.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CheckoutError {
    /// The run is being stopped.
    #[error("the checkout was stopped")]
    Aborted,
    /// Policy said no.
    #[error("{0}")]
    Denied(Denied),
    /// The server or git said no.
    #[error("{0}")]
    Failed(String),
    /// The host went wrong.
    #[error("{0}")]
    Fault(String),
    /// What was asked for can't be.
    #[error("{0}")]
    Invalid(String),
    /// No such repository, revision or path.
    #[error("{0}")]
    NotFound(String),
    /// Too slow.
    #[error("{0}")]
    Timeout(String),
    /// Too large.
    #[error("{0}")]
    TooLarge(String),
}

/// The tool said no, or died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolFailure {
    /// None: it ended by a signal, or nobody saw how.
    pub exit_code: Option<i32>,
    /// Of its error stream, beginning and end.
    pub diagnostics: String,
    /// What has become of the state.
    pub state: StateFate,
    /// What a script has left for the user.
    pub message: Option<String>,
}

/// A process was stopped, or not started because the run is being stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancellation {
    /// Why.
    pub reason: StopReason,
    /// What it took, in a sentence.
    pub message: String,
    /// What has become of the state.
    pub state: StateFate,
    /// The id of a lock that remains, or may.
    pub lock: Option<String>,
}

/// What has become of the state, as far as we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateFate {
    /// It could not be written where it belongs; the text says where it is kept and what to do.
    NotSaved(String),
    /// It was written.
    Saved,
    /// Nobody knows; the text says what is known.
    Unknown(String),
    /// The verb doesn't write it.
    Untouched,
}

/// Why a process was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The user of the run.
    ByUser,
    /// A limit of time on a core.
    Cpu,
    /// A limit of disk space, or the disk is full.
    Disk,
    /// A limit of memory.
    Memory,
    /// A limit of output.
    Output,
    /// A limit of processes and threads.
    Processes,
    /// The host is being stopped.
    Shutdown,
    /// A limit of time.
    Time,
}

impl From<AbortReason> for StopReason {
    fn from(reason: AbortReason) -> Self {
        match reason {
            AbortReason::ByUser => Self::ByUser,
            AbortReason::Shutdown => Self::Shutdown,
        }
    }
}

/// An output of the configuration.
#[derive(Clone, Debug)]
pub struct ToolOutput {
    /// Its name.
    pub name: String,
    /// What kind of value it has.
    pub shape: OutputShape,
    /// Its value.
    pub value: OutputValue,
}

/// What kind of value an output has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputShape {
    /// `true` or `false`.
    Boolean,
    /// A number with a fraction or an exponent.
    Number,
    /// A list, a map and so on.
    Structure,
    /// A string.
    Text,
    /// A number without a fraction, of 64 bits at most.
    WholeNumber,
}

/// The value of an output.
#[derive(Clone, Debug)]
pub enum OutputValue {
    /// JSON text; numbers digit for digit.
    Json(String),
    /// A sensitive one: the content of a string; of anything else its JSON, of structures pretty-printed.
    Secret(SecretString),
}
