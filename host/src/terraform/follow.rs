//! Carries out one operation: [`Follower`] starts it, or finds it if an earlier process has, and follows it to its end.

use super::answer::OperationError;
use super::files::{self, blocking};
use super::flight::{InFlight, not_begun};
use super::tail::{Shown, Tails};
use super::workspace::LogSink;
use crate::crash::{self, CrashPoint};
use crate::excerpt::Excerpt;
use crate::os;
use crate::shim::{End, Exit, Found, Launcher, Operation, ShimError, Spec, Stop, StopReason};
use crate::telemetry::chain;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::OnceCell;
use tokio::time::{MissedTickBehavior, interval};

/// How often is looked at what a process has printed, and whether it is to be stopped.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Bytes of an error stream that are kept as diagnostics.
const DIAGNOSTICS: usize = 16 << 10;

/// Bytes of an error stream that are looked at.
const STDERR_MAX: u64 = 1 << 20;

/// Follows the operations of a run.
#[derive(Clone)]
pub(super) struct Follower {
    pub(super) launcher: Launcher,
    pub(super) directory: PathBuf,
    pub(super) log: LogSink,
    pub(super) flight: InFlight,
}

/// An operation that has ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) end: End,
    pub(super) stdout: PathBuf,
    stderr: PathBuf,
    /// Of what it printed there, once somebody has asked.
    errors: OnceCell<String>,
}

/// What an end amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It ended by one of the codes that are expected.
    Done(i32),
    /// It ended by another code.
    SaidNo(i32),
    /// It was stopped.
    Stopped(Stop),
    /// It was killed by somebody, or nobody saw its end.
    Died(String),
    /// It did not start.
    NotStarted(String),
}

impl Follower {
    /// Writes a line of ours into the run's log.
    pub(super) fn say(&self, text: &str) {
        (self.log)(format!("blockhouse: {text}\n").as_bytes());
    }

    /// Whether there is an operation of this name already.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.directory.join(name).exists()
    }

    /// Carries the operation out, or follows the one of this name. `stoppable`: it is not started, and interrupted, if the run is to
    /// be stopped; what cleans up is not.
    pub(super) async fn carry_out(
        &self,
        name: &str,
        spec: Spec,
        shown: Shown,
        stoppable: bool,
    ) -> Result<Ended, OperationError> {
        let directory = self.directory.join(name);
        let (stdout, stderr) = (directory.join("stdout"), directory.join("stderr"));
        let tails = Tails::new(stdout.clone(), stderr.clone(), shown, Arc::clone(&self.log));
        let found = if self.knows(name) {
            self.launcher.find(&directory).await.map_err(fault)?
        } else {
            Found::NotStarted
        };
        let end = match found {
            Found::Ended(end) => self.finish(tails).await.map(|()| end),
            Found::Running(operation) => self.follow(operation, tails, stoppable).await,
            Found::NotStarted => {
                if stoppable && let Some(reason) = self.flight.stop() {
                    return Err(OperationError::Cancelled(not_begun(name, reason)));
                }
                let made = directory.clone();
                // One in which nothing was started may be there.
                let made = blocking(move || os::create_private_directory(&made).map(drop));
                made.await.map_err(|error| io_fault("make a directory for", name, &error))?;
                let operation = match self.launcher.start(&directory, spec.clone()).await {
                    // Nothing was started, and nothing will be by that shim: what has killed it may spare the next one.
                    Err(error @ ShimError::Died { .. }) => {
                        tracing::warn!(error = %chain(&error), "a shim died early; starting another one");
                        self.launcher.start(&directory, spec).await
                    }
                    started => started,
                };
                self.follow(operation.map_err(fault)?, tails, stoppable).await
            }
        }?;
        crash::point(CrashPoint::OperationEnded);
        Ok(Ended { end, stdout, stderr, errors: OnceCell::new() })
    }

    async fn follow(
        &self,
        operation: Operation,
        mut tails: Tails,
        stoppable: bool,
    ) -> Result<End, OperationError> {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_interrupted = false;
        // One future for the whole of it: what it does about a dead shim begins anew with each.
        let mut followed = operation.clone();
        let ended = followed.ended();
        tokio::pin!(ended);
        let end = loop {
            tokio::select! {
                end = &mut ended => break end,
                _ = look.tick() => {}
            }
            if stoppable
                && !is_interrupted
                && let Some(reason) = self.flight.stop()
            {
                match operation.interrupt(to_shim(reason)) {
                    Ok(()) => {
                        crash::point(CrashPoint::OperationStopRequested);
                        is_interrupted = true;
                    }
                    // The next look tries again.
                    Err(error) => {
                        tracing::error!(error = %chain(&error), "a process can't be interrupted")
                    }
                }
            }
            tails = self.pump(tails).await?;
        };
        // What it has printed is told even if nobody can say how it ended.
        self.finish(tails).await?;
        end.map_err(fault)
    }

    async fn pump(&self, mut tails: Tails) -> Result<Tails, OperationError> {
        let pumped = blocking(move || {
            let told = tails.pump();
            Ok((tails, told))
        });
        let (tails, told) = pumped.await.map_err(|error| io_fault("read", "a log", &error))?;
        if let Err(error) = told {
            tracing::warn!(%error, "what a process prints can't be read");
        }
        Ok(tails)
    }

    async fn finish(&self, mut tails: Tails) -> Result<(), OperationError> {
        let told = blocking(move || tails.finish()).await;
        if let Err(error) = told {
            tracing::warn!(%error, "what a process has printed can't be read");
        }
        Ok(())
    }
}

impl Ended {
    /// What it amounts to, if these exit codes are expected.
    pub(super) fn verdict(&self, expected: &[i32]) -> Verdict {
        match (&self.end.exit, self.end.stop) {
            (Exit::NotStarted(why), _) => Verdict::NotStarted(why.clone()),
            (Exit::Code(code), _) if expected.contains(code) => Verdict::Done(*code),
            (_, Some(stop)) => Verdict::Stopped(stop),
            (Exit::Code(code), None) => Verdict::SaidNo(*code),
            (Exit::Signal(signal), None) => {
                Verdict::Died(format!("The process was killed by signal {signal}."))
            }
            (Exit::Unseen, None) => Verdict::Died(
                "Nobody saw how the process ended: its supervisor was killed, or the machine stopped.".to_owned(),
            ),
        }
    }

    /// Whether it may have been ended in the middle of something: no clean-up of its own can be counted on.
    pub(super) fn is_violent(&self) -> bool {
        let forced = self.end.stop.is_some_and(|stop| stop.killed || stop.interrupts > 1);
        forced || matches!(self.end.exit, Exit::Signal(_) | Exit::Unseen)
    }

    /// The last sign of life: nobody saw when an unseen one ended.
    pub(super) async fn last_sign(&self) -> SystemTime {
        if self.end.exit != Exit::Unseen {
            return self.end.ended;
        }
        let paths = [self.stdout.clone(), self.stderr.clone()];
        let changed = blocking(move || {
            let times =
                paths.iter().filter_map(|path| std::fs::metadata(path).ok()?.modified().ok());
            Ok(times.max())
        });
        changed.await.ok().flatten().map_or(self.end.ended, |time| time.min(self.end.ended))
    }

    /// Its error stream, of which the middle of a flood is left out: an error is told at the end. Read once.
    pub(super) async fn errors(&self) -> &str {
        let read = async || {
            let path = self.stderr.clone();
            let text = blocking(move || files::ends(&path, STDERR_MAX)).await.unwrap_or_default();
            String::from_utf8_lossy(&text).into_owned()
        };
        self.errors.get_or_init(read).await
    }

    /// Of its error stream, beginning and end.
    pub(super) async fn diagnostics(&self) -> String {
        let mut excerpt = Excerpt::new(DIAGNOSTICS);
        excerpt.push(self.errors().await.trim());
        excerpt.render()
    }

    /// Its output.
    pub(super) async fn output(&self, max: u64) -> io::Result<Vec<u8>> {
        let path = self.stdout.clone();
        blocking(move || Ok(files::read(&path, max)?.unwrap_or_default())).await
    }
}

/// What a stop took, in a sentence.
pub(super) fn sentence(stop: &Stop, exit: &Exit) -> String {
    let mut text = match (stop.interrupts, stop.killed) {
        (0, _) => "The process was killed".to_owned(),
        (1, false) => "The process was interrupted once".to_owned(),
        (1, true) => "The process was interrupted once and then killed".to_owned(),
        (_, false) => "The process was interrupted twice".to_owned(),
        (_, true) => "The process was interrupted twice and then killed".to_owned(),
    };
    let took = Duration::from_millis(u64::try_from(stop.took.as_millis()).unwrap_or(u64::MAX));
    let why = match stop.reason {
        StopReason::ByUser => "its run was aborted",
        StopReason::Cpu => "it used too much time on a core (`cpu_time`)",
        StopReason::Disk => "there was no disk space left for it",
        StopReason::Memory => "it needed too much memory",
        StopReason::Orphaned => "the runner had died, or its supervisor was told to end",
        StopReason::Output => "it printed too much",
        StopReason::Processes => "it had too many processes and threads (`processes`)",
        StopReason::Shutdown => "the runner is being stopped",
        StopReason::Time => "its time was over",
    };
    let _ = write!(text, ", since {why}; that took {}", humantime::format_duration(took));
    match exit {
        Exit::Unseen => text.push_str(". Nobody saw how it ended."),
        _ => text.push('.'),
    }
    text
}

fn to_shim(reason: super::StopReason) -> StopReason {
    match reason {
        super::StopReason::ByUser => StopReason::ByUser,
        super::StopReason::Cpu => StopReason::Cpu,
        super::StopReason::Disk => StopReason::Disk,
        super::StopReason::Memory => StopReason::Memory,
        super::StopReason::Output => StopReason::Output,
        super::StopReason::Processes => StopReason::Processes,
        super::StopReason::Shutdown => StopReason::Shutdown,
        super::StopReason::Time => StopReason::Time,
    }
}

/// The reason in the words of the component's interface.
pub(super) fn from_shim(reason: StopReason) -> super::StopReason {
    match reason {
        StopReason::ByUser => super::StopReason::ByUser,
        StopReason::Cpu => super::StopReason::Cpu,
        StopReason::Disk => super::StopReason::Disk,
        StopReason::Memory => super::StopReason::Memory,
        StopReason::Orphaned | StopReason::Shutdown => super::StopReason::Shutdown,
        StopReason::Output => super::StopReason::Output,
        StopReason::Processes => super::StopReason::Processes,
        StopReason::Time => super::StopReason::Time,
    }
}

fn fault(error: ShimError) -> OperationError {
    OperationError::Fault(chain(&error).to_string())
}

/// A fault of the disk.
pub(super) fn io_fault(what: &str, name: &str, error: &io::Error) -> OperationError {
    OperationError::Fault(format!("failed to {what} `{name}`: {error}"))
}
