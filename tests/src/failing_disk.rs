//! A disk that fails, for a daemon in a process of its own: [`FailingDisk`]. Linux only, and only for root.

use crate::held_mount::HeldMount;
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bytes of one.
const SIZE: u64 = 64 << 20;

/// An ext4 file system in a file, mounted where only processes that were started by [`Self::program`] see it. When something is wrong with it,
/// the system takes away the right to write, as it does with real disks.
#[derive(Debug)]
pub struct FailingDisk {
    held: HeldMount,
    image: PathBuf,
    directory: PathBuf,
}

impl FailingDisk {
    /// One that `program` will find at `directory` (which must exist). Writes a script and the file system into `scripts`.
    ///
    /// # Errors
    /// If this process is not root's, or `unshare`, `nsenter`, `mkfs.ext4` or loop devices are missing.
    #[expect(clippy::disallowed_methods, reason = "tests make surroundings for the program")]
    pub fn new(directory: &Path, program: &Path, scripts: &Path) -> Result<Self> {
        let image = scripts.join("disk.img");
        fs::File::create(&image)?.set_len(SIZE)?;
        let made = Command::new("mkfs.ext4").arg("-q").arg(&image).output();
        ensure!(made.context("start mkfs.ext4")?.status.success(), "mkfs.ext4 failed");
        let held = Self::mount(&image, directory, program, scripts)?;
        Ok(Self { held, image, directory: directory.to_owned() })
    }

    fn mount(image: &Path, directory: &Path, program: &Path, scripts: &Path) -> Result<HeldMount> {
        let mount = "mount -o loop,errors=remount-ro \"$1\" \"$2\"";
        HeldMount::new(mount, &image.to_string_lossy(), directory, program, scripts)
    }

    /// What to start instead of the program. It becomes the program: the process is the same.
    #[must_use]
    pub fn program(&self) -> &Path {
        self.held.program()
    }

    /// From now on nothing can be written on it, not even into files that are open.
    ///
    /// # Errors
    /// If the system has no means for that.
    pub fn fail(&self) -> Result<()> {
        let device = self.held.device()?;
        let name = device.file_name().context("the device has no name")?;
        let trigger = Path::new("/sys/fs/ext4").join(name).join("trigger_fs_error");
        Ok(fs::write(trigger, "failed for a test")?)
    }

    /// Where it is to be found by this process.
    #[must_use]
    pub fn seen_from_here(&self) -> PathBuf {
        self.held.seen_from_here()
    }

    /// Lets all that is on it now survive whatever happens.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn sync(&self) -> Result<()> {
        Ok(rustix::fs::syncfs(fs::File::open(self.seen_from_here())?)?)
    }

    /// Mounts it as it would be after the machine had lost power now: with what has got to the disk, and without what the system keeps in
    /// memory to write later. Whoever used it must have ended.
    ///
    /// # Errors
    /// If it can't be copied or mounted.
    pub fn without_power(self, program: &Path, scripts: &Path) -> Result<Self> {
        let Self { held, image, directory } = self;
        // What was written into the file is what has been sent to the disk.
        let cut = image.with_extension("cut");
        fs::copy(&image, &cut)?;
        // This writes the rest, into the other one.
        drop(held);
        fs::rename(&cut, &image)?;
        let held = Self::mount(&image, &directory, program, scripts)?;
        Ok(Self { held, image, directory })
    }

    /// Mounts it again, as after a restart of the machine: whoever used it must have ended.
    ///
    /// # Errors
    /// If it can't be mounted.
    pub fn repaired(self, program: &Path, scripts: &Path) -> Result<Self> {
        let Self { held, image, directory } = self;
        drop(held);
        let held = Self::mount(&image, &directory, program, scripts)?;
        Ok(Self { held, image, directory })
    }
}
