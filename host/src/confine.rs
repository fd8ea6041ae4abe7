//! What a supervised program may touch: [`Confinement`], put in force by [`Prepared`]; and which of it this machine can enforce:
//! [`facts`], [`missing`].
//!
//! Not covered: modes, owners and times of files that the program's user owns may be changed wherever they are, and before Landlock's
//! version 9 (`blockhouse doctor` says which one there is) sockets of services that its user may use can be connected to. A user of
//! its own per tenant closes both.

mod facts;
mod group;
mod system;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;

pub use facts::{Fact, facts, missing};
pub use group::Group;

use crate::os::wall::{self, Plan, Wall, WallError};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::Command;

/// What a program and all that it starts may touch. Whatever is not listed is denied where the system can deny it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Confinement {
    /// Files and directories to be read. Like all paths here, they must exist.
    pub read: Vec<PathBuf>,
    /// Files and directories to be read and executed.
    pub execute: Vec<PathBuf>,
    /// Directories in which anything may be read, written, made, removed and executed. The only ones that may be written to.
    pub write: Vec<PathBuf>,
    /// Whether it may use the network.
    pub network: bool,
    /// User and group that it runs as, if not ours (needs root).
    pub user: Option<(u32, u32)>,
    /// How much of everything.
    pub limits: Limits,
    /// Mechanisms without which it must not be started.
    pub required: Vec<Mechanism>,
}

/// How much a program may take together with all that it starts, where the system can tell.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory of the whole tree: interrupted at 80 %, killed at 100 %. (cgroup where delegated, else watched.)
    pub memory_bytes: Option<u64>,
    /// Processes and threads of the whole tree: no more can be started (cgroup where delegated; with a user of its own, all of that
    /// user's); else watched: interrupted when exceeded, and at twice as many all but the program is killed.
    pub processes: Option<u64>,
    /// CPU seconds of the whole tree: interrupted when they are used up. A single process that has twice as many and
    /// a minute is killed by the system, should nobody be watching.
    pub cpu_seconds: Option<u64>,
    /// Bytes of one file. A process that goes on is killed.
    pub file_bytes: Option<u64>,
    /// Bytes below the `write` directories together: interrupted when exceeded.
    pub disk_bytes: Option<u64>,
}

/// See [`Limits::cpu_seconds`]: what has been interrupted has this long on a core, at least, to save what it has.
const CPU_GRACE_SECONDS: u64 = 60;

/// Means of confinement that a machine has or has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// A control group per operation (v2, delegated): memory, processes, killing the whole tree at once.
    Cgroup,
    /// Paths.
    Landlock,
    /// Programs can't gain rights by being executed.
    NoNewPrivileges,
    /// No network where it is not allowed.
    NoNetwork,
    /// A user of its own per tenant.
    Users,
}

impl fmt::Display for Mechanism {
    /// As in a policy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cgroup => "cgroup",
            Self::Landlock => "landlock",
            Self::NoNetwork => "no-network",
            Self::NoNewPrivileges => "no-new-privileges",
            Self::Users => "users",
        })
    }
}

/// Why a program is not started.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// There is no control group, although there could be.
    #[error("failed to make a control group")]
    Group(#[source] io::Error),
    /// It could not be started.
    #[error("failed to start the program")]
    Start(#[source] io::Error),
    /// It could not be confined, and was not started.
    #[error("failed to {step}")]
    Step {
        /// What could not be done.
        step: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is to run in a way that this machine can't have it run.
    #[error("this machine can't confine it as required: {}", Unmet(.0))]
    Unmet(Vec<(Mechanism, String)>),
    /// A path is not there, or the system refuses the rules.
    #[error("failed to prepare the confinement")]
    Wall(#[source] WallError),
}

/// The limit of each process, above that of all of them.
fn backstop(cpu_seconds: u64) -> u64 {
    cpu_seconds.saturating_mul(2).saturating_add(CPU_GRACE_SECONDS)
}

struct Unmet<'a>(&'a [(Mechanism, String)]);

impl fmt::Display for Unmet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (mechanism, why)) in self.0.iter().enumerate() {
            let separator = if number == 0 { "" } else { "; " };
            write!(f, "{separator}`{mechanism}`: {why}")?;
        }
        Ok(())
    }
}

impl Confinement {
    /// Before a program is started, by who starts it: opens everything, and makes its control group, named by `name` (letters, digits
    /// and `._-`, at most 128, of its own on this machine).
    ///
    /// # Errors
    /// [`ConfineError`]. A mechanism that is missing is one only if it is in `required`, or a user is to be changed to.
    pub fn prepare(&self, name: &str) -> Result<Prepared, ConfineError> {
        // SECURITY: confine::required::what_is_required_and_missing_is_an_error
        let unmet = self.unmet();
        if !unmet.is_empty() {
            return Err(ConfineError::Unmet(unmet));
        }
        let group = Group::create(name, &self.limits).map_err(ConfineError::Group)?;
        match self.wall(group.as_ref()) {
            Ok(wall) => {
                let active = self.active(group.as_ref());
                Ok(Prepared { wall, group, active })
            }
            Err(error) => {
                // Empty, and of no use any more; if it stays, it does no harm.
                let _ = group.map(|group| group.remove());
                Err(error)
            }
        }
    }

    fn unmet(&self) -> Vec<(Mechanism, String)> {
        let mut required = self.required.clone();
        // Never as ourselves what is to run as somebody else.
        required.extend(self.user.map(|_| Mechanism::Users));
        let mut unmet = missing(&required);
        if required.contains(&Mechanism::Users) && self.user.is_none() {
            let why = "no user is configured for it";
            unmet.push((Mechanism::Users, why.to_owned()));
        }
        unmet
    }

    fn wall(&self, group: Option<&Group>) -> Result<Wall, ConfineError> {
        let entrance = group.map(Group::entrance).transpose().map_err(ConfineError::Group)?;
        let plan = Plan {
            read: &self.read,
            execute: &self.execute,
            write: &self.write,
            devices: &system::devices(),
            must_confine_files: self.required.contains(&Mechanism::Landlock),
            network: self.network,
            user: self.user,
            cpu_seconds: self.limits.cpu_seconds.map(backstop),
            file_bytes: self.limits.file_bytes,
            processes: self.limits.processes,
            group: entrance,
        };
        Wall::build(plan).map_err(ConfineError::Wall)
    }

    fn active(&self, group: Option<&Group>) -> Vec<Mechanism> {
        let mut active = Vec::new();
        for (mechanism, is_active) in [
            (Mechanism::Cgroup, group.is_some_and(Group::is_limited)),
            (Mechanism::Landlock, wall::confines_files().is_ok()),
            (Mechanism::NoNewPrivileges, wall::drops_privileges().is_ok()),
            (Mechanism::NoNetwork, !self.network && wall::filters_calls().is_ok()),
            (Mechanism::Users, self.user.is_some()),
        ] {
            active.extend(is_active.then_some(mechanism));
        }
        active
    }
}

/// A confinement that one program can be started in.
#[derive(Debug)]
pub struct Prepared {
    wall: Wall,
    group: Option<Group>,
    active: Vec<Mechanism>,
}

impl Prepared {
    /// Has `program`, which can be started once then, start confined: in its control group, with its limits, without any file of ours
    /// but its three streams, as its user, without capabilities and without a way to gain any, within its paths, and with the system calls
    /// that are left. A second program would not start at all.
    ///
    /// What the caller registers to be done between fork and exec after this is done after it, and can't open files. What
    /// `Command::uid` and its like do would be done before it, and this can't then.
    pub fn apply(&mut self, program: &mut Command) {
        self.wall.enter(program);
    }

    /// Why the program was not started: what could not be done, or that it could not be started itself.
    pub fn explain(&mut self, source: io::Error) -> ConfineError {
        match self.wall.failed_to() {
            Some(step) => ConfineError::Step { step, source },
            None => ConfineError::Start(source),
        }
    }

    /// The control group, empty until the program is started. It stays when this is dropped.
    #[must_use]
    pub fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    /// What is in force for this program.
    #[must_use]
    pub fn active(&self) -> &[Mechanism] {
        &self.active
    }
}
