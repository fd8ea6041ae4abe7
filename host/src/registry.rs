//! Components by their digests: [`Registry`] keeps those that runs are begun with, so that another version of this program, or of a route, can
//! go on with a run by the component that it was begun with.

use crate::digest::Digest;
use crate::os;
use data_encoding::HEXLOWER;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Where they are, below the state directory.
const FOLDER: &str = "registry";
const SUFFIX: &str = ".wasm";

/// Keeps components below a state directory.
#[derive(Clone, Debug)]
pub struct Registry {
    directory: PathBuf,
}

impl Registry {
    /// That of a state directory. Nothing is made before there is something to keep.
    #[must_use]
    pub fn of(state: &Path) -> Self {
        Self { directory: state.join(FOLDER) }
    }

    /// Keeps a component; does nothing if it is there. Blocks.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn keep(&self, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(digest);
        if fs::metadata(&path).is_ok_and(|file| file.len() == bytes.len() as u64) {
            return Ok(());
        }
        os::create_private_directory(&self.directory)?;
        // Another process may be doing the same.
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        file.write_all(bytes)?;
        file.as_file().sync_data()?;
        file.persist(path)?;
        os::sync_directory(&self.directory)
    }

    /// The component with this digest. Blocks.
    ///
    /// # Errors
    /// If it is not there or can't be read; what is not what its name says is not there.
    pub fn fetch(&self, digest: &Digest) -> io::Result<Vec<u8>> {
        let bytes = fs::read(self.path(digest))?;
        // SECURITY: registry::tests::what_was_changed_is_not_there
        if Digest::of(&bytes) == *digest { Ok(bytes) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    /// Removes all others. Blocks.
    ///
    /// # Errors
    /// If one of them can't be removed.
    pub fn forget_all_but(&self, needed: &[Digest]) -> io::Result<()> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        let needed: Vec<_> = needed.iter().map(|digest| self.path(digest)).collect();
        for entry in entries {
            let path = entry?.path();
            if !needed.contains(&path) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.directory.join(format!("{}{SUFFIX}", HEXLOWER.encode(digest.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_until_it_is_forgotten() {
        let state = tempfile::tempdir().unwrap();
        let registry = Registry::of(state.path());
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        registry.forget_all_but(&[]).unwrap();
        for _ in 0..2 {
            registry.keep(&one, b"one").unwrap();
            registry.keep(&two, b"two").unwrap();
        }
        assert_eq!(registry.fetch(&one).unwrap(), b"one");
        registry.forget_all_but(&[two]).unwrap();
        assert_eq!(registry.fetch(&one).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(registry.fetch(&two).unwrap(), b"two");
    }

    #[test]
    fn what_was_changed_is_not_there() {
        let state = tempfile::tempdir().unwrap();
        let registry = Registry::of(state.path());
        let one = Digest::of(b"one");
        registry.keep(&one, b"one").unwrap();
        fs::write(registry.path(&one), b"evil").unwrap();
        assert_eq!(registry.fetch(&one).unwrap_err().kind(), io::ErrorKind::NotFound);
        // The next start puts it right.
        registry.keep(&one, b"one").unwrap();
        assert_eq!(registry.fetch(&one).unwrap(), b"one");
    }
}
