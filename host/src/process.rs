//! Starts a program and supervises it to its end: [`Program::run`]. The only place that starts processes.
//!
//! The program gets the arguments that it is given, its input, and nothing else: no environment. Its output is bounded, and so is
//! its time; it is killed when either is over. Blocks, with three threads for the streams while the program runs, so that
//! neither side can wait for the other one.

use crate::excerpt::Excerpt;
use crate::os;
use std::ffi::OsString;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

/// Bytes of the error stream that are kept: the beginning and the end.
const STDERR_KEPT: usize = 16 << 10;

/// A program that closes its streams is about to end; how often that is looked at.
const END_POLL: Duration = Duration::from_millis(1);

/// What is to be started, and how much it may take. It should not start processes of its own that outlive it: on Unix they are
/// killed with it if they keep its streams open, or stay in its group while it is stopped.
#[derive(Clone, Debug)]
pub struct Program<'a> {
    /// The file.
    pub path: &'a Path,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Parts of its input, one after the other.
    pub stdin: &'a [&'a [u8]],
    /// The most bytes of output.
    pub stdout_max: usize,
    /// From its start to its end.
    pub timeout: Duration,
}

/// Why there is no output.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It ended, but not well.
    #[error("`{}` ended with {status}{}", path.display(), with_colon(stderr))]
    Ended {
        /// The program.
        path: PathBuf,
        /// Its exit code, or the signal.
        status: ExitStatus,
        /// What it said: beginning and end, without control characters. May repeat its input.
        stderr: String,
    },
    /// It can't be started.
    #[error("failed to start `{}`", path.display())]
    Start {
        /// The program.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Its streams or its end can't be followed.
    #[error("failed to follow `{}`", path.display())]
    Streams {
        /// The program.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It took too long and was killed.
    #[error("`{}` took longer than {} and was stopped", path.display(), humantime::format_duration(*allowed))]
    Timeout {
        /// The program.
        path: PathBuf,
        /// How long it was given.
        allowed: Duration,
    },
    /// It wrote too much and was killed.
    #[error("`{}` wrote more than {allowed} bytes and was stopped", path.display())]
    TooMuchOutput {
        /// The program.
        path: PathBuf,
        /// The limit in bytes.
        allowed: usize,
    },
}

fn with_colon(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

/// Killed when dropped, whatever way that comes about, with what it has started.
struct Killed {
    child: Child,
    /// Its number may be that of another one by now.
    is_gone: bool,
}

impl Killed {
    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        self.is_gone = status.is_some();
        Ok(status)
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        if self.is_gone {
            return;
        }
        // First: what it has started may hold its streams, and without it nobody knows what that was.
        os::kill_group(&self.child);
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the threads of the streams tell.
enum Told {
    Stderr(String),
    Stdout(io::Result<Vec<u8>>),
    TooMuchOutput,
}

impl Program<'_> {
    /// Runs it to its end and returns its output.
    ///
    /// # Errors
    /// [`ProcessError`] if it does not end with the exit code 0 in time.
    pub fn run(&self) -> Result<Vec<u8>, ProcessError> {
        let child = self.spawn().map_err(|source| self.not_started(source))?;
        let mut child = Killed { child, is_gone: false };
        thread::scope(|scope| {
            let ended = self.follow(scope, &mut child);
            // The threads of the streams end when the program has, and the scope waits for them.
            drop(child);
            ended
        })
    }

    #[expect(clippy::disallowed_methods, reason = "this is the place that starts processes")]
    fn spawn(&self) -> io::Result<Child> {
        let mut program = std::process::Command::new(self.path);
        program
            .args(&self.arguments)
            // SECURITY: process::the_environment_is_empty
            .env_clear()
            .envs(os::child_environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        os::own_group(&mut program);
        program.spawn()
    }

    fn follow<'scope, 'env: 'scope>(
        &'env self,
        scope: &'scope Scope<'scope, 'env>,
        child: &mut Killed,
    ) -> Result<Vec<u8>, ProcessError> {
        let started = Instant::now();
        let left = || self.timeout.saturating_sub(started.elapsed());
        let (sender, told) = channel();
        self.attend(scope, &mut child.child, &sender).map_err(|source| self.lost(source))?;
        drop(sender);
        let (mut output, mut stderr) = (Vec::new(), String::new());
        loop {
            match told.recv_timeout(left()) {
                Ok(Told::Stderr(text)) => stderr = text,
                Ok(Told::Stdout(result)) => output = result.map_err(|source| self.lost(source))?,
                Ok(Told::TooMuchOutput) => {
                    let (path, allowed) = (self.path.to_owned(), self.stdout_max);
                    return Err(ProcessError::TooMuchOutput { path, allowed });
                }
                Err(RecvTimeoutError::Timeout) => return Err(self.timed_out()),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let status = loop {
            match child.try_wait().map_err(|source| self.lost(source))? {
                Some(status) => break status,
                None if left().is_zero() => return Err(self.timed_out()),
                None => pause(),
            }
        };
        if status.success() {
            return Ok(output);
        }
        Err(ProcessError::Ended { path: self.path.to_owned(), status, stderr })
    }

    /// A thread for each stream: a program that waits for one of them to be emptied must not keep us from the others.
    fn attend<'scope, 'env: 'scope>(
        &'env self,
        scope: &'scope Scope<'scope, 'env>,
        child: &mut Child,
        sender: &Sender<Told>,
    ) -> io::Result<()> {
        let named = |name: &str| thread::Builder::new().name(format!("child-{name}"));
        if let Some(mut stdin) = child.stdin.take() {
            named("stdin").spawn_scoped(scope, move || {
                // A program that reads no further says why by its end.
                let _ = self.stdin.iter().try_for_each(|part| stdin.write_all(part));
            })?;
        }
        if let Some(stdout) = child.stdout.take() {
            let sender = sender.clone();
            named("stdout").spawn_scoped(scope, move || {
                // Nobody listens any more when the program has been given up.
                let _ = sender.send(read(stdout, self.stdout_max));
            })?;
        }
        if let Some(stderr) = child.stderr.take() {
            let sender = sender.clone();
            named("stderr").spawn_scoped(scope, move || {
                let _ = sender.send(Told::Stderr(excerpt(stderr)));
            })?;
        }
        Ok(())
    }

    fn not_started(&self, source: io::Error) -> ProcessError {
        ProcessError::Start { path: self.path.to_owned(), source }
    }

    fn lost(&self, source: io::Error) -> ProcessError {
        ProcessError::Streams { path: self.path.to_owned(), source }
    }

    fn timed_out(&self) -> ProcessError {
        ProcessError::Timeout { path: self.path.to_owned(), allowed: self.timeout }
    }
}

#[expect(clippy::disallowed_methods, reason = "this thread is the one that waits for the program")]
fn pause() {
    thread::sleep(END_POLL);
}

fn read(stdout: impl Read, max: usize) -> Told {
    let mut output = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    // SECURITY: process::too_much_output_is_an_error
    match stdout.take(limit).read_to_end(&mut output) {
        Ok(_) if output.len() > max => Told::TooMuchOutput,
        result => Told::Stdout(result.map(|_| output)),
    }
}

/// Reads to the end, however long that is: a program whose error stream is full would wait for ever.
fn excerpt(mut stderr: impl Read) -> String {
    let mut kept = Excerpt::new(STDERR_KEPT);
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stderr.read(&mut buffer) {
        kept.push(&String::from_utf8_lossy(buffer.get(..count).unwrap_or_default()));
    }
    kept.render()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn shell(
        script: &str,
        stdin: &[&[u8]],
        stdout_max: usize,
        timeout: Duration,
    ) -> Result<Vec<u8>, ProcessError> {
        let arguments = ["-c", script].map(OsString::from).to_vec();
        Program { path: Path::new("/bin/sh"), arguments, stdin, stdout_max, timeout }.run()
    }

    #[test]
    fn input_goes_in_and_output_comes_out_however_long_both_are() {
        let part = vec![b'x'; 1 << 20];
        let output = shell("cat", &[&part, b"end"], 2 << 20, MINUTE).unwrap();
        assert_eq!(output.len(), part.len() + 3);
        assert!(output.ends_with(b"xend"));
    }

    #[test]
    fn the_environment_is_empty() {
        let path = Path::new("/usr/bin/env");
        let program = |path| Program {
            path,
            arguments: Vec::new(),
            stdin: &[],
            stdout_max: 1 << 20,
            timeout: MINUTE,
        };
        assert_eq!(program(path).run().unwrap(), b"");
        let error = program(Path::new("/nowhere")).run().unwrap_err();
        assert_eq!(error.to_string(), "failed to start `/nowhere`");
    }

    #[test]
    fn an_unread_input_and_a_flood_of_errors_stop_nothing() {
        let part = vec![b'x'; 1 << 20];
        let script =
            "i=0; while [ $i -lt 9999 ]; do echo 0123456789abcdef >&2; i=$((i+1)); done; exit 3";
        let Err(ProcessError::Ended { status, stderr, .. }) = shell(script, &[&part], 1, MINUTE)
        else {
            panic!("it did not end with an error");
        };
        assert_eq!(status.code(), Some(3));
        assert!(stderr.len() < 2 * STDERR_KEPT && stderr.contains("bytes dropped"), "{stderr}");
    }

    #[test]
    fn the_error_of_the_program_is_told_without_control_characters() {
        let error = shell("printf 'no \\033[31mway\\n' >&2; exit 3", &[], 1, MINUTE).unwrap_err();
        assert_eq!(error.to_string(), "`/bin/sh` ended with exit status: 3: no [31mway");
    }

    #[test]
    fn too_much_output_is_an_error() {
        let error = shell("while :; do echo y; done", &[], 100, MINUTE).unwrap_err();
        assert_eq!(error.to_string(), "`/bin/sh` wrote more than 100 bytes and was stopped");
        assert_eq!(shell("printf 12345", &[], 5, MINUTE).unwrap(), b"12345");
    }

    #[test]
    fn one_that_takes_too_long_is_killed_even_if_it_closes_its_streams() {
        for script in ["while :; do :; done", "exec <&- >&- 2>&-; while :; do :; done"] {
            let error = shell(script, &[], 1, Duration::from_millis(100)).unwrap_err();
            assert_eq!(error.to_string(), "`/bin/sh` took longer than 100ms and was stopped");
        }
    }
    #[test]
    fn what_the_program_has_started_is_killed_with_it() {
        for script in ["sleep 1000 & exec sleep 1000", "sleep 1000 & exit 0"] {
            let started = Instant::now();
            let error = shell(script, &[], 1, Duration::from_millis(100)).unwrap_err();
            assert_eq!(error.to_string(), "`/bin/sh` took longer than 100ms and was stopped");
            assert!(started.elapsed() < Duration::from_secs(900), "it was waited for");
        }
    }
}
