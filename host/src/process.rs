//! Starts a program and supervises it to its end: [`Program::run`]. The only place that starts processes, with [`Detached`] and
//! [`Supervised`] for those that must outlive the daemon.
//!
//! The program gets the arguments that it is given, its input, its [`Surroundings`], and nothing else: no environment of ours. Its
//! output is bounded, and so is its time; it is killed when either is over, when its [`Leash`] is cut, and on Linux when we die.
//! Blocks, with up to three threads for the streams while the program runs, so that neither side can wait for the other one.

mod surroundings;
#[cfg(test)]
#[cfg(unix)]
mod tests;

pub use surroundings::{Leash, Surroundings};

mod detached;
mod supervised;

pub use detached::Detached;
pub use supervised::{Running, Supervised};

use crate::excerpt::Excerpt;
use crate::os;
use std::ffi::OsString;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, Scope, ScopedJoinHandle};
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
    /// Its leash was cut, and it was killed.
    #[error("`{}` was stopped", path.display())]
    Stopped {
        /// The program.
        path: PathBuf,
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
    /// Dropped after the child has been waited for.
    _lifeline: os::Lifeline,
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

/// What the threads of the streams, and whoever cuts the leash, tell.
enum Told {
    Cut,
    /// Nobody wants the output any more, or all that there was has been read.
    GivenUp,
    OutputEnded,
    Stderr(String),
}

/// Why an output was not read to its end.
enum Unread {
    Failed(io::Error),
    TooMuch,
}

impl Program<'_> {
    /// Runs it to its end and returns its output.
    ///
    /// # Errors
    /// [`ProcessError`] if it does not end with the exit code 0 in time.
    pub fn run(&self) -> Result<Vec<u8>, ProcessError> {
        self.run_in(&Surroundings::default())
    }

    /// As [`Program::run`], with these surroundings.
    ///
    /// # Errors
    /// [`ProcessError`] if it does not end with the exit code 0 in time.
    pub fn run_in(&self, surroundings: &Surroundings<'_>) -> Result<Vec<u8>, ProcessError> {
        let output = self.supervise(surroundings, true, |_, stdout| read(stdout, self.stdout_max));
        output?.map_err(|unread| match unread {
            Unread::Failed(source) => self.lost(source),
            Unread::TooMuch => {
                ProcessError::TooMuchOutput { path: self.path.to_owned(), allowed: self.stdout_max }
            }
        })
    }

    /// Runs it to its end while `talk`, on a thread of its own, writes its input and reads its output: `stdin` and `stdout_max`
    /// don't count. An error of `talk` kills the program and is the inner result. If the program is killed or dies, `talk` finds
    /// its output at an end; it should return no error then, so that the program's own end is told.
    ///
    /// # Errors
    /// [`ProcessError`] if it does not end with the exit code 0 in time, unless `talk` returned an error.
    pub fn converse<T: Send, E: Send>(
        &self,
        surroundings: &Surroundings<'_>,
        talk: impl FnOnce(ChildStdin, ChildStdout) -> Result<T, E> + Send,
    ) -> Result<Result<T, E>, ProcessError> {
        let talk = |stdin: Option<ChildStdin>, stdout| match stdin {
            Some(stdin) => talk(stdin, stdout).map_err(Ok),
            None => Err(Err(io::ErrorKind::BrokenPipe.into())),
        };
        match self.supervise(surroundings, false, talk)? {
            Ok(value) => Ok(Ok(value)),
            Err(Ok(error)) => Ok(Err(error)),
            Err(Err(source)) => Err(self.lost(source)),
        }
    }

    fn supervise<T: Send, E: Send>(
        &self,
        surroundings: &Surroundings<'_>,
        is_fed: bool,
        talk: impl FnOnce(Option<ChildStdin>, ChildStdout) -> Result<T, E> + Send,
    ) -> Result<Result<T, E>, ProcessError> {
        let started = Instant::now();
        let mut child = self.spawn(surroundings).map_err(|source| self.not_started(source))?;
        let (sender, told) = channel();
        let leash = surroundings.leash.map(|leash| {
            let sender = sender.clone();
            // Nobody listens any more when the program has ended.
            leash.listen(move || drop(sender.send(Told::Cut)))
        });
        let ended = thread::scope(|scope| {
            let talking = self
                .attend(scope, &mut child.child, is_fed, talk, &sender)
                .map_err(|source| self.lost(source))?;
            let followed = self.follow(&mut child, started, &told);
            // The threads of the streams end when the program has, and the scope waits for them.
            drop(child);
            // SECURITY: process::an_error_of_the_talk_kills_the_program
            match (talking.join(), followed) {
                (Ok(result), Ok(())) => Ok(result),
                (_, Err(error)) => Err(error),
                (Err(_), Ok(())) => Err(self.lost(io::Error::other("a thread panicked"))),
            }
        });
        drop(leash);
        ended
    }

    #[expect(clippy::disallowed_methods, reason = "this is the place that starts processes")]
    fn spawn(&self, surroundings: &Surroundings<'_>) -> io::Result<Killed> {
        let mut program = std::process::Command::new(self.path);
        program
            .args(&self.arguments)
            // SECURITY: process::the_environment_is_empty
            .env_clear()
            .envs(os::child_environment())
            .envs(surroundings.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(directory) = surroundings.directory {
            program.current_dir(directory);
        }
        os::own_group(&mut program);
        let lifeline = os::tie_to_us(&mut program)?;
        if let Some(bytes) = surroundings.file_max {
            os::limit_file_size(&mut program, bytes);
        }
        Ok(Killed { child: program.spawn()?, _lifeline: lifeline, is_gone: false })
    }

    /// To its end, or to where it is to be killed.
    fn follow(
        &self,
        child: &mut Killed,
        started: Instant,
        told: &Receiver<Told>,
    ) -> Result<(), ProcessError> {
        let left = || self.timeout.saturating_sub(started.elapsed());
        let (mut stderr, mut has_output_ended) = (None, false);
        loop {
            match told.recv_timeout(left()) {
                Ok(Told::Cut) => return Err(self.stopped()),
                Ok(Told::GivenUp) => return Ok(()),
                Ok(Told::OutputEnded) => has_output_ended = true,
                Ok(Told::Stderr(text)) => stderr = Some(text),
                Err(RecvTimeoutError::Timeout) => return Err(self.timed_out()),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if has_output_ended && stderr.is_some() {
                break;
            }
        }
        let status = loop {
            match child.try_wait().map_err(|source| self.lost(source))? {
                Some(status) => break status,
                None if left().is_zero() => return Err(self.timed_out()),
                None if matches!(told.try_recv(), Ok(Told::Cut)) => return Err(self.stopped()),
                None => pause(),
            }
        };
        if status.success() {
            return Ok(());
        }
        let (path, stderr) = (self.path.to_owned(), stderr.unwrap_or_default());
        Err(ProcessError::Ended { path, status, stderr })
    }

    /// A thread for each stream: a program that waits for one of them to be emptied must not keep us from the others.
    fn attend<'scope, 'env: 'scope, T: Send + 'scope, E: Send + 'scope>(
        &'env self,
        scope: &'scope Scope<'scope, 'env>,
        child: &mut Child,
        is_fed: bool,
        talk: impl FnOnce(Option<ChildStdin>, ChildStdout) -> Result<T, E> + Send + 'scope,
        sender: &Sender<Told>,
    ) -> io::Result<ScopedJoinHandle<'scope, Result<T, E>>> {
        let named = |name: &str| thread::Builder::new().name(format!("child-{name}"));
        let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
        let mut stdin = Some(child.stdin.take().ok_or_else(missing)?);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (stdout, stderr) = (stdout.ok_or_else(missing)?, stderr.ok_or_else(missing)?);
        if let Some(mut stdin) = stdin.take_if(|_| is_fed) {
            named("stdin").spawn_scoped(scope, move || {
                // A program that reads no further says why by its end.
                let _ = self.stdin.iter().try_for_each(|part| stdin.write_all(part));
            })?;
        }
        let tell = sender.clone();
        named("stderr").spawn_scoped(scope, move || {
            // Nobody listens any more when the program has been given up.
            let _ = tell.send(Told::Stderr(excerpt(stderr)));
        })?;
        let tell = sender.clone();
        named("stdout").spawn_scoped(scope, move || {
            let result = talk(stdin, stdout);
            let _ = tell.send(if result.is_ok() { Told::OutputEnded } else { Told::GivenUp });
            result
        })
    }

    fn not_started(&self, source: io::Error) -> ProcessError {
        ProcessError::Start { path: self.path.to_owned(), source }
    }

    fn lost(&self, source: io::Error) -> ProcessError {
        ProcessError::Streams { path: self.path.to_owned(), source }
    }

    fn stopped(&self) -> ProcessError {
        ProcessError::Stopped { path: self.path.to_owned() }
    }

    fn timed_out(&self) -> ProcessError {
        ProcessError::Timeout { path: self.path.to_owned(), allowed: self.timeout }
    }
}

#[expect(clippy::disallowed_methods, reason = "this thread is the one that waits for the program")]
fn pause() {
    thread::sleep(END_POLL);
}

fn read(stdout: impl Read, max: usize) -> Result<Vec<u8>, Unread> {
    let mut output = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    // SECURITY: process::too_much_output_is_an_error
    match stdout.take(limit).read_to_end(&mut output) {
        Ok(_) if output.len() > max => Err(Unread::TooMuch),
        Ok(_) => Ok(output),
        Err(error) => Err(Unread::Failed(error)),
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
