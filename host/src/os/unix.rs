//! Linux, macOS and the like.

use super::Platform;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The ways in which the system or a person tells us to stop: SIGTERM and SIGINT.
#[derive(Debug)]
pub struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// From now on the signals no longer kill the process. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// If the system refuses the handlers.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one and tells its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// Creates a directory, and its parents, that only we can read.
///
/// # Errors
/// If it can't be created; that it exists already is none.
pub fn create_private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Creates a file that only we can read; one of that name must not exist.
///
/// # Errors
/// If it can't be created or exists.
pub fn create_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Makes the names in a directory durable: without it, a file that was renamed may have its old name after a power cut.
///
/// # Errors
/// If the system can't.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Sets who may do what with a file, as in `0o600`.
///
/// # Errors
/// If the system refuses.
pub fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))
}

/// Where this process runs.
#[must_use]
pub fn platform() -> Platform {
    Platform::Unix { root: rustix::process::geteuid().is_root() }
}
