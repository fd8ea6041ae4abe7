//! A control group (version 2) per operation: [`Group`]. What is in it can be counted, limited and killed as a whole; nothing that
//! it starts gets out.

use super::Limits;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Groups that are ours begin with this; only they are ever adopted, killed and removed.
const PREFIX: &str = "blockhouse-";

/// Under systemd, `DelegateSubgroup=` of the unit: the daemon has a group of its own beside the operations', since a group with
/// processes can't hand out memory to groups below it.
const OWN_SUBGROUP: &str = "daemon";

const NAME_MAX: usize = 128;

/// See the module. What this is about is the directory: dropping it changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    path: PathBuf,
}

impl Group {
    /// Makes an empty group. `name`: letters, digits and `._-`, at most 128; one that exists is taken over.
    /// `None`: there are no control groups of version 2 here, or none that we may make.
    ///
    /// # Errors
    /// If the name is not one, or limits that can be set are refused.
    pub fn create(name: &str, limits: &Limits) -> io::Result<Option<Self>> {
        let is_fine = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(is_fine) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a name for a control group",
            ));
        }
        let Some(parent) = parent() else { return Ok(None) };
        Self::create_in(&parent, name, limits)
    }

    fn create_in(parent: &Path, name: &str, limits: &Limits) -> io::Result<Option<Self>> {
        let path = parent.join(format!("{PREFIX}{name}"));
        match fs::create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Ok(None),
            _ => {}
        }
        let group = Self { path };
        if !group.has("cgroup.kill") {
            // Before Linux 5.14. What can't be killed as a whole is no better than a group of processes.
            group.remove()?;
            return Ok(None);
        }
        for (file, value) in [
            ("memory.max", limits.memory_bytes),
            // Swapping would only make it slow first.
            ("memory.swap.max", limits.memory_bytes.map(|_| 0)),
            ("pids.max", limits.processes),
        ] {
            if let Some(value) = value.filter(|_| group.has(file)) {
                group.write(file, &value.to_string())?;
            }
        }
        Ok(Some(group))
    }

    /// The group of an earlier process of ours. `None`: it is gone, or not one of ours.
    #[must_use]
    pub fn find(path: &Path) -> Option<Self> {
        let is_ours = path.file_name()?.to_str()?.starts_with(PREFIX);
        // Whatever a file in a run directory says, only the kernel's files are ever written to.
        let is_below = mount().is_some_and(|mount| path.starts_with(&mount.directory));
        let is_plain = path.components().all(|part| part != Component::ParentDir);
        let group = Self { path: path.to_owned() };
        (is_ours && is_below && is_plain && group.has("cgroup.kill")).then_some(group)
    }

    /// Where it is, to be found again.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves a process into it, whose children then begin there.
    ///
    /// # Errors
    /// If there is none of that number, or the system refuses.
    pub fn add(&self, process: u32) -> io::Result<()> {
        self.write("cgroup.procs", &process.to_string())
    }

    /// What a process writes `0` to, to be in it.
    pub(super) fn entrance(&self) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.path.join("cgroup.procs"))
    }

    /// The processes in it, without those that have ended and that nobody has waited for.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn processes(&self) -> io::Result<Vec<u32>> {
        let text = self.read("cgroup.procs")?;
        Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
    }

    /// Bytes of memory in use. `None`: that is not counted here.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        let current: u64 = self.read("memory.current").ok()?.trim().parse().ok()?;
        // Files that were read or written count as well, and the kernel takes them back before anything is killed: whoever unpacks
        // providers would seem to be short of memory.
        let stat = self.read("memory.stat").unwrap_or_default();
        let of = |key: &str| {
            let lines = stat.lines().filter_map(|line| line.split_once(' '));
            let value = lines.into_iter().find(|(name, _)| *name == key);
            value.and_then(|(_, value)| value.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        Some(current.saturating_sub(of("file").saturating_sub(of("shmem"))))
    }

    /// Time on a core, also of those that have ended.
    #[must_use]
    pub fn cpu(&self) -> Option<Duration> {
        let stat = self.read("cpu.stat").ok()?;
        let micros = stat.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
        Some(Duration::from_micros(micros.trim().parse().ok()?))
    }

    /// The most bytes so far, likewise.
    #[must_use]
    pub fn memory_peak(&self) -> Option<u64> {
        self.read("memory.peak").ok()?.trim().parse().ok()
    }

    /// Whether the kernel has killed something in it for want of memory.
    #[must_use]
    pub fn was_oom_killed(&self) -> bool {
        let events = self.read("memory.events").unwrap_or_default();
        let killed = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        killed.is_some_and(|count| count.trim() != "0")
    }

    /// Kills everything in it at once, also what is just being started.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn kill(&self) -> io::Result<()> {
        // SECURITY: confine::group::what_left_its_session_is_killed_with_the_rest
        self.write("cgroup.kill", "1")
    }

    /// Removes it; one that is gone already is fine.
    ///
    /// # Errors
    /// If there are still processes in it.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_dir(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether memory and processes can be limited in it.
    pub(super) fn is_limited(&self) -> bool {
        ["memory.max", "pids.max"].iter().all(|file| self.has(file))
    }

    /// Whether no more processes and threads can be started in it than its limit.
    #[must_use]
    pub fn limits_processes(&self) -> bool {
        self.has("pids.max")
    }

    fn has(&self, file: &str) -> bool {
        fs::exists(self.path.join(file)).unwrap_or(false)
    }

    fn read(&self, file: &str) -> io::Result<String> {
        fs::read_to_string(self.path.join(file))
    }

    fn write(&self, file: &str, value: &str) -> io::Result<()> {
        // Not `fs::write`, which would create a file if this were no control group.
        OpenOptions::new().write(true).open(self.path.join(file))?.write_all(value.as_bytes())
    }
}

/// What a group counts and limits here.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Controls {
    /// Time on a core is counted.
    pub(super) cpu: bool,
    /// Memory is limited.
    pub(super) memory: bool,
    /// Processes and threads are.
    pub(super) processes: bool,
}

/// Whether a group can be made here that limits memory and processes, tried; `Err` says why not.
pub(super) fn probe() -> Result<(), String> {
    let controls = controls()?;
    let what = match (controls.memory, controls.processes) {
        (true, true) => return Ok(()),
        (false, false) => "memory and processes",
        (false, true) => "memory",
        (true, false) => "processes",
    };
    Err(format!("groups can be made and killed as a whole, but {what} can't be limited in them"))
}

/// What can be had of a group, tried; `Err` says why none can be made.
pub(super) fn controls() -> Result<Controls, String> {
    let Some(parent) = parent() else {
        return Err("there are no control groups of version 2".to_owned());
    };
    // Others may be trying at the same time.
    static LAST: AtomicU32 = AtomicU32::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    let name = format!("probe-{}-{number}", std::process::id());
    let made = Group::create_in(&parent, &name, &Limits::default());
    let group = match made {
        Ok(Some(group)) => group,
        Ok(None) => return Err(format!("no group can be made in `{}`", parent.display())),
        Err(error) => {
            return Err(format!("no group can be made in `{}`: {error}", parent.display()));
        }
    };
    let controls = Controls {
        cpu: group.cpu().is_some(),
        memory: group.has("memory.max"),
        processes: group.limits_processes(),
    };
    group.remove().map_err(|error| format!("a group can't be removed: {error}"))?;
    Ok(controls)
}

/// Where version 2 is mounted, and what part of it.
struct Mount {
    directory: PathBuf,
    root: PathBuf,
}

/// The group that ours are made in: our own one, or the one above it when we were put beside them.
fn parent() -> Option<PathBuf> {
    let parent = own_group(&fs::read_to_string("/proc/self/cgroup").ok()?, &mount()?)?;
    // Where these can't be handed on (we are in it ourselves, they are not given to us), groups are made without.
    for controller in ["+memory", "+pids"] {
        let file = OpenOptions::new().write(true).open(parent.join("cgroup.subtree_control"));
        let _ = file.and_then(|mut file| file.write_all(controller.as_bytes()));
    }
    Some(parent)
}

fn mount() -> Option<Mount> {
    mount_of(&fs::read_to_string("/proc/self/mountinfo").ok()?)
}

/// `36 35 0:31 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw`
fn mount_of(text: &str) -> Option<Mount> {
    text.lines().find_map(|line| {
        let (mount, system) = line.split_once(" - ")?;
        if system.split(' ').next()? != "cgroup2" {
            return None;
        }
        let mut fields = mount.split(' ').skip(3);
        Some(Mount { root: fields.next()?.into(), directory: fields.next()?.into() })
    })
}

/// Of `/proc/self/cgroup`, the line of version 2: `0::/system.slice/blockhouse.service/daemon`.
fn own_group(text: &str, mount: &Mount) -> Option<PathBuf> {
    let path = Path::new(text.lines().find_map(|line| line.strip_prefix("0::"))?);
    // Another part of the tree is mounted here than the one we are in.
    let below = path.strip_prefix(&mount.root).ok()?;
    let path = mount.directory.join(below);
    if below.file_name().is_some_and(|name| name == OWN_SUBGROUP) {
        return path.parent().map(Path::to_owned);
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
        38 31 0:35 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n";

    fn own(groups: &str, mounts: &str) -> Option<PathBuf> {
        own_group(groups, &mount_of(mounts)?)
    }

    #[test]
    fn our_own_group_is_found_beside_the_older_version() {
        let groups = "4:memory:/elsewhere\n0::/system.slice/a.service\n";
        let expected = "/sys/fs/cgroup/unified/system.slice/a.service";
        assert_eq!(own(groups, MOUNTS), Some(expected.into()));
        assert_eq!(own("0::/\n", MOUNTS), Some("/sys/fs/cgroup/unified/".into()));
        assert_eq!(own("4:memory:/\n", MOUNTS), None);
        assert_eq!(own("0::/\n", "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"), None);
    }

    #[test]
    fn beside_the_daemon_s_own_group_there_is_place_for_others() {
        let expected = "/sys/fs/cgroup/unified/a.service";
        assert_eq!(own("0::/a.service/daemon\n", MOUNTS), Some(expected.into()));
        // A service of that name is not a group that was handed to us.
        assert_eq!(
            own("0::/daemon.service\n", MOUNTS).unwrap().file_name().unwrap(),
            "daemon.service"
        );
    }

    #[test]
    fn a_mount_of_another_part_is_none() {
        let mounts = "38 31 0:35 /docker/1 /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n";
        assert_eq!(own("0::/docker/1/a\n", mounts), Some("/sys/fs/cgroup/a".into()));
        assert_eq!(own("0::/docker/2\n", mounts), None);
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        for name in ["", "a/b", "../a", "a b", "ä", "a\0", &"a".repeat(NAME_MAX + 1)] {
            assert!(Group::create(name, &Limits::default()).is_err(), "{name}");
        }
    }

    #[test]
    fn what_is_not_ours_is_not_found() {
        for path in [
            "/",
            "/sys/fs/cgroup",
            "/tmp/blockhouse-a",
            "/sys/fs/cgroup/../../../tmp/blockhouse-a",
            "",
        ] {
            assert_eq!(Group::find(Path::new(path)), None, "{path}");
        }
    }
}
