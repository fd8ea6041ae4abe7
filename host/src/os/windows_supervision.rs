//! Windows.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::windows::ffi::OsStrExt as _;
use std::os::windows::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use windows_sys::Win32::Foundation::{CloseHandle, WAIT_OBJECT_0};
use windows_sys::Win32::Storage::FileSystem::GetDiskFreeSpaceExW;
use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent, SetConsoleCtrlHandler,
};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_BASIC_PROCESS_ID_LIST, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
    JobObjectBasicProcessIdList, JobObjectExtendedLimitInformation, QueryInformationJobObject,
    SetInformationJobObject,
};
use windows_sys::Win32::System::Threading::{
    CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, GetCurrentProcess, INFINITE, OpenProcess,
    PROCESS_SYNCHRONIZE, WaitForSingleObject,
};

/// Whether the system itself interrupts a program whose shim has died. Here it is killed, see [`supervise`].
pub const INTERRUPTS_ORPHANS: bool = true;

/// How many processes of a job are looked at in one go; what is left is found the next time.
const COMPANIONS_MAX: usize = 1024;

static TOLD_TO_STOP: AtomicBool = AtomicBool::new(false);
static JOB: AtomicPtr<core::ffi::c_void> = AtomicPtr::new(null_mut());

extern "system" fn remember(_event: u32) -> windows_sys::core::BOOL {
    TOLD_TO_STOP.store(true, Ordering::Relaxed);
    1
}

/// Whether somebody has asked this process to end since [`supervise`].
#[must_use]
pub fn is_told_to_stop() -> bool {
    TOLD_TO_STOP.load(Ordering::Relaxed)
}

/// Gives a program that is about to be started a console of its own without a window: Ctrl-C elsewhere does not reach it, and it
/// can send Ctrl-Break to what it starts, even within a service.
pub fn own_session(command: &mut Command) {
    command.creation_flags(CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW);
}

/// Makes this process one that supervises: what it starts belongs to its job object from the beginning and dies with it, and it is
/// only told to stop by events that would have ended it.
///
/// # Errors
/// If the system refuses.
#[expect(unsafe_code, reason = "windows-sys has only the system's own functions")]
pub fn supervise() -> io::Result<()> {
    let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    let size = u32::try_from(size_of_val(&limits)).map_err(io::Error::other)?;
    // SAFETY: both pointers may be null: default rights and no name.
    let job = unsafe { CreateJobObjectW(null(), null()) };
    if job.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `job` is a job of ours, and `limits` is what this class of information is, with its size.
    let set = unsafe {
        let limits = std::ptr::from_ref(&limits).cast();
        SetInformationJobObject(job, JobObjectExtendedLimitInformation, limits, size)
    };
    if set == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `job` is a job of ours. Its handle stays open as long as this process lives: the end of both is the end of the rest.
    if unsafe { AssignProcessToJobObject(job, GetCurrentProcess()) } == 0 {
        return Err(io::Error::last_os_error());
    }
    JOB.store(job, Ordering::Relaxed);
    // SAFETY: `remember` is a function of the kind that is asked for, and does nothing but store an atomic.
    if unsafe { SetConsoleCtrlHandler(Some(remember), 1) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Makes a program that is about to be started the first of a group of its own, to which Ctrl-Break can be sent. It is bound to us
/// by [`supervise`].
pub fn bind_to_parent(command: &mut Command) {
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
}

/// Windows lets others of the same user read our memory; nothing can be done about that here.
///
/// # Errors
/// None.
pub fn hide_memory() -> io::Result<()> {
    Ok(())
}

/// Waits for the end of a child, and leaves its number to it.
///
/// # Errors
/// If it is gone.
#[expect(unsafe_code, reason = "windows-sys has only the system's own functions")]
pub fn await_end(child: u32) -> io::Result<()> {
    // SAFETY: takes numbers only.
    let process = unsafe { OpenProcess(PROCESS_SYNCHRONIZE, 0, child) };
    if process.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `process` is a handle of ours, open, with the right to wait.
    let waited = unsafe { WaitForSingleObject(process, INFINITE) };
    let result = if waited == WAIT_OBJECT_0 { Ok(()) } else { Err(io::Error::last_os_error()) };
    // SAFETY: `process` is a handle of ours that nobody uses after this.
    unsafe { CloseHandle(process) };
    result
}

/// Windows has no children that wait to be waited for.
pub fn reap(_child: u32) {}

/// Sends Ctrl-Break to the group of a child: Go programs take it for an interrupt, and it can't be switched off by inheritance as
/// Ctrl-C can.
///
/// # Errors
/// If the system refuses, for example because the child has no console.
#[expect(unsafe_code, reason = "windows-sys has only the system's own functions")]
pub fn interrupt(child: &Child) -> io::Result<()> {
    // SAFETY: takes numbers only; the number is the child's as long as its handle is open.
    if unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, child.id()) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Windows has no groups of processes that could be stopped for a while.
pub fn freeze(_child: u32) {}

/// See [`freeze`].
pub fn thaw(_child: u32) {}

/// See [`freeze`]: they are killed one by one.
pub fn kill_group(_child: u32) {}

/// Left as it is: Windows gives each a turn soon enough.
pub fn hasten() {}

/// Beside what descends from this process: what the system has bound to it. Here: its job.
#[expect(unsafe_code, reason = "windows-sys has only the system's own functions")]
#[must_use]
pub fn companions() -> Vec<u32> {
    #[repr(C)]
    struct List {
        head: JOBOBJECT_BASIC_PROCESS_ID_LIST,
        more: [usize; COMPANIONS_MAX],
    }
    let job = JOB.load(Ordering::Relaxed);
    if job.is_null() {
        return Vec::new();
    }
    let mut list =
        List { head: JOBOBJECT_BASIC_PROCESS_ID_LIST::default(), more: [0; COMPANIONS_MAX] };
    let size = u32::try_from(size_of::<List>()).unwrap_or_default();
    let into = std::ptr::from_mut(&mut list).cast();
    // SAFETY: `job` is a job of ours, and `into` has room for `size` bytes. That the list is cut off is an error which still fills it.
    unsafe { QueryInformationJobObject(job, JobObjectBasicProcessIdList, into, size, null_mut()) };
    let count = usize::try_from(list.head.NumberOfProcessIdsInList).unwrap_or_default();
    let ids = list.head.ProcessIdList.into_iter().chain(list.more).take(count);
    ids.filter_map(|id| u32::try_from(id).ok()).filter(|id| *id != std::process::id()).collect()
}

/// Windows has no signals.
#[must_use]
pub fn signal_of(_status: ExitStatus) -> Option<i32> {
    None
}

/// Creates a file to whose end everybody writes who has it open; one of that name must not exist.
///
/// # Errors
/// If it can't be created or exists.
pub fn append_only(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true);
    options.create_new(true).open(path)
}

/// Bytes that are left to us where this path is.
///
/// # Errors
/// If the system does not say.
#[expect(unsafe_code, reason = "windows-sys has only the system's own functions")]
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let name: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
    let mut free = 0;
    // SAFETY: `name` ends with a zero and lives as long as the call, as does `free`; what is not asked for may be null.
    if unsafe { GetDiskFreeSpaceExW(name.as_ptr(), &raw mut free, null_mut(), null_mut()) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(free)
}

/// Bytes of disk that a file takes, about.
#[must_use]
pub fn occupied_bytes(metadata: &Metadata) -> u64 {
    metadata.len()
}

/// Takes so much of the disk for a file.
///
/// # Errors
/// If there is not so much.
pub fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    file.set_len(bytes)
}
