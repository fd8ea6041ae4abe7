//! Supervises one operation: a program with all that it starts, so that the daemon may die, be upgraded or restarted meanwhile.
//!
//! Two sides. [`serve`] is the process `blockhouse shim DIRECTORY`: the parent of the program, owner of its timers, its signals and
//! its end; it must never use tokio, and never die before its program. [`Launcher`] and [`Operation`] are the daemon's side. They
//! share nothing but files in the operation's directory, see `records`, so that any later daemon can take over.

mod aftermath;
mod launcher;
mod look;
mod operation;
mod order;
mod progress;
mod pulse;
mod records;
mod serve;
mod stopping;
mod supervisor;
mod tree;
mod usage;
mod watch;

pub use launcher::{Found, Launcher};
pub use look::{Sight, look};
pub use operation::Operation;
pub use records::{END, STATUS};
pub use serve::serve;

use crate::confine::Confinement;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What is to be executed. Travels to the shim by its standard input and is never written down: it holds secrets, so that it can't
/// be printed.
#[derive(Clone, Serialize, Deserialize)]
#[expect(missing_debug_implementations, reason = "arguments, environment and input hold secrets")]
pub struct Spec {
    /// The file.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment, but for [`MARK`].
    pub environment: Vec<(String, String)>,
    /// Where it starts.
    pub directory: PathBuf,
    /// Its standard input.
    pub stdin: Vec<u8>,
    /// What it may touch.
    pub confinement: Confinement,
    /// How it is stopped.
    pub ladder: Ladder,
    /// From its start to its first interrupt.
    pub timeout: Duration,
    /// Bytes of its two streams together; interrupted when exceeded. Each file is cut off 1 MiB later.
    pub output_max: u64,
}

/// The variable that everything of an operation has in its environment, and nothing else: what outlives its shim is found by it.
pub const MARK: &str = "BLOCKHOUSE_OPERATION";

/// How a program is stopped: interrupted once; left alone for `grace`, and then for as long as it makes progress, up to `limit`;
/// interrupted again; killed `force` later, with all that it has started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ladder {
    /// From the first interrupt.
    pub grace: Duration,
    /// Progress is a new line of output within this time, also one such as `Still creating...`. None: `grace` alone counts.
    pub stall: Option<Duration>,
    /// From the first interrupt to the second, whatever progress there is: for what waits for ever and says so.
    pub limit: Duration,
    /// From the second interrupt to the kill.
    pub force: Duration,
    /// What becomes of it when the daemon dies.
    pub orphan: Orphan,
}

/// What becomes of a program when the daemon dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Orphan {
    /// It goes on, and the next daemon adopts it.
    Continues,
    /// It is interrupted, as if its run was aborted.
    IsInterrupted,
}

/// Why a program was stopped. Persisted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// The user of the run.
    ByUser,
    /// A limit of time on a core.
    Cpu,
    /// The disk is full, or a limit of disk space.
    Disk,
    /// A limit of memory.
    Memory,
    /// The daemon died and the ladder says so, or the shim itself was told to end.
    Orphaned,
    /// A limit of output.
    Output,
    /// A limit of processes and threads.
    Processes,
    /// The daemon stops.
    Shutdown,
    /// `timeout`, or a limit of the run.
    Time,
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// How the program ended.
    pub exit: Exit,
    /// How it was stopped, if it was.
    pub stop: Option<Stop>,
    /// Processes that it had started and that had to be killed after it, as far as they were counted.
    pub swept: u32,
    /// When it started.
    pub started: SystemTime,
    /// When it ended.
    pub ended: SystemTime,
    /// The most bytes of memory of the tree, as far as that was seen.
    pub memory_peak: Option<u64>,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It could not be started; the text says why.
    NotStarted(String),
    /// Nobody saw: the shim was killed, or the machine stopped. The program and what it started are gone.
    Unseen,
}

/// How a program was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Why: the first reason that there was.
    pub reason: StopReason,
    /// Interrupts that were sent: 1 or 2; 0 if it was killed without one, for its memory.
    pub interrupts: u8,
    /// Whether it was killed.
    pub killed: bool,
    /// From the first interrupt to its end.
    pub took: Duration,
}

/// What goes wrong with a shim.
#[derive(Debug, thiserror::Error)]
pub enum ShimError {
    /// The shim ended before it had started anything.
    #[error("the shim of `{}` ended before it had started anything{log}", path.display())]
    Died {
        /// The operation's directory.
        path: PathBuf,
        /// What the shim said, after a colon.
        log: String,
    },
    /// The directory can't be read or written, or the shim not started.
    #[error("failed to {what} `{}`", path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A record is not what a shim of this version writes.
    #[error("failed to read the record `{}`", path.display())]
    Record {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// Something was started in this directory before.
    #[error("something was started in `{}` before", path.display())]
    Used {
        /// The operation's directory.
        path: PathBuf,
    },
    /// The daemon that wanted this shim is gone, and another one has decided that nothing was started.
    #[error("the start in `{}` was withdrawn", path.display())]
    Withdrawn {
        /// The operation's directory.
        path: PathBuf,
    },
}

impl ShimError {
    /// For `map_err`.
    fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }
}

/// The file that an operation's standard output goes to; grows while it runs.
#[must_use]
pub fn stdout(directory: &Path) -> PathBuf {
    directory.join("stdout")
}

/// Likewise its error stream.
#[must_use]
pub fn stderr(directory: &Path) -> PathBuf {
    directory.join("stderr")
}
