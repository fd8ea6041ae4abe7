//! Starts a program that this process supervises to its end, as a shim does: [`Supervised`].

use crate::os::supervision;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

/// What is to be started.
#[derive(Debug)]
pub struct Supervised<'a> {
    /// The file.
    pub program: &'a Path,
    /// Where it starts.
    pub directory: &'a Path,
    /// Where its output goes.
    pub stdout: File,
    /// Where its errors go.
    pub stderr: File,
}

/// A program that was started. It is neither killed nor waited for when this is dropped: whoever has it must.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Supervised<'_> {
    /// Starts it, in a group of its own; it is interrupted if this thread ends before it. So that must be the main thread, and no
    /// other one may exist: those would be missing in the new process before it has begun, with what they hold.
    ///
    /// `confine` has the last word about the command but for what this function must do after it.
    ///
    /// # Errors
    /// What the system said.
    #[expect(clippy::disallowed_methods, reason = "this is a place that starts processes")]
    pub fn start<'a>(
        self,
        arguments: impl IntoIterator<Item = &'a str>,
        environment: impl IntoIterator<Item = (&'a str, &'a str)>,
        stdin: Vec<u8>,
        confine: impl FnOnce(&mut Command),
    ) -> io::Result<Running> {
        let mut command = Command::new(self.program);
        command
            .args(arguments)
            // SECURITY: walls::it_gets_what_the_spec_says_and_nothing_else
            .env_clear()
            .envs(environment)
            .current_dir(self.directory)
            .stdin(if stdin.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(self.stdout)
            .stderr(self.stderr);
        confine(&mut command);
        supervision::bind_to_parent(&mut command);
        let mut child = command.spawn()?;
        if let Some(mut pipe) = child.stdin.take() {
            let feed = move || {
                // A program that reads no further is not to be forced to.
                let _ = pipe.write_all(&stdin);
            };
            let fed = thread::Builder::new().name("stdin".to_owned()).spawn(feed);
            if let Err(error) = fed {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
        }
        Ok(Running { child })
    }
}

impl Running {
    /// Its number, which is no other program's before [`Self::wait`].
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Interrupts it, and nothing that it has started.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn interrupt(&self) -> io::Result<()> {
        supervision::interrupt(&self.child)
    }

    /// Kills it, and nothing that it has started.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// If the system does not say how it ended.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }
}
