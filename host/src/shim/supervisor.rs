//! The main thread of a shim while the program runs: [`Supervisor`].
//!
//! It looks at everything once per [`TICK`] and lives as long as the program does. Threads, all begun after the program: one waits for
//! the program's end, one for the daemon's, one counts the bytes on disk if they are limited, one notices when processes multiply if
//! those are limited by nobody else. `process` has one more, which feeds the program's input.

use super::progress::Progress;
use super::records::{Records, Stopped};
use super::serve::note;
use super::stopping::{Act, Stopping};
use super::tree::{Tree, reap_all_but};
use super::usage::{Pressure, Usage};
use super::watch::{Disk, Reserve, is_full};
use super::{End, Exit, Orphan, Spec, Stop, StopReason};
use crate::crash::{self, CrashPoint};
use crate::os::{processes, supervision};
use crate::process::Running;
use crate::telemetry::chain;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// How soon a request, a limit or the clock is noticed. The program's end is noticed at once.
const TICK: Duration = Duration::from_millis(100);

/// Between two looks at the file systems.
const FREE_POLL: Duration = Duration::from_secs(1);

/// Between two looks at the children that have come to us.
const REAP_POLL: Duration = Duration::from_secs(10);

/// Bytes of a stream after the limit of both. Then the file is cut off: what has been asked to stop goes on writing for as long as
/// its ladder lets it.
const OUTPUT_SLACK: u64 = 1 << 20;

/// What the threads tell.
#[derive(Clone, Copy, Debug)]
enum Event {
    Burst,
    DaemonGone,
    DiskExceeded,
    ProgramEnded,
}

/// One of the program's streams.
#[derive(Debug)]
struct Stream {
    written: File,
    progress: Option<(File, Progress)>,
    path: PathBuf,
}

/// Follows one program to its end.
#[derive(Debug)]
pub(super) struct Supervisor<'a> {
    records: &'a Records,
    program: Running,
    tree: Tree,
    reserve: Reserve,
    stopping: Stopping,
    asked_at: SystemTime,
    timeout: Duration,
    output_max: u64,
    orphan: Orphan,
    usage: Usage,
    disk: Option<Disk>,
    file_systems: Vec<PathBuf>,
    streams: Vec<Stream>,
    since: Instant,
    looked_at_free: Duration,
    reaped: Duration,
}

impl<'a> Supervisor<'a> {
    pub(super) fn new(
        records: &'a Records,
        spec: &Spec,
        program: Running,
        tree: Tree,
        reserve: Reserve,
    ) -> Self {
        let (limits, directory) = (&spec.confinement.limits, records.directory());
        let directories = spec.confinement.write.clone();
        let file_systems = [directory.to_owned()].into_iter().chain(directories.clone());
        let streams = [super::stdout(directory), super::stderr(directory)].into_iter();
        let usage = Usage::new(&spec.confinement, &tree, program.id());
        Self {
            records,
            program,
            tree,
            reserve,
            stopping: Stopping::new(spec.ladder),
            asked_at: SystemTime::now(),
            timeout: spec.timeout,
            output_max: spec.output_max,
            orphan: spec.ladder.orphan,
            usage,
            file_systems: file_systems.collect(),
            disk: limits.disk_bytes.map(|limit| Disk { directories, limit }),
            streams: streams.filter_map(Stream::open).collect(),
            since: Instant::now(),
            looked_at_free: Duration::ZERO,
            reaped: Duration::ZERO,
        }
    }

    /// Returns when the program and all that it has started are gone.
    pub(super) fn follow(mut self, started: SystemTime) -> End {
        match self.attend() {
            Ok(events) => self.supervise(&events),
            Err(error) => {
                // Without its threads a shim is blind, and the program has only just begun.
                note(format_args!("failed to start a thread: {error}"));
                self.stopping.kill(StopReason::Orphaned, self.since.elapsed());
                let _ = self.program.kill();
                let _ = supervision::await_end(self.program.id());
            }
        }
        let stop = self.stopping.done(self.since.elapsed());
        // Before the program is waited for: as long as it is not, its number is that of its group and of nothing else.
        // SECURITY: walls::what_left_the_session_is_swept
        let swept = self.tree.sweep(Some(self.program.id()));
        if let Some(pulse) = self.usage.pulse() {
            pulse.end();
        }
        let exit = match self.program.wait() {
            Ok(status) => match (supervision::signal_of(status), status.code()) {
                (Some(signal), _) => Exit::Signal(signal),
                (None, Some(code)) => Exit::Code(code),
                (None, None) => Exit::Unseen,
            },
            Err(error) => {
                note(format_args!("failed to learn how the program ended: {error}"));
                Exit::Unseen
            }
        };
        let (stop, memory_peak) = self.memory_of_group(&exit, stop);
        self.reserve.free();
        End { exit, stop, swept, started, ended: SystemTime::now(), memory_peak }
    }

    /// What only the control group knows: the system may have killed something for its memory without being asked by us.
    fn memory_of_group(&self, exit: &Exit, stop: Option<Stop>) -> (Option<Stop>, Option<u64>) {
        let peak = self.usage.memory_peak;
        let Some(group) = self.tree.group() else { return (stop, peak) };
        let reason = StopReason::Memory;
        let killed = Stop { reason, interrupts: 0, killed: true, took: Duration::ZERO };
        let is_killed = *exit != Exit::Code(0) && group.was_oom_killed();
        (stop.or_else(|| is_killed.then_some(killed)), peak.max(group.memory_peak()))
    }

    fn attend(&mut self) -> io::Result<Receiver<Event>> {
        let (sender, events) = channel();
        let begin = |name: &str, event, wait: Box<dyn FnOnce() -> bool + Send>| {
            let sender: Sender<Event> = sender.clone();
            let thread = thread::Builder::new().name(name.to_owned());
            thread.spawn(move || {
                if wait() {
                    // Nobody listens after the end.
                    let _ = sender.send(event);
                }
            })
        };
        let program = self.program.id();
        let ended = move || {
            if let Err(error) = supervision::await_end(program) {
                note(format_args!("failed to wait for the program: {error}"));
            }
            true
        };
        begin("end", Event::ProgramEnded, Box::new(ended))?;
        let is_cut = || {
            // Nothing comes any more: it ends, or breaks.
            let _ = io::stdin().lock().read_to_end(&mut Vec::new());
            true
        };
        begin("lifeline", Event::DaemonGone, Box::new(is_cut))?;
        if let Some(disk) = self.disk.take() {
            let watch = move || {
                disk.watch(|| {});
                true
            };
            begin("disk", Event::DiskExceeded, Box::new(watch))?;
        }
        if let Some(pulse) = self.usage.pulse().cloned() {
            let thread = thread::Builder::new().name("pulse".to_owned());
            thread.spawn(move || while pulse.beat() && sender.send(Event::Burst).is_ok() {})?;
        }
        Ok(events)
    }

    fn supervise(&mut self, events: &Receiver<Event>) {
        loop {
            let event = events.recv_timeout(TICK);
            let now = self.since.elapsed();
            let act = match event {
                Err(RecvTimeoutError::Disconnected) | Ok(Event::ProgramEnded) => return,
                // It is looked at now, whatever brought us here.
                Err(RecvTimeoutError::Timeout) | Ok(Event::Burst) => None,
                Ok(Event::DaemonGone) => match self.orphan {
                    Orphan::Continues => None,
                    Orphan::IsInterrupted => self.ask(StopReason::Orphaned, now),
                },
                Ok(Event::DiskExceeded) => self.ask(StopReason::Disk, now),
            };
            self.carry_out(act);
            self.look(now);
            let act = self.stopping.tick(now);
            self.carry_out(act);
        }
    }

    fn look(&mut self, now: Duration) {
        if let Some(reason) = self.reason(now) {
            let act = self.ask(reason, now);
            self.carry_out(act);
        }
        let act = match self.usage.look(&self.tree, self.program.id()) {
            None => None,
            Some(Pressure::High(reason)) => self.ask(reason, now),
            Some(Pressure::TooLarge(largest)) if largest.pid == self.program.id() => {
                Some(self.kill(StopReason::Memory, now))
            }
            Some(Pressure::TooLarge(largest)) => {
                processes::kill(largest);
                self.ask(StopReason::Memory, now)
            }
            Some(Pressure::TooMany) => {
                self.tree.thin(self.program.id());
                self.ask(StopReason::Processes, now)
            }
        };
        self.carry_out(act);
        self.usage.settle();
        if self.stopping.is_asked() && self.streams.iter_mut().any(Stream::has_progressed) {
            self.stopping.progressed(now);
        }
        if now.saturating_sub(self.reaped) >= REAP_POLL {
            self.reaped = now;
            reap_all_but(self.program.id());
        }
    }

    /// Why it is to be stopped now.
    fn reason(&mut self, now: Duration) -> Option<StopReason> {
        let output = self.streams.iter().map(Stream::length);
        let is_output_exceeded = output.fold(0, u64::saturating_add) > self.output_max;
        if is_output_exceeded {
            let max = self.output_max.saturating_add(OUTPUT_SLACK);
            self.streams.iter().for_each(|stream| stream.cut(max));
        }
        if self.stopping.is_asked() {
            return None;
        }
        if supervision::is_told_to_stop() {
            return Some(StopReason::Orphaned);
        }
        if self.records.is_requested() {
            let requested = self.records.requested();
            // Somebody wanted something, and there is only one thing to be wanted.
            let reason = requested.ok().flatten().map(|requested| requested.reason);
            return Some(reason.unwrap_or(StopReason::Shutdown));
        }
        if is_output_exceeded {
            return Some(StopReason::Output);
        }
        if now >= self.timeout {
            return Some(StopReason::Time);
        }
        if now.saturating_sub(self.looked_at_free) >= FREE_POLL {
            self.looked_at_free = now;
            if is_full(self.file_systems.iter().map(PathBuf::as_path)) {
                return Some(StopReason::Disk);
            }
        }
        None
    }

    fn ask(&mut self, reason: StopReason, now: Duration) -> Option<Act> {
        let act = self.stopping.ask(reason, now)?;
        self.asked_at = SystemTime::now();
        for stream in &mut self.streams {
            stream.follow();
        }
        if reason == StopReason::Disk {
            // For the record, and for what the program has to save.
            self.reserve.free();
        }
        Some(act)
    }

    fn kill(&mut self, reason: StopReason, now: Duration) -> Act {
        if !self.stopping.is_asked() {
            self.asked_at = SystemTime::now();
        }
        self.stopping.kill(reason, now)
    }

    /// Writes down what is done next, then does it.
    fn carry_out(&mut self, act: Option<Act>) {
        let (Some(act), Some(stop)) = (act, self.stopping.done(self.since.elapsed())) else {
            return;
        };
        let Stop { reason, interrupts, killed, .. } = stop;
        let at = self.asked_at;
        let stopped = Stopped { reason, interrupts, killed, is_sent: false, at };
        // SECURITY: walls::the_record_precedes_the_interrupt
        let written = self.records.write_stop(&stopped).or_else(|_| {
            self.reserve.free();
            self.records.write_stop(&stopped)
        });
        if let Err(error) = written {
            // It must be stopped all the same.
            note(chain(&error));
        }
        crash::point(CrashPoint::ShimStopWritten);
        let done = match act {
            Act::Interrupt(_) => self.program.interrupt(),
            // The rest is swept at its end, which is now.
            Act::Kill => self.program.kill(),
        };
        match done {
            // Without this, whoever takes over has to be more careful than need be.
            Ok(()) => drop(self.records.write_stop(&Stopped { is_sent: true, ..stopped })),
            Err(error) => note(format_args!("failed to stop the program: {error}")),
        }
    }
}

impl Stream {
    fn open(path: PathBuf) -> Option<Self> {
        let written = File::options().append(true).open(&path).ok()?;
        Some(Self { written, progress: None, path })
    }

    fn length(&self) -> u64 {
        self.written.metadata().map_or(0, |metadata| metadata.len())
    }

    /// From now on, its progress counts.
    fn follow(&mut self) {
        let file = File::open(&self.path).ok();
        self.progress = file.map(|file| (file, Progress::after(self.length())));
    }

    fn has_progressed(&mut self) -> bool {
        let followed = self.progress.as_mut();
        followed.is_some_and(|(file, progress)| progress.look(file).unwrap_or_default())
    }

    fn cut(&self, max: u64) {
        if self.length() > max
            && let Err(error) = self.written.set_len(max)
        {
            note(format_args!("failed to cut off `{}`: {error}", self.path.display()));
        }
    }
}
