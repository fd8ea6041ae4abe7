//! How a run ended, in a closed vocabulary: for its user, for the operator and for meshStack.

use std::fmt;
use std::time::Duration;

/// How a run ended. Each variant says whose doing it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was stopped on purpose.
    Aborted(AbortReason),
    /// The job went wrong: the user or the component's author can do something about it.
    Failed(Failure),
    /// We went wrong: the operator has to look.
    Faulted(Fault),
    /// The component did its part; something outside finishes the run.
    HandedOver,
    /// The operator's rules said no before anything was done.
    Refused(Refusal),
    /// All went well.
    Succeeded,
}

/// Why a run was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbortReason {
    /// Its user asked for it in meshStack.
    ByUser,
    /// The daemon was told to stop and could not wait for the run any longer.
    Shutdown,
}

/// The job went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The component reported a failure.
    Component {
        /// For the application team.
        message: String,
        /// For the platform operator.
        detail: Option<String>,
    },
    /// The component ended its process instead of returning.
    Exited {
        /// Whether it claimed success by its exit code; a run needs a verdict all the same.
        success: bool,
    },
    /// An input, a setting or the run's document can't be used.
    Input {
        /// What is wrong with which input and what to do.
        message: String,
    },
    /// A limit was hit.
    Limit(LimitHit),
    /// The component used the host's interfaces wrongly.
    Misuse {
        /// What it did.
        detail: String,
    },
    /// The component trapped.
    Trap {
        /// The trap and where it happened; guest-chosen names, control characters removed.
        detail: String,
    },
}

/// A limit that was hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitHit {
    /// Which one.
    pub limit: LimitName,
    /// How much was used, or asked for when the answer was no; in the limit's unit.
    pub used: u64,
    /// How much is allowed.
    pub allowed: u64,
}

/// The limits that a run can hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitName {
    /// Fuel, in instructions.
    Cpu,
    /// Handles held at a time.
    Handles,
    /// Bytes written to logs.
    Log,
    /// Bytes of linear memory.
    Memory,
    /// Bytes of outputs.
    Outputs,
    /// Bytes received over HTTP.
    Received,
    /// Requests over HTTP.
    Requests,
    /// Bytes sent over HTTP.
    Sent,
    /// The WebAssembly stack.
    Stack,
    /// Steps of the timeline.
    Steps,
    /// Elements of a table.
    Table,
    /// Milliseconds of wall time.
    Time,
    /// Bytes in one call to the host.
    Transfer,
}

impl LimitName {
    /// The stable code for dashboards and scripts.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Cpu => "limit.cpu",
            Self::Handles => "limit.handles",
            Self::Log => "limit.log",
            Self::Memory => "limit.memory",
            Self::Outputs => "limit.outputs",
            Self::Received => "limit.received",
            Self::Requests => "limit.requests",
            Self::Sent => "limit.sent",
            Self::Stack => "limit.stack",
            Self::Steps => "limit.steps",
            Self::Table => "limit.table",
            Self::Time => "limit.time",
            Self::Transfer => "limit.transfer",
        }
    }
}

impl LimitName {
    /// The key of the limit in policies; none for what can't be set.
    #[must_use]
    pub fn policy_key(self) -> Option<&'static str> {
        Some(match self {
            Self::Cpu => "fuel",
            Self::Handles => "handles",
            Self::Log => "log_total_mib",
            Self::Memory => "memory_mib",
            Self::Outputs => "outputs_kib",
            Self::Received => "http_received_mib",
            Self::Requests => "http_requests",
            Self::Sent => "http_sent_mib",
            Self::Stack => return None,
            Self::Steps => "steps",
            Self::Table => "table_elements",
            Self::Time => "wall_time",
            Self::Transfer => "host_call_mib",
        })
    }
}

impl LimitHit {
    /// A limit that is counted in sizes.
    #[must_use]
    pub fn of_size(limit: LimitName, used: usize, allowed: usize) -> Self {
        let [used, allowed] = [used, allowed].map(|size| u64::try_from(size).unwrap_or(u64::MAX));
        Self { limit, used, allowed }
    }
}

/// Used and allowed, in people's units.
impl fmt::Display for LimitHit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, used, allowed } = *self;
        match limit {
            LimitName::Cpu => write!(
                f,
                "computing budget exceeded: {} of {} million instructions used",
                millions(used),
                millions(allowed)
            ),
            LimitName::Handles => write!(f, "too many handles: {allowed} are allowed at a time"),
            LimitName::Log => write!(
                f,
                "too much log output: {} written, {} allowed",
                Bytes(used),
                Bytes(allowed)
            ),
            LimitName::Memory => write!(
                f,
                "memory limit exceeded: {} asked for, {} allowed",
                Bytes(used),
                Bytes(allowed)
            ),
            LimitName::Outputs => {
                write!(f, "outputs too large: {}, {} allowed", Bytes(used), Bytes(allowed))
            }
            LimitName::Received => {
                write!(f, "too much data received over HTTP: {} allowed", Bytes(allowed))
            }
            LimitName::Requests => write!(f, "too many HTTP requests: {allowed} are allowed"),
            LimitName::Sent => {
                write!(f, "too much data sent over HTTP: {} allowed", Bytes(allowed))
            }
            LimitName::Stack => {
                write!(f, "stack exhausted: {} allowed; is a recursion endless?", Bytes(allowed))
            }
            LimitName::Steps => write!(f, "too many steps: {allowed} are allowed"),
            LimitName::Table => {
                write!(f, "table too large: {used} elements asked for, {allowed} allowed")
            }
            LimitName::Time => write!(
                f,
                "time limit exceeded: {:.1?} of {:.1?} used",
                Duration::from_millis(used),
                Duration::from_millis(allowed)
            ),
            LimitName::Transfer => {
                write!(f, "too much data in one call to the host: {} allowed", Bytes(allowed))
            }
        }
    }
}

/// The operator's rules said no: no route takes the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which rule said no.
    pub rule: String,
    /// What the user reads.
    pub message: String,
}

/// We or meshStack went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What went wrong, for the operator.
    pub detail: String,
    /// Whether the same run may go well at another time.
    pub retryable: bool,
}

/// What a run used of what it was allowed; reported with every outcome, so that limits can be sized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Instructions used.
    pub fuel: u64,
    /// Instructions allowed.
    pub fuel_allowed: u64,
    /// The most bytes of linear memory at a time.
    pub memory_peak: usize,
    /// Bytes of linear memory allowed.
    pub memory_allowed: usize,
    /// Wall time from instantiation to the end.
    pub wall_time: Duration,
    /// Wall time allowed.
    pub wall_time_allowed: Duration,
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "used {} of {} million instructions, {} of {} memory, {:.1?} of {:.0?}",
            millions(self.fuel),
            millions(self.fuel_allowed),
            Bytes::of(self.memory_peak),
            Bytes::of(self.memory_allowed),
            self.wall_time,
            self.wall_time_allowed,
        )
    }
}

impl Outcome {
    /// A stable word for logs and tables.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Aborted(AbortReason::ByUser) => "aborted.user",
            Self::Aborted(AbortReason::Shutdown) => "aborted.shutdown",
            Self::Failed(Failure::Component { .. }) => "component.failed",
            Self::Failed(Failure::Exited { .. }) => "component.exited",
            Self::Failed(Failure::Input { .. }) => "input",
            Self::Failed(Failure::Limit(hit)) => hit.limit.code(),
            Self::Failed(Failure::Misuse { .. }) => "component.misuse",
            Self::Failed(Failure::Trap { .. }) => "component.trap",
            Self::Faulted(_) => "host",
            Self::HandedOver => "handed-over",
            Self::Refused(_) => "refused",
            Self::Succeeded => "succeeded",
        }
    }

    /// What the application team reads; nothing for a run that ended well.
    #[must_use]
    pub fn user_message(&self) -> Option<String> {
        Some(match self {
            Self::Aborted(AbortReason::ByUser) => "The run was aborted.".to_owned(),
            Self::Aborted(AbortReason::Shutdown) => {
                "The runner was shut down before this run had ended. Please start the run again."
                    .to_owned()
            }
            Self::Failed(Failure::Component { message, .. } | Failure::Input { message }) => {
                message.clone()
            }
            Self::Failed(Failure::Limit(hit)) => {
                format!("The run was stopped by a limit ({}): {hit}.", hit.limit.code())
            }
            Self::Failed(
                Failure::Exited { .. } | Failure::Misuse { .. } | Failure::Trap { .. },
            ) => "The component that executes this block crashed. Please tell the platform team."
                .to_owned(),
            Self::Faulted(fault) => {
                let advice = if fault.retryable { " Please start the run again." } else { "" };
                format!("The runner could not execute this run.{advice}")
            }
            Self::HandedOver | Self::Succeeded => return None,
            Self::Refused(refusal) => refusal.message.clone(),
        })
    }

    /// What the platform operator reads beyond the user's message.
    #[must_use]
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Failed(Failure::Component { detail, .. }) => detail.clone(),
            Self::Failed(Failure::Exited { success: true }) => {
                Some("the component called exit(0) instead of returning a verdict".to_owned())
            }
            Self::Failed(Failure::Exited { success: false }) => {
                Some("the component called exit with an error code".to_owned())
            }
            Self::Failed(Failure::Misuse { detail } | Failure::Trap { detail }) => {
                Some(detail.clone())
            }
            Self::Faulted(fault) => Some(fault.detail.clone()),
            Self::Refused(refusal) => Some(refusal.rule.clone()),
            Self::Aborted(_)
            | Self::Failed(Failure::Input { .. } | Failure::Limit(_))
            | Self::HandedOver
            | Self::Succeeded => None,
        }
    }
}

/// Bytes in people's units.
#[derive(Clone, Copy, Debug)]
pub struct Bytes(pub u64);

impl Bytes {
    /// A size in memory.
    #[must_use]
    pub fn of(size: usize) -> Self {
        Self(u64::try_from(size).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Bytes {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes @ 0..1024 => write!(f, "{bytes} B"),
            bytes @ 1024..1_048_576 => write!(f, "{:.1} KiB", bytes as f64 / 1024.0),
            bytes => write!(f, "{:.1} MiB", bytes as f64 / 1_048_576.0),
        }
    }
}

/// Instructions in millions, with as many decimals as tell something.
#[expect(clippy::cast_precision_loss, reason = "at most three decimals are shown")]
fn millions(fuel: u64) -> String {
    let millions = fuel as f64 / 1e6;
    if millions < 10.0 { format!("{millions:.3}") } else { format!("{millions:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_names_itself_and_what_was_used_and_allowed() {
        let hit = LimitHit { limit: LimitName::Memory, used: 3 << 20, allowed: 2 << 20 };
        let message = Outcome::Failed(Failure::Limit(hit)).user_message().unwrap();
        for part in ["limit.memory", "3.0 MiB", "2.0 MiB"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn usage_is_readable() {
        let usage = Usage {
            fuel: 123_456,
            fuel_allowed: 10_000_000_000,
            memory_peak: 1_114_112,
            memory_allowed: 256 << 20,
            wall_time: Duration::from_millis(12),
            wall_time_allowed: Duration::from_secs(1800),
        };
        assert_eq!(
            usage.to_string(),
            "used 0.123 of 10000 million instructions, 1.1 MiB of 256.0 MiB memory, 12.0ms of 1800s"
        );
    }
}
