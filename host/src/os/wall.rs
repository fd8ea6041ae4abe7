//! What confines a program, by paths and numbers: [`Wall`], made of a [`Plan`]; and what of it this system has.

use std::fs::File;
use std::io;
use std::path::PathBuf;

#[cfg(target_os = "linux")]
#[path = "linux_calls.rs"]
mod calls;
#[cfg(target_os = "linux")]
#[path = "linux_paths.rs"]
mod paths;
#[cfg(target_os = "linux")]
#[path = "linux_wall.rs"]
mod system;
#[cfg(not(target_os = "linux"))]
#[path = "no_wall.rs"]
mod system;

pub use system::{
    Wall, changes_users, confines_files, confines_signals, confines_sockets, drops_privileges,
    filters_calls, version,
};

/// What a wall is to be made of.
#[derive(Debug, Default)]
pub struct Plan<'a> {
    /// Read.
    pub read: &'a [PathBuf],
    /// Read and executed.
    pub execute: &'a [PathBuf],
    /// Read, written, made, removed and executed.
    pub write: &'a [PathBuf],
    /// Read, written and steered.
    pub devices: &'a [PathBuf],
    /// Whether there must be no wall without Landlock.
    pub must_confine_files: bool,
    /// Whether the network may be used.
    pub network: bool,
    /// Another user and group.
    pub user: Option<(u32, u32)>,
    /// CPU seconds per process.
    pub cpu_seconds: Option<u64>,
    /// Bytes of one file.
    pub file_bytes: Option<u64>,
    /// Processes and threads of the user.
    pub processes: Option<u64>,
    /// `cgroup.procs` of the group that it belongs to.
    pub group: Option<File>,
}

/// Why there is no wall.
#[derive(Debug, thiserror::Error)]
pub enum WallError {
    /// A path that it may touch can't be opened.
    #[error("failed to open `{}`", path.display())]
    Path {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system has no pipe left.
    #[error("failed to open a pipe")]
    Pipe(#[source] io::Error),
    /// Rules about paths.
    #[error("failed to make the rules about paths")]
    Rules(#[source] io::Error),
}
