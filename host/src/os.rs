//! All that differs between operating systems, one file each; the rest of the code has no `cfg(unix)`.

/// The kind of operating system, for defaults of paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Linux, macOS and other Unix.
    Unix {
        /// Whether this process runs as root.
        root: bool,
    },
    /// Windows.
    Windows,
}

#[cfg(unix)]
#[path = "os/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "os/windows.rs"]
mod system;

pub use system::{
    StopSignals, child_environment, create_private_directory, create_private_file,
    limit_this_process, open_without_following, platform, set_mode, sync_directory,
};

#[cfg(windows)]
#[path = "os/windows_job.rs"]
mod job;

#[cfg(windows)]
#[path = "os/windows_service.rs"]
pub mod service;

/// Names this machine among the replicas of a runner: visible ASCII, 1 to 64 characters.
#[must_use]
pub fn node_name() -> String {
    let name = gethostname::gethostname();
    let name: String =
        name.to_string_lossy().chars().filter(char::is_ascii_graphic).take(64).collect();
    if name.is_empty() { "node".to_owned() } else { name }
}
