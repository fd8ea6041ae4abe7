//! All processes of an operation, however they have detached themselves: [`Tree`].

use super::MARK;
use super::records::Status;
use crate::confine::Group;
use crate::os::processes::{self, Identity, Seen};
use crate::os::supervision;
use std::collections::HashSet;
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks at what is left. Processes go when the system gets round to it.
const SWEEP_POLL: Duration = Duration::from_millis(2);

/// A process that waits for its disk or its network file system can't be killed before that answers; what comes of it is no longer
/// waited for after this.
const SWEEP_PATIENCE: Duration = Duration::from_secs(30);

/// Whoever multiplies outside of the program's group could be hunted for ever; after this, it is up to the program's own end, and the
/// sweep after it.
const THIN_PATIENCE: Duration = Duration::from_secs(10);

/// Where an operation's processes are found.
#[derive(Debug)]
pub(super) struct Tree {
    root: Root,
    group: Option<Group>,
}

#[derive(Debug)]
enum Root {
    /// Of this process, which is the shim: whoever loses its parent gets this one.
    Here,
    /// Of a shim that is dead.
    Left(Status),
}

impl Tree {
    /// That of this process.
    pub(super) fn here(group: Option<Group>) -> Self {
        Self { root: Root::Here, group }
    }

    /// What a dead shim has left.
    pub(super) fn left_by(status: Status) -> Self {
        let group = status.group.as_deref().and_then(Group::find);
        Self { root: Root::Left(status), group }
    }

    pub(super) fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    /// Those that are running, the program among them.
    pub(super) fn members(&self) -> Vec<Seen> {
        let mut members = self.family();
        members.retain(|seen| !seen.has_ended);
        members
    }

    /// Likewise, with those that have ended and that nobody has waited for.
    pub(super) fn family(&self) -> Vec<Seen> {
        let all = processes::all();
        let me = std::process::id();
        let mut found = self.roots(&all);
        loop {
            let before = found.len();
            let children = all.iter().filter(|seen| found.contains(&seen.parent));
            let children: Vec<_> = children.map(|seen| seen.identity.pid).collect();
            found.extend(children);
            if found.len() == before {
                break;
            }
        }
        let is_member = |seen: &Seen| found.contains(&seen.identity.pid) && seen.identity.pid != me;
        all.into_iter().filter(is_member).collect()
    }

    fn roots(&self, all: &[Seen]) -> HashSet<u32> {
        let mut found = HashSet::new();
        let of_session = |leader: u32| {
            let members = all.iter().filter(move |seen| leader != 0 && seen.session == leader);
            members.map(|seen| seen.identity.pid)
        };
        match &self.root {
            Root::Here => {
                let me = std::process::id();
                found.insert(me);
                found.extend(of_session(me));
                found.extend(supervision::companions());
            }
            Root::Left(status) => {
                // A session keeps its number as long as it has members; a leader that is not ours shows that ours had none.
                let leader = status.shim;
                let is_other =
                    |seen: &&Seen| seen.identity.pid == leader.pid && seen.identity != leader;
                if !all.iter().any(|seen| is_other(&seen)) {
                    found.extend(of_session(leader.pid));
                }
                // SECURITY: walls::what_outlived_a_killed_shim_is_swept
                let marked = all.iter().map(|seen| seen.identity.pid);
                let me = std::process::id();
                found.extend(marked.filter(|pid| {
                    *pid != me && processes::has_variable(*pid, MARK, &status.operation)
                }));
            }
        }
        let of_group = self.group.as_ref().and_then(|group| group.processes().ok());
        found.extend(of_group.unwrap_or_default());
        found
    }

    /// The program, if the shim died before it could say which process that is.
    pub(super) fn program(&self) -> Option<Identity> {
        let Root::Left(status) = &self.root else { return None };
        let is_program = |seen: &Seen| {
            seen.group == seen.identity.pid
                && seen.session == status.shim.pid
                && seen.identity.pid != status.shim.pid
        };
        let found = || self.members().into_iter().find(is_program).map(|seen| seen.identity);
        status.program.or_else(found)
    }

    /// Kills everything, until nothing is left, and counts it. The program must have ended; its number is spared, since somebody
    /// still has to wait for it.
    pub(super) fn sweep(&self, spared: Option<u32>) -> u32 {
        let started = Instant::now();
        let mut killed = HashSet::new();
        loop {
            let left = self.others(spared);
            if left.is_empty() {
                break;
            }
            if let Some(group) = &self.group {
                // What it leaves is killed one by one.
                let _ = group.kill();
            }
            if let Some(program) = spared {
                // At one go, before more of them are made than can be killed one by one.
                supervision::kill_group(program);
            }
            kill_all(&left, &mut killed);
            if started.elapsed() > SWEEP_PATIENCE {
                break;
            }
        }
        u32::try_from(killed.len()).unwrap_or(u32::MAX)
    }

    /// Kills all that the program has started, and not the program, which has something to save. The number of one that runs, and that
    /// this process is the parent of.
    pub(super) fn thin(&self, program: u32) {
        let started = Instant::now();
        let mut killed = HashSet::new();
        supervision::hasten();
        // It makes no more of them meanwhile, nor does any of them that has stayed with it.
        supervision::freeze(program);
        while started.elapsed() <= THIN_PATIENCE {
            let left = self.others(Some(program));
            if left.is_empty() {
                break;
            }
            kill_all(&left, &mut killed);
        }
        supervision::thaw(program);
    }

    fn others(&self, program: Option<u32>) -> Vec<Identity> {
        let members = self.members().into_iter().map(|seen| seen.identity);
        members.filter(|process| Some(process.pid) != program).collect()
    }
}

/// Kills them, and takes note of those that are ours then.
fn kill_all(left: &[Identity], killed: &mut HashSet<Identity>) {
    for process in left {
        processes::kill(*process);
        killed.insert(*process);
    }
    pause();
    for process in killed.iter() {
        supervision::reap(process.pid);
    }
}

/// Takes note of children that this process has got and that have ended, all but this one.
pub(super) fn reap_all_but(spared: u32) {
    let me = std::process::id();
    let children = processes::all().into_iter().filter(|seen| seen.parent == me && seen.has_ended);
    for child in children.filter(|seen| seen.identity.pid != spared) {
        supervision::reap(child.identity.pid);
    }
}

#[expect(clippy::disallowed_methods, reason = "in the shim, or where blocking is allowed")]
fn pause() {
    thread::sleep(SWEEP_POLL);
}
