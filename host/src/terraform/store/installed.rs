//! The programs on disk: [`Installed`].
//!
//! ```text
//! <directory>/programs/terraform-1.5.5/bin/terraform   the program
//!                                     /bin/tofu        the same one
//!                                     /record.json     its digest; locked by whoever uses it, touched with each use
//!            /partial/<number>-<name>/                 what is being made or removed, under the lock of that number
//!            /locks/<number>                           one of a few per version: who asks for many versions makes no more files
//! ```
//! Locks are the system's, so that they hold between processes and end with them. A program appears by being renamed, whole and
//! durable; whatever is in `partial` was never installed.

use super::archive::PROGRAM_MAX;
use super::{InUse, Program, StoreError, Tool};
use crate::digest::Digest;
use crate::os;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::sleep;

const RECORD: &str = "record.json";

/// A record has a hundred bytes.
const RECORD_MAX: u64 = 4096;

const LOCKS: u32 = 16;

/// How often another process's lock is looked at.
const LOCK_POLL: Duration = Duration::from_millis(50);

#[derive(Serialize, Deserialize)]
struct Record {
    sha256: String,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Installed {
    directory: PathBuf,
    /// Digests as they were when this process saw the programs first, so that nobody changes a program and its record later.
    seen: Mutex<HashMap<String, Digest>>,
}

/// The right to install versions that share a lock.
#[derive(Debug)]
pub(super) struct InstallLock {
    number: u32,
    _file: File,
}

/// A place for making something; removed when dropped.
#[derive(Debug)]
pub(super) struct Partial {
    path: PathBuf,
}

impl Partial {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

impl Installed {
    /// Takes a directory into use, and removes what was left half done by processes that are gone.
    pub(super) fn open(directory: PathBuf) -> io::Result<Self> {
        // Runs under other users execute what is in here.
        for name in ["", "programs", "system"] {
            let opened = os::create_private_directory(&directory.join(name))?;
            os::set_mode(&opened, 0o755)?;
        }
        for name in ["locks", "partial"] {
            os::create_private_directory(&directory.join(name))?;
        }
        let installed = Self { directory, seen: Mutex::default() };
        installed.remove_leftovers()?;
        Ok(installed)
    }

    /// Where links to programs of the system are.
    pub(super) fn system(&self) -> PathBuf {
        self.directory.join("system")
    }

    fn remove_leftovers(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.directory.join("partial"))? {
            let entry = entry?;
            let name = entry.file_name();
            let number =
                name.to_string_lossy().split('-').next().and_then(|number| number.parse().ok());
            // Somebody else may be at it right now.
            let lock = number.filter(|number| *number < LOCKS).map(|number| self.try_lock(number));
            if !matches!(lock, Some(Ok(None))) {
                remove(&entry.path());
            }
        }
        Ok(())
    }

    fn try_lock(&self, number: u32) -> io::Result<Option<InstallLock>> {
        let path = self.directory.join("locks").join(number.to_string());
        let file = match os::create_private_file(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                os::open_without_following(&path)?
            }
            created => created?,
        };
        match file.try_lock() {
            Ok(()) => Ok(Some(InstallLock { number, _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Waits until no other process installs this version.
    pub(super) async fn lock(&self, key: &str) -> io::Result<InstallLock> {
        let number =
            Digest::of(key.as_bytes()).as_bytes().iter().copied().map(u32::from).sum::<u32>()
                % LOCKS;
        loop {
            if let Some(lock) = self.try_lock(number)? {
                return Ok(lock);
            }
            sleep(LOCK_POLL).await;
        }
    }

    /// A place in which to make something.
    pub(super) fn begin(&self, lock: &InstallLock) -> io::Result<Partial> {
        self.partial(lock.number)
    }

    fn partial(&self, number: u32) -> io::Result<Partial> {
        let path =
            self.directory.join("partial").join(format!("{number}-{}", uuid::Uuid::new_v4()));
        os::create_private_directory(&path)?;
        Ok(Partial { path })
    }

    /// Installs the file `program` of `partial`, which must be durable and executable.
    pub(super) fn finish(
        &self,
        partial: &Partial,
        program: &Path,
        digest: Digest,
        tool: Tool,
        version: &str,
    ) -> io::Result<()> {
        let key = tool.key(version);
        let tree = partial.path.join("tree");
        let bin = tree.join("bin");
        for path in [&tree, &bin] {
            let directory = os::create_private_directory(path)?;
            os::set_mode(&directory, 0o755)?;
        }
        let [first, second] = names(tool).map(|name| bin.join(name));
        fs::rename(program, &first)?;
        fs::hard_link(&first, &second)?;
        let mut record = os::create_private_file(&tree.join(RECORD))?;
        serde_json::to_writer(&mut record, &Record { sha256: digest.to_string() })?;
        record.write_all(b"\n")?;
        record.sync_all()?;
        for path in [&bin, &tree] {
            os::sync_directory(path)?;
        }
        self.forget(&key)?;
        let programs = self.directory.join("programs");
        fs::rename(&tree, programs.join(&key))?;
        os::sync_directory(&programs)
    }

    /// Removes what is installed; a program that is executing goes on.
    fn forget(&self, key: &str) -> io::Result<()> {
        let place = self.directory.join("programs").join(key);
        let aside = self.partial(0)?;
        match fs::rename(&place, aside.path.join("tree")) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.seen().remove(key);
        Ok(())
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, HashMap<String, Digest>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The installed program, hashed just now. One that is not what was installed is removed.
    pub(super) fn take(&self, tool: Tool, version: &str) -> Result<Option<Program>, StoreError> {
        let key = tool.key(version);
        let place = self.directory.join("programs").join(&key);
        let failed = |what: &str, error: &io::Error| {
            StoreError::Unavailable(format!("{} {version} can't be {what}: {error}", tool.name()))
        };
        let record = match os::open_without_following(&place.join(RECORD)) {
            Ok(record) => record,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("looked up", &error)),
        };
        if record.try_lock_shared().is_err() {
            // It is being removed.
            return Ok(None);
        }
        match self.check(&key, &place, &record, tool) {
            Ok(None) => {}
            Ok(Some(why)) => {
                tracing::warn!(
                    program = key,
                    why,
                    "an installed program is not what was installed; it is removed"
                );
                self.forget(&key).map_err(|error| failed("removed", &error))?;
                return Ok(None);
            }
            Err(error) => return Err(failed("read", &error)),
        }
        // For the order in which programs are removed; a file system that refuses costs no more than that.
        let _ = record.set_modified(SystemTime::now());
        let directory = place.join("bin");
        let path = directory.join(names(tool)[0].as_str());
        Ok(Some(Program {
            tool,
            version: version.to_owned(),
            path,
            directory,
            _in_use: InUse(Some(Arc::new(record))),
        }))
    }

    /// Why it can't be used, if so.
    fn check(
        &self,
        key: &str,
        place: &Path,
        record: &File,
        tool: Tool,
    ) -> io::Result<Option<&'static str>> {
        let mut text = Vec::new();
        record.take(RECORD_MAX).read_to_end(&mut text)?;
        let recorded = serde_json::from_slice::<Record>(&text).ok();
        let Some(recorded) = recorded.and_then(|record| record.sha256.parse::<Digest>().ok())
        else {
            return Ok(Some("its record can't be read"));
        };
        let bin = place.join("bin");
        let names = names(tool);
        // Whatever else lies here would be found by scripts, before the system's.
        for entry in fs::read_dir(&bin)? {
            if !names
                .iter()
                .any(|name| entry.as_ref().is_ok_and(|entry| entry.file_name() == name.as_str()))
            {
                return Ok(Some("there is another file beside it"));
            }
        }
        let mut files = Vec::new();
        for name in &names {
            match os::open_without_following(&bin.join(name)) {
                Ok(file) if file.metadata()?.len() <= PROGRAM_MAX => files.push(file),
                _ => return Ok(Some("a file is missing, or another one is in its place")),
            }
        }
        if let [first, second] = files.as_slice()
            && os::is_same_file(first, second)
        {
            files.truncate(1);
        }
        for file in &files {
            // SECURITY: terraform::store::tests::a_program_that_was_changed_is_noticed_and_replaced
            if Digest::of_stream(file)? != recorded {
                return Ok(Some("its content has changed"));
            }
        }
        if *self.seen().entry(key.to_owned()).or_insert(recorded) != recorded {
            return Ok(Some("its content and its record have changed"));
        }
        Ok(None)
    }

    /// Removes the least recently used programs until all together have no more than `max` bytes. Those in use stay, in whichever process.
    pub(super) fn collect(&self, max: u64) -> io::Result<()> {
        let mut all = Vec::new();
        for entry in fs::read_dir(self.directory.join("programs"))? {
            let entry = entry?;
            let Ok(record) = os::open_without_following(&entry.path().join(RECORD)) else {
                continue;
            };
            let used = record.metadata()?.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let files = fs::read_dir(entry.path().join("bin"))?;
            // The names are links to one file.
            let bytes = files.flatten().filter_map(|file| Some(file.metadata().ok()?.len())).max();
            all.push((used, bytes.unwrap_or_default(), entry.file_name(), record));
        }
        all.sort_by_key(|(used, ..)| *used);
        let mut total = all.iter().map(|(_, bytes, ..)| *bytes).fold(0, u64::saturating_add);
        for (_, bytes, name, record) in all {
            if total <= max {
                break;
            }
            // SECURITY: terraform::store::tests::programs_in_use_are_not_removed
            if record.try_lock().is_ok() {
                let name = name.to_string_lossy();
                self.forget(&name)?;
                total = total.saturating_sub(bytes);
                tracing::info!(program = %name, "a program was removed to make room");
            }
        }
        Ok(())
    }
}

/// The file names of a program: its own one, then the other tool's.
fn names(tool: Tool) -> [String; 2] {
    let other = match tool {
        Tool::Terraform => Tool::Tofu,
        Tool::Tofu => Tool::Terraform,
    };
    [tool, other].map(|tool| tool.file_name())
}

fn remove(path: &Path) {
    // It holds no links but our own, which aren't followed.
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            let path = path.display();
            tracing::warn!(%path, %error, "a leftover can't be removed; the next start tries again");
        }
        _ => {}
    }
}
