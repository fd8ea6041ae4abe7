//! Looks at an operation without touching it: [`look`]. For people; whoever goes on with it uses the launcher.

use super::aftermath::is_alive;
use super::records::Records;
use super::{End, ShimError};
use crate::os::processes;
use std::path::Path;
use std::time::SystemTime;

/// What was seen of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It has ended.
    Ended(End),
    /// Its shim is gone, and nobody has seen how it ended. What it has started may still be there.
    Lost {
        /// When it started.
        since: SystemTime,
    },
    /// Nothing was started, so far.
    NotStarted,
    /// It is running.
    Running {
        /// When it started.
        since: SystemTime,
        /// The number of the program's process; none as long as it is about to be started.
        program: Option<u32>,
        /// Whether it has been told to stop.
        is_stopping: bool,
    },
}

/// Looks at the directory of an operation.
///
/// # Errors
/// [`ShimError`] if its records can't be read.
pub fn look(directory: &Path) -> Result<Sight, ShimError> {
    let records = Records::of(directory);
    let status = records.status()?;
    // Second: what has ended since is told as ended.
    if let Some(end) = records.end()? {
        return Ok(Sight::Ended(end));
    }
    let Some(status) = status else { return Ok(Sight::NotStarted) };
    let since = status.started;
    let is_there = is_alive(&status)
        || status.boot == processes::boot() && status.program.is_some_and(processes::is_running);
    if !is_there {
        return Ok(Sight::Lost { since });
    }
    let program = status.program.map(|program| program.pid);
    Ok(Sight::Running { since, program, is_stopping: records.is_requested() })
}
