//! Which system calls a program may make: seccomp. Two filters, since each has one answer.
//!
//! What is denied here is denied to Terraform, to providers and to scripts. None of them needs it: each line says why.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use std::collections::BTreeMap;
use std::io;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Denied with "operation not permitted", whatever the arguments are.
const DENIED: &[i64] = &[
    // Keys of the kernel, which are shared with the daemon's session; credentials come by the environment.
    libc::SYS_add_key,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    // The clock, the name and the power of the machine: not theirs.
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_reboot,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    // Accounting and quotas, the kernel's log, taking terminals away: for administrators.
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    // Code in the kernel, and watching it: large targets for attacks, for tools of developers.
    libc::SYS_bpf,
    libc::SYS_delete_module,
    libc::SYS_finit_module,
    libc::SYS_init_module,
    libc::SYS_kexec_load,
    libc::SYS_perf_event_open,
    // Faults handled by the program itself: made attacks on the kernel reliable; for virtual machines.
    libc::SYS_userfaultfd,
    // Another view of files than the one that rules are made for.
    libc::SYS_chroot,
    libc::SYS_fanotify_init,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_pivot_root,
    libc::SYS_setns,
    libc::SYS_umount2,
    // Reading and steering other processes: for debuggers.
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_process_madvise,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
];

/// Likewise, where there is such a call.
#[cfg(target_arch = "x86_64")]
const DENIED_HERE: &[i64] = &[
    // As `kexec_load`.
    libc::SYS_kexec_file_load,
    // The machine's ports, and segments as 16-bit programs have them.
    libc::SYS_ioperm,
    libc::SYS_iopl,
    libc::SYS_modify_ldt,
    // A process with 32-bit pointers (x32) has calls of its own for some: `kexec_load`, `process_vm_readv`, `process_vm_writev`, `ptrace`.
    X32 + 528,
    X32 + 539,
    X32 + 540,
    X32 + 521,
];
#[cfg(not(target_arch = "x86_64"))]
const DENIED_HERE: &[i64] = &[];

/// Denied as if the kernel did not have them, so that programs fall back to what they did before there were any.
const ABSENT: &[i64] = &[
    // Its arguments are in memory where a filter can't see them; `clone` does the same.
    libc::SYS_clone3,
    // Makes sockets, among others, past every filter.
    // SECURITY: os::linux_wall::nothing_gets_past_the_filter_by_a_ring
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
];

/// Makes a call one of the ABI with 32-bit pointers, which some kernels have and for which a filter is asked, too.
#[cfg(target_arch = "x86_64")]
const X32: i64 = 0x4000_0000;

/// Families of sockets with the network: everything else is for virtual machines, sniffers and hardware, or the kernel's cryptography.
const FAMILIES: &[i32] = &[libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK, libc::AF_UNIX];
/// Without: what Terraform speaks to its providers by.
const LOCAL_FAMILIES: &[i32] = &[libc::AF_UNIX];

/// Bits of `clone` and `unshare` that make a view of the system of its own, in which a user is root of more of the kernel than elsewhere.
const NAMESPACES: &[i32] = &[
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWUTS,
];
/// Likewise; for `clone` these bits are a signal.
pub(super) const CLONE_NEWTIME: i32 = 0x80;

/// The filters, compiled.
#[derive(Debug)]
pub(super) struct Filters {
    absent: BpfProgram,
    denied: BpfProgram,
}

/// What this machine's filters may answer, tried; and whether there is a compiler for its processor.
///
/// # Errors
/// If not, and why.
pub(super) fn probe() -> io::Result<()> {
    filters(false)?;
    is_answered_with_errors()
}

#[expect(unsafe_code, reason = "there is no other way to ask")]
fn is_answered_with_errors() -> io::Result<()> {
    let action = libc::SECCOMP_RET_ERRNO;
    // SAFETY: the kernel reads the four bytes of `action` and nothing else.
    let answer = unsafe {
        let action = std::ptr::from_ref(&action);
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, action)
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// # Errors
/// If there is no compiler for this processor.
pub(super) fn filters(network: bool) -> io::Result<Filters> {
    let mut denied = Rules::new();
    for call in DENIED.iter().chain(DENIED_HERE) {
        denied.insert(*call, Vec::new());
    }
    // SECURITY: confine::network::there_is_none_where_it_is_not_allowed
    let others = none_of(if network { FAMILIES } else { LOCAL_FAMILIES })?;
    denied.insert(libc::SYS_socket, vec![others.clone()]);
    denied.insert(libc::SYS_socketpair, vec![others]);
    let namespaces: Result<Vec<_>, _> = NAMESPACES.iter().map(|bit| has(*bit)).collect();
    let mut namespaces = namespaces?;
    denied.insert(libc::SYS_clone, namespaces.clone());
    namespaces.push(has(CLONE_NEWTIME)?);
    denied.insert(libc::SYS_unshare, namespaces);
    let absent = ABSENT.iter().map(|call| (*call, Vec::new())).collect();
    Ok(Filters { absent: compile(absent, libc::ENOSYS)?, denied: compile(denied, libc::EPERM)? })
}

/// Puts the filters in force for this thread and all that it starts.
///
/// # Errors
/// If the system refuses.
pub(super) fn enter(filters: &Filters) -> io::Result<()> {
    for program in [&filters.absent, &filters.denied] {
        seccompiler::apply_filter(program).map_err(|_| io::Error::last_os_error())?;
    }
    Ok(())
}

fn compile(rules: Rules, errno: i32) -> io::Result<BpfProgram> {
    let rules = with_x32(rules);
    let architecture = TargetArch::try_from(std::env::consts::ARCH).map_err(io::Error::other)?;
    let answer = SeccompAction::Errno(errno.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, answer, architecture);
    filter.and_then(BpfProgram::try_from).map_err(io::Error::other)
}

#[cfg(target_arch = "x86_64")]
fn with_x32(mut rules: Rules) -> Rules {
    let twins: Vec<_> = rules.iter().map(|(call, rules)| (call | X32, rules.clone())).collect();
    rules.extend(twins);
    rules
}

#[cfg(not(target_arch = "x86_64"))]
fn with_x32(rules: Rules) -> Rules {
    rules
}

/// The first argument is none of these.
fn none_of(values: &[i32]) -> io::Result<SeccompRule> {
    let conditions = values.iter().map(|value| condition(SeccompCmpOp::Ne, *value));
    rule(conditions.collect::<Result<_, _>>()?)
}

/// The first argument has this bit.
fn has(bit: i32) -> io::Result<SeccompRule> {
    let mask = u64::from(bit.cast_unsigned());
    rule(vec![condition(SeccompCmpOp::MaskedEq(mask), bit)?])
}

fn rule(conditions: Vec<SeccompCondition>) -> io::Result<SeccompRule> {
    SeccompRule::new(conditions).map_err(io::Error::other)
}

/// The kernel looks at 32 bits of these arguments, and so does the filter.
fn condition(operator: SeccompCmpOp, value: i32) -> io::Result<SeccompCondition> {
    let value = u64::from(value.cast_unsigned());
    SeccompCondition::new(0, SeccompCmpArgLen::Dword, operator, value).map_err(io::Error::other)
}
