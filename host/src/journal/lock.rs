//! Who works with a state directory: one process at a time, see [`Lock`], which says in the file who it is, see [`Owner`].
//!
//! The system's lock on the file is what counts: it goes with its process, however that ends. What is written in the file is for people,
//! and a file that nobody has locked says nothing.

use super::error::{JournalError, at};
use crate::os;
use crate::os::processes::{self, Identity};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::SystemTime;

/// The file's name in the state directory.
const NAME: &str = "lock";

/// Bytes that are read of it. Ours has a third of that; what is longer was not written by us.
const OWNER_MAX: u64 = 512;

/// A state directory that is ours as long as this lives.
#[derive(Debug)]
pub(super) struct Lock(File);

/// Who has a state directory, or had it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    #[serde(flatten)]
    process: Identity,
    host: String,
    since: String,
}

impl Lock {
    /// Takes the directory, unless another process has it. What a process has left that is gone is in nobody's way.
    pub(super) fn take(directory: &Path) -> Result<Self, JournalError> {
        let path = directory.join(NAME);
        let file = at("open", &path, os::open_private_file(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let (path, owner) = (directory.to_owned(), Owner::read(&file));
                return Err(JournalError::InUse { path, owner });
            }
            Err(TryLockError::Error(source)) => return at("lock", &path, Err(source)),
        }
        // On a full disk the lock holds all the same.
        if let Err(error) = Owner::this_process().write(&file) {
            tracing::warn!(%error, path = %path.display(), "who has locked the state directory is not written down");
        }
        Ok(Self(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Who it was is of no interest any more; an error changes nothing about that.
        let _ = self.0.set_len(0);
    }
}

impl Owner {
    /// Who has locked the directory, as far as that can be told without touching the lock: it may just have ended.
    #[must_use]
    pub fn of(directory: &Path) -> Option<Self> {
        let file = os::open_without_following(&directory.join(NAME)).ok()?;
        Self::read(&file).filter(Self::is_running)
    }

    fn this_process() -> Self {
        let pid = std::process::id();
        let process = processes::identify(pid).unwrap_or(Identity { pid, started: 0 });
        let since = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        Self { process, host: os::node_name(), since }
    }

    /// None of another host is known to run.
    fn is_running(&self) -> bool {
        self.host == os::node_name() && processes::is_running(self.process)
    }

    fn write(&self, mut file: &File) -> io::Result<()> {
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(&serde_json::to_vec(self)?)
    }

    /// `None` also of what is half written, and on systems on which a file that is locked can't be read.
    fn read(file: &File) -> Option<Self> {
        let mut text = Vec::new();
        file.take(OWNER_MAX).read_to_end(&mut text).ok()?;
        let owner: Self = serde_json::from_slice(&text).ok()?;
        // It goes to terminals.
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        (is_plain(&owner.host) && is_plain(&owner.since)).then_some(owner)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process: Identity { pid, .. }, host, since } = self;
        write!(f, "process {pid} on `{host}`, since {since}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn whoever_has_the_directory_is_named() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Owner::of(directory.path()), None);
        let lock = Lock::take(directory.path()).unwrap();
        let owner = Owner::of(directory.path()).unwrap();
        assert_eq!(owner.process.pid, std::process::id());
        let error = Lock::take(directory.path()).unwrap_err();
        let JournalError::InUse { owner: named, .. } = &error else { panic!("{error}") };
        assert_eq!(named.as_ref(), Some(&owner));
        let text = error.to_string();
        let pid = std::process::id();
        for part in [format!("process {pid} on "), os::node_name(), "since 20".to_owned()] {
            assert!(text.contains(&part), "`{part}` is not in: {text}");
        }
        drop(lock);
        assert_eq!(fs::read(directory.path().join(NAME)).unwrap(), b"");
        Lock::take(directory.path()).unwrap();
    }

    #[test]
    fn what_a_dead_process_has_left_is_taken_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NAME);
        let dead = Owner {
            process: Identity { pid: u32::MAX, started: 1 },
            host: os::node_name(),
            since: "2026-01-01T00:00:00Z".to_owned(),
        };
        fs::write(&path, serde_json::to_vec(&dead).unwrap()).unwrap();
        assert_eq!(Owner::of(directory.path()), None, "it does not run");
        let _lock = Lock::take(directory.path()).unwrap();
        assert_eq!(Owner::of(directory.path()).unwrap().process.pid, std::process::id());
    }

    #[test]
    fn a_file_that_says_nothing_or_too_much_names_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let lock = Lock::take(directory.path()).unwrap();
        let path = directory.path().join(NAME);
        let hostile = serde_json::json!({"pid": std::process::id(), "started": 0, "host": "\u{1b}[2J", "since": "x"});
        let long = format!("{}{hostile}", " ".repeat(10_000));
        for text in ["", "{", "null", &hostile.to_string(), &long] {
            fs::write(&path, text).unwrap();
            let error = Lock::take(directory.path()).unwrap_err();
            assert!(
                matches!(error, JournalError::InUse { owner: None, .. }),
                "{text:.40}: {error:?}"
            );
        }
        drop(lock);
    }
}
