//! A disk that can be filled up, for a daemon in a process of its own: [`SmallDisk`]. Linux only, and only for root.

use anyhow::{Context as _, Result};
use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A file of which a filled disk consists.
const BALLAST: &str = ".ballast";

/// A small file system in memory, mounted where only processes that were started by [`Self::program`] see it. Dropping it leaves
/// nothing behind once those have ended.
#[derive(Debug)]
pub struct SmallDisk {
    /// Holds the mount; several daemons, one after the other, see the same one.
    holder: Child,
    mounted: PathBuf,
    program: PathBuf,
}

impl SmallDisk {
    /// One of that many bytes, which `program` will find at `directory` (which must exist). Writes a script into `scripts`.
    ///
    /// # Errors
    /// If this process is not root's, or `unshare` and `nsenter` are missing.
    #[expect(clippy::disallowed_methods, reason = "tests make surroundings for the program")]
    pub fn new(directory: &Path, bytes: u64, program: &Path, scripts: &Path) -> Result<Self> {
        // `cat` ends with its input, which ends with this process.
        let hold =
            "mount -t tmpfs -o \"size=$1,mode=700\" tmpfs \"$2\" && echo mounted && exec cat";
        let mut holder = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "/bin/sh", "-c", hold, "sh"])
            .arg(bytes.to_string())
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start unshare")?;
        let mut line = String::new();
        if let Some(told) = holder.stdout.take() {
            BufReader::new(told).read_line(&mut line)?;
        }
        let script = scripts.join("on-small-disk");
        let disk = Self { mounted: directory.to_owned(), program: script, holder };
        anyhow::ensure!(line == "mounted\n", "could not mount a file system in memory");
        let text = format!(
            // The working directory is looked up again inside: as it was outside, nothing below it would be the mounted one.
            "#!/bin/sh\nexec nsenter --mount=/proc/{}/ns/mnt \
             /bin/sh -c 'cd \"$0\" && exec \"$@\"' \"$PWD\" {} \"$@\"\n",
            disk.holder.id(),
            program.display()
        );
        fs::write(&disk.program, text)?;
        fs::set_permissions(&disk.program, fs::Permissions::from_mode(0o700))?;
        Ok(disk)
    }

    /// What to start instead of the program. It becomes the program: the process is the same.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Where the mounted directory is to be found by this process.
    #[must_use]
    pub fn seen_from_here(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(self.mounted.strip_prefix("/").unwrap_or(&self.mounted))
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

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Its input ends, and with it the process; the file system goes with the last process that sees it.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
