//! What the processes of an operation take together, while it runs: [`Usage`]. What the control group limits is left to it, and what it
//! counts is asked of it; where there is none, the shim looks at each process.

use super::StopReason;
use super::pulse::Pulse;
use super::tree::Tree;
use crate::confine::Confinement;
use crate::os::processes::{self, Identity, Seen};
use std::time::{Duration, Instant};

/// Of the limit of memory, in percent: where a program is interrupted, so that it can save what it has.
const MEMORY_WARNING: u64 = 80;

/// Between two looks at all processes, which costs milliseconds.
const POLL: Duration = Duration::from_millis(500);

/// Times the limit of processes: whoever has so many is not about to end, but multiplies.
const BURST: u64 = 2;

/// What is to be done about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pressure {
    /// The program is to be interrupted.
    High(StopReason),
    /// This one is to be killed: the system does not do it for us.
    TooLarge(Identity),
    /// All that the program has started is to be killed, likewise.
    TooMany,
}

/// What a tree takes, and what it may.
#[derive(Debug)]
pub(super) struct Usage {
    memory_max: Option<u64>,
    /// None as well if the system lets nobody have more.
    processes_max: Option<u64>,
    cpu_max: Option<Duration>,
    pulse: Option<Pulse>,
    looked: Option<Instant>,
    /// This time.
    has_looked: bool,
    cpu: Duration,
    pub(super) memory_peak: Option<u64>,
}

/// What was found out this time.
#[derive(Debug, Default)]
struct Taken {
    memory: Option<u64>,
    /// Whom to kill for it.
    largest: Option<Identity>,
    processes: Option<u64>,
    /// Those of them that the program has started.
    started: Option<u64>,
    cpu: Option<Duration>,
}

impl Usage {
    pub(super) fn new(confinement: &Confinement, tree: &Tree, program: u32) -> Self {
        let limits = &confinement.limits;
        let is_limited = tree.group().is_some_and(|group| group.limits_processes());
        // A user of its own has the system's limit.
        let is_watched = !is_limited && confinement.user.is_none();
        let processes_max = limits.processes.filter(|_| is_watched);
        Self {
            memory_max: limits.memory_bytes,
            processes_max,
            cpu_max: limits.cpu_seconds.map(Duration::from_secs),
            pulse: processes_max.map(|max| Pulse::new(program, max)),
            looked: None,
            has_looked: false,
            cpu: Duration::ZERO,
            memory_peak: None,
        }
    }

    /// `program` may be stopped until [`Usage::settle`].
    pub(super) fn look(&mut self, tree: &Tree, program: u32) -> Option<Pressure> {
        let must_look = self.pulse.as_ref().is_some_and(Pulse::is_frozen);
        let taken = self.taken(tree, program, must_look);
        self.has_looked = taken.processes.is_some();
        self.weigh(&taken)
    }

    /// What was found out was acted upon.
    pub(super) fn settle(&mut self) {
        if let Some(pulse) = self.pulse.as_ref().filter(|_| self.has_looked) {
            pulse.settle();
        }
    }

    /// For the thread that notices when processes multiply; none if the system lets nobody have more than its limit.
    pub(super) fn pulse(&self) -> Option<&Pulse> {
        self.pulse.as_ref()
    }

    fn taken(&mut self, tree: &Tree, program: u32, must_look: bool) -> Taken {
        let group = tree.group();
        let mut taken = Taken::default();
        if self.memory_max.is_some() {
            // At the limit itself the system kills.
            taken.memory = group.and_then(|group| group.memory());
        }
        if self.cpu_max.is_some() {
            taken.cpu = group.and_then(|group| group.cpu());
        }
        let (memory, cpu) = (taken.memory.is_none(), taken.cpu.is_none());
        let is_needed = (self.memory_max.is_some() && memory)
            || (self.cpu_max.is_some() && cpu)
            || self.processes_max.is_some();
        let is_due = self.looked.is_none_or(|looked| looked.elapsed() >= POLL);
        if !is_needed || !(is_due || must_look) {
            return taken;
        }
        let family = tree.family();
        let living: Vec<_> = family.iter().copied().filter(|seen| !seen.has_ended).collect();
        if memory {
            let bytes = living.iter().map(|seen| seen.resident_bytes);
            taken.memory = Some(bytes.fold(0, u64::saturating_add));
            taken.largest = largest(&living, program);
        }
        if cpu {
            taken.cpu = Some(self.spent(&family));
        }
        let threads = |of: &dyn Fn(&&Seen) -> bool| {
            let counts = living.iter().filter(of).map(|seen| u64::from(seen.threads));
            counts.fold(0, u64::saturating_add)
        };
        taken.processes = Some(threads(&|_| true));
        taken.started = Some(threads(&|seen| seen.identity.pid != program));
        self.looked = Some(Instant::now());
        taken
    }

    /// Time on a core: of each process, and of those that have ended as far as somebody has waited for them. We have, for whoever lost
    /// its parent. It never becomes less: a process whose parent wants to know nothing of it takes its time along.
    fn spent(&mut self, family: &[Seen]) -> Duration {
        let own = processes::see(std::process::id()).map(|seen| seen.cpu_of_children);
        let of = |seen: &Seen| seen.cpu.saturating_add(seen.cpu_of_children);
        let all = family.iter().map(of).chain(own);
        self.cpu = self.cpu.max(all.fold(Duration::ZERO, Duration::saturating_add));
        self.cpu
    }

    fn weigh(&mut self, taken: &Taken) -> Option<Pressure> {
        self.memory_peak = self.memory_peak.max(taken.memory);
        let memory = self.memory_max.zip(taken.memory);
        let processes = self.processes_max.zip(taken.processes);
        let started = self.processes_max.zip(taken.started);
        let cpu = self.cpu_max.zip(taken.cpu);
        if started.is_some_and(|(max, count)| count > max.saturating_mul(BURST)) {
            return Some(Pressure::TooMany);
        }
        if let Some(largest) = taken.largest
            && memory.is_some_and(|(max, used)| used >= max)
        {
            return Some(Pressure::TooLarge(largest));
        }
        let reasons = [
            (
                StopReason::Memory,
                memory.is_some_and(|(max, used)| used >= max / 100 * MEMORY_WARNING),
            ),
            (StopReason::Processes, processes.is_some_and(|(max, count)| count > max)),
            (StopReason::Cpu, cpu.is_some_and(|(max, spent)| spent >= max)),
        ];
        let reason = reasons.into_iter().find_map(|(reason, is_met)| is_met.then_some(reason));
        reason.map(Pressure::High)
    }
}

/// The program itself only if it is larger than anything that it has started: it has something to save.
fn largest(members: &[Seen], program: u32) -> Option<Identity> {
    let is_program = |seen: &&Seen| seen.identity.pid == program;
    let of = |seen: &&Seen| seen.resident_bytes;
    let other = members.iter().filter(|seen| !is_program(seen)).max_by_key(of);
    let program = members.iter().find(is_program);
    program.into_iter().chain(other).max_by_key(of).map(|seen| seen.identity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confine::Limits;

    fn seen(pid: u32, resident_bytes: u64) -> Seen {
        Seen {
            identity: Identity { pid, started: 1 },
            parent: 1,
            group: 1,
            session: 1,
            resident_bytes,
            threads: 1,
            cpu: Duration::from_secs(1),
            cpu_of_children: Duration::from_secs(2),
            has_ended: false,
        }
    }

    fn usage(limits: Limits) -> Usage {
        let confinement = Confinement { limits, ..Confinement::default() };
        Usage::new(&confinement, &Tree::here(None), u32::MAX)
    }

    #[test]
    fn memory_is_weighed_against_its_limit() {
        let mut usage = usage(Limits { memory_bytes: Some(1000), ..Limits::default() });
        let identity = Identity { pid: 1, started: 1 };
        let mut weigh = |memory, largest| {
            usage.weigh(&Taken { memory: Some(memory), largest, ..Taken::default() })
        };
        let high = Some(Pressure::High(StopReason::Memory));
        assert_eq!(weigh(799, Some(identity)), None);
        assert_eq!(weigh(800, Some(identity)), high);
        assert_eq!(weigh(1000, Some(identity)), Some(Pressure::TooLarge(identity)));
        assert_eq!(weigh(1001, None), high, "the system kills");
        assert_eq!(weigh(1, None), None);
        assert_eq!(usage.memory_peak, Some(1001));
    }

    #[test]
    fn the_program_is_killed_only_if_it_is_the_largest() {
        let pid = |members: &[Seen]| largest(members, 1).map(|found| found.pid);
        assert_eq!(pid(&[seen(1, 5), seen(2, 9), seen(3, 7)]), Some(2));
        assert_eq!(pid(&[seen(1, 10), seen(2, 9)]), Some(1));
        assert_eq!(pid(&[seen(1, 9), seen(2, 9)]), Some(2), "it has something to save");
        assert_eq!(pid(&[]), None);
    }

    #[test]
    fn more_processes_than_allowed_are_interrupted_and_a_burst_is_killed() {
        let limits = Limits { processes: Some(10), ..Limits::default() };
        let mut usage = usage(limits.clone());
        let mut weigh = |processes, started| {
            let (processes, started) = (Some(processes), Some(started));
            usage.weigh(&Taken { processes, started, ..Taken::default() })
        };
        assert_eq!(weigh(10, 9), None);
        assert_eq!(weigh(11, 10), Some(Pressure::High(StopReason::Processes)));
        assert_eq!(weigh(21, 20), Some(Pressure::High(StopReason::Processes)));
        assert_eq!(weigh(30, 5), Some(Pressure::High(StopReason::Processes)), "its own threads");
        assert_eq!(weigh(22, 21), Some(Pressure::TooMany));
        let confinement =
            Confinement { limits, user: Some((1000, 1000)), ..Confinement::default() };
        let usage = Usage::new(&confinement, &Tree::here(None), u32::MAX);
        assert_eq!(usage.processes_max, None, "that user has the system's limit");
    }

    #[test]
    fn time_on_a_core_is_summed_and_never_becomes_less() {
        let mut usage = usage(Limits { cpu_seconds: Some(5), ..Limits::default() });
        let one = usage.spent(&[seen(1, 0)]);
        assert!(one >= Duration::from_secs(3), "{one:?}");
        let both = usage.spent(&[seen(1, 0), seen(2, 0)]);
        assert!(both >= Duration::from_secs(6), "{both:?}");
        assert_eq!(usage.spent(&[]), both);
        let mut weigh = |cpu| usage.weigh(&Taken { cpu: Some(cpu), ..Taken::default() });
        assert_eq!(weigh(Duration::from_millis(4_999)), None);
        assert_eq!(weigh(Duration::from_secs(5)), Some(Pressure::High(StopReason::Cpu)));
    }
}
