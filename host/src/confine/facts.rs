//! Which means of confinement this machine really has, found out by trying: [`facts`], and of those that are required, which it has
//! not: [`missing`].

use super::{Mechanism, group};
use crate::os::wall;
use serde::Serialize;
use std::path::Path;

/// A means of confinement on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// What a policy requires it by; its name if no policy can.
    pub name: String,
    /// Which one a policy can require.
    #[serde(skip)]
    pub mechanism: Option<Mechanism>,
    /// Whether it is in force for what is started here.
    pub is_active: bool,
    /// What it is good for.
    pub means: &'static str,
    /// Why it is not active; a detail if it is.
    pub why: Option<String>,
    /// What to do if it is not.
    pub remedy: &'static str,
}

impl Fact {
    fn new(
        name: impl ToString,
        found: Result<Option<String>, String>,
        means: &'static str,
        remedy: &'static str,
    ) -> Self {
        let is_active = found.is_ok();
        let why = found.unwrap_or_else(Some);
        Self { name: name.to_string(), mechanism: None, is_active, means, why, remedy }
    }
}

/// All of them.
#[must_use]
pub fn facts() -> Vec<Fact> {
    let mechanisms = ALL.iter().map(|mechanism| {
        let found = probe(*mechanism).map(|()| detail(*mechanism));
        let mut fact = Fact::new(mechanism, found, means(*mechanism), remedy(*mechanism));
        fact.mechanism = Some(*mechanism);
        fact
    });
    mechanisms.chain([signals(), sockets()]).chain(limits()).collect()
}

/// Which of the `required` this machine has not, and why.
#[must_use]
pub fn missing(required: &[Mechanism]) -> Vec<(Mechanism, String)> {
    let mut required = required.to_vec();
    required.sort_unstable();
    required.dedup();
    required
        .into_iter()
        .filter_map(|mechanism| Some((mechanism, probe(mechanism).err()?)))
        .collect()
}

const ALL: &[Mechanism] = &[
    Mechanism::Cgroup,
    Mechanism::Landlock,
    Mechanism::NoNetwork,
    Mechanism::NoNewPrivileges,
    Mechanism::Users,
];

fn probe(mechanism: Mechanism) -> Result<(), String> {
    match mechanism {
        Mechanism::Cgroup => group::probe(),
        Mechanism::Landlock => wall::confines_files(),
        Mechanism::NoNetwork => wall::filters_calls(),
        Mechanism::NoNewPrivileges => wall::drops_privileges(),
        Mechanism::Users => wall::changes_users(),
    }
}

fn detail(mechanism: Mechanism) -> Option<String> {
    let is_landlock = mechanism == Mechanism::Landlock;
    is_landlock.then(|| format!("version {}", wall::version()))
}

fn means(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::Cgroup => {
            "memory and processes of an operation are limited as a whole, and nothing that it starts outlives it"
        }
        Mechanism::Landlock => {
            "programs touch the files of their own run and, only reading, those of the system"
        }
        Mechanism::NoNetwork => {
            "programs that may not use the network can't, and none makes system calls that only attacks on the kernel need"
        }
        Mechanism::NoNewPrivileges => {
            "programs have no capabilities, not even root's, and gain none by executing `sudo` and the like"
        }
        Mechanism::Users => {
            "each tenant's programs can run as a user of their own, so that they can't change modes and owners of our files"
        }
    }
}

fn remedy(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::Cgroup => {
            "with systemd 254 or newer, set `Delegate=yes` and `DelegateSubgroup=daemon` in the unit; else the shim watches memory and processes, and kills what is left one by one"
        }
        Mechanism::Landlock => {
            "use Linux 6.2 or newer (6.12 is better) with `landlock` in the kernel's `lsm=`; in a container, a filter of system calls that knows `landlock_*`"
        }
        Mechanism::NoNetwork => {
            "use a kernel with CONFIG_SECCOMP_FILTER on x86_64, aarch64 or riscv64; else keep scripts that must have no network from running"
        }
        Mechanism::NoNewPrivileges => "run on Linux",
        Mechanism::Users => {
            "run as root, or give the service CAP_SETUID and CAP_SETGID, where policies require users of their own"
        }
    }
}

/// How what an operation may take is limited. It always is; some ways are surer than others.
fn limits() -> [Fact; 3] {
    let controls = group::controls().unwrap_or_default();
    let of = |name, is_grouped, group: &str, shim: &str, means| {
        let how = if is_grouped { group } else { shim };
        Fact::new(name, Ok(Some(how.to_owned())), means, "")
    };
    [
        of(
            "memory",
            controls.memory,
            "by a control group: the kernel kills at the limit; the shim interrupts at 80 % of it",
            "by the shim, which looks twice a second: it interrupts at 80 %, and kills the largest process at the limit",
            "`memory_mib` is for all processes of an operation together",
        ),
        of(
            "processes",
            controls.processes,
            "by a control group: no more can be started",
            "by the system where `terraform.users` are configured, for all that runs as a tenant's user: no more can be started; else by the shim, which looks twice a second, and at once if there are suddenly more: it interrupts above the limit, and kills all but the program itself at twice the limit",
            "`processes` is for all processes and threads of an operation together",
        ),
        of(
            "cpu",
            controls.cpu,
            "by the shim, as a control group counts it",
            "by the shim, which adds up what processes have used, and those that have ended as far as somebody has waited for them",
            "`cpu_time` is for all processes of an operation together: it is interrupted; one process that has used twice as much and a minute is killed by the system",
        ),
    ]
}

fn signals() -> Fact {
    let found = if wall::confines_signals() {
        Ok(None)
    } else {
        Err("the kernel's Landlock is older than version 6 (Linux 6.12)".to_owned())
    };
    Fact::new(
        "signals",
        found,
        "programs can't signal, and so not kill, what is not theirs: the daemon and other runs",
        "use Linux 6.12 or newer, or a user of its own per tenant",
    )
}

/// Whoever may connect to one of these owns the machine, or much of it.
const SERVICES: &[&str] = &[
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/dbus/system_bus_socket",
    "/run/docker.sock",
    "/run/podman/podman.sock",
    "/run/systemd/private",
    "/var/run/docker.sock",
];

fn sockets() -> Fact {
    let there = SERVICES.iter().find(|path| Path::new(path).exists());
    let found = match there {
        _ if wall::confines_sockets() => Ok(None),
        None => {
            Ok(Some("this kernel would not keep programs from them, but none is there".to_owned()))
        }
        Some(path) => Err(format!(
            "programs that run as our user can connect to what it can connect to, such as `{path}`: the kernel's Landlock is older than version 9"
        )),
    };
    Fact::new(
        "services",
        found,
        "programs can't connect to services of this machine by their sockets (Docker's is as good as root)",
        "run as a user who may not either, which root is not, or use a user of its own per tenant",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mechanism_has_a_fact_and_a_name_as_in_policies() {
        let facts = facts();
        for mechanism in ALL {
            let fact = facts.iter().find(|fact| fact.mechanism == Some(*mechanism)).unwrap();
            let serialized = serde_json::to_value(mechanism).unwrap();
            assert_eq!(serialized, serde_json::Value::String(fact.name.clone()));
            assert!(fact.is_active || fact.why.is_some(), "{fact:?}");
        }
    }

    #[test]
    fn what_is_limited_is_told_as_it_is_on_this_machine() {
        let facts = facts();
        let how = |name: &str| {
            let fact = facts.iter().find(|fact| fact.name == name).unwrap();
            assert!(fact.is_active && fact.mechanism.is_none());
            fact.why.clone().unwrap()
        };
        let is_grouped = |name| how(name).starts_with("by a control group");
        // What policies call a control group is one that limits both.
        let both = is_grouped("memory") && is_grouped("processes");
        assert_eq!(both, missing(&[Mechanism::Cgroup]).is_empty());
        assert!(both || how("processes").contains("by the shim"));
        assert!(how("cpu").starts_with("by the shim"));
    }

    #[test]
    fn what_is_missing_is_what_is_not_active() {
        let missing: Vec<_> = missing(ALL).into_iter().map(|(mechanism, _)| mechanism).collect();
        let inactive = facts().into_iter().filter(|fact| !fact.is_active);
        let inactive: Vec<_> = inactive.filter_map(|fact| fact.mechanism).collect();
        assert_eq!(missing, inactive);
        assert_eq!(super::missing(&[]), []);
    }
}
