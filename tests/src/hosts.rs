//! Names that come and go: [`Hosts`]. Linux only, and only for root.

use crate::held_mount::HeldMount;
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};

/// The names that a daemon in a process of its own knows: a file in the place of `/etc/hosts`, which only processes see that were started by
/// [`Self::program`].
#[derive(Debug)]
pub struct Hosts {
    mount: HeldMount,
    file: PathBuf,
}

impl Hosts {
    /// For this program. Writes into `scripts`.
    ///
    /// # Errors
    /// If this process is not root's, or `unshare` and `nsenter` are missing.
    pub fn new(program: &Path, scripts: &Path) -> Result<Self> {
        let file = scripts.join("hosts");
        fs::write(&file, "127.0.0.1 localhost\n")?;
        let mount = "mount --bind \"$1\" \"$2\"";
        let place = Path::new("/etc/hosts");
        let mount = HeldMount::new(mount, &file.to_string_lossy(), place, program, scripts)?;
        Ok(Self { mount, file })
    }

    /// What to start instead of the program. It becomes the program: the process is the same.
    #[must_use]
    pub fn program(&self) -> &Path {
        self.mount.program()
    }

    /// From now on this name, and no other one, is this machine's.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn know(&self, name: &str) -> Result<()> {
        // In place: the file that is mounted stays the same.
        Ok(fs::write(&self.file, format!("127.0.0.1 localhost {name}\n"))?)
    }
}
