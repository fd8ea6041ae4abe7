//! All that differs between operating systems, one file each; the rest of the code has no `cfg(unix)`.

use std::path::PathBuf;
use sysinfo::{MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, System};

/// The kind of operating system, for defaults of paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Linux, macOS and other Unix.
    Unix {
        /// Whether this process runs as root.
        root: bool,
    },
    /// Windows.
    Windows,
}

/// A way in which the system or a person tells us to end, with its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    /// The next process goes on with what is executing.
    HandOver(&'static str),
    /// What is executing comes to its end first.
    Stop(&'static str),
}

#[cfg(unix)]
#[path = "os/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "os/windows.rs"]
mod system;

pub use system::{
    StopSignals, child_environment, create_new_file_within, create_new_private_directory,
    create_private_directory, create_private_file, free_bytes, give_to, is_executable,
    is_open_to_others, is_same_file, kill_group, limit_this_process, link, open_file_in,
    open_private_directory, open_private_file, open_without_following, own_group, platform,
    set_mode, sync_directory, this_program,
};

#[cfg(debug_assertions)]
pub use system::kill_this_process;

#[cfg(unix)]
#[path = "os/unix_stack.rs"]
mod stack;

#[cfg(unix)]
pub use stack::release_stack;
#[cfg(windows)]
pub use system::release_stack;

#[cfg(unix)]
#[path = "os/unix_child.rs"]
mod child;

#[cfg(unix)]
pub use child::{Lifeline, limit_file_size, tie_to_us};
#[cfg(windows)]
pub use system::{Lifeline, limit_file_size, tie_to_us};

#[cfg(target_os = "linux")]
#[path = "os/linux_sync.rs"]
mod sync;
#[cfg(not(target_os = "linux"))]
#[path = "os/other_sync.rs"]
mod sync;

/// Lets all that is in these directories survive a crash of the machine. Blocks.
///
/// # Errors
/// If one is missing, or can't be written to the disk.
pub fn sync_trees(roots: &[PathBuf]) -> std::io::Result<()> {
    sync::sync_trees(roots)
}

pub mod processes;
pub mod supervision;
pub mod wall;

#[cfg(windows)]
#[path = "os/windows_job.rs"]
mod job;

#[cfg(windows)]
#[path = "os/windows_service.rs"]
pub mod service;

/// How many bytes of memory this process may use: the machine's, or what its container or unit is given if that is less. `None` if
/// the system does not say.
#[must_use]
pub fn memory() -> Option<u64> {
    let mut system = System::new().ok()?;
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let machine = system.total_memory();
    let limit = sysinfo::get_current_pid().ok().and_then(|pid| {
        let (only, kind) = (ProcessesToUpdate::Some(&[pid]), ProcessRefreshKind::nothing());
        system.refresh_processes_specifics(only, false, kind);
        Some(system.process(pid)?.cgroup_limits()?.total_memory)
    });
    let least = limit.map_or(machine, |limit| limit.min(machine));
    (least > 0).then_some(least)
}

/// Names this machine among the replicas of a runner: visible ASCII, 1 to 64 characters.
#[must_use]
pub fn node_name() -> String {
    let name = gethostname::gethostname();
    let name: String =
        name.to_string_lossy().chars().filter(char::is_ascii_graphic).take(64).collect();
    if name.is_empty() { "node".to_owned() } else { name }
}

/// Where a program is that is called by its name alone: the first on PATH that may be executed, as an absolute path.
#[must_use]
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    // What is relative would change with the working directory, and with it what is executed.
    let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    let mut files = folders.map(|folder| folder.join(&file));
    files.find(|file| {
        file.metadata().is_ok_and(|metadata| metadata.is_file() && is_executable(&metadata))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_says_how_much_memory_there_is() {
        // At least what this test occupies.
        assert!(memory().unwrap() > 1 << 20);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_our_own_directory_is_refused() {
        use std::fs::{self, Permissions};
        use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("directory");
        let refusal = || create_private_directory(&path).unwrap_err().to_string();
        let set = |mode| fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();

        symlink(place.path(), &path).unwrap();
        assert!(refusal().starts_with("it is a symbolic link"), "{}", refusal());
        fs::remove_file(&path).unwrap();
        create_private_directory(&path).unwrap();
        set(0o707);
        assert!(refusal().starts_with("everybody may write to it"), "{}", refusal());
        set(0o2770);
        create_private_directory(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o2750);
        // Only root can give it away.
        if chown(&path, Some(12_345), None).is_ok() {
            assert!(refusal().starts_with("it belongs to another user"), "{}", refusal());
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_that_others_may_write_to_is_noticed() {
        use std::fs::{self, Permissions};
        use std::os::unix::fs::PermissionsExt as _;
        let place = tempfile::tempdir().unwrap();
        for (mode, is_open) in [(0o700, false), (0o755, false), (0o770, true), (0o702, true)] {
            fs::set_permissions(place.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_open_to_others(place.path()).unwrap(), is_open, "{mode:o}");
        }
    }
}
