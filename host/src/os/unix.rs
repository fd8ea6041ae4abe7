//! Linux, macOS and the like.

use super::Platform;
use rustix::fs::OFlags;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;
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

/// Creates a directory that only we can read; nothing of that name must exist, not even a symbolic link.
///
/// # Errors
/// If it can't be created or exists.
pub fn create_new_private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Creates a file that only we can read; one of that name must not exist.
///
/// # Errors
/// If it can't be created or exists.
pub fn create_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Opens a file to read it and to set its times. If something else of that name is in its place, such as a symbolic link or a
/// pipe, that is an error and nothing is waited for.
///
/// # Errors
/// If it can't be opened or is no file.
pub fn open_without_following(path: &Path) -> io::Result<File> {
    // SECURITY: sandbox::cache::a_link_in_the_place_of_an_entry_is_not_followed
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    Ok(file)
}

/// What the environment of a process must hold so that it can work: nothing.
#[must_use]
pub fn child_environment() -> Vec<(&'static str, OsString)> {
    Vec::new()
}

/// From now on this process can have so much address space and so much time on a CPU (in whole seconds), and leaves no core
/// dump. macOS does not enforce limits of address space; there, only the others are set.
///
/// # Errors
/// If the system refuses.
pub fn limit_this_process(memory_bytes: u64, cpu: Duration) -> io::Result<()> {
    let limit = |resource, value: u64| {
        // What we were given ourselves can't be exceeded.
        let value = getrlimit(resource).maximum.map_or(value, |maximum| value.min(maximum));
        setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })
    };
    limit(Resource::Core, 0)?;
    limit(Resource::Cpu, cpu.as_secs().max(1))?;
    if !cfg!(target_os = "macos") {
        limit(Resource::As, memory_bytes)?;
    }
    Ok(())
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
