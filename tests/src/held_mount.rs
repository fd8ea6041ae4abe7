//! A file system that only some processes see: [`HeldMount`].

use anyhow::{Context as _, Result};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A mount where only processes that were started by [`Self::program`] see it. Dropping it unmounts it, unless one of those still runs:
/// then it goes with the last of them.
#[derive(Debug)]
pub(crate) struct HeldMount {
    /// Holds the mount; several daemons, one after the other, see the same one.
    holder: Child,
    mounted: PathBuf,
    program: PathBuf,
}

impl HeldMount {
    /// Mounts by this command of the shell, in which `$1` is `what` and `$2` the directory or file (which must exist), and writes into `scripts`
    /// what is to be started instead of `program`.
    ///
    /// # Errors
    /// If this process is not root's, or `unshare` and `nsenter` are missing.
    #[expect(clippy::disallowed_methods, reason = "tests make surroundings for the program")]
    pub(crate) fn new(
        mount: &str,
        what: &str,
        directory: &Path,
        program: &Path,
        scripts: &Path,
    ) -> Result<Self> {
        // `cat` ends with its input, which ends with this process.
        let hold = format!("{mount} && echo mounted && cat && umount \"$2\"");
        let mut holder = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "/bin/sh", "-c", &hold, "sh", what])
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("start unshare")?;
        let mut line = String::new();
        if let Some(told) = holder.stdout.take() {
            BufReader::new(told).read_line(&mut line)?;
        }
        let script = scripts.join("on-small-disk");
        let held = Self { mounted: directory.to_owned(), program: script, holder };
        anyhow::ensure!(line == "mounted\n", "could not mount a file system");
        let text = format!(
            // The working directory is looked up again inside: as it was outside, nothing below it would be the mounted one.
            "#!/bin/sh\nexec nsenter --mount=/proc/{}/ns/mnt \
             /bin/sh -c 'cd \"$0\" && exec \"$@\"' \"$PWD\" {} \"$@\"\n",
            held.holder.id(),
            program.display()
        );
        fs::write(&held.program, text)?;
        fs::set_permissions(&held.program, fs::Permissions::from_mode(0o700))?;
        Ok(held)
    }

    /// What to start instead of the program. It becomes the program: the process is the same.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Where the mounted directory is to be found by this process.
    pub(crate) fn seen_from_here(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(self.mounted.strip_prefix("/").unwrap_or(&self.mounted))
    }

    /// The device that is mounted.
    ///
    /// # Errors
    /// If it is none any more.
    pub(crate) fn device(&self) -> Result<PathBuf> {
        let mounts = fs::read_to_string(format!("/proc/{}/mounts", self.holder.id()))?;
        let place = self.mounted.to_string_lossy();
        let line = mounts.lines().find(|line| line.split(' ').nth(1) == Some(&place));
        let device = line.and_then(|line| line.split(' ').next());
        Ok(device.context("it is not mounted")?.into())
    }
}

impl Drop for HeldMount {
    fn drop(&mut self) {
        // Its input ends, and with it the process.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
