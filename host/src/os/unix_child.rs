//! What a program that is about to be started is tied to: our life, and a size of files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Chooses the signal, which is SIGIO otherwise. Linux's own number, which `libc` does not have.
#[cfg(target_os = "linux")]
const F_SETSIG: i32 = 10;

/// While it is held, the program may live.
#[derive(Debug)]
pub struct Lifeline {
    #[cfg(target_os = "linux")]
    _writing_end: io::PipeWriter,
}

/// Has the system kill the program, and all of its group that [`own_group`](super::own_group) made, as soon as the lifeline is dropped or this
/// process ends, in whatever way. Elsewhere than on Linux that is not so.
///
/// A death signal (`PR_SET_PDEATHSIG`) would come when the *thread* ends that started the program, and would reach neither
/// git's transport nor ssh: it isn't inherited. Here the system signals a process group when the other end of a pipe closes.
///
/// # Errors
/// If there are no file descriptors left.
#[cfg(target_os = "linux")]
pub fn tie_to_us(program: &mut Command) -> io::Result<Lifeline> {
    use std::os::fd::AsRawFd as _;

    let (reading_end, writing_end) = io::pipe()?;
    let tie = move || {
        let pipe = reading_end.as_raw_fd();
        // The child has a copy of the end for writing, which `exec` closes: if we are dead by then, that gives the signal.
        control(pipe, libc::F_SETFD, 0)?;
        control(pipe, F_SETSIG, libc::SIGKILL)?;
        let group = rustix::process::getpid().as_raw_nonzero().get();
        control(pipe, libc::F_SETOWN, -group)?;
        // SECURITY: walls::sources::no_git_outlives_a_daemon_that_is_killed
        control(pipe, libc::F_SETFL, libc::O_ASYNC)
    };
    #[expect(unsafe_code, reason = "the only way to have this done after the fork")]
    // SAFETY: between fork and exec it makes system calls only, and allocates nothing.
    unsafe {
        program.pre_exec(tie);
    }
    Ok(Lifeline { _writing_end: writing_end })
}

#[cfg(target_os = "linux")]
fn control(fd: i32, command: i32, value: i32) -> io::Result<()> {
    #[expect(unsafe_code, reason = "rustix has none of these commands")]
    // SAFETY: each of the commands takes an integer; a wrong descriptor is an error.
    let result = unsafe { libc::fcntl(fd, command, value) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// See the one for Linux: here it does nothing.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn tie_to_us(_program: &mut Command) -> io::Result<Lifeline> {
    Ok(Lifeline {})
}

/// Has the system end the program, and what it starts, when it makes a file longer than this many bytes.
pub fn limit_file_size(program: &mut Command, bytes: u64) {
    let limit = move || {
        let value = getrlimit(Resource::Fsize).maximum.map_or(bytes, |maximum| bytes.min(maximum));
        setrlimit(Resource::Fsize, Rlimit { current: Some(value), maximum: Some(value) })?;
        Ok(())
    };
    #[expect(unsafe_code, reason = "the only way to have this done after the fork")]
    // SAFETY: between fork and exec it makes system calls only, and allocates nothing.
    unsafe {
        program.pre_exec(limit);
    }
}
