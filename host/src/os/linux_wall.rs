//! [`Wall`] on Linux: opened and compiled before a program is started, put in force between fork and exec.

use super::{Plan, WallError, calls, paths};
use landlock::{ABI, RulesetCreated};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{Gid, Resource, Rlimit, Uid, geteuid, getrlimit, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities,
    set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Files that one process may have open: Terraform has a few per provider and connection.
const OPEN_FILES: u64 = 65_536;

/// Among programs of the same size, this one is killed first when memory is short; the daemon and its shims have 0.
const OOM_SCORE: &[u8] = b"500";

/// The first file after input, output and error stream.
const FIRST_OTHER_FILE: libc::c_uint = 3;

/// What confines a program: made before it is started, put in force between fork and exec.
#[derive(Debug)]
pub struct Wall {
    /// None: there is a program.
    parts: Option<Parts>,
    /// Where the step that failed can be read.
    failed: PipeReader,
}

/// What the steps need, and nothing that they would have to make: see [`Wall::enter`].
#[derive(Debug)]
struct Parts {
    limits: Vec<(Resource, Rlimit)>,
    group: Option<File>,
    user: Option<(Uid, Gid)>,
    rules: Option<RulesetCreated>,
    filters: Option<calls::Filters>,
    failed: PipeWriter,
}

/// What is done between fork and exec, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Group,
    Limits,
    Files,
    User,
    Privileges,
    Paths,
    Calls,
}

const STEPS: [Step; 7] = [
    // While we are still who opened its file, and may still write to `/proc`.
    Step::Group,
    Step::Limits,
    Step::Files,
    Step::User,
    // What follows needs it.
    Step::Privileges,
    Step::Paths,
    // Last: after it, some calls that the others make are denied.
    Step::Calls,
];

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Calls => "filter its system calls",
            Self::Files => "keep our open files from it",
            Self::Group => "put it into its control group",
            Self::Limits => "set its limits",
            Self::Paths => "confine it to its paths",
            Self::Privileges => "take its privileges",
            Self::User => "change its user",
        }
    }
}

impl Wall {
    /// Opens and compiles everything. Where this machine has a mechanism only in part or not at all, the wall is that much lower: ask
    /// the functions below first.
    ///
    /// # Errors
    /// [`WallError`].
    pub fn build(plan: Plan<'_>) -> Result<Self, WallError> {
        let rules = Some(paths::rules(&plan)?);
        // Where it can't be compiled, [`filters_calls`] says so.
        let filters = calls::probe().and_then(|()| calls::filters(plan.network)).ok();
        let user = plan.user.map(|(user, group)| (Uid::from_raw(user), Gid::from_raw(group)));
        let mut limits = vec![
            // A dump holds the secrets of the process.
            limit(Resource::Core, 0),
            limit(Resource::Nofile, OPEN_FILES),
        ];
        // Counts all processes of the user: only sensible if they are all the tenant's.
        let processes = plan.processes.filter(|_| plan.user.is_some());
        for (resource, value) in [
            (Resource::Cpu, plan.cpu_seconds),
            (Resource::Fsize, plan.file_bytes),
            (Resource::Nproc, processes),
        ] {
            limits.extend(value.map(|value| limit(resource, value)));
        }
        let (reader, failed) = io::pipe().map_err(WallError::Pipe)?;
        fcntl_setfl(&reader, OFlags::NONBLOCK).map_err(|error| WallError::Pipe(error.into()))?;
        let parts = Parts { limits, group: plan.group, user, rules, filters, failed };
        Ok(Self { parts: Some(parts), failed: reader })
    }

    /// Has the program start behind the wall. That can be done once; a second program fails to start.
    #[expect(unsafe_code, reason = "there is no other way into the time between fork and exec")]
    pub fn enter(&mut self, program: &mut Command) {
        let mut parts = self.parts.take();
        let enter = move || match &mut parts {
            Some(parts) => parts.enter(),
            None => Err(Errno::ALREADY.into()),
        };
        // SAFETY: in the child, `enter` makes system calls on what was opened, computed and compiled before. It takes no lock, and allocates
        // and frees nothing.
        unsafe { program.pre_exec(enter) };
    }

    /// What could not be done, if the program was not started because of that; to be asked after the start has failed.
    pub fn failed_to(&mut self) -> Option<&'static str> {
        let mut step = [0];
        // Nothing in it (it does not block): the steps went well.
        self.failed.read_exact(&mut step).ok()?;
        STEPS.get(usize::from(step[0])).map(|step| step.name())
    }
}

impl Parts {
    fn enter(&mut self) -> io::Result<()> {
        for (number, step) in (0_u8..).zip(STEPS) {
            if let Err(error) = self.take(step) {
                // If this fails too, the start has still failed.
                let _ = self.failed.write(&[number]);
                return Err(error);
            }
        }
        Ok(())
    }

    fn take(&mut self, step: Step) -> io::Result<()> {
        match step {
            Step::Calls => self.filters.as_ref().map_or(Ok(()), calls::enter),
            Step::Files => close_on_exec(),
            Step::Group => self.join_group(),
            Step::Limits => self.set_limits(),
            Step::Paths => self.rules.take().map_or(Ok(()), paths::enter),
            Step::Privileges => drop_privileges(),
            Step::User => self.change_user(),
        }
    }

    fn join_group(&self) -> io::Result<()> {
        let Some(mut group) = self.group.as_ref() else { return Ok(()) };
        // 0 is whoever writes it.
        group.write_all(b"0")
    }

    fn set_limits(&self) -> io::Result<()> {
        for (resource, value) in &self.limits {
            setrlimit(*resource, *value)?;
        }
        // Where `/proc` is not there or not ours, the system chooses by size alone.
        let score = OpenOptions::new().write(true).open("/proc/self/oom_score_adj");
        let _ = score.and_then(|mut score| score.write_all(OOM_SCORE));
        Ok(())
    }

    fn change_user(&self) -> io::Result<()> {
        let Some((user, group)) = self.user else { return Ok(()) };
        // SECURITY: os::linux_wall::groups_are_left_behind
        set_thread_groups(&[])?;
        set_thread_res_gid(group, group, group)?;
        set_thread_res_uid(user, user, user)?;
        Ok(())
    }
}

/// What we were given ourselves can't be exceeded.
fn limit(resource: Resource, value: u64) -> (Resource, Rlimit) {
    let value = getrlimit(resource).maximum.map_or(value, |maximum| value.min(maximum));
    (resource, Rlimit { current: Some(value), maximum: Some(value) })
}

/// Whatever was opened without `O_CLOEXEC`, by us or by who started us, would be a way past every rule.
#[expect(unsafe_code, reason = "rustix has no `close_range`")]
fn close_on_exec() -> io::Result<()> {
    // SECURITY: os::linux_wall::a_file_that_was_left_open_is_closed
    let flags = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: only marks files; none is closed while somebody in this process uses it.
    let marked =
        unsafe { libc::syscall(libc::SYS_close_range, FIRST_OTHER_FILE, libc::c_uint::MAX, flags) };
    if marked == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Also root's: without capabilities it is a user like others, whose own files are root's. By `no_new_privs` none comes back at exec.
fn drop_privileges() -> io::Result<()> {
    // SECURITY: confine::privileges::not_even_root_keeps_capabilities
    clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    // SECURITY: confine::privileges::nothing_gains_privileges_by_being_executed
    set_no_new_privs(true)?;
    Ok(())
}

/// Whether files can be confined well enough.
///
/// # Errors
/// Why not.
pub fn confines_files() -> Result<(), String> {
    let (version, needed) = (paths::version(), paths::NEEDED);
    if version == ABI::Unsupported {
        return Err(
            "the kernel has no Landlock, or it is not among the `lsm=` that it was started with"
                .to_owned(),
        );
    }
    if version < needed {
        let (version, needed) = (version as i32, needed as i32);
        return Err(format!(
            "the kernel has Landlock in version {version}, and {needed} is needed (Linux 6.2)"
        ));
    }
    // Tried: a filter of system calls, as containers have, may deny it.
    let plan = Plan { must_confine_files: true, ..Plan::default() };
    paths::rules(&plan).map(|_| ()).map_err(|error| crate::telemetry::chain(&error).to_string())
}

/// The version of Landlock; 0 is none.
#[must_use]
pub fn version() -> i32 {
    paths::version() as i32
}

/// Whether programs are kept from sending signals to others, and from their abstract sockets.
#[must_use]
pub fn confines_signals() -> bool {
    paths::version() >= paths::SCOPES
}

/// Whether programs are kept from the sockets of services on this machine.
#[must_use]
pub fn confines_sockets() -> bool {
    paths::version() >= paths::SOCKETS
}

/// Whether system calls can be filtered.
///
/// # Errors
/// Why not.
pub fn filters_calls() -> Result<(), String> {
    calls::probe().map_err(|error| error.to_string())
}

/// Whether programs can be kept from gaining privileges.
///
/// # Errors
/// Why not.
pub fn drops_privileges() -> Result<(), String> {
    rustix::thread::no_new_privs().map(|_| ()).map_err(|error| error.to_string())
}

/// Whether programs can be started as another user.
///
/// # Errors
/// Why not.
pub fn changes_users() -> Result<(), String> {
    let own = capabilities(None).map_err(|error| error.to_string())?.effective;
    let needed = CapabilitySet::SETGID | CapabilitySet::SETUID;
    if own.contains(needed) {
        return Ok(());
    }
    let user = geteuid().as_raw();
    Err(format!("user {user} may not change to another one: CAP_SETUID and CAP_SETGID are needed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// What a system call answers behind a wall: 0, or the number of the error.
    #[expect(unsafe_code, reason = "as above")]
    #[expect(clippy::disallowed_methods, reason = "`process` is above this")]
    fn answer(network: bool, call: impl Fn() -> libc::c_long + Send + Sync + 'static) -> i32 {
        let root = [PathBuf::from("/")];
        let plan = Plan { execute: &root, network, ..Plan::default() };
        let mut program = Command::new("/bin/true");
        Wall::build(plan).unwrap().enter(&mut program);
        let ask = move || match call() {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        };
        // SAFETY: one system call, whose arguments are numbers, and no memory.
        unsafe { program.pre_exec(ask) };
        match program.status() {
            Ok(status) => {
                assert!(status.success());
                0
            }
            Err(error) => error.raw_os_error().unwrap(),
        }
    }

    /// Calls one with numbers only: a null pointer is an error of its own kind if it gets through.
    #[expect(unsafe_code, reason = "as above")]
    fn call(number: libc::c_long, first: i32, second: i32) -> impl Fn() -> libc::c_long {
        // SAFETY: the kernel takes no null pointer for memory.
        move || unsafe {
            libc::syscall(number, libc::c_long::from(first), libc::c_long::from(second), 0, 0, 0, 0)
        }
    }

    #[test]
    fn nothing_gets_past_the_filter_by_a_ring() {
        for number in [libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_clone3] {
            assert_eq!(answer(true, call(number, 8, 0)), libc::ENOSYS, "{number}");
        }
    }

    #[test]
    fn families_of_sockets_are_few_with_a_network_and_one_without() {
        let families = [
            (libc::AF_UNIX, true, true),
            (libc::AF_INET, true, false),
            (libc::AF_INET6, true, false),
            (libc::AF_NETLINK, true, false),
            (libc::AF_ALG, false, false),
            (libc::AF_PACKET, false, false),
            (libc::AF_TIPC, false, false),
            (libc::AF_VSOCK, false, false),
        ];
        for (family, with, without) in families {
            for (network, is_allowed) in [(true, with), (false, without)] {
                let kind =
                    if family == libc::AF_NETLINK { libc::SOCK_RAW } else { libc::SOCK_DGRAM };
                let answer = answer(network, call(libc::SYS_socket, family, kind));
                // A machine may have no IPv6.
                let allowed = [0, libc::EAFNOSUPPORT];
                assert_eq!(answer != libc::EPERM, is_allowed, "{family} {network}: {answer}");
                assert!(!is_allowed || allowed.contains(&answer), "{family} {network}: {answer}");
            }
        }
    }

    #[test]
    fn what_only_attacks_need_is_denied_and_the_rest_is_not() {
        for number in [
            libc::SYS_ptrace,
            libc::SYS_mount,
            libc::SYS_bpf,
            libc::SYS_keyctl,
            libc::SYS_userfaultfd,
        ] {
            assert_eq!(answer(true, call(number, 0, 0)), libc::EPERM, "{number}");
        }
        for bit in [libc::CLONE_NEWUSER, libc::CLONE_NEWNS, calls::CLONE_NEWTIME] {
            assert_eq!(answer(true, call(libc::SYS_unshare, bit, 0)), libc::EPERM, "{bit}");
        }
        assert_eq!(answer(true, call(libc::SYS_clone, libc::CLONE_NEWUSER, 0)), libc::EPERM);
        assert_eq!(answer(true, call(libc::SYS_unshare, libc::CLONE_FILES, 0)), 0);
        assert_eq!(answer(true, call(libc::SYS_getpid, 0, 0)), 0);
    }

    /// On a kernel without this ABI, what is not denied by the filter is not there.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn a_filter_is_not_avoided_by_32_bit_pointers() {
        for number in [libc::SYS_socket, libc::SYS_mount, 521] {
            let answer = answer(false, call(number | 0x4000_0000, libc::AF_INET, libc::SOCK_DGRAM));
            assert_eq!(answer, libc::EPERM, "{number}");
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "as above")]
    fn a_file_that_was_left_open_is_closed() {
        let file = File::open("/proc/self/status").unwrap();
        // This copy is inherited by what is executed.
        let open = rustix::io::dup(&file).unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&open);
        let root = [PathBuf::from("/")];
        for is_confined in [false, true] {
            let mut program = Command::new("/bin/sh");
            // Some shells can't redirect from numbers of two digits.
            program.args(["-c", &format!("[ -e /proc/self/fd/{number} ]")]);
            let plan = Plan { execute: &root, ..Plan::default() };
            if is_confined {
                Wall::build(plan).unwrap().enter(&mut program);
            }
            let output = program.output().unwrap();
            assert_eq!(output.status.success(), !is_confined, "{output:?}");
        }
    }

    #[test]
    #[expect(unsafe_code, reason = "as above")]
    #[expect(clippy::disallowed_methods, reason = "as above")]
    fn groups_are_left_behind() {
        let mut program = Command::new("/bin/cat");
        program.stdin(std::process::Stdio::piped());
        let belong = || Ok(set_thread_groups(&[Gid::from_raw(12_345)])?);
        // SAFETY: one system call.
        unsafe { program.pre_exec(belong) };
        let root = [PathBuf::from("/")];
        let user = Some((65_534, 65_534));
        Wall::build(Plan { execute: &root, user, ..Plan::default() }).unwrap().enter(&mut program);
        let spawned = program.spawn();
        if changes_users().is_err() {
            spawned.unwrap_err();
            return;
        }
        let mut child = spawned.unwrap();
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        drop(child.stdin.take());
        child.wait().unwrap();
        let groups = status.lines().find_map(|line| line.strip_prefix("Groups:"));
        assert_eq!(groups.unwrap().trim(), "");
    }

    #[test]
    fn asking_for_the_version_confines_nobody() {
        let own = || {
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            let keys = ["NoNewPrivs:", "Seccomp:"];
            let is_told = |line: &&str| keys.iter().any(|key| line.starts_with(key));
            status.lines().filter(is_told).collect::<Vec<_>>().join(" ")
        };
        let before = own();
        assert!(before.contains("NoNewPrivs"), "{before}");
        assert!(version() >= paths::NEEDED as i32);
        confines_files().unwrap();
        filters_calls().unwrap();
        assert_eq!(own(), before);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "not confined").unwrap();
    }
}
