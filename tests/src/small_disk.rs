//! A disk that can be filled up, for a daemon in a process of its own: [`SmallDisk`]. Linux only, and only for root.

use crate::held_mount::HeldMount;
use anyhow::Result;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// A file of which a filled disk consists.
const BALLAST: &str = ".ballast";

/// A small file system in memory, mounted where only processes that were started by [`Self::program`] see it. Dropping it leaves
/// nothing behind once those have ended.
#[derive(Debug)]
pub struct SmallDisk(HeldMount);

impl SmallDisk {
    /// One of that many bytes, which `program` will find at `directory` (which must exist). Writes a script into `scripts`.
    ///
    /// # Errors
    /// If this process is not root's, or `unshare` and `nsenter` are missing.
    pub fn new(directory: &Path, bytes: u64, program: &Path, scripts: &Path) -> Result<Self> {
        let mount = "mount -t tmpfs -o \"size=$1,mode=700\" tmpfs \"$2\"";
        Ok(Self(HeldMount::new(mount, &bytes.to_string(), directory, program, scripts)?))
    }

    /// What to start instead of the program. It becomes the program: the process is the same.
    #[must_use]
    pub fn program(&self) -> &Path {
        self.0.program()
    }

    /// Where the mounted directory is to be found by this process.
    #[must_use]
    pub fn seen_from_here(&self) -> PathBuf {
        self.0.seen_from_here()
    }

    /// Takes that many bytes of it.
    ///
    /// # Errors
    /// If it has fewer left.
    pub fn occupy(&self, bytes: usize) -> Result<()> {
        Ok(fs::write(self.seen_from_here().join(BALLAST), vec![0; bytes])?)
    }

    /// Fills it: not a byte more goes into it.
    ///
    /// # Errors
    /// If it can't be written for another reason.
    pub fn fill(&self) -> Result<()> {
        let mut file = fs::File::create(self.seen_from_here().join(BALLAST))?;
        for length in [64 << 10, 1 << 10, 1] {
            let piece = vec![0; length];
            loop {
                match file.write_all(&piece) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Makes room again.
    ///
    /// # Errors
    /// If it was not filled.
    pub fn relieve(&self) -> Result<()> {
        Ok(fs::remove_file(self.seen_from_here().join(BALLAST))?)
    }
}
