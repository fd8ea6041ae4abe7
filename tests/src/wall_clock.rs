//! A wall clock that a test moves, for a daemon in a process of its own: [`WallClock`]. Linux only, and needs `cc`, as Rust does.

use anyhow::{Context as _, Result};
use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = include_str!("../fixtures/clock/clock.c");

/// Bytes of the file that says how far the clock is ahead: always as many, so that it is never seen half written.
const WIDTH: usize = 20;

/// The wall clock of what [`Self::program`] starts. The machine's clock, and that of what the program itself starts with an
/// environment of its own, stay as they are: to a daemon whose clock jumps, its shims' records come from another time.
#[derive(Debug)]
pub struct WallClock {
    file: fs::File,
    program: PathBuf,
}

impl WallClock {
    /// One that is right so far. Writes its files into `directory`.
    ///
    /// # Errors
    /// If the library can't be compiled.
    #[expect(clippy::disallowed_methods, reason = "tests make surroundings for the program")]
    pub fn new(program: &Path, directory: &Path) -> Result<Self> {
        let path = |name: &str| directory.join(name);
        let (source, library, offset) = (path("clock.c"), path("clock.so"), path("clock-offset"));
        fs::write(&source, SOURCE)?;
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]);
        let compiled = compiler.output().context("start cc")?;
        let told = String::from_utf8_lossy(&compiled.stderr);
        anyhow::ensure!(compiled.status.success(), "could not compile the clock: {told}");
        let file = fs::File::create(&offset)?;
        let script = path("with-wall-clock");
        let text = format!(
            "#!/bin/sh\nBLOCKHOUSE_TEST_CLOCK='{}' LD_PRELOAD='{}' exec {} \"$@\"\n",
            offset.display(),
            library.display(),
            program.display()
        );
        fs::write(&script, text)?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o700))?;
        let clock = Self { file, program: script };
        clock.set(0)?;
        Ok(clock)
    }

    /// What to start instead of the program. It becomes the program: the process is the same.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// From now on the clock is this many seconds ahead of the machine's; negative: behind.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn set(&self, seconds: i64) -> Result<()> {
        let text = format!("{seconds:<WIDTH$}");
        Ok(self.file.write_all_at(text.as_bytes(), 0)?)
    }
}
