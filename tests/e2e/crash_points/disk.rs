//! A disk that loses power: [`Disk`].

use super::PROGRAM;
use super::play::code;
use anyhow::{Context as _, Result};
use blockhouse_tests::FailingDisk;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A disk for the state, and its scripts.
pub(super) struct Disk {
    disk: Option<FailingDisk>,
    scripts: TempDir,
}

impl Disk {
    /// For the state of a daemon, with compiled components on it.
    pub(super) fn new(state: &Path) -> Result<Self> {
        let scripts = tempfile::tempdir()?;
        let disk = FailingDisk::new(state, Path::new(PROGRAM), scripts.path())?;
        let components = disk.seen_from_here().join("components");
        fs::create_dir(&components)?;
        for file in fs::read_dir(code())? {
            let file = file?;
            fs::copy(file.path(), components.join(file.file_name()))?;
        }
        disk.sync()?;
        Ok(Self { disk: Some(disk), scripts })
    }

    pub(super) fn program(&self) -> PathBuf {
        self.disk.as_ref().map_or_else(|| PROGRAM.into(), |disk| disk.program().to_owned())
    }

    pub(super) fn lose_power(&mut self) -> Result<()> {
        let disk = self.disk.take().context("the disk is gone")?;
        self.disk = Some(disk.without_power(Path::new(PROGRAM), self.scripts.path())?);
        Ok(())
    }
}
