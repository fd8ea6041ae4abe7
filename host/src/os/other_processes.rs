//! Processes where there is no `/proc`.

use super::{Identity, Seen};
use std::time::Duration;
use sysinfo::{
    Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, Signal, System, UpdateKind,
};

fn look(which: ProcessesToUpdate<'_>, kind: ProcessRefreshKind) -> Option<System> {
    let mut system = System::new().ok()?;
    system.refresh_processes_specifics(which, true, kind);
    Some(system)
}

fn look_at(pid: u32, kind: ProcessRefreshKind) -> Option<System> {
    look(ProcessesToUpdate::Some(&[Pid::from_u32(pid)]), kind)
}

fn seen(process: &sysinfo::Process) -> Seen {
    Seen {
        identity: Identity { pid: process.pid().as_u32(), started: process.start_time() },
        parent: process.parent().map_or(0, Pid::as_u32),
        group: 0,
        session: process.session_id().map_or(0, Pid::as_u32),
        resident_bytes: process.memory(),
        threads: 1,
        cpu: Duration::from_millis(process.accumulated_cpu_time()),
        cpu_of_children: Duration::ZERO,
        has_ended: matches!(process.status(), ProcessStatus::Dead | ProcessStatus::Zombie),
    }
}

/// All processes that can be seen. They come and go meanwhile.
#[must_use]
pub fn all() -> Vec<Seen> {
    let kind = ProcessRefreshKind::nothing().with_memory().with_cpu();
    let system = look(ProcessesToUpdate::All, kind);
    system.iter().flat_map(|system| system.processes().values()).map(seen).collect()
}

/// How many processes and threads there are: not told without looking at each.
#[must_use]
pub fn count() -> Option<u64> {
    None
}

/// The process with this number.
#[must_use]
pub fn see(pid: u32) -> Option<Seen> {
    let system = look_at(pid, ProcessRefreshKind::nothing().with_memory())?;
    system.process(Pid::from_u32(pid)).map(seen)
}

/// Whether its environment was started with this value.
#[must_use]
pub fn has_variable(pid: u32, name: &str, value: &str) -> bool {
    let kind = ProcessRefreshKind::nothing().with_environ(UpdateKind::Always);
    let Some(system) = look_at(pid, kind) else { return false };
    let searched = format!("{name}={value}");
    let environment = system.process(Pid::from_u32(pid)).map(sysinfo::Process::environ);
    environment.unwrap_or_default().iter().any(|found| found.to_str() == Some(&searched))
}

/// Kills this process; another one that has its number by now only if it gets it within this very call.
pub fn kill(process: Identity) {
    send(process, Signal::Kill);
}

/// Interrupts it, likewise, where the system can.
pub fn interrupt(process: Identity) {
    send(process, Signal::Interrupt);
}

fn send(process: Identity, signal: Signal) {
    let Some(system) = look_at(process.pid, ProcessRefreshKind::nothing()) else { return };
    let found = system.process(Pid::from_u32(process.pid));
    if let Some(found) = found.filter(|found| found.start_time() == process.started) {
        // It may have ended right now.
        let _ = found.kill_with(signal);
    }
}

/// Names the time from one start of the machine to the next.
#[must_use]
pub fn boot() -> String {
    System::boot_time().map(|seconds| seconds.to_string()).unwrap_or_default()
}
