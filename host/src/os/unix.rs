//! Linux, macOS and the like.

use super::{Platform, StopSignal};
use cap_primitives::fs::{self as beneath, DirOptions, FollowSymlinks};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, kill_process_group, setrlimit};
use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The ways in which the system or a person tells us to stop: SIGTERM and SIGINT; SIGUSR2 to make way for the next process.
#[derive(Debug)]
pub struct StopSignals {
    hand_over: Signal,
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
            hand_over: signal(SignalKind::user_defined2())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.hand_over.recv() => StopSignal::HandOver("SIGUSR2"),
            _ = self.interrupt.recv() => StopSignal::Stop("SIGINT"),
            _ = self.terminate.recv() => StopSignal::Stop("SIGTERM"),
        }
    }
}

/// Creates a directory, and its parents, that only we can read, and opens it. One that exists is as good, see
/// [`open_private_directory`].
///
/// # Errors
/// If it can't be created, or what exists is not ours alone.
pub fn create_private_directory(path: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    open_private_directory(path)
}

/// Opens a directory that only we may change; what is then done by the handle is done in this directory and in no other one.
///
/// The group's right to write is taken away: Kubernetes gives it to everything in a volume at each mount (`fsGroup`).
///
/// # Errors
/// If there is none, if it is a symbolic link or no directory, belongs to another user, or everybody may write to it.
pub fn open_private_directory(path: &Path) -> io::Result<File> {
    // SECURITY: os::what_is_not_our_own_directory_is_refused
    let flags = OFlags::NOFOLLOW | OFlags::DIRECTORY;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let directory = opened.map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::LOOP | Errno::NOTDIR) => refused(
            io::ErrorKind::NotADirectory,
            "it is a symbolic link, or not a directory; remove it, or configure the directory that it leads to",
        ),
        _ => error,
    })?;
    let metadata = directory.metadata()?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        let why = "it belongs to another user; give it to this one with chown, or remove it";
        return Err(refused(io::ErrorKind::PermissionDenied, why));
    }
    let mode = metadata.mode();
    if mode & 0o002 != 0 {
        let why = "everybody may write to it; look at what is in it, then chmod it to 0700";
        return Err(refused(io::ErrorKind::PermissionDenied, why));
    }
    if mode & 0o020 != 0 {
        directory.set_permissions(Permissions::from_mode(mode & 0o7777 & !0o020))?;
    }
    Ok(directory)
}

fn refused(kind: io::ErrorKind, why: &'static str) -> io::Error {
    io::Error::new(kind, why)
}

/// Whether somebody other than us and root may change what is in a directory. Links are followed.
///
/// # Errors
/// If the system does not say.
pub fn is_open_to_others(path: &Path) -> io::Result<bool> {
    let metadata = std::fs::metadata(path)?;
    let is_foreign = ![0, rustix::process::geteuid().as_raw()].contains(&metadata.uid());
    Ok(is_foreign || metadata.mode() & 0o022 != 0)
}

/// Ends this process as `kill -9` would: no destructor runs, and nothing is flushed.
#[cfg(debug_assertions)]
pub fn kill_this_process() -> ! {
    // It can't be refused to ourselves, and has happened before the call returns.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort()
}

/// Makes a program that is about to be started the first of a group of its own, which what it starts belongs to.
pub fn own_group(program: &mut Command) {
    program.process_group(0);
}

/// Kills the group of a program that [`own_group`] was called for. It must not have been waited for: from then on its number may be
/// that of another one.
pub fn kill_group(program: &Child) {
    // SECURITY: process::what_the_program_has_started_is_killed_with_it
    let _ = kill_process_group(Pid::from_child(program), rustix::process::Signal::KILL);
}

/// Creates a directory in an open one that only we can read; nothing of that name must exist, not even a symbolic link.
///
/// # Errors
/// If it can't be created or exists.
pub fn create_new_private_directory(parent: &File, name: &OsStr) -> io::Result<()> {
    let mut options = DirOptions::new();
    beneath::DirBuilderExt::mode(&mut options, 0o700);
    beneath::create_dir(parent, name.as_ref(), &options)
}

/// Creates a file in an open directory that only we can read, and execute if `is_executable`; nothing of that name must exist, not
/// even a symbolic link.
///
/// # Errors
/// If it can't be created or exists.
pub fn create_new_file_within(
    parent: &File,
    name: &OsStr,
    is_executable: bool,
) -> io::Result<File> {
    let mut options = beneath::OpenOptions::new();
    options.write(true).create_new(true);
    cap_primitives::fs::OpenOptionsExt::mode(
        &mut options,
        if is_executable { 0o700 } else { 0o600 },
    );
    beneath::open(parent, name.as_ref(), &options)
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

/// Opens a file that only we can read, to read and write it; it is created if there is none. If something else of that name is in its
/// place, such as a symbolic link or a pipe, that is an error and nothing is waited for.
///
/// # Errors
/// If it can't be opened or is no file.
pub fn open_private_file(path: &Path) -> io::Result<File> {
    // SECURITY: journal::tests::a_link_in_the_place_of_the_lock_or_the_journal_is_refused
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.custom_flags(flags.bits().cast_signed()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    Ok(file)
}

/// Opens a file in an open directory to read it. If something else of that name is in its place, such as a symbolic link or a pipe,
/// that is an error and nothing is waited for.
///
/// # Errors
/// If it can't be opened or is no file.
pub fn open_file_in(directory: &File, name: &OsStr) -> io::Result<File> {
    // SECURITY: terraform::providers::content::links_and_special_files_are_refused
    let mut options = beneath::OpenOptions::new();
    options.read(true)._cap_fs_ext_follow(FollowSymlinks::No);
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    beneath::OpenOptionsExt::custom_flags(&mut options, flags);
    let file = beneath::open(directory, name.as_ref(), &options)?;
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

/// How many bytes are free for us where a directory is.
///
/// # Errors
/// If there is none, or the system does not say.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let system = rustix::fs::statvfs(path)?;
    Ok(system.f_bavail.saturating_mul(system.f_frsize))
}

/// Makes a symbolic link to a directory or to a file. Nothing of that name must exist.
///
/// # Errors
/// If the system refuses.
pub fn link(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

/// Whether two open files are the same one. `false` also if the system can't tell.
#[must_use]
pub fn is_same_file(one: &File, other: &File) -> bool {
    match (one.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

/// Whether a file may be executed by its owner.
#[must_use]
pub fn is_executable(metadata: &Metadata) -> bool {
    metadata.mode() & 0o100 != 0
}

/// Sets who may do what with a file, as in `0o600`.
///
/// # Errors
/// If the system refuses.
pub fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))
}

/// The program of this process, for starting it again: also when its file was replaced meanwhile, where the system can do that.
///
/// # Errors
/// If the system does not say where it is.
pub fn this_program() -> io::Result<PathBuf> {
    // In a new process this names the program that started it, whatever has become of the file's name.
    let own = Path::new("/proc/self/exe");
    if own.exists() { Ok(own.to_owned()) } else { std::env::current_exe() }
}

/// Gives a file to another user and group. Only root can.
///
/// # Errors
/// If the system refuses.
pub fn give_to(file: &File, (user, group): (u32, u32)) -> io::Result<()> {
    std::os::unix::fs::fchown(file, Some(user), Some(group))
}

/// Where this process runs.
#[must_use]
pub fn platform() -> Platform {
    Platform::Unix { root: rustix::process::geteuid().is_root() }
}
