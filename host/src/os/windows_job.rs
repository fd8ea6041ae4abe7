//! The limits of a process on Windows: a job object that it puts itself into.

use std::io;
use std::time::Duration;
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_ACTIVE_PROCESS,
    JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION, JOB_OBJECT_LIMIT_PROCESS_MEMORY,
    JOB_OBJECT_LIMIT_PROCESS_TIME, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
    JobObjectExtendedLimitInformation, SetInformationJobObject,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

/// Windows counts time in units of 100 ns.
const UNIT_NANOS: u128 = 100;

/// See `limit_this_process` of the system.
pub(super) fn limit_this_process(memory_bytes: u64, cpu: Duration) -> io::Result<()> {
    let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION {
        ProcessMemoryLimit: usize::try_from(memory_bytes).unwrap_or(usize::MAX),
        ..JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default()
    };
    let basic = &mut limits.BasicLimitInformation;
    basic.PerProcessUserTimeLimit = i64::try_from(cpu.as_nanos() / UNIT_NANOS).unwrap_or(i64::MAX);
    basic.ActiveProcessLimit = 1;
    basic.LimitFlags = JOB_OBJECT_LIMIT_ACTIVE_PROCESS
        | JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION
        | JOB_OBJECT_LIMIT_PROCESS_MEMORY
        | JOB_OBJECT_LIMIT_PROCESS_TIME;
    enter(&limits)
}

#[expect(unsafe_code, reason = "windows-sys has only the system's own functions")]
fn enter(limits: &JOBOBJECT_EXTENDED_LIMIT_INFORMATION) -> io::Result<()> {
    let size = u32::try_from(size_of_val(limits)).map_err(io::Error::other)?;
    // SAFETY: both pointers may be null: default rights and no name.
    let job = unsafe { CreateJobObjectW(std::ptr::null(), std::ptr::null()) };
    if job.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `job` is a job of ours, and `limits` is what this class of information is, with its size.
    let set = unsafe {
        let limits = std::ptr::from_ref(limits).cast();
        SetInformationJobObject(job, JobObjectExtendedLimitInformation, limits, size)
    };
    if set == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `job` is a job of ours. Its handle stays open: it is to last as long as the process.
    let assigned = unsafe { AssignProcessToJobObject(job, GetCurrentProcess()) };
    if assigned == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
