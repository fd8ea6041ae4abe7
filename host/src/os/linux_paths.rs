//! Which files a program may touch, whom it may send signals to: Landlock.

use super::{Plan, WallError};
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, PathBeneath,
    PathFd, RestrictSelf, Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _,
    RulesetError, Scope, make_bitflags,
};
use std::io;
use std::path::PathBuf;

/// The rights that we know; older kernels know fewer, and a right that is not asked for is not denied either.
const KNOWN: ABI = ABI::V9;

/// Without the rights of this version (Linux 6.2) a program can empty files that it may not write to, such as another run's state.
pub(super) const NEEDED: ABI = ABI::V3;

/// From this version (Linux 6.12) on, signals and abstract sockets stay within the program and what it has started.
pub(super) const SCOPES: ABI = ABI::V6;

/// From this version on, sockets with a path can be connected to only where the program may write.
pub(super) const SOCKETS: ABI = ABI::V9;

/// The version that the kernel has, as far as we know them.
pub(super) fn version() -> ABI {
    // Changes nothing: there is nothing in it to be put in force.
    // SECURITY: os::linux_wall::asking_for_the_version_confines_nobody
    let asked = RestrictSelf::default().no_new_privs(false).apply();
    asked.map_or(ABI::Unsupported, |status| status.landlock.into())
}

const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadDir | ReadFile});
const DEVICE: BitFlags<AccessFs> =
    make_bitflags!(AccessFs::{IoctlDev | ReadFile | Truncate | WriteFile});

/// All but making and steering devices: root could make the disk's.
// SECURITY: confine::files::no_device_is_made_even_by_root
const WRITE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    Execute | MakeDir | MakeFifo | MakeReg | MakeSock | MakeSym | ReadDir | ReadFile | Refer | RemoveDir | RemoveFile
    | ResolveUnix | Truncate | WriteFile
});

/// The rules of a plan, in force for nobody yet.
///
/// # Errors
/// If a path can't be opened, or what is needed can't be had although it `must`.
pub(super) fn rules(plan: &Plan<'_>) -> Result<RulesetCreated, WallError> {
    let created = handled(plan.network, plan.must_confine_files).map_err(refused)?;
    let groups = [
        (plan.read, READ),
        (plan.execute, READ | AccessFs::Execute),
        (plan.write, WRITE),
        (plan.devices, DEVICE),
    ];
    groups.into_iter().try_fold(created, |created, (paths, rights)| add(created, paths, rights))
}

fn handled(network: bool, must: bool) -> Result<RulesetCreated, RulesetError> {
    let mut ruleset = Ruleset::default();
    if must {
        ruleset = ruleset.set_compatibility(CompatLevel::HardRequirement);
        ruleset = ruleset.handle_access(AccessFs::from_all(NEEDED))?;
    }
    ruleset = ruleset.set_compatibility(CompatLevel::BestEffort);
    ruleset = ruleset.handle_access(AccessFs::from_all(KNOWN))?.scope(Scope::from_all(KNOWN))?;
    if !network {
        // The filter of system calls denies more, but not sockets that were handed over.
        ruleset = ruleset.handle_access(AccessNet::from_all(KNOWN))?;
    }
    ruleset.create()
}

fn add(
    created: RulesetCreated,
    paths: &[PathBuf],
    rights: BitFlags<AccessFs>,
) -> Result<RulesetCreated, WallError> {
    paths.iter().try_fold(created, |created, path| {
        let failed = |source| WallError::Path { path: path.clone(), source };
        let is_directory = std::fs::metadata(path).map_err(failed)?.is_dir();
        let opened = PathFd::new(path).map_err(|error| failed(io::Error::other(error)))?;
        let rights = if is_directory { rights } else { rights & AccessFs::from_file(KNOWN) };
        created.add_rule(PathBeneath::new(opened, rights)).map_err(refused)
    })
}

fn refused(error: RulesetError) -> WallError {
    WallError::Rules(io::Error::other(error))
}

/// Puts the rules in force for this thread and all that it starts.
///
/// # Errors
/// If the system refuses.
pub(super) fn enter(rules: RulesetCreated) -> io::Result<()> {
    // Where the kernel has none, nothing is in force: whether it may be so was decided before.
    rules.restrict_self().map(|_| ()).map_err(|_| io::Error::last_os_error())
}
