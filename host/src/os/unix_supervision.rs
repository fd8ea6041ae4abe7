//! Linux, macOS and the like.

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, getpid, getppid, getsid, kill_process,
    kill_process_group, setpriority_process, setsid, waitid, waitpid,
};
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the system itself stops a program whose shim has died. Linux could (`PR_SET_PDEATHSIG`), but does so whenever the *thread*
/// ends whose child the program is, and hands the program on to the next thread of a process that is being killed: a second
/// interrupt, upon which Terraform gives up its state and its lock.
pub const INTERRUPTS_ORPHANS: bool = false;

/// The signals that ask a process to end.
const STOP_SIGNALS: [libc::c_int; 3] = [libc::SIGHUP, libc::SIGINT, libc::SIGTERM];

/// Blocks of [`Metadata`].
const BLOCK_BYTES: u64 = 512;

static TOLD_TO_STOP: AtomicBool = AtomicBool::new(false);

extern "C" fn remember(_signal: libc::c_int) {
    TOLD_TO_STOP.store(true, Ordering::Relaxed);
}

/// Whether somebody has asked this process to end since [`supervise`].
#[must_use]
pub fn is_told_to_stop() -> bool {
    TOLD_TO_STOP.load(Ordering::Relaxed)
}

/// Gives a program that is about to be started a session of its own: what a terminal or a service manager sends to our group
/// does not reach it.
#[expect(unsafe_code, reason = "the standard library has no way to make a session")]
pub fn own_session(command: &mut Command) {
    // SAFETY: between fork and exec only a system call is made, which allocates nothing and takes no lock.
    unsafe { command.pre_exec(|| setsid().map(drop).map_err(io::Error::from)) };
}

/// Makes this process one that supervises: it leads a session, becomes the parent of what loses its own, and is only told to stop
/// by signals that would have ended it.
///
/// # Errors
/// If the system refuses.
#[expect(unsafe_code, reason = "nothing safe sets what a signal does without a thread or a pipe")]
pub fn supervise() -> io::Result<()> {
    if getsid(None)? != getpid() {
        setsid()?;
    }
    #[cfg(target_os = "linux")]
    // SECURITY: walls::what_left_the_session_is_swept
    rustix::process::set_child_subreaper(Some(getpid()))?;
    for signal in STOP_SIGNALS {
        let action = remember as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // SAFETY: `remember` is a function of the kind that is asked for and does nothing but store an atomic.
        if unsafe { libc::signal(signal, action) } == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Makes a program that is about to be started the first of a group of its own, with the usual signals. It is not started if this
/// process has died meanwhile. Nothing else binds it: if its shim dies, the daemon, or the next one, interrupts it once.
#[expect(unsafe_code, reason = "must happen in the new process, which only this allows")]
pub fn bind_to_parent(command: &mut Command) {
    command.process_group(0);
    let parent = getpid();
    // SAFETY: between fork and exec only system calls are made, which allocate nothing and take no lock; the error is a number.
    unsafe {
        command.pre_exec(move || {
            for signal in STOP_SIGNALS {
                // SAFETY: sets the default action, which refers to no code of ours. With our own action, what the next lines ask for
                // would be lost if it came before exec.
                libc::signal(signal, libc::SIG_DFL);
            }
            // It may have died before.
            if getppid() == Some(parent) { Ok(()) } else { Err(rustix::io::Errno::SRCH.into()) }
        });
    }
}

/// From now on, programs of our user can't read this process's memory or leave a dump of it: it holds what it was given.
///
/// # Errors
/// If the system refuses.
pub fn hide_memory() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Waits for the end of a child, and leaves its number to it: somebody must still wait for it properly.
///
/// # Errors
/// If it is no child.
pub fn await_end(child: u32) -> io::Result<()> {
    let id = WaitId::Pid(pid(child)?);
    loop {
        match waitid(id.clone(), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Err(rustix::io::Errno::INTR) => {}
            result => return result.map(drop).map_err(io::Error::from),
        }
    }
}

/// Waits for a child that has ended, if there is one of this number.
pub fn reap(child: u32) {
    if let Ok(pid) = pid(child) {
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
}

/// Interrupts a child that has not been waited for, and nothing that it has started.
///
/// # Errors
/// If the system refuses.
pub fn interrupt(child: &Child) -> io::Result<()> {
    // SECURITY: walls::the_interrupt_goes_to_the_program_alone
    kill_process(Pid::from_child(child), Signal::INT).map_err(io::Error::from)
}

/// Stops the group of a child that [`bind_to_parent`] was called for and that has not been waited for, until [`thaw`]. The system does
/// that at one go: whoever forks meanwhile has to begin again afterwards, so that nothing in the group can multiply any more.
pub fn freeze(child: u32) {
    signal_group(child, Signal::STOP);
}

/// Has it go on.
pub fn thaw(child: u32) {
    signal_group(child, Signal::CONT);
}

/// Kills it, likewise at one go.
pub fn kill_group(child: u32) {
    signal_group(child, Signal::KILL);
}

fn signal_group(child: u32, signal: Signal) {
    // The number of a group is that of its first member; 1 and what is not a number would be everybody.
    if let Ok(group) = pid(child)
        && group != Pid::INIT
    {
        // Nobody may be in it any more.
        let _ = kill_process_group(group, signal);
    }
}

/// From now on this process comes before others, if it may: among thousands of programs it would have its turn too late.
pub fn hasten() {
    const FIRST: i32 = -20;
    let _ = setpriority_process(None, FIRST);
}

/// Beside what descends from this process: what the system has bound to it. Here: nothing.
#[must_use]
pub fn companions() -> Vec<u32> {
    Vec::new()
}

/// The signal that ended it.
#[must_use]
pub fn signal_of(status: ExitStatus) -> Option<i32> {
    status.signal()
}

/// Creates a file that only we can read and to whose end everybody writes who has it open; one of that name must not exist.
///
/// # Errors
/// If it can't be created or exists.
pub fn append_only(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).mode(0o600);
    options.create_new(true).open(path)
}

/// Bytes that are left to us where this path is.
///
/// # Errors
/// If the system does not say.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(path)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Bytes of disk that a file takes.
#[must_use]
pub fn occupied_bytes(metadata: &Metadata) -> u64 {
    metadata.blocks().saturating_mul(BLOCK_BYTES)
}

/// Takes so much of the disk for a file; where the file system can't, it takes nothing.
///
/// # Errors
/// If there is not so much.
pub fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
        Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {}
        Err(error) => return Err(error.into()),
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, bytes);
    Ok(())
}

fn pid(number: u32) -> io::Result<Pid> {
    let pid = i32::try_from(number).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}
