//! Compiled components, kept over restarts: a directory of files that only the holder of a key can have made.
//!
//! A file is 32 bytes of tag and the code. Its name is a code (a MAC) as well, so that names tell nothing. Whatever is wrong
//! with a file, with the directory or with the disk is logged and otherwise as if the component had never been compiled.

use super::native_code::{NativeCode, SEALED_MAX, Seal};
use crate::digest::Digest;
use crate::os;
use aws_lc_rs::hmac;
use secrecy::{ExposeSecret as _, SecretBox};
use std::ffi::OsStr;
use std::fs::{self, DirEntry, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Begins the names of files that are being written.
const PARTIAL: &str = "partial-";

/// A file that has been written for so long was left behind by a crash.
const PARTIAL_AGE_MAX: Duration = Duration::from_secs(60 * 60);

/// Where compiled components are kept.
#[derive(Debug)]
pub struct CacheConfig {
    /// Made if it does not exist, for our user only. Files of others in it are left alone and don't count.
    pub directory: PathBuf,
    /// The most bytes of all entries; those that were used longest ago make room.
    pub max_bytes: u64,
    /// Whoever has it can have native code executed by us.
    pub key: SecretBox<[u8; 32]>,
}

/// The entries for one compiler.
pub(super) struct Cache {
    directory: PathBuf,
    max_bytes: u64,
    key: hmac::Key,
    compiler: Digest,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache")
            .field("directory", &self.directory)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}

impl Cache {
    /// `compiler` is a digest of all that code depends on beside the component.
    pub(super) fn open(config: &CacheConfig, compiler: Digest) -> Self {
        let cache = Self {
            directory: config.directory.clone(),
            max_bytes: config.max_bytes,
            key: hmac::Key::new(hmac::HMAC_SHA256, config.key.expose_secret()),
            compiler,
        };
        if let Err(error) = cache.directory().and_then(|_| cache.make_room(0, None)) {
            cache.warn("the cache of components can't be used", &cache.directory, &error);
        }
        cache
    }

    /// The directory, if it is ours alone.
    fn directory(&self) -> io::Result<File> {
        // SECURITY: sandbox::cache::a_link_in_the_place_of_the_directory_is_not_followed
        os::create_private_directory(&self.directory)
    }

    /// The code of a component, if it is there and we made it.
    pub(super) fn find(&self, component: Digest) -> Option<NativeCode> {
        let seal = self.seal(component);
        let path = self.directory.join(seal.name());
        if let Err(error) = self.directory() {
            self.warn("the cache of components can't be used", &self.directory, &error);
            return None;
        }
        let contents = match self.read(&path) {
            Ok(contents) => contents,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                self.remove(&path, &error.to_string());
                return None;
            }
        };
        let code = NativeCode::open(&seal, contents);
        if code.is_none() {
            self.remove(&path, "it is damaged, or not ours");
        }
        code
    }

    /// Keeps the code of a component, in the place of others if there is no room.
    pub(super) fn keep(&self, component: Digest, code: &NativeCode) {
        let seal = self.seal(component);
        let (tag, code) = code.sealed(&seal);
        let path = self.directory.join(seal.name());
        let parts = [tag.as_ref(), code];
        let size = parts.iter().map(|part| u64::try_from(part.len()).unwrap_or(u64::MAX));
        let size = size.fold(0, u64::saturating_add);
        if size > self.max_bytes {
            let max_bytes = self.max_bytes;
            return tracing::warn!(component = %component, size, max_bytes, "too large for the cache");
        }
        let room = self.directory().and_then(|_| self.make_room(size, path.file_name()));
        let kept = room.and_then(|()| self.write(&path, &parts));
        if let Err(error) = kept {
            self.warn("a compiled component can't be kept", &path, &error);
        }
    }

    /// Removes an entry that is of no use.
    pub(super) fn forget(&self, component: Digest, why: &str) {
        if self.directory().is_ok() {
            self.remove(&self.directory.join(self.seal(component).name()), why);
        }
    }

    fn seal(&self, component: Digest) -> Seal<'_> {
        Seal::new(&self.key, self.compiler, component)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        // SECURITY: sandbox::cache::a_link_in_the_place_of_an_entry_is_not_followed
        let mut file = os::open_without_following(path)?;
        let max = u64::try_from(SEALED_MAX).map_or(self.max_bytes, |max| max.min(self.max_bytes));
        // SECURITY: sandbox::cache::a_file_that_is_too_long_for_code_is_not_read
        if file.metadata()?.len() > max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut contents = Vec::new();
        (&mut file).take(max).read_to_end(&mut contents)?;
        // The order of use decides who makes room; if it can't be kept, that is no reason to compile.
        let _ = file.set_modified(SystemTime::now());
        Ok(contents)
    }

    fn write(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(PARTIAL).tempfile_in(&self.directory)?;
        parts.iter().try_for_each(|part| file.write_all(part))?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        os::sync_directory(&self.directory)
    }

    /// Removes the entries that were used longest ago until so many bytes fit beside the rest. The entry `replaced` does not
    /// count.
    fn make_room(&self, bytes: u64, replaced: Option<&OsStr>) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            // Not following links.
            let metadata = entry.metadata()?;
            let name = entry.file_name();
            if !metadata.is_file() || replaced == Some(name.as_os_str()) {
                continue;
            }
            let used = metadata.modified()?;
            if is_entry(&name) {
                entries.push((used, metadata.len(), entry));
            } else if is_partial(&name) && used.elapsed().is_ok_and(|age| age > PARTIAL_AGE_MAX) {
                fs::remove_file(entry.path())?;
            }
        }
        entries.sort_by_key(|(used, _, entry): &(SystemTime, u64, DirEntry)| {
            (*used, entry.file_name())
        });
        let mut total = entries.iter().map(|(_, size, _)| *size).fold(bytes, u64::saturating_add);
        for (_, size, entry) in entries {
            if total <= self.max_bytes {
                break;
            }
            fs::remove_file(entry.path())?;
            total = total.saturating_sub(size);
        }
        Ok(())
    }

    fn remove(&self, path: &Path, why: &str) {
        tracing::warn!(entry = %path.display(), why, "a compiled component is of no use: it is compiled again");
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                self.warn("it can't be removed", path, &error);
            }
            _ => {}
        }
    }

    fn warn(&self, what: &str, path: &Path, error: &io::Error) {
        tracing::warn!(path = %path.display(), %error, "{what}; going on without");
    }
}

/// Whether we gave this name to an entry.
fn is_entry(name: &OsStr) -> bool {
    const DIGITS: usize = 64;
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let name = name.as_encoded_bytes();
    name.len() == DIGITS && name.iter().all(is_digit)
}

fn is_partial(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(PARTIAL.as_bytes())
}

#[cfg(test)]
mod tests;
