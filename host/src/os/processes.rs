//! Processes that aren't necessarily children of ours: which there are, and that one is meant and no other ([`Identity`]).

use serde::{Deserialize, Serialize};
use std::time::Duration;

#[cfg(target_os = "linux")]
#[path = "linux_processes.rs"]
mod system;
#[cfg(not(target_os = "linux"))]
#[path = "other_processes.rs"]
mod system;

pub use system::{all, boot, count, has_variable, interrupt, kill, see};

/// A process, as long as the machine runs: numbers are used again, but not with the same time of start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    /// Its number.
    pub pid: u32,
    /// When it started, in the system's own unit.
    pub started: u64,
}

/// A process as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Which.
    pub identity: Identity,
    /// Its parent.
    pub parent: u32,
    /// Its group; 0 where there are none.
    pub group: u32,
    /// Its session; 0 where there are none.
    pub session: u32,
    /// Bytes of memory that it occupies.
    pub resident_bytes: u64,
    /// Its threads; 1 where they are not told.
    pub threads: u32,
    /// Its time on a core.
    pub cpu: Duration,
    /// That of its children that have ended, with theirs, as far as they were waited for; none where it is not told.
    pub cpu_of_children: Duration,
    /// Whether it has ended and only its parent has not asked how.
    pub has_ended: bool,
}

/// Which process has this number now; none if it has ended, waited for or not.
#[must_use]
pub fn identify(pid: u32) -> Option<Identity> {
    see(pid).filter(|seen| !seen.has_ended).map(|seen| seen.identity)
}

/// Whether it is still running.
#[must_use]
pub fn is_running(process: Identity) -> bool {
    identify(process.pid) == Some(process)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen_and_no_other_one_is_taken_for_it() {
        let me = identify(std::process::id()).unwrap();
        assert!(is_running(me));
        assert!(!is_running(Identity { started: me.started.wrapping_add(1), ..me }));
        let seen = all().into_iter().find(|seen| seen.identity == me).unwrap();
        assert!(seen.resident_bytes > 1 << 20 && !seen.has_ended);
        assert!(seen.threads >= 1);
        assert!(count().is_none_or(|count| count >= u64::from(seen.threads)));
        assert!(see(u32::MAX).is_none());
        assert!(!boot().is_empty() && boot() == boot());
    }

    #[test]
    fn a_variable_is_found_by_name_and_value() {
        let me = std::process::id();
        let (name, value) = std::env::vars().find(|(_, value)| value.len() > 1).unwrap();
        assert!(has_variable(me, &name, &value));
        assert!(!has_variable(me, &name, &value[1..]));
        assert!(!has_variable(u32::MAX, &name, &value));
    }

    #[test]
    fn a_process_that_is_not_meant_is_not_killed() {
        let me = identify(std::process::id()).unwrap();
        kill(Identity { started: me.started.wrapping_add(1), ..me });
        interrupt(Identity { started: me.started.wrapping_add(1), ..me });
    }
}
