//! Which processes there are, and what a daemon's are for: [`Processes`], for tests that kill and look for survivors. Linux only.

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal};
use std::fs;
use std::path::{Path, PathBuf};

/// In the environment of every process of an operation.
const MARK: &str = "BLOCKHOUSE_OPERATION=";

/// A process as it was when it was looked at.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Seen {
    /// Its number.
    pub id: u32,
    /// Its parent's.
    pub parent: u32,
    /// The first letter of its state: `Z` is one that has ended and waits for its parent.
    pub state: char,
    /// Its program and arguments.
    pub command: Vec<String>,
    /// Its working directory, as far as we may see it.
    pub directory: Option<PathBuf>,
    /// The operation that it belongs to by its environment.
    pub operation: Option<String>,
    /// Clock ticks from the start of the machine to its start: with the number, this names it for good.
    pub started: u64,
}

/// What a process does for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Started by Terraform: a plugin.
    Provider,
    /// `blockhouse shim DIRECTORY`.
    Shim,
    /// Terraform or OpenTofu.
    Tool,
}

/// A look at all processes.
#[derive(Clone, Debug)]
pub struct Processes(Vec<Seen>);

impl Processes {
    /// Looks. Processes that end meanwhile may be missing.
    ///
    /// # Errors
    /// If there is no `/proc`.
    pub fn now() -> Result<Self> {
        let mut seen = Vec::new();
        for entry in fs::read_dir("/proc").context("list processes")? {
            let id = entry?.file_name().to_str().and_then(|name| name.parse().ok());
            seen.extend(id.and_then(look));
        }
        Ok(Self(seen))
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Seen] {
        &self.0
    }

    /// Those that work for the daemon whose state directory this is: shims of operations in there, what works in there, what has a
    /// file open there, what has the mark of one of those operations, and all that these have started. Neither the daemon itself
    /// nor those that have ended and are not collected.
    #[must_use]
    pub fn of(&self, daemon: u32, state_directory: &Path) -> Vec<&Seen> {
        let is_inside = |path: &Path| path.starts_with(state_directory);
        let belongs = |seen: &&Seen| {
            seen.directory.as_deref().is_some_and(is_inside)
                || seen.operation_directory().is_some_and(is_inside)
                || open_files(seen.id).iter().any(|path| is_inside(path))
        };
        let mut found: Vec<&Seen> = self.0.iter().filter(belongs).collect();
        let operations: Vec<_> = found.iter().filter_map(|seen| seen.operation.clone()).collect();
        loop {
            let is_new = |seen: &&Seen| !found.iter().any(|other| other.id == seen.id);
            let is_ours = |seen: &&Seen| {
                found.iter().any(|other| other.id == seen.parent && other.id != daemon)
                    || seen.operation.as_ref().is_some_and(|mark| operations.contains(mark))
            };
            let more: Vec<&Seen> = self.0.iter().filter(is_new).filter(is_ours).collect();
            if more.is_empty() {
                break;
            }
            found.extend(more);
        }
        let own = std::process::id();
        found.retain(|seen| seen.id != daemon && seen.id != own && seen.state != 'Z');
        found
    }

    /// Those of them with this role.
    #[must_use]
    pub fn with_role(&self, role: Role, daemon: u32, state_directory: &Path) -> Vec<&Seen> {
        let mut found = self.of(daemon, state_directory);
        found.retain(|seen| seen.role() == Some(role));
        found
    }
}

impl Seen {
    /// What it does for a run; none for what Terraform's provisioners and scripts have started.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        let program = Path::new(self.command.first()?).file_name()?.to_str()?;
        match program {
            "terraform" | "tofu" => Some(Role::Tool),
            _ if program.starts_with("terraform-provider-") => Some(Role::Provider),
            _ if self.operation_directory().is_some() => Some(Role::Shim),
            _ => None,
        }
    }

    /// The directory of the operation that this shim is for.
    fn operation_directory(&self) -> Option<&Path> {
        let at = self.command.iter().position(|argument| argument == "shim")?;
        self.command.get(at + 1).map(Path::new).filter(|path| path.is_absolute())
    }

    /// Kills it, as the kernel would for want of memory; unless its number is another's by now.
    ///
    /// # Errors
    /// If it has ended, or the system refuses.
    pub fn kill(&self) -> Result<()> {
        let now = look(self.id).filter(|now| now.started == self.started);
        let id = now.and_then(|now| i32::try_from(now.id).ok()).and_then(Pid::from_raw);
        let id = id.with_context(|| format!("{} has ended: {:?}", self.id, self.command))?;
        Ok(rustix::process::kill_process(id, Signal::KILL)?)
    }

    /// Whether it is still there.
    #[must_use]
    pub fn lives(&self) -> bool {
        let is_it = |now: Seen| now.started == self.started && now.state != 'Z';
        look(self.id).is_some_and(is_it)
    }
}

fn look(id: u32) -> Option<Seen> {
    let place = PathBuf::from(format!("/proc/{id}"));
    let stat = fs::read_to_string(place.join("stat")).ok()?;
    // The name is in parentheses and may hold anything, parentheses too.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let texts = |name: &str| -> Vec<String> {
        let bytes = fs::read(place.join(name)).unwrap_or_default();
        let texts = bytes.split(|byte| *byte == 0).filter(|text| !text.is_empty());
        texts.map(|text| String::from_utf8_lossy(text).into_owned()).collect()
    };
    let mark = |text: &String| text.strip_prefix(MARK).map(str::to_owned);
    Some(Seen {
        id,
        parent: fields.get(1)?.parse().ok()?,
        state: fields.first()?.chars().next()?,
        command: texts("cmdline"),
        directory: fs::read_link(place.join("cwd")).ok(),
        operation: texts("environ").iter().find_map(mark),
        started: fields.get(19)?.parse().ok()?,
    })
}

fn open_files(id: u32) -> Vec<PathBuf> {
    let files = fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten();
    files.filter_map(|file| fs::read_link(file.ok()?.path()).ok()).collect()
}
