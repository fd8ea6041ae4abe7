//! Windows.

use super::{Platform, StopSignal};
use cap_primitives::fs::{self as beneath, DirOptions};
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;
use tokio::signal::windows::{
    CtrlBreak, CtrlC, CtrlClose, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown,
};

/// Rights on a file, and how to open it, in Windows' own numbers.
const GENERIC_READ: u32 = 0x8000_0000;
const FILE_WRITE_ATTRIBUTES: u32 = 0x100;
const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;

/// The ways in which the system or a person tells us to stop: Ctrl-C, Ctrl-Break, closing the console, shutting down.
///
/// The stop of a Windows service comes by its control handler, see `service`.
#[derive(Debug)]
pub struct StopSignals {
    interrupt: CtrlC,
    terminate: CtrlBreak,
    close: CtrlClose,
    shutdown: CtrlShutdown,
}

impl StopSignals {
    /// From now on the signals no longer end the process. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// If the system refuses the handlers.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: ctrl_c()?,
            terminate: ctrl_break()?,
            close: ctrl_close()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    /// Waits for the next one. There is none to make way for the next process: whoever wants that ends this one.
    pub async fn next(&mut self) -> StopSignal {
        StopSignal::Stop(tokio::select! {
            _ = self.interrupt.recv() => "Ctrl-C",
            _ = self.terminate.recv() => "Ctrl-Break",
            _ = self.close.recv() => "console close",
            _ = self.shutdown.recv() => "system shutdown",
        })
    }
}

/// Ends this process as the task manager would: no destructor runs, and nothing is flushed.
#[cfg(debug_assertions)]
pub fn kill_this_process() -> ! {
    #[expect(unsafe_code, reason = "the standard library ends processes politely only")]
    // SAFETY: the handle of the current process is always valid, and nothing is passed by reference.
    unsafe {
        windows_sys::Win32::System::Threading::TerminateProcess(
            windows_sys::Win32::System::Threading::GetCurrentProcess(),
            9,
        );
    }
    std::process::abort()
}

/// Creates a directory and its parents, and opens it. It inherits its parent's access list, as is usual below `%PROGRAMDATA%` and
/// a user's profile.
///
/// # Errors
/// If it can't be created, or is a link.
pub fn create_private_directory(path: &Path) -> io::Result<File> {
    std::fs::create_dir_all(path)?;
    open_private_directory(path)
}

/// Opens a directory; what is then done by the handle is done in this directory and in no other one. Who may change it is not
/// looked at.
///
/// # Errors
/// If there is none, or if it is a link or no directory.
pub fn open_private_directory(path: &Path) -> io::Result<File> {
    let directory = OpenOptions::new()
        .read(true)
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS)
        .open(path)?;
    let kind = directory.metadata()?.file_type();
    if kind.is_symlink() || !kind.is_dir() {
        let why = "it is a link, or not a directory; remove it, or configure the directory that it leads to";
        return Err(io::Error::new(io::ErrorKind::NotADirectory, why));
    }
    Ok(directory)
}

/// Whether somebody else may change what is in a directory: the access list is not looked at.
///
/// # Errors
/// None.
pub fn is_open_to_others(_path: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Windows has no groups of processes that end together; the one program that we start can't start another one.
pub fn own_group(_program: &mut Command) {}

/// See [`own_group`].
pub fn kill_group(_program: &Child) {}

/// Creates a directory in an open one; nothing of that name must exist. It inherits its parent's access list.
///
/// # Errors
/// If it can't be created or exists.
pub fn create_new_private_directory(parent: &File, name: &OsStr) -> io::Result<()> {
    beneath::create_dir(parent, name.as_ref(), &DirOptions::new())
}

/// Creates a file in an open directory; nothing of that name must exist. It inherits the directory's access list.
///
/// # Errors
/// If it can't be created or exists.
pub fn create_new_file_within(
    parent: &File,
    name: &OsStr,
    _is_executable: bool,
) -> io::Result<File> {
    let mut options = beneath::OpenOptions::new();
    options.write(true).create_new(true);
    beneath::open(parent, name.as_ref(), &options)
}

/// What a program's life is tied to elsewhere.
#[derive(Debug)]
pub struct Lifeline {}

/// Windows has no signal for that: a program that we leave behind ends by its own timeouts.
///
/// # Errors
/// None.
pub fn tie_to_us(_program: &mut Command) -> io::Result<Lifeline> {
    Ok(Lifeline {})
}

/// Windows has no such limit.
pub fn limit_file_size(_program: &mut Command, _bytes: u64) {}

/// Creates a file; one of that name must not exist. It inherits its directory's access list.
///
/// # Errors
/// If it can't be created or exists.
pub fn create_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Opens a file to read it and to set its times. If something else of that name is in its place, such as a symbolic link, that
/// is an error.
///
/// # Errors
/// If it can't be opened or is no file.
pub fn open_without_following(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .access_mode(GENERIC_READ | FILE_WRITE_ATTRIBUTES)
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    Ok(file)
}

/// Opens a file to read and write it; it is created if there is none. If something else of that name is in its place, such as a symbolic
/// link, that is an error. It inherits its directory's access list.
///
/// # Errors
/// If it can't be opened or is no file.
pub fn open_private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    Ok(file)
}

/// Opens a file in an open directory to read it. If something else of that name is in its place, such as a symbolic link, that is an
/// error.
///
/// # Errors
/// If it can't be opened or is no file.
pub fn open_file_in(directory: &File, name: &OsStr) -> io::Result<File> {
    let mut options = beneath::OpenOptions::new();
    options.read(true)._cap_fs_ext_follow(beneath::FollowSymlinks::No);
    let file = beneath::open(directory, name.as_ref(), &options)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    Ok(file)
}

/// What the environment of a process must hold so that it can work: without it, the system's libraries aren't found.
#[must_use]
pub fn child_environment() -> Vec<(&'static str, OsString)> {
    const NAME: &str = "SystemRoot";
    std::env::var_os(NAME).map(|value| (NAME, value)).into_iter().collect()
}

/// From now on this process can have so much memory and so much time on a CPU, and starts no other one.
///
/// # Errors
/// If the system refuses.
pub fn limit_this_process(memory_bytes: u64, cpu: Duration) -> io::Result<()> {
    super::job::limit_this_process(memory_bytes, cpu)
}

/// NTFS journals the names of a directory itself; there is nothing to be asked for.
///
/// # Errors
/// None.
pub fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Not asked for: nothing that needs it runs on Windows yet.
///
/// # Errors
/// Always.
pub fn free_bytes(_path: &Path) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Makes a symbolic link to a directory, or a hard link to a file. Links to directories take a right that only some accounts have.
///
/// # Errors
/// If the system refuses.
pub fn link(target: &Path, link: &Path) -> io::Result<()> {
    let whole = link.parent().map_or_else(|| target.to_owned(), |parent| parent.join(target));
    if whole.is_dir() {
        std::os::windows::fs::symlink_dir(target, link)
    } else {
        std::fs::hard_link(whole, link)
    }
}

/// Whether two open files are the same one: can't be told.
#[must_use]
pub fn is_same_file(_one: &File, _other: &File) -> bool {
    false
}

/// Whether a file may be executed: Windows goes by names.
#[must_use]
pub fn is_executable(_metadata: &Metadata) -> bool {
    true
}

/// Windows has no modes: the file keeps the access list that it inherits from its directory.
///
/// # Errors
/// None.
pub fn set_mode(_file: &File, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// The program of this process, for starting it again.
///
/// # Errors
/// If the system does not say where it is.
pub fn this_program() -> io::Result<PathBuf> {
    std::env::current_exe()
}

/// Gives a file to another user and group: there are none of this kind.
///
/// # Errors
/// Always.
pub fn give_to(_file: &File, _user: (u32, u32)) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Not done here: the system takes memory of stacks back by itself when it is short of it.
pub fn release_stack(_bytes: usize) {}

/// Where this process runs.
#[must_use]
pub fn platform() -> Platform {
    Platform::Windows
}
