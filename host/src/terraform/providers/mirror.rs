//! The mirror on disk: [`Tree`].
//!
//! ```text
//! <directory>/mirror/<host>/<namespace>/<type>/<version>/<os>_<arch>   a link to
//!            /store/<SHA-256 of the content, Terraform's `h1:`>/      what the provider consists of, read-only
//!            /partial/                                                 what is being made or removed
//!            /lock                                                     held by the one process that writes
//! ```

use super::content;
use super::lock_file::{self, Locked};
use super::tree::{Found, Name, walk};
use crate::os;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// From the place of a provider in the mirror, to the store: relative, so that the state directory can be moved.
const TO_STORE: &str = "../../../../../store";

/// See the module. The caller sees to it that one thing is done at a time.
#[derive(Debug)]
pub(super) struct Tree {
    directory: PathBuf,
    _lock: File,
}

impl Tree {
    pub(super) fn open(directory: PathBuf) -> io::Result<Self> {
        // Runs under other users execute what is in here.
        for name in ["", "mirror", "store"] {
            let opened = os::create_private_directory(&directory.join(name))?;
            os::set_mode(&opened, 0o755)?;
        }
        let path = directory.join("lock");
        let lock = match os::create_private_file(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                os::open_without_following(&path)?
            }
            created => created?,
        };
        lock.try_lock().map_err(|error| io::Error::new(ErrorKind::ResourceBusy, error))?;
        let tree = Self { directory, _lock: lock };
        os::create_private_directory(&tree.partial())?;
        for entry in fs::read_dir(tree.partial())? {
            fs::remove_dir_all(entry?.path())?;
        }
        Ok(tree)
    }

    pub(super) fn mirror(&self) -> PathBuf {
        self.directory.join("mirror")
    }

    pub(super) fn store(&self) -> PathBuf {
        self.directory.join("store")
    }

    fn partial(&self) -> PathBuf {
        self.directory.join("partial")
    }

    /// Takes over what is below `data` and in the lock file. What is refused is told in the log.
    pub(super) fn import(&self, data: &Path, lock_file: &Path) -> io::Result<Vec<String>> {
        let found = walk(&data.join("providers"))?;
        let (mut linked, mut taken) = (Vec::new(), Vec::new());
        let mut locked = None;
        for (name, found) in found {
            match found {
                Found::Link(target) => {
                    linked.extend((target == self.mirror().join(name.path())).then_some(name))
                }
                Found::Directory(directory) => {
                    let locked = match &mut locked {
                        Some(locked) => locked,
                        none => none.insert(lock_file::read(lock_file)?),
                    };
                    match self.take(&name, &directory, locked) {
                        Ok(true) => taken.push(name.to_string()),
                        Ok(false) => linked.push(name),
                        Err(error) => {
                            tracing::warn!(provider = %name, %error, "a provider is not taken into the mirror")
                        }
                    }
                }
            }
        }
        for name in linked {
            self.touch(&name);
        }
        Ok(taken)
    }

    /// See `Mirror::mismatched`.
    pub(super) fn mismatched(&self, lock_file: &Path) -> Vec<String> {
        let Ok(locked) = lock_file::read(lock_file) else { return Vec::new() };
        let mut found = Vec::new();
        for (address, locked) in locked {
            let name = Name::of(&address, &locked.version);
            let present = name.and_then(|name| self.present(&name).ok().flatten());
            let is_here = |present: &String| {
                locked.directories.iter().any(|hash| hexadecimal(hash) == *present)
            };
            if present.is_some_and(|present| !is_here(&present)) {
                found.push(address);
            }
        }
        found
    }

    /// Whether it was taken; `false` if it's there already.
    fn take(
        &self,
        name: &Name,
        directory: &File,
        locked: &HashMap<String, Locked>,
    ) -> io::Result<bool> {
        let refused = |why| io::Error::new(ErrorKind::InvalidData, why);
        let locked = locked.get(&name.address()).filter(|locked| locked.version == name.version);
        let locked = locked.ok_or_else(|| refused("the lock file does not name it"))?;
        let place = self.mirror().join(name.path());
        if let Some(present) = self.present(name)? {
            let is_same = locked.directories.iter().any(|hash| hexadecimal(hash) == present);
            // SECURITY: terraform::providers::tests::the_first_content_of_a_version_stays
            let why = "the mirror has other content for this version, which stays; has its registry changed it?";
            return if is_same { Ok(false) } else { Err(refused(why)) };
        }
        let partial = self.partial().join(uuid::Uuid::new_v4().to_string());
        let copied = content::copy(directory, &partial).and_then(|hash| {
            // SECURITY: terraform::providers::tests::what_the_lock_file_does_not_know_is_not_taken
            if !locked.directories.contains(&hash) {
                return Err(refused("its content is not what the lock file says"));
            }
            self.keep(&partial, &hexadecimal(&hash))?;
            self.show(&place, &hexadecimal(&hash))
        });
        let _ = fs::remove_dir_all(&partial);
        copied.map(|()| true)
    }

    /// The name of its content in the store, if it's in the mirror. A link whose content is gone is no provider.
    fn present(&self, name: &Name) -> io::Result<Option<String>> {
        let place = self.mirror().join(name.path());
        let target = match fs::read_link(&place) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            target => target?,
        };
        let content =
            target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if self.store().join(&content).is_dir() {
            return Ok(Some(content));
        }
        fs::remove_file(&place)?;
        Ok(None)
    }

    fn keep(&self, partial: &Path, content: &str) -> io::Result<()> {
        let place = self.store().join(content);
        // Left by a crash before its link was made, or another provider's of the same content: what is in it was hashed just the same.
        match fs::rename(partial, &place) {
            Err(_) if place.is_dir() => Ok(()),
            renamed => renamed.and_then(|()| os::sync_directory(&self.store())),
        }
    }

    fn show(&self, place: &Path, content: &str) -> io::Result<()> {
        let parent = place.parent().unwrap_or(place);
        let mut made = self.mirror();
        for part in parent.strip_prefix(self.mirror()).unwrap_or(parent) {
            made.push(part);
            let opened = os::create_private_directory(&made)?;
            os::set_mode(&opened, 0o755)?;
        }
        os::link(&Path::new(TO_STORE).join(content), place)?;
        let mut inside = parent.ancestors().take_while(|path| path.starts_with(self.mirror()));
        inside.try_for_each(os::sync_directory)
    }

    /// Notes that it is used, for the order in which providers are removed.
    fn touch(&self, name: &Name) {
        let opened =
            self.present(name).ok().flatten().map(|content| File::open(self.store().join(content)));
        if let Some(Ok(directory)) = opened {
            // A file system that refuses costs no more than the order.
            let _ = directory.set_modified(SystemTime::now());
        }
    }

    /// Removes the least recently used providers until all together have no more than `max` bytes, except those that the directories
    /// `data` link to. Whether something was removed.
    pub(super) fn collect(&self, max: u64, data: &[PathBuf]) -> io::Result<bool> {
        let mut used = HashSet::new();
        for data in data {
            // SECURITY: terraform::providers::tests::what_live_runs_use_is_not_removed
            used.extend(walk(&data.join("providers"))?.into_iter().map(|(name, _)| name));
        }
        let mut names: HashMap<String, Vec<Name>> = HashMap::new();
        for (name, _) in walk(&self.mirror())? {
            if let Some(content) = self.present(&name)? {
                names.entry(content).or_default().push(name);
            }
        }
        let mut all = Vec::new();
        for entry in fs::read_dir(self.store())? {
            let entry = entry?;
            let last = entry.metadata()?.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            all.push((
                last,
                size(&entry.path())?,
                entry.file_name().to_string_lossy().into_owned(),
            ));
        }
        all.sort();
        let mut total = all.iter().map(|(_, bytes, _)| *bytes).fold(0, u64::saturating_add);
        let mut is_removed = false;
        for (_, bytes, content) in all {
            if total <= max {
                break;
            }
            let names = names.remove(&content).unwrap_or_default();
            if names.iter().any(|name| used.contains(name)) {
                continue;
            }
            self.remove(&content, &names)?;
            total = total.saturating_sub(bytes);
            is_removed = true;
        }
        Ok(is_removed)
    }

    fn remove(&self, content: &str, names: &[Name]) -> io::Result<()> {
        for name in names {
            let place = self.mirror().join(name.path());
            fs::remove_file(&place)?;
            // Those above that are empty now; the first that isn't ends it.
            let mut above = place.ancestors().skip(1).take(4);
            let _ = above.try_for_each(fs::remove_dir);
            tracing::info!(provider = %name, "a provider was removed from the mirror to make room");
        }
        // Never half of it under its name.
        let partial = self.partial().join(uuid::Uuid::new_v4().to_string());
        fs::rename(self.store().join(content), &partial)?;
        fs::remove_dir_all(&partial)
    }
}

fn hexadecimal(hash: &[u8; 32]) -> String {
    data_encoding::HEXLOWER.encode(hash)
}

/// Bytes of the files in a directory of our own.
pub(super) fn size(directory: &Path) -> io::Result<u64> {
    let mut total = 0_u64;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let bytes = if metadata.is_dir() { size(&entry.path())? } else { metadata.len() };
        total = total.saturating_add(bytes);
    }
    Ok(total)
}
