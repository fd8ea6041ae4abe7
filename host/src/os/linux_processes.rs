//! Processes as `/proc` shows them.

use super::{Identity, Seen};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use std::fs::{self, File};
use std::io::Read as _;
use std::time::Duration;

/// Bytes of an environment that are searched; more than the system lets one be by default.
const ENVIRONMENT_MAX: u64 = 8 << 20;

/// All processes that can be seen. They come and go meanwhile.
#[must_use]
pub fn all() -> Vec<Seen> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(see).collect()
}

/// The process with this number.
#[must_use]
pub fn see(pid: u32) -> Option<Seen> {
    parse(&String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/stat")).ok()?))
}

/// See proc_pid_stat(5).
fn parse(stat: &str) -> Option<Seen> {
    let (pid, rest) = stat.split_once(' ')?;
    // The program chooses its name, with spaces and brackets.
    let fields: Vec<_> = rest.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    // The name is the second field, counted from one.
    let field = |number: usize| fields.get(number.checked_sub(3)?).copied();
    let number = |at: usize| field(at)?.parse::<u32>().ok();
    let page = rustix::param::page_size() as u64;
    let time = |first: usize, second: usize| {
        let ticks = field(first)?.parse::<u64>().ok()?;
        Some(ticked(ticks.saturating_add(field(second)?.parse().ok()?)))
    };
    Some(Seen {
        identity: Identity { pid: pid.parse().ok()?, started: field(22)?.parse().ok()? },
        parent: number(4)?,
        group: number(5)?,
        session: number(6)?,
        resident_bytes: field(24)?.parse::<u64>().ok()?.saturating_mul(page),
        threads: number(20)?,
        cpu: time(14, 15)?,
        cpu_of_children: time(16, 17)?,
        has_ended: matches!(field(3)?, "Z" | "X" | "x"),
    })
}

/// The kernel counts time on a core in ticks.
fn ticked(ticks: u64) -> Duration {
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_millis(ticks.saturating_mul(1000) / per_second)
}

/// How many processes and threads there are on this machine, those included that can't be seen. Costs next to nothing, unlike
/// looking at each.
#[must_use]
pub fn count() -> Option<u64> {
    // `0.20 0.18 0.12 1/80 11206`: running, and all.
    let load = fs::read_to_string("/proc/loadavg").ok()?;
    load.split(' ').nth(3)?.split_once('/')?.1.parse().ok()
}

/// Whether its environment was started with this value.
#[must_use]
pub fn has_variable(pid: u32, name: &str, value: &str) -> bool {
    let mut bytes = Vec::new();
    let read = File::open(format!("/proc/{pid}/environ"))
        .and_then(|file| file.take(ENVIRONMENT_MAX).read_to_end(&mut bytes));
    let searched = format!("{name}={value}");
    read.is_ok() && bytes.split(|byte| *byte == 0).any(|found| found == searched.as_bytes())
}

/// Kills this process and no other one that has its number by now.
pub fn kill(process: Identity) {
    send(process, Signal::KILL);
}

/// Interrupts it, likewise.
pub fn interrupt(process: Identity) {
    send(process, Signal::INT);
}

fn send(process: Identity, signal: Signal) {
    let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) else { return };
    let handle = pidfd_open(pid, PidfdFlags::empty());
    // Looked at when the handle is open: from now on it is this one or none.
    if !super::is_running(process) {
        return;
    }
    // It may end right now, which is as good.
    let _ = match handle {
        Ok(handle) => pidfd_send_signal(handle, signal),
        // Before Linux 5.3.
        Err(Errno::NOSYS) => kill_process(pid, signal),
        Err(error) => Err(error),
    };
}

/// Names the time from one start of the machine to the next.
#[must_use]
pub fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_confuses_nobody() {
        let stat =
            "7 (a) R 9 (b) S 1 2 3 0 -1 4194560 1 0 0 0 10 20 300 400 20 0 6 0 55 1000 4 1844";
        let seen = parse(stat).unwrap();
        assert_eq!(seen.identity, Identity { pid: 7, started: 55 });
        assert_eq!((seen.parent, seen.group, seen.session, seen.has_ended), (1, 2, 3, false));
        assert_eq!(seen.resident_bytes, 4 * rustix::param::page_size() as u64);
        assert_eq!((seen.threads, seen.cpu, seen.cpu_of_children), (6, ticked(30), ticked(700)));
        assert_eq!(ticked(rustix::param::clock_ticks_per_second()), Duration::from_secs(1));
        for stat in ["", "7", "7 (a", "7 (a)", "7 (a) S 1 2", "x (a) S 1 2 3"] {
            assert!(parse(stat).is_none(), "{stat}");
        }
    }
}
